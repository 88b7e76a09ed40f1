//! HTTP Basic by enrolment code (RFC 7030 §3.2.3, RFC 7617): user is the terminal's identifier,
//! password the code.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};
use sekisho_ca::registration::terminal_identifier::TerminalIdentifier;
use zeroize::Zeroizing;

use super::{by_code, refusal};
use crate::{app::App, error::est::EstError, listener::Peer, paper_code::PaperCode, people::tries};

/// Reason of the refusal to what cannot be a terminal and a code.
const MALFORMED: &str = "malformed_credentials";

/// Longest header that is looked at.
const MOST_OCTETS: usize = 256;

/// What a terminal brings at its first enrolment. The code is proven by the database only.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) terminal: TerminalIdentifier,
    pub(super) code: PaperCode,
}

/// Why there are no usable credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NoCredentials {
    /// No `Authorization` at all: the client waits for the challenge.
    Missing,
    /// `Authorization` more than once, agreeing or not (RFC 9110 §5.3): nobody could tell which counts.
    Repeated,
    /// Something that cannot be a terminal and a code.
    Malformed {
        /// Whom it speaks of, where that much can be read.
        terminal: Option<TerminalIdentifier>,
    },
}

/// What was brought for this act. What can be none is refused, charged to the network and recorded.
///
/// # Errors
/// 400, 401 or 429 with a line of text.
pub(super) async fn brought(
    app: &App,
    peer: &Peer,
    act: &'static str,
    headers: &HeaderMap,
) -> Result<Credentials, EstError> {
    let (terminal, answer) = match Credentials::read(headers) {
        Ok(credentials) => return Ok(credentials),
        // Clients ask without first, to be challenged: nothing happened.
        Err(NoCredentials::Missing) => return Err(refusal::unauthorized()),
        Err(NoCredentials::Repeated) => (None, refusal::repeated_credentials()),
        Err(NoCredentials::Malformed { terminal }) => (terminal, refusal::unauthorized()),
    };
    tries::charge(app, by_code::refusals(app, peer)).await??;
    by_code::refused_at_the_door(app, peer, act, MALFORMED, terminal, &[]).await?;
    Err(answer)
}

impl Credentials {
    /// Reads exactly one `Authorization: Basic …`.
    fn read(headers: &HeaderMap) -> Result<Self, NoCredentials> {
        let mut lines = headers.get_all(header::AUTHORIZATION).iter();
        let line = lines.next().ok_or(NoCredentials::Missing)?;
        if lines.next().is_some() {
            return Err(NoCredentials::Repeated);
        }
        if line.len() > MOST_OCTETS {
            return Err(NoCredentials::Malformed { terminal: None });
        }
        let (terminal, code) = parse(line.as_bytes()).unwrap_or_default();
        match (terminal, code) {
            (Some(terminal), Some(code)) => Ok(Self { terminal, code }),
            (terminal, _) => Err(NoCredentials::Malformed { terminal }),
        }
    }
}

/// User and password, each as far as it is a terminal and a code.
fn parse(line: &[u8]) -> Option<(Option<TerminalIdentifier>, Option<PaperCode>)> {
    let line = std::str::from_utf8(line).ok()?;
    let (scheme, encoded) = line.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    let terminal = TerminalIdentifier::parse(&user.trim().to_ascii_uppercase()).ok();
    Some((terminal, PaperCode::parse(password).ok()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use sekisho_key::SystemRandomness;

    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    fn basic(user: &str, password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    }

    #[test]
    fn a_terminal_and_its_code_are_read() {
        let code = PaperCode::generate(&SystemRandomness).unwrap();
        let line = basic("t0123456789", &code.reveal().to_lowercase());
        let read = Credentials::read(&headers(&[&line])).unwrap();
        assert_eq!(read.terminal.to_string(), "T0123456789");
        assert_eq!(read.code.hash(), code.hash());
    }

    #[test]
    fn what_is_missing_repeated_or_no_code_is_refused() {
        let code = PaperCode::generate(&SystemRandomness).unwrap();
        let good = basic("T0123456789", &code.reveal());
        assert_eq!(Credentials::read(&headers(&[])).unwrap_err(), NoCredentials::Missing);
        for second in [good.as_str(), "Bearer abc"] {
            let twice = Credentials::read(&headers(&[&good, second])).unwrap_err();
            assert_eq!(twice, NoCredentials::Repeated);
        }
        let long = format!("Basic {}", "A".repeat(300));
        for lines in [
            &["Bearer abc"][..],
            &["Basic"],
            &["Basic !!!"],
            &[long.as_str()],
            &[basic("admin", &code.reveal()).as_str()],
        ] {
            let refused = Credentials::read(&headers(lines)).unwrap_err();
            assert_eq!(refused, NoCredentials::Malformed { terminal: None }, "{lines:?}");
        }
        let no_code = Credentials::read(&headers(&[&basic("T0123456789", "secret")])).unwrap_err();
        let terminal = TerminalIdentifier::parse("T0123456789").ok();
        assert_eq!(no_code, NoCredentials::Malformed { terminal });
    }
}
