use std::path::PathBuf;

use clap::Args;
use sekisho_output::{remark, say};

use super::enroll::store_failure;
use super::{Failure, doctor};
use crate::platform;
use crate::terminal::place::Place;
use crate::terminal::policy::Standing;
use crate::terminal::{browser_store, enrol};

/// Renew the certificate under the present one.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  sekisho-agent renew\n  sekisho-agent renew --browser-only --nss ~/.pki/nssdb\n      give the browser the certificate that this PC has; nothing is fetched"
)]
pub struct Renew {
    /// NSS database of the browser, to be given the new certificate too; without it the one that
    /// enrolment was given.
    #[arg(long)]
    nss: Option<PathBuf>,
    /// Fetch nothing: only give the browser's NSS database the certificate that this PC has.
    #[arg(long)]
    browser_only: bool,
}

impl Renew {
    pub(super) async fn execute(self, place: &Place) -> Result<(), Failure> {
        if self.browser_only {
            place.enrolment()?;
            let supplied = browser_store::supply(place, self.nss.as_deref());
            let supplied = supplied.map_err(super::local)?;
            if supplied.is_empty() {
                return Err(Failure::Usage(anyhow::anyhow!(
                    "no NSS database is known here; name it, for instance --nss ~/.pki/nssdb"
                )));
            }
            for store in supplied {
                say(&format!("{store} holds this PC's certificate.\n"))?;
            }
            return Ok(());
        }
        enrol::renew(place).await.map_err(super::enroll::failure)?;
        // Said before the browser's store is tried: the renewal stands, whatever comes of that.
        say("Renewed.\n")?;
        browser_store::supply(place, self.nss.as_deref())
            .map_err(|error| store_failure("the certificate is renewed", error))?;
        if let Ok(Standing::PassesOver(found_in)) = doctor::policy_standing(place) {
            remark(&format!(
                "sekisho-agent: the browser's policy {found_in} passes over the new certificate, so \
                 that no login works; {}: {}",
                platform::REMEDIES.administrator,
                platform::policy_line(&place.folder, Some(&found_in))
            ));
        }
        Ok(())
    }
}
