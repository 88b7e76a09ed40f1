//! The private keys of a plan: made before the dry run, opened for the live run.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use secrecy::SecretString;
use sekisho_ca::ceremony::{KeyKind, KeyPlace, Keys, PlannedKey};
use sekisho_key::{
    KeyError, Randomness, RsaSize, SigningKey, SoftwareKey, Stretch,
    pkcs11::{Token, TokenKeyKind},
};
use sekisho_pki::encoding::key_identifier::public_key_sha256;
use zeroize::Zeroizing;

use super::{
    PlanFolder,
    files::{self, FileError},
};

/// Passphrases of files and PINs of tokens, by the key's name in the plan.
#[derive(Debug, Default)]
pub struct Secrets(BTreeMap<String, SecretString>);

/// A key and whether it was made just now.
#[derive(Debug)]
pub struct MadeKey {
    /// Its name in the plan.
    pub name: String,
    /// SHA-256 of its `SubjectPublicKeyInfo`.
    pub sha256: [u8; 32],
    /// Whether there was none before.
    pub is_new: bool,
}

/// Why a key cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyProblem {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The argument is not `NAME=FILE`.
    #[error(
        "`{0}` is not NAME=FILE: the key's name in the plan, and a file whose first line opens it"
    )]
    Argument(String),
    /// No secret.
    #[error("key `{0}` is opened by a passphrase or PIN: give --secret {0}=FILE")]
    NoSecret(String),
    /// A passphrase that can be guessed.
    #[error("the passphrase of key `{name}` has {characters} characters; give at least 20")]
    Weak {
        /// The key.
        name: String,
        /// Its length.
        characters: usize,
    },
    /// The key.
    #[error("key `{name}`")]
    Key {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// A public half of another key lies where this one's should.
    #[error("{} is of another key than the private one; nothing was replaced", .0.display())]
    OtherPublicKey(PathBuf),
}

/// A passphrase of this length from a dice list or a generator withstands guessing by machines.
const LEAST_CHARACTERS: usize = 20;

impl Secrets {
    /// Reads each `NAME=FILE`; the file's first line is the secret.
    ///
    /// # Errors
    /// [`KeyProblem::Argument`], [`KeyProblem::File`].
    pub fn read(arguments: &[String]) -> Result<Self, KeyProblem> {
        let mut secrets = BTreeMap::new();
        for argument in arguments {
            let (name, file) =
                argument.split_once('=').ok_or_else(|| KeyProblem::Argument(argument.clone()))?;
            let octets = Zeroizing::new(files::read(Path::new(file))?);
            let text =
                std::str::from_utf8(&octets).map_err(|_| KeyProblem::Argument(argument.clone()))?;
            let line = text.lines().next().unwrap_or_default().trim();
            secrets.insert(name.to_owned(), SecretString::from(line.to_owned()));
        }
        Ok(Self(secrets))
    }

    fn of(&self, name: &str) -> Result<&SecretString, KeyProblem> {
        self.0.get(name).ok_or_else(|| KeyProblem::NoSecret(name.to_owned()))
    }
}

/// Makes the keys of a plan that are not there yet, and writes the public half of each beside the
/// plan. What is there is never replaced.
///
/// # Errors
/// [`KeyProblem`]; keys made until then stay.
pub fn make_keys(
    folder: &PlanFolder,
    secrets: &Secrets,
    random: &dyn Randomness,
) -> Result<Vec<MadeKey>, KeyProblem> {
    let mut made = Vec::new();
    for key in folder.plan().keys() {
        let Some((private, is_new)) = make_key(folder, key, secrets, random)? else { continue };
        let spki_der = private.public_key_der();
        let path = folder.public_key_file(&key.name);
        match files::read_if_there(&path)? {
            None => files::write(&path, files::pem("PUBLIC KEY", spki_der).as_bytes())?,
            Some(_) if files::one_der(&path, "public key")? == spki_der => {}
            Some(_) => return Err(KeyProblem::OtherPublicKey(path)),
        }
        let sha256 = public_key_sha256(spki_der);
        made.push(MadeKey { name: key.name.clone(), sha256, is_new });
    }
    Ok(made)
}

