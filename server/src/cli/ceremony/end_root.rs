//! `sekisho ceremony end-root DIR ID`.

use sekisho_output::say;
use time::OffsetDateTime;

use super::{super::language::LanguageChoice, Exit, Failure};
use crate::{
    ceremony,
    cli::{InstanceFolder, runtime},
    config::Config,
    instance,
};

/// End a root after its overlap with the next one: it is told to nobody any more
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Refused while anything depends on it: an authority under it issues, or certificates of one are in force
or on hold.

Example:
  sekisho ceremony end-root /srv/sekisho root")]
pub(super) struct EndRoot {
    #[command(flatten)]
    instance: InstanceFolder,
    /// The root: `root`, `root-2`, …
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    lang: LanguageChoice,
}

impl EndRoot {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let text = self.lang.text()?;
        let config = Config::read(&self.instance.dir)?;
        let now = OffsetDateTime::now_utc();
        let ended = runtime()?.block_on(async {
            let store = instance::open_database(&config).await?;
            let operator = instance::operator();
            let ended = ceremony::end_root(&store, &self.id, &operator, now).await;
            store.close().await;
            Ok::<_, Failure>(ended?)
        })?;
        let told = if ended { "ceremony-root-ended" } else { "ceremony-root-ended-before" };
        say(&format!("{}\n", text.t1(told, "id", &self.id)))?;
        Ok(Exit::Done)
    }
}
