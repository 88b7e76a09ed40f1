//! `sekisho group list` and `show`.

use sekisho_output::list;
use sekisho_store::{
    organisation,
    router_text::{self, RouterText},
    vpn_group::{self, VpnGroup},
    vpn_membership::{self, VpnMembership},
    vpn_neighbourhood,
    vpn_peers::VpnPeer,
    vpn_place::{self, Scope, VpnEntry},
};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{named, open};
use crate::cli::{Exit, Failure, InstanceFolder};

/// Groups at a time.
const PAGE: i64 = 500;

/// List the groups that are not closed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho group list /srv/sekisho
      identifier, owner, purpose, topology (mesh, hub, hub+transit) and name, with tabs between
  sekisho group list /srv/sekisho --facility 123456789007 --json | jq -r .id
      those that it owns, is a member of or is to answer")]
pub(super) struct List {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Identifier of a facility, twelve digits: its groups alone
    #[arg(long, value_name = "ORGANISATION")]
    facility: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let store = open(&self.instance).await?;
        let mut reader = store.read();
        if let Some(facility) = &self.facility {
            if organisation::find(&mut reader, facility).await?.is_none() {
                return Err(Failure::usage(format!("there is no facility {facility}")));
            }
            let mut all = vpn_group::of_owner(&mut reader, facility, i64::MAX).await?;
            let member = vpn_group::of_member(&mut reader, facility, i64::MAX).await?;
            all.extend(member.into_iter().filter(|group| group.owner_id != *facility));
            drop(reader);
            store.close().await;
            for group in all {
                if !list(&self.line(&group))? {
                    break;
                }
            }
            return Ok(Exit::Done);
        }
        let mut after = String::new();
        'all: loop {
            let page = vpn_group::list(&mut reader, &after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.id);
            for group in &page {
                if !list(&self.line(group))? {
                    break 'all;
                }
            }
        }
        drop(reader);
        store.close().await;
        Ok(Exit::Done)
    }

    fn line(&self, group: &VpnGroup) -> String {
        let topology = group.topology.as_str();
        if self.json {
            let line = json!({
                "id": group.id,
                "owner": group.owner_id,
                "name": group.name_ja,
                "name_en": group.name_en,
                "purpose": group.purpose.as_str(),
                "topology": topology,
                "transit": group.transit,
                "created_at": group.created_at.unix_timestamp(),
            });
            return format!("{line}\n");
        }
        let transit = if group.transit { "+transit" } else { "" };
        format!(
            "{}\t{}\t{}\t{topology}{transit}\t{}\n",
            group.id,
            group.owner_id,
            group.purpose.as_str(),
            group.name_ja
        )
    }
}

/// Show a group's members, with each router that takes part
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho group show /srv/sekisho 019a…
      facility, how it stands (member, invited, asks, over), hub or -, last moment or -, router or -,
      and whether the texts that were taken last have its peers of now (current, older, unknown), with tabs between
  sekisho group show /srv/sekisho 019a… --json | jq -r 'select(.texts == \"older\").router'")]
pub(super) struct Show {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Identifier of the group
    #[arg(value_name = "GROUP")]
    group: String,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let store = open(&self.instance).await?;
        let now = OffsetDateTime::now_utc();
        let mut reader = store.read();
        let group = named(&mut reader, &self.group).await?;
        let entries = vpn_place::of_group(&mut reader, &group.id).await?;
        let of_group = Scope::Group(&group.id);
        let neighbourhood = vpn_neighbourhood::of(&mut reader, of_group, now).await?;
        let latest = router_text::latest_of(&mut reader, of_group).await?;
        let mut lines = Vec::new();
        for member in vpn_membership::of_group(&mut reader, &group.id, i64::MAX).await? {
            let of: Vec<_> =
                entries.iter().filter(|entry| entry.membership_id == member.id).collect();
            if of.is_empty() {
                lines.push(self.line(&member, None, now)?);
            }
            for entry in of {
                let id = &entry.router.terminal_id;
                let texts = texts(latest.get(id), &neighbourhood.peers(id));
                lines.push(self.line(&member, Some((entry, texts)), now)?);
            }
        }
        drop(reader);
        store.close().await;
        for line in lines {
            if !list(&line)? {
                break;
            }
        }
        Ok(Exit::Done)
    }

    fn line(
        &self,
        member: &VpnMembership,
        router: Option<(&VpnEntry, &'static str)>,
        now: OffsetDateTime,
    ) -> Result<String, Failure> {
        let state = match (member.agreed_at, member.side) {
            (Some(_), _) if member.counts(now) => "member",
            (Some(_), _) => "over",
            (None, vpn_membership::Side::Owner) => "invited",
            (None, _) => "asks",
        };
        let ends_at = member.ends_at.map(|at| at.format(&Rfc3339)).transpose()?;
        let id = router.map(|(entry, _)| entry.router.terminal_id.as_str());
        let texts = router.map(|(_, texts)| texts);
        if self.json {
            let line = json!({
                "facility": member.organisation_id,
                "state": state,
                "hub": member.is_hub,
                "ends_at": ends_at,
                "router": id,
                "revoked": router.map(|(entry, _)| entry.revoked),
                "texts": texts,
            });
            return Ok(format!("{line}\n"));
        }
        Ok(format!(
            "{}\t{state}\t{}\t{}\t{}\t{}\n",
            member.organisation_id,
            if member.is_hub { "hub" } else { "-" },
            ends_at.as_deref().unwrap_or("-"),
            id.unwrap_or("-"),
            texts.unwrap_or("-"),
        ))
    }
}

/// Whether the texts that were taken last have these peers.
fn texts(latest: Option<&RouterText>, peers: &[VpnPeer]) -> &'static str {
    match latest {
        None => "unknown",
        Some(latest) if latest.has(peers) => "current",
        Some(_) => "older",
    }
}
