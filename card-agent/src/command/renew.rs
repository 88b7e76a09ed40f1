use std::path::PathBuf;

use clap::Args;
use sekisho_output::say;

use super::{Failure, local};
use crate::terminal::key::FileKey;
use crate::terminal::place::Place;
use crate::terminal::{enrol, nss};

/// Renew the certificate under the present one.
#[derive(Args)]
#[command(after_help = "Example:\n  sekisho-agent renew --nss ~/.pki/nssdb")]
pub struct Renew {
    /// NSS database of the browser, to be given the new certificate too.
    #[arg(long)]
    nss: Option<PathBuf>,
}

impl Renew {
    pub(super) async fn execute(self, place: &Place) -> Result<(), Failure> {
        enrol::renew(place).await.map_err(super::enroll::failure)?;
        if let Some(folder) = &self.nss {
            let key = FileKey::load(&place.key())?;
            nss::import(place, &key, folder).map_err(local)?;
        }
        say("Renewed.\n")?;
        Ok(())
    }
}
