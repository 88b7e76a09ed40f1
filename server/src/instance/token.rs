//! Keys of authorities in a token behind PKCS #11.
//!
//! Only authorities' keys are looked for there. Their OCSP responders' lie in the folder: see
//! `docs/decisions/0014-responders-keys-stay-out-of-the-token.md`.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use secrecy::SecretString;
use sekisho_key::{
    KeyError, SignatureAlgorithm, SigningKey,
    pkcs11::{Token, TokenKey, TokenKeyKind},
};
use zeroize::Zeroizing;

use super::ca_keys::public_key;
use crate::{config::TokenPlace, first_line};

/// The configured token. Nothing is loaded before the first key is asked for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CaToken {
    place: TokenPlace,
    opened: Arc<Mutex<Option<Arc<Token>>>>,
}

/// Why a key in the token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// No PIN.
    #[error(
        "cannot read {}: write the PIN of the token `{token}` into its first line, with `chmod 600`",
        path.display()
    )]
    PinFile {
        /// Label of the token.
        token: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An empty PIN.
    #[error("the first line of {} is empty: write the PIN of the token `{token}` there", path.display())]
    NoPin {
        /// Label of the token.
        token: String,
        /// The file.
        path: PathBuf,
    },
    /// A PIN that others know.
    #[error(
        "others than its owner may read or write {0}, the PIN of the token `{token}`: \
         change the PIN if they could have read it, and chmod 600 {0}",
        path.display()
    )]
    OpenPin {
        /// Label of the token.
        token: String,
        /// The file.
        path: PathBuf,
    },
    /// The library, the token or the PIN.
    #[error("the key `{key}` is looked for in the token `{token}` (by {}), which cannot be used", module.display())]
    Unusable {
        /// Label of the token.
        token: String,
        /// The library.
        module: PathBuf,
        /// Label of the key.
        key: String,
        /// Why.
        #[source]
        source: Box<KeyError>,
    },
    /// No such key.
    #[error(
        "there is neither keys/{key}.p8 nor one private key labelled `{key}`, with its public key, in the \
         token `{token}`: attach the token that holds it, or put the file back from a backup \
         (`sekisho restore`)"
    )]
    Absent {
        /// Label of the token.
        token: String,
        /// Label of the key.
        key: String,
    },
    /// Another key.
    #[error(
        "the key labelled `{key}` in the token `{token}` is not that of ca/{key}.crt: attach the token \
         that holds it, or give that label to the right key"
    )]
    OtherKey {
        /// Label of the token.
        token: String,
        /// Label of the key.
        key: String,
    },
}

impl CaToken {
    /// The token at this place.
    #[must_use]
    pub fn new(place: TokenPlace) -> Self {
        Self { place, opened: Arc::default() }
    }

    /// Its label.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.place.label
    }

    /// The key of this name, which must be the certificate's.
    ///
    /// Blocks: the token is asked.
    ///
    /// # Errors
    /// [`TokenError`].
    pub(crate) fn key(
        &self,
        name: &str,
        certificate_der: &[u8],
    ) -> Result<Arc<dyn SigningKey>, TokenError> {
        let key = self.open(name)?.key(name).map_err(|error| self.failed(name, error))?;
        if public_key(certificate_der).ok().as_deref() != Some(key.public_key_der()) {
            return Err(TokenError::OtherKey { token: self.place.label.clone(), key: name.into() });
        }
        Ok(Arc::new(key))
    }

    /// Whether it has a key of this name.
    ///
    /// Blocks: the token is asked.
    ///
    /// # Errors
    /// [`TokenError`]: it cannot be asked.
    pub(crate) fn holds(&self, name: &str) -> Result<bool, TokenError> {
        match self.open(name)?.key(name) {
            Ok(_) => Ok(true),
            Err(KeyError::KeyNotOnToken { .. }) => Ok(false),
            Err(error) => Err(self.failed(name, error)),
        }
    }

    /// The key of this name, made if there is none; answers also whether it was.
    ///
    /// Blocks: the token is asked.
    ///
    /// # Errors
    /// [`TokenError`].
    pub(crate) fn key_or_generate(
        &self,
        name: &str,
        kind: TokenKeyKind,
    ) -> Result<(TokenKey, bool), TokenError> {
        let token = self.open(name)?;
        token.key_or_generate(name, kind).map_err(|error| self.failed(name, error))
    }

    fn open(&self, name: &str) -> Result<Arc<Token>, TokenError> {
        // A panic while it was held left it as it was.
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = &*opened {
            return Ok(Arc::clone(token));
        }
        let TokenPlace { module, label, .. } = &self.place;
        let token = Token::open(module, label, self.pin()?);
        let token = token.map_err(|error| self.failed(name, error))?;
        Ok(Arc::clone(opened.insert(token)))
    }

    fn pin(&self) -> Result<SecretString, TokenError> {
        let (token, path) = (self.place.label.clone(), self.place.pin_file.clone());
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => Zeroizing::new(text),
            Err(source) => return Err(TokenError::PinFile { token, path, source }),
        };
        if first_line::is_open_to_others(&path) {
            return Err(TokenError::OpenPin { token, path });
        }
        first_line::secret(&text).ok_or(TokenError::NoPin { token, path })
    }

    fn failed(&self, name: &str, source: KeyError) -> TokenError {
        let (token, key) = (self.place.label.clone(), name.to_owned());
        match source {
            KeyError::KeyNotOnToken { .. } => TokenError::Absent { token, key },
            source => TokenError::Unusable {
                token,
                module: self.place.module.clone(),
                key,
                source: Box::new(source),
            },
        }
    }
}

/// A key in a token that is not asked: a copy of an instance is judged wherever it lies.
#[derive(Debug)]
pub(super) struct UnaskedKey {
    token: String,
    public_key_der: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

impl UnaskedKey {
    pub(super) fn of(token: &CaToken, certificate_der: &[u8]) -> Result<Self, KeyError> {
        let public_key_der =
            public_key(certificate_der).map_err(|error| KeyError::MalformedKey(error.into()))?;
        let algorithm = SignatureAlgorithm::of_public_key(&public_key_der)?;
        Ok(Self { token: token.place.label.clone(), public_key_der, algorithm })
    }
}

#[async_trait]
impl SigningKey for UnaskedKey {
    fn public_key_der(&self) -> &[u8] {
        &self.public_key_der
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, KeyError> {
        Err(KeyError::NoToken { label: self.token.clone() })
    }
}
