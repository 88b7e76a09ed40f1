//! Pages of other sites in a real Chromium, before a door that counts.
//!
//! One browser for all cases, so this program reports them itself; it takes the words by which
//! `cargo test` picks tests. Each case is played with the card out of the reader and with the card in:
//! the page hears the same, the door says nothing but its constant refusal, no window is shown, no card
//! is opened, no exchange begun. Then, and at the beginning, the portal's own page logs in.
#![allow(clippy::unwrap_used, missing_docs)]

mod cases;
#[path = "../../../card-agent/tests/agent/counting.rs"]
mod counting;
mod pages;
mod spy;
mod stage;
#[path = "../../../card-agent/tests/agent/world.rs"]
#[allow(dead_code)] // the other half serves the agent's own tests
mod world;

use std::process::ExitCode;

use sekisho_output::say;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&String> = arguments.iter().filter(|word| !word.starts_with("--")).collect();
    let picked: Vec<_> = cases::CASES
        .iter()
        .filter(|case| words.is_empty() || words.iter().any(|word| case.name.contains(*word)))
        .collect();
    let out = cases::CASES.len() - picked.len();
    if arguments.iter().any(|word| word == "--list") {
        let names: String = picked.iter().map(|case| format!("{}: test\n", case.name)).collect();
        say(&names)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut failed = 0;
    if !picked.is_empty() {
        let stage = stage::Stage::set().await?;
        stage.log_in().await?;
        for case in &picked {
            let played = stage.play(case).await;
            failed += usize::from(played.is_err());
            let outcome =
                played.map_or_else(|error| format!("FAILED\n    {error:#}"), |()| "ok".into());
            say(&format!("test {} ... {outcome}\n", case.name))?;
        }
        stage.log_in().await?;
        stage.clear().await?;
    }
    let passed = picked.len() - failed;
    let word = if failed == 0 { "ok" } else { "FAILED" };
    say(&format!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {out} filtered out\n"
    ))?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
