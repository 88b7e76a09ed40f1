//! `sekisho ceremony next-root DIR OUT`.

use std::path::PathBuf;

use sekisho_output::say;
use time::OffsetDateTime;

use super::{
    super::language::LanguageChoice, Exit, Failure, key_place::KeyPlace, publication_base,
};
use crate::{
    ceremony,
    cli::{InstanceFolder, runtime},
    config::Config,
    instance::{self, Folder},
};

/// Write the plan of a new root: it and the present one certified by each other, new authorities, lists
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The keys of the new issuing authorities are made here, and stay; OUT is carried to the roots' computer.
Done again with another OUT, the keys are the same, as long as no certificate came back.

Example:
  sekisho ceremony next-root /srv/sekisho next --network \"Healthcare Network G2\"
      then: sekisho ceremony dry-run next/plan.toml")]
pub(super) struct NextRoot {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Folder for plan, requests and the present root's certificate
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// What distinguishes the new generation in the authorities' names; another than before
    #[arg(long, value_name = "NAME")]
    network: String,
    /// Make the new authorities' keys in the token that `[authority.token]` of sekisho.toml names
    #[arg(long)]
    in_token: bool,
    #[command(flatten)]
    lang: LanguageChoice,
}

impl NextRoot {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let text = self.lang.text()?;
        let config = Config::read(&self.instance.dir)?;
        let folder = Folder::new(config.folder());
        let place = KeyPlace::of(&folder, &config, self.in_token)?;
        let next = ceremony::NextRoot {
            folder: &folder,
            network: &self.network,
            publication_base: &publication_base(&config),
            place: place.requested(),
            out: &self.out,
            now: OffsetDateTime::now_utc(),
        };
        let planned = runtime()?.block_on(async {
            let store = instance::open_database(&config).await?;
            let planned = next.write(&mut store.read()).await;
            store.close().await;
            Ok::<_, Failure>(planned?)
        })?;
        let plan = planned.plan.display().to_string();
        let mut out = text.with("ceremony-root-planned", &[("id", planned.id), ("plan", plan)]);
        for (id, sha256) in planned.keys {
            out += &format!("\n  {id}  {}", hex::encode(sha256));
        }
        say(&(out + "\n"))?;
        Ok(Exit::Done)
    }
}
