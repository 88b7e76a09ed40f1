//! Wine with a folder of its own for what Windows would keep, and the program in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::desk::{Desk, Said};

const PROGRAMS: [&str; 2] = ["sekisho-agent.exe", "sekisho-agentw.exe"];

pub(super) struct Wine<'a> {
    desk: &'a Desk,
}

impl<'a> Wine<'a> {
    /// With the built programs, and the library that Wine lacks, in the desk's folder.
    pub(super) fn new(desk: &'a Desk) -> Self {
        let built = std::env::var_os("SEKISHO_AGENT_EXE").map(PathBuf::from);
        let built = built.expect("SEKISHO_AGENT_EXE names what card-agent/package/build-exe built");
        for program in PROGRAMS {
            std::fs::copy(built.with_file_name(program), desk.path(program)).unwrap();
        }
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/agent/windows/bcryptprimitives.c");
        let compiled = Command::new("x86_64-w64-mingw32-gcc")
            .args(["-shared", "-o"])
            .arg(desk.path("bcryptprimitives.dll"))
            .args([source, "-ladvapi32"])
            .output()
            .expect("x86_64-w64-mingw32-gcc (package gcc-mingw-w64-x86-64) is installed");
        assert!(compiled.status.success(), "{compiled:?}");
        let wine = Self { desk };
        wine.done(&["wineboot", "--init"]);
        wine
    }

    /// A command of Windows, in the desk's folder.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut wine = Command::new("wine");
        wine.arg(program)
            .current_dir(self.desk.folder.path())
            .env("WINEPREFIX", self.desk.path("wine"))
            .env("WINEDEBUG", "-all")
            // No questions whether to fetch a browser engine or .NET.
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=")
            .env("LC_ALL", "en_GB.UTF-8")
            .env_remove("DISPLAY");
        wine
    }

    pub(super) fn run(&self, line: &[&str]) -> Output {
        let mut command = self.command(line[0]);
        command.args(&line[1..]).output().expect("wine (packages wine, wine64) is installed")
    }

    /// What a command said that has to succeed.
    pub(super) fn done(&self, line: &[&str]) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs the agent with the PIN's file as standard input.
    pub(super) fn agent(&self, line: &str) -> Said {
        let mut command = self.command("sekisho-agent.exe");
        let input = std::fs::File::open(self.desk.path("pin")).unwrap();
        Said::of(&command.args(line.split(' ')).stdin(input).output().unwrap())
    }

    /// Where a path of Windows lies here.
    pub(super) fn unix_path(&self, path: &str) -> PathBuf {
        let told = self.done(&["winepath", "--unix", path]);
        Path::new(told.trim()).to_owned()
    }
}

impl Drop for Wine<'_> {
    /// Its server would outlive the folder.
    fn drop(&mut self) {
        let _ = Command::new("wineserver")
            .arg("--kill")
            .env("WINEPREFIX", self.desk.path("wine"))
            .status();
    }
}
