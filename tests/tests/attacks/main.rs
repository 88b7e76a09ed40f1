//! Pages of other sites in a real Chromium, before a door that counts.
//!
//! One browser for all cases, so this program reports them itself. Each case is played with the card out of the reader and with the card in:
//! the page hears the same, the door says nothing but its constant refusal, no window is shown, no card
//! is opened, no exchange begun. Then, and at the beginning, the portal's own page logs in.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../../../card-agent/tests/agent/cards.rs"]
#[allow(dead_code)] // the other half serves the agent's own tests
mod cards;
mod cases;
#[path = "../../../card-agent/tests/agent/counting.rs"]
#[allow(dead_code)]
mod counting;
mod pages;
mod spy;
mod stage;
#[path = "../../../card-agent/tests/agent/world.rs"]
#[allow(dead_code)]
mod world;

use std::process::ExitCode;

use sekisho_tests::report::Wish;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let (picked, mut report) =
        Wish::of_this_run().pick(cases::CASES, |case| case.name.to_owned())?;
    if !picked.is_empty() {
        let stage = stage::Stage::set().await?;
        stage.log_in().await?;
        for case in &picked {
            report.tell(case.name, stage.play(case).await)?;
        }
        stage.log_in().await?;
        stage.clear().await?;
    }
    report.close()
}
