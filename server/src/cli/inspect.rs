//! `sekisho inspect FILE`.

use std::{fs::File, io::Read};

use sekisho_output::{remark, say};
use sekisho_pki::inspect::{self, Options};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{Exit, Failure, Named, language::LanguageChoice, named};

/// Say in words what a certificate, CRL, OCSP answer, request or PKCS #12 file holds
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho inspect terminal.cer
      a certificate: whose, by whom, until when, for what; facility and profession explained
  sekisho inspect --json bundle.pem | jq '.objects[].subject.text'
      each block of a bundle; docs/inspect.md documents the fields
  curl -s http://plain.example.jp/crl/router.crl | sekisho inspect --lang en --entries 5 -
      a CRL from standard input: all entries counted, five listed
  sekisho inspect --passphrase-file passphrase router.p12
      what is in a PKCS #12 file; private keys are never shown

What cannot be read is told with the octet where it breaks.")]
pub(super) struct Inspect {
    /// DER, base64 or PEM; `-` reads standard input. At most 64 MiB
    #[arg(value_name = "FILE")]
    file: Named<named::FileOrInput>,
    #[command(flatten)]
    lang: LanguageChoice,
    /// For programs: fields as docs/inspect.md documents them
    #[arg(long)]
    json: bool,
    /// Revoked certificates of a CRL to list; all are counted
    #[arg(long, value_name = "N", default_value_t = 20)]
    entries: usize,
    /// File whose first line opens a PKCS #12 file
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_env")]
    passphrase_file: Option<Named<named::File>>,
    /// Environment variable that opens a PKCS #12 file
    #[arg(long, value_name = "NAME", value_parser = named::variable)]
    passphrase_env: Option<Zeroizing<String>>,
}

/// A passphrase file's first line fits in here.
const MOST_PASSPHRASE_FILE: u64 = 4096;

impl Inspect {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let passphrase = self.passphrase()?;
        let octets = self.read()?;
        let options = Options {
            now: OffsetDateTime::now_utc(),
            entries: self.entries,
            passphrase: passphrase.as_ref().map(|text| text.as_str()),
        };
        let found = inspect::inspect(&octets, &options);
        let language = self.lang.language();
        say(&if self.json { found.json()? } else { found.text(language) })?;
        let mut exit = Exit::Done;
        for broken in found.broken() {
            remark(&format!("sekisho: {}: {}", self.file.display(), broken.text(language)));
            exit = Exit::Failed;
        }
        Ok(exit)
    }

    fn read(&self) -> Result<Vec<u8>, Failure> {
        let tell = |error| format!("cannot read {}: {error}", self.file.display());
        // One octet more than is looked at, so that too long is told from just fitting.
        let limit = inspect::MOST_OCTETS as u64 + 1;
        let mut octets = Vec::new();
        if self.file.as_os_str() == "-" {
            std::io::stdin().lock().take(limit).read_to_end(&mut octets).map_err(tell)?;
        } else {
            let file = File::open(&self.file).map_err(tell)?;
            file.take(limit).read_to_end(&mut octets).map_err(tell)?;
        }
        Ok(octets)
    }

    fn passphrase(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        if let Some(value) = &self.passphrase_env {
            return Ok(Some(value.clone()));
        }
        let Some(path) = &self.passphrase_file else { return Ok(None) };
        let mut text = Zeroizing::new(String::new());
        File::open(path)
            .and_then(|file| file.take(MOST_PASSPHRASE_FILE).read_to_string(&mut text))
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let first = text.lines().next().unwrap_or_default();
        Ok(Some(Zeroizing::new(first.to_owned())))
    }
}
