//! Folders that are gone when their maker is.

use std::{
    io::{ErrorKind, Result},
    path::{Path, PathBuf},
    time::Duration,
};

/// A folder for this user only, removed when dropped.
#[derive(Debug)]
pub(crate) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Makes one whose name begins with `prefix`, in `parent` or else where the system has such folders.
    ///
    /// # Errors
    /// It cannot be made there.
    pub(crate) fn new(prefix: &str, parent: Option<&Path>) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let made = match parent {
            Some(parent) => builder.tempdir_in(parent)?,
            None => builder.tempdir()?,
        };
        Ok(Self(made.keep()))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // Nobody is left who could do more about it than whoever finds it.
        let _ = remove(&self.0);
    }
}

/// Removes a folder into which a thread or a program that is about to end may still be writing: a file that
/// comes while the others go makes the removal fail, and begin again.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    const TRIES: u32 = 100;
    const PAUSE: Duration = Duration::from_millis(20);
    for _ in 1..TRIES {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => std::thread::sleep(PAUSE),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            done => return done,
        }
    }
    std::fs::remove_dir_all(folder)
}
