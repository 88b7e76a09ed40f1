//! `sekisho group make`, `admit`, `end` and `close`.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use sekisho_output::say;
use sekisho_store::{
    StoreError, transaction,
    vpn_group::{NewGroup, Purpose, Topology},
    vpn_membership::{self, Side},
};
use serde_json::json;
use time::OffsetDateTime;

use super::{named, open};
use crate::{
    cli::{Exit, Failure, InstanceFolder},
    form, instance,
    network::{
        groups::{self, Asking, By, LONGEST_NAME},
        models::certifying::{MOST_REASON, day_after},
    },
};

/// Make a group; prints its identifier
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho group make /srv/sekisho --owner 123456789007 --name 東地域連携 --purpose regional_cooperation \\
      --topology hub
      spokes reach the hubs alone; with --transit each other, too, through a hub
  sekisho group make /srv/sekisho --owner 123456789007 --name 本院と分院 --purpose same_corporation \\
      --topology mesh --json | jq -r .id")]
pub(super) struct Make {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Identifier of the facility or organisation whose it is, twelve digits
    #[arg(long, value_name = "ORGANISATION")]
    owner: String,
    /// Its name, unlike the owner's other groups; at most 60 characters
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,
    /// Its name in English
    #[arg(long, value_name = "NAME", value_parser = name)]
    name_en: Option<String>,
    /// What it is for
    #[arg(long, value_parser = purpose())]
    purpose: Purpose,
    /// Who reaches whom: everybody everybody, or the hubs everybody and the others the hubs alone
    #[arg(long, value_parser = topology())]
    topology: Topology,
    /// The others reach each other through a hub
    #[arg(long)]
    transit: bool,
    /// The answer as JSON
    #[arg(long)]
    json: bool,
}

fn name(text: &str) -> Result<String, String> {
    form::line(text, LONGEST_NAME).map_err(|error| error.to_string())
}

fn purpose() -> impl TypedValueParser<Value = Purpose> {
    PossibleValuesParser::new(Purpose::ALL.map(Purpose::as_str))
        .try_map(|word| Purpose::parse(&word).ok_or("it is no purpose of this program"))
}

fn topology() -> impl TypedValueParser<Value = Topology> {
    PossibleValuesParser::new(Topology::ALL.map(Topology::as_str))
        .try_map(|word| Topology::parse(&word).ok_or("it is no topology of this program"))
}

impl Make {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        if self.transit && self.topology == Topology::Mesh {
            return Err(Failure::usage(
                "--transit belongs to --topology hub: in a mesh all are peers",
            ));
        }
        let store = open(&self.instance).await?;
        let new = NewGroup {
            owner_id: &self.owner,
            name_ja: &self.name,
            name_en: self.name_en.as_deref().unwrap_or_default(),
            purpose: self.purpose,
            topology: self.topology,
            transit: self.transit,
            created_by: "host",
            at: OffsetDateTime::now_utc(),
        };
        let by = By::Host { operator: instance::operator(), reason: None };
        let made = transaction!(store, StoreError, |tx| groups::make(tx, &by, new).await)?;
        store.close().await;
        let group = made.map_err(|refusal| {
            Failure::usage(format!("no group was made for {}: {refusal}", self.owner))
        })?;
        if self.json {
            say(&format!("{}\n", json!({"id": group.id})))?;
        } else {
            say(&format!("{}\n", group.id))?;
        }
        Ok(Exit::Done)
    }
}

/// Make a facility a member for both sides, or have a further router of a member take part
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho group admit /srv/sekisho 019a… --facility 123456789023 --router T3W8K0M5XYZ --reason 'agreement of 20 November'
  sekisho group admit /srv/sekisho 019a… --facility 345678901200 --router T0A1B2C3D4E --hub --reason '…'
  sekisho group admit /srv/sekisho 019a… --facility 456789012307 --router T9Z8Y7X6W5V --until 2027-03-31 --reason '…'
      a maintainer's, until the end of that day in Japan")]
