//! Keys in a token behind PKCS #11 (OASIS PKCS #11 v2.40 and later).
//!
//! The private key never leaves the token; digests of ECDSA messages are taken here and sent as
//! `CKM_ECDSA`, which every token knows, RSA goes as `CKM_SHA256_RSA_PKCS`. Calls block, some for
//! tens of milliseconds, so each runs on tokio's blocking threads.
//!
//! A session is opened once a key and kept; if the token forgot it (reset, reinsertion, a
//! restarted network appliance), it is opened again and the call is repeated once.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use aws_lc_rs::digest;
use const_oid::db::rfc5912;
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error, RvError},
    mechanism::Mechanism,
    object::{Attribute, AttributeType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    slot::Slot,
};
use der::{
    Any, Decode, Encode, Sequence,
    asn1::{BitString, Null, OctetString, UintRef},
};
use secrecy::SecretString;
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::{KeyError, SignatureAlgorithm, SigningKey, ecdsa_signature_to_der};

/// A token, by its label.
pub struct Token {
    context: Pkcs11,
    slot: Slot,
    label: String,
    pin: SecretString,
}

/// A private key in a token.
pub struct TokenKey {
    inner: Arc<Inner>,
    public_key_der: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

struct Inner {
    token: Arc<Token>,
    label: String,
    algorithm: SignatureAlgorithm,
    // A session is one conversation: two threads must not speak in it at once.
    open: Mutex<Option<Open>>,
}

struct Open {
    session: Session,
    key: ObjectHandle,
}

/// The kind of key that [`Token::generate`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKeyKind {
    /// P-256.
    P256,
    /// P-384.
    P384,
    /// RSA with 3,072 bits and exponent 65537.
    Rsa3072,
    /// RSA with 4,096 bits and exponent 65537.
    Rsa4096,
}

