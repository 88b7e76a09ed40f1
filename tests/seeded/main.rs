//! The program `sekisho` with the mistakes of [`sekisho_seeded::seeded`].

use sekisho_output::ExitCodes;
use sekisho_seeded::cli::{Arguments, EXIT_CODES, Exit, run};

fn main() -> std::process::ExitCode {
    let exits = ExitCodes { cannot_write: Exit::Failed as u8, told: EXIT_CODES };
    match sekisho_output::arguments::<Arguments>(exits) {
        Ok(arguments) => run(arguments).into(),
        Err(code) => code,
    }
}
