//! Folders and files of one user: by mode, in the places of the XDG Base Directory Specification.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::Result;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Below this folder programs of this user keep their things; relative where the system names none.
pub fn data_folder() -> PathBuf {
    variable("XDG_DATA_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
        .unwrap_or_default()
}

/// The folder that a variable names, if by an absolute path as the specification wants it.
pub(super) fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Shuts others out of a folder.
///
/// # Errors
/// It isn't ours, or not there.
pub fn keep_private(folder: &Path) -> Result<()> {
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))
}

/// Makes a file that is appended to; never of a wider mode than it ends with, not even for a moment.
///
/// # Errors
/// It is there, or the folder can't be written.
pub fn create_private(path: &Path) -> Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

/// Whether others than its owner have a right to a file.
pub fn is_open_to_others(file: &Metadata) -> bool {
    file.mode() & 0o077 != 0
}

/// A secret as it may lie in a private file: plain, for the file's mode is what guards it.
///
/// # Errors
/// None on this system.
pub fn seal(secret: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    Ok(Zeroizing::new(secret.to_vec()))
}

/// The secret that such a file holds.
///
/// # Errors
/// None on this system.
pub fn unseal(sealed: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>> {
    Ok(sealed)
}

/// A file that whoever started us left open under this number.
///
/// # Errors
/// Where there is none, or it is of a kind that cannot be opened again, such as a socket.
pub fn inherited_file(descriptor: u32) -> Result<File> {
    File::open(format!("/proc/self/fd/{descriptor}"))
}
