//! `sekisho ceremony install RESULT DIR`.

use sekisho_key::SystemRandomness;
use sekisho_output::say;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::{super::language::LanguageChoice, Exit, Failure, Named, hash, named, publication_base};
use crate::{
    ceremony::{Installation, VerifiedResult},
    cli::{InstanceFolder, runtime},
    config::Config,
    instance::{self, CaKeys, Folder},
};

/// Take the results of a ceremony into an instance: a new root, new authorities, roots' lists
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Everything is judged as if a stranger had brought it: hash, transcript, path to a root of this instance,
profile, and that this instance has the key. Done twice it changes nothing.

Example:
  sekisho ceremony install result /srv/sekisho --hash HASH")]
pub(super) struct Install {
    /// The folder that `sekisho ceremony run` wrote
    #[arg(value_name = "RESULT")]
    result: Named<named::Folder>,
    #[command(flatten)]
    instance: InstanceFolder,
    /// The hash that people compared
    #[arg(long, value_name = "HASH", value_parser = hash)]
    hash: [u8; 32],
    /// From when new authorities issue, and terminals are told a new root (RFC 3339); without it in 24 hours. Until then each serving
    /// process has to be started again
    #[arg(long, value_name = "TIME", value_parser = rfc3339)]
    activate: Option<OffsetDateTime>,
    #[command(flatten)]
    lang: LanguageChoice,
}

/// Time for starting every process of an instance again, one after the other.
const NOTICE: Duration = Duration::hours(24);

impl Install {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let text = self.lang.text()?;
        let result = VerifiedResult::read(&self.result, Some(&self.hash))?;
        let config = Config::read(&self.instance.dir)?;
        let folder = Folder::new(config.folder());
        let ca_keys = CaKeys::of(&folder, &config)?;
        let now = OffsetDateTime::now_utc();
        let now = now.replace_nanosecond(0).unwrap_or(now);
        let active_from = self.activate.unwrap_or(now + NOTICE);
        let installation = Installation {
            result: &result,
            folder: &folder,
            publication_base: &publication_base(&config),
            active_from,
            operator: &instance::operator(),
            now,
        };
        let installed = runtime()?.block_on(async {
            let store = instance::open_database(&config).await?;
            let installed = installation.carry_out(&store, &ca_keys, &SystemRandomness).await;
            store.close().await;
            Ok::<_, Failure>(installed?)
        })?;
        let mut out = String::new();
        let new = [
            ("ceremony-installed-root", &installed.roots),
            ("ceremony-installed-authority", &installed.authorities),
        ];
        for (message, ids) in new {
            for id in ids {
                let arguments = [("id", id.clone()), ("from", active_from.format(&Rfc3339)?)];
                out += &text.with(message, &arguments);
                out.push('\n');
            }
        }
        for (issuer, number) in &installed.lists {
            let arguments = [("issuer", issuer.clone()), ("number", number.to_string())];
            out += &text.with("ceremony-installed-list", &arguments);
            out.push('\n');
        }
        if out.is_empty() {
            out = text.t("ceremony-installed-before") + "\n";
        }
        say(&out)?;
        Ok(Exit::Done)
    }
}

fn rfc3339(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "write it like 2026-11-20T18:00:00+09:00".to_owned())
}
