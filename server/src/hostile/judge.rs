//! Whether an answer is what a refused request deserves.

use serde_json::Value;

use super::ask::Answer;
use crate::{catalogue::LANGUAGE_COOKIE, error::Dialect, names::NameRole};

/// What may become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// 4xx.
    Refused,
    /// 413, and nothing else: who sent it must not look for another fault.
    TooLarge,
    /// 4xx, or led elsewhere: to the login, or to the client with an error.
    Turned,
    /// 415: the content is encoded, whatever else it may be.
    Encoded,
    /// What `HEAD` gets: a status and headers, and nothing at all is changed by it.
    Bare,
    /// The part is of no consequence: anything but a failure of ours.
    Harmless,
}

/// The first thing that is wrong with the answer.
pub fn judge(
    answer: &Answer,
    expect: Expect,
    role: NameRole,
    dialect: Dialect,
    lang: &str,
) -> Result<(), String> {
    let status = answer.status.as_u16();
    let fits = match expect {
        Expect::Refused => (400..500).contains(&status),
        Expect::TooLarge => status == 413,
        Expect::Encoded => status == 415 && answer.header("accept-encoding") == "identity",
        Expect::Bare => (200..500).contains(&status) && answer.body.is_empty(),
        Expect::Turned => (300..500).contains(&status),
        Expect::Harmless => (200..500).contains(&status),
    };
    check(fits, || format!("status {status}"))?;
    headers(answer, role, dialect)?;
    check(!answer.text().contains("<script>"), || "unescaped markup".to_owned())?;
    if expect == Expect::Bare {
        let allow = answer.header("allow");
        let fits = status != 405 || !allow.is_empty() && !allow.contains("HEAD");
        return check(fits, || format!("Allow is {allow:?}"));
    }
    if status < 400 {
        return Ok(());
    }
    let language = answer.header("set-cookie").contains(LANGUAGE_COOKIE);
    check(!language, || "the language was remembered".to_owned())?;
    // RFC 9110 §15.5.6.
    check(status != 405 || !answer.header("allow").is_empty(), || "no Allow".to_owned())?;
    match dialect {
        Dialect::Page => {}
        // The login page's script shows them to the person in front of the browser.
        Dialect::Problem => speaks_to_programs(&answer.text(), &["button", "ボタン"])?,
        Dialect::OAuth | Dialect::Acme | Dialect::Est | Dialect::Ocsp | Dialect::Plain => {
            let words = ["button", "previous page", "top page", "browser", "your input"];
            speaks_to_programs(&answer.text(), &words)?;
        }
    }
    form(answer, dialect, lang)
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn headers(answer: &Answer, role: NameRole, dialect: Dialect) -> Result<(), String> {
    let has = |name: &str, value: &str| {
        check(answer.header(name).contains(value), || {
            format!("{name} is {:?}", answer.header(name))
        })
    };
    has("x-content-type-options", "nosniff")?;
    check(answer.header("x-request-id").len() == 16, || "no request id of ours".to_owned())?;
    let public = answer.status.is_success() || answer.status.as_u16() == 304;
    if dialect == Dialect::Page || dialect == Dialect::Problem || !public {
        has("cache-control", "no-store")?;
    }
    if role == NameRole::Plain {
        return Ok(());
    }
    has("content-security-policy", "default-src 'none'")?;
    has("strict-transport-security", "max-age=")?;
    // One page may stand in a frame of another site; there is nothing on it to press.
    if answer.header("content-security-policy").contains("frame-ancestors https:") {
        let frame = answer.body.is_empty() || answer.text().contains("/assets/check-session.");
        check(frame, || "may be framed".to_owned())?;
    } else {
        has("x-frame-options", "DENY")?;
    }
    // The login page tells the agent's door its origin; no page tells more to anybody.
    has("referrer-policy", "origin")
}

/// Whether none of these words is in it: nobody there looks at a page, or has anything to press.
fn speaks_to_programs(text: &str, words: &[&str]) -> Result<(), String> {
    match words.iter().find(|word| text.contains(**word)) {
        None => Ok(()),
        Some(word) => Err(format!("speaks of a {word}: {text}")),
    }
}

fn form(answer: &Answer, dialect: Dialect, lang: &str) -> Result<(), String> {
    let kind = answer.header("content-type").to_owned();
    let kind_is = |wanted: &str| check(kind == wanted, || format!("content type {kind:?}"));
    let text = answer.text();
    let json = || serde_json::from_str::<Value>(&text).map_err(|_| format!("no JSON: {text}"));
    let said = |json: &Value, member: &str| {
        let there = json[member].as_str().is_some_and(|text| !text.is_empty());
        check(there, || format!("{member} is {}", json[member]))
    };
    match dialect {
        Dialect::Page => {
            kind_is("text/html; charset=utf-8")?;
            let whole = text.contains(&format!("<html lang=\"{lang}\">")) && text.contains("<h1");
            check(whole, || format!("no page in {lang}: {text}"))?;
            // Either the page of an error, which says what to do next, or the form again.
            let next = if lang == "ja" { "次にできること" } else { "What you can do next" };
            let again = ["role=\"alert\"", "-error\"", "notice-error"];
            let helps = text.contains(next) || again.iter().any(|mark| text.contains(mark));
            check(helps, || format!("does not say what to do next: {text}"))
        }
        Dialect::OAuth => {
            kind_is("application/json")?;
            let json = json()?;
            let known = [
                "invalid_request",
                "invalid_client",
                "invalid_grant",
                "invalid_token",
                "invalid_scope",
                "invalid_redirect_uri",
                "invalid_client_metadata",
                "unsupported_grant_type",
                "unsupported_response_type",
                "temporarily_unavailable",
            ];
            let code = json["error"].as_str().unwrap_or_default();
            check(known.contains(&code), || format!("error is {}", json["error"]))?;
            said(&json, "error_description")?;
            let plain = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
            let description = json["error_description"].as_str().unwrap_or_default();
            check(description.chars().all(plain), || description.to_owned())?;
            challenged(answer)
        }
        Dialect::Est => {
            kind_is("text/plain; charset=utf-8")?;
            let line = text.strip_suffix('\n').unwrap_or_default();
            check(line.len() > 10 && !line.contains('\n'), || format!("no line: {text:?}"))?;
            challenged(answer)
        }
        Dialect::Problem => {
            kind_is("application/problem+json")?;
            let json = json()?;
            for member in ["type", "title", "detail"] {
                said(&json, member)?;
            }
            let status = json["status"].as_u64() == Some(answer.status.as_u16().into());
            check(status, || format!("status is {}", json["status"]))
        }
        Dialect::Acme => {
            kind_is("application/problem+json")?;
            let json = json()?;
            said(&json, "detail")?;
            let kind = json["type"].as_str().unwrap_or_default();
            let known = kind.starts_with("urn:ietf:params:acme:error:");
            check(known, || format!("type is {kind}"))?;
            let status = json["status"].as_u64() == Some(answer.status.as_u16().into());
            check(status, || format!("status is {}", json["status"]))
        }
        Dialect::Ocsp => {
            kind_is("application/ocsp-response")?;
            check(answer.body == [0x30, 3, 0x0a, 1, 1], || format!("{:02x?}", answer.body))
        }
        Dialect::Plain => {
            kind_is("text/plain; charset=utf-8")?;
            check(text.len() > 10, || format!("no words: {text:?}"))
        }
    }
}

/// RFC 9110 §15.5.2: a 401 says how to be authenticated.
fn challenged(answer: &Answer) -> Result<(), String> {
    let needs = answer.status.as_u16() == 401;
    check(!needs || !answer.header("www-authenticate").is_empty(), || "no challenge".to_owned())
}
