//! Crashes an instance as often as one likes: see `tests/crash/mod.rs` for what must hold.
//!
//! ```text
//! cargo run --bin crash -- [kill|forget|cut|immediate|all] [ROUNDS] [SEED]
//! ```

use std::process::ExitCode;

use anyhow::{Context, bail};
use sekisho_tests::crash::{Fault, run};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let faults = match arguments.next().as_deref() {
        None | Some("all") => vec![Fault::Kill, Fault::Forget, Fault::Cut, Fault::Immediate],
        Some("kill") => vec![Fault::Kill],
        Some("forget") => vec![Fault::Forget],
        Some("cut") => vec![Fault::Cut],
        Some("immediate") => vec![Fault::Immediate],
        Some(other) => bail!("`{other}` is none of kill, forget, cut, immediate, all"),
    };
    let rounds = arguments.next().map_or(Ok(1000), |text| text.parse()).context("ROUNDS")?;
    let seed = match arguments.next() {
        Some(text) => text.parse().context("SEED")?,
        None => u64::from(std::process::id()) << 32 | u64::from(rounds),
    };
    let mut holds = true;
    for fault in faults {
        println!("{fault:?}: {rounds} rounds, seed {seed}");
        let report = run(fault, rounds, seed).await?;
        println!(
            "  {} rounds: {} certificates, {} revocations, {} requests without an answer, list {}",
            report.rounds, report.issued, report.revoked, report.unanswered, report.crl_number
        );
        for violation in &report.violations {
            println!("  VIOLATION: {violation}");
            holds = false;
        }
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
