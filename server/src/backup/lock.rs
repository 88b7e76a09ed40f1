//! To whom a backup is encrypted, and with what it is opened.

use std::{io::BufReader, path::Path};

use age::{Identity, Recipient, scrypt, x25519};
use secrecy::SecretString;

/// To whom a backup is encrypted.
pub enum Lock {
    /// To the holders of these keys: the machine that makes backups cannot read them.
    Recipients(Vec<x25519::Recipient>),
    /// To whoever knows this.
    Passphrase(SecretString),
}

/// What opens a backup.
pub enum Key {
    /// Secret keys of an identity file, as `age-keygen` writes it.
    Identities(Vec<Box<dyn Identity + Send + Sync>>),
    /// The passphrase.
    Passphrase(SecretString),
}

/// Why a lock or a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Not the public key of an identity.
    #[error("`{given}` is no age recipient ({fault}); `age-keygen -y FILE` prints one: age1…")]
    Recipient {
        /// As given.
        given: String,
        /// What is wrong.
        fault: &'static str,
    },
    /// A passphrase that can be guessed.
    #[error("the passphrase has {characters} characters; at least 20 are needed")]
    WeakPassphrase {
        /// Its length.
        characters: usize,
    },
    /// Not an identity file.
    #[error("{path} holds no age identity: `age-keygen -o FILE` makes one")]
    Identity {
        /// Which file.
        path: String,
        /// Why, where it could not be read.
        #[source]
        source: Option<std::io::Error>,
    },
}

/// Guessing goes on for as long as somebody has the file.
const LEAST_CHARACTERS: usize = 20;

impl Lock {
    /// Reads public keys (`age1…`).
    ///
    /// # Errors
    /// [`LockError::Recipient`]: the first that is none.
    pub fn recipients<'a>(given: impl IntoIterator<Item = &'a str>) -> Result<Self, LockError> {
        given
            .into_iter()
            .map(|text| {
                text.trim()
                    .parse()
                    .map_err(|fault| LockError::Recipient { given: text.to_owned(), fault })
            })
            .collect::<Result<_, _>>()
            .map(Self::Recipients)
    }

    /// # Errors
    /// [`LockError::WeakPassphrase`].
    pub fn passphrase(passphrase: SecretString) -> Result<Self, LockError> {
        let characters = secrecy::ExposeSecret::expose_secret(&passphrase).chars().count();
        if characters < LEAST_CHARACTERS {
            return Err(LockError::WeakPassphrase { characters });
        }
        Ok(Self::Passphrase(passphrase))
    }

    /// For the encryptor.
    pub(super) fn as_recipients(&self) -> Vec<Box<dyn Recipient>> {
        match self {
            Self::Recipients(recipients) => recipients
                .iter()
                .map(|recipient| Box::new(recipient.clone()) as Box<dyn Recipient>)
                .collect(),
            Self::Passphrase(passphrase) => {
                vec![Box::new(scrypt::Recipient::new(passphrase.clone()))]
            }
        }
    }

    /// To whom, for the audit record: public keys, or the word.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Recipients(recipients) => {
                recipients.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            }
            Self::Passphrase(_) => "passphrase".to_owned(),
        }
    }
}

impl Key {
    /// Reads an identity file.
    ///
    /// # Errors
    /// [`LockError::Identity`].
    pub fn identities(path: &Path) -> Result<Self, LockError> {
        let refused = |source| LockError::Identity { path: path.display().to_string(), source };
        let file = std::fs::File::open(path).map_err(|source| refused(Some(source)))?;
        let identities = age::IdentityFile::from_buffer(BufReader::new(file))
            .map_err(|source| refused(Some(source)))?
            .into_identities()
            .map_err(|_| refused(None))?;
        if identities.is_empty() {
            return Err(refused(None));
        }
        Ok(Self::Identities(identities))
    }

    /// For the decryptor.
    pub(super) fn into_identities(self) -> Vec<Box<dyn Identity>> {
        match self {
            Self::Identities(identities) => {
                identities.into_iter().map(|identity| identity as Box<dyn Identity>).collect()
            }
            Self::Passphrase(passphrase) => vec![Box::new(scrypt::Identity::new(passphrase))],
        }
    }
}
