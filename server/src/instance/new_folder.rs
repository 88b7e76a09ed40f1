//! A folder that takes its name when it is complete.

use std::{
    fs::File,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::Folder;
use crate::temporary::{self, TemporaryFolder};

/// An instance folder in the making, beside the wanted one. Dropped, it is gone; its maker killed, the
/// next one that makes a folder beside it removes it.
pub(crate) struct NewFolder {
    making: TemporaryFolder,
    wanted: PathBuf,
    maker: File,
}

/// A folder that has its name. Dropped, it is gone again, unless it is to be kept.
#[must_use]
pub(crate) struct PlacedFolder {
    /// Where it was made: it goes back there to be removed, so that its name is gone at once.
    making: TemporaryFolder,
    placed: Option<Placed>,
}

struct Placed {
    wanted: PathBuf,
    /// Whether there was an empty one.
    was_there: bool,
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
    /// A link to nothing lies there.
    #[error(
        "{} is a link to what is not there; make that folder, or choose another one", path.display()
    )]
    Dangling {
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

/// How the name of a folder in the making begins.
const PREFIX: &str = ".sekisho-new-";
/// Within it, the file that its maker has locked: a lock goes with its process, however that ends.
const MAKER: &str = ".maker";

impl NewFolder {
    /// Makes it with its sub-folders, for this user only.
    pub(crate) fn begin(wanted: &Path) -> Result<Self, NewFolderError> {
        let make = |path: &Path, source| NewFolderError::Make { path: path.to_owned(), source };
        let wanted = followed(wanted)?;
        match std::fs::read_dir(&wanted).map(|mut entries| entries.next().is_none()) {
            Ok(true) => {}
            Ok(false) => return Err(NewFolderError::NotEmpty { path: wanted }),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(NewFolderError::NotEmpty { path: wanted });
            }
            Err(source) => return Err(make(&wanted, source)),
        }
        let parent = match wanted.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(parent).map_err(|source| make(parent, source))?;
        // For this user only; all that lies below, the database included, lies behind it.
        let making =
            TemporaryFolder::new(PREFIX, Some(parent)).map_err(|source| make(&wanted, source))?;
        let maker = lock(making.path()).map_err(|source| make(&wanted, source))?;
        remove_abandoned(parent, making.path());
        // Each for itself, too: a group may be let into the folder above for the database.
        let mut private = std::fs::DirBuilder::new();
        private.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700);
        for sub_folder in Folder::new(making.path()).sub_folders() {
            private.create(&sub_folder).map_err(|source| make(&sub_folder, source))?;
        }
        Ok(Self { making, wanted, maker })
    }

    /// Where it is being made.
    pub(crate) fn path(&self) -> &Path {
        self.making.path()
    }

    /// Gives it the wanted name, in one step and for good, power failures included.
    pub(crate) fn finish(self) -> Result<PlacedFolder, NewFolderError> {
        let Self { making, wanted, maker } = self;
        let was_there = wanted.exists();
        // An empty folder gives way to a rename; one that was filled meanwhile does not.
        std::fs::rename(making.path(), &wanted).map_err(|source| match source.kind() {
            ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists => {
                NewFolderError::NotEmpty { path: wanted.clone() }
            }
            _ => NewFolderError::Make { path: wanted.clone(), source },
        })?;
        let placed = Placed { wanted: wanted.clone(), was_there };
        let placed = PlacedFolder { making, placed: Some(placed) };
        let parent = wanted.parent().filter(|parent| !parent.as_os_str().is_empty());
        std::fs::remove_file(wanted.join(MAKER))
            .and_then(|()| File::open(&wanted)?.sync_all())
            .and_then(|()| File::open(parent.unwrap_or(Path::new(".")))?.sync_all())
            .map_err(|source| NewFolderError::Make { path: wanted, source })?;
        drop(maker);
        Ok(placed)
    }
}

impl PlacedFolder {
    /// It stays.
    pub(crate) fn keep(mut self) {
        self.placed = None;
    }
}

impl Drop for PlacedFolder {
    fn drop(&mut self) {
        let Some(Placed { wanted, was_there }) = self.placed.take() else { return };
        let gone = std::fs::rename(&wanted, self.making.path());
        let gone = gone.or_else(|_| temporary::remove(&wanted));
        if gone.is_ok() && was_there {
            // As empty as it was found; without it the same command works as well.
            let _ = std::fs::create_dir(&wanted);
        }
    }
}

