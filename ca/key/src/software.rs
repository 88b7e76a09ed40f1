//! A private key in this process's memory.

use async_trait::async_trait;
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
    },
};
use pkcs8::PrivateKeyInfoRef;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::{KeyError, Randomness, SignatureAlgorithm, SigningKey, Stretch, encrypted};

/// Modulus length of an RSA key that we make.
///
/// 2,048 is here for the look-alike of today's HPKI cards; our own policy starts at 3,072.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RsaSize {
    /// 2,048 bits.
    Bits2048,
    /// 3,072 bits.
    Bits3072,
    /// 4,096 bits.
    Bits4096,
}

/// A key held by aws-lc-rs in this process.
///
/// `Debug` shows the algorithm only.
pub struct SoftwareKey {
    pair: Pair,
    public_key_der: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(rsa::KeyPair),
}

impl SoftwareKey {
    /// Makes a P-256 key.
    ///
    /// # Errors
    /// [`KeyError::Cryptography`]: the library gave none.
    pub fn generate_p256() -> Result<Self, KeyError> {
        Self::generate_ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING)
    }

    /// Makes a P-384 key.
    ///
    /// # Errors
    /// [`KeyError::Cryptography`]: the library gave none.
    pub fn generate_p384() -> Result<Self, KeyError> {
        Self::generate_ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING)
    }

    /// Makes an RSA key with exponent 65537. Takes a tenth of a second to several seconds.
    ///
    /// # Errors
    /// [`KeyError::Cryptography`]: the library gave none.
    pub fn generate_rsa(size: RsaSize) -> Result<Self, KeyError> {
        let size = match size {
            RsaSize::Bits2048 => rsa::KeySize::Rsa2048,
            RsaSize::Bits3072 => rsa::KeySize::Rsa3072,
            RsaSize::Bits4096 => rsa::KeySize::Rsa4096,
        };
        let pair = rsa::KeyPair::generate(size)
            .map_err(|_| KeyError::Cryptography { act: "make an RSA key" })?;
        Self::new(Pair::Rsa(pair))
    }

    fn generate_ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(algorithm)
            .map_err(|_| KeyError::Cryptography { act: "make an ECDSA key" })?;
        Self::new(Pair::Ecdsa(pair))
    }

    /// Reads an unencrypted DER `PrivateKeyInfo` (RFC 5958 §2).
    ///
    /// # Errors
    /// [`KeyError::MalformedKey`], [`KeyError::UnsupportedKeyKind`], [`KeyError::RejectedKey`].
    pub fn from_pkcs8_der(pkcs8_der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::try_from(pkcs8_der).map_err(|_| KeyError::RejectedKey {
            reason: "not a PKCS #8 PrivateKeyInfo".to_owned(),
        })?;
        let rejected = |rejected: aws_lc_rs::error::KeyRejected| KeyError::RejectedKey {
            reason: rejected.to_string(),
        };
        let pair = match SignatureAlgorithm::of_key_algorithm(info.algorithm)? {
            SignatureAlgorithm::EcdsaP256Sha256 => Pair::Ecdsa(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8_der)
                    .map_err(rejected)?,
            ),
            SignatureAlgorithm::EcdsaP384Sha384 => Pair::Ecdsa(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8_der)
                    .map_err(rejected)?,
            ),
            SignatureAlgorithm::RsaPkcs1Sha256 => {
                Pair::Rsa(rsa::KeyPair::from_pkcs8(pkcs8_der).map_err(rejected)?)
            }
        };
        Self::new(pair)
    }

    /// Reads a PEM file of [`Self::to_encrypted_pem`]'s form.
    ///
    /// # Errors
    /// [`KeyError::NotAnEncryptedKey`], [`KeyError::UnsupportedEncryption`],
    /// [`KeyError::WrongPassphrase`], and those of [`Self::from_pkcs8_der`].
    pub fn from_encrypted_pem(pem: &[u8], passphrase: &SecretString) -> Result<Self, KeyError> {
        Self::from_pkcs8_der(&encrypted::from_pem(pem, passphrase)?)
    }

    /// Wraps the key: PEM `ENCRYPTED PRIVATE KEY`, PBES2 with PBKDF2-HMAC-SHA-256 and
    /// AES-256-CBC, readable by `openssl pkey`.
    ///
    /// # Errors
    /// [`KeyError::Cryptography`], [`KeyError::Randomness`].
    pub fn to_encrypted_pem(
        &self,
        passphrase: &SecretString,
        stretch: Stretch,
        rng: &dyn Randomness,
    ) -> Result<String, KeyError> {
        encrypted::to_pem(&self.pkcs8_der()?, passphrase, stretch, rng)
    }

    /// The private key, unwrapped, as DER `PrivateKeyInfo`; wiped when dropped.
    ///
    /// # Errors
    /// [`KeyError::Cryptography`].
    pub fn pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let act = KeyError::Cryptography { act: "encode the private key" };
        match &self.pair {
            Pair::Ecdsa(pair) => match pair.to_pkcs8v1() {
                Ok(document) => Ok(Zeroizing::new(document.as_ref().to_vec())),
                Err(_) => Err(act),
            },
            Pair::Rsa(pair) => match AsDer::<Pkcs8V1Der<'_>>::as_der(pair) {
                Ok(document) => Ok(Zeroizing::new(document.as_ref().to_vec())),
                Err(_) => Err(act),
            },
        }
    }

    /// Signs at once; what [`SigningKey::sign`] does without the wait.
    ///
    /// # Errors
    /// [`KeyError::Cryptography`].
    pub fn sign_now(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.pair {
            Pair::Ecdsa(pair) => match pair.sign(&SystemRandom::new(), message) {
                Ok(signature) => Ok(signature.as_ref().to_vec()),
                Err(_) => Err(KeyError::Cryptography { act: "sign" }),
            },
            Pair::Rsa(pair) => sign_rsa(pair, &RSA_PKCS1_SHA256, message),
        }
    }

    /// As [`SigningKey::sign_fixed`], without the wait.
    ///
    /// # Errors
    /// [`KeyError::Cryptography`].
    pub fn sign_fixed_now(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.algorithm.fixed(self.sign_now(message)?)
    }

    /// RSASSA-PSS with SHA-256 and a salt of 32 octets (RFC 7518 §3.5), for tokens; certificates are
    /// never signed so.
    ///
    /// # Errors
    /// [`KeyError::UnsupportedKeyKind`] for a key that is not RSA, [`KeyError::Cryptography`].
    pub fn sign_pss_now(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.pair {
            Pair::Ecdsa(_) => Err(KeyError::UnsupportedKeyKind { oid: self.algorithm.oid() }),
            Pair::Rsa(pair) => sign_rsa(pair, &RSA_PSS_SHA256, message),
        }
    }

    fn new(pair: Pair) -> Result<Self, KeyError> {
        let public: Result<PublicKeyX509Der<'_>, _> = match &pair {
            Pair::Ecdsa(pair) => pair.public_key().as_der(),
            Pair::Rsa(pair) => pair.public_key().as_der(),
        };
        let public_key_der = public
            .map_err(|_| KeyError::Cryptography { act: "encode the public key" })?
            .as_ref()
            .to_vec();
        let algorithm = SignatureAlgorithm::of_public_key(&public_key_der)?;
        Ok(Self { pair, public_key_der, algorithm })
    }

    /// Public key of a SEC 1 or PKCS #1 private key.
    pub(crate) fn public_key_of_legacy_der(der: &[u8]) -> Option<Vec<u8>> {
        let elliptic = [&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING]
            .into_iter()
            .find_map(|curve| EcdsaKeyPair::from_private_key_der(curve, der).ok());
        let pair = match elliptic {
            Some(pair) => Pair::Ecdsa(pair),
            None => Pair::Rsa(rsa::KeyPair::from_der(der).ok()?),
        };
        Some(Self::new(pair).ok()?.public_key_der)
    }
}

