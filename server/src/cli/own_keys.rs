//! What the commands for keys of the instance share: listing them, and following one with another.

use sekisho_key::SystemRandomness;
use sekisho_output::{list, show};
use sekisho_store::own_key::{self, OwnKey, Purpose};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Exit, Failure, InstanceFolder, runtime};
use crate::{
    config::Config,
    instance::{self, Folder},
    jose::Algorithm,
    own_keys::{Manner, Rotation},
};

/// Whose keys, and how the answer is written.
#[derive(Debug, clap::Args)]
pub(super) struct Common {
    #[command(flatten)]
    instance: InstanceFolder,
    /// JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl Common {
    /// The published keys, oldest first.
    pub(super) fn list(self, purpose: Purpose) -> Result<Exit, Failure> {
        runtime()?.block_on(async {
            let config = Config::read(&self.instance.dir)?;
            let store = instance::open_database(&config).await?;
            let now = OffsetDateTime::now_utc();
            for key in own_key::published(&mut store.read(), purpose, now).await? {
                if !list(&told(&key, self.json))? {
                    break;
                }
            }
            Ok(Exit::Done)
        })
    }

    /// Another key of the algorithm after the newest.
    pub(super) fn rotate(
        self,
        (purpose, algorithm): (Purpose, Algorithm),
        manner: Manner,
    ) -> Result<Exit, Failure> {
        runtime()?.block_on(async {
            let config = Config::read(&self.instance.dir)?;
            let sealing = instance::sealing_key(&Folder::new(config.folder()))?;
            let store = instance::open_database(&config).await?;
            let rotation = Rotation {
                purpose,
                store: &store,
                sealing: &sealing,
                random: &SystemRandomness,
                now: OffsetDateTime::now_utc(),
                config: &config,
                actor: instance::operator(),
            };
            let key = rotation.rotate(algorithm, manner).await?;
            show(&told(&key, self.json))?;
            Ok(Exit::Done)
        })
    }
}

/// How long the old key stays.
pub(super) fn manner(at_once: bool) -> Manner {
    if at_once { Manner::AtOnce } else { Manner::WithOverlap }
}

fn told(key: &OwnKey, json: bool) -> String {
    let end = key.succeeded;
    if json {
        let line = json!({
            "kid": key.kid,
            "alg": key.algorithm,
            "signs_from": key.signs_from.unix_timestamp(),
            "signs_until": end.map(|end| end.signs_until.unix_timestamp()),
            "leaves_at": end.map(|end| end.leaves_at.unix_timestamp()),
        });
        return format!("{line}\n");
    }
    let at = |at: OffsetDateTime| {
        let at = at.replace_nanosecond(0).ok().and_then(|at| at.format(&Rfc3339).ok());
        at.unwrap_or_default()
    };
    let (until, leaves) = match end {
        Some(end) => (at(end.signs_until), at(end.leaves_at)),
        None => ("-".to_owned(), "-".to_owned()),
    };
    format!("{}\t{}\t{}\t{until}\t{leaves}\n", key.kid, key.algorithm, at(key.signs_from))
}
