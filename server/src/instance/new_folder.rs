//! A folder that takes its name when it is complete.

use std::path::{Path, PathBuf};

use super::Folder;

/// An instance folder in the making, beside the wanted one. Dropped, it is gone.
pub(crate) struct NewFolder {
    making: tempfile::TempDir,
    wanted: PathBuf,
}

/// Why there is no new folder. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum NewFolderError {
    /// Something lies there.
    #[error("{} is not empty; choose another folder, nothing is overwritten", path.display())]
    NotEmpty {
        /// Where.
        path: PathBuf,
    },
    /// The folder cannot be made.
    #[error(
        "cannot make {}; name a folder where this user may make one", path.display()
    )]
    Make {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl NewFolder {
    /// Makes it with its sub-folders, for this user only.
    pub(crate) fn begin(wanted: &Path) -> Result<Self, NewFolderError> {
        match std::fs::read_dir(wanted).map(|mut entries| entries.next().is_none()) {
            Ok(true) => {}
            Ok(false) => return Err(NewFolderError::NotEmpty { path: wanted.to_owned() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                return Err(NewFolderError::NotEmpty { path: wanted.to_owned() });
            }
            Err(source) => return Err(NewFolderError::Make { path: wanted.to_owned(), source }),
        }
        let parent = match wanted.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(parent)
            .map_err(|source| NewFolderError::Make { path: parent.to_owned(), source })?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".sekisho-new-");
        // For this user only; all that lies below, the database included, lies behind it.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let making = builder
            .tempdir_in(parent)
            .map_err(|source| NewFolderError::Make { path: wanted.to_owned(), source })?;
        // Each for itself, too: a group may be let into the folder above for the database.
        let mut private = std::fs::DirBuilder::new();
        private.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700);
        for sub_folder in Folder::new(making.path()).sub_folders() {
            private
                .create(&sub_folder)
                .map_err(|source| NewFolderError::Make { path: sub_folder, source })?;
        }
        Ok(Self { making, wanted: wanted.to_owned() })
    }

    /// Where it is being made.
    pub(crate) fn path(&self) -> &Path {
        self.making.path()
    }

    /// Gives it the wanted name, in one step.
    pub(crate) fn finish(self) -> Result<(), NewFolderError> {
        // An empty folder gives way to a rename; one that was filled meanwhile does not.
        std::fs::rename(self.making.path(), &self.wanted)
            .map_err(|source| NewFolderError::Make { path: self.wanted, source })?;
        // It is no longer there to be deleted.
        let _ = self.making.keep();
        Ok(())
    }
}
