//! The folder that a live run leaves: statement, results, transcript, and the journal by which an
//! interrupted run goes on.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
};

use sekisho_ca::ceremony::{
    Act, Journal, JournalError, Statement, StatementError, Step, Transcript, TranscriptError,
    verify_transcript,
};

use super::files::{self, FileError};

const STATEMENT: &str = "statement.json";
const TRANSCRIPT: &str = "transcript.json";

/// The folder, held by one run at a time.
#[derive(Debug)]
pub struct ResultFolder {
    path: PathBuf,
    /// Released by the system when the process ends, however it ends.
    _lock: File,
}

/// Results whose transcript and signatures hold.
#[derive(Debug)]
pub struct VerifiedResult {
    /// What was to be signed.
    pub statement: Statement,
    /// DER, one for each step.
    pub results: Vec<Vec<u8>>,
    /// What was done.
    pub transcript: Transcript,
}

/// Why a folder of results cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder.
    #[error("cannot use {} for results", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Two runs at once.
    #[error("another run is writing to {}", .0.display())]
    Busy(PathBuf),
    /// Another ceremony's.
    #[error(
        "{} holds results of another ceremony, of hash {found}; give an empty folder, or the plan \
         that began there", path.display()
    )]
    OtherCeremony {
        /// Which folder.
        path: PathBuf,
        /// The hash of what lies there, hexadecimal.
        found: String,
    },
    /// The statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The transcript, or a result.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    /// Not what the people reviewed.
    #[error("these are results of a ceremony of hash {found}, not of {expected}")]
    OtherHash {
        /// Of what lies there, hexadecimal.
        found: String,
        /// As reviewed, hexadecimal.
        expected: String,
    },
}

impl ResultError {
    /// Whether the results were read and do not hold, rather than not read.
    #[must_use]
    pub const fn is_of_the_result(&self) -> bool {
        match self {
            Self::File(FileError::Content { .. })
            | Self::Statement(_)
            | Self::Transcript(_)
            | Self::OtherCeremony { .. }
            | Self::OtherHash { .. } => true,
            Self::File(FileError::Read { .. } | FileError::Write { .. })
            | Self::Folder { .. }
            | Self::Busy(_) => false,
        }
    }
}

impl ResultFolder {
    /// Takes the folder for a run of this statement: a new one, or one where a run of the very
    /// same statement stopped.
    ///
    /// # Errors
    /// [`ResultError`]; nothing of another ceremony is touched.
    pub fn begin(path: &Path, statement: &Statement) -> Result<Self, ResultError> {
        let unusable = |source| ResultError::Folder { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(unusable)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(".lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(ResultError::Busy(path.to_owned())),
            Err(fs::TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let file = path.join(STATEMENT);
        match files::read_if_there(&file)? {
            Some(json) => {
                let found = Statement::from_json(&json)?.hash();
                if found != statement.hash() {
                    let found = hex::encode(found);
                    return Err(ResultError::OtherCeremony { path: path.to_owned(), found });
                }
            }
            None => files::write(&file, statement.to_json()?.as_bytes())?,
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Writes the transcript: the run is over.
    ///
    /// # Errors
    /// [`ResultError::File`].
    pub fn finish(&self, transcript: &str) -> Result<(), ResultError> {
        Ok(files::write(&self.path.join(TRANSCRIPT), transcript.as_bytes())?)
    }

    /// Where the octets of a step were written down before they were signed.
    fn intention(&self, step: &Step) -> PathBuf {
        self.path.join(format!("step-{:02}.tbs", step.number))
    }
}

impl VerifiedResult {
    /// Reads a folder and verifies everything in it; `reviewed_hash` is what the people compared,
    /// without which the folder vouches for itself only.
    ///
    /// # Errors
    /// [`ResultError`]: the first thing that is missing or does not hold.
    pub fn read(path: &Path, reviewed_hash: Option<&[u8; 32]>) -> Result<Self, ResultError> {
        let statement = Statement::from_json(&files::read(&path.join(STATEMENT))?)?;
        let found = statement.hash();
        if let Some(expected) = reviewed_hash.filter(|expected| **expected != found) {
            let (found, expected) = (hex::encode(found), hex::encode(expected));
            return Err(ResultError::OtherHash { found, expected });
        }
        let results = statement
            .steps()
            .iter()
            .map(|step| files::one_der(&path.join(&step.file), what(step).0))
            .collect::<Result<Vec<_>, _>>()?;
        let transcript = files::read(&path.join(TRANSCRIPT))?;
        let transcript = verify_transcript(&transcript, &statement, &results)?;
        Ok(Self { statement, results, transcript })
    }

    /// Each step with its result, DER.
    pub fn steps(&self) -> impl Iterator<Item = (&Step, &[u8])> {
        self.statement.steps().iter().zip(self.results.iter().map(Vec::as_slice))
    }
}

/// What a step makes, in words and as a PEM label.
const fn what(step: &Step) -> (&'static str, &'static str) {
    match step.act {
        Act::Certificate { .. } => ("certificate", "CERTIFICATE"),
        Act::Crl { .. } => ("CRL", "X509 CRL"),
    }
}

impl Journal for ResultFolder {
    fn find(&self, step: &Step) -> Result<Option<Vec<u8>>, JournalError> {
        let path = self.path.join(&step.file);
        match files::read_if_there(&path).map_err(journal)? {
            Some(_) => files::one_der(&path, what(step).0).map(Some).map_err(journal),
            None => Ok(None),
        }
    }

    fn intend(&self, step: &Step) -> Result<(), JournalError> {
        files::write(&self.intention(step), &step.tbs_der).map_err(journal)
    }

    fn keep(&self, step: &Step, der: &[u8]) -> Result<(), JournalError> {
        let pem = files::pem(what(step).1, der);
        files::write(&self.path.join(&step.file), pem.as_bytes()).map_err(journal)
    }
}

fn journal(error: FileError) -> JournalError {
    JournalError(error.into())
}
