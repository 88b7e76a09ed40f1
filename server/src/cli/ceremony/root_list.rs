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

/// Write the plan of a root's next revocation list, with every certificate of its that was taken back
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  sekisho ceremony root-list /srv/sekisho list
      then: sekisho ceremony dry-run list/plan.toml
  sekisho ceremony root-list /srv/sekisho list-2 --of root-2
      after a roll-over of the root, while both are in force")]
pub(super) struct RootList {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Folder for the plan and the root's certificate, to be carried to the root's computer
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Whose list, where two roots are in force: `root`, `root-2`, …
    #[arg(long, value_name = "ID")]
    of: Option<String>,
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
            let (of, out) = (self.of.as_deref(), &self.out);
            let plan = plan_root_list(&mut store.read(), &folder, of, &base, out, now).await;
            store.close().await;
            Ok::<_, Failure>(plan?)
        })?;
        say(&format!("{}\n", text.t1("ceremony-list-planned", "plan", plan.display())))?;
        Ok(Exit::Done)
    }
}