impl Token {
    /// Loads the library at `module` and finds the token labelled `label`.
    ///
    /// The library is part of this process from then on: it must come from the configuration
    /// of the operator and from nowhere else.
    ///
    /// # Errors
    /// [`KeyError::Token`], [`KeyError::NoToken`].
    pub fn open(module: &Path, label: &str, pin: SecretString) -> Result<Arc<Self>, KeyError> {
        let context = Pkcs11::new(module).map_err(failed("load the PKCS #11 library"))?;
        match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Another key of this process came first.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(failed("start the PKCS #11 library")(error)),
        }
        let mut found = Vec::new();
        let slots =
            context.get_slots_with_initialized_token().map_err(failed("list the tokens"))?;
        for slot in slots {
            let info = context.get_token_info(slot).map_err(failed("read a token's label"))?;
            if info.label() == label {
                found.push(slot);
            }
        }
        let [slot] = found[..] else {
            return Err(KeyError::NoToken { label: label.to_owned() });
        };
        Ok(Arc::new(Self { context, slot, label: label.to_owned(), pin }))
    }

    /// The private key labelled `label`; the public key object of the same label must be there.
    ///
    /// # Errors
    /// [`KeyError::KeyNotOnToken`], [`KeyError::UnsupportedKeyKind`], [`KeyError::Token`].
    pub fn key(self: &Arc<Self>, label: &str) -> Result<TokenKey, KeyError> {
        let session = self.session(false)?;
        let key = self.find(&session, ObjectClass::PRIVATE_KEY, "private key", label)?;
        let public = self.find(&session, ObjectClass::PUBLIC_KEY, "public key", label)?;
        let public_key_der = public_key(&session, public)?;
        let algorithm = SignatureAlgorithm::of_public_key(&public_key_der)?;
        Ok(TokenKey {
            inner: Arc::new(Inner {
                token: Arc::clone(self),
                label: label.to_owned(),
                algorithm,
                open: Mutex::new(Some(Open { session, key })),
            }),
            public_key_der,
            algorithm,
        })
    }

    /// Makes a key pair in the token, persistent, sensitive and not extractable, for signing only.
    ///
    /// # Errors
    /// [`KeyError::KeyNotOnToken`] if the label is taken, [`KeyError::Token`].
    pub fn generate(
        self: &Arc<Self>,
        label: &str,
        kind: TokenKeyKind,
    ) -> Result<TokenKey, KeyError> {
        let session = self.session(true)?;
        let taken = session
            .find_objects(&[
                Attribute::Class(ObjectClass::PRIVATE_KEY),
                Attribute::Label(label.as_bytes().to_vec()),
            ])
            .map_err(failed("look for the label"))?;
        if !taken.is_empty() {
            return Err(KeyError::KeyNotOnToken {
                token: self.label.clone(),
                what: "place for a private key",
                label: label.to_owned(),
            });
        }
        let mut public = vec![
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Verify(true),
            Attribute::Label(label.as_bytes().to_vec()),
        ];
        let private = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::Label(label.as_bytes().to_vec()),
        ];
        let curve = |oid: const_oid::ObjectIdentifier| {
            oid.to_der().map(Attribute::EcParams).map_err(malformed)
        };
        let rsa = |bits: std::ffi::c_ulong| {
            [Attribute::ModulusBits(bits.into()), Attribute::PublicExponent(vec![1, 0, 1])]
        };
        let mechanism = match kind {
            TokenKeyKind::P256 => {
                public.push(curve(rfc5912::SECP_256_R_1)?);
                Mechanism::EccKeyPairGen
            }
            TokenKeyKind::P384 => {
                public.push(curve(rfc5912::SECP_384_R_1)?);
                Mechanism::EccKeyPairGen
            }
            TokenKeyKind::Rsa3072 => {
                public.extend(rsa(3072));
                Mechanism::RsaPkcsKeyPairGen
            }
            TokenKeyKind::Rsa4096 => {
                public.extend(rsa(4096));
                Mechanism::RsaPkcsKeyPairGen
            }
        };
        session
            .generate_key_pair(&mechanism, &public, &private)
            .map_err(failed("make a key pair"))?;
        self.key(label)
    }

    fn session(&self, writable: bool) -> Result<Session, KeyError> {
        let session = if writable {
            self.context.open_rw_session(self.slot)
        } else {
            self.context.open_ro_session(self.slot)
        }
        .map_err(failed("open a session"))?;
        // The login belongs to the application, not to the session: the second one finds it done.
        match session.login(UserType::User, Some(&self.pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => Err(failed("log in; check the PIN")(error)),
        }
    }

    fn find(
        &self,
        session: &Session,
        class: ObjectClass,
        what: &'static str,
        label: &str,
    ) -> Result<ObjectHandle, KeyError> {
        let found = session
            .find_objects(&[Attribute::Class(class), Attribute::Label(label.as_bytes().to_vec())])
            .map_err(failed("look for a key"))?;
        match found[..] {
            [one] => Ok(one),
            _ => Err(KeyError::KeyNotOnToken {
                token: self.label.clone(),
                what,
                label: label.to_owned(),
            }),
        }
    }
}

impl Inner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        // A panic while the lock was held leaves a session that is opened anew at worst.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = &*open {
            match self.sign_in(held, message) {
                Err(error) if forgotten(&error) => *open = None,
                other => return other.map_err(failed("sign")),
            }
        }
        let session = self.token.session(false)?;
        let key =
            self.token.find(&session, ObjectClass::PRIVATE_KEY, "private key", &self.label)?;
        let fresh = open.insert(Open { session, key });
        self.sign_in(fresh, message).map_err(failed("sign"))
    }

    fn sign_in(&self, open: &Open, message: &[u8]) -> Result<Vec<u8>, Error> {
        let raw = |algorithm| {
            let digest = digest::digest(algorithm, message);
            open.session.sign(&Mechanism::Ecdsa, open.key, digest.as_ref())
        };
        match self.algorithm {
            SignatureAlgorithm::EcdsaP256Sha256 => raw(&digest::SHA256),
            SignatureAlgorithm::EcdsaP384Sha384 => raw(&digest::SHA384),
            SignatureAlgorithm::RsaPkcs1Sha256 => {
                open.session.sign(&Mechanism::Sha256RsaPkcs, open.key, message)
            }
        }
    }
}

