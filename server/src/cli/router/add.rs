//! `sekisho router add DIR`.

use std::net::IpAddr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use ipnet::IpNet;
use sekisho_key::SystemRandomness;
use sekisho_output::show;
use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    transaction,
};
use time::OffsetDateTime;

use super::{AT_THE_HOST, open, told};
use crate::{
    cli::{Exit, Failure, InstanceFolder, NotInForce, exit::Cause},
    form,
    instance::{self, Folder},
    network::{
        entry::{LONGEST_NAME, NewRouter, Order},
        family::{self, Family},
        typed,
    },
};

/// Enter a router; prints its name and its code once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho router add /srv/sekisho --facility 123456789007 --name 'Main building' \\
      --family router_strongswan --address 192.0.2.1 --network 10.20.30.0/24
  sekisho router add /srv/sekisho --facility 123456789007 --name 'Annex' --family router \\
      --network 2001:db8:1::/48 --json | jq -r .code

The register gives the name by which its peers know it. The address stands in the certificate with
--certify-address only: whoever gives that says that the address is the facility's.")]
pub(super) struct Add {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Identifier of the facility, twelve digits
    #[arg(long, value_name = "ORGANISATION")]
    facility: String,
    /// What people call it, unlike the facility's other terminals; at most 40 characters
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,
    /// For which family its certificate is written
    #[arg(long, value_parser = family())]
    family: &'static Family,
    /// Where its peers reach it, if that is fixed
    #[arg(long, value_name = "ADDRESS", value_parser = typed::address)]
    address: Option<IpAddr>,
    /// Write the address into the certificate, too
    #[arg(long, requires = "address")]
    certify_address: bool,
    /// What lies behind it
    #[arg(long, value_name = "ADDRESS/LENGTH", value_parser = typed::network)]
    network: IpNet,
    /// Certify nothing before an administrator of the facility has approved its key at the console
    #[arg(long)]
    approve_first: bool,
    /// The answer as JSON, with the code
    #[arg(long)]
    json: bool,
}

fn family() -> impl TypedValueParser<Value = &'static Family> {
    PossibleValuesParser::new(family::all().iter().map(|family| family.profile)).try_map(|name| {
        family::find(&name).ok_or_else(|| "it is no family of this program".to_owned())
    })
}

fn name(text: &str) -> Result<String, String> {
    form::line(text, LONGEST_NAME).map_err(|error| error.to_string())
}

impl Add {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let (config, store) = open(&self.instance).await?;
        let sealing = instance::sealing_key(&Folder::new(config.folder()))?;
        let now = OffsetDateTime::now_utc();
        let order = Order {
            organisation_id: self.facility.clone(),
            name: self.name,
            family: self.family,
            address: self.address,
            certifies_address: self.certify_address,
            network: self.network,
            approval: self.approve_first,
        };
        let router = NewRouter::draw(&SystemRandomness, &sealing, &config, order, now)?;
        let id = router.router().terminal_id.as_str();
        if let Some(refusal) = router.refusal(&mut store.read()).await? {
            return Err(Failure::usage(format!("the router was not entered: {refusal}")));
        }
        show(&told(id, &router.router().dns_name, router.code(), self.json)?)?;
        let kept = transaction!(store, StoreError, |tx| {
            let about = |entry: Entry| {
                entry
                    .at_organisation(&self.facility)
                    .on("terminal", id)
                    .fact("terminal_name", router.name())
                    .fact("family", router.router().family.as_str())
            };
            let done = |act| about(Entry::done(act, instance::operator(), now));
            if let Some(refusal) = router.keep(tx, AT_THE_HOST, now).await? {
                let operator = instance::operator();
                let refused = Entry::refused("router.create", operator, now, refusal.as_str());
                return Ok(Audited::new(Some(refusal), about(refused)));
            }
            Ok(Audited::new(None, done("router.create")).and(done("terminal.issue_code")))
        });
        store.close().await;
        match kept.map_err(Cause::from).map(|refusal| refusal.map(Cause::from)) {
            Ok(None) => Ok(Exit::Done),
            Ok(Some(error)) | Err(error) => {
                Err(NotInForce { what: "the router's code", error }.into())
            }
        }
    }
}
