//! What `doctor` finds of the enrolment, its server and portals, and the terminal's certificate.

use std::io::ErrorKind;

use sekisho_protocol::request::CLOCK_LEEWAY;
use time::{Duration, OffsetDateTime};

use super::finding::{Finding, in_words};
use crate::platform;
use crate::terminal::client::ClientError;
use crate::terminal::enrol::{self, EnrolError};
use crate::terminal::key::TerminalKey;
use crate::terminal::place::{Place, PlaceError, TRUST_FILE};
use crate::terminal::reach;
use crate::terminal::renewal::{Age, Tries, Validity};

/// What brings a terminal back whose files or key are of no use.
pub(super) const ENROL_ANEW: &str =
    "ask the facility's administrator for a new code and run the enroll line";
const NETWORK: &str = "is the line up and the name known? Ask the network's administrator";

/// What is not there at a PC that is not enrolled, or whose files cannot be read.
pub(super) fn of_place(error: PlaceError) -> Finding {
    match error {
        PlaceError::NotEnrolled { missing, remedy } => {
            Finding::fault(format!("no enrolment here: {missing} is missing"), remedy)
        }
        PlaceError::File { ref source, .. } if source.kind() == ErrorKind::NotFound => {
            Finding::fault(in_words(error), ENROL_ANEW)
        }
        PlaceError::File { .. } => {
            Finding::fault(in_words(error), "let this user read and write it, or run as its user")
        }
        PlaceError::Malformed { ref path, .. } if path.ends_with(TRUST_FILE) => Finding::fault(
            in_words(error),
            format!("run `sekisho-agent renew`; if that fails, {ENROL_ANEW}"),
        ),
        PlaceError::Malformed { .. } => Finding::fault(in_words(error), ENROL_ANEW),
        PlaceError::Key(_) => Finding::fault(
            in_words(error),
            format!("if a token holds it, plug that in; if the key is lost, {ENROL_ANEW}"),
        ),
    }
}

/// What came of asking the server.
pub(super) struct Asked {
    /// Whether it answers this terminal.
    pub(super) server: Finding,
    /// Whether this PC's clock is near its own.
    pub(super) clock: Finding,
    /// How far its clock is ahead of ours, in seconds, where it told.
    pub(super) ahead: Option<i64>,
}

impl Asked {
    /// By how far it is ahead, or why it did not say so.
    pub(super) fn of(ahead: Result<i64, EnrolError>) -> Self {
        let (server, ahead) = match ahead {
            Ok(ahead) => (Finding::Well("answers".to_owned()), Some(ahead)),
            // It answers whoever does not ask how late it is.
            Err(EnrolError::Clock { seconds }) => {
                (Finding::behind("no certificate is of this PC's time", "clock"), Some(seconds))
            }
            Err(error) => (of_server(error), None),
        };
        let untold = || Finding::behind("the server told no time", "server");
        Self { server, clock: ahead.map_or_else(untold, clock), ahead }
    }
}

/// Whether the server answers this terminal, and how late it is there.
pub(super) async fn ask_server(place: &Place, key: Result<&dyn TerminalKey, &Finding>) -> Asked {
    match key {
        Ok(key) => Asked::of(enrol::refresh_trust(place, key).await.map(|(_, ahead)| ahead)),
        Err(fault) => Asked {
            server: fault.clone(),
            clock: Finding::behind("the server was not asked", "server"),
            ahead: None,
        },
    }
}

fn of_server(error: EnrolError) -> Finding {
    let next = match error {
        EnrolError::Place(error) | EnrolError::Client(ClientError::Place(error)) => {
            return of_place(error);
        }
        EnrolError::Unreachable { .. } => NETWORK,
        EnrolError::TerminalRefused(_) => {
            "the facility's administrator sees on the page of this terminal what it may do"
        }
        EnrolError::Client(ClientError::Address(_)) | EnrolError::FingerprintForm => ENROL_ANEW,
        _ => "try again later; if it stays, read this line to the facility's administrator",
    };
    Finding::fault(in_words(error), next)
}

/// Whether this PC's clock is near enough that certificates and requests are of its time.
fn clock(ahead: i64) -> Finding {
    if ahead.abs() <= CLOCK_LEEWAY.whole_seconds() {
        return Finding::Well(format!("{} s from the server's", ahead.abs()));
    }
    let how = if ahead > 0 { "behind" } else { "ahead of" };
    let what = format!("{} seconds {how} the server's", ahead.abs());
    Finding::fault(what, platform::REMEDIES.clock)
}

