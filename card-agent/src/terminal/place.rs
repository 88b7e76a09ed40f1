//! The agent's folder: what it remembers between starts.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sekisho_protocol::trust::TerminalTrust;
use serde::{Deserialize, Serialize};

use crate::platform;

const SETTINGS: &str = "settings.json";
/// How the names of files begin that are being written.
const UNFINISHED: &str = ".unfinished-";
/// Nobody writes one for longer.
const LONGEST_WRITE: Duration = Duration::from_secs(60 * 60);

/// Something in the folder.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// A file.
    #[error("{path} cannot be read or written")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("{path} is malformed: {why}")]
    Malformed {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
    /// The key.
    #[error("the terminal's key cannot be used: {0}")]
    Key(String),
    /// Nothing is enrolled here.
    #[error("no enrolment here: {missing} is missing; {remedy}")]
    NotEnrolled {
        /// The file that enrolment would have left.
        missing: String,
        /// What helps the user who asked.
        remedy: String,
    },
}

/// The file of what the server tells: it gives it anew to whoever has the key.
pub const TRUST_FILE: &str = "trust.json";

/// What was enrolled, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// Enrolment address.
    pub server: String,
    /// SHA-256 of the root certificate, hex.
    pub root_sha256: String,
    /// Terminal identifier.
    pub terminal: String,
    /// SHA-256 of the code that brought the certificate, hex; missing in folders of older agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_sha256: Option<String>,
}

impl Enrolment {
    /// Whether both came of one code for one terminal.
    pub fn is_of_line(&self, other: &Self) -> bool {
        self.code_sha256.is_some()
            && self.code_sha256 == other.code_sha256
            && self.terminal == other.terminal
    }
}

/// What the person chose for this folder; stays when the PC is enrolled anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// NSS database that is given every new certificate; an absolute path.
    pub nss: Option<PathBuf>,
}

/// The agent's folder.
#[derive(Debug, Clone)]
pub struct Place {
    /// The folder.
    pub folder: PathBuf,
}

impl Place {
    /// Makes the folder, readable by its user alone.
    ///
    /// # Errors
    /// [`PlaceError::File`].
    pub fn create(folder: &Path) -> Result<Self, PlaceError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        platform::keep_private(folder).map_err(at(folder))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Where this user's agent keeps its things.
    pub fn default_folder() -> PathBuf {
        platform::data_folder().join("sekisho-agent")
    }

    /// Where the browser's extension finds the running agent.
    pub fn socket(&self) -> PathBuf {
        platform::extension_address(&self.folder, self.folder == Self::default_folder())
    }

    /// The private key, or where it lies: see [`super::key`].
    pub fn key(&self) -> PathBuf {
        self.folder.join("terminal.p8")
    }

    /// The certificate of the root that is believed, DER.
    pub fn root(&self) -> PathBuf {
        self.folder.join("root.crt")
    }

    /// The root before that one, DER, while the server still tells of it.
    pub fn former_root(&self) -> PathBuf {
        self.folder.join("former-root.crt")
    }

    /// A root that ended, DER, until the browser's store has forgotten it.
    pub fn ended_root(&self) -> PathBuf {
        self.folder.join("ended-root.crt")
    }

