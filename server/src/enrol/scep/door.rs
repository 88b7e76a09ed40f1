//! `/scep?operation=…`: what is asked for, in the forms in which clients write it (RFC 8894 §4.1).

use axum::{
    body::Body,
    extract::{Extension, State},
    response::{IntoResponse, Response},
};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use sekisho_pki::scep::MOST_OCTETS;

use super::{answer, ca};
use crate::{app::App, enrol::Fact, error::est::EstError, listener::Peer, media_type};

/// `Content-Type` of messages in both directions (RFC 8894 §4.1).
const PKI_MESSAGE: &str = "application/x-pki-message";
/// What else clients say that mean the same: micromdm's the one, strongSwan's `pki` nothing at all.
const LIKEWISE: [&str; 2] = ["application/octet-stream", ""];

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Answers `GetCACaps`, `GetCACert` and `PKIOperation` with the message in the address.
///
/// # Errors
/// 400, 404, 429, 500 or 503 with a line of text; a message that can be answered is refused in its own form.
pub async fn get(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    version: Version,
    uri: Uri,
) -> Result<Response, EstError> {
    enabled(&app)?;
    let query = uri.query().unwrap_or_default();
    match operation(query)?.as_str() {
        "GetCACaps" => Ok(ca::capabilities()),
        "GetCACert" => ca::certificates(&app).await,
        "PKIOperation" => {
            let octets = message(query)?;
            Ok(told(answer::to(&app, &peer, &octets, &quirks(version)).await?))
        }
        other => Err(unknown(other)),
    }
}

/// Answers `PKIOperation` with the message as body.
///
/// # Errors
/// As [`get`]; 413 and 415.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    version: Version,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, EstError> {
    // Whatever the answer will be: a refusal sent while the client still writes does not reach it.
    let octets = read(body).await?;
    enabled(&app)?;
    match operation(uri.query().unwrap_or_default())?.as_str() {
        "PKIOperation" => {}
        other => return Err(unknown(other)),
    }
    let named = media_type::announced(&headers).map_err(|_| {
        bad_request("Content-Type is repeated; send it once (RFC 9110 section 5.3)")
    })?;
    // What cannot be read is no silence.
    let is_readable = headers.get(header::CONTENT_TYPE).is_none_or(|value| value.to_str().is_ok());
    let mut taken = [PKI_MESSAGE].into_iter().chain(LIKEWISE);
    if !is_readable || !taken.any(|known| named.eq_ignore_ascii_case(known)) {
        return Err(EstError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "SCEP: the body is not announced as application/x-pki-message (RFC 8894 section 4.1); send \
             the message with that Content-Type",
        ));
    }
    Ok(told(answer::to(&app, &peer, &octets, &quirks(version)).await?))
}

fn enabled(app: &App) -> Result<(), EstError> {
    if app.config().scep().is_enabled() {
        return Ok(());
    }
    Err(EstError::new(
        StatusCode::NOT_FOUND,
        "SCEP is switched off here (scep.enabled); enrol by EST, or ask the operating body",
    ))
}

async fn read(body: Body) -> Result<Vec<u8>, EstError> {
    let collected = Limited::new(body, MOST_OCTETS).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            EstError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "SCEP: the message is longer than 64 KiB; send one request without attachments",
            )
        } else {
            bad_request("the body did not arrive whole; send it again")
        }
    })?;
    Ok(collected.to_bytes().to_vec())
}

/// The values of a parameter as they stand in the query: no form, so that `+` is no space.
fn values<'q>(query: &'q str, name: &str) -> Vec<&'q str> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(found, _)| *found == name).map(|(_, value)| value).collect()
}

fn operation(query: &str) -> Result<String, EstError> {
    match values(query, "operation")[..] {
        [one] => percent_decode_str(one)
            .decode_utf8()
            .map(|text| text.chars().take(32).collect())
            .map_err(|_| bad_request("the operation is not readable text")),
        [] => Err(bad_request(
            "the address lacks `operation`: GetCACaps, GetCACert or PKIOperation (RFC 8894 section 4.1)",
        )),
        _ => Err(bad_request("`operation` is repeated; send it once")),
    }
}

/// The message of a GET: base64 that was percent-encoded, or should have been (RFC 8894 §4.1). Seen are
/// bare `+`, `/` and `=`, spaces for `+`, line breaks, the URL alphabet and no padding: all are read.
fn message(query: &str) -> Result<Vec<u8>, EstError> {
    let [value] = values(query, "message")[..] else {
        return Err(bad_request("the address has no `message`, or more than one"));
    };
    let text: Vec<u8> = percent_decode_str(value)
        .filter(|octet| !matches!(octet, b'\r' | b'\n' | b'\t' | b'='))
        .map(|octet| match octet {
            b' ' | b'-' => b'+',
            b'_' => b'/',
            other => other,
        })
        .collect();
    BASE64
        .decode(text)
        .map_err(|_| bad_request("the message is not base64 (RFC 4648 section 4), percent-encoded"))
}

/// Ways of old clients, for the record.
fn quirks(version: Version) -> Vec<Fact> {
    let mut facts = vec![("door", "scep".to_owned())];
    if version == Version::HTTP_10 {
        facts.push(("http", "1.0".to_owned()));
    }
    facts
}

fn told(message: Vec<u8>) -> Response {
    response(PKI_MESSAGE, message)
}

fn unknown(operation: &str) -> EstError {
    let shown: String = operation.chars().filter(char::is_ascii_alphanumeric).collect();
    bad_request(&format!(
        "operation `{shown}` is not served: GetCACaps, GetCACert and PKIOperation are"
    ))
}

pub(super) fn bad_request(text: &str) -> EstError {
    EstError::new(StatusCode::BAD_REQUEST, format!("SCEP: {text}"))
}

/// Octets of this type that nobody keeps.
pub(super) fn response(media_type: &'static str, octets: Vec<u8>) -> Response {
    (
        [
            (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ],
        octets,
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_in_the_address_is_read_however_it_was_written() {
        // Octets whose base64 has every sign that is written in more than one way.
        let octets = [0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff, 0x00];
        for written in [
            "%2B%2B%2B%2B%2F%2F%2F%2FAA%3D%3D",
            "++++////AA==",
            "    ////AA",
            "%20%20%20%20%2f%2f%2f%2fAA%0D%0A",
            "----____AA",
            "%2B%2B%0A%2B%2B////%0AAA%3D%3D%0A",
        ] {
            let query = format!("operation=PKIOperation&message={written}");
            assert_eq!(message(&query).unwrap(), octets, "{written}");
        }
        for hostile in ["", "message=%", "message=!!!!", "message=AA&message=AA", "message=A"] {
            let read = message(hostile);
            assert!(read.as_ref().map_or(true, Vec::is_empty), "{hostile}: {read:?}");
        }
    }

    #[test]
    fn an_operation_stands_once() {
        assert_eq!(operation("operation=GetCACaps&message=ca").unwrap(), "GetCACaps");
        assert_eq!(operation("message=x&operation=GetCACert").unwrap(), "GetCACert");
        for hostile in ["", "operation", "operation=a&operation=a", "operation=%ff", "Operation=a"]
        {
            assert!(operation(hostile).is_err(), "{hostile}");
        }
    }
}
