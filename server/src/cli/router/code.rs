//! `sekisho router code DIR ID`.

use sekisho_key::SystemRandomness;
use sekisho_output::show;
use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    router,
    terminal::{self, Device},
    transaction,
};
use time::OffsetDateTime;

use super::{AT_THE_HOST, OneRouter, open, told};
use crate::{
    cli::{Exit, Failure, NotInForce, exit::Cause},
    enrol::new_code::{self, NewCode},
    instance::{self, Folder},
};

/// In the audit trail, as of any terminal's code.
const ACT: &str = "terminal.issue_code";

/// Another code for a router; earlier unused ones end
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho router code /srv/sekisho T3W8K0M5XYZ
  sekisho router code /srv/sekisho T3W8K0M5XYZ --json | jq -r .code

Enrolling by it takes the router's earlier certificates back.")]
pub(super) struct Code {
    #[command(flatten)]
    router: OneRouter,
    /// Certify nothing before an administrator of the facility has approved its key at the console
    #[arg(long)]
    approve_first: bool,
    /// The answer as JSON, with the code
    #[arg(long)]
    json: bool,
}

impl Code {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let (config, store) = open(&self.router.instance).await?;
        let sealing = instance::sealing_key(&Folder::new(config.folder()))?;
        let now = OffsetDateTime::now_utc();
        let code = NewCode::draw(&SystemRandomness, &sealing, &config, now)?.for_device(
            &config,
            Device::Router,
            self.approve_first,
        );
        let id = self.router.id.as_str();
        let nobody = || Failure::usage(format!("there is no router {id} in the register"));
        let mut reader = store.read();
        let router = router::find(&mut reader, id).await?.ok_or_else(nobody)?;
        let terminal = terminal::find(&mut reader, id).await?.ok_or_else(nobody)?;
        let (_, refusal) = new_code::standing(&mut reader, &terminal).await?;
        if let Some(refusal) = refusal {
            return Err(Failure::usage(format!("router {id} gets no code: {refusal}")));
        }
        drop(reader);
        show(&told(id, &router.dns_name, &code, self.json)?)?;
        let kept = transaction!(store, StoreError, |tx| {
            let about = |entry: Entry| {
                entry
                    .at_organisation(&terminal.organisation_id)
                    .on("terminal", id)
                    .fact("terminal_name", terminal.name.as_str())
            };
            let (_, refusal) = new_code::standing(tx, &terminal).await?;
            if let Some(refusal) = refusal {
                let refused = Entry::refused(ACT, instance::operator(), now, refusal.as_str());
                return Ok(Audited::new(Some(refusal), about(refused)));
            }
            code.keep(tx, id, AT_THE_HOST).await?;
            Ok(Audited::new(None, about(Entry::done(ACT, instance::operator(), now))))
        });
        store.close().await;
        match kept.map_err(Cause::from).map(|refusal| refusal.map(Cause::from)) {
            Ok(None) => Ok(Exit::Done),
            Ok(Some(error)) | Err(error) => Err(NotInForce { what: "the code", error }.into()),
        }
    }
}
