//! `--apdu-log`: what was said to cards, for whoever looks for a fault.
//!
//! One JSON object a line; `time` is UTC with microseconds, `microseconds` the time that the answer
//! took:
//!
//! ```json
//! {"time":"2026-11-22T02:33:00.123456Z","reader":"ACS ACR39U","command":"00200088**","answer":"9000","microseconds":25113}
//! ```
//!
//! A command that got no answer has `"answer":null` and an `error`. Of a command that carries a
//! PIN everything after its four header octets is replaced by `**`: its length is nobody's concern
//! either. What else a card tells is there, the holder's certificate above all, so the file is its
//! user's alone.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::observe::{Exchanged, Observer};
use crate::platform;

/// The longest line: a command and an answer of 64 KiB each, in hexadecimal, and their frame.
const MOST_LINE: u64 = 512 * 1024;
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// Why nothing can be logged there.
#[derive(Debug, thiserror::Error)]
pub enum ApduLogError {
    /// The file.
    #[error("{path} cannot be written")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something else is there already, and stays.
    #[error("{path} is something else than a log of this kind; name another file")]
    SomethingElse {
        /// Which.
        path: String,
    },
    /// Other users could read what a card says.
    #[error("others may read {path}; set its mode to 0600")]
    Open {
        /// Which.
        path: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    time: String,
    reader: String,
    command: String,
    answer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    microseconds: u64,
}

/// An open log.
#[derive(Debug)]
pub struct ApduLog {
    path: PathBuf,
    /// `None` after a write failed.
    file: Mutex<Option<File>>,
    clock: fn() -> OffsetDateTime,
}

impl ApduLog {
    /// Opens a log: a new file of mode 0600, or one of this kind that goes on.
    ///
    /// # Errors
    /// [`ApduLogError`]. What is there and is no log keeps every octet.
    pub fn open(path: &Path, clock: fn() -> OffsetDateTime) -> Result<Self, ApduLogError> {
        let shown = || path.display().to_string();
        let failed = |source| ApduLogError::File { path: shown(), source };
        let file = match platform::create_private(path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                // A pipe would keep us waiting for a reader, so its kind is asked before it is opened.
                if !std::fs::metadata(path).map_err(failed)?.is_file() {
                    return Err(ApduLogError::SomethingElse { path: shown() });
                }
                let file = OpenOptions::new().read(true).append(true).open(path).map_err(failed)?;
                if !is_own_kind(&file).map_err(failed)? {
                    return Err(ApduLogError::SomethingElse { path: shown() });
                }
                if platform::is_open_to_others(&file.metadata().map_err(failed)?) {
                    return Err(ApduLogError::Open { path: shown() });
                }
                file
            }
            created => created.map_err(failed)?,
        };
        Ok(Self { path: path.to_owned(), file: Mutex::new(Some(file)), clock })
    }
}

/// Empty, or its first line is one of ours.
fn is_own_kind(file: &File) -> std::io::Result<bool> {
    let mut first = Vec::new();
    BufReader::new(file.take(MOST_LINE)).read_until(b'\n', &mut first)?;
    Ok(first.is_empty() || first.ends_with(b"\n") && serde_json::from_slice::<Line>(&first).is_ok())
}

impl Observer for ApduLog {
    fn exchanged(&self, exchanged: &Exchanged<'_>) {
        let line = Line {
            // A year of five digits is the only time that has no such form.
            time: (self.clock)().format(TIME).unwrap_or_default(),
            reader: exchanged.reader.to_owned(),
            command: masked(exchanged.command),
            answer: exchanged.answer.ok().map(hex::encode),
            error: exchanged.answer.err().map(ToString::to_string),
            microseconds: exchanged.took.as_micros().try_into().unwrap_or(u64::MAX),
        };
        let Ok(mut text) = serde_json::to_vec(&line) else { return };
        text.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk must not keep a physician from logging in: said once, then there is no log.
        if let Some(Err(error)) = file.as_mut().map(|file| file.write_all(&text)) {
            *file = None;
            tracing::warn!(path = %self.path.display(), %error, "the APDU log ends here");
        }
    }
}

