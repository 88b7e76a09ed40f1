//! Bodies of EST: base64 of DER, in both directions.

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use sekisho_ca::request::{UnverifiedRequest, VerifiedRequest};
use sekisho_pki::encoding::cms;
use zeroize::Zeroizing;

use crate::{enrol::server_made::ServerMadeKey, error::est::EstError, media_type};

/// The longest request body. An RSA-4096 request in base64 has under 4 KiB.
const MOST_OCTETS: usize = 16 * 1024;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads a body whole, whatever the answer will be: a refusal sent while the client still writes
/// reaches some clients over HTTP/2 as a broken stream, without its text.
///
/// # Errors
/// 413, or 400 for one that broke off.
pub(super) async fn read(body: Body) -> Result<Bytes, EstError> {
    let collected = Limited::new(body, MOST_OCTETS).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            EstError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "simple enrolment: the body is longer than 16 KiB; send one PKCS #10 request \
                 without attachments",
            )
        } else {
            malformed("the body did not arrive whole; send it again")
        }
    })?;
    Ok(collected.to_bytes())
}

/// Reads a certification request and proves that the asker holds its key (RFC 7030 §4.2.1).
///
/// # Errors
/// 415 or 400 with what is wrong.
pub(super) fn request(headers: &HeaderMap, body: &[u8]) -> Result<VerifiedRequest, EstError> {
    let unverified = UnverifiedRequest::parse(&request_der(headers, body)?)?;
    Ok(unverified.verify()?)
}

/// The octets of a certification request, about which nothing is proven.
///
/// # Errors
/// 415 or 400 with what is wrong.
pub(super) fn request_der(headers: &HeaderMap, body: &[u8]) -> Result<Vec<u8>, EstError> {
    let named = media_type::announced(headers)
        .map_err(|_| malformed("Content-Type is repeated; send it once (RFC 9110 section 5.3)"))?;
    if !named.eq_ignore_ascii_case("application/pkcs10") {
        return Err(EstError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "simple enrolment: the body is not announced as application/pkcs10 (RFC 7030 section \
             4.2.1); send the PKCS #10 request with that Content-Type",
        ));
    }
    decode(body)
}

fn decode(body: &[u8]) -> Result<Vec<u8>, EstError> {
    let text: Vec<u8> = body.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    if text.is_empty() {
        return Err(malformed("the body is empty; send a PKCS #10 request in base64"));
    }
    BASE64.decode(text).map_err(|_| {
        malformed("the body is not base64 (RFC 4648 section 4) of a DER PKCS #10 request")
    })
}

fn malformed(text: &str) -> EstError {
    EstError::new(StatusCode::BAD_REQUEST, format!("simple enrolment: {text}"))
}

/// A certs-only answer (RFC 7030 §4.1.3 and §4.2.3).
pub(super) fn certificates(
    media_type: &'static str,
    certificates_der: &[&[u8]],
) -> Result<Response, EstError> {
    let message = cms::certs_only(certificates_der).map_err(|error| EstError::internal(&error))?;
    Ok(base64(media_type, &message))
}

/// What parts an answer of two. Base64 has no hyphen, so that none of them contains it.
const BOUNDARY: &str = "key-and-certificate";

/// A private key and its certificate (RFC 7030 §4.4.2).
pub(super) fn key_and_certificate(
    key: &ServerMadeKey,
    certificate_der: &[u8],
) -> Result<Response, EstError> {
    let pkcs8 = key.pkcs8_der().map_err(|error| EstError::internal(&error))?;
    let certificate =
        cms::certs_only(&[certificate_der]).map_err(|error| EstError::internal(&error))?;
    // Made once: what grew would leave copies behind.
    let length = 512 + (pkcs8.len() + certificate.len()).div_ceil(3) * 4 + 8;
    let mut answer = Zeroizing::new(String::with_capacity(length));
    for (media_type, der) in [("application/pkcs8", &pkcs8[..]), (CERTS_ONLY, &certificate)] {
        let encoded = Zeroizing::new(BASE64.encode(der));
        answer.extend(["--", BOUNDARY, "\r\nContent-Type: ", media_type]);
        answer.extend(["\r\nContent-Transfer-Encoding: base64\r\n\r\n", &encoded, "\r\n"]);
    }
    answer.extend(["--", BOUNDARY, "--\r\n"]);
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("multipart/mixed; boundary=key-and-certificate"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, answer.to_string()).into_response())
}

/// A good answer of this type, DER.
pub(super) fn base64(media_type: &'static str, der: &[u8]) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (HeaderName::from_static("content-transfer-encoding"), HeaderValue::from_static("base64")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, BASE64.encode(der)).into_response()
}

/// `Content-Type` of an issued certificate (RFC 7030 §4.2.3).
pub(super) const CERTS_ONLY: &str = "application/pkcs7-mime; smime-type=certs-only";
/// `Content-Type` of the authorities' certificates (RFC 7030 §4.1.3).
pub(super) const CA_CERTS: &str = "application/pkcs7-mime";
/// `Content-Type` of what a request is to look like (RFC 7030 §4.5.2).
pub(super) const CSR_ATTRS: &str = "application/csrattrs";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_content_types_are_refused_whichever_comes_first() {
        for two in [["application/pkcs10", "text/plain"], ["text/plain", "application/pkcs10"]] {
            let named = two.map(|named| (header::CONTENT_TYPE, HeaderValue::from_static(named)));
            let mut headers = HeaderMap::new();
            named.into_iter().for_each(|(name, value)| {
                headers.append(name, value);
            });
            let refused = request(&headers, b"MA==").unwrap_err().into_response();
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{two:?}");
        }
    }
}
