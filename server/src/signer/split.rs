//! `sekisho signer split`: the keys leave the instance's folder.
//!
//! 1. the signing process's folder is made, or known again by its passphrase;
//! 2. each key is wrapped into it anew, its certificate beside it; one in a token stays there;
//! 3. each is read back and held against its certificate;
//! 4. `signer.toml` and the instance's `[signer]` are written, and the token changes from one to the
//!    other;
//! 5. the old files are overwritten and removed.
//!
//! Power may fail after any of these: the same command goes on. Nothing is overwritten before it was
//! read back, and what another key has the name of is never.

use std::{
    fs::File,
    io::{Seek, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use sekisho_key::{KeyError, Randomness, RandomnessError, SigningKey, SoftwareKey, Stretch};
use zeroize::Zeroizing;

use super::{
    hand_over::HandOver,
    settings::{Settings, SettingsError},
};
use crate::{
    config::{self, ConfigError, TokenSettings},
    instance::{
        Folder, FolderError, InUse, InUseError, SecretsError, configuration_text,
        first_certificate, issuers_of_folder, machine_passphrase, open_ca_key, open_key,
        public_key, read_passphrase, responder_name, settle_responder, token_of,
    },
};

/// What to move, and where.
#[derive(Debug, Clone)]
pub struct Split {
    /// The instance's folder.
    pub instance: PathBuf,
    /// The signing process's folder.
    pub signer: PathBuf,
    /// Where it will listen; `None` for `run/signer.sock` in its folder.
    pub socket: Option<PathBuf>,
    /// Who may ask; `None` for the owner of the instance's folder.
    pub user: Option<u32>,
}

/// Why the keys were not moved. Those that were stay moved.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// The instance's configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A key.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// A key cannot be wrapped.
    #[error("a key cannot be wrapped")]
    Key(#[from] KeyError),
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The target is something else.
    #[error(
        "{} is neither empty nor a folder of the signing process; nothing was moved", path.display()
    )]
    NotOurs {
        /// Which.
        path: PathBuf,
    },
    /// Somebody serves from it.
    #[error(transparent)]
    InUse(#[from] InUseError),
    /// Another key has the name.
    #[error(
        "{} is another key than that of its certificate; nothing is overwritten", path.display()
    )]
    OtherKey {
        /// Which.
        path: PathBuf,
    },
    /// The instance asks another process already.
    #[error("the instance is configured for the socket {found} already")]
    OtherSocket {
        /// As configured.
        found: String,
    },
    /// The signing process has a token already.
    #[error(
        "{} names the token `{found}` already, and the instance another: one process has one token",
        path.display()
    )]
    OtherToken {
        /// Its configuration.
        path: PathBuf,
        /// Label of its token.
        found: String,
    },
    /// The signing process's configuration.
    #[error(transparent)]
    Signer(#[from] SettingsError),
    /// A file or folder.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What was found and done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Names of the keys that this call moved; others had been.
    pub keys: Vec<String>,
    /// Where the signing process will listen.
    pub socket: PathBuf,
    /// A file with the token's PIN that was copied and is still there.
    pub pin_left: Option<PathBuf>,
}

