//! A desk with a software card, for commands that speak to it as the built program runs them.

use std::fs::{File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use sekisho_software_card::{INSERTED, Layout, Options, Personalisation, SoftwareCard};
use serde_json::Value;
use tempfile::TempDir;

use crate::cards::write_card;
use crate::world::PIN;

/// A folder with a software card, and a file with its PIN.
pub struct Desk {
    pub folder: TempDir,
    pub certificate_der: Vec<u8>,
}

impl Desk {
    pub fn new(layout: Layout) -> Self {
        Self::with_card(PIN, |folder| write_card(folder, layout))
    }

    /// With the card that `write` makes, which returns its certificate.
    pub fn with_card(pin: &str, write: impl FnOnce(&Path) -> Vec<u8>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate_der = write(&folder.path().join("card"));
        let desk = Self { folder, certificate_der };
        desk.write("card", INSERTED, "");
        desk.write("", "pin", &format!("{pin}\n"));
        desk
    }

    /// A PIN window of the desk's own: confirms whatever it shows, gives this PIN, and writes down in
    /// `asked` what it was told.
    pub fn window(&self, pin: &str) {
        self.write("", "window", &format!("#!/bin/sh\necho OK\nwhile read -r line; do echo \"$line\" >> asked\ncase \"$line\" in GETPIN) printf 'D {pin}\\nOK\\n';; *) echo OK;; esac\ndone\n"));
        std::fs::set_permissions(self.path("window"), Permissions::from_mode(0o700)).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, folder: &str, name: &str, text: &str) {
        std::fs::write(self.path(folder).join(name), text).unwrap();
    }

    /// Runs a command on the software card, with the PIN's file as standard input.
    pub fn run(&self, line: &str) -> Said {
        self.run_on(line, &["--software-card", self.path("card").to_str().unwrap()])
    }

    pub fn run_on(&self, line: &str, more: &[&str]) -> Said {
        let mut command = self.command(line);
        Said::of(&command.args(more).output().unwrap())
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho-agent"));
        command
            .args(line.split(' '))
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env_remove("XDG_DATA_HOME")
            .env("LC_ALL", "en_GB.UTF-8")
            .stdin(File::open(self.path("pin")).unwrap());
        command
    }

    /// Starts a command, and reads the first line that it says on standard error.
    pub fn start_until_it_waits(&self, line: &str, more: &[&str]) -> (Child, String) {
        let mut command = self.command(line);
        let piped = command.args(more).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
        (child, said)
    }

    /// The card in the first slot of a service.
    pub fn card(&self) -> SoftwareCard {
        let personal = Personalisation::load(&self.path("card")).unwrap();
        SoftwareCard::new(personal, Options::default()).unwrap()
    }

    pub fn with_tries(&self, tries: u8) {
        let file = self.path("card").join("card.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let changed = text.replace("tries = 15", &format!("tries = {tries}"));
        assert_ne!(changed, text);
        std::fs::write(file, changed).unwrap();
    }
}

pub struct Said {
    pub code: i32,
    pub out: String,
    pub error: String,
}

impl Said {
    pub fn of(output: &Output) -> Self {
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        let (out, error) = (text(&output.stdout), text(&output.stderr));
        Self { code: output.status.code().unwrap(), out, error }
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.error);
        serde_json::from_str(&self.out).unwrap()
    }
}
