//! What a command does whose output or instance cannot be written: it says so, and what nobody was shown
//! does not come to be.
#![cfg(target_os = "linux")] // /dev/full
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sekisho::demo::namespace;

/// Where standard output or standard error goes.
enum Sink {
    /// A disk without room.
    Full,
    /// A reader who has gone.
    Gone,
    /// Kept.
    Kept,
}

impl Sink {
    fn open(&self) -> Stdio {
        match self {
            Self::Full => OpenOptions::new().write(true).open("/dev/full").unwrap().into(),
            Self::Gone => {
                let (reader, writer) = std::io::pipe().unwrap();
                drop(reader);
                writer.into()
            }
            Self::Kept => Stdio::piped(),
        }
    }
}

/// Exit code, standard output and standard error.
fn sekisho(arguments: &[&str], stdout: &Sink, stderr: &Sink) -> (i32, String, String) {
    let child = Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(arguments)
        .stdout(stdout.open())
        .stderr(stderr.open())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn done(arguments: &[&str]) -> String {
    let (code, out, said) = sekisho(arguments, &Sink::Kept, &Sink::Kept);
    assert_eq!(code, 0, "{arguments:?}: {said}");
    out
}

/// An instance, and the file of a service.
struct Ground {
    folder: tempfile::TempDir,
    dir: String,
    service: String,
}

const SERVICE: &str = r#"
id = "referral"
name = { ja = "紹介状", en = "Referral letters" }
description = { ja = "紹介状を読む。", en = "Read referral letters." }
home_url = "https://referral.example/"
redirect_uris = ["https://referral.example/callback"]
authentication = "client_secret_basic"
scopes = ["openid"]
"#;

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (dir, service) = (at("instance"), at("referral.toml"));
        done(&["init", &dir]);
        std::fs::write(&service, SERVICE).unwrap();
        Self { folder, dir, service }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Acts of the audit trail, and the services.
    fn state(&self) -> (usize, String) {
        let acts = done(&["audit", "list", &self.dir]).lines().count();
        (acts, done(&["service", "list", &self.dir]))
    }
}

#[test]
fn output_that_cannot_be_written_is_told_with_exit_code_1() {
    let ground = Ground::new();
    let dir = ground.dir.as_str();
    done(&["service", "add", dir, &ground.service]);
    let certificate = format!("{dir}/ca/root.crt");
    let digest = "5a".repeat(32);
    for arguments in [
        &["service", "list", dir][..],
        &["service", "list", dir, "--json"],
        &["audit", "list", dir],
        &["audit", "list", dir, "--json"],
        &["audit", "list", dir, "--json", "--personal"],
        &["audit", "head", dir],
        &["audit", "verify", dir],
        &["audit", "verify", dir, "--json"],
        &["inspect", &certificate],
        &["inspect", &certificate, "--json"],
        &["revoke", "key", dir, "--sha256", &digest],
        &["example-config"],
        &["completions", "bash"],
        &["--help"],
        &["--version"],
        &["help", "ceremony"],
        &["revoke", "certificate", "--help"],
    ] {
        let (code, _, said) = sekisho(arguments, &Sink::Full, &Sink::Kept);
        assert_eq!(code, 1, "{arguments:?}: {said}");
        assert!(
            said.contains("cannot write to standard output: No space"),
            "{arguments:?}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    // Nor does a complaint that nobody hears change the exit code.
    let (code, _, _) = sekisho(&["audit", "list", "/nowhere"], &Sink::Kept, &Sink::Full);
    assert_eq!(code, 2);
}

#[test]
fn a_reader_who_has_gone_ends_a_command_quietly() {
    let ground = Ground::new();
    let dir = ground.dir.as_str();
    for arguments in
        [&["audit", "list", dir][..], &["audit", "head", dir], &["example-config"], &["help"]]
    {
        let (code, _, said) = sekisho(arguments, &Sink::Gone, &Sink::Kept);
        assert_eq!((code, said.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn what_has_a_secret_that_nobody_was_shown_does_not_come_to_be() {
    let ground = Ground::new();
    let (dir, before) = (ground.dir.as_str(), ground.state());
    let new = ground.at("new");
    for sink in [Sink::Full, Sink::Gone] {
        for arguments in [
            &["init", new.to_str().unwrap()][..],
            &["init", new.to_str().unwrap(), "--json"],
            &["service", "add", dir, &ground.service],
            &["service", "add", dir, &ground.service, "--json"],
            &["service", "token", dir],
            &["service", "token", dir, "--json"],
            &["administrator", "add", dir, "emergency"],
            &["administrator", "link", dir],
        ] {
            let (code, _, said) = sekisho(arguments, &sink, &Sink::Kept);
            assert_eq!(code, 1, "{arguments:?}: {said}");
            assert!(said.contains("cannot write to standard output"), "{said}");
        }
        assert_eq!(ground.state(), before);
        let left: Vec<_> = std::fs::read_dir(ground.folder.path()).unwrap().collect();
        assert_eq!(left.len(), 2, "the instance and the service's file: {left:?}");
    }
    // The names are free as before.
    done(&["administrator", "add", dir, "emergency"]);
    done(&["service", "add", dir, &ground.service]);
}

#[test]
fn a_backup_whose_passphrase_nobody_was_shown_is_removed() {
    let ground = Ground::new();
    let to = ground.at("backup.age");
    let arguments = ["backup", &ground.dir, "--to", to.to_str().unwrap()];
    let (code, ..) = sekisho(&arguments, &Sink::Kept, &Sink::Full);
    assert_eq!(code, 1);
    assert!(!to.exists());
    let (code, _, said) = sekisho(&arguments, &Sink::Full, &Sink::Kept);
    assert_eq!(code, 1);
    assert!(said.contains("backup.age was removed"), "{said}");
    assert!(!Path::new(&to).exists());
    done(&arguments);
}

#[test]
fn a_file_system_that_is_mounted_read_only_is_called_that() {
    let ground = Ground::new();
    let dir = std::path::Path::new(&ground.dir);
    let mut command = namespace::with_mount(dir, &ground.dir, "sh");
    let look = "mount -o remount,bind,ro \"$1\" && exec \"$2\" service list \"$1\"";
    command.args(["-c", look, "sh", &ground.dir, env!("CARGO_BIN_EXE_sekisho")]);
    let output = command.as_std_mut().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{said}");
    assert!(said.contains("is mounted read-only") && said.contains(&ground.dir), "{said}");
    assert!(!said.contains("belong to the user") && !said.contains("schema"), "{said}");
}
