//! Where everything lies within an instance folder, and how it is written.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use secrecy::ExposeSecret;

use crate::{config::Config, names::NameRole};

/// The paths of an instance folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(PathBuf);

/// A file of the folder that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Not to be read.
    #[error(
        "cannot read {}; it has to be there, and readable for the user who serves: if it is lost, put \
         the instance back from a backup (`sekisho restore`)",
        path.display()
    )]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not to be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The content is not what belongs there.
    #[error("{} does not hold {what}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What should be there.
        what: &'static str,
    },
}

/// Larger files are not ours.
const MOST_OCTETS: u64 = 1024 * 1024;

impl Folder {
    /// The folder at `path`; nothing is looked at yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of the authorities' and their OCSP responders' certificates.
    #[must_use]
    pub fn certificates(&self) -> PathBuf {
        self.0.join("ca")
    }

    /// Certificate of an authority or its OCSP responder, PEM.
    #[must_use]
    pub fn certificate(&self, id: &str) -> PathBuf {
        self.certificates().join(format!("{id}.crt"))
    }

    /// Certificate of a name, PEM, leaf first.
    #[must_use]
    pub fn server_certificate(&self, role: NameRole) -> PathBuf {
        self.0.join("tls").join(format!("{}.crt", role.as_str()))
    }

    /// A private key, PEM `ENCRYPTED PRIVATE KEY`.
    #[must_use]
    pub fn key(&self, name: &str) -> PathBuf {
        self.0.join("keys").join(format!("{name}.p8"))
    }

    /// The passphrase of the keys.
    #[must_use]
    pub fn passphrase(&self) -> PathBuf {
        self.0.join("secrets").join("passphrase")
    }

    /// Symmetric secrets, sealed under the passphrase.
    #[must_use]
    pub fn sealed(&self) -> PathBuf {
        self.0.join("secrets").join("instance.sealed")
    }

    /// The root's wrapped key, to be carried away.
    #[must_use]
    pub fn root_key(&self) -> PathBuf {
        self.0.join("root").join("root-key.p8")
    }

    /// Addresses of the running process.
    #[must_use]
    pub fn addresses(&self) -> PathBuf {
        self.0.join("run").join("addresses.json")
    }

    /// The last signed head of each node's audit chain, outside the database.
    #[must_use]
    pub fn audit_heads(&self) -> PathBuf {
        self.0.join("audit")
    }

    /// Every sub-folder that `init` makes.
    pub(super) fn sub_folders(&self) -> Vec<PathBuf> {
        [
            "ca",
            "tls",
            "keys",
            "secrets",
            "root",
            "run",
            "audit",
            "anchors/hpki",
            "crls/hpki",
            "anchors/jpki",
            "crls/jpki",
        ]
        .into_iter()
        .map(|name| self.0.join(name))
        .collect()
    }

    /// Reads a file of at most 1 MiB.
    pub(super) fn read(path: &Path) -> Result<Vec<u8>, FolderError> {
        let read = || {
            if std::fs::metadata(path)?.len() > MOST_OCTETS {
                return Err(std::io::Error::other("the file is larger than 1 MiB"));
            }
            std::fs::read(path)
        };
        read().map_err(|source| FolderError::Read { path: path.to_owned(), source })
    }

    /// Writes a file that nobody else may read; one that exists is refused.
    pub(super) fn write_new(path: &Path, octets: &[u8]) -> Result<(), FolderError> {
        let write = || {
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path)?;
            file.write_all(octets)?;
            file.sync_all()
        };
        write().map_err(|source| FolderError::Write { path: path.to_owned(), source })
    }

    /// Replaces a file in one step: readers see the old one or the new one. Several writers, of one
    /// process or of two, take turns; what one left that was killed is written over.
    pub(crate) fn replace(path: &Path, octets: &[u8]) -> Result<(), FolderError> {
        let failed = |source| FolderError::Write { path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(failed)?;
        // The folder's own lock leaves no file behind, and ends with the process.
        folder.lock().map_err(failed)?;
        let mut next = path.as_os_str().to_owned();
        next.push(".new");
        let next = PathBuf::from(next);
        match std::fs::remove_file(&next) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(FolderError::Write { path: next, source });
            }
            _ => {}
        }
        Self::write_new(&next, octets)?;
        std::fs::rename(&next, path).and_then(|()| folder.sync_all()).map_err(failed)
    }

    /// Lets a file take the place of another in the same folder, in one step. Where another process was
    /// faster, it is done.
    pub(super) fn put_in_place(from: &Path, to: &Path) -> Result<(), FolderError> {
        let failed = |source| FolderError::Write { path: to.to_owned(), source };
        match std::fs::rename(from, to) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(source));
            }
            _ => {}
        }
        let folder = to.parent().unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    /// Reads every certificate of a PEM file, DER, in order.
    pub(super) fn read_certificates(path: &Path) -> Result<Vec<Vec<u8>>, FolderError> {
        use rustls_pki_types::{CertificateDer, pem::PemObject};
        let malformed = || FolderError::Content { path: path.to_owned(), what: "a certificate" };
        let octets = Self::read(path)?;
        let certificates = CertificateDer::pem_slice_iter(&octets)
            .map(|certificate| certificate.map(|der| der.to_vec()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| malformed())?;
        if certificates.is_empty() { Err(malformed()) } else { Ok(certificates) }
    }
}

/// Where a SQLite database lies; `None` for PostgreSQL.
pub(crate) fn database_file(config: &Config) -> Option<PathBuf> {
    let url = config.instance().database().expose_secret();
    url.strip_prefix("sqlite://").map(PathBuf::from)
}

/// Certificates as one PEM file.
pub(crate) fn certificates_pem(ders: &[&[u8]]) -> Option<String> {
    ders.iter()
        .map(|der| der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, der).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_take_turns_and_leave_nothing_behind_even_of_one_that_was_killed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.crt");
        std::fs::write(folder.path().join("a.crt.new"), "half of a certif").unwrap();
        Folder::replace(&path, b"whole").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        std::thread::scope(|scope| {
            for letter in [b'a', b'b', b'c'] {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..50 {
                        Folder::replace(path, &[letter; 5000]).unwrap();
                        let read = std::fs::read(path).unwrap();
                        assert!(read.len() == 5000 && read.iter().all(|one| *one == read[0]));
                    }
                });
            }
        });
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1);
    }
}
