use std::path::{Path, PathBuf};

use clap::Args;
use sekisho_output::{remark, say};

use super::enroll::{policy_line, store_failure};
use super::{Failure, doctor};
use crate::terminal::place::Place;
use crate::terminal::policy::{self, Standing};
use crate::terminal::{enrol, nss};

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
            let supplied = nss::supply(place, self.nss.as_deref());
            let said = match supplied.map_err(super::local)? {
                Some(folder) => format!("{} holds this PC's certificate.\n", folder.display()),
                None => {
                    return Err(Failure::Usage(anyhow::anyhow!(
                        "no NSS database is known here; name it, for instance --nss ~/.pki/nssdb"
                    )));
                }
            };
            say(&said)?;
            return Ok(());
        }
        enrol::renew(place).await.map_err(super::enroll::failure)?;
        // Said before the browser's store is tried: the renewal stands, whatever comes of that.
        say("Renewed.\n")?;
        nss::supply(place, self.nss.as_deref())
            .map_err(|error| store_failure("the certificate is renewed", error))?;
        let standing = doctor::policy_standing(place, &policy::FOLDERS.map(Path::new));
        if let Ok(Standing::PassesOver(file)) = standing {
            remark(&format!(
                "sekisho-agent: the browser's policy {0} passes over the new certificate, so that \
                 no login works; as root: {1}",
                file.display(),
                policy_line(&place.folder, &file)
            ));
        }
        Ok(())
    }
}