pub(super) struct Admit {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Identifier of the group, as `sekisho group list` shows it
    #[arg(value_name = "GROUP")]
    group: String,
    /// Identifier of the facility, twelve digits
    #[arg(long, value_name = "ORGANISATION")]
    facility: String,
    /// Identifier of its router that takes part
    #[arg(long, value_name = "ROUTER")]
    router: String,
    /// Its routers are hubs; of a group with hubs alone
    #[arg(long)]
    hub: bool,
    /// Last day of the membership
    #[arg(long, value_name = "DAY", value_parser = day_after)]
    until: Option<OffsetDateTime>,
    /// By what both agreed; it stands in the audit trail
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

fn reason(text: &str) -> Result<String, String> {
    form::line(text, MOST_REASON).map_err(|error| error.to_string())
}

/// The operating body, for both sides.
fn at_host(reason: &str) -> By<'_> {
    By::Host { operator: instance::operator(), reason: Some(reason) }
}

impl Admit {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let store = open(&self.instance).await?;
        let group = named(&mut store.read(), &self.group).await?;
        if self.hub && group.topology == Topology::Mesh {
            return Err(Failure::usage("--hub: this group is a mesh and has no hubs"));
        }
        let asking = Asking {
            group_id: &self.group,
            facility: &self.facility,
            is_hub: self.hub,
            router: Some(&self.router),
            ends_at: self.until,
        };
        let (by, now) = (at_host(&self.reason), OffsetDateTime::now_utc());
        let admitted =
            transaction!(store, StoreError, |tx| groups::admit(tx, &by, asking, now).await)?;
        store.close().await;
        admitted.map_err(|refusal| {
            Failure::usage(format!("{} was not admitted: {refusal}", self.router))
        })?;
        say(&format!(
            "{} takes part in {}. The texts of its peers are older than the group now: `sekisho group show`.\n",
            self.router, group.name_ja
        ))?;
        Ok(Exit::Done)
    }
}

/// End a facility's membership, or what waits for an answer, at once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho group end /srv/sekisho 019a… --facility 123456789023 --reason 'letter of 20 November'
      its routers have no peers by this group any more; keys with them are ended")]
pub(super) struct End {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Identifier of the group
    #[arg(value_name = "GROUP")]
    group: String,
    /// Identifier of the facility, twelve digits
    #[arg(long, value_name = "ORGANISATION")]
    facility: String,
    /// Why; it stands in the audit trail
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

impl End {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let store = open(&self.instance).await?;
        let group = named(&mut store.read(), &self.group).await?;
        let members = vpn_membership::of_group(&mut store.read(), &group.id, i64::MAX).await?;
        let member = members.into_iter().find(|one| one.organisation_id == self.facility);
        let member = member.ok_or_else(|| {
            Failure::usage(format!("{} is no member of {}", self.facility, group.name_ja))
        })?;
        let (by, now) = (at_host(&self.reason), OffsetDateTime::now_utc());
        let ended = transaction!(store, StoreError, |tx| {
            groups::end(tx, &by, &member, Side::Both, now).await
        })?;
        store.close().await;
        ended.map_err(|refusal| Failure::usage(format!("nothing was ended: {refusal}")))?;
        say(&format!("{} is no member of {} any more.\n", self.facility, group.name_ja))?;
        Ok(Exit::Done)
    }
}

/// Close a group for good: all its memberships end
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho group close /srv/sekisho 019a… --reason 'asked for by its owner, 20 November'")]
pub(super) struct Close {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Identifier of the group
    #[arg(value_name = "GROUP")]
    group: String,
    /// Why; it stands in the audit trail
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

impl Close {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let store = open(&self.instance).await?;
        let group = named(&mut store.read(), &self.group).await?;
        let (by, now) = (at_host(&self.reason), OffsetDateTime::now_utc());
        let closed =
            transaction!(store, StoreError, |tx| groups::close(tx, &by, &group.id, now).await)?;
        store.close().await;
        closed.map_err(|refusal| Failure::usage(format!("nothing was closed: {refusal}")))?;
        say(&format!("{} is closed.\n", group.name_ja))?;
        Ok(Exit::Done)
    }
}
