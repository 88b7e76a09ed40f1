use clap::Args;
use der::Decode;
use sekisho_output::say;
use x509_cert::Certificate;

use super::{Failure, local};
use crate::terminal::place::{Place, read};
use crate::terminal::renewal::Tries;

/// Show what this PC is enrolled as.
#[derive(Args)]
#[command(after_help = "Example:\n  sekisho-agent status --json | jq -r .not_after")]
pub struct Status {
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) fn execute(self, place: &Place) -> Result<(), Failure> {
        let (enrolment, trust) = (place.enrolment()?, place.trust()?);
        let certificate = Certificate::from_der(&read(&place.certificate())?).map_err(local)?;
        let not_after = certificate.tbs_certificate().validity().not_after.to_string();
        let tries = Tries::read(place)?;
        if self.json {
            let value = serde_json::json!({
                "server": enrolment.server,
                "terminal": trust.terminal,
                "facility": trust.facility,
                "portals": trust.portal_origins,
                "not_after": not_after,
                "renewal": { "failed": tries.failed, "why": tries.why },
            });
            say(&format!("{value:#}\n"))?;
        } else {
            say(&format!(
                "facility     {} ({})\n\
                 terminal     {} ({})\n\
                 server       {}\n\
                 portals      {}\n\
                 certificate  until {not_after}\n",
                trust.facility.name,
                trust.facility.id,
                trust.terminal.name,
                trust.terminal.id,
                enrolment.server,
                trust.portal_origins.join(" ")
            ))?;
            if let Some(why) = tries.why {
                say(&format!("renewal      failed {} times: {why}\n", tries.failed))?;
            }
        }
        Ok(())
    }
}