/// Whether the portals answer over the connection that a login takes, one finding each. Where they cannot be
/// asked, the line whose fault it is stands in place of the key.
pub(super) async fn portals(
    place: &Place,
    key: Result<&dyn TerminalKey, &str>,
    origins: &[String],
) -> Vec<Finding> {
    if origins.is_empty() {
        return vec![Finding::fault("the server named none", ENROL_ANEW)];
    }
    let mut found = Vec::new();
    for origin in origins {
        found.push(match key {
            Ok(key) => portal(place, key, origin).await,
            Err(line) => Finding::behind(&format!("{origin} was not asked"), line),
        });
    }
    found
}

async fn portal(place: &Place, key: &dyn TerminalKey, origin: &str) -> Finding {
    match reach::portal(place, key, origin).await {
        Ok(status) if status < 500 => Finding::Well(format!("{origin} answers")),
        Ok(status) => Finding::fault(
            format!("{origin} answers with {status}"),
            "try later; if it stays, tell the facility's administrator",
        ),
        Err(error) => of_server(error),
    }
}

/// Whether the certificate is in force, and for how long, by the server's clock, which is `ahead` seconds ahead
/// of ours (`now`). Where that is not known, ours tells faults, and nothing is well.
pub(super) fn certificate(place: &Place, now: OffsetDateTime, ahead: Option<i64>) -> Finding {
    let validity = match Validity::of_terminal(place) {
        Ok(validity) => validity,
        Err(error) => return of_place(error),
    };
    let day = validity.until.date();
    let there = ahead.and_then(|seconds| now.checked_add(Duration::seconds(seconds)));
    match validity.age(there.unwrap_or(now)) {
        Age::Expired => Finding::fault(format!("expired on {day}"), ENROL_ANEW),
        Age::Due => match Tries::read(place) {
            Err(error) => of_place(error),
            Ok(Tries { why: Some(why), failed, .. }) => Finding::fault(
                format!(
                    "ends soon, on {day}; the renewal failed {failed} times, the last time because: {why}"
                ),
                "the running agent goes on trying, and `sekisho-agent renew` tries now",
            ),
            Ok(Tries { why: None, .. }) => Finding::fault(
                format!("ends soon, on {day}"),
                "a running agent renews it by itself, `sekisho-agent renew` now",
            ),
        },
        Age::Fresh if there.is_none() => {
            Finding::behind(&format!("it ends on {day}, and the server told no time"), "server")
        }
        Age::Fresh => Finding::Well(format!("until {day}")),
    }
}

#[cfg(test)]
mod tests {
    use sekisho_ca::lookalike::Forge;
    use sekisho_key::SoftwareKey;
    use sekisho_pki::encoding::name::{Part, name};

    use super::*;

    #[test]
    fn a_clock_is_wrong_beyond_the_leeway_of_a_login_request() {
        assert_eq!(clock(-300), Finding::Well("300 s from the server's".to_owned()));
        assert!(clock(301).line("").contains("301 seconds behind the server's"));
        let told = clock(-420).line("clock");
        assert!(told.contains("ahead of") && told.contains("set it"), "{told}");
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
        let after = |days| certificate(&place, now + Duration::days(days), Some(0));
        assert_eq!(after(19), Finding::Well(format!("until {}", until.date())));
        for (days, told) in [(21, ["ends soon", "renew"]), (31, ["expired", "new code"])] {
            let found = after(days);
            assert!(found.is_fault());
            assert!(told.iter().all(|part| found.line("").contains(part)), "{found:?}");
        }
    }

    #[test]
    fn what_a_server_refuses_with_is_one_line_that_says_what_to_do() {
        for error in [
            EnrolError::TerminalRefused("the certificate is on hold.\n".into()),
            EnrolError::Unreachable { server: "https://a.example".into(), why: "no name".into() },
            EnrolError::Refused { status: 500, text: "broken\nsince noon.".into() },
            EnrolError::Answer("trust document"),
            EnrolError::Place(PlaceError::Key("the token is gone".into())),
            EnrolError::Client(ClientError::Address("http://a.example".into())),
        ] {
            let line = of_server(error).line("server");
            let (what, next) = line.rsplit_once("; ").unwrap();
            assert!(what.starts_with("FAULT  server: ") && !what.ends_with('.'), "{line}");
            assert!(next.len() > 10 && line.lines().count() == 1, "{line}");
        }
    }
}
