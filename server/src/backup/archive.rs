//! The encrypted file: tar within age, a manifest first.

use std::{
    collections::HashSet,
    fs::File,
    io::{BufReader, BufWriter, Read, Write},
    path::{Component, Path, PathBuf},
};

use age::{DecryptError, EncryptError};
use sha2::{Digest, Sha256};

use super::{BackupError, DATABASE, FOLDER, FORMAT, FileEntry, Key, Lock, Manifest};

/// Name of the first entry.
const MANIFEST: &str = "manifest.json";
/// A folder of 10,000 files has one of about 1.5 MiB.
const MOST_MANIFEST_OCTETS: u64 = 16 * 1024 * 1024;

/// Why the encrypted file cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Octets within are wrong or missing: decryption and tar tell of it as a failure to read.
    #[error("the backup {} is damaged", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What was found.
        #[source]
        source: std::io::Error,
    },
    /// Nobody to encrypt to.
    #[error("the backup cannot be encrypted")]
    Encrypt(#[source] EncryptError),
    /// Another key, or not an age file.
    #[error(
        "{} does not open: {}", path.display(),
        match source {
            DecryptError::NoMatchingKeys => "it is encrypted to another key, or to a passphrase",
            DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => "wrong passphrase, or damaged",
            DecryptError::InvalidHeader | DecryptError::UnknownFormat => "it is not an age file",
            _ => "it is damaged",
        }
    )]
    Decrypt {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: DecryptError,
    },
    /// The manifest.
    #[error("the backup's manifest cannot be read: {fault}")]
    Manifest {
        /// What is wrong.
        fault: String,
    },
    /// A file that is not what the manifest says.
    #[error("`{path}` in the backup is not what its manifest says: {fault}")]
    Entry {
        /// Which.
        path: String,
        /// What is wrong.
        fault: &'static str,
    },
}

impl ArchiveError {
    /// Whether the archive's octets are at fault, not the key or the machine.
    pub(super) fn is_of_the_archive(&self) -> bool {
        match self {
            Self::Decrypt { source, .. } => !matches!(source, DecryptError::NoMatchingKeys),
            Self::Damaged { .. } | Self::Manifest { .. } | Self::Entry { .. } => true,
            Self::File { .. } | Self::Encrypt(_) => false,
        }
    }
}

/// Length and digest of a file, under its name in the archive.
pub(super) fn measure(name: String, path: &Path) -> Result<FileEntry, ArchiveError> {
    let (octets, sha256) = File::open(path)
        .map_err(CopyError::From)
        .and_then(|file| copy_measured(file, std::io::sink()))
        .map_err(|(CopyError::From(error) | CopyError::To(error))| unusable(path)(error))?;
    Ok(FileEntry { path: name, octets, sha256 })
}

/// On which side a copy failed.
enum CopyError {
    From(std::io::Error),
    To(std::io::Error),
}

/// Copies to the end; answers length and SHA-256, hexadecimal.
fn copy_measured(mut from: impl Read, mut to: impl Write) -> Result<(u64, String), CopyError> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut octets = 0;
    loop {
        let length = from.read(&mut buffer).map_err(CopyError::From)?;
        if length == 0 {
            return Ok((octets, hex::encode(digest.finalize())));
        }
        digest.update(&buffer[..length]);
        to.write_all(&buffer[..length]).map_err(CopyError::To)?;
        octets += length as u64;
    }
}

/// Tries, before anything is copied, whether the file can be made.
pub(super) fn try_place(to: &Path) -> Result<(), BackupError> {
    let folder = folder_of(to);
    if !folder.is_dir() {
        return Err(BackupError::NoFolder { path: folder.to_owned() });
    }
    let partial = partial(to);
    open_partial(&partial).map_err(unusable(&partial))?;
    std::fs::remove_file(&partial).map_err(unusable(&partial))?;
    Ok(())
}

/// The folder that a file is to lie in.
pub(super) fn folder_of(to: &Path) -> &Path {
    match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Its name while it is not whole.
fn partial(to: &Path) -> PathBuf {
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    PathBuf::from(partial)
}

fn open_partial(partial: &Path) -> std::io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(partial)
}

/// Writes manifest and files; `path_of` tells where a file of the manifest lies.
///
/// The file takes its name when it is whole and durable.
pub(super) fn write(
    to: &Path,
    lock: &Lock,
    manifest: &Manifest,
    path_of: impl Fn(&FileEntry) -> PathBuf,
) -> Result<(), ArchiveError> {
    let partial = partial(to);
    let written = write_partial(&partial, lock, manifest, path_of)
        .and_then(|()| std::fs::rename(&partial, to).map_err(unusable(to)));
    if written.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    written
}

