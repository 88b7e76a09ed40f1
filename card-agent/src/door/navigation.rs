//! The second door: a form post by top-level navigation, where no policy lets scripts in.
//!
//! The form holds the signed request and nothing else. The answer is a page that posts to the
//! address which the request names, at the portal's own origin, and can do nothing else.

use sekisho_protocol::request::VerifiedLoginRequest;

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
    outcome: Result<&str, &str>,
) -> Option<(String, String)> {
    let claims = request.claims();
    let action = escape(claims.return_address.as_deref()?);
    let nonce = sekisho_protocol::octets::encode(crate::random::<16>());
    let (name, value) = match outcome {
        Ok(answer) => ("answer", answer),
        Err(error) => ("error", error),
    };
    let fields: String = [
        ("request", request.digest().to_string().as_str()),
        ("terminal_proof", terminal_proof),
        (name, value),
    ]
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
