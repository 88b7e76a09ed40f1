//! The program `sekisho`: see [`sekisho::cli`].

use clap::Parser;

fn main() -> std::process::ExitCode {
    sekisho::cli::run(sekisho::cli::Arguments::parse()).into()
}
