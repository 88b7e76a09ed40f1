//! Writes a PKCS #12 file (RFC 7292): the form in which browsers' stores take a key with its
//! certificate.
//!
//! The key is encrypted (PBES2 with AES-256), certificates are public and stay plain, and the whole
//! carries an HMAC-SHA-256. The file lives for the moment of the import.

use aws_lc_rs::hmac;
use const_oid::ObjectIdentifier;
use der::Encode;
use sha2::{Digest, Sha256};

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SHROUDED_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
const X509: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.22.1");
const FRIENDLY_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.20");
const LOCAL_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.21");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

const MAC_ITERATIONS: u16 = 2048;

/// Puts the file together.
///
/// `encrypted_key_der` is an EncryptedPrivateKeyInfo (RFC 5958 §3) under the same `password`,
/// `certificates_der` the end entity first, `name` what the store will show, ASCII.
///
/// # Errors
/// [`der::Error`]: never for input of ordinary length.
pub fn write(
    encrypted_key_der: &[u8],
    certificates_der: &[Vec<u8>],
    name: &str,
    password: &str,
    salt: &[u8; 16],
) -> der::Result<Vec<u8>> {
    let attributes = |first: bool| -> der::Result<Vec<u8>> {
        if !first {
            return Ok(Vec::new());
        }
        let shown = tlv(0x1e, &[&utf16(name)]);
        let friendly = tlv(0x30, &[&oid(FRIENDLY_NAME)?, &tlv(0x31, &[&shown])]);
        let id = tlv(0x30, &[&oid(LOCAL_KEY_ID)?, &tlv(0x31, &[&tlv(0x04, &[&[1]])])]);
        Ok(tlv(0x31, &[&friendly, &id]))
    };
    let mut bags = Vec::new();
    for (index, der) in certificates_der.iter().enumerate() {
        let value = tlv(0xa0, &[&tlv(0x04, &[der])]);
        let bag = tlv(0xa0, &[&tlv(0x30, &[&oid(X509)?, &value])]);
        bags.extend(tlv(0x30, &[&oid(CERTIFICATE)?, &bag, &attributes(index == 0)?]));
    }
    let key = tlv(0xa0, &[encrypted_key_der]);
    let key = tlv(0x30, &[&oid(SHROUDED_KEY)?, &key, &attributes(true)?]);

    let content = |octets: &[u8]| -> der::Result<Vec<u8>> {
        Ok(tlv(0x30, &[&oid(DATA)?, &tlv(0xa0, &[&tlv(0x04, &[octets])])]))
    };
    let certificates = content(&tlv(0x30, &[&bags]))?;
    let keys = content(&tlv(0x30, &[&key]))?;
    let safe = tlv(0x30, &[&certificates, &keys]);

    let mac_key = mac_key(password, salt, MAC_ITERATIONS);
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &mac_key), &safe);
    let algorithm = tlv(0x30, &[&oid(SHA_256)?, &[0x05, 0x00]]);
    let digest = tlv(0x30, &[&algorithm, &tlv(0x04, &[mac.as_ref()])]);
    let iterations = MAC_ITERATIONS.to_der()?;
    let mac = tlv(0x30, &[&digest, &tlv(0x04, &[salt]), &iterations]);
    Ok(tlv(0x30, &[&3u8.to_der()?, &content(&safe)?, &mac]))
}

/// RFC 7292 appendix B.2 with SHA-256 (u = 32, v = 64) and ID 3, for 32 octets: one block, so the
/// step that prepares the next one falls away.
fn mac_key(password: &str, salt: &[u8; 16], iterations: u16) -> [u8; 32] {
    let mut password = utf16(password);
    password.extend([0, 0]);
    let fill = |octets: &[u8]| -> Vec<u8> {
        let length = octets.len().div_ceil(64) * 64;
        octets.iter().copied().cycle().take(length).collect()
    };
    let mut hash = Sha256::new();
    hash.update([3; 64]);
    hash.update(fill(salt));
    hash.update(fill(&password));
    let mut key: [u8; 32] = hash.finalize().into();
    for _ in 1..iterations {
        key = Sha256::digest(key).into();
    }
    key
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

fn oid(oid: ObjectIdentifier) -> der::Result<Vec<u8>> {
    oid.to_der()
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = value.len().to_be_bytes();
    let significant = &length[length.iter().take_while(|octet| **octet == 0).count()..];
    let mut octets = vec![tag];
    match value.len() {
        short @ 0..=0x7f => octets.push(short as u8),
        _ => {
            octets.push(0x80 | significant.len() as u8);
            octets.extend_from_slice(significant);
        }
    }
    octets.extend(value);
    octets
}
