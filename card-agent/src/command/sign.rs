use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use sekisho_output::{remark, say};
use sekisho_pki::encoding::cades::SignedAttributes;
use sekisho_pki::inspect::escape;
use sekisho_protocol::Sha256Digest;
use serde::Serialize;
use tempfile::NamedTempFile;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::cards::{self, CardCommand, Waiting};
use super::pin::PinArguments;
use super::{Failure, local, refused};
use crate::card::card_type::CardTypes;
use crate::card::driver::PinState;
use crate::card::known::Family;
use crate::card::reader::{Readers, Slot};
use crate::card::session::with_card;
use crate::card::signature_key::SignatureKey;
use crate::pin::{Document, Occasion, Prompt, Source};

/// Sign a file with the card's key for signatures.
///
/// The PIN window shows the text that is signed, or name and SHA-256 of what is no text. The signature is
/// a file of its own (CAdES, detached, DER); that of a My Number card holds name, date of birth, sex and
/// address.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sekisho-agent sign consent.txt --output consent.txt.p7s
  sekisho-agent sign referral.pdf --output referral.p7s --certificate hpki --json
  sekisho-agent sign consent.txt --output consent.p7s --pin-fd 3 3<password
  openssl cms -verify -binary -inform DER -in consent.p7s -content consent.txt \\
      -CAfile authorities.pem -purpose any -out /dev/null
      who was sent both verifies them

With three tries left or fewer nothing is tried unless it is confirmed: in the window, or by
--few-tries. Whoever hands the PIN over by --pin-fd has seen what is signed: it is on standard error.")]
pub struct Sign {
    /// What is signed, at most 64 MiB.
    file: PathBuf,
    /// Where the signature goes.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Replace what is there.
    #[arg(long)]
    replace: bool,
    /// Which card, where cards of both kinds are in.
    #[arg(long, value_name = "FAMILY")]
    certificate: Option<Certificate>,
    #[command(flatten)]
    pin: PinArguments,
    #[command(flatten)]
    with: CardCommand,
}

/// Whose kind of card signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Certificate {
    /// A healthcare professional's card
    Hpki,
    /// A My Number card
    Jpki,
}

impl From<Certificate> for Family {
    fn from(certificate: Certificate) -> Self {
        match certificate {
            Certificate::Hpki => Self::Hpki,
            Certificate::Jpki => Self::Jpki,
        }
    }
}

#[derive(Serialize)]
struct Report {
    file: String,
    octets: usize,
    sha256: String,
    output: String,
    reader: String,
    family: String,
    holder: String,
    certificate_sha256: String,
    signing_time: String,
}

/// The most that is signed: it is held in memory, so that what was shown is what is signed.
const MOST_OCTETS: u64 = 64 * 1024 * 1024;
/// The most text that a window shows: a page of A4.
const MOST_SHOWN: usize = 4 * 1024;

impl Sign {
    pub(super) async fn execute(self) -> Result<(), Failure> {
        let content = read(&self.file)?;
        self.is_writable()?;
        let readers = self.with.readers(vec![Arc::new(Waiting::new(remark))])?;
        let (slot, key, PinState { tries_left, pad }) = self.choose(readers.as_ref())?;

        let now = OffsetDateTime::now_utc();
        // What is known to fail is not asked a PIN for.
        let holder = key.holder().transpose().map_err(cards::failure)?;
        if let Some(holder) = &holder {
            holder.may_sign_documents(now).map_err(cards::failure)?;
        }
        let language = cards::window_language();
        let name = holder.as_ref().map(|holder| holder.name.as_str()).unwrap_or_default();
        let title = key.family().title(name, language).to_owned();
        let sha256 = Sha256Digest::of(&content);
        let digest = hex::encode(sha256.as_bytes());
        let text = shown(&content);
        let file = file_name(&self.file);
        remark(&format!(
            "card     {title} ({}) in {}\nfile     {}, {} octets\nSHA-256  {digest}",
            key.family(),
            slot.reader,
            self.file.display(),
            content.len(),
        ));
        remark(text.as_deref().unwrap_or("no text that can be shown here"));
        let prompt = Prompt {
            occasion: Occasion::Document(Document { sha256, text, source: Source::File(file) }),
            kind: key.pin_kind(),
            holder: title.clone(),
            tries_left,
            again: false,
            at_reader: false,
            language,
        };
        let (octets, family, reader) = (content.len(), key.family(), slot.reader.clone());
        let sign = move |pin| {
            with_card(readers.as_ref(), &slot.reader, |card| {
                key.sign(card, &pin, now, &mut |certificate_der, _| {
                    Ok(SignedAttributes::new(&content, certificate_der, now, None)?)
                })
            })
        };
        let signed = self.pin.enter(prompt, pad, sign).await?;
        write(&self.output, &signed.signature_der, self.replace)?;

        let report = Report {
            file: self.file.display().to_string(),
            octets,
            sha256: digest,
            output: self.output.display().to_string(),
            reader,
            family: family.to_string(),
            holder: title,
            certificate_sha256: hex::encode(Sha256Digest::of(&signed.certificate_der).as_bytes()),
            signing_time: now.format(&Rfc3339).map_err(local)?,
        };
        if self.with.json {
            return cards::say_json(&report);
        }
        Ok(say(&format!("signed; the signature is {}\n", self.output.display()))?)
    }

