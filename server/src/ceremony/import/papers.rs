//! What another system left of its authority, as files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sekisho_ca::ceremony::{Import, ImportError, Papers};
use sekisho_pki::path::files::{is_pem, pem_blocks};
use time::OffsetDateTime;

use super::super::files::{self, FileError};

/// A file of at most so many octets: a list, or an archive in one file.
const MOST_OCTETS: u64 = 1024 * 1024 * 1024;

/// Everything but the key.
#[derive(Debug)]
pub struct ImportPapers {
    certificate_der: Vec<u8>,
    above_der: Vec<Vec<u8>>,
    issued_der: Vec<Vec<u8>>,
    /// Where each of [`Self::issued_der`] was.
    issued_from: Vec<PathBuf>,
    list_der: Vec<u8>,
}

/// Why nothing is taken over.
#[derive(Debug, thiserror::Error)]
pub enum PapersError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A folder.
    #[error("cannot read {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something else in the archive.
    #[error("{} holds no certificate, PEM or DER; take it out of the archive's copy", .0.display())]
    NoCertificate(PathBuf),
    /// A certificate of the archive.
    #[error("{} is refused", path.display())]
    Issued {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: ImportError,
    },
    /// Anything else.
    #[error(transparent)]
    Import(#[from] ImportError),
}

impl ImportPapers {
    /// Reads them. `issued` are files, of one DER or any number of PEM certificates, and folders of such
    /// files; `above` are such files, too.
    ///
    /// # Errors
    /// [`PapersError`].
    pub fn read(
        certificate: &Path,
        above: &[impl AsRef<Path>],
        issued: &[impl AsRef<Path>],
        list: &Path,
    ) -> Result<Self, PapersError> {
        let certificate_der = files::one_der(certificate, "certificate")?;
        let mut above_der = Vec::new();
        for path in above {
            above_der.extend(certificates(path.as_ref())?);
        }
        let (mut issued_der, mut issued_from) = (Vec::new(), Vec::new());
        for path in issued {
            for file in files_of(path.as_ref())? {
                for der in certificates(&file)? {
                    issued_der.push(der);
                    issued_from.push(file.clone());
                }
            }
        }
        let list_der = files::one_der_up_to(list, "CRL", MOST_OCTETS)?;
        Ok(Self { certificate_der, above_der, issued_der, issued_from, list_der })
    }

    /// Judges them, for an authority of this identifier from now on.
    ///
    /// # Errors
    /// [`PapersError`]: the first thing that does not fit, with its file.
    pub fn judge(&self, id: &str, now: OffsetDateTime) -> Result<Import, PapersError> {
        let papers = Papers {
            id,
            certificate_der: &self.certificate_der,
            above_der: &self.above_der,
            issued_der: &self.issued_der,
            list_der: &self.list_der,
        };
        papers.judge(now).map_err(|source| match source {
            ImportError::Issued { position, .. } => {
                // Counted from 1, in the order in which they were handed over.
                let path = self.issued_from.get(position - 1).cloned().unwrap_or_default();
                PapersError::Issued { path, source }
            }
            other => PapersError::Import(other),
        })
    }
}

/// The file itself, or every file of a folder, by name.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, PapersError> {
    let unreadable = |source| PapersError::Folder { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        found.push(entry.map_err(unreadable)?.path());
    }
    found.sort();
    Ok(found)
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, PapersError> {
    let none = || PapersError::NoCertificate(path.to_owned());
    let octets = files::read_up_to(path, MOST_OCTETS)?;
    if !is_pem(&octets) {
        return if octets.first() == Some(&0x30) { Ok(vec![octets]) } else { Err(none()) };
    }
    let blocks = pem_blocks(&octets).map_err(|_| none())?;
    if blocks.is_empty() || blocks.iter().any(|block| block.label != "CERTIFICATE") {
        return Err(none());
    }
    Ok(blocks.into_iter().map(|block| block.der).collect())
}
