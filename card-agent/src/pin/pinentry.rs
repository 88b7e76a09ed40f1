//! The desktop's own PIN window: a `pinentry` program, spoken to by the Assuan protocol.

use std::process::Stdio;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use zeroize::{Zeroize, Zeroizing};

use super::PinError;
use super::window::Window;
use super::words::{Confirmation, Words};

/// The longest line of Assuan.
const MOST_LINE: usize = 1000;

/// As Debian's alternatives name the one that fits the desktop.
pub(crate) const USUAL: &str = "pinentry";

/// Starts this program for each question.
pub struct Pinentry {
    /// The program.
    pub program: String,
}

#[async_trait]
impl Window for Pinentry {
    async fn question(&self, question: &Confirmation<'_>) -> Result<(), PinError> {
        let Confirmation { title, text, ok, cancel } = *question;
        let lines = [("SETTITLE", title), ("SETDESC", text), ("SETOK", ok), ("SETCANCEL", cancel)];
        self.converse(&lines, "CONFIRM").await.map(drop)
    }

    async fn field(&self, words: &Words) -> Result<SecretString, PinError> {
        let lines = [
            ("SETTITLE", words.title),
            ("SETDESC", &words.description),
            ("SETPROMPT", words.label),
            ("SETOK", words.ok),
            ("SETCANCEL", words.cancel),
        ];
        let pin = self.converse(&lines, "GETPIN").await?;
        Ok(SecretString::from(pin.as_str()))
    }

    async fn notice(&self, words: &Words) -> Result<(), PinError> {
        let lines =
            [("SETTITLE", words.title), ("SETDESC", &words.description), ("SETOK", words.cancel)];
        self.converse(&lines, "CONFIRM --one-button").await.map(drop)
    }
}

impl Pinentry {
    /// What the program says of itself: `gnome3`, `curses`, or `gtk2:curses` where it fell back from a
    /// window to a terminal. Empty where it does not say. Shows nothing.
    ///
    /// # Errors
    /// [`PinError::Unavailable`]: it does not start, or is no PIN window.
    pub async fn flavour(&self) -> Result<String, PinError> {
        self.converse(&[], "NOP").await?;
        let told = self.converse(&[], "GETINFO flavor").await;
        Ok(told.map(|told| told.trim().to_owned()).unwrap_or_default())
    }

    /// Sends the lines, then the question; returns what was entered.
    async fn converse(
        &self,
        lines: &[(&str, &str)],
        question: &str,
    ) -> Result<Zeroizing<String>, PinError> {
        let unavailable =
            |error: std::io::Error| PinError::Unavailable(format!("{}: {error}", self.program));
        let mut child = Command::new(&self.program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(unavailable)?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(PinError::Unavailable(self.program.clone()));
        };
        let mut output = BufReader::new(output);
        answer(&mut output).await?;
        for (command, text) in lines {
            let line = format!("{command} {}\n", escape(text));
            input.write_all(line.as_bytes()).await.map_err(unavailable)?;
            answer(&mut output).await?;
        }
        input.write_all(format!("{question}\n").as_bytes()).await.map_err(unavailable)?;
        let entered = answer(&mut output).await?;
        let _ = input.write_all(b"BYE\n").await;
        Ok(entered)
    }
}

