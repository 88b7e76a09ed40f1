//! What is to be taken back, as a file names it.

use std::{io::Read, path::Path};

use der::{Decode, DecodePem, Encode};
use sekisho_key::public_key_of_unwrapped;
use sekisho_pki::encoding::key_identifier::public_key_sha256;
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::Certificate;
use zeroize::Zeroizing;

use crate::cli::Failure;

/// A certificate, DER, from a file that holds it as PEM or DER.
pub(super) fn certificate(path: &Path) -> Result<Vec<u8>, Failure> {
    certificate_der(&read(path)?)
        .ok_or_else(|| format!("{} holds no certificate (PEM or DER)", path.display()).into())
}

/// SHA-256 of the key that a file's certificate or public key has.
pub(super) fn key(path: &Path) -> Result<[u8; 32], Failure> {
    let octets = read(path)?;
    if let Some(spki_sha256) = key_of(&octets) {
        return Ok(spki_sha256);
    }
    let path = path.display();
    Err(if is_private(&octets) {
        format!(
            "{path} holds a private key, which this command does not need to see. Give the public \
             half of it: openssl pkey -in {path} -pubout -out public.pem"
        )
    } else {
        format!("{path} holds no certificate and no public key (PEM or DER)")
    }
    .into())
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    const MOST_OCTETS: u64 = 64 * 1024;
    // It may turn out to be a private key.
    let mut octets = Zeroizing::new(Vec::new());
    std::fs::File::open(path)
        .and_then(|file| file.take(MOST_OCTETS).read_to_end(&mut octets))
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(octets)
}

fn certificate_der(octets: &[u8]) -> Option<Vec<u8>> {
    let certificate = match Certificate::from_der(octets) {
        Ok(certificate) => certificate,
        // The first of a chain is the one that is meant.
        Err(_) => Certificate::load_pem_chain(octets).ok()?.into_iter().next()?,
    };
    certificate.to_der().ok()
}

fn key_of(octets: &[u8]) -> Option<[u8; 32]> {
    if let Some(der) = certificate_der(octets) {
        let certificate = Certificate::from_der(&der).ok()?;
        let spki = certificate.tbs_certificate().subject_public_key_info().to_der().ok()?;
        return Some(public_key_sha256(&spki));
    }
    let spki = SubjectPublicKeyInfoOwned::from_der(octets)
        .or_else(|_| SubjectPublicKeyInfoOwned::from_pem(octets))
        .ok()?;
    Some(public_key_sha256(&spki.to_der().ok()?))
}

/// In PEM by its label, wrapped or not and of whatever age; in DER only where it lies open.
fn is_private(octets: &[u8]) -> bool {
    const LABEL: &[u8] = b"PRIVATE KEY-----";
    octets.windows(LABEL.len()).any(|window| window == LABEL)
        || public_key_of_unwrapped(octets).is_some()
}
