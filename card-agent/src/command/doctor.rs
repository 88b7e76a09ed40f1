mod readers;

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

use clap::Args;
use der::Decode;
use sekisho_output::say;
use sekisho_protocol::door;
use sekisho_protocol::request::CLOCK_LEEWAY;
use time::OffsetDateTime;
use x509_cert::Certificate;

use super::{Failure, refused};
use crate::platform::{self, CERTIFICATE_STORE};
use crate::terminal::place::{Place, PlaceError, read};
use crate::terminal::policy::{self, Standing};
use crate::terminal::renewal::{Age, Tries, Validity};
use crate::terminal::{enrol, key, nss, reach};

/// Look for what keeps logins from working, and say what to do.
///
/// A line each: enrolment, server, clock, portal, certificate, browser, agent, smart card service,
/// drivers, readers, cards. Exit code 1 where one is a FAULT.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sekisho-agent doctor
  sekisho-agent doctor --port 14800 | grep ^FAULT")]
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
        if is_enrolled {
            let asked = server(place).await;
            let ahead = asked.as_ref().copied().ok();
            tell("server", asked.map(|_| "answers".to_owned()))?;
            if let Some(ahead) = ahead {
                tell("clock", clock(ahead))?;
            }
            for origin in place.trust().map(|trust| trust.portal_origins).unwrap_or_default() {
                tell("portal", portal(place, &origin).await)?;
            }
            tell("certificate", certificate(place, OffsetDateTime::now_utc()))?;
            tell("browser store", browser_store(place))?;
            tell("browser policy", browser_policy(place))?;
        }
        if !is_enrolled {
            let unknown = "not asked: which one it is comes with the enrolment";
            tell("server", Err(unknown.to_owned()))?;
        }
        tell("agent", listener(self.port))?;
        for (subject, finding) in readers::findings() {
            tell(subject, finding)?;
        }
        match faults {
            0 => Ok(()),
            _ => Err(refused(anyhow::anyhow!("{faults} faults"))),
        }
    }
}

/// Whether the server answers this terminal; how far its clock is ahead of ours, in seconds.
async fn server(place: &Place) -> Result<i64, String> {
    let key = key::load(place).map_err(in_words)?;
    let (_, ahead) = enrol::refresh_trust(place, key.as_ref()).await.map_err(in_words)?;
    Ok(ahead)
}

/// Whether this PC's clock is near enough that certificates and requests are of its time.
fn clock(ahead: i64) -> Result<String, String> {
    if ahead.abs() <= CLOCK_LEEWAY.whole_seconds() {
        return Ok(format!("{} s from the server's", ahead.abs()));
    }
    let how = if ahead > 0 { "behind" } else { "ahead of" };
    Err(format!("{} seconds {how} the server's; {}", ahead.abs(), platform::REMEDIES.clock))
}

/// Whether a portal answers over the connection that a login takes.
async fn portal(place: &Place, origin: &str) -> Result<String, String> {
    let remedy = "is the line up and the name known? Ask the network's administrator";
    let key = key::load(place).map_err(in_words)?;
    match reach::portal(place, key.as_ref(), origin).await {
        Ok(status) if status < 500 => Ok(format!("{origin} answers")),
        Ok(status) => Err(format!("{origin} answers with {status}; try later")),
        Err(error) => Err(format!("{}; {remedy}", in_words(error))),
    }
}

/// Whether the certificate is in force, and for how long.
fn certificate(place: &Place, now: OffsetDateTime) -> Result<String, String> {
    let validity = Validity::of_terminal(place).map_err(in_words)?;
    let day = validity.until.date();
    match validity.age(now) {
        Age::Expired => Err(format!(
            "expired on {day}; ask the facility's administrator for a new code and run the enroll line"
        )),
        Age::Due => match Tries::read(place).map_err(in_words)? {
            Tries { why: Some(why), failed, .. } => Err(format!(
                "ends soon, on {day}; the renewal failed {failed} times, the last time because: {why}. \
                 The running agent goes on trying; `sekisho-agent renew` tries now"
            )),
            Tries { why: None, .. } => Err(format!(
                "ends soon, on {day}; a running agent renews it by itself, `sekisho-agent renew` now"
            )),
        },
        Age::Fresh => Ok(format!("until {day}")),
    }
}

