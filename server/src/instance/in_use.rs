//! Who works in an instance's folder: many processes may serve from it at once, and what moves its keys
//! needs it alone.
//!
//! A lock of the operating system on `run/in-use`: it goes with its process, however that ends.

use std::{
    fs::{File, TryLockError},
    io::ErrorKind,
    path::PathBuf,
};

use super::Folder;

/// Why the folder cannot be used now.
#[derive(Debug, thiserror::Error)]
pub enum InUseError {
    /// A process serves from it.
    #[error(
        "`sekisho serve` runs on {}: stop it, then run this command again; nothing was changed",
        folder.display()
    )]
    Serving {
        /// The instance.
        folder: PathBuf,
    },
    /// Its keys are being moved.
    #[error("the keys of {} are being moved: start again once that is done", folder.display())]
    BeingMoved {
        /// The instance.
        folder: PathBuf,
    },
    /// The lock's file.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The folder is in use until this is dropped.
#[derive(Debug)]
pub struct InUse {
    _lock: File,
}

impl InUse {
    /// Beside others that serve.
    ///
    /// # Errors
    /// [`InUseError`].
    pub fn by_server(folder: &Folder) -> Result<Self, InUseError> {
        let (path, lock) = open(folder)?;
        match lock.try_lock_shared() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(InUseError::BeingMoved { folder: folder.path().to_owned() })
            }
            Err(TryLockError::Error(source)) => Err(InUseError::File { path, source }),
        }
    }

    /// By nobody else.
    ///
    /// # Errors
    /// [`InUseError`].
    pub fn alone(folder: &Folder) -> Result<Self, InUseError> {
        let (path, lock) = open(folder)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(InUseError::Serving { folder: folder.path().to_owned() })
            }
            Err(TryLockError::Error(source)) => Err(InUseError::File { path, source }),
        }
    }
}

/// Read only where it is there: the operator's root may have made it before the serving user.
fn open(folder: &Folder) -> Result<(PathBuf, File), InUseError> {
    let run = folder.path().join("run");
    let path = run.join("in-use");
    let opened = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => std::fs::create_dir_all(&run)
            .and_then(|()| File::options().append(true).create(true).open(&path)),
        opened => opened,
    };
    match opened {
        Ok(file) => Ok((path, file)),
        Err(source) => Err(InUseError::File { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_serve_at_once_and_whoever_moves_keys_is_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        let (first, second) =
            (InUse::by_server(&folder).unwrap(), InUse::by_server(&folder).unwrap());
        drop(first);
        assert!(matches!(InUse::alone(&folder), Err(InUseError::Serving { .. })));
        drop(second);
        let alone = InUse::alone(&folder).unwrap();
        assert!(matches!(InUse::by_server(&folder), Err(InUseError::BeingMoved { .. })));
        drop(alone);
        InUse::by_server(&folder).unwrap();
    }
}
