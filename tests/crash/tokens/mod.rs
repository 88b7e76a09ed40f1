//! Crashes of the OpenID provider while codes, refresh tokens, requests sent ahead and assertions are used.
//!
//! - What was used, and whose use was answered, is never taken again: of one code there are never two
//!   sets of tokens.
//! - What was answered and not used yet is still good.
//! - What was sent and never answered is taken or refused when it is sent again; nothing else.
//! - The audit trail verifies.

mod caller;
mod check;
mod work;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::Context;
use sekisho::{
    clock::{Clock, SystemClock},
    demo::{at_work, stage::free_port},
};
use sekisho_store::{
    Store, StoreError,
    audit::{Actor, Audited, Entry},
    sql, transaction,
};

use self::{
    caller::{Caller, Service},
    work::Ledger,
};
use super::{
    Fault, ROUNDS_PER_TRAIL,
    check::{self as trail, Violation},
    dice::Dice,
    rig::Rig,
};

/// What a run came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Rounds that were played.
    pub rounds: u32,
    /// Uses that were answered.
    pub used: usize,
    /// Of those, sent again after the crash.
    pub replayed: usize,
    /// What was answered, not used before the crash, and good after it.
    pub kept: usize,
    /// Uses whose answer never came, sent again after the crash.
    pub unanswered: usize,
    /// What does not hold.
    pub violations: Vec<Violation>,
}

/// People who log in to the service at once.
const PEOPLE: usize = 6;

/// Plays so many rounds and stops at the first one after which something does not hold.
///
/// # Errors
/// When the rig itself fails: a program is missing, does not start, does not answer again.
pub async fn run(fault: Fault, rounds: u32, seed: u64) -> anyhow::Result<Report> {
    let mut dice = Dice::new(seed);
    // What was signed for the provider before a crash is sent to it after: its name has to stay.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
    let rig = Rig::build_with(fault, |settings| {
        settings.listen.tls = vec![address];
        // What is sent again is refused, hundreds of times a round.
        settings.people.network_factor = 1_000;
    })
    .await;
    let mut rig = rig.context("the rig does not stand")?;
    let mut physicians = at_work::Physicians::of(&rig.instance, SystemClock.now())?;
    let service = Arc::new(Service::make()?);
    rig.add_service(&service.file()?).await?;
    rig.up().await?;
    let terminal = rig.terminal().await.context("no terminal was enrolled")?;
    let mut report = Report::default();
    let told = |what: &str, round: u32| format!("{what} (round {round}, seed {seed}, {fault:?})");
    for round in 1..=rounds {
        report.rounds = round;
        rig.down().await.with_context(|| told("no stop", round))?;
        let store = rig.store().await?;
        forgive(&store).await?;
        let cookies =
            at_work::log_in(&store, &terminal, &mut physicians, PEOPLE, SystemClock.now()).await?;
        store.close().await;
        rig.up().await.with_context(|| told("no start", round))?;
        let ledger = Arc::new(Ledger::default());
        let origins = rig.origins()?;
        let callers = cookies
            .iter()
            .map(|cookie| Caller::new(&origins, &rig, &service, &terminal, cookie))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let work = work::begin(&ledger, callers, &mut dice);
        rig.strike(ledger.pace(), &mut dice)
            .await
            .with_context(|| told("the fault failed", round))?;
        work.end().await;
        rig.recover().await.with_context(|| told("no recovery", round))?;
        rig.up().await.with_context(|| told("no second start", round))?;
        let mut caller = Caller::new(&origins, &rig, &service, &terminal, &cookies[0])?;
        check::after_round(&ledger, &mut caller, &mut report).await?;
        if round % ROUNDS_PER_TRAIL == 0 || round == rounds {
            report.violations.extend(trail::trail(&mut rig).await?);
        }
        if !report.violations.is_empty() {
            break;
        }
    }
    rig.clear().await?;
    Ok(report)
}

/// Forgets refusals, for the next round's not to be put off.
async fn forgive(store: &Store) -> anyhow::Result<()> {
    let now = SystemClock.now();
    Ok(transaction!(store, StoreError, |tx| {
        tx.execute(sql("DELETE FROM sign_in_failure")).await?;
        Ok(Audited::new((), Entry::done("measure.forgive", Actor::System, now)))
    })?)
}
