//! Keys good and bad, for the rules to look at.

use std::{
    io::Write,
    process::{Command, Stdio},
    sync::OnceLock,
};

use der::{
    Any, Decode, DecodePem, Encode,
    asn1::{BitString, Null, UintRef},
};
use num_bigint::BigUint;
use sekisho_key::{RsaSize, SigningKey, SoftwareKey};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::request::CertReq;

use super::{Key, RsaPublicKey, read};

/// How these were made says `ca/tests/keys/README.md`.
pub(super) const ROCA: &str = include_str!("../../../tests/keys/roca_3072.csr.pem");
pub(super) const ROCA_4096: &str = include_str!("../../../tests/keys/roca_4096.csr.pem");
pub(super) const CLOSE_PRIMES: &str = include_str!("../../../tests/keys/close_primes_3072.csr.pem");
pub(super) const SMALL_FACTOR: &str = include_str!("../../../tests/keys/small_factor_3072.csr.pem");
pub(super) const EXPONENT_3: &str = include_str!("../../../tests/keys/exponent_3_3072.csr.pem");
pub(super) const DEBIAN_P256: &str = include_str!("../../../tests/keys/debian_p256.csr.pem");
pub(super) const DEBIAN_P384: &str = include_str!("../../../tests/keys/debian_p384.csr.pem");

pub(super) fn p256() -> Vec<u8> {
    SoftwareKey::generate_p256().unwrap().public_key_der().to_vec()
}

/// Modulus and exponent of an honest RSA-3072 key.
pub(super) fn rsa_parts() -> (BigUint, BigUint) {
    static DER: OnceLock<Vec<u8>> = OnceLock::new();
    let der = DER.get_or_init(|| {
        let key = SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap();
        key.public_key_der().to_vec()
    });
    match read(der).unwrap() {
        Key::Rsa { modulus, exponent } => (modulus, exponent),
        Key::Elliptic { .. } => unreachable!("an RSA key"),
    }
}

/// An RSA key of these parts.
pub(super) fn rsa(modulus: &BigUint, exponent: &BigUint) -> Vec<u8> {
    let (modulus, exponent) = (modulus.to_bytes_be(), exponent.to_bytes_be());
    let key = RsaPublicKey {
        modulus: UintRef::new(&modulus).unwrap(),
        exponent: UintRef::new(&exponent).unwrap(),
    };
    SubjectPublicKeyInfoOwned {
        algorithm: AlgorithmIdentifierOwned {
            oid: const_oid::db::rfc5912::RSA_ENCRYPTION,
            parameters: Some(Any::from(Null)),
        },
        subject_public_key: BitString::from_bytes(&key.to_der().unwrap()).unwrap(),
    }
    .to_der()
    .unwrap()
}

/// The same key with other bits for its point.
pub(super) fn with_bits(spki_der: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut spki = SubjectPublicKeyInfoOwned::from_der(spki_der).unwrap();
    let mut bits = spki.subject_public_key.raw_bytes().to_vec();
    change(&mut bits);
    spki.subject_public_key = BitString::from_bytes(&bits).unwrap();
    spki.to_der().unwrap()
}

pub(super) fn public_key_of_request(pem: &str) -> Vec<u8> {
    CertReq::from_pem(pem).unwrap().info.public_key.to_der().unwrap()
}

/// A public key from `openssl genpkey`: the algorithm, then its options.
pub(super) fn openssl_key(algorithm: &str, options: &[&str], written: &[&str]) -> Vec<u8> {
    let mut generate = Command::new("openssl");
    generate.args(["genpkey", "-algorithm", algorithm]);
    for option in options {
        generate.args(["-pkeyopt", option]);
    }
    let made = generate.output().expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut public = Command::new("openssl")
        .args(["pkey", "-pubout", "-outform", "DER"])
        .args(written)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    public.stdin.take().unwrap().write_all(&made.stdout).unwrap();
    let public = public.wait_with_output().unwrap();
    assert!(public.status.success());
    public.stdout
}