fn write_partial(
    partial: &Path,
    lock: &Lock,
    manifest: &Manifest,
    path_of: impl Fn(&FileEntry) -> PathBuf,
) -> Result<(), ArchiveError> {
    let failed = || unusable(partial);
    let file = open_partial(partial).map_err(failed())?;
    let recipients = lock.as_recipients();
    let encryptor =
        age::Encryptor::with_recipients(recipients.iter().map(|recipient| &**recipient))
            .map_err(ArchiveError::Encrypt)?;
    let encrypted = encryptor.wrap_output(BufWriter::new(file)).map_err(failed())?;
    let mut archive = tar::Builder::new(encrypted);
    let described = serde_json::to_vec_pretty(manifest)
        .map_err(|fault| ArchiveError::Manifest { fault: fault.to_string() })?;
    append(&mut archive, MANIFEST, described.len() as u64, described.as_slice())
        .map_err(failed())?;
    for entry in &manifest.files {
        let path = path_of(entry);
        // A file that grew meanwhile is cut where it was measured; its digest then tells.
        let content = File::open(&path).map_err(unusable(&path))?.take(entry.octets);
        append(&mut archive, &entry.path, entry.octets, content).map_err(failed())?;
    }
    archive
        .into_inner()
        .and_then(|encrypted| encrypted.finish())
        .and_then(|buffered| buffered.into_inner().map_err(std::io::IntoInnerError::into_error))
        .and_then(|file| file.sync_all())
        .map_err(failed())
}

fn append(
    archive: &mut tar::Builder<impl Write>,
    name: &str,
    octets: u64,
    content: impl Read,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(octets);
    header.set_mode(0o600);
    header.set_entry_type(tar::EntryType::Regular);
    archive.append_data(&mut header, name, content)
}

/// Opens the file, holds every entry against the manifest, and lays it where `place` says.
///
/// `place` has seen to it that the folder is there. Nothing outside of what it answers is written.
pub(super) fn read(
    from: &Path,
    key: Key,
    place: impl Fn(&str) -> Result<PathBuf, std::io::Error>,
) -> Result<Manifest, ArchiveError> {
    let failed = || unusable(from);
    let file = File::open(from).map_err(failed())?;
    let refused = |source| ArchiveError::Decrypt { path: from.to_owned(), source };
    let decryptor = age::Decryptor::new_buffered(BufReader::new(file)).map_err(refused)?;
    let identities = key.into_identities();
    let plain =
        decryptor.decrypt(identities.iter().map(|identity| &**identity)).map_err(refused)?;
    let mut archive = tar::Archive::new(plain);
    let damaged = || broken(from);
    let mut entries = archive.entries().map_err(damaged())?;
    let manifest = read_manifest(entries.next().transpose().map_err(damaged())?)?;
    for expected in &manifest.files {
        let wrong = |fault| ArchiveError::Entry { path: expected.path.clone(), fault };
        let entry = entries.next().ok_or(wrong("it is missing"))?.map_err(damaged())?;
        if entry.path_bytes() != expected.path.as_bytes()
            || entry.header().entry_type() != tar::EntryType::Regular
        {
            return Err(wrong("another file is in its place"));
        }
        if entry.size() != expected.octets {
            return Err(wrong("its length differs"));
        }
        let path = place(&expected.path).map_err(failed())?;
        let laid = lay(entry, &path).map_err(|error| match error {
            CopyError::From(error) => broken(from)(error),
            CopyError::To(error) => unusable(&path)(error),
        })?;
        if laid != expected.sha256 {
            return Err(wrong("its digest differs"));
        }
    }
    if entries.next().is_some() {
        return Err(ArchiveError::Manifest { fault: "files follow that it does not name".into() });
    }
    Ok(manifest)
}

/// Copies into a new file that only this user reads; answers the SHA-256.
fn lay(content: impl Read, path: &Path) -> Result<String, CopyError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(CopyError::To)?;
    let (_, sha256) = copy_measured(content, &mut file)?;
    file.sync_all().map_err(CopyError::To)?;
    Ok(sha256)
}

fn read_manifest(entry: Option<tar::Entry<'_, impl Read>>) -> Result<Manifest, ArchiveError> {
    let malformed = |fault: String| ArchiveError::Manifest { fault };
    let entry = entry
        .filter(|entry| entry.path_bytes() == MANIFEST.as_bytes())
        .ok_or_else(|| malformed("it is not the first file".to_owned()))?;
    if entry.size() > MOST_MANIFEST_OCTETS {
        return Err(malformed(format!("it is longer than {MOST_MANIFEST_OCTETS} octets")));
    }
    let manifest: Manifest =
        serde_json::from_reader(entry).map_err(|error| malformed(error.to_string()))?;
    if manifest.format != FORMAT {
        return Err(malformed(format!("its format {} is not known here", manifest.format)));
    }
    let mut seen = HashSet::new();
    for file in &manifest.files {
        let within = file.path.strip_prefix(FOLDER);
        let plain = |path: &str| {
            !path.is_empty()
                && Path::new(path).components().all(|c| matches!(c, Component::Normal(_)))
        };
        if !(file.path == DATABASE || within.is_some_and(plain)) || !seen.insert(&file.path) {
            return Err(malformed(format!("`{}` has no place", file.path)));
        }
    }
    if !seen.contains(&DATABASE.to_owned()) {
        return Err(malformed("it names no database".to_owned()));
    }
    Ok(manifest)
}

/// What reading the encrypted file came upon: damage, or a machine that does not read it.
fn broken(from: &Path) -> impl Fn(std::io::Error) -> ArchiveError {
    use std::io::ErrorKind;
    let path = from.to_owned();
    move |source| match source.kind() {
        ErrorKind::InvalidData
        | ErrorKind::InvalidInput
        | ErrorKind::UnexpectedEof
        | ErrorKind::Other => ArchiveError::Damaged { path: path.clone(), source },
        _ => ArchiveError::File { path: path.clone(), source },
    }
}

fn unusable(path: &Path) -> impl Fn(std::io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| ArchiveError::File { path: path.clone(), source }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