/// A command in hexadecimal, without what a person keeps secret: VERIFY, CHANGE REFERENCE DATA and
/// RESET RETRY COUNTER (ISO/IEC 7816-4 §7.5.6, §7.5.7, §7.5.10) in both their forms.
///
/// With up to five octets there is no data: that is how a card is asked for the tries left.
fn masked(command: &[u8]) -> String {
    match command {
        [class, instruction @ (0x20 | 0x21 | 0x24 | 0x25 | 0x2c | 0x2d), p1, p2, _, _, ..] => {
            hex::encode([*class, *instruction, *p1, *p2]) + "**"
        }
        _ => hex::encode(command),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::macros::datetime;

    use super::*;
    use crate::card::apdu;
    use crate::card::reader::CardError;

    fn clock() -> OffsetDateTime {
        datetime!(2026-11-22 02:33:00.000001 UTC)
    }

    fn write(log: &ApduLog, command: &[u8], answer: Result<&[u8], &CardError>) {
        let took = Duration::from_micros(25_113);
        log.exchanged(&Exchanged { reader: "Reader \"1\"", command, answer, took });
    }

    #[test]
    fn a_line_tells_one_command_and_a_log_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        write(&ApduLog::open(&path, clock).unwrap(), &[0, 0xa4], Ok(&[0x6a, 0x82]));
        write(&ApduLog::open(&path, clock).unwrap(), &[0, 0xb0], Err(&CardError::Removed));
        let head = r#"{"time":"2026-11-22T02:33:00.000001Z","reader":"Reader \"1\"","command":"#;
        let expected = [
            format!("{head}\"00a4\",\"answer\":\"6a82\",\"microseconds\":25113}}\n"),
            format!(
                "{head}\"00b0\",\"answer\":null,\"error\":\"the card was removed\",\
                 \"microseconds\":25113}}\n"
            ),
        ];
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected.concat());
    }

    #[test]
    fn neither_pin_nor_its_length_is_ever_written() {
        let of = |command: &[u8]| masked(command);
        assert_eq!(of(&apdu::verify(0x88, b"1234")), "00200088**");
        assert_eq!(of(&apdu::verify(0x96, b"1")), "00200096**");
        // A chained piece, secure messaging, tagged data, new PIN after old, unblocking.
        for command in [
            &[0x10, 0x20, 0, 0x88, 2, 1, 2][..],
            &[0x0c, 0x21, 0, 0x88, 2, 1, 2],
            &[0, 0x24, 1, 0x80, 2, 1, 2],
            &[0, 0x25, 1, 0x80, 2, 1, 2],
            &[0, 0x2c, 0, 0x80, 2, 1, 2],
            &[0, 0x2d, 0, 0x80, 0, 0, 2, 1, 2],
        ] {
            let shown = of(command);
            assert_eq!(shown, hex::encode(&command[..4]) + "**");
        }
        assert_eq!(of(&apdu::ask_tries(0x88)), "00200088");
        assert_eq!(of(&[0, 0x20, 0, 0x88, 0]), "0020008800");
        assert_eq!(of(&apdu::select_file(0x2021)), "00a4020c022021");
    }

    #[cfg(unix)]
    #[test]
    fn only_a_log_of_its_own_kind_goes_on_and_only_its_user_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        ApduLog::open(&path, clock).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        for other in ["{}\n", "a letter", "{\"time\":1}\n", "\n"] {
            std::fs::write(&path, other).unwrap();
            let refused = ApduLog::open(&path, clock);
            assert!(matches!(refused, Err(ApduLogError::SomethingElse { .. })), "{other}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
        }
        let here = ApduLog::open(folder.path(), clock);
        assert!(matches!(here, Err(ApduLogError::SomethingElse { .. })));
        let beyond = ApduLog::open(&path.join("below"), clock);
        assert!(matches!(beyond, Err(ApduLogError::File { .. })));

        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(ApduLog::open(&path, clock), Err(ApduLogError::Open { .. })));
    }
}
