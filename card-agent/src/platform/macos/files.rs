//! `~/Library/Application Support`; the key belongs into the keychain or the Secure Enclave.

use std::fs::{File, Metadata};
use std::io::Result;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::unsupported;

/// Below this folder programs of this user keep their things; relative where the system names none.
pub fn data_folder() -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    home.unwrap_or_default().join("Library/Application Support")
}

/// Nothing is kept: there is no enrolment on this system.
///
/// # Errors
/// Always.
pub fn keep_private(_: &Path) -> Result<()> {
    Err(unsupported())
}

/// Nothing is kept.
///
/// # Errors
/// Always.
pub fn create_private(_: &Path) -> Result<File> {
    Err(unsupported())
}

/// Not known: every file counts as open.
pub fn is_open_to_others(_: &Metadata) -> bool {
    true
}

/// No key is kept.
///
/// # Errors
/// Always.
pub fn seal(_: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    Err(unsupported())
}

/// No key is kept.
///
/// # Errors
/// Always.
pub fn unseal(_: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>> {
    Err(unsupported())
}

/// Not opened.
///
/// # Errors
/// Always.
pub fn inherited_file(_: u32) -> Result<File> {
    Err(unsupported())
}