/// Reads until OK or ERR; keeps a D line.
async fn answer(
    output: &mut (impl AsyncBufReadExt + Unpin),
) -> Result<Zeroizing<String>, PinError> {
    let mut data = Zeroizing::new(String::new());
    let mut line = Zeroizing::new(String::with_capacity(MOST_LINE));
    loop {
        line.zeroize();
        let read = output.read_line(&mut line).await;
        match read {
            Ok(0) => return Err(PinError::Unavailable("the PIN window ended".into())),
            Ok(_) => {}
            Err(error) => return Err(PinError::Unavailable(error.to_string())),
        }
        let text = line.trim_end_matches('\n');
        if text == "OK" || text.starts_with("OK ") {
            return Ok(data);
        } else if let Some(value) = text.strip_prefix("D ") {
            data = unescape(value);
        } else if let Some(error) = text.strip_prefix("ERR ") {
            // GPG_ERR_CANCELED is 99, GPG_ERR_NOT_CONFIRMED 114, whatever the source in the high bits.
            let number: u32 = error.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            return Err(match number & 0xffff {
                99 | 114 => PinError::Cancelled,
                _ => PinError::Unavailable(error.chars().take(200).collect()),
            });
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('\n', "%0A").replace('\r', "%0D")
}

fn unescape(text: &str) -> Zeroizing<String> {
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        match after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(octet) => {
                plain.push(octet.into());
                rest = &after[2..];
            }
            None => {
                plain.push('%');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(all(test, unix))]
pub(crate) mod tests {
    use secrecy::ExposeSecret;
    use sekisho_protocol::Sha256Digest;
    use sekisho_protocol::request::Language;

    use super::super::{Document, Occasion, Page, PinEntry, Prompt, Source};
    use super::*;
    use crate::card::pin_kind::PinKind;

    fn prompt() -> Prompt {
        let page = Page {
            origin: "https://terminal.example".into(),
            facility: "架空 100%クリニック".into(),
            code: "07".parse().unwrap(),
        };
        Prompt {
            occasion: Occasion::Login(page),
            kind: PinKind::HpkiAuthentication,
            holder: "架空 花子".into(),
            tries_left: Some(15),
            again: false,
            at_reader: false,
            language: Language::Ja,
        }
    }

    /// A pinentry that answers with `reply` to GETPIN and writes down what it was told.
    pub(crate) fn program(folder: &std::path::Path, reply: &str) -> Pinentry {
        let path = folder.join("pinentry");
        let log = folder.join("log");
        let script = format!(
            "#!/bin/sh\ncd \"${{0%/*}}\"\necho OK\nwhile read -r line; do echo \"$line\" >> {}\ncase \"$line\" in GETPIN|CONFIRM) printf '{reply}\\n';; BYE) exit;; *) echo OK;; esac\ndone\n",
            log.display()
        );
        // Written by a process of its own: a file that is still open for writing, be it in what another
        // test has just forked, cannot be started (execve(2), ETXTBSY).
        let write = r#"printf %s "$1" > "$0" && chmod 700 "$0""#;
        let mut shell = std::process::Command::new("sh");
        let done = shell.arg("-c").arg(write).arg(&path).arg(script).status().unwrap();
        assert!(done.success());
        Pinentry { program: path.display().to_string() }
    }

    #[tokio::test]
    async fn the_window_shows_code_facility_and_origin_and_gives_the_pin() {
        let folder = tempfile::tempdir().unwrap();
        let pin = program(folder.path(), "D 12%%2534\\nOK").ask(&prompt()).await.unwrap();
        assert_eq!(pin.expose_secret(), "12%34");
        let told = std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(told.contains("確認番号 07%0A架空 100%25クリニック"), "{told}");
        assert!(told.contains("https://terminal.example"), "{told}");
    }

    #[tokio::test]
    async fn a_closed_window_is_told_from_a_broken_one() {
        let folder = tempfile::tempdir().unwrap();
        let closed = program(folder.path(), "ERR 83886179 canceled").ask(&prompt()).await;
        assert!(matches!(closed, Err(PinError::Cancelled)));
        let broken = Pinentry { program: "/nonexistent/pinentry".into() }.ask(&prompt()).await;
        assert!(matches!(broken, Err(PinError::Unavailable(_))));
    }

    #[tokio::test]
    async fn a_window_that_nobody_waits_for_any_more_closes() {
        let folder = tempfile::tempdir().unwrap();
        // It names its process, and then is as a window before which nobody sits.
        let entry = program(folder.path(), "'; echo $$ > shown; read -r line; printf '");
        let shown = folder.path().join("shown");
        let process = async {
            loop {
                match std::fs::read_to_string(&shown) {
                    Ok(process) if process.ends_with('\n') => break process.trim().to_owned(),
                    _ => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                }
            }
        };
        let prompt = prompt();
        let process = tokio::select! {
            answered = entry.ask(&prompt) => panic!("{answered:?}"),
            process = process => process,
        };
        let open = std::path::Path::new("/proc").join(process).join("exe");
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while open.exists() {
            assert!(std::time::Instant::now() < until, "the window is still open");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn few_tries_need_a_confirmation_first() {
        let folder = tempfile::tempdir().unwrap();
        let entry = program(folder.path(), "ERR 83886194 not confirmed");
        let asked = entry.ask(&Prompt { tries_left: Some(3), ..prompt() }).await;
        assert!(matches!(asked, Err(PinError::Guarded)));
        let told = std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(!told.contains("GETPIN"), "{told}");
    }

    #[tokio::test]
    async fn every_page_of_a_document_is_confirmed_before_the_pin_is_asked_for() {
        let document = Document {
            sha256: Sha256Digest::of("同意"),
            text: Some("説明を受けました。\n".repeat(40)),
            source: Source::File("同意書.txt".into()),
        };
        let asked = Prompt {
            occasion: Occasion::Document(document),
            kind: PinKind::HpkiSignature,
            ..prompt()
        };
        let folder = tempfile::tempdir().unwrap();
        program(folder.path(), "D 1234\\nOK").ask(&asked).await.unwrap();
        let told = std::fs::read_to_string(folder.path().join("log")).unwrap();
        let questions: Vec<&str> =
            told.lines().filter(|line| ["CONFIRM", "GETPIN"].contains(line)).collect();
        assert_eq!(questions, ["CONFIRM", "CONFIRM", "CONFIRM", "GETPIN"]);
        assert_eq!(told.matches("説明を受けました。").count(), 40);
        assert!(told.lines().all(|line| line.len() < MOST_LINE), "{told}");

        let refused = program(folder.path(), "ERR 83886179 canceled").ask(&asked).await;
        assert!(matches!(refused, Err(PinError::Cancelled)));
    }
}
