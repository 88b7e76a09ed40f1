//! Keys that are made here for devices that cannot make their own (docs/decisions/0046).
//!
//! Such a key exists in memory, and wrapped under a passphrase that is kept nowhere; nothing here writes it
//! anywhere else.

mod ahead;
mod handed;

use sekisho_ca::{
    profile::{Profile, PublicKeyRule},
    request::{RequestError, UnverifiedRequest, VerifiedRequest},
};
use sekisho_key::{KeyError, RsaSize, SigningKey as _, SoftwareKey};
use sekisho_pki::{
    encoding::{request::to_be_signed, signed_object::assemble},
    signature::PublicKeyKind,
};
use serde::Deserialize;
use x509_cert::name::Name;
use zeroize::Zeroizing;

use crate::app::App;

pub use ahead::{KeysAhead, keep_up};
pub(super) use handed::Asked;
pub use handed::HandedKeys;

/// A kind of key that is made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// P-256.
    P256,
    /// P-384.
    P384,
    /// RSA of 3,072 bits.
    Rsa3072,
    /// RSA of 4,096 bits.
    Rsa4096,
}

impl KeyKind {
    /// Each.
    pub const ALL: [Self; 4] = [Self::P256, Self::P384, Self::Rsa3072, Self::Rsa4096];

    /// As a form has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Rsa3072 => "rsa3072",
            Self::Rsa4096 => "rsa4096",
        }
    }

    /// As people read it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::P256 => "ECDSA P-256",
            Self::P384 => "ECDSA P-384",
            Self::Rsa3072 => "RSA-3072",
            Self::Rsa4096 => "RSA-4096",
        }
    }

    /// The kind of a public key, if keys of it are made here.
    #[must_use]
    pub fn of(kind: PublicKeyKind) -> Option<Self> {
        Self::ALL.into_iter().find(|made| made.rule().allows(kind))
    }

    /// Those that a profile certifies and its target uses, in the profile's order.
    pub fn of_profile(profile: &Profile) -> impl Iterator<Item = Self> {
        profile
            .key_kinds()
            .filter_map(|rule| Self::ALL.into_iter().find(|made| made.rule() == rule))
    }

    const fn rule(self) -> PublicKeyRule {
        match self {
            Self::P256 => PublicKeyRule::P256,
            Self::P384 => PublicKeyRule::P384,
            Self::Rsa3072 => PublicKeyRule::Rsa { bits: 3072 },
            Self::Rsa4096 => PublicKeyRule::Rsa { bits: 4096 },
        }
    }

    fn generate(self) -> Result<SoftwareKey, KeyError> {
        match self {
            Self::P256 => SoftwareKey::generate_p256(),
            Self::P384 => SoftwareKey::generate_p384(),
            Self::Rsa3072 => SoftwareKey::generate_rsa(RsaSize::Bits3072),
            Self::Rsa4096 => SoftwareKey::generate_rsa(RsaSize::Bits4096),
        }
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum ServerMadeError {
    /// The library gave none.
    #[error("no key was made")]
    Key(#[from] KeyError),
    /// Too many wait for RSA keys.
    #[error("too many keys are being made; ask again in a moment")]
    Busy,
    /// Its request does not encode.
    #[error("the request of a key made here does not encode")]
    Encoding(#[from] der::Error),
    /// Its request is refused like a stranger's would be.
    #[error("the request of a key made here is refused")]
    Request(#[from] RequestError),
}

/// A key that was made here, with the request for its certificate: it goes the same road as a device's own.
#[derive(Debug)]
pub struct ServerMadeKey {
    key: SoftwareKey,
    request: VerifiedRequest,
}

impl ServerMadeKey {
    /// Makes one, or takes one that was made ahead.
    ///
    /// # Errors
    /// [`ServerMadeError`].
    pub async fn make(app: &App, kind: KeyKind) -> Result<Self, ServerMadeError> {
        let key = app.keys_ahead().take(kind).await?;
        // Names come from the register.
        let info = to_be_signed(&Name::default(), key.public_key_der())?;
        let signature = key.sign_now(&info)?;
        let der = assemble(&info, key.algorithm().identifier(), &signature)?;
        let request = UnverifiedRequest::parse(&der)?.verify()?;
        Ok(Self { key, request })
    }

    /// What asks for its certificate.
    #[must_use]
    pub fn request(&self) -> &VerifiedRequest {
        &self.request
    }

    /// The private key, DER `PrivateKeyInfo`; wiped when dropped.
    ///
    /// # Errors
    /// [`KeyError::Cryptography`].
    pub fn pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.key.pkcs8_der()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_the_kind_of_its_key_and_no_weaker_one_is_made() {
        for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa3072] {
            let made = kind.generate().unwrap();
            let found = PublicKeyKind::of_der(made.public_key_der()).unwrap();
            assert_eq!(KeyKind::of(found), Some(kind));
        }
        let weak = PublicKeyKind::Rsa { modulus_bits: 2048, usual_exponent: true };
        assert_eq!(KeyKind::of(weak), None);
        let odd = PublicKeyKind::Rsa { modulus_bits: 3072, usual_exponent: false };
        assert_eq!(KeyKind::of(odd), None);
    }

    #[test]
    fn a_profile_gets_what_it_certifies() {
        let profile = Profile::shipped("router").unwrap();
        let kinds: Vec<_> = KeyKind::of_profile(&profile).collect();
        assert_eq!(kinds, KeyKind::ALL);
        let server = Profile::shipped("server").unwrap();
        assert!(!KeyKind::of_profile(&server).any(|kind| kind == KeyKind::Rsa3072));
    }
}