/// Whether the token lost the session, so that a new one may succeed.
fn forgotten(error: &Error) -> bool {
    matches!(
        error,
        Error::Pkcs11(
            RvError::SessionHandleInvalid
                | RvError::SessionClosed
                | RvError::UserNotLoggedIn
                | RvError::ObjectHandleInvalid
                | RvError::KeyHandleInvalid
                | RvError::DeviceRemoved
                | RvError::TokenNotPresent,
            _
        )
    )
}

#[async_trait]
impl SigningKey for TokenKey {
    fn public_key_der(&self) -> &[u8] {
        &self.public_key_der
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let inner = Arc::clone(&self.inner);
        let message = message.to_vec();
        let signature = tokio::task::spawn_blocking(move || inner.sign(&message))
            .await
            .map_err(|error| KeyError::Token { act: "sign", source: error.into() })??;
        match self.algorithm.ecdsa_element_octets() {
            // PKCS #11 gives R || S.
            Some(octets) if signature.len() == 2 * octets => ecdsa_signature_to_der(&signature),
            Some(_) => Err(KeyError::MalformedSignature),
            None => Ok(signature),
        }
    }
}

#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

fn public_key(session: &Session, key: ObjectHandle) -> Result<Vec<u8>, KeyError> {
    let (mut parameters, mut point, mut modulus, mut exponent) = (None, None, None, None);
    let attributes = session
        .get_attributes(
            key,
            &[
                AttributeType::EcParams,
                AttributeType::EcPoint,
                AttributeType::Modulus,
                AttributeType::PublicExponent,
            ],
        )
        .map_err(failed("read the public key"))?;
    for attribute in attributes {
        match attribute {
            Attribute::EcParams(value) => parameters = Some(value),
            Attribute::EcPoint(value) => point = Some(value),
            Attribute::Modulus(value) => modulus = Some(value),
            Attribute::PublicExponent(value) => exponent = Some(value),
            _ => {}
        }
    }
    let (algorithm, octets) = match (parameters, point, modulus, exponent) {
        (Some(parameters), Some(point), _, _) => {
            // CKA_EC_POINT is the DER OCTET STRING of the point; some tokens give it bare.
            let point = OctetString::from_der(&point)
                .map(|octets| octets.into_bytes().into_vec())
                .unwrap_or(point);
            let algorithm = AlgorithmIdentifierOwned {
                oid: rfc5912::ID_EC_PUBLIC_KEY,
                parameters: Some(Any::from_der(&parameters).map_err(malformed)?),
            };
            (algorithm, point)
        }
        (_, _, Some(modulus), Some(exponent)) => {
            let algorithm = AlgorithmIdentifierOwned {
                oid: rfc5912::RSA_ENCRYPTION,
                parameters: Some(Null.into()),
            };
            let key = RsaPublicKey {
                modulus: UintRef::new(&modulus).map_err(malformed)?,
                exponent: UintRef::new(&exponent).map_err(malformed)?,
            };
            (algorithm, key.to_der().map_err(malformed)?)
        }
        _ => {
            return Err(KeyError::RejectedKey {
                reason: "the token shows neither a point nor a modulus".to_owned(),
            });
        }
    };
    SubjectPublicKeyInfoOwned {
        algorithm,
        subject_public_key: BitString::from_bytes(&octets).map_err(malformed)?,
    }
    .to_der()
    .map_err(malformed)
}

fn failed(act: &'static str) -> impl Fn(Error) -> KeyError {
    move |error| KeyError::Token { act, source: Box::new(error) }
}

fn malformed(error: der::Error) -> KeyError {
    KeyError::MalformedKey(error.into())
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("label", &self.label).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKey")
            .field("token", &self.inner.token.label)
            .field("label", &self.inner.label)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}
