//! Pages of other sites in a real Chromium, before a door that counts.
//!
//! One browser for all cases, so this program reports them itself; it takes the words by which
//! `cargo test` picks tests. Each case is played with the card out of the reader and with the card in:
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

use sekisho_output::say;

/// What `cargo test` was asked for, as far as it picks tests (`cargo test -- --help`).
#[derive(Default)]
struct Wish {
    words: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    ignored: bool,
    list: bool,
}

impl Wish {
    fn read(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut wish = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--skip" => wish.skip.extend(arguments.next()),
                "--exact" => wish.exact = true,
                "--ignored" => wish.ignored = true,
                "--list" => wish.list = true,
                // How it is shown and run; their values are no names.
                "--test-threads" | "--format" | "--color" | "--logfile" => drop(arguments.next()),
                other if other.starts_with('-') => {}
                _ => wish.words.push(argument),
            }
        }
        wish
    }

    fn picks(&self, name: &str) -> bool {
        let is = |word: &String| if self.exact { name == word } else { name.contains(word) };
        // None of the cases is an ignored one.
        !self.ignored
            && (self.words.is_empty() || self.words.iter().any(is))
            && !self.skip.iter().any(is)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let wish = Wish::read(std::env::args().skip(1));
    let picked: Vec<_> = cases::CASES.iter().filter(|case| wish.picks(case.name)).collect();
    let out = cases::CASES.len() - picked.len();
    if wish.list {
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
