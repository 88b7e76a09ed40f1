//! Keys in a token behind PKCS #11 (OASIS PKCS #11 v2.40 and later).
//!
//! The private key never leaves the token; digests of ECDSA messages are taken here and sent as
//! `CKM_ECDSA`, which every token knows, RSA goes as `CKM_SHA256_RSA_PKCS`. Calls block, some for
//! tens of milliseconds, so each runs on tokio's blocking threads.
//!
//! A session is opened once a key and kept. A call that fails is repeated in a new session, and then
//! after the library was started anew: the token may have forgotten the session, its slot may have
//! changed, it may have been away. A PIN that the token refused is not tried again: a token that
//! counts tries would block itself.

mod library;
mod objects;
mod public_key;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use aws_lc_rs::digest;
use const_oid::db::rfc5912;
use cryptoki::{
    context::Function,
    error::{Error, RvError},
    mechanism::Mechanism,
    object::{Attribute, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    slot::Slot,
};
use der::Encode;
use secrecy::SecretString;
use tokio::sync::Mutex;

use self::{
    library::{Calls, Library},
    objects::{id, labelled},
    public_key::public_key,
};
use crate::{KeyError, SignatureAlgorithm, SigningKey, ecdsa_signature_to_der};

/// A token, by its label.
pub struct Token {
    library: Arc<Library>,
    label: String,
    pin: SecretString,
    pin_was_refused: AtomicBool,
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
    open: Arc<Mutex<Option<Open>>>,
}

struct Open {
    session: Session,
    key: ObjectHandle,
    /// To which start of the library the two belong.
    start: u64,
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
        let library = Library::at(module)?;
        let (label, pin_was_refused) = (label.to_owned(), AtomicBool::new(false));
        let token = Self { library, label, pin, pin_was_refused };
        token.slot(&token.library.calls())?;
        Ok(Arc::new(token))
    }

    /// The private key labelled `label`; the public key object of the same label must be there.
    ///
    /// # Errors
    /// [`KeyError::KeyNotOnToken`], [`KeyError::UnsupportedKeyKind`], [`KeyError::Token`].
    pub fn key(self: &Arc<Self>, label: &str) -> Result<TokenKey, KeyError> {
        let calls = self.library.calls();
        let session = self.session(&calls, false)?;
        let key = self.find(&session, ObjectClass::PRIVATE_KEY, "private key", label)?;
        let public = self.find(&session, ObjectClass::PUBLIC_KEY, "public key", label)?;
        let public_key_der = public_key(&session, public)?;
        let algorithm = SignatureAlgorithm::of_public_key(&public_key_der)?;
        Ok(TokenKey {
            inner: Arc::new(Inner {
                token: Arc::clone(self),
                label: label.to_owned(),
                algorithm,
                open: Arc::new(Mutex::new(Some(Open { session, key, start: calls.start() }))),
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
        let calls = self.library.calls();
        let session = self.session(&calls, true)?;
        let taken = labelled(&session, ObjectClass::PRIVATE_KEY, label)?;
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
            id(label),
        ];
        let private = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::Label(label.as_bytes().to_vec()),
            id(label),
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
        drop(calls);
        self.key(label)
    }

    /// The key labelled `label`, made if there is none; answers also whether it was.
    ///
    /// # Errors
    /// As [`Self::key`] and [`Self::generate`]; nothing is made beside a key of that label.
    pub fn key_or_generate(
        self: &Arc<Self>,
        label: &str,
        kind: TokenKeyKind,
    ) -> Result<(TokenKey, bool), KeyError> {
        match self.key(label) {
            Ok(found) => Ok((found, false)),
            Err(KeyError::KeyNotOnToken { .. }) => Ok((self.generate(label, kind)?, true)),
            Err(error) => Err(error),
        }
    }

    /// Whether the token refused the PIN: then it is not tried again.
    #[must_use]
    pub fn is_pin_refused(&self) -> bool {
        self.pin_was_refused.load(Ordering::Relaxed)
    }

    /// Where the token is now.
    fn slot(&self, calls: &Calls<'_>) -> Result<Slot, KeyError> {
        let context = calls.context;
        let mut found = Vec::new();
        let slots =
            context.get_slots_with_initialized_token().map_err(failed("list the tokens"))?;
        for slot in slots {
            let info = context.get_token_info(slot).map_err(failed("read a token's label"))?;
            if info.label() == self.label {
                found.push(slot);
            }
        }
        match found[..] {
            [slot] => Ok(slot),
            _ => Err(KeyError::NoToken { label: self.label.clone() }),
        }
    }

    fn session(&self, calls: &Calls<'_>, writable: bool) -> Result<Session, KeyError> {
        let log_in = failed("log in; check the PIN");
        if self.is_pin_refused() {
            return Err(log_in(Error::Pkcs11(RvError::PinIncorrect, Function::Login)));
        }
        let slot = self.slot(calls)?;
        let session = if writable {
            calls.context.open_rw_session(slot)
        } else {
            calls.context.open_ro_session(slot)
        }
        .map_err(failed("open a session"))?;
        // The login belongs to the application, not to the session: the second one finds it done.
        match session.login(UserType::User, Some(&self.pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => {
                if matches!(error, Error::Pkcs11(RvError::PinIncorrect, _)) {
                    self.pin_was_refused.store(true, Ordering::Relaxed);
                }
                Err(log_in(error))
            }
        }
    }

    fn find(
        &self,
        session: &Session,
        class: ObjectClass,
        what: &'static str,
        label: &str,
    ) -> Result<ObjectHandle, KeyError> {
        let found = labelled(session, class, label)?;
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
    fn sign(&self, open: &mut Option<Open>, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let library = &self.token.library;
        let calls = library.calls();
        match open.take() {
            Some(held) if held.start == calls.start() => {
                // Whatever failed, the session is not to be trusted with the next message.
                if let Ok(signature) = self.sign_in(&held, message) {
                    *open = Some(held);
                    return Ok(signature);
                }
            }
            // Closing it could close another's, which has its handle now.
            Some(void) => std::mem::forget(void),
            None => {}
        }
        let start = calls.start();
        match self.sign_anew(&calls, open, message) {
            Err(KeyError::Token { .. } | KeyError::NoToken { .. })
                if !self.token.is_pin_refused() =>
            {
                drop(calls);
                library.start_again(start)?;
                self.sign_anew(&library.calls(), open, message)
            }
            outcome => outcome,
        }
    }

    /// Signs in a new session, which is kept.
    fn sign_anew(
        &self,
        calls: &Calls<'_>,
        open: &mut Option<Open>,
        message: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let session = self.token.session(calls, false)?;
        let key =
            self.token.find(&session, ObjectClass::PRIVATE_KEY, "private key", &self.label)?;
        let fresh = Open { session, key, start: calls.start() };
        let signature = self.sign_in(&fresh, message).map_err(failed("sign"))?;
        *open = Some(fresh);
        Ok(signature)
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
        // Waited for here and not in the thread: a token that hangs holds up one thread a key, however
        // many ask for signatures.
        let mut open = Arc::clone(&inner.open).lock_owned().await;
        let signature = tokio::task::spawn_blocking(move || inner.sign(&mut open, &message))
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