/// Opens the private keys that sign in a plan.
///
/// # Errors
/// [`KeyProblem`]: the first that is not there or does not open.
pub fn open_keys(folder: &PlanFolder, secrets: &Secrets) -> Result<Keys, KeyProblem> {
    let signers = folder.plan().signers();
    let mut keys = Keys::new();
    for key in folder.plan().keys().iter().filter(|key| signers.contains(key.name.as_str())) {
        if let Some(private) = open_key(folder, key, secrets)? {
            keys.insert(key.name.clone(), private);
        }
    }
    Ok(keys)
}

/// A key, and whether it was made just now.
type Opened = (Arc<dyn SigningKey>, bool);

fn make_key(
    folder: &PlanFolder,
    key: &PlannedKey,
    secrets: &Secrets,
    random: &dyn Randomness,
) -> Result<Option<Opened>, KeyProblem> {
    let failed = |source| KeyProblem::Key { name: key.name.clone(), source };
    match &key.place {
        KeyPlace::File { kind, file } if !folder.has(file) => {
            let passphrase = secrets.of(&key.name)?;
            let characters = secrecy::ExposeSecret::expose_secret(passphrase).chars().count();
            if characters < LEAST_CHARACTERS {
                return Err(KeyProblem::Weak { name: key.name.clone(), characters });
            }
            let made = software(*kind).map_err(failed)?;
            let pem = made
                .to_encrypted_pem(passphrase, Stretch::HumanPassphrase, random)
                .map_err(failed)?;
            files::write(&folder.beside(file), pem.as_bytes())?;
            Ok(Some((Arc::new(made), true)))
        }
        KeyPlace::Token { kind, module, token, label } => {
            let token = open_token(key, module, token, secrets)?;
            let (found, is_new) = token.key_or_generate(label, in_token(*kind)).map_err(failed)?;
            Ok(Some((Arc::new(found), is_new)))
        }
        _ => Ok(open_key(folder, key, secrets)?.map(|found| (found, false))),
    }
}

/// `None`: the key is on another host.
fn open_key(
    folder: &PlanFolder,
    key: &PlannedKey,
    secrets: &Secrets,
) -> Result<Option<Arc<dyn SigningKey>>, KeyProblem> {
    let failed = |source| KeyProblem::Key { name: key.name.clone(), source };
    Ok(match &key.place {
        KeyPlace::File { file, .. } => {
            let pem = files::read(&folder.beside(file))?;
            let opened = SoftwareKey::from_encrypted_pem(&pem, secrets.of(&key.name)?);
            Some(Arc::new(opened.map_err(failed)?))
        }
        KeyPlace::Token { module, token, label, .. } => {
            let token = open_token(key, module, token, secrets)?;
            Some(Arc::new(token.key(label).map_err(failed)?))
        }
        KeyPlace::Elsewhere { .. } | KeyPlace::Given => None,
    })
}

fn open_token(
    key: &PlannedKey,
    module: &str,
    token: &str,
    secrets: &Secrets,
) -> Result<Arc<Token>, KeyProblem> {
    Token::open(Path::new(module), token, secrets.of(&key.name)?.clone())
        .map_err(|source| KeyProblem::Key { name: key.name.clone(), source })
}

/// Makes a key of this kind in memory.
pub(super) fn software(kind: KeyKind) -> Result<SoftwareKey, KeyError> {
    match kind {
        KeyKind::P256 => SoftwareKey::generate_p256(),
        KeyKind::P384 => SoftwareKey::generate_p384(),
        KeyKind::Rsa3072 => SoftwareKey::generate_rsa(RsaSize::Bits3072),
        KeyKind::Rsa4096 => SoftwareKey::generate_rsa(RsaSize::Bits4096),
    }
}

pub(super) const fn in_token(kind: KeyKind) -> TokenKeyKind {
    match kind {
        KeyKind::P256 => TokenKeyKind::P256,
        KeyKind::P384 => TokenKeyKind::P384,
        KeyKind::Rsa3072 => TokenKeyKind::Rsa3072,
        KeyKind::Rsa4096 => TokenKeyKind::Rsa4096,
    }
}
