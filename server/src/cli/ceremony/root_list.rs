//! `sekisho ceremony root-list DIR OUT`.

use std::path::PathBuf;

use sekisho_output::say;
use time::OffsetDateTime;

use super::{super::language::LanguageChoice, Exit, Failure, publication_base};
use crate::{
    ceremony::plan_root_list,
    cli::{InstanceFolder, runtime},
    config::Config,
    instance::{self, Folder},
};

/// Write the plan of the root's next revocation list, with every certificate of its that was taken back
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  sekisho ceremony root-list /srv/sekisho list
      then: sekisho ceremony dry-run list/plan.toml")]
pub(super) struct RootList {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Folder for the plan and the root's certificate, to be carried to the root's computer
    #[arg(value_name = "OUT")]
    out: PathBuf,
    #[command(flatten)]
    lang: LanguageChoice,
}

impl RootList {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let text = self.lang.text()?;
        let config = Config::read(&self.instance.dir)?;
        let folder = Folder::new(config.folder());
        let base = publication_base(&config);
        let now = OffsetDateTime::now_utc();
        let plan = runtime()?.block_on(async {
            let store = instance::open_database(&config).await?;
            let plan = plan_root_list(&mut store.read(), &folder, &base, &self.out, now).await;
            store.close().await;
            Ok::<_, Failure>(plan?)
        })?;
        say(&format!("{}\n", text.t1("ceremony-list-planned", "plan", plan.display())))?;
        Ok(Exit::Done)
    }
}
