//! Crashes an instance as often as one likes: see `tests/crash/mod.rs` for what must hold.

use std::process::ExitCode;

use clap::Parser;
use sekisho_output::{remark, say};
use sekisho_tests::crash::{
    Fault,
    check::Violation,
    command::{self, Killed},
    run, tokens,
};

/// Crash an instance at random points, as often as one likes, and look at what is left of it
#[derive(Debug, Parser)]
#[command(
    name = "crash",
    max_term_width = 100,
    after_help = "\
Examples:
  cargo run --bin crash -- all 5000
  cargo run --bin crash -- immediate 100 20261121
      the same again as that seed made it; a failure prints its own
  cargo run --bin crash -- import 500
  cargo run --bin crash -- tokens 500
      codes, refresh tokens, requests sent ahead and assertions, killed and with a storage that forgets

Exit codes: 0 everything held, 1 something did not or the rig failed, 2 the command line was not
understood"
)]
struct Arguments {
    /// How a round ends
    #[arg(value_enum, value_name = "FAULT", default_value_t = Choice::All)]
    choice: Choice,
    /// Rounds of each
    #[arg(default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// What decides when a round is cut; drawn unless given
    seed: Option<u64>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Choice {
    /// The process is killed
    Kill,
    /// The storage forgets what was not synced
    Forget,
    /// The connections to PostgreSQL are cut
    Cut,
    /// PostgreSQL is stopped in immediate mode
    Immediate,
    /// `sekisho ceremony import` is killed and given again
    Import,
    /// `sekisho ceremony install` is killed and given again
    Install,
    /// What a service may use once is used while the process is killed, and while the storage forgets
    Tokens,
    /// Each of them
    All,
}

impl Choice {
    fn faults(self) -> &'static [Fault] {
        match self {
            Self::Kill => &[Fault::Kill],
            Self::Forget => &[Fault::Forget],
            Self::Cut => &[Fault::Cut],
            Self::Immediate => &[Fault::Immediate],
            Self::Import | Self::Install | Self::Tokens => &[],
            Self::All => &[Fault::Kill, Fault::Forget, Fault::Cut, Fault::Immediate],
        }
    }

    fn commands(self) -> &'static [Killed] {
        match self {
            Self::Kill | Self::Forget | Self::Cut | Self::Immediate | Self::Tokens => &[],
            Self::Import => &[Killed::Import],
            Self::Install => &[Killed::Install],
            Self::All => &[Killed::Import, Killed::Install],
        }
    }

    fn faults_of_tokens(self) -> &'static [Fault] {
        match self {
            Self::Tokens | Self::All => &[Fault::Kill, Fault::Forget],
            Self::Kill
            | Self::Forget
            | Self::Cut
            | Self::Immediate
            | Self::Import
            | Self::Install => &[],
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match crash(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            remark(&format!("crash: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether everything held.
async fn crash(Arguments { choice, rounds, seed }: Arguments) -> anyhow::Result<bool> {
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) << 32 | u64::from(rounds));
    let mut holds = true;
    for fault in choice.faults() {
        say(&format!("{fault:?}: {rounds} rounds, seed {seed}\n"))?;
        let report = run(*fault, rounds, seed).await?;
        say(&format!(
            "  {} rounds: {} certificates, {} revocations, {} acts of an operator, {} requests \
             without an answer, list {}\n",
            report.rounds,
            report.issued,
            report.revoked,
            report.acts,
            report.unanswered,
            report.crl_number
        ))?;
        holds &= told(&report.violations)?;
    }
    for fault in choice.faults_of_tokens() {
        say(&format!("tokens, {fault:?}: {rounds} rounds, seed {seed}\n"))?;
        let report = tokens::run(*fault, rounds, seed).await?;
        say(&format!(
            "  {} rounds: {} uses answered, {} sent again; {} good after all, {} requests without an \
             answer\n",
            report.rounds, report.used, report.replayed, report.kept, report.unanswered
        ))?;
        holds &= told(&report.violations)?;
    }
    for killed in choice.commands() {
        say(&format!("{killed:?}: {rounds} rounds, seed {seed}\n"))?;
        let report = command::run(*killed, rounds, seed).await?;
        say(&format!(
            "  {} rounds: {} killed, {} of them between the first file and the last\n",
            report.rounds, report.killed, report.half_done
        ))?;
        holds &= told(&report.violations)?;
    }
    Ok(holds)
}

/// Whether there are none.
fn told(violations: &[Violation]) -> anyhow::Result<bool> {
    for violation in violations {
        say(&format!("  VIOLATION: {violation}\n"))?;
    }
    Ok(violations.is_empty())
}