    /// What would otherwise be found out when the PIN was entered and the card has signed.
    fn is_writable(&self) -> Result<(), Failure> {
        let shown = self.output.display();
        if self.output.exists() {
            if !self.replace {
                return Err(there_already(&self.output));
            }
            // By whatever name: the signature alone proves nothing about a document that is gone.
            if same_file::is_same_file(&self.file, &self.output).map_err(local)? {
                return Err(Failure::Usage(anyhow!(
                    "{shown} is the document itself; name another file for the signature"
                )));
            }
            if !self.output.is_file() {
                return Err(Failure::Usage(anyhow!("{shown} is no file")));
            }
        }
        let tried = NamedTempFile::new_in(folder_of(&self.output));
        tried.map(drop).map_err(|error| {
            let folder = folder_of(&self.output).display().to_string();
            // The name of what was tried says nothing to anybody.
            let why = std::io::Error::from(error.kind());
            Failure::Usage(anyhow!("no file can be written in the folder {folder}: {why}"))
        })
    }

    /// The one card that holds such a key.
    fn choose(&self, readers: &dyn Readers) -> Result<(Slot, SignatureKey, PinState), Failure> {
        let wanted = self.certificate.map(Family::from);
        let (mut found, mut failed) = (Vec::new(), None);
        for slot in cards::filled_slots(readers, self.with.reader.as_deref())? {
            match SignatureKey::read_with_pin_state(readers, &slot, &CardTypes::default()) {
                Ok((key, pin)) if wanted.is_none_or(|family| family == key.family()) => {
                    found.push((slot, key, pin));
                }
                Ok(_) => {}
                Err(error) => failed = Some((slot, error)),
            }
        }
        match (found.len(), failed) {
            (1, _) => Ok(found.remove(0)),
            (0, Some((slot, error))) => Err(match cards::failure(error) {
                Failure::Refused(error) => Failure::Refused(error.context(slot.reader)),
                other => other,
            }),
            (0, None) => Err(refused(anyhow!("no reader holds a card of the kind that was named"))),
            _ => {
                let each: Vec<String> = found
                    .iter()
                    .map(|(slot, key, _)| format!("{} ({})", slot.reader, key.family()))
                    .collect();
                Err(Failure::Usage(anyhow!(
                    "several cards could sign; name one with --certificate or --reader: {}",
                    each.join(", ")
                )))
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let shown = || path.display().to_string();
    // A pipe would keep us waiting for a writer, so its kind is asked before it is opened.
    let found = std::fs::metadata(path).with_context(shown).map_err(Failure::Usage)?;
    if !found.is_file() {
        return Err(Failure::Usage(anyhow!("{} is no file", shown())));
    }
    let mut content = Vec::new();
    let file = File::open(path).with_context(shown).map_err(Failure::Usage)?;
    file.take(MOST_OCTETS + 1).read_to_end(&mut content).with_context(shown).map_err(local)?;
    if content.len() as u64 > MOST_OCTETS {
        return Err(Failure::Usage(anyhow!("{} is longer than 64 MiB", shown())));
    }
    Ok(content)
}

/// Whole or not at all, for its user alone: the certificate in it may hold an address.
fn write(path: &Path, signature_der: &[u8], replace: bool) -> Result<(), Failure> {
    let shown = || path.display().to_string();
    let written = NamedTempFile::new_in(folder_of(path)).and_then(|mut file| {
        file.write_all(signature_der)?;
        file.as_file().sync_all()?;
        Ok(file)
    });
    let file = written.with_context(shown).map_err(local)?;
    // Again what was looked at before the PIN: somebody may have been faster.
    let kept = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    match kept {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(there_already(path))
        }
        Err(error) => Err(local(anyhow::Error::new(error.error).context(shown()))),
    }
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    folder.unwrap_or(Path::new("."))
}

fn there_already(path: &Path) -> Failure {
    let path = path.display();
    Failure::Usage(anyhow!("{path} is there already; name another file, or add --replace"))
}

/// The text of a document, with everything spelled out that could hide or move some of it; `None`
/// where it is no text, or more than a window can show.
fn shown(content: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content).ok().filter(|text| text.len() <= MOST_SHOWN)?;
    let lines = text.split('\n').map(|line| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let parts: Vec<String> = line.split('\t').map(escape::shown).collect();
        parts.join("    ")
    });
    Some(lines.collect::<Vec<String>>().join("\n"))
}

/// What the window calls it: one line, not too long.
fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    escape::shown(&name).chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_hide_text_is_spelled_out_and_what_is_no_text_is_not_shown() {
        assert_eq!(shown("一行\r\n二\t行\n".as_bytes()).unwrap(), "一行\n二    行\n");
        assert_eq!(shown("支払\u{202e}う".as_bytes()).unwrap(), "支払\\u{202e}う");
        assert_eq!(
            shown("見える\u{200b}\u{1b}[8m".as_bytes()).unwrap(),
            "見える\\u{200b}\\u{1b}[8m"
        );
        assert_eq!(shown(&[0xff, 0xfe, 0x41]), None);
        assert_eq!(shown(&[b'a'; MOST_SHOWN + 1]), None);
    }
}