/// Moves the keys of the authorities and their OCSP responders. Twice is no error.
///
/// # Errors
/// [`SplitError`].
pub fn split(split: &Split, random: &dyn Randomness) -> Result<Moved, SplitError> {
    let mut settings = config::Settings::read(&split.instance)?;
    let config = settings.validate(&split.instance)?;
    let instance = Folder::new(absolute(&split.instance)?);
    // A serving process would go on with keys that nobody knows to be there any more, and find none at
    // its next start.
    let _in_use = InUse::alone(&instance)?;
    let path = absolute(&split.signer)?;
    let socket = absolute(&match &split.socket {
        Some(socket) => socket.clone(),
        None => path.join("run").join("signer.sock"),
    })?;
    if config.signer_socket().is_some_and(|found| found != socket) {
        return Err(SplitError::OtherSocket { found: settings.signer.socket });
    }
    // 1
    let passphrase = begin(&path, random)?;
    let signer = Folder::new(&path);
    let here = read_passphrase(&instance)?;
    let names: Vec<String> = issuers_of_folder(&instance)?
        .into_iter()
        .flat_map(|issuer| [responder_name(&issuer.id), issuer.id])
        .collect();
    let hand_over = HandOver::of(config.token(), &path)?;
    let token = hand_over.as_ref().map(HandOver::token);
    let is_in_token = |name: &str| {
        !signer.key(name).exists() && token_of(&instance, name, token.as_ref()).is_some()
    };
    // 2
    for name in &names {
        settle_responder(&instance, name, &here)?;
        let certificate = first_certificate(&instance, name)?;
        let moved = signer.key(name).exists();
        if is_in_token(name) {
            open_ca_key(&instance, name, &certificate, &here, token.as_ref())?;
        } else if moved {
            fitting(&signer, name, &certificate, &passphrase)?;
        }
        // Also beside one that was moved: what will be deleted is the same key, or it stays.
        if !moved && !is_in_token(name) || instance.key(name).exists() {
            let key = fitting(&instance, name, &certificate, &here)?;
            if !moved {
                let pem = key.to_encrypted_pem(&passphrase, Stretch::MachineSecret, random)?;
                Folder::replace(&signer.key(name), pem.as_bytes())?;
            }
        }
        let path = instance.certificate(name);
        let pem = std::fs::read(&path).map_err(at(&path))?;
        Folder::replace(&signer.certificate(name), &pem)?;
    }
    if let Some(hand_over) = &hand_over {
        hand_over.copy_pin()?;
    }
    // 3
    for name in names.iter().filter(|name| !is_in_token(name)) {
        fitting(&signer, name, &first_certificate(&signer, name)?, &passphrase)?;
    }
    for folder in ["keys", "ca", "secrets"] {
        sync(&path.join(folder))?;
    }
    // 4
    let file = Settings::path(&path);
    if !file.exists() {
        let user = match split.user {
            Some(user) => user,
            None => std::fs::metadata(instance.path()).map_err(at(instance.path()))?.uid(),
        };
        let listen = config.listen();
        let origins = config.host_names().origins(listen.tls()[0].port(), listen.plain()[0].port());
        let written = Settings {
            database: database(config.instance().database())?,
            node: settings.instance.node.clone(),
            socket: socket.display().to_string(),
            users: vec![user],
            publication_base: origins.plain,
            crl_partitions: settings.authority.crl_partitions,
            crl_hours: settings.authority.crl_hours,
            log_format: settings.instance.log_format,
            log_filter: settings.instance.log_filter.clone(),
            token: TokenSettings::default(),
        };
        Folder::replace(&file, written.text().as_bytes())?;
    }
    if let Some(hand_over) = &hand_over {
        let mut written = Settings::read(&path)?;
        if written.token != *hand_over.settings() {
            written.token = hand_over.settings().clone();
            Folder::replace(&file, written.text().as_bytes())?;
        }
    }
    if config.signer_socket().is_none() || config.token().is_some() {
        settings.authority.token = TokenSettings::default();
        settings.signer.socket = socket.display().to_string();
        let text = configuration_text(&settings);
        Folder::replace(&split.instance.join(config::FILE_NAME), text.as_bytes())?;
    }
    // 5
    let pin_left = match &hand_over {
        Some(hand_over) => hand_over.wipe_pin(instance.path())?,
        None => None,
    };
    let mut moved = Vec::new();
    for name in names {
        let path = instance.key(&name);
        if path.exists() {
            wipe(&path).map_err(at(&path))?;
            moved.push(name);
        }
    }
    Ok(Moved { keys: moved, socket, pin_left })
}

/// Makes the folder, or knows it again; answers its passphrase, drawn the first time.
fn begin(path: &Path, random: &dyn Randomness) -> Result<SecretString, SplitError> {
    let folder = Folder::new(path);
    let is_ours = folder.passphrase().exists();
    if !is_ours && path.exists() {
        let mut entries = std::fs::read_dir(path).map_err(at(path))?;
        // What a call that was killed at its very beginning left.
        let foreign =
            entries.any(|entry| entry.map_or(true, |entry| entry.file_name() != "secrets"));
        if foreign {
            return Err(SplitError::NotOurs { path: path.to_owned() });
        }
    }
    // The group has to reach the socket's folder, and nothing else.
    for (folder, mode) in [
        (path.to_owned(), 0o750),
        (path.join("secrets"), 0o700),
        (path.join("keys"), 0o700),
        (path.join("ca"), 0o700),
    ] {
        if folder == path.join("keys") && !is_ours {
            let drawn = machine_passphrase(random)?;
            let text = Zeroizing::new(format!("{}\n", drawn.expose_secret()));
            Folder::replace(&Folder::new(path).passphrase(), text.as_bytes())?;
        }
        std::fs::create_dir_all(&folder).map_err(at(&folder))?;
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(mode)).map_err(at(&folder))?;
    }
    Ok(read_passphrase(&folder)?)
}

/// The key of this name, if it is that of the certificate.
fn fitting(
    folder: &Folder,
    name: &str,
    certificate_der: &[u8],
    passphrase: &SecretString,
) -> Result<std::sync::Arc<SoftwareKey>, SplitError> {
    let key = open_key(folder, name, passphrase)?;
    match public_key(certificate_der) {
        Ok(expected) if expected == key.public_key_der() => Ok(key),
        _ => Err(SplitError::OtherKey { path: folder.key(name) }),
    }
}

/// The URL with an absolute path, as another process in another folder needs it.
fn database(url: &SecretString) -> Result<String, SplitError> {
    match url.expose_secret().strip_prefix("sqlite://") {
        Some(path) => Ok(format!("sqlite:{}", absolute(Path::new(path))?.display())),
        None => Ok(url.expose_secret().to_owned()),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, SplitError> {
    std::path::absolute(path).map_err(at(path))
}

/// Names of files are as durable as the folder that holds them.
fn sync(folder: &Path) -> Result<(), SplitError> {
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(at(folder))
}

/// Overwrites and removes. A file system that writes elsewhere, and a flash disk, may keep the old
/// octets; they are wrapped under a passphrase that lies in the same folder.
pub(super) fn wipe(path: &Path) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or_default();
    file.rewind()?;
    file.write_all(&vec![0; length])?;
    file.sync_all()?;
    std::fs::remove_file(path)
}

pub(super) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> SplitError {
    let path = path.to_owned();
    move |source| SplitError::File { path, source }
}
