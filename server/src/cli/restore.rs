//! `sekisho restore FILE DIR`.

use std::path::PathBuf;

use sekisho_output::say;
use time::OffsetDateTime;

use super::{
    Exit, Failure, Named,
    backup::{tell, without_keys},
    named, secret_file, until_told_to_end,
};
use crate::backup::{BackupError, Key, Published, check, restore};

/// Make an instance of a backup, or try whether one could be made
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Stop the old instance for ever first: two that sign lists under one name contradict each other.
Everything is made beside DIR and takes its name at the end; PostgreSQL wants an empty database.

Give --published a folder with the CRLs that were published last (from the publication point or any
cache). Their numbers are not used again, and what they revoke stays revoked although the backup is
older. Certificates issued after the backup are unknown to the new instance: their devices are
refused and enrol anew; renew the service's own with the next start.

Examples:
  sekisho restore /backup/2026-11-21.age /srv/sekisho --identity-file /media/safe/backup.key \\
      --published /tmp/last-crls
  sekisho restore --check /backup/2026-11-21.age --passphrase-file /media/safe/passphrase

Exits with 3 if the backup is damaged or does not hold, which a wrong passphrase cannot be told from,
and with 1 if it could not be tried: another key, no room.")]
pub(super) struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    file: Named<named::File>,
    /// Folder to make; it must not exist or be empty
    #[arg(value_name = "DIR", required_unless_present = "check")]
    dir: Option<PathBuf>,
    /// The secret key that the backup is encrypted to, as age-keygen writes it
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "passphrase_file",
        required_unless_present = "passphrase_file"
    )]
    identity_file: Option<Named<named::File>>,
    /// The passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<Named<named::File>>,
    /// Another database than the backup's configuration names; of the same kind, empty
    #[arg(long, value_name = "ADDRESS", env = "SEKISHO_RESTORE_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// Folder of CRLs that were published after the backup was made
    #[arg(long, value_name = "FOLDER")]
    published: Option<Named<named::Folder>>,
    /// Only try: decrypt, check every file, key and the audit trail; keep nothing
    #[arg(long, conflicts_with_all = ["dir", "database", "published"])]
    check: bool,
    /// The outcome as JSON
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let key = match (&self.identity_file, &self.passphrase_file) {
            (Some(path), _) => Key::identities(path)?,
            (None, Some(path)) => Key::Passphrase(secret_file(path)?),
            (None, None) => return Err("give --identity-file or --passphrase-file".into()),
        };
        let Some(dir) = &self.dir else {
            let checked = async { Ok::<_, Failure>(check(&self.file, key, tell).await) };
            let manifest = match until_told_to_end(checked)? {
                Ok(manifest) => manifest,
                Err(fault) if fault.is_of_the_backup() => {
                    return Err(Failure::does_not_hold(fault));
                }
                Err(error) => return Err(error.into()),
            };
            say(&if self.json {
                format!("{:#}\n", serde_json::to_value(&manifest)?)
            } else {
                format!("A sound backup of {} ({}).\n", manifest.made_at, manifest.root_sha256)
            })?;
            return Ok(Exit::Done);
        };
        let restored = restore(
            &self.file,
            key,
            dir,
            self.database.clone(),
            self.published.as_deref(),
            OffsetDateTime::now_utc(),
            tell,
        );
        let restored = match until_told_to_end(async { Ok::<_, Failure>(restored.await) })? {
            Ok(restored) => restored,
            // What else fails here may be of the database or the lists that the command line names.
            Err(fault @ BackupError::Archive(_)) if fault.is_of_the_backup() => {
                return Err(Failure::does_not_hold(fault));
            }
            Err(error) => return Err(error.into()),
        };
        let (manifest, published) = (&restored.manifest, &restored.published);
        if self.json {
            let told = serde_json::json!({
                "manifest": manifest,
                "numbers": published.numbers,
                "revoked": published.revoked,
                "unknown": published.unknown,
            });
            say(&format!("{told:#}\n"))?;
        } else {
            say(&in_words(dir, &manifest.made_at, published))?;
            say(&without_keys(dir)?)?;
        }
        Ok(Exit::Done)
    }
}

fn in_words(dir: &std::path::Path, made_at: &str, published: &Published) -> String {
    let mut text = format!("{} is as it was at {made_at}.\n", dir.display());
    for (issuer, number) in &published.numbers {
        text.push_str(&format!("CRLs of {issuer} go on after number {number}.\n"));
    }
    for (issuer, serial) in &published.revoked {
        text.push_str(&format!("Taken back again: {issuer} {serial}\n"));
    }
    for (issuer, serial) in &published.unknown {
        text.push_str(&format!(
            "Revoked, but issued after the backup, so not on the next list: {issuer} {serial}\n"
        ));
    }
    text.push_str(&format!("Start it with: sekisho serve {}\n", dir.display()));
    text
}
