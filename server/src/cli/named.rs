//! What a command line names and what has to be there: an instance, a file, a folder.
//!
//! It is looked at while the command line is read. So whatever takes an argument of these types answers what
//! is not there as any command line that is not understood, with the argument's name, and nothing was
//! done yet. A test keeps every sub-command to them. What is there and cannot be read, its reader tells.

use std::{
    ffi::OsStr,
    fs::Metadata,
    io::ErrorKind,
    marker::PhantomData,
    ops::Deref,
    path::{Path, PathBuf},
};

use clap::builder::{PathBufValueParser, TryMapValueParser, TypedValueParser, ValueParserFactory};

use crate::config::{self, ConfigError};

/// A path at which there was a `K` when the command line was read.
#[derive(Debug, Clone)]
pub(super) struct Named<K> {
    path: PathBuf,
    kind: PhantomData<K>,
}

/// What a path may have to lead to.
pub(super) trait Kind: Clone + Send + Sync + 'static {
    /// # Errors
    /// Why this is none, for whoever typed it.
    fn check(path: &Path) -> Result<(), String>;
}

impl<K> Deref for Named<K> {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl<K> AsRef<Path> for Named<K> {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

impl<K: Kind> ValueParserFactory for Named<K> {
    type Parser = TryMapValueParser<PathBufValueParser, fn(PathBuf) -> Result<Self, String>>;

    fn value_parser() -> Self::Parser {
        PathBufValueParser::new()
            .try_map(|path| K::check(&path).map(|()| Self { path, kind: PhantomData }))
    }
}

/// The folder of an instance.
#[derive(Debug, Clone)]
pub(super) struct Instance;

impl Kind for Instance {
    fn check(path: &Path) -> Result<(), String> {
        let path = path.join(config::FILE_NAME);
        let found = look(&path);
        found.map(drop).map_err(|Absent| ConfigError::NoInstance { path }.to_string())
    }
}

/// The folder of a signing process.
#[cfg(unix)]
#[derive(Debug, Clone)]
pub(super) struct SigningFolder;

#[cfg(unix)]
impl Kind for SigningFolder {
    fn check(path: &Path) -> Result<(), String> {
        let settings = crate::signer::Settings::path(path);
        look(&settings).map(drop).map_err(|Absent| {
            let settings = settings.display();
            format!("there is no {settings}: name the folder that `sekisho signer split` made")
        })
    }
}

/// A file, also one that is no regular one, as `<(…)` of a shell.
#[derive(Debug, Clone)]
pub(super) struct File;

impl Kind for File {
    fn check(path: &Path) -> Result<(), String> {
        match look(path) {
            Ok(Some(metadata)) if metadata.is_dir() => Err("this is a folder, not a file".into()),
            Ok(_) => Ok(()),
            Err(Absent) => Err("there is no such file".into()),
        }
    }
}

/// A file, or `-` for standard input.
#[derive(Debug, Clone)]
pub(super) struct FileOrInput;

impl Kind for FileOrInput {
    fn check(path: &Path) -> Result<(), String> {
        if path.as_os_str() == OsStr::new("-") { Ok(()) } else { File::check(path) }
    }
}

/// A folder.
#[derive(Debug, Clone)]
pub(super) struct Folder;

impl Kind for Folder {
    fn check(path: &Path) -> Result<(), String> {
        match look(path) {
            Ok(Some(metadata)) if !metadata.is_dir() => Err("this is no folder".into()),
            Ok(_) => Ok(()),
            Err(Absent) => Err("there is no such folder".into()),
        }
    }
}

/// A file, or a folder of files.
#[derive(Debug, Clone)]
pub(super) struct FileOrFolder;

impl Kind for FileOrFolder {
    fn check(path: &Path) -> Result<(), String> {
        look(path).map(drop).map_err(|Absent| "there is no such file or folder".into())
    }
}

/// A file that the command makes, in a folder that is there.
#[derive(Debug, Clone)]
pub(super) struct NewFile;

impl Kind for NewFile {
    fn check(path: &Path) -> Result<(), String> {
        match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => look(parent).map(drop).map_err(|Absent| {
                format!("there is no folder {}: make it, or name another place", parent.display())
            }),
            None => Ok(()),
        }
    }
}

/// `NAME=FILE` of a secret, as it stands.
pub(super) fn secret(text: &str) -> Result<String, String> {
    let (_, file) = text.split_once('=').ok_or(
        "it is not NAME=FILE: the key's name in the plan, and a file whose first line opens it",
    )?;
    File::check(Path::new(file)).map(|()| text.to_owned())
}

/// The value of an environment variable, for an argument that names it.
pub(super) fn variable(name: &str) -> Result<zeroize::Zeroizing<String>, String> {
    let value = std::env::var(name).map_err(|_| "it is not set, or not UTF-8")?;
    Ok(value.into())
}

/// Nothing is at the path.
struct Absent;

/// What is there; nothing, where this user may not look.
fn look(path: &Path) -> Result<Option<Metadata>, Absent> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(Absent)
        }
        Err(_) => Ok(None),
    }
}
