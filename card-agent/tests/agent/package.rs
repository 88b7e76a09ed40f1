//! The Debian package: installed into a root of its own and removed again; its units as systemd reads
//! them, and the sockets that systemd hands over.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use sekisho_software_card::Layout;

use crate::cards::write_card;
use crate::command_line::pinned;

const AGENT: &str = env!("CARGO_BIN_EXE_sekisho-agent");
const POLICY: &str = "{\"LoopbackNetworkAllowedForUrls\":[\"https://login.example\"]}\n";

fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

/// `dpkg` over a root of its own: what it installs and removes is seen by nobody else.
fn dpkg(root: &Path, arguments: &[&str]) {
    let mut dpkg = Command::new("unshare");
    // What the package depends on is not in that root.
    dpkg.args(["--map-root-user", "dpkg", "--force-depends", "--root"]).arg(root).args(arguments);
    done(&mut dpkg);
}

/// Everything below a folder that is no folder and no state of dpkg's.
fn files(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if name.starts_with("var/") {
                continue;
            }
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                found.insert(name);
            }
        }
    }
    found
}

#[test]
fn the_package_is_installed_and_removed_without_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.json");
    std::fs::write(&policy, POLICY).unwrap();
    let mut build = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/package/build-deb"));
    let built = done(build.arg(AGENT).arg(folder.path()).arg(&policy));
    let package = String::from_utf8(built.stdout).unwrap();
    let package = package.trim();
    let field = |name: &str| {
        let told = done(Command::new("dpkg-deb").args(["-f", package, name]));
        String::from_utf8(told.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(field("Version"), env!("CARGO_PKG_VERSION"));
    let depends = field("Depends");
    for needed in ["libc6 (", "libpcsclite1 (", "pcscd", "pinentry-gnome3 | "] {
        assert!(depends.contains(needed), "{depends}");
    }

    let root = folder.path().join("root");
    for state in ["info", "updates", "triggers"] {
        std::fs::create_dir_all(root.join("var/lib/dpkg").join(state)).unwrap();
    }
    std::fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    assert_eq!(files(&root), BTreeSet::new());
    dpkg(&root, &["--install", package]);
    let expected = [
        "etc/chromium/native-messaging-hosts/jp.sekisho.agent.json",
        "etc/chromium/policies/managed/sekisho.json",
        "etc/opt/chrome/native-messaging-hosts/jp.sekisho.agent.json",
        "etc/opt/chrome/policies/managed/sekisho.json",
        "etc/opt/edge/native-messaging-hosts/jp.sekisho.agent.json",
        "etc/opt/edge/policies/managed/sekisho.json",
        "usr/bin/sekisho-agent",
        "usr/lib/sekisho-agent/native-host",
        "usr/lib/systemd/user/graphical-session.target.wants/sekisho-agent.service",
        "usr/lib/systemd/user/sekisho-agent.service",
        "usr/lib/systemd/user/sekisho-agent.socket",
        "usr/lib/systemd/user/sockets.target.wants/sekisho-agent.socket",
        "usr/share/bash-completion/completions/sekisho-agent",
        "usr/share/doc/sekisho-agent/CHANGELOG.md.gz",
        "usr/share/doc/sekisho-agent/changelog.gz",
        "usr/share/doc/sekisho-agent/copyright",
        "usr/share/fish/vendor_completions.d/sekisho-agent.fish",
        "usr/share/lintian/overrides/sekisho-agent",
        "usr/share/man/man1/sekisho-agent-completions.1.gz",
        "usr/share/man/man1/sekisho-agent-doctor.1.gz",
        "usr/share/man/man1/sekisho-agent-enroll.1.gz",
        "usr/share/man/man1/sekisho-agent-extension.1.gz",
        "usr/share/man/man1/sekisho-agent-inspect.1.gz",
        "usr/share/man/man1/sekisho-agent-install.1.gz",
        "usr/share/man/man1/sekisho-agent-manual.1.gz",
        "usr/share/man/man1/sekisho-agent-native-host.1.gz",
        "usr/share/man/man1/sekisho-agent-policy.1.gz",
        "usr/share/man/man1/sekisho-agent-readers.1.gz",
        "usr/share/man/man1/sekisho-agent-renew.1.gz",
        "usr/share/man/man1/sekisho-agent-run.1.gz",
        "usr/share/man/man1/sekisho-agent-self-test.1.gz",
        "usr/share/man/man1/sekisho-agent-sign.1.gz",
        "usr/share/man/man1/sekisho-agent-status.1.gz",
        "usr/share/man/man1/sekisho-agent.1.gz",
        "usr/share/zsh/vendor-completions/_sekisho-agent",
    ];
    assert_eq!(files(&root), expected.map(str::to_owned).into());
    let installed = root.join("usr/bin/sekisho-agent");
    let version = done(Command::new(&installed).arg("--version"));
    assert_eq!(
        String::from_utf8(version.stdout).unwrap(),
        concat!("sekisho-agent ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert_manuals_fit(&root.join("usr/share/man/man1"));
    let written = root.join("etc/chromium/policies/managed/sekisho.json");
    assert_eq!(std::fs::read_to_string(written).unwrap(), POLICY);

    let host = root.join("etc/chromium/native-messaging-hosts/jp.sekisho.agent.json");
    let host: serde_json::Value = serde_json::from_slice(&std::fs::read(host).unwrap()).unwrap();
    assert!(expected.contains(&host["path"].as_str().unwrap().trim_start_matches('/')));

    // systemd knows every setting; only the program is not where the unit has it.
    let units = folder.path().join("units");
    std::fs::create_dir(&units).unwrap();
    for unit in ["sekisho-agent.service", "sekisho-agent.socket"] {
        let text = std::fs::read_to_string(root.join("usr/lib/systemd/user").join(unit)).unwrap();
        let text = text.replace("/usr/bin/sekisho-agent", installed.to_str().unwrap());
        std::fs::write(units.join(unit), text).unwrap();
    }
    let mut verify = Command::new("systemd-analyze");
    verify.args(["--user", "--man=no", "verify"]);
    verify.args(["sekisho-agent.service", "sekisho-agent.socket"].map(|unit| units.join(unit)));
    let verified = done(verify.env("XDG_RUNTIME_DIR", folder.path()));
    let told = String::from_utf8(verified.stderr).unwrap();
    assert!(!told.contains("sekisho-agent"), "{told}");

    start_only_where_the_pc_is_enrolled(folder.path(), &units);

    // What an administrator may have changed stays until it is purged.
    dpkg(&root, &["--remove", "sekisho-agent"]);
    assert_eq!(files(&root), expected[..6].iter().map(|&file| file.to_owned()).collect());
    dpkg(&root, &["--purge", "sekisho-agent"]);
    assert_eq!(files(&root), BTreeSet::new());
}

/// Groff has nothing to say of any page at the width of a terminal, asked as lintian asks it.
fn assert_manuals_fit(folder: &Path) {
    for page in std::fs::read_dir(folder).unwrap() {
        let page = page.unwrap().path();
        let mut man = Command::new("man");
        man.args(["--warnings", "--encoding=UTF-8", "--local-file", "-Tutf8", "--ditroff"]);
        man.arg(&page).env("MANWIDTH", "80").env("MANROFFSEQ", "").env("LC_ALL", "C.UTF-8");
        let told = String::from_utf8(done(&mut man).stderr).unwrap();
        assert_eq!(told, "", "{}", page.display());
    }
}

/// By systemd's own reading of the units' conditions, and by the program where these leave it to it. One
/// that is enrolled and broken is started: the agent says what is wrong.
fn start_only_where_the_pc_is_enrolled(folder: &Path, units: &Path) {
    let [home, data] = ["home", "data"].map(|name| folder.join(name));
    let usual = home.join(".local/share/sekisho-agent");
    let starts = |unit: &str, with_data: bool| {
        let told = std::fs::read_to_string(units.join(unit)).unwrap();
        let asked = told.lines().find_map(|line| {
            let (setting, command) = line.split_once('=')?;
            ["ExecCondition", "ExecStartPre"].contains(&setting).then_some(command)
        });
        // A shell reads the quotes as systemd does, which takes two dollar signs for one.
        let mut status = Command::new("sh");
        status.arg("-c").arg(asked.unwrap().replace("$$", "$"));
        let mut condition = Command::new("systemd-analyze");
        condition.args(["--user", "condition"]).arg(format!("--unit={unit}"));
        condition.env("SYSTEMD_UNIT_PATH", units).env("XDG_RUNTIME_DIR", folder);
        [condition, status].into_iter().all(|mut command| {
            command.env("HOME", &home).env_remove("XDG_DATA_HOME").env_remove("SEKISHO_AGENT_DIR");
            if with_data {
                command.env("XDG_DATA_HOME", &data);
            }
            command.output().unwrap().status.success()
        })
    };
    for unit in ["sekisho-agent.service", "sekisho-agent.socket"] {
        for place in [&usual, &data.join("sekisho-agent")] {
            assert!(!starts(unit, false) && !starts(unit, true), "{unit}: nothing is enrolled");
            std::fs::create_dir_all(place).unwrap();
            pinned(place);
            let of_data = place != &usual;
            assert_eq!((starts(unit, false), starts(unit, true)), (!of_data, of_data), "{unit}");
            std::fs::write(place.join("trust.json"), "{").unwrap();
            let broken = (starts(unit, false), starts(unit, true));
            assert_eq!(broken, (!of_data, of_data), "{unit}: with a broken file");
            std::fs::remove_dir_all(place).unwrap();
        }
    }
}

/// The agent behind sockets at these addresses, as systemd starts it: at the first connection.
fn activated(addresses: &[String], folder: &Path) -> Command {
    let card = folder.join("card");
    write_card(&card, Layout::Observed);
    let mut command = Command::new("systemd-socket-activate");
    for address in addresses {
        command.arg("--listen").arg(address);
    }
    command.arg(AGENT).arg("--dir").arg(folder);
    command.args(["run", "--pin-file", "never-read", "--software-card"]).arg(card);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The first connection; the socket is there a moment after the start.
fn connect(address: (&str, u16)) -> TcpStream {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_agent_serves_the_sockets_that_systemd_holds() {
    let folder = tempfile::tempdir().unwrap();
    pinned(folder.path());
    let port = free_port();
    let both = [format!("127.0.0.1:{port}"), format!("[::1]:{port}")];
    let mut child = activated(&both, folder.path()).spawn().unwrap();
    let mut first = connect(("127.0.0.1", port));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, format!("ready on port {port}\n"));
    // The connection that woke it is answered, and the other address is open too: to a stranger.
    for stream in [&mut first, &mut connect(("::1", port))] {
        use std::io::Write;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut status = String::new();
        BufReader::new(stream).read_line(&mut status).unwrap();
        assert_eq!(status, "HTTP/1.1 403 Forbidden\r\n");
    }
    done(Command::new("kill").arg(child.id().to_string()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn sockets_that_others_could_reach_or_of_two_ports_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    pinned(folder.path());
    let (port, other) = (free_port(), free_port());
    for (addresses, why) in [
        (vec![format!("0.0.0.0:{port}")], "no loopback address"),
        (vec![format!("127.0.0.1:{port}"), format!("[::1]:{other}")], "more than one port"),
    ] {
        let child = activated(&addresses, folder.path()).spawn().unwrap();
        let _woken = connect(("127.0.0.1", port));
        let ended = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(told.contains(why), "{told}");
        assert_eq!(ended.status.code(), Some(3), "{told}");
    }
}
