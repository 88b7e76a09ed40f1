//! Noticing a private key that lies about without protection.

use pkcs8::PrivateKeyInfoRef;
use zeroize::Zeroizing;

use crate::SoftwareKey;

/// The public key (DER `SubjectPublicKeyInfo`) of the first unencrypted private key in `file`,
/// if there is one: PKCS #8, or the older SEC 1 and PKCS #1, each as PEM or DER.
///
/// The server compares it with the root's to refuse running while the root's key lies open.
/// `None` for anything else, an encrypted key included.
#[must_use]
pub fn is_unencrypted_private_key_pem(file: &[u8]) -> Option<Vec<u8>> {
    const MOST_OCTETS: usize = 64 * 1024;
    if file.len() > MOST_OCTETS {
        return None;
    }
    // `openssl` writes text or EC parameters before the key: look at each block by itself.
    let text = std::str::from_utf8(file).ok();
    if let Some(text) = text {
        let mut rest = text;
        while let Some(start) = rest.find("-----BEGIN ") {
            rest = &rest[start..];
            let end_line = rest.find("-----END ")?;
            let end = rest[end_line + 9..].find("-----").map(|dashes| end_line + 9 + dashes + 5)?;
            let block = &rest[..end];
            if let Some(found) = of_block(block) {
                return Some(found);
            }
            rest = &rest[end..];
        }
        return None;
    }
    of_der(file).or_else(|| {
        ["EC PRIVATE KEY", "RSA PRIVATE KEY"]
            .into_iter()
            .find_map(|label| SoftwareKey::public_key_of_legacy_der(label, file))
    })
}

fn of_block(block: &str) -> Option<Vec<u8>> {
    let (label, der) = der::pem::decode_vec(block.as_bytes()).ok()?;
    let der = Zeroizing::new(der);
    match label {
        "PRIVATE KEY" => of_der(&der),
        "EC PRIVATE KEY" | "RSA PRIVATE KEY" => SoftwareKey::public_key_of_legacy_der(label, &der),
        _ => None,
    }
}

fn of_der(der: &[u8]) -> Option<Vec<u8>> {
    PrivateKeyInfoRef::try_from(der).ok()?;
    let key = SoftwareKey::from_pkcs8_der(der).ok()?;
    Some(crate::SigningKey::public_key_der(&key).to_vec())
}
