//! A certification request as somebody pasted it.

use base64::{Engine, engine::general_purpose::STANDARD};
use sekisho_ca::request::{RequestError, UnverifiedRequest, VerifiedRequest};
use sekisho_pki::path::files::{is_pem, pem_blocks};

/// Labels of a request: RFC 7468 §7, and what old programs write.
const LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];

/// What stands in the label of every private key.
const PRIVATE: &str = "PRIVATE KEY";

/// Reads PEM, or the base64 without its lines, and proves that the device holds the key.
///
/// # Errors
/// The message key of what is wrong.
pub(super) fn request(text: &str) -> Result<VerifiedRequest, &'static str> {
    let unverified = UnverifiedRequest::parse(&der(text)?).map_err(|error| key_of(&error))?;
    unverified.verify().map_err(|error| key_of(&error))
}

/// Whether a text that could not be read may stand in the page again: it says that it is a request, and nothing of
/// a private key.
pub(super) fn is_shown_again(text: &str) -> bool {
    text.contains(LABELS[0]) && !text.contains(PRIVATE)
}

fn der(text: &str) -> Result<Vec<u8>, &'static str> {
    if text.trim().is_empty() {
        return Err("terminals-certify-request-empty");
    }
    // Whoever has pasted it has shown it: it serves nobody any more. Also cut off, or encrypted.
    if text.contains(PRIVATE) {
        return Err("terminals-certify-request-private");
    }
    if !is_pem(text.as_bytes()) {
        let compact: String = text.split_whitespace().collect();
        return STANDARD.decode(compact).map_err(|_| "terminals-certify-request-unreadable");
    }
    let blocks = pem_blocks(text.as_bytes()).map_err(|_| "terminals-certify-request-cut")?;
    let mut requests = blocks.into_iter().filter(|block| LABELS.contains(&block.label.as_str()));
    match (requests.next(), requests.next()) {
        (Some(request), None) => Ok(request.der),
        (Some(_), Some(_)) => Err("terminals-certify-request-several"),
        (None, _) => Err("terminals-certify-request-other"),
    }
}

fn key_of(error: &RequestError) -> &'static str {
    match error {
        RequestError::TooLong { .. } | RequestError::Malformed(_) => {
            "terminals-certify-request-unreadable"
        }
        RequestError::KeyKind(_) | RequestError::RsaSize { .. } | RequestError::RsaExponent => {
            "terminals-certify-key-kind"
        }
        RequestError::Signature(_) => "terminals-certify-request-signature",
    }
}

#[cfg(test)]
mod tests {
    use sekisho_key::{SigningKey as _, SoftwareKey};

    use super::*;
    use crate::testing::request_of;

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    #[test]
    fn a_request_reads_however_it_was_kept() {
        let key = SoftwareKey::generate_p256().unwrap();
        let der = request_of(&key, "router");
        for text in [
            pem("CERTIFICATE REQUEST", &der),
            pem("NEW CERTIFICATE REQUEST", &der),
            format!("Subject: /\r\n{}\ntext", pem("CERTIFICATE REQUEST", &der)),
            STANDARD.encode(&der),
            format!("  {}\n", STANDARD.encode(&der)),
        ] {
            assert_eq!(request(&text).unwrap().public_key_der(), key.public_key_der(), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_told_by_what_it_is() {
        let der = request_of(&SoftwareKey::generate_p256().unwrap(), "router");
        let good = pem("CERTIFICATE REQUEST", &der);
        let mut damaged = der.clone();
        *damaged.last_mut().unwrap() ^= 1;
        for (text, told) in [
            (String::new(), "empty"),
            (" \n".to_owned(), "empty"),
            ("パスワード".to_owned(), "unreadable"),
            (STANDARD.encode(&der[..der.len() - 1]), "unreadable"),
            (pem("CERTIFICATE REQUEST", b"no DER"), "unreadable"),
            (pem("CERTIFICATE", &der), "other"),
            (pem("PRIVATE KEY", &der), "private"),
            (pem("PRIVATE KEY", &der).replace("-----END PRIVATE KEY-----", ""), "private"),
            (
                pem("RSA PRIVATE KEY", &der).replacen('\n', "\nProc-Type: 4,ENCRYPTED\n", 1),
                "private",
            ),
            (format!("{}{good}", pem("EC PRIVATE KEY", &der)), "private"),
            (format!("{good}{good}"), "several"),
            (good.replace("-----END CERTIFICATE REQUEST-----", ""), "cut"),
            (pem("CERTIFICATE REQUEST", &damaged), "signature"),
        ] {
            let refused = request(&text).unwrap_err();
            assert_eq!(refused, format!("terminals-certify-request-{told}"), "{text}");
            let request = text.contains("CERTIFICATE REQUEST") && told != "private";
            assert_eq!(is_shown_again(&text), request, "{text}");
        }
    }
}
