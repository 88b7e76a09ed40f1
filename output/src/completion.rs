//! Completion scripts for shells.

use clap::CommandFactory;
use clap_complete::Shell;

/// The script that completes the command line `A` of the program with that command's name.
///
/// The generator for bash labels the sub-commands of a program whose name has a hyphen otherwise than it
/// looks them up, so that nothing is offered after them. It is given the name with `_`, which it leaves as
/// it is, and what it made is registered for the name that people type.
#[must_use]
pub fn script<A: CommandFactory>(shell: Shell) -> String {
    let mut command = A::command();
    let typed = command.get_name().to_owned();
    let labelled = if shell == Shell::Bash { typed.replace('-', "_") } else { typed.clone() };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, &labelled, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    if labelled == typed {
        return script;
    }
    let lines = script.lines().map(|line| {
        let registration = line.trim_start().starts_with("complete ");
        match line.strip_suffix(&labelled).filter(|_| registration) {
            Some(line) => format!("{line}{typed}\n"),
            None => format!("{line}\n"),
        }
    });
    lines.collect()
}
