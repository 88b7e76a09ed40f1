//! The program `sekisho`: see [`sekisho::cli`].

use sekisho::cli::{Arguments, EXIT_CODES, Exit, run};
use sekisho_output::ExitCodes;

fn main() -> std::process::ExitCode {
    let exits = ExitCodes { cannot_write: Exit::Failed as u8, told: EXIT_CODES };
    match sekisho_output::arguments::<Arguments>(exits) {
        Ok(arguments) => run(arguments).into(),
        Err(code) => code,
    }
}