    /// The terminal's certificate, DER.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("terminal.crt")
    }

    /// The certificate before that one, of the same key, DER: good until the browser shows the new one.
    pub fn former_certificate(&self) -> PathBuf {
        self.folder.join("former-terminal.crt")
    }

    /// The issuing authority's certificate, DER.
    pub fn issuer(&self) -> PathBuf {
        self.folder.join("issuer.crt")
    }

    /// Whom the agent obeys, JSON.
    pub fn pinned(&self) -> PathBuf {
        self.folder.join(TRUST_FILE)
    }

    /// What was enrolled, JSON.
    pub fn enrolled(&self) -> PathBuf {
        self.folder.join("terminal.json")
    }

    /// Reads whom the agent obeys.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn trust(&self) -> Result<TerminalTrust, PlaceError> {
        json(&self.pinned())
    }

    /// Reads what was enrolled.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn enrolment(&self) -> Result<Enrolment, PlaceError> {
        json(&self.enrolled())
    }

    /// Removes what a program left half written when it was killed. What is there no longer, or cannot be
    /// removed, does no harm.
    pub(super) fn sweep(&self) {
        let written = |file: &fs::DirEntry| -> std::io::Result<bool> {
            let age = SystemTime::now().duration_since(file.metadata()?.modified()?);
            Ok(age.is_ok_and(|age| age > LONGEST_WRITE))
        };
        for file in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let unfinished = file.file_name().to_string_lossy().starts_with(UNFINISHED);
            if unfinished && written(&file).unwrap_or(false) {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    /// The former root has ended: nothing is to believe it any more.
    ///
    /// # Errors
    /// [`PlaceError::File`].
    pub fn end_former_root(&self) -> Result<(), PlaceError> {
        let former = self.former_root();
        fs::rename(&former, self.ended_root()).map_err(at(&former))
    }

    /// Reads what the person chose; the default where nothing was chosen yet.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn settings(&self) -> Result<Settings, PlaceError> {
        let path = self.folder.join(SETTINGS);
        if path.exists() { json(&path) } else { Ok(Settings::default()) }
    }

    /// Remembers what the person chose.
    ///
    /// # Errors
    /// [`PlaceError::File`].
    pub fn choose(&self, settings: &Settings) -> Result<(), PlaceError> {
        write_json(&self.folder.join(SETTINGS), settings)
    }

    /// Pins whom the agent obeys.
    ///
    /// # Errors
    /// [`PlaceError::File`].
    pub fn pin(&self, trust: &TerminalTrust) -> Result<(), PlaceError> {
        write_json(&self.pinned(), trust)
    }

    /// Remembers what was enrolled.
    ///
    /// # Errors
    /// [`PlaceError::File`].
    pub fn remember(&self, enrolment: &Enrolment) -> Result<(), PlaceError> {
        write_json(&self.enrolled(), enrolment)
    }
}

pub(super) fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, PlaceError> {
    if !path.exists() {
        return Err(PlaceError::NotEnrolled {
            missing: path.display().to_string(),
            remedy: remedy(platform::is_administrator()),
        });
    }
    serde_json::from_slice(&read(path)?).map_err(|error| malformed(path, &error))
}

pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), PlaceError> {
    let text = serde_json::to_vec_pretty(value).map_err(|error| malformed(path, &error))?;
    write_private(path, &text)
}

fn malformed(path: &Path, why: &serde_json::Error) -> PlaceError {
    PlaceError::Malformed { path: path.display().to_string(), why: why.to_string() }
}

/// The administrator looks in a home of their own, while the PC is enrolled in that of the user who
/// works there: sent to enrol again, they would spend the code with a second key.
pub(crate) fn remedy(of_administrator: bool) -> String {
    const ENROLL: &str = "sekisho-agent enroll --server … --root … --terminal … --code …";
    if of_administrator {
        let folder = platform::REMEDIES.other_home;
        format!(
            "name the folder of the user who enrolled this PC: {folder}; if nobody has, that user \
             runs what the facility's administrator gives with its code ({ENROLL})"
        )
    } else {
        format!(
            "run the enroll line that the facility's administrator gave you with its code \
             ({ENROLL}), as the user who works at this PC"
        )
    }
}

pub(super) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> PlaceError {
    let path = path.display().to_string();
    move |source| PlaceError::File { path, source }
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, PlaceError> {
    fs::read(path).map_err(at(path))
}

/// Writes a file that only its user reads, whole or not at all.
pub(crate) fn write_private(path: &Path, octets: &[u8]) -> Result<(), PlaceError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // tempfile makes it 0600, and the rename is what appears.
    let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder);
    let mut file = file.map_err(at(path))?;
    file.write_all(octets).map_err(at(path))?;
    file.as_file().sync_all().map_err(at(path))?;
    file.persist(path).map_err(|error| at(path)(error.error))?;
    Ok(())
}

/// Writes a file that other users read, and the folder for it where there is none.
pub(crate) fn write_public(path: &Path, octets: &[u8]) -> Result<(), PlaceError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    fs::write(path, octets).map_err(at(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_program_left_half_written_is_swept_and_what_is_being_written_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { folder: folder.path().to_owned() };
        write_private(&place.certificate(), b"whole").unwrap();
        let [old, new] = ["old", "new"].map(|end| place.folder.join(format!("{UNFINISHED}{end}")));
        for path in [&old, &new] {
            fs::write(path, "half").unwrap();
        }
        let long_ago = SystemTime::now() - 2 * LONGEST_WRITE;
        for path in [&old, &place.certificate()] {
            fs::File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
        }
        place.sweep();
        assert_eq!([old, new, place.certificate()].map(|path| path.exists()), [false, true, true]);
    }

    #[test]
    fn the_administrator_is_never_sent_to_enrol_again() {
        assert!(remedy(false).contains("run the enroll line"));
        assert!(!remedy(true).contains("enroll line"));
        assert!(remedy(true).contains("--dir /home/USER/"));
    }
}
