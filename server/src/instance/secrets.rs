//! Keys and secrets of the folder: made once, opened at each start.

use std::{path::PathBuf, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sekisho_key::{KeyError, Randomness, SoftwareKey, Stretch};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Folder, FolderError, token::TokenError};
use crate::{
    keys::{InstanceKeys, jwks, named},
    sealing::{SealingError, SealingKey},
};

/// What separates the sealing of the secrets file from every other use of the passphrase.
const SEALED_PURPOSE: &[u8] = b"instance-secrets/1";
/// Name of the key of the audit checkpoints in `keys/`.
const AUDIT: &str = "audit-1";
/// Where instances kept their one key for login requests before those lay in the register.
const FORMER_LOGIN_REQUEST: &str = "login-request-1";

/// Why the folder's keys cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// A file.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A key.
    #[error("key `{name}` cannot be used")]
    Key {
        /// Name of the key.
        name: String,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// A key file and the passphrase do not fit.
    #[error(
        "{} does not open under {}; the two belong together: put both back from one backup \
         (`sekisho restore`)",
        path.display(),
        passphrase.display()
    )]
    Unopened {
        /// The key file.
        path: PathBuf,
        /// The passphrase file.
        passphrase: PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// A key in the token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The sealed secrets.
    #[error("the sealed secrets cannot be used")]
    Sealed(#[from] SealingError),
}

/// Opens a key of the folder.
pub(crate) fn open_key(
    folder: &Folder,
    name: &str,
    passphrase: &SecretString,
) -> Result<Arc<SoftwareKey>, SecretsError> {
    let pem = Folder::read(&folder.key(name))?;
    SoftwareKey::from_encrypted_pem(&pem, passphrase).map(Arc::new).map_err(|source| {
        SecretsError::Unopened { path: folder.key(name), passphrase: folder.passphrase(), source }
    })
}

/// Opens a key of the folder, or makes it if there is none of that name.
pub(crate) fn open_or_make_key(
    folder: &Folder,
    name: &str,
    passphrase: &SecretString,
    random: &dyn Randomness,
    make: impl FnOnce() -> Result<SoftwareKey, KeyError>,
) -> Result<Arc<SoftwareKey>, SecretsError> {
    if !std::fs::exists(folder.key(name)).unwrap_or(true) {
        let key = make().map_err(|source| SecretsError::Key { name: name.to_owned(), source })?;
        write_key(folder, name, &key, passphrase, random)?;
    }
    open_key(folder, name, passphrase)
}

/// Wraps a key into the folder.
pub(super) fn write_key(
    folder: &Folder,
    name: &str,
    key: &SoftwareKey,
    passphrase: &SecretString,
    random: &dyn Randomness,
) -> Result<(), SecretsError> {
    let pem = key
        .to_encrypted_pem(passphrase, Stretch::MachineSecret, random)
        .map_err(|source| SecretsError::Key { name: name.to_owned(), source })?;
    Ok(Folder::write_new(&folder.key(name), pem.as_bytes())?)
}

/// Reads the passphrase file.
pub(crate) fn read_passphrase(folder: &Folder) -> Result<SecretString, SecretsError> {
    let path = folder.passphrase();
    let octets = Zeroizing::new(Folder::read(&path)?);
    let text = std::str::from_utf8(&octets)
        .map(str::trim)
        .ok()
        .filter(|text| !text.is_empty())
        .ok_or(FolderError::Content { path, what: "a passphrase" })?;
    Ok(SecretString::from(text.to_owned()))
}

/// Makes the signing key and symmetric secrets of a new instance.
pub(super) fn make(
    folder: &Folder,
    passphrase: &SecretString,
    random: &dyn Randomness,
) -> Result<(), SecretsError> {
    let key = SoftwareKey::generate_p256()
        .map_err(|source| SecretsError::Key { name: AUDIT.to_owned(), source })?;
    write_key(folder, AUDIT, &key, passphrase, random)?;
    // Sealing key and pairwise salt, one after the other.
    let mut secrets = Zeroizing::new([0; 64]);
    random.fill(&mut *secrets).map_err(SealingError::from)?;
    let sealed = wrapping_key(passphrase)?.seal(random, SEALED_PURPOSE, &*secrets)?;
    Ok(Folder::write_new(&folder.sealed(), &sealed)?)
}

/// Opens what [`make`] made.
pub(super) fn open(
    folder: &Folder,
    passphrase: &SecretString,
) -> Result<InstanceKeys, SecretsError> {
    let audit = named(open_key(folder, AUDIT, passphrase)?)
        .map_err(|source| SecretsError::Key { name: AUDIT.to_owned(), source })?;
    let (sealing, pairwise_salt) = open_sealed(folder, passphrase)?;
    Ok(InstanceKeys { audit, sealing, pairwise_salt })
}

/// The key for login requests of an instance that was made before they lay in the register, and where
/// it is.
pub(super) fn former_login_request_key(
    folder: &Folder,
) -> Result<Option<(Arc<SoftwareKey>, PathBuf)>, SecretsError> {
    let path = folder.key(FORMER_LOGIN_REQUEST);
    if !path.exists() {
        return Ok(None);
    }
    let key = open_key(folder, FORMER_LOGIN_REQUEST, &read_passphrase(folder)?)?;
    Ok(Some((key, path)))
}

/// The key that seals secrets in the database of the instance in `folder`.
///
/// # Errors
/// [`SecretsError`].
pub fn sealing_key(folder: &Folder) -> Result<SealingKey, SecretsError> {
    Ok(open_sealed(folder, &read_passphrase(folder)?)?.0)
}

/// The sealing key and the pairwise salt.
fn open_sealed(
    folder: &Folder,
    passphrase: &SecretString,
) -> Result<(SealingKey, Zeroizing<[u8; 32]>), SecretsError> {
    let path = folder.sealed();
    let secrets = wrapping_key(passphrase)?.open(SEALED_PURPOSE, &Folder::read(&path)?)?;
    let (sealing, rest) = secrets
        .split_first_chunk::<32>()
        .ok_or(FolderError::Content { path: path.clone(), what: "the sealed secrets" })?;
    let salt = <[u8; 32]>::try_from(rest)
        .map_err(|_| FolderError::Content { path, what: "the sealed secrets" })?;
    Ok((SealingKey::new(sealing)?, Zeroizing::new(salt)))
}

/// The public keys of the audit checkpoints of the instance in `folder`, as a JWK Set.
///
/// # Errors
/// [`SecretsError`].
pub fn audit_public_keys(folder: &std::path::Path) -> Result<serde_json::Value, SecretsError> {
    let folder = Folder::new(folder);
    let passphrase = read_passphrase(&folder)?;
    let refused = |source| SecretsError::Key { name: AUDIT.to_owned(), source };
    let key = named(open_key(&folder, AUDIT, &passphrase)?).map_err(refused)?;
    jwks([&key]).map_err(refused)
}

/// The passphrase has 256 random bits, so one HMAC makes a key of it (as HKDF-Extract does, RFC
/// 5869 §2.2); stretching would only delay the start.
fn wrapping_key(passphrase: &SecretString) -> Result<SealingKey, SealingError> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(SEALED_PURPOSE).map_err(|_| SealingError::Cryptography)?;
    mac.update(passphrase.expose_secret().as_bytes());
    let key = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
    SealingKey::new(&key)
}
