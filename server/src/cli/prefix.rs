//! `sekisho prefix assign` and `list`.

use sekisho_output::{list, say};
use sekisho_store::{
    Store, StoreError,
    audit::Audited,
    facility_prefix::{self, Assigned, Plan},
    organisation, transaction,
};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Exit, Failure, InstanceFolder, runtime};
use crate::{config::Config, instance, network::prefix};

/// Facilities at a time.
const PAGE: i64 = 500;

/// IPv6 prefixes of facilities, of the plan in `[network]`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho prefix assign /srv/sekisho
      a prefix to each facility that was activated and has none
  sekisho prefix list /srv/sekisho

A facility that is activated while there is a plan gets its prefix with that. It keeps it for ever, also when it closes.")]
pub(super) struct Prefix {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Assign(Assign),
    List(List),
}

/// Give prefixes to facilities that were activated and have none
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho prefix assign /srv/sekisho
  sekisho prefix assign /srv/sekisho --facility 123456789007

Exits with 1 where the plan has no more; those that got theirs before that keep them.")]
struct Assign {
    #[command(flatten)]
    instance: InstanceFolder,
    /// This facility alone, twelve digits
    #[arg(long, value_name = "ORGANISATION")]
    facility: Option<String>,
}

/// List the prefixes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho prefix list /srv/sekisho
      facility, prefix and since when, with tabs between
  sekisho prefix list /srv/sekisho --json | jq -r .prefix")]
struct List {
    #[command(flatten)]
    instance: InstanceFolder,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Prefix {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        runtime()?.block_on(async {
            match self.command {
                Command::Assign(assign) => assign.run().await,
                Command::List(list) => list.run().await,
            }
        })
    }
}

impl Assign {
    async fn run(self) -> Result<Exit, Failure> {
        let config = Config::read(&self.instance.dir)?;
        let store = instance::open_database(&config).await?;
        if let Some(facility) = &self.facility
            && !organisation::is_active(&mut store.read(), facility).await?
        {
            return Err(Failure::usage(format!("facility {facility} is not there or not active")));
        }
        let plan = config.network().plan().ok_or_else(|| {
            Failure::usage(
                "there is no plan: write the block into `network.ipv6_plan` of sekisho.toml first",
            )
        })?;
        let outcome = match &self.facility {
            Some(facility) => assign(&store, plan, facility).await,
            None => assign_all(&store, plan).await,
        };
        store.close().await;
        outcome.map(|()| Exit::Done)
    }
}

async fn assign_all(store: &Store, plan: &Plan) -> Result<(), Failure> {
    let mut after = String::new();
    loop {
        let found = facility_prefix::without(&mut store.read(), &after, PAGE).await?;
        let Some(last) = found.last() else { return Ok(()) };
        after.clone_from(last);
        for facility in &found {
            assign(store, plan, facility).await?;
        }
    }
}

async fn assign(store: &Store, plan: &Plan, facility: &str) -> Result<(), Failure> {
    let now = OffsetDateTime::now_utc();
    let had = facility_prefix::of_facility(&mut store.read(), facility).await?;
    let assigned = match had {
        Some(had) => Assigned::Had(had.prefix),
        None => transaction!(store, StoreError, |tx| {
            let by = ("host", instance::operator());
            let (assigned, entry) = prefix::assign(tx, facility, plan, by, now).await?;
            Ok(Audited::new(assigned, entry))
        })?,
    };
    match assigned {
        Assigned::New(prefix) | Assigned::Had(prefix) => Ok(say(&format!("{facility}\t{prefix}\n"))?),
        Assigned::Full => Err(format!(
            "facility {facility} got no prefix: {} has no more of length {}; widen `network.ipv6_plan`",
            plan.block, plan.facility_length
        )
        .into()),
    }
}

impl List {
    async fn run(self) -> Result<Exit, Failure> {
        let config = Config::read(&self.instance.dir)?;
        let store = instance::open_database(&config).await?;
        let mut after = String::new();
        'all: loop {
            let found = facility_prefix::list(&mut store.read(), &after, PAGE).await?;
            let Some(last) = found.last() else { break };
            after.clone_from(&last.organisation_id);
            for one in &found {
                let since = one.assigned_at.format(&Rfc3339)?;
                let line = if self.json {
                    json!({
                        "facility": one.organisation_id,
                        "prefix": one.prefix.to_string(),
                        "since": since,
                    })
                    .to_string()
                } else {
                    format!("{}\t{}\t{since}", one.organisation_id, one.prefix)
                };
                if !list(&format!("{line}\n"))? {
                    break 'all;
                }
            }
        }
        store.close().await;
        Ok(Exit::Done)
    }
}
