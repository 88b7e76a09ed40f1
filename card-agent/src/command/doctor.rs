use clap::Args;
use sekisho_output::say;
use sekisho_protocol::door;

use super::{Failure, refused};
use crate::card::pcsc::PcscReaders;
use crate::card::reader::Readers;
use crate::platform;
use crate::terminal::enrol;
use crate::terminal::key::FileKey;
use crate::terminal::place::{Place, PlaceError};

/// Look for what keeps logins from working, and say what to do.
#[derive(Args)]
#[command(after_help = "Example:\n  sekisho-agent doctor --port 14790")]
pub struct Doctor {
    /// Port of the agent.
    #[arg(long, default_value_t = door::DEFAULT_PORT)]
    port: u16,
}

impl Doctor {
    pub(super) async fn execute(self, place: &Place) -> Result<(), Failure> {
        let mut faults = 0;
        let mut tell = |subject: &str, finding: Result<String, String>| match finding {
            Ok(text) => say(&format!("ok     {subject}: {text}\n")),
            Err(text) => {
                faults += 1;
                say(&format!("FAULT  {subject}: {text}\n"))
            }
        };
        let enrolled = place.trust();
        let is_enrolled = !matches!(enrolled, Err(PlaceError::NotEnrolled { .. }));
        tell("enrolment", enrolled.map(|trust| trust.terminal.id).map_err(in_words))?;
        let answer = if is_enrolled {
            server(place).await
        } else {
            Err("not asked: which one it is comes with the enrolment".to_owned())
        };
        tell("server", answer)?;
        tell(
            "port",
            match platform::foreign_listener(self.port) {
                Some(user) => Err(format!(
                    "a program of user {user} listens on {}; stop it, or give the agent another port",
                    self.port
                )),
                None => Ok(format!("{} is not taken by another user", self.port)),
            },
        )?;
        tell(
            "readers",
            match PcscReaders.slots() {
                Ok(slots) if slots.is_empty() => Err("none connected".into()),
                Ok(slots) => {
                    Ok(slots.into_iter().map(|slot| slot.reader).collect::<Vec<_>>().join(", "))
                }
                Err(error) => Err(in_words(error)),
            },
        )?;
        match faults {
            0 => Ok(()),
            _ => Err(refused(anyhow::anyhow!("{faults} faults"))),
        }
    }
}

/// Whether the server answers this terminal, and how far the clocks are apart.
async fn server(place: &Place) -> Result<String, String> {
    let key = FileKey::load(&place.key()).map_err(in_words)?;
    match enrol::refresh_trust(place, &key).await {
        Ok((_, ahead)) if ahead.abs() > 300 => {
            Err(format!("this PC's clock is wrong by {ahead} seconds; set it"))
        }
        Ok((_, ahead)) => Ok(format!("answers, clocks differ by {ahead} s")),
        Err(error) => Err(in_words(error)),
    }
}

/// With its causes: of a file that is not there, the path alone says nothing.
fn in_words(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}
