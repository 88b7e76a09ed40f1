//! Power cuts, killed processes and cut connections at random points of issuance, renewal,
//! revocation and publication; and what must hold after each of them.
//!
//! - No certificate is answered or kept whose intention is not on record.
//! - No serial number is used twice.
//! - A revocation, a hold or a release that somebody was told of is never lost.
//! - The number of a revocation list never goes back.
//! - The audit trail verifies.
//!
//! Commands that change an instance are killed, too: [`command`]. What a client of the OpenID provider may
//! use once is crashed apart: [`tokens`].
//!
//! What is done when, and when it is cut, comes from a seed that is printed; how far the server has
//! come by then does not, so a run with the same seed is similar, not equal.

pub mod acts;
pub mod check;
pub mod command;
pub mod dice;
pub mod pace;
pub mod postgres;
pub mod proxy;
pub mod rig;
pub mod tokens;
pub mod work;

use std::sync::Arc;

use anyhow::Context;

use self::{check::Violation, dice::Dice, rig::Rig, work::Ledger};

/// How a round ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The serving process is killed (SIGKILL), over SQLite.
    Kill,
    /// The storage forgets what was not synced, over SQLite; see `forgetful.c`.
    Forget,
    /// As [`Self::Forget`], and every sync before was a lie: what a database told not to sync, or an
    /// answer before the commit, comes to. The tests must notice it.
    ForgetAll,
    /// The connections to PostgreSQL are cut, again and again.
    Cut,
    /// PostgreSQL is stopped in immediate mode, which is its own crash, and started again.
    Immediate,
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Rounds that were played.
    pub rounds: u32,
    /// Certificates that were answered.
    pub issued: usize,
    /// Revocations that were answered.
    pub revoked: usize,
    /// Commands of an operator that were answered: revocations, holds, releases.
    pub acts: usize,
    /// Requests whose answer never came.
    pub unanswered: usize,
    /// The last number of the terminals' revocation list.
    pub crl_number: i64,
    /// What does not hold.
    pub violations: Vec<Violation>,
}

/// Audit trails are verified this often, and at the end: it takes longer with every round.
const ROUNDS_PER_TRAIL: u32 = 25;

/// Plays so many rounds and stops at the first one after which something does not hold.
///
/// # Errors
/// When the rig itself fails: a program is missing, does not start, does not answer again.
pub async fn run(fault: Fault, rounds: u32, seed: u64) -> anyhow::Result<Report> {
    let mut dice = Dice::new(seed);
    let ledger = Arc::new(Ledger::default());
    let mut rig = Rig::build(fault).await.context("the rig does not stand")?;
    let mut report = Report::default();
    let told = |what: &str, round: u32| format!("{what} (round {round}, seed {seed}, {fault:?})");
    for round in 1..=rounds {
        report.rounds = round;
        rig.prepare(&ledger, &mut dice).await.with_context(|| told("preparing failed", round))?;
        let work = work::begin(&ledger, rig.doors()?, rig.operator()?, dice.fork());
        rig.strike(ledger.pace(), &mut dice)
            .await
            .with_context(|| told("the fault failed", round))?;
        work.end().await;
        rig.recover().await.with_context(|| told("no recovery", round))?;
        report.violations = check::after_round(&rig, &ledger).await?;
        if round % ROUNDS_PER_TRAIL == 0 || round == rounds {
            report.violations.extend(check::trail(&mut rig).await?);
        }
        if !report.violations.is_empty() {
            break;
        }
    }
    if report.violations.is_empty() {
        report.violations = check::at_the_end(&rig, &ledger).await?;
    }
    ledger.sum_up(&mut report);
    rig.clear().await?;
    Ok(report)
}
