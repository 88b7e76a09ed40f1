//! Certificates, CRLs and OCSP responses from files and folders, for the `verify-…` commands.

use std::{
    fmt, fs,
    io::Read,
    path::{Path, PathBuf},
};

use sekisho_output::remark;
use sekisho_pki::path::files::{is_pem, pem_blocks};

/// A folder may hold this many files.
const MOST_FILES: usize = 50_000;
/// A file may be this long, in octets: a CRL of a million entries has about 40 MiB.
const MOST_OCTETS: u64 = 64 * 1024 * 1024;

/// Why a file or folder could not be read.
#[derive(Debug)]
pub(super) enum FileError {
    /// The command line named something that is not there or cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// More than we look at.
    TooLarge(PathBuf, String),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => {
                write!(f, "cannot read {}: {error}", path.display())
            }
            Self::TooLarge(path, what) => write!(f, "{}: {what}", path.display()),
        }
    }
}

/// One DER object and the file that it came from.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) path: PathBuf,
    pub(super) der: Vec<u8>,
}

/// A regular file, bounded.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let unreadable = |error| FileError::Unreadable(path.to_owned(), error);
    // Opening a named pipe would wait for its other end.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        let error = std::io::Error::other("not a regular file");
        return Err(FileError::Unreadable(path.to_owned(), error));
    }
    let mut octets = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(MOST_OCTETS + 1).read_to_end(&mut octets).map_err(unreadable)?;
    if octets.len() as u64 > MOST_OCTETS {
        return Err(FileError::TooLarge(
            path.to_owned(),
            format!("longer than {} MiB", MOST_OCTETS / 1024 / 1024),
        ));
    }
    Ok(octets)
}

/// The PEM blocks with one of `labels`, or the whole file if it may be DER. What is broken is told
/// on standard error and left out: it can only lead to a refusal.
pub(super) fn objects(path: &Path, octets: Vec<u8>, labels: &[&str]) -> Vec<Object> {
    if !is_pem(&octets) {
        // Everything that is read here is a SEQUENCE.
        if octets.first() != Some(&0x30) {
            skipped(path, &"neither PEM nor DER");
            return Vec::new();
        }
        return vec![Object { path: path.to_owned(), der: octets }];
    }
    match pem_blocks(&octets) {
        Ok(blocks) => blocks
            .into_iter()
            .filter(|block| labels.contains(&block.label.as_str()))
            .map(|block| Object { path: path.to_owned(), der: block.der })
            .collect(),
        Err(error) => {
            skipped(path, &error);
            Vec::new()
        }
    }
}

/// All objects of a folder, in the order of the file names; or of a single file.
pub(super) fn folder(path: &Path, labels: &[&str]) -> Result<Vec<Object>, FileError> {
    let unreadable = |error| FileError::Unreadable(path.to_owned(), error);
    if fs::metadata(path).map_err(unreadable)?.is_file() {
        return Ok(objects(path, read(path)?, labels));
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
        if paths.len() > MOST_FILES {
            let what = format!("more than {MOST_FILES} files");
            return Err(FileError::TooLarge(path.to_owned(), what));
        }
    }
    paths.sort();
    let mut found = Vec::new();
    let mut octets_left = 4 * MOST_OCTETS;
    for path in paths {
        if !fs::metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            continue;
        }
        match read(&path) {
            Ok(octets) => {
                octets_left = octets_left.checked_sub(octets.len() as u64).ok_or_else(|| {
                    let what = format!("more than {} MiB", 4 * MOST_OCTETS / 1024 / 1024);
                    FileError::TooLarge(path.clone(), what)
                })?;
                found.extend(objects(&path, octets, labels));
            }
            Err(error @ FileError::TooLarge(..)) => return Err(error),
            Err(error) => skipped(&path, &error),
        }
    }
    Ok(found)
}

/// Tells that a file is left out, and why.
pub(super) fn skipped(path: &Path, why: &dyn fmt::Display) {
    remark(&format!("sekisho: {} is left out: {why}", path.display()));
}
