//! `sekisho whois DIR ADDRESS`.

use std::net::IpAddr;

use sekisho_output::say;
use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    transaction,
};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Exit, Failure, InstanceFolder, runtime};
use crate::{
    config::Config,
    instance,
    network::whois::{self, ACT, Asked, Facility, Found, MINUTES, MOST_MINUTES},
};

/// Whose an address is: facility, router, and the terminals that were seen with it around a time
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho whois /srv/sekisho fd12:3456:0:100::25
  sekisho whois /srv/sekisho 192.0.2.1 --at 2026-11-23T21:30:00+09:00 --minutes 10
      what is known comes a line each, with tabs between: `prefix`, the prefix, facility and its name;
      `router`, by what (address, network), its identifier, network, facility and its name;
      `terminal`, its identifier, first and last act, how many, facility and its name
  sekisho whois /srv/sekisho 192.0.2.1 --json | jq .terminals

Each look-up is a record of the audit trail itself. Terminals are those that proved themselves by their certificate in
acts on record; traffic that went past this service leaves none. Nothing known is no failure.")]
pub(super) struct Whois {
    #[command(flatten)]
    instance: InstanceFolder,
    /// IPv4 or IPv6 address
    #[arg(value_name = "ADDRESS", value_parser = address)]
    address: IpAddr,
    /// The time in question (RFC 3339); now unless it is given
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<OffsetDateTime>,
    /// Minutes before and after it in which terminals are looked for
    #[arg(long, default_value_t = MINUTES, value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_MINUTES)))]
    minutes: u16,
    /// The answer as JSON
    #[arg(long)]
    json: bool,
}

fn address(typed: &str) -> Result<IpAddr, &'static str> {
    whois::address(typed).ok_or("it is no IPv4 or IPv6 address, such as 192.0.2.1 or 2001:db8::1")
}

fn time(typed: &str) -> Result<OffsetDateTime, &'static str> {
    OffsetDateTime::parse(typed, &Rfc3339)
        .map_err(|_| "it is no time such as 2026-11-23T21:30:00+09:00")
}

impl Whois {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        runtime()?.block_on(async {
            let config = Config::read(&self.instance.dir)?;
            let store = instance::open_database(&config).await?;
            let now = OffsetDateTime::now_utc();
            let at = self.at.unwrap_or(now);
            let asked = Asked { address: self.address, at, minutes: self.minutes };
            let found = asked.look_up(&mut store.read()).await?;
            let entry = Entry::done(ACT, instance::operator(), now);
            let entry = asked.recorded(entry, &found);
            // Nothing is told before the trail has it.
            transaction!(store, StoreError, |tx| Ok(Audited::new((), entry.clone())))?;
            store.close().await;
            say(&if self.json { as_json(&asked, &found)? } else { as_lines(&found)? })?;
            Ok(Exit::Done)
        })
    }
}

fn as_lines(found: &Found) -> Result<String, Failure> {
    let mut text = String::new();
    let mut line = |parts: &[&str]| {
        text.push_str(&parts.join("\t"));
        text.push('\n');
    };
    if let Some((prefix, whose)) = &found.prefix {
        line(&["prefix", &prefix.to_string(), &whose.id, &whose.name]);
    }
    for (by, router, whose) in &found.routers {
        let network = router.network.to_string();
        line(&["router", by.as_str(), &router.terminal_id, &network, &whose.id, &whose.name]);
    }
    for seen in &found.terminals {
        let (first, last) = (seen.first.format(&Rfc3339)?, seen.last.format(&Rfc3339)?);
        let (acts, whose) = (seen.acts.to_string(), &seen.facility);
        line(&["terminal", &seen.terminal_id, &first, &last, &acts, &whose.id, &whose.name]);
    }
    if found.cut {
        line(&["# there are more records than were looked through; ask for fewer minutes"]);
    }
    Ok(text)
}

fn as_json(asked: &Asked, found: &Found) -> Result<String, Failure> {
    let facility = |whose: &Facility| json!({"id": whose.id, "name": whose.name});
    let prefix = found
        .prefix
        .as_ref()
        .map(|(prefix, whose)| json!({"prefix": prefix.to_string(), "facility": facility(whose)}));
    let routers: Vec<_> = found
        .routers
        .iter()
        .map(|(by, router, whose)| {
            json!({
                "by": by.as_str(),
                "id": router.terminal_id,
                "name": router.name,
                "network": router.network.to_string(),
                "facility": facility(whose),
            })
        })
        .collect();
    let mut terminals = Vec::new();
    for seen in &found.terminals {
        terminals.push(json!({
            "id": seen.terminal_id,
            "name": seen.name,
            "facility": facility(&seen.facility),
            "first": seen.first.format(&Rfc3339)?,
            "last": seen.last.format(&Rfc3339)?,
            "acts": seen.acts,
        }));
    }
    let answer = json!({
        "address": asked.address.to_string(),
        "at": asked.at.format(&Rfc3339)?,
        "minutes": asked.minutes,
        "prefix": prefix,
        "routers": routers,
        "terminals": terminals,
        "acts_without_terminal": found.others,
        "cut": found.cut,
    });
    Ok(format!("{answer}\n"))
}
