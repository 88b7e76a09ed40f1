//! Small files that must be whole and durable, or not there.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use sekisho_pki::path::files::{is_pem, pem_blocks};

/// A file of a ceremony that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Not to be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not to be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something else than what belongs there.
    #[error("{} does not hold exactly one {what}, PEM or DER", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What should be there.
        what: &'static str,
    },
}

/// A root's list may name every issuing authority that ever was.
const MOST_OCTETS: u64 = 4 * 1024 * 1024;

/// Reads a file of at most 4 MiB.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    read_up_to(path, MOST_OCTETS)
}

/// Reads a file of at most so many octets.
pub(super) fn read_up_to(path: &Path, most: u64) -> Result<Vec<u8>, FileError> {
    let read = || {
        if fs::metadata(path)?.len() > most {
            return Err(io::Error::other(format!("the file has more than {most} octets")));
        }
        fs::read(path)
    };
    read().map_err(|source| FileError::Read { path: path.to_owned(), source })
}

/// The same; `None` if there is no such file.
pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match read(path) {
        Err(FileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// The one object of a PEM or DER file.
pub(super) fn one_der(path: &Path, what: &'static str) -> Result<Vec<u8>, FileError> {
    one_der_up_to(path, what, MOST_OCTETS)
}

/// The same of a file of at most so many octets.
pub(super) fn one_der_up_to(
    path: &Path,
    what: &'static str,
    most: u64,
) -> Result<Vec<u8>, FileError> {
    let octets = read_up_to(path, most)?;
    let content = || FileError::Content { path: path.to_owned(), what };
    if !is_pem(&octets) {
        return if octets.first() == Some(&0x30) { Ok(octets) } else { Err(content()) };
    }
    let mut blocks = pem_blocks(&octets).map_err(|_| content())?;
    if blocks.len() == 1 { Ok(blocks.remove(0).der) } else { Err(content()) }
}

/// Ends the name of a file that is not whole yet.
pub(super) const PART: &str = ".part";

/// Writes a file that nobody else may read. When this returns, it is whole and durable; when it
/// does not, there is none of that name.
pub(super) fn write(path: &Path, octets: &[u8]) -> Result<(), FileError> {
    let write = || {
        let mut beside = path.as_os_str().to_owned();
        beside.push(PART);
        let beside = PathBuf::from(beside);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(octets)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|source| FileError::Write { path: path.to_owned(), source })
}

/// Writes a transcript; see [`write`].
///
/// # Errors
/// [`FileError::Write`].
pub fn write_transcript(path: &Path, transcript: &str) -> Result<(), FileError> {
    write(path, transcript.as_bytes())
}

/// One PEM block.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    // The labels are ours and the length is bounded: nothing that could fail.
    der::pem::encode_string(label, der::pem::LineEnding::LF, der).unwrap_or_default()
}
