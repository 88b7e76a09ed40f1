//! The second door: a form post by top-level navigation, where no policy lets scripts in.
//!
//! The form holds the signed request and nothing else. The answer is a page that posts to the
//! address which the request names, at the portal's own origin, and can do nothing else. A request
//! of the portal that this agent cannot serve, and that so names no address, gets a page of words.

use sekisho_protocol::door::ErrorCode;
use sekisho_protocol::request::{Language, VerifiedLoginRequest};

use super::failure::Failure;
use super::messages::message;

/// How an exchange ended.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// The answer's text.
    Answer(&'a str),
    /// Why there is none.
    Failed(Failure),
}

/// The one field of the form.
pub fn request_of(body: &[u8]) -> Option<String> {
    let mut fields = url::form_urlencoded::parse(body);
    let (name, value) = fields.next()?;
    (name == "request" && fields.next().is_none()).then(|| value.into_owned())
}

/// The page that carries the answer home, and its content security policy.
///
/// `None` where the request names no return address.
pub fn page(
    request: &VerifiedLoginRequest,
    terminal_proof: &str,
    outcome: Outcome<'_>,
) -> Option<(String, String)> {
    let claims = request.claims();
    let action = escape(claims.return_address.as_deref()?);
    let nonce = sekisho_protocol::octets::encode(crate::random::<16>());
    let mut fields = vec![
        ("request", request.digest().to_string()),
        ("terminal_proof", terminal_proof.to_owned()),
    ];
    match outcome {
        Outcome::Answer(answer) => fields.push(("answer", answer.to_owned())),
        Outcome::Failed(Failure { code, tries_left, day }) => {
            fields.push(("error", word(code)));
            fields.extend(tries_left.map(|tries| ("tries_left", tries.to_string())));
            fields.extend(day.map(|day| ("day", day.to_string())));
        }
    }
    let fields: String = fields
        .iter()
        .map(|(name, value)| {
            format!(r#"<input type="hidden" name="{name}" value="{}">"#, escape(value))
        })
        .collect();
    let html = format!(
        r#"<!doctype html><html lang="ja"><meta charset="utf-8"><title>HPKI</title><form method="post" action="{action}">{fields}<button>続ける / Continue</button></form><script nonce="{nonce}">document.forms[0].submit()</script></html>"#
    );
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; form-action {}; frame-ancestors 'none'; base-uri 'none'",
        claims.origin
    );
    Some((html, policy))
}

/// The page for a request of the portal that was not begun, in both languages: what is wrong, and
/// the content security policy. It leads nowhere; the person goes back.
pub fn refusal_page(code: ErrorCode) -> (String, String) {
    let (ja, en) = (message(code.into(), Language::Ja), message(code.into(), Language::En));
    let html = format!(
        r#"<!doctype html><html lang="ja"><meta charset="utf-8"><title>HPKI</title><p>{}</p><p lang="en">{}</p></html>"#,
        escape(&ja),
        escape(&en)
    );
    (html, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'".to_owned())
}

/// The code as it is written on the wire.
fn word(code: ErrorCode) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(word)) => word,
        // A unit variant is always a string.
        _ => String::new(),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_holds_the_request_and_nothing_else() {
        assert_eq!(request_of(b"request=a.b.c"), Some("a.b.c".into()));
        assert_eq!(request_of(b"request=a&return=b"), None);
        assert_eq!(request_of(b"other=a"), None);
        assert_eq!(request_of(b""), None);
    }
}