/// Whether the browser shows the certificate that the agent answers with.
fn browser_store(place: &Place) -> Result<String, String> {
    if let Some(store) = CERTIFICATE_STORE {
        let der = read(&place.certificate()).map_err(in_words)?;
        let refill = "run `sekisho-agent renew --browser-only`";
        return match (store.holds)(&der) {
            Ok(true) => Ok(format!("{} holds the agent's certificate", store.name)),
            Ok(false) => Err(format!("{} lacks the agent's certificate; {refill}", store.name)),
            Err(error) => Err(format!("{}: {error}; {refill}", store.name)),
        };
    }
    let chosen = place.settings().map_err(in_words)?.nss;
    let is_chosen = chosen.is_some();
    let Some(folder) = chosen.or_else(platform::usual_browser_store) else {
        return Ok("none: no folder was given for one".to_owned());
    };
    let shown = folder.display();
    if !folder.is_dir() {
        return if is_chosen {
            Err(format!("{shown} is no longer there; {}", fill(&folder)))
        } else {
            Ok(format!(
                "none: {shown} does not exist and no other was given; where a browser of this user \
                 is to show the certificate, {}",
                fill(&folder)
            ))
        };
    }
    let held = nss::held(place, &folder)
        .map_err(|error| format!("{shown}: {}; {}", in_words(error), fill(&folder)))?;
    if held == read(&place.certificate()).map_err(in_words)? {
        Ok(format!("{shown} holds the agent's certificate"))
    } else {
        Err(format!("{shown} holds another certificate than the agent; {}", fill(&folder)))
    }
}

/// What gives a store the certificate.
fn fill(folder: &Path) -> String {
    let folder = platform::shell_word(&folder.display().to_string());
    format!("run `sekisho-agent renew --browser-only --nss {folder}`")
}

/// Whether the browser lets the portal's page reach the agent, and shows it our certificate.
fn browser_policy(place: &Place) -> Result<String, String> {
    let role = platform::REMEDIES.administrator;
    match policy_standing(place)? {
        Standing::InPlace => Ok("names this portal and picks the certificate".to_owned()),
        Standing::PassesOver(found_in) => Err(format!(
            "{found_in} passes over this PC's certificate, as after a change of its authority; \
             {role}: {}",
            platform::policy_line(&place.folder, Some(&found_in))
        )),
        Standing::Absent if place.trust().map_err(in_words)?.navigation => {
            Ok("none, and none is needed: this portal goes to the agent by navigation".to_owned())
        }
        Standing::Absent => Err(format!(
            "none names this portal; {role}: {}",
            platform::policy_line(&place.folder, None)
        )),
    }
}

/// Where the policies of this PC stand to what this PC is enrolled as.
pub(super) fn policy_standing(place: &Place) -> Result<Standing, String> {
    let trust = place.trust().map_err(in_words)?;
    let der = read(&place.certificate()).map_err(in_words)?;
    let certificate = Certificate::from_der(&der).map_err(in_words)?;
    Ok(policy::standing(platform::browser_policies(), &trust, &certificate))
}

/// Whether an agent of this user listens.
fn listener(port: u16) -> Result<String, String> {
    if let Some(user) = platform::foreign_listener(port) {
        return Err(format!(
            "a program of user {user} listens on {port}; stop it, or give the agent another port"
        ));
    }
    match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(format!("listens on port {port}")),
        Err(_) => Err(format!(
            "does not run (nothing listens on port {port}); start `sekisho-agent run`, at each \
             login of this PC's user"
        )),
    }
}

/// With its causes: of a file that is not there, the path alone says nothing.
fn in_words(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

#[cfg(test)]
mod tests {
    use sekisho_ca::lookalike::Forge;
    use sekisho_key::SoftwareKey;
    use sekisho_pki::encoding::name::{Part, name};
    use time::Duration;

    use super::*;

    #[test]
    fn a_clock_is_wrong_beyond_the_leeway_of_a_login_request() {
        assert_eq!(clock(-300), Ok("300 s from the server's".to_owned()));
        assert!(clock(301).is_err_and(|text| text.starts_with("301 seconds behind the server's")));
        assert!(
            clock(-420).is_err_and(|text| text.contains("ahead of") && text.contains("set it"))
        );
    }

    #[test]
    fn a_certificate_that_ends_soon_or_has_ended_is_told_with_what_helps() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::create(folder.path()).unwrap();
        let key = SoftwareKey::generate_p256().unwrap();
        let subject = name(&[Part::CommonName("T0123456789")]).unwrap();
        let now = OffsetDateTime::now_utc();
        let until = now + Duration::days(30);
        let forge = Forge::new(&subject, &subject, &key, now, until);
        std::fs::write(place.certificate(), forge.sign(&key).unwrap()).unwrap();
        let after = |days| certificate(&place, now + Duration::days(days));
        assert_eq!(after(19), Ok(format!("until {}", until.date())));
        assert!(after(21).is_err_and(|text| text.contains("ends soon") && text.contains("renew")));
        assert!(after(31).is_err_and(|text| text.contains("expired") && text.contains("new code")));
    }
}
