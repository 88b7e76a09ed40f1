//! Test programs whose cases share one stage, so that they report their cases themselves. They take the
//! words by which `cargo test` picks tests, and say what it says.

use std::process::ExitCode;

use sekisho_output::say;

/// What `cargo test` was asked for, as far as it picks tests (`cargo test -- --help`).
#[derive(Default)]
pub struct Wish {
    words: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    ignored: bool,
    list: bool,
}

impl Wish {
    /// As the command line of this program says.
    #[must_use]
    pub fn of_this_run() -> Self {
        let mut arguments = std::env::args().skip(1);
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

    /// Those of the cases that are to be played, and the report that will tell of them. None is where
    /// only their names were asked for, which are told.
    ///
    /// # Errors
    /// When standard output takes nothing.
    pub fn pick<C>(
        &self,
        cases: impl IntoIterator<Item = C>,
        name: impl Fn(&C) -> String,
    ) -> anyhow::Result<(Vec<C>, Report)> {
        let cases: Vec<C> = cases.into_iter().collect();
        let all = cases.len();
        let mut picked: Vec<C> = cases.into_iter().filter(|case| self.picks(&name(case))).collect();
        let filtered_out = all - picked.len();
        if self.list {
            let names: String =
                picked.iter().map(|case| format!("{}: test\n", name(case))).collect();
            say(&names)?;
            picked.clear();
        }
        Ok((picked, Report { silent: self.list, filtered_out, passed: 0, failed: 0 }))
    }
}

/// What became of the cases.
pub struct Report {
    silent: bool,
    filtered_out: usize,
    passed: usize,
    failed: usize,
}

impl Report {
    /// Tells what became of a case.
    ///
    /// # Errors
    /// When standard output takes nothing.
    pub fn tell(&mut self, name: &str, played: anyhow::Result<()>) -> anyhow::Result<()> {
        let counter = if played.is_ok() { &mut self.passed } else { &mut self.failed };
        *counter += 1;
        let outcome =
            played.map_or_else(|error| format!("FAILED\n    {error:#}"), |()| "ok".to_owned());
        Ok(say(&format!("test {name} ... {outcome}\n"))?)
    }

    /// The last line, and what the program ends with.
    ///
    /// # Errors
    /// When standard output takes nothing.
    pub fn close(self) -> anyhow::Result<ExitCode> {
        if self.silent {
            return Ok(ExitCode::SUCCESS);
        }
        let Self { passed, failed, filtered_out, .. } = self;
        let word = if failed == 0 { "ok" } else { "FAILED" };
        say(&format!(
            "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered_out} filtered out\n"
        ))?;
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
