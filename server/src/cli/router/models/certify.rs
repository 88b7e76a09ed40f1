//! `sekisho router models certify` and `withdraw`.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use sekisho_output::say;
use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    router_test::Proof,
    transaction,
};
use time::OffsetDateTime;

use super::{
    super::{AT_THE_HOST, open},
    named,
};
use crate::{
    cli::{Exit, Failure, InstanceFolder},
    form, instance,
    network::models::certifying::{Asked, MOST_REASON, day_after, first_of_day},
};

/// Certify a model for a proof by which a test of it succeeded
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho router models certify /srv/sekisho 019a… --proof p256 --until 2028-03-31 --reason 'bench of 20 November'
  sekisho router models certify /srv/sekisho 019a… --proof psk --from 2027-04-01 --until 2028-03-31 --reason '…'

Days are those of Japan. A new decision takes the place of the one before, which stays on record.")]
pub(super) struct Certify {
    #[command(flatten)]
    decided: Decided,
    /// First day of it; today unless it is given
    #[arg(long, value_name = "DAY", value_parser = first_of_day)]
    from: Option<OffsetDateTime>,
    /// Last day of it
    #[arg(long, value_name = "DAY", value_parser = day_after)]
    until: OffsetDateTime,
}

/// Take a certification back; the model stays listed, with the reason
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho router models withdraw /srv/sekisho 019a… --proof p256 --reason 'fails after firmware 5.9.9'")]
pub(super) struct Withdraw {
    #[command(flatten)]
    decided: Decided,
}

#[derive(Debug, clap::Args)]
struct Decided {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Identifier of the model, as `sekisho router models list` shows it
    #[arg(value_name = "MODEL")]
    id: String,
    /// By what its routers prove themselves
    #[arg(long, value_parser = proof())]
    proof: Proof,
    /// Why, for everybody to read; at most 500 characters
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

fn proof() -> impl TypedValueParser<Value = Proof> {
    PossibleValuesParser::new(Proof::CERTIFIABLE.map(Proof::as_str))
        .try_map(|word| Proof::parse(&word).ok_or("it is no proof of this program"))
}

fn reason(text: &str) -> Result<String, String> {
    form::line(text, MOST_REASON).map_err(|error| error.to_string())
}

impl Certify {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let now = OffsetDateTime::now_utc();
        let from = self.from.unwrap_or(now);
        self.decided.run(Some((from, self.until)), now).await
    }
}

impl Withdraw {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        self.decided.run(None, OffsetDateTime::now_utc()).await
    }
}

impl Decided {
    async fn run(
        self,
        valid: Option<(OffsetDateTime, OffsetDateTime)>,
        now: OffsetDateTime,
    ) -> Result<Exit, Failure> {
        let (_, store) = open(&self.instance).await?;
        let model = named(&mut store.read(), &self.id).await?;
        let asked = Asked { model_id: model.id, proof: self.proof, valid, reason: self.reason };
        let refusal = transaction!(store, StoreError, |tx| {
            let refusal = asked.decide(tx, AT_THE_HOST, now).await?;
            let operator = instance::operator();
            let entry = match refusal {
                None => Entry::done(asked.act(), operator, now),
                Some(refusal) => Entry::refused(asked.act(), operator, now, refusal.as_str()),
            };
            Ok(Audited::new(refusal, asked.recorded(entry)))
        });
        store.close().await;
        if let Some(refusal) = refusal? {
            return Err(Failure::usage(format!("nothing was decided: {refusal}")));
        }
        let what = if valid.is_some() { "certified" } else { "no longer certified" };
        say(&format!("{} is {what} for {}.\n", model.is.title(), asked.proof.as_str()))?;
        Ok(Exit::Done)
    }
}
