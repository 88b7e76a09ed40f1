//! `sekisho backup DIR --to FILE`.

use std::{io::Write, path::Path};

use secrecy::ExposeSecret;
use sekisho_key::SystemRandomness;
use sekisho_output::{remark, say};
use time::OffsetDateTime;

use super::{Exit, Failure, InstanceFolder, Named, named, secret_file, until_told_to_end};
use crate::{
    backup::{Lock, Step, Taken, take},
    config::Config,
    instance::{CaToken, Folder, human_passphrase, in_token},
};

/// Copy an instance into one encrypted file, while it serves
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The copy is of one moment, is tried before it is called a backup (keys, database, audit trail), and
is encrypted before it leaves DIR. It holds every key but the root's, and but those that `sekisho signer`
or a token holds: give it to safe hands only.
With --recipient, this machine cannot read its own backups. With neither option a passphrase is
drawn and printed once.

PostgreSQL: needs pg_dump and pg_restore (Debian: postgresql-client).

Examples:
  age-keygen -o /media/safe/backup.key
      once, elsewhere: prints the recipient, age1… (Debian package age)
  sekisho backup /srv/sekisho --to /backup/2026-11-21.age --recipient age1…
  sekisho restore --check /backup/2026-11-21.age --identity-file /media/safe/backup.key
      would it restore?")]
pub(super) struct Backup {
    #[command(flatten)]
    instance: InstanceFolder,
    /// The file to make; it must not exist
    #[arg(long, value_name = "FILE")]
    to: Named<named::NewFile>,
    /// Encrypt to the holder of this key (age1…); may be given several times
    #[arg(long = "recipient", value_name = "KEY", conflicts_with = "passphrase_file")]
    recipients: Vec<String>,
    /// Encrypt under the passphrase in this file, at least 20 characters
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<Named<named::File>>,
    /// The manifest as JSON
    #[arg(long)]
    json: bool,
}

impl Backup {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let (lock, drawn) = self.lock()?;
        let taken = until_told_to_end(take(
            &self.instance.dir,
            &self.to,
            &lock,
            OffsetDateTime::now_utc(),
            tell,
        ))?;
        if let Err(failure) = self.tell_made(&taken, drawn.as_ref()) {
            // A file that exists says that the backup was made and can be opened.
            std::fs::remove_file(&self.to).map_err(|error| {
                format!("{failure}; cannot remove {}: {error}", self.to.display())
            })?;
            let removed = format!("{failure}; {} was removed", self.to.display());
            return Err(removed.into());
        }
        Ok(Exit::Done)
    }

    /// Tells of the file, and first of all its passphrase where that was drawn here.
    fn tell_made(
        &self,
        taken: &Taken,
        drawn: Option<&secrecy::SecretString>,
    ) -> Result<(), Failure> {
        if let Some(drawn) = drawn {
            writeln!(
                std::io::stderr(),
                "Its passphrase, which nothing remembers: {}\nWrite it down now.",
                drawn.expose_secret()
            )
            .map_err(|error| format!("cannot show the passphrase on standard error: {error}"))?;
        }
        let manifest = &taken.manifest;
        if self.json {
            say(&format!("{:#}\n", serde_json::to_value(manifest)?))?;
            return Ok(());
        }
        say(&format!(
            "{}: {} files of {}, {} octets encrypted\n",
            self.to.display(),
            manifest.files.len(),
            manifest.made_at,
            taken.octets
        ))?;
        say(&without_keys(&self.instance.dir)?)?;
        Ok(())
    }

    fn lock(&self) -> Result<(Lock, Option<secrecy::SecretString>), Failure> {
        if !self.recipients.is_empty() {
            let lock = Lock::recipients(self.recipients.iter().map(String::as_str))?;
            return Ok((lock, None));
        }
        if let Some(path) = &self.passphrase_file {
            return Ok((Lock::passphrase(secret_file(path)?)?, None));
        }
        let drawn = human_passphrase(&SystemRandomness)?;
        Ok((Lock::passphrase(drawn.clone())?, Some(drawn)))
    }
}

/// Where the keys are that a backup of this instance lacks; empty if it lacks none.
pub(super) fn without_keys(dir: &Path) -> Result<String, Failure> {
    let config = Config::read(dir)?;
    if let Some(socket) = config.signer_socket() {
        return Ok(format!(
            "It does not hold the authorities' keys: they are with `sekisho signer` behind {}. Its \
             folder changes only in a roll-over: keep a copy of it in a safe place, too.\n",
            socket.display()
        ));
    }
    let token = config.token().cloned().map(CaToken::new);
    let names = in_token(&Folder::new(dir), token.as_ref())?;
    Ok(token.filter(|_| !names.is_empty()).map_or_else(String::new, |token| {
        format!(
            "It does not hold the keys of {}: they are in the token `{}`, and only its own means copy \
             them to another one. What is restored serves with that token, or with a copy of it.\n",
            names.join(", "),
            token.label()
        )
    }))
}

/// Says on standard error what is being done.
pub(super) fn tell(step: Step) {
    let doing = match step {
        Step::Folder => "copying the folder and trying its keys",
        Step::Database => "copying the database and reading the copy",
        Step::Trail => "verifying the audit trail",
        Step::Archive => "encrypting",
        Step::Unpack => "decrypting and checking every file",
        Step::Fill => "filling the database",
    };
    remark(&format!("{doing} …"));
}
