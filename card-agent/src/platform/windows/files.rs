//! Folders and files of one user: in their local application data, which the system gives to that user,
//! administrators and itself.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::os::windows::io::AsHandle;
use std::path::{Path, PathBuf};

use windows_dpapi::{Scope, decrypt_data, encrypt_data};
use zeroize::Zeroizing;

/// Below this folder programs of this user keep what belongs to this PC; relative where the system names
/// none.
pub fn data_folder() -> PathBuf {
    let folder = std::env::var_os("LOCALAPPDATA").map(PathBuf::from);
    folder.filter(|folder| folder.is_absolute()).unwrap_or_default()
}

/// Leaves the folder's rights as they are inherited: below [`data_folder`] they shut other users out, and
/// a folder that was named with `--dir` is its administrator's affair (`docs/windows.md`). The key in it
/// is sealed either way.
///
/// # Errors
/// None on this system.
pub fn keep_private(_: &Path) -> Result<()> {
    Ok(())
}

/// Makes a file that is appended to, with the folder's rights.
///
/// # Errors
/// It is there, or the folder can't be written.
pub fn create_private(path: &Path) -> Result<File> {
    OpenOptions::new().append(true).create_new(true).open(path)
}

/// No mode tells: files have the rights of their folder.
pub fn is_open_to_others(_: &Metadata) -> bool {
    false
}

/// A secret as it lies in a file: sealed for this user of this PC by the Data Protection API. A copy of
/// the disk or of the folder opens nothing without that user's password.
///
/// # Errors
/// The system's, as where the user's profile is not loaded.
pub fn seal(secret: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    encrypt_data(secret, Scope::User, None).map(Zeroizing::new).map_err(Error::other)
}

/// The secret that such a file holds.
///
/// # Errors
/// It was sealed for another user or PC, or damaged.
pub fn unseal(sealed: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>> {
    decrypt_data(&sealed, Scope::User, None).map(Zeroizing::new).map_err(Error::other)
}

/// A file that whoever started us left open under this number: standard input, the only one that
/// programs of this system know by a number.
///
/// # Errors
/// Another number, or there is no standard input.
pub fn inherited_file(descriptor: u32) -> Result<File> {
    if descriptor != 0 {
        let only = "on this system only 0, standard input, can be inherited";
        return Err(Error::new(ErrorKind::Unsupported, only));
    }
    std::io::stdin().as_handle().try_clone_to_owned().map(File::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_whole_or_not_at_all() {
        let sealed = seal(b"the terminal's key").unwrap();
        assert!(!sealed.windows(8).any(|octets| octets == b"terminal"));
        assert_eq!(unseal(sealed.clone()).unwrap().as_slice(), b"the terminal's key");
        for foreign in [Vec::new(), b"never sealed".to_vec(), sealed[..sealed.len() / 2].to_vec()] {
            assert!(unseal(Zeroizing::new(foreign)).is_err());
        }
    }
}
