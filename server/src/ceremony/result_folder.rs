//! The folder that a live run leaves: statement, results, transcript, and the journal by which an
//! interrupted run goes on.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
};

use sekisho_ca::ceremony::{
    Act, ImportTranscript, Journal, JournalError, Statement, StatementError, Step, Transcript,
    TranscriptError, verify_import_transcript, verify_transcript,
};

use super::files::{self, FileError};

/// Held by the run; empty.
const LOCK: &str = ".lock";
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
    /// A file that no step made.
    #[error(
        "{} is none of this ceremony's files: keep it as evidence, and find out who put it there",
        .0.display()
    )]
    Foreign(PathBuf),
    /// More, or something else, than the ceremony wrote.
    #[error("{} is not as the ceremony wrote it, octet by octet", .0.display())]
    Altered(PathBuf),
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
            | Self::Foreign(_)
            | Self::Altered(_)
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
        // Before anything is made here, and again once nobody else writes.
        Self::is_of(path, statement)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(ResultError::Busy(path.to_owned())),
            Err(fs::TryLockError::Error(source)) => return Err(unusable(source)),
        }
        if !Self::is_of(path, statement)? {
            files::write(&path.join(STATEMENT), statement.to_json()?.as_bytes())?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Whether the folder is this statement's; `false`: it is nobody's, and empty.
    fn is_of(path: &Path, statement: &Statement) -> Result<bool, ResultError> {
        let begun = files::read_if_there(&path.join(STATEMENT))?;
        if let Some(json) = &begun {
            let found = Statement::from_json(json)?.hash();
            if found != statement.hash() {
                let found = hex::encode(found);
                return Err(ResultError::OtherCeremony { path: path.to_owned(), found });
            }
        }
        only_own_files(path, statement, true)?;
        Ok(begun.is_some())
    }

    /// Writes the transcript: the run is over.
    ///
    /// # Errors
    /// [`ResultError::File`].
    pub fn finish(&self, transcript: &str) -> Result<(), ResultError> {
        Ok(files::write(&self.path.join(TRANSCRIPT), transcript.as_bytes())?)
    }
}

/// File of the octets of a step, written down before they were signed.
fn intention(step: &Step) -> String {
    format!("step-{:02}.tbs", step.number)
}

/// Refuses whatever lies in the folder and is no file of this ceremony; `unfinished` ones count while
/// a run goes on.
fn only_own_files(path: &Path, statement: &Statement, unfinished: bool) -> Result<(), ResultError> {
    let unusable = |source| ResultError::Folder { path: path.to_owned(), source };
    let mut own: BTreeSet<String> = [LOCK, STATEMENT, TRANSCRIPT].map(str::to_owned).into();
    for step in statement.steps() {
        own.extend([step.file.clone(), intention(step)]);
    }
    for entry in fs::read_dir(path).map_err(unusable)? {
        let entry = entry.map_err(unusable)?;
        let name = entry.file_name();
        let is_own = name.to_str().is_some_and(|name| {
            let whole = if unfinished { name.strip_suffix(files::PART) } else { None };
            own.contains(whole.unwrap_or(name))
        });
        // A link's type is its own: what it points to lies elsewhere and may change.
        if !is_own || !entry.file_type().map_err(unusable)?.is_file() {
            return Err(ResultError::Foreign(entry.path()));
        }
    }
    Ok(())
}

/// Reads the transcript of an import and verifies it by the certificate of the authority that was taken
/// over; `reviewed_hash` is what the people compared.
///
/// # Errors
/// [`ResultError`]: the first thing that is missing or does not hold.
pub fn read_import_transcript(
    path: &Path,
    certificate: &Path,
    reviewed_hash: Option<&[u8; 32]>,
) -> Result<ImportTranscript, ResultError> {
    let certificate_der = files::one_der(certificate, "certificate")?;
    let transcript = verify_import_transcript(&files::read(path)?, &certificate_der)?;
    match reviewed_hash.map(hex::encode) {
        Some(expected) if expected != transcript.import_sha256 => {
            Err(ResultError::OtherHash { found: transcript.import_sha256, expected })
        }
        _ => Ok(transcript),
    }
}

impl VerifiedResult {
    /// Reads a folder and verifies everything in it, octet by octet: nothing may lie there, before,
    /// behind or beside the results, that a reader could take for a part of the ceremony.
    /// `reviewed_hash` is what the people compared, without which the folder vouches for itself only.
    ///
    /// # Errors
    /// [`ResultError`]: the first thing that is missing or does not hold.
    pub fn read(path: &Path, reviewed_hash: Option<&[u8; 32]>) -> Result<Self, ResultError> {
        let json = files::read(&path.join(STATEMENT))?;
        let statement = Statement::from_json(&json)?;
        let found = statement.hash();
        if let Some(expected) = reviewed_hash.filter(|expected| **expected != found) {
            let (found, expected) = (hex::encode(found), hex::encode(expected));
            return Err(ResultError::OtherHash { found, expected });
        }
        let exactly = |file: &str, octets: &[u8], written: &[u8]| {
            if octets == written { Ok(()) } else { Err(ResultError::Altered(path.join(file))) }
        };
        exactly(STATEMENT, &json, statement.to_json()?.as_bytes())?;
        only_own_files(path, &statement, false)?;
        let mut results = Vec::with_capacity(statement.steps().len());
        for step in statement.steps() {
            let (name, label) = what(step);
            let file = path.join(&step.file);
            let der = files::one_der(&file, name)?;
            exactly(&step.file, &files::read(&file)?, files::pem(label, &der).as_bytes())?;
            let file = intention(step);
            if let Some(intended) = files::read_if_there(&path.join(&file))? {
                exactly(&file, &intended, &step.tbs_der)?;
            }
            results.push(der);
        }
        if let Some(lock) = files::read_if_there(&path.join(LOCK))? {
            exactly(LOCK, &lock, b"")?;
        }
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
        files::write(&self.path.join(intention(step)), &step.tbs_der).map_err(journal)
    }

    fn keep(&self, step: &Step, der: &[u8]) -> Result<(), JournalError> {
        let pem = files::pem(what(step).1, der);
        files::write(&self.path.join(&step.file), pem.as_bytes()).map_err(journal)
    }
}

fn journal(error: FileError) -> JournalError {
    JournalError(error.into())
}
