use std::path::PathBuf;

use clap::Args;
use sekisho_output::say;

use super::{Failure, local};
use crate::terminal::place::Place;
use crate::terminal::{enrol, nss};

/// Renew the certificate under the present one.
#[derive(Args)]
#[command(after_help = "Example:\n  sekisho-agent renew")]
pub struct Renew {
    /// NSS database of the browser, to be given the new certificate too; without it the one that
    /// enrolment was given.
    #[arg(long)]
    nss: Option<PathBuf>,
}

impl Renew {
    pub(super) async fn execute(self, place: &Place) -> Result<(), Failure> {
        enrol::renew(place).await.map_err(super::enroll::failure)?;
        nss::supply(place, self.nss.as_deref()).map_err(local)?;
        say("Renewed.\n")?;
        Ok(())
    }
}