/// Where a link leads: it is that folder which is to be filled.
fn followed(wanted: &Path) -> Result<PathBuf, NewFolderError> {
    if !wanted.is_symlink() {
        return Ok(wanted.to_owned());
    }
    std::fs::canonicalize(wanted).map_err(|source| match source.kind() {
        ErrorKind::NotFound => NewFolderError::Dangling { path: wanted.to_owned() },
        _ => NewFolderError::Make { path: wanted.to_owned(), source },
    })
}

/// Locked before it has the name by which others look for it: whoever sees it unlocked sees a dead maker's.
fn lock(folder: &Path) -> std::io::Result<File> {
    let unseen = folder.join(".maker-unseen");
    let file = File::create_new(&unseen)?;
    file.try_lock()?;
    std::fs::rename(&unseen, folder.join(MAKER))?;
    Ok(file)
}

/// Removes the folders of this user in `parent` whose maker is dead: keys of nothing are in them. What is
/// in the making has its maker's lock; what cannot be removed stays for the next one to try.
fn remove_abandoned(parent: &Path, own: &Path) {
    let owner = |path: &Path| {
        let found = std::fs::symlink_metadata(path).ok().filter(|found| found.is_dir());
        found.map(|found| std::os::unix::fs::MetadataExt::uid(&found))
    };
    let user = owner(own);
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        let named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !named || path == own || owner(&path) != user {
            continue;
        }
        let abandoned = File::open(path.join(MAKER)).is_ok_and(|maker| maker.try_lock().is_ok());
        if abandoned {
            let _ = temporary::remove(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = std::fs::read_dir(folder).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn what_is_not_kept_is_gone_and_an_empty_folder_is_there_again() {
        let parent = tempfile::tempdir().unwrap();
        let wanted = parent.path().join("instance");
        drop(NewFolder::begin(&wanted).unwrap().finish().unwrap());
        assert_eq!(names(parent.path()), Vec::<String>::new());
        std::fs::create_dir(&wanted).unwrap();
        drop(NewFolder::begin(&wanted).unwrap().finish().unwrap());
        assert_eq!(names(parent.path()), ["instance"]);
        assert_eq!(names(&wanted), Vec::<String>::new());
        NewFolder::begin(&wanted).unwrap().finish().unwrap().keep();
        assert_eq!(names(parent.path()), ["instance"]);
        assert!(wanted.join("keys").is_dir() && !wanted.join(MAKER).exists());
    }

    #[test]
    fn of_two_makers_the_second_to_finish_is_refused_and_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let wanted = parent.path().join("instance");
        let (first, second) =
            (NewFolder::begin(&wanted).unwrap(), NewFolder::begin(&wanted).unwrap());
        second.finish().unwrap().keep();
        assert!(matches!(first.finish(), Err(NewFolderError::NotEmpty { path }) if path == wanted));
        assert_eq!(names(parent.path()), ["instance"]);
    }

    #[test]
    fn a_link_is_followed_and_one_to_nothing_refused() {
        let parent = tempfile::tempdir().unwrap();
        let at = |name: &str| parent.path().join(name);
        std::os::unix::fs::symlink(at("elsewhere"), at("link")).unwrap();
        assert!(matches!(NewFolder::begin(&at("link")), Err(NewFolderError::Dangling { .. })));
        assert_eq!(names(parent.path()), ["link"]);
        std::fs::create_dir(at("elsewhere")).unwrap();
        NewFolder::begin(&at("link")).unwrap().finish().unwrap().keep();
        assert!(at("link").is_symlink() && at("elsewhere/keys").is_dir());
    }

    #[test]
    fn what_a_dead_maker_left_is_removed_and_what_is_being_made_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let living = NewFolder::begin(&parent.path().join("living")).unwrap();
        let dead = NewFolder::begin(&parent.path().join("dead")).unwrap();
        // As after SIGKILL: the lock goes with the process, the folder does not.
        let NewFolder { making, maker, .. } = dead;
        let left = making.path().to_owned();
        std::mem::forget(making);
        drop(maker);
        std::fs::write(left.join("keys/root.p8"), "a key").unwrap();
        // Of somebody who begins at this moment, or not ours at all.
        let unlocked = parent.path().join(".sekisho-new-other");
        std::fs::create_dir(&unlocked).unwrap();
        NewFolder::begin(&parent.path().join("next")).unwrap().finish().unwrap().keep();
        assert!(!left.exists());
        assert!(living.path().exists() && unlocked.exists());
    }
}
