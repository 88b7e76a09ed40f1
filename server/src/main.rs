//! The program `sekisho`: see [`sekisho::cli`].

use sekisho::cli::{Arguments, Exit, run};

fn main() -> std::process::ExitCode {
    match sekisho_output::arguments::<Arguments>(Exit::Failed as u8) {
        Ok(arguments) => run(arguments).into(),
        Err(code) => code,
    }
}
