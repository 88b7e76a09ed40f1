//! Standard output and standard error of our programs.
//!
//! `println!` and `eprintln!` panic where they cannot write, so the workspace's lints `print_stdout` and
//! `print_stderr` keep everybody from them. Here a full disk is an error that the command tells, and a
//! reader who has gone (`… | head`) is no fault: the command ends as if all had been read, with the
//! exit code of what it found. Only where a secret is shown is that a failure too, for nobody has it.

pub mod completion;

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

/// Standard output takes nothing, for another reason than a reader who has gone.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
pub struct OutputError(#[source] std::io::Error);

/// Writes `text` as it stands. A reader who has gone is no failure.
///
/// # Errors
/// [`OutputError`].
pub fn say(text: &str) -> Result<(), OutputError> {
    list(text).map(|_| ())
}

/// Writes one part of many. `false`: nobody reads any more, the rest need not be made.
///
/// # Errors
/// [`OutputError`].
pub fn list(text: &str) -> Result<bool, OutputError> {
    reader_stays(write(&mut std::io::stdout().lock(), text))
}

/// Shows what is shown this once: that nobody reads is a failure as well.
///
/// Call it before what the secret opens becomes final. A secret that was shown and opens nothing harms
/// nobody; one that opens and was never shown leaves a door to which there is no key.
///
/// # Errors
/// [`OutputError`].
pub fn show(text: &str) -> Result<(), OutputError> {
    write(&mut std::io::stdout().lock(), text).map_err(OutputError)
}

/// Says a line on standard error. That nobody hears it is no failure: the exit code speaks as well, and
/// there is nowhere left to complain.
pub fn remark(line: &str) {
    let _ = write(&mut std::io::stderr().lock(), &format!("{line}\n"));
}

/// The exit codes of a program.
#[derive(Debug, Clone, Copy)]
pub struct ExitCodes {
    /// Of help that standard output does not take.
    pub cannot_write: u8,
    /// All of them as help tells them, beginning with `Exit codes:`.
    pub told: &'static str,
}

/// The command line, or the exit code with which the program ends now: help and version were asked for, or
/// it was not understood, which is told.
///
/// The help of every sub-command ends with the exit codes, unless it has a table of its own. clap would
/// print by itself and pass over a full disk.
///
/// # Errors
/// The exit code: 0 for help and version, 2 for what was not understood, `cannot_write`.
pub fn arguments<A: clap::Parser>(exits: ExitCodes) -> Result<A, ExitCode> {
    let mut command = with_exit_codes(A::command(), exits.told);
    let parsed = command
        .try_get_matches_from_mut(std::env::args_os())
        .and_then(|mut matches| A::from_arg_matches_mut(&mut matches));
    let said = match parsed {
        Ok(arguments) => return Ok(arguments),
        Err(said) => said.format(&mut command),
    };
    if said.use_stderr() {
        // To standard error: see [`remark`].
        let _ = said.print();
        return Err(ExitCode::from(NOT_UNDERSTOOD));
    }
    let text = said.render();
    let text =
        if std::io::stdout().is_terminal() { text.ansi().to_string() } else { text.to_string() };
    Err(match say(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            remark(&format!("{}: {error}: {}", command.get_name(), error.0));
            ExitCode::from(exits.cannot_write)
        }
    })
}

/// A command line with the exit codes at the end of each command's help, unless that has a table of its own.
#[must_use]
pub fn with_exit_codes(command: clap::Command, told: &'static str) -> clap::Command {
    let command = command.mut_subcommands(|below| with_exit_codes(below, told));
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    if help.contains("Exit codes:") {
        return command;
    }
    command.after_help(format!("{help}\n\n{told}").trim_start().to_owned())
}

/// Exit code of both programs for a command line that they do not understand.
const NOT_UNDERSTOOD: u8 = 2;

/// Standard output is buffered: only after the flush is known whether it was written.
fn write(out: &mut impl Write, text: &str) -> std::io::Result<()> {
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn reader_stays(written: std::io::Result<()>) -> Result<bool, OutputError> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(OutputError(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufWriter, Error};

    use super::*;

    struct Refuses(ErrorKind);

    impl Write for Refuses {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(Error::from(self.0))
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_buffer_took_and_could_not_pass_on_is_a_failure() {
        let mut out = BufWriter::new(Refuses(ErrorKind::StorageFull));
        let written = write(&mut out, "a line\n");
        assert!(reader_stays(written).is_err());
    }

    #[test]
    fn a_reader_who_has_gone_ends_a_list_and_is_no_failure() {
        let mut out = BufWriter::new(Refuses(ErrorKind::BrokenPipe));
        let written = write(&mut out, "a line\n");
        assert!(!reader_stays(written).unwrap());
        assert!(reader_stays(write(&mut Vec::new(), "a line\n")).unwrap());
    }
}
