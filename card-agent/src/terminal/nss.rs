//! Puts the terminal's key and certificate into the NSS database that Chromium reads.

use std::path::{Path, PathBuf};
use std::process::Command;

use der::Decode;
use secrecy::{ExposeSecret, SecretString};
use sekisho_pki::encoding::pkcs12::seal::{Identity, Protection, seal};

use super::key::{self, TerminalKey};
use super::pkcs11_uri::Pkcs11Uri;
use super::place::{Place, PlaceError, Settings, read, write_private};
use super::token_key;

/// What the store calls a token's library.
const MODULE: &str = "facility-terminal-token";
/// What the store calls roots, before the beginning of their hash.
const ROOT: &str = "facility-root";
/// What the store calls the pair.
const NICKNAME: &str = "facility-terminal";

/// The browser's store was not written.
#[derive(Debug, thiserror::Error)]
pub enum NssError {
    /// The tools are missing.
    #[error("{0} is not installed; install the package libnss3-tools")]
    NoTool(&'static str),
    /// A tool failed.
    #[error("{tool} failed: {output}")]
    Tool {
        /// Which.
        tool: &'static str,
        /// What it said.
        output: String,
    },
    /// The key may not leave its place.
    #[error("the terminal's key cannot be copied into a browser's store")]
    NotExportable,
    /// The folder.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The system's own store.
    #[error("{store} was not written")]
    System {
        /// Which.
        store: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Encoding.
    #[error("PKCS #12 cannot be written: {0}")]
    Encode(String),
}

/// The most certificates under our name that an import removes; there is one, unless another
/// program put more there.
const MOST_OLD: usize = 8;

/// Gives the browser's store what the folder holds: the one `given` now, which is remembered, or
/// the one remembered. Answers which; nothing happens where there is neither.
///
/// # Errors
/// [`NssError`]: one that was given now and cannot be written is not remembered either.
pub fn supply(place: &Place, given: Option<&Path>) -> Result<Option<PathBuf>, NssError> {
    let settings = place.settings()?;
    let given = given
        .map(|folder| {
            std::path::absolute(folder)
                .map_err(|source| PlaceError::File { path: folder.display().to_string(), source })
        })
        .transpose()?;
    let Some(folder) = given.clone().or_else(|| settings.nss.clone()) else { return Ok(None) };
    let key = key::load(place)?;
    match key.token() {
        Some(token) => register(place, token, &folder)?,
        None => import(place, key.as_ref(), &folder)?,
    }
    if given.is_some() && given != settings.nss {
        place.choose(&Settings { nss: given })?;
    }
    Ok(Some(folder))
}

/// Gives the store that was chosen the certificate that the folder holds, unless it has that one.
///
/// # Errors
/// [`NssError`].
pub fn catch_up(place: &Place) -> Result<(), NssError> {
    let Some(folder) = place.settings()?.nss else { return Ok(()) };
    if held(place, &folder).ok() != Some(read(&place.certificate())?) {
        supply(place, None)?;
    }
    Ok(())
}

/// The certificate that the store in `folder` shows for the terminal's key, DER.
///
/// # Errors
/// [`NssError`]: also where it shows none.
pub fn held(place: &Place, folder: &Path) -> Result<Vec<u8>, NssError> {
    let database = format!("sql:{}", folder.display());
    let name = match key::lies_in_token(place)? {
        Some(Pkcs11Uri { token, object: Some(label), .. }) => format!("{token}:{label}"),
        _ => NICKNAME.to_owned(),
    };
    run("certutil", &["-L", "-d", &database, "-n", &name, "-r"])
}

/// Has the database in `folder`, which is made where missing, look into the token: the certificate
/// lies there beside its key, and the browser asks the person for the token's PIN.
///
/// # Errors
/// [`NssError`].
pub fn register(place: &Place, token: &Pkcs11Uri, folder: &Path) -> Result<(), NssError> {
    token_key::put_certificate(token, &place.folder, &read(&place.certificate())?)?;
    let database = database(folder)?;
    if run("modutil", &["-dbdir", &database, "-list", MODULE]).is_err() {
        let library = token.module_path.display().to_string();
        let add = ["-force", "-dbdir", &database, "-add", MODULE, "-libfile", &library];
        // Certificates are read without the PIN, as they may be by anybody.
        run("modutil", &[&add[..], &["-mechanisms", "FRIENDLY"]].concat())?;
    }
    let issuer = place.issuer();
    if issuer.exists() {
        // The browser shows it with the certificate.
        let (name, path) = (name_of("facility-issuer", &issuer)?, issuer.display().to_string());
        run("certutil", &["-A", "-d", &database, "-n", &name, "-t", ",,", "-i", &path])?;
    }
    believe_root(place, &database)
}

/// The name of the database in `folder` for the tools; made where missing, without a password.
fn database(folder: &Path) -> Result<String, NssError> {
    std::fs::create_dir_all(folder)
        .map_err(|source| PlaceError::File { path: folder.display().to_string(), source })?;
    let database = format!("sql:{}", folder.display());
    if !folder.join("cert9.db").exists() {
        run("certutil", &["-N", "-d", &database, "--empty-password"])?;
    }
    Ok(database)
}

/// Imports key, certificate and root into the database in `folder`, which is made where missing.
///
/// A repeated import replaces the certificate of before, and its key.
///
/// # Errors
/// [`NssError`].
pub fn import(place: &Place, key: &dyn TerminalKey, folder: &Path) -> Result<(), NssError> {
    let database = database(folder)?;

    let (file, password) = bundle(place, key)?;

    // Both live in a folder of our own that goes away with this function.
    let temporary = tempfile::tempdir_in(&place.folder)
        .map_err(|source| PlaceError::File { path: place.folder.display().to_string(), source })?;
    let (bundle, secret) =
        (temporary.path().join("terminal.p12"), temporary.path().join("password"));
    write_private(&bundle, &file)?;
    write_private(&secret, password.expose_secret().as_bytes())?;
    let (bundle, secret) = (bundle.display().to_string(), secret.display().to_string());
    for _ in 0..MOST_OLD {
        // -F removes the key with its certificate, -D a certificate that lost its key.
        let old = |option| run("certutil", &[option, "-d", &database, "-n", NICKNAME]);
        if old("-F").or_else(|_| old("-D")).is_err() {
            break;
        }
    }
    run("pk12util", &["-i", &bundle, "-d", &database, "-w", &secret, "-K", ""])?;
    believe_root(place, &database)
}

/// Has the database believe the root that the folder believes, and no longer the one that ended.
fn believe_root(place: &Place, database: &str) -> Result<(), NssError> {
    let root = place.root().display().to_string();
    let name = name_of(ROOT, &place.root())?;
    run("certutil", &["-A", "-d", database, "-n", &name, "-t", "C,,", "-i", &root])?;
    let ended = place.ended_root();
    if ended.exists() {
        // Not there where an older enrolment had another store: it is forgotten either way.
        let _ = run("certutil", &["-D", "-d", database, "-n", &name_of(ROOT, &ended)?]);
        std::fs::remove_file(&ended)
            .map_err(|source| PlaceError::File { path: ended.display().to_string(), source })?;
    }
    Ok(())
}

/// The terminal's key and certificate and its issuer's in PKCS #12, and the password that it was made
/// under, for this one import.
pub(super) fn bundle(
    place: &Place,
    key: &dyn TerminalKey,
) -> Result<(Vec<u8>, SecretString), NssError> {
    let encode = |error: &dyn std::fmt::Display| NssError::Encode(error.to_string());
    let pkcs8 = key.exportable().ok_or(NssError::NotExportable)?;
    let password = SecretString::from(hex::encode(crate::random::<16>()));
    let own = read(&place.certificate())?;
    let issuer = read(&place.issuer()).ok();
    let authorities: Vec<&[u8]> = issuer.as_deref().into_iter().collect();
    let identity = Identity {
        key_pkcs8: &pkcs8,
        certificate: &own,
        authorities: &authorities,
        name: NICKNAME,
    };
    let fresh = std::array::from_fn(|_| crate::random());
    let file = seal(&identity, password.expose_secret(), Protection::Aes256, &fresh)
        .map_err(|e| encode(&e))?;
    Ok((file, password))
}

/// With the first octets of the certificate's hash: two authorities may live in one store.
fn name_of(kind: &str, path: &Path) -> Result<String, NssError> {
    let der = read(path)?;
    x509_cert::Certificate::from_der(&der).map_err(|e| NssError::Encode(e.to_string()))?;
    let digest = sekisho_protocol::Sha256Digest::of(&der);
    Ok(format!("{kind}-{}", hex::encode(&digest.as_bytes()[..4])))
}

fn run(tool: &'static str, arguments: &[&str]) -> Result<Vec<u8>, NssError> {
    let output = match Command::new(tool).args(arguments).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(NssError::NoTool(tool));
        }
        Err(error) => return Err(NssError::Tool { tool, output: error.to_string() }),
    };
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = [output.stderr, output.stdout].concat();
    let output = String::from_utf8_lossy(&text).trim().chars().take(400).collect();
    Err(NssError::Tool { tool, output })
}