fn sign_rsa(
    pair: &rsa::KeyPair,
    encoding: &'static dyn RsaEncoding,
    message: &[u8],
) -> Result<Vec<u8>, KeyError> {
    let mut signature = vec![0; pair.public_modulus_len()];
    match pair.sign(encoding, &SystemRandom::new(), message, &mut signature) {
        Ok(()) => Ok(signature),
        Err(_) => Err(KeyError::Cryptography { act: "sign" }),
    }
}

#[async_trait]
impl SigningKey for SoftwareKey {
    fn public_key_der(&self) -> &[u8] {
        &self.public_key_der
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.sign_now(message)
    }
}

impl std::fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SoftwareKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_ASN1,
        RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
        VerificationAlgorithm,
    };
    use spki::SubjectPublicKeyInfoRef;

    use super::*;
    use crate::{SystemRandomness, public_key_of_unwrapped};

    fn verifies(
        key: &SoftwareKey,
        with: &'static dyn VerificationAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let spki = SubjectPublicKeyInfoRef::try_from(key.public_key_der()).unwrap();
        UnparsedPublicKey::new(with, spki.subject_public_key.raw_bytes())
            .verify(message, signature)
            .is_ok()
    }

    #[tokio::test]
    async fn each_kind_signs_what_its_algorithm_says() {
        let cases: [(SoftwareKey, &'static dyn VerificationAlgorithm); 5] = [
            (SoftwareKey::generate_p256().unwrap(), &ECDSA_P256_SHA256_ASN1),
            (SoftwareKey::generate_p384().unwrap(), &ECDSA_P384_SHA384_ASN1),
            (SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap(), &RSA_PKCS1_2048_8192_SHA256),
            (SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap(), &RSA_PKCS1_2048_8192_SHA256),
            (SoftwareKey::generate_rsa(RsaSize::Bits4096).unwrap(), &RSA_PKCS1_2048_8192_SHA256),
        ];
        for (key, with) in &cases {
            // Wrapped and unwrapped it is the same key.
            let secret = SecretString::from("p".to_owned());
            let pem =
                key.to_encrypted_pem(&secret, Stretch::MachineSecret, &SystemRandomness).unwrap();
            let again = SoftwareKey::from_encrypted_pem(pem.as_bytes(), &secret).unwrap();
            assert_eq!(again.public_key_der(), key.public_key_der());
            let signature = again.sign(b"message").await.unwrap();
            assert!(verifies(key, *with, b"message", &signature));
            assert!(!verifies(key, *with, b"messagf", &signature));
        }
        let pss = cases[3].0.sign_pss_now(b"message").unwrap();
        assert!(verifies(&cases[3].0, &RSA_PSS_2048_8192_SHA256, b"message", &pss));
        assert!(!verifies(&cases[3].0, &RSA_PKCS1_2048_8192_SHA256, b"message", &pss));
        assert!(cases[0].0.sign_pss_now(b"message").is_err());
        let batch = cases[0].0.sign_batch(&[b"a", b"b"]).await.unwrap();
        assert!(verifies(&cases[0].0, &ECDSA_P256_SHA256_ASN1, b"b", &batch[1]));
    }

    #[tokio::test]
    async fn the_fixed_form_is_what_jws_verifies() {
        let key = SoftwareKey::generate_p256().unwrap();
        for _ in 0..20 {
            let signature = key.sign_fixed(b"header.payload").await.unwrap();
            assert_eq!(signature.len(), 64);
            assert!(verifies(&key, &ECDSA_P256_SHA256_FIXED, b"header.payload", &signature));
        }
    }

    #[test]
    fn a_wrapped_key_opens_with_its_passphrase_only() {
        let key = SoftwareKey::generate_p256().unwrap();
        let secret = SecretString::from("0123456789abcdef".to_owned());
        let pem = key.to_encrypted_pem(&secret, Stretch::MachineSecret, &SystemRandomness).unwrap();
        let again = SoftwareKey::from_encrypted_pem(pem.as_bytes(), &secret).unwrap();
        assert_eq!(again.public_key_der(), key.public_key_der());
        // Some of these leave valid padding; none may pass.
        for n in 0..600 {
            let wrong = SecretString::from(format!("wrong {n}"));
            assert!(matches!(
                SoftwareKey::from_encrypted_pem(pem.as_bytes(), &wrong),
                Err(KeyError::WrongPassphrase)
            ));
        }
    }

    #[test]
    fn openssl_reads_what_we_wrap_and_we_read_what_it_wraps() {
        let key = SoftwareKey::generate_p384().unwrap();
        let secret = SecretString::from("p".to_owned());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.p8");
        let pem =
            key.to_encrypted_pem(&secret, Stretch::HumanPassphrase, &SystemRandomness).unwrap();
        std::fs::write(&path, pem).unwrap();
        let public = Command::new("openssl")
            .args(["pkey", "-passin", "pass:p", "-pubout", "-outform", "DER", "-in"])
            .arg(&path)
            .stderr(Stdio::inherit())
            .output()
            .expect("openssl is installed");
        assert_eq!(public.stdout, key.public_key_der());
        let theirs = Command::new("openssl")
            .args([
                "pkcs8",
                "-topk8",
                "-v2",
                "aes-256-cbc",
                "-v2prf",
                "hmacWithSHA256",
                "-passin",
                "pass:p",
                "-passout",
                "pass:q",
                "-in",
            ])
            .arg(&path)
            .output()
            .unwrap();
        let again =
            SoftwareKey::from_encrypted_pem(&theirs.stdout, &SecretString::from("q".to_owned()))
                .unwrap();
        assert_eq!(again.public_key_der(), key.public_key_der());
    }

    #[test]
    fn an_open_key_is_recognised_in_every_form_and_a_wrapped_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.der");
        let rsa = SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap();
        for (kind, key) in [("ec", SoftwareKey::generate_p384().unwrap()), ("rsa", rsa)] {
            let der = key.pkcs8_der().unwrap();
            assert_eq!(public_key_of_unwrapped(&der).as_deref(), Some(key.public_key_der()));
            std::fs::write(&path, &der).unwrap();
            let legacy = Command::new("openssl")
                .args(["pkey", "-traditional", "-inform", "DER", "-outform", "DER", "-in"])
                .arg(&path)
                .output()
                .unwrap();
            assert!(legacy.stdout.starts_with(b"\x30") && *legacy.stdout != **der, "{kind}");
            let found = public_key_of_unwrapped(&legacy.stdout);
            assert_eq!(found.as_deref(), Some(key.public_key_der()), "{kind}");
            let wrapped = key
                .to_encrypted_pem(
                    &SecretString::from("x".to_owned()),
                    Stretch::MachineSecret,
                    &SystemRandomness,
                )
                .unwrap();
            let (_, wrapped) = der::pem::decode_vec(wrapped.as_bytes()).unwrap();
            for other in [&wrapped[..], &der[..der.len() - 1], b"", b"\xff\x00", b"text"] {
                assert_eq!(public_key_of_unwrapped(other), None);
            }
        }
    }

    #[test]
    fn damaged_keys_are_errors_not_panics() {
        let der = SoftwareKey::generate_p256().unwrap().pkcs8_der().unwrap();
        for n in 0..der.len() {
            assert!(SoftwareKey::from_pkcs8_der(&der[..n]).is_err());
            let mut flipped = der.to_vec();
            flipped[n] ^= 0x55;
            let _ = SoftwareKey::from_pkcs8_der(&flipped);
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = SoftwareKey::generate_p256().unwrap();
        assert_eq!(format!("{key:?}"), "SoftwareKey { algorithm: EcdsaP256Sha256, .. }");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in ".*") {
            let secret = SecretString::from("x".to_owned());
            let _ = SoftwareKey::from_pkcs8_der(&bytes);
            let _ = SoftwareKey::from_encrypted_pem(&bytes, &secret);
            let _ = public_key_of_unwrapped(&bytes);
            for label in ["PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
                let pem = format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
                let _ = SoftwareKey::from_encrypted_pem(pem.as_bytes(), &secret);
            }
        }
    }
}
