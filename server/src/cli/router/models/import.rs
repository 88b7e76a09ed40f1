//! `sekisho router models import DIR`.

use std::{io::Read, path::Path};

use sekisho_output::say;
use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    transaction,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::super::{AT_THE_HOST, open};
use crate::{
    cli::{Exit, Failure, InstanceFolder, Named, named},
    instance,
    network::models::{FileError, MOST_OCTETS, SHIPPED, file, keeping},
};

/// Take models and results out of a file; all of it or nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho router models import /srv/sekisho --shipped
  sekisho router models import /srv/sekisho bench.toml
      the same file again changes nothing

docs/routers.md documents the file.")]
pub(super) struct Import {
    #[command(flatten)]
    instance: InstanceFolder,
    /// File of tests (TOML)
    #[arg(value_name = "FILE", required_unless_present = "shipped")]
    file: Option<Named<named::File>>,
    /// The last result of `./run matrix`, which this program has with it
    #[arg(long, conflicts_with = "file")]
    shipped: bool,
}

impl Import {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let now = OffsetDateTime::now_utc();
        let (name, octets) = match &self.file {
            Some(file) => (file.display().to_string(), read(file)?),
            None => ("the shipped file".to_owned(), SHIPPED.as_bytes().to_vec()),
        };
        let refused = |error: FileError| Failure::does_not_hold(format!("{name}: {error}"));
        let file = file::read(&octets, now).map_err(refused)?;
        let (_, store) = open(&self.instance).await?;
        let digest = hex::encode(Sha256::digest(&octets));
        let kept = transaction!(store, StoreError, |tx| {
            let about = |entry: Entry| entry.fact("file_sha256", digest.as_str());
            let operator = instance::operator();
            let kept = keeping::keep(tx, &file, AT_THE_HOST, now).await?;
            let entry = match &kept {
                Ok(imported) => imported.recorded(Entry::done(keeping::ACT, operator, now)),
                Err(error) => {
                    let entry = Entry::refused(keeping::ACT, operator, now, error.wrong.as_str());
                    entry.fact("line", i64::try_from(error.line).unwrap_or(i64::MAX))
                }
            };
            Ok(Audited::new(kept, about(entry)))
        });
        store.close().await;
        let imported = kept?.map_err(refused)?;
        let (models, results) = (imported.models, imported.results);
        say(&format!(
            "models   {} entered, {} changed, {} known\nresults  {} entered, {} known\n",
            models.entered, models.changed, models.same, results.entered, results.same
        ))?;
        Ok(Exit::Done)
    }
}

/// The file, and one octet more than is taken where it has more.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let file = std::fs::File::open(path)
        .map_err(|error| format!("cannot open {}: {error}", path.display()))?;
    let mut octets = Vec::new();
    file.take(MOST_OCTETS as u64 + 1)
        .read_to_end(&mut octets)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(octets)
}
