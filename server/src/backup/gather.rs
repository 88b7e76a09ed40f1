//! The files of an instance folder that belong into a backup.

use std::path::{Path, PathBuf};

use super::{BackupError, file_error};

/// What stays out: what runs, and the root's key, which must not be where the service is.
const LEFT_OUT: [&str; 2] = ["run", "root"];
/// Deeper folders are not ours.
const DEEPEST: usize = 8;

/// Copies every file of the folder, except the database and what is left out, to below `into`.
/// Answers their paths within the folder, sorted.
///
/// A link to a file is followed, so that a secret kept elsewhere is in the backup; a link to a
/// folder is not.
pub(super) fn gather(
    folder: &Path,
    database: Option<&Path>,
    into: &Path,
) -> Result<Vec<PathBuf>, BackupError> {
    let mut found = Vec::new();
    walk(folder, Path::new(""), database, 0, &mut found)?;
    found.sort();
    for path in &found {
        let target = into.join(path);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(file_error(parent))?;
        }
        let source = folder.join(path);
        std::fs::copy(&source, &target).map_err(file_error(&source))?;
    }
    Ok(found)
}

fn walk(
    folder: &Path,
    within: &Path,
    database: Option<&Path>,
    depth: usize,
    found: &mut Vec<PathBuf>,
) -> Result<(), BackupError> {
    let here = folder.join(within);
    for entry in std::fs::read_dir(&here).map_err(file_error(&here))? {
        let entry = entry.map_err(file_error(&here))?;
        let path = within.join(entry.file_name());
        if depth == 0 && LEFT_OUT.iter().any(|name| path == Path::new(name)) {
            continue;
        }
        let kind = entry.file_type().map_err(file_error(&entry.path()))?;
        if kind.is_dir() && depth < DEEPEST {
            walk(folder, &path, database, depth + 1, found)?;
        } else if (kind.is_file() || kind.is_symlink() && entry.path().is_file())
            && !is_of_database(&entry.path(), database)
            && !is_being_replaced(&path)
        {
            found.push(path);
        }
    }
    Ok(())
}

/// The database and its companions `-wal`, `-shm`, `-journal`, `-serving-NODE`.
fn is_of_database(path: &Path, database: Option<&Path>) -> bool {
    let Some(database) = database.and_then(Path::to_str) else { return false };
    path.to_str().and_then(|path| path.strip_prefix(database)).is_some_and(|rest| {
        matches!(rest, "" | "-wal" | "-shm" | "-journal") || rest.starts_with("-serving-")
    })
}

/// A file that [`crate::instance::Folder`] is about to give its name.
fn is_being_replaced(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "new")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_settings_are_taken_and_what_runs_the_root_and_the_database_are_left() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("instance");
        for path in [
            "sekisho.toml",
            "sekisho.db",
            "sekisho.db-wal",
            "sekisho.db-shm",
            "sekisho.db-serving-node-1",
            "keys/a.p8",
            "keys/a.p8.new",
            "root/root-key.p8",
            "run/addresses.json",
            "crls/hpki/x.crl",
            "anchors/run/kept.pem",
        ] {
            let path = from.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, path.to_str().unwrap()).unwrap();
        }
        let elsewhere = folder.path().join("elsewhere");
        std::fs::create_dir_all(&elsewhere).unwrap();
        std::fs::write(elsewhere.join("passphrase"), "secret").unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(elsewhere.join("passphrase"), from.join("passphrase"))
                .unwrap();
            std::os::unix::fs::symlink(&elsewhere, from.join("linked")).unwrap();
            std::os::unix::fs::symlink(from.join("nowhere"), from.join("dangling")).unwrap();
        }
        let into = folder.path().join("copy");
        let found = gather(&from, Some(&from.join("sekisho.db")), &into).unwrap();
        let found: Vec<_> = found.iter().map(|path| path.to_str().unwrap()).collect();
        let mut expected =
            vec!["anchors/run/kept.pem", "crls/hpki/x.crl", "keys/a.p8", "sekisho.toml"];
        if cfg!(unix) {
            expected.insert(3, "passphrase");
            assert_eq!(std::fs::read_to_string(into.join("passphrase")).unwrap(), "secret");
        }
        assert_eq!(found, expected);
    }
}
