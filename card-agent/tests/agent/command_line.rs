//! The program itself: what it prints, and the exit codes that scripts rely on.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use sekisho_agent::terminal::nss;
use sekisho_agent::terminal::place::{Enrolment, Place};
use sekisho_agent::terminal::policy::{self, Standing};
use sekisho_protocol::JwkSet;
use sekisho_protocol::trust::{Named, TerminalTrust};
use sekisho_software_card::Layout;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::browser_store::enrolled;
use crate::cards::write_card;

fn agent(folder: &std::path::Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sekisho-agent"))
        .arg("--dir")
        .arg(folder)
        .args(arguments)
        .env("HOME", folder)
        .output()
        .unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A folder as enrolment leaves it, with trust in portals that are nowhere.
pub fn pinned(folder: &std::path::Path) {
    let (place, key) = enrolled(folder);
    let key = sekisho_agent::terminal::key::TerminalKey::public(&key).clone();
    place
        .remember(&Enrolment {
            server: "https://nowhere.localhost:1".into(),
            root_sha256: "00".repeat(32),
            terminal: "T0123456789".into(),
            code_sha256: None,
        })
        .unwrap();
    place
        .pin(&TerminalTrust {
            issuer: "https://login.example".into(),
            portal_origins: vec!["https://terminal.localhost:1".into()],
            login_request_keys: JwkSet::new(vec![key.named_by_thumbprint()]).unwrap(),
            terminal: Named { id: "T0123456789".into(), name: "外来1号機".into() },
            facility: Named { id: "123456789015".into(), name: "架空クリニック".into() },
            card_issuers: vec![],
            accepted_policies: vec![],
            presence_url: "https://nowhere.localhost:1/presence".into(),
            minimum_agent_version: "0.1.0".parse().unwrap(),
            navigation: false,
        })
        .unwrap();
}

#[test]
fn a_pc_that_is_not_enrolled_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for command in [&["status"][..], &["run", "--port", "0"], &["policy"], &["renew"]] {
        let (code, _, error) = agent(folder.path(), command);
        assert_eq!(code, 1, "{command:?} {error}");
        // Root is never sent to enrol again: it is the PC's user who is enrolled.
        let (for_root, for_others) = ("name the folder of the user", "run the enroll line");
        let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        let (told, not_told) = if root { (for_root, for_others) } else { (for_others, for_root) };
        assert!(error.contains(told) && !error.contains(not_told), "{error}");
    }
}

#[test]
fn exit_codes_are_those_of_the_help_and_a_panic_is_none_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let digest = "5a".repeat(32);
    let enroll = |server: &'static str, root: &str| {
        let words = ["enroll", "--server", server, "--root", root];
        [&words[..], &["--terminal", "T0123456789", "--code", "ABCD"]].concat().join(" ")
    };
    for (line, expected, told) in [
        (enroll("http://localhost:1", &digest), 2, "is not an https address"),
        (enroll("https://localhost:1", "5a"), 2, "64 hexadecimal digits"),
        (enroll("https://localhost:1", &digest), 1, "does not answer"),
        ("doctor --port 1".to_owned(), 1, "faults"),
        ("run --address 192.0.2.1".to_owned(), 2, "give a loopback address"),
    ] {
        let arguments: Vec<_> = line.split(' ').collect();
        let (code, _, error) = agent(folder.path(), &arguments);
        assert_eq!(code, expected, "{line}: {error}");
        assert!(error.contains(told), "{line}: {error}");
    }
    pinned(folder.path());
    for line in [
        &["status"][..],
        &["status", "--json"],
        &["policy"],
        &["doctor"],
        &["completions", "bash"],
        &["--help"],
        &["--version"],
        &["enroll", "--help"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_sekisho-agent"))
            .arg("--dir")
            .arg(folder.path())
            .args(line)
            .stdout(full)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{line:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("cannot write to standard output"), "{line:?}: {said}");
    }
}

#[test]
fn a_folder_that_is_named_and_not_there_is_wrong_usage_in_every_command_that_reads_it() {
    let absent = tempfile::tempdir().unwrap().path().join("nope");
    for command in ["renew", "run", "status", "policy", "doctor"] {
        let (code, out, error) = agent(&absent, &[command]);
        assert_eq!((code, out.as_str()), (2, ""), "{command}: {error}");
        assert!(error.contains(absent.to_str().unwrap()), "{command}: {error}");
        let (_, help, _) = agent(&absent, &[command, "--help"]);
        assert_eq!(help.matches("Exit codes:").count(), 1, "{command}: {help}");
    }
    assert_eq!(agent(&absent, &["completions", "bash"]).0, 0);
    assert!(!absent.exists());
}

#[test]
fn doctor_has_every_line_on_a_pc_that_is_not_enrolled() {
    let folder = tempfile::tempdir().unwrap();
    let line = ["doctor", "--port", "1", "--pinentry", "/nonexistent/pinentry"];
    let (code, out, error) = agent(folder.path(), &line);
    assert_eq!(code, 1, "{error}");
    let told = |line: &str| line[7..].split(':').next().unwrap().to_owned();
    let subjects: Vec<String> = out.lines().map(told).collect();
    let expected = [
        "enrolment",
        "server",
        "clock",
        "portal",
        "certificate",
        "browser store",
        "browser policy",
        "agent",
        "PIN window",
        "card service",
        "drivers",
        "readers",
        "cards",
    ];
    assert_eq!(subjects, expected, "{out}");
    for line in [
        "FAULT  enrolment: no enrolment here",
        "?      server: not known: it comes with the enrolment; see the line `enrolment`",
        "?      clock: not known: ",
        "FAULT  agent: does not run (nothing listens on port 1); start ",
        "FAULT  PIN window: the PIN cannot be asked for: /nonexistent/pinentry: ",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    assert!(out.lines().filter(|line| !line.starts_with("ok")).all(|line| line.contains("; ")));
    assert!(!out.contains("terminal.p8"), "{out}");
    assert!(error.contains("faults, ") && error.contains("lines not known"), "{error}");
}

#[test]
fn doctor_tells_each_thing_that_would_break_a_login_and_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("agent");
    pinned(&at);
    let doctor = || agent(&at, &["doctor", "--port", "1"]).1;
    let told = doctor();
    for line in [
        "?      certificate: not known: it ends on ",
        "FAULT  portal: https://terminal.localhost:1 does not answer",
        "ok     browser store: none: ",
        "run `sekisho-agent renew --browser-only --nss ",
        "FAULT  browser policy: none names this portal; as root: sekisho-agent policy --dir ",
        "FAULT  agent: does not run (nothing listens on port 1); start `sekisho-agent run`",
    ] {
        assert!(told.contains(line), "{told}");
    }

    // Somebody else has its port, on one of both addresses; a list that came to harm comes back from the server.
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let squatter = std::net::TcpListener::bind(address).unwrap();
        let at_port = squatter.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut connection in squatter.incoming().flatten() {
                let _ = connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            }
        });
        let told = agent(&at, &["doctor", "--port", &at_port.port().to_string()]).1;
        assert!(
            told.contains(&format!("FAULT  agent: another program listens on {at_port}; ")),
            "{told}"
        );
    }
    let trust = std::fs::read(at.join("trust.json")).unwrap();
    std::fs::write(at.join("trust.json"), "nonsense").unwrap();
    let told = doctor();
    assert!(
        told.contains("trust.json is malformed")
            && told.contains("; run `sekisho-agent renew`; if")
    );
    std::fs::write(at.join("trust.json"), trust).unwrap();

    // A browser of this user has its store: it lacks the certificate, until it is given.
    let usual = at.join(".pki/nssdb");
    std::fs::create_dir_all(&usual).unwrap();
    assert!(doctor().contains("FAULT  browser store: "), "{}", doctor());
    let usual = usual.to_str().unwrap();
    let (code, told, error) = agent(&at, &["renew", "--browser-only", "--nss", usual]);
    assert_eq!(code, 0, "{error}");
    assert!(told.contains("holds this PC's certificate"), "{told}");
    assert!(doctor().contains("ok     browser store: "), "{}", doctor());

    let place = Place { folder: at.clone() };
    // What cannot be used is told, and is not what the next renewal is held up by.
    let unfit = at.join("terminal.json");
    let (code, _, error) =
        agent(&at, &["renew", "--browser-only", "--nss", unfit.to_str().unwrap()]);
    assert_eq!(code, 3, "{error}");
    assert_eq!(place.settings().unwrap().nss.as_deref(), Some(std::path::Path::new(usual)));

    let store = folder.path().join("nssdb");
    nss::supply(&place, Some(&store)).unwrap();
    assert!(doctor().contains("ok     browser store: "), "{}", doctor());
    // Another certificate that only the agent has.
    let renewed = folder.path().join("renewed");
    enrolled(&renewed);
    for name in ["terminal.p8", "terminal.crt"] {
        std::fs::rename(renewed.join(name), at.join(name)).unwrap();
    }
    let told = doctor();
    assert!(told.contains("holds another certificate than the agent; run `"), "{told}");
    nss::supply(&place, None).unwrap();
    assert!(doctor().contains("ok     browser store: "), "{}", doctor());
    // The key of before went with its certificate.
    let database = format!("sql:{}", store.display());
    let keys = Command::new("certutil").args(["-K", "-d", &database]).output().unwrap();
    let keys = String::from_utf8(keys.stdout).unwrap();
    assert_eq!(keys.lines().filter(|line| line.starts_with('<')).count(), 1, "{keys}");
}

#[test]
fn the_policy_is_written_into_a_folder_that_is_made_or_the_place_is_named() {
    let folder = tempfile::tempdir().unwrap();
    pinned(folder.path());
    let target = folder.path().join("etc/managed/sekisho.json");
    let (code, _, error) = agent(folder.path(), &["policy", "--write", target.to_str().unwrap()]);
    assert_eq!(code, 0, "{error}");
    let policy = std::fs::read(&target).unwrap();
    let trust = Place { folder: folder.path().to_owned() }.trust().unwrap();
    let certificate = std::fs::read(folder.path().join("terminal.crt")).unwrap();
    let certificate = Certificate::from_der(&certificate).unwrap();
    let policies = vec![("here".to_owned(), serde_json::from_slice(&policy).unwrap())];
    assert_eq!(policy::standing(policies, &trust, &certificate), Standing::InPlace);
    assert_eq!(policy::standing(vec![], &trust, &certificate), Standing::Absent);
    // A file stands where the folder would be.
    let beyond = target.join("x.json");
    let (code, _, error) = agent(folder.path(), &["policy", "--write", beyond.to_str().unwrap()]);
    assert_eq!(code, 3);
    assert!(error.contains(target.to_str().unwrap()), "{error}");
}

#[test]
fn wrong_usage_is_two_and_the_help_shows_examples() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(agent(folder.path(), &["enroll"]).0, 2);
    assert_eq!(agent(folder.path(), &["dance"]).0, 2);
    for command in
        [&["--help"][..], &["enroll", "--help"], &["run", "--help"], &["policy", "--help"]]
    {
        let (code, text, _) = agent(folder.path(), command);
        assert_eq!(code, 0);
        assert!(text.contains("Example"), "{text}");
    }
}

#[test]
fn an_enrolled_pc_shows_itself_and_its_browser_policy() {
    let folder = tempfile::tempdir().unwrap();
    pinned(folder.path());
    let (code, text, error) = agent(folder.path(), &["status"]);
    assert_eq!(code, 0, "{error}");
    assert!(text.contains("架空クリニック (123456789015)"), "{text}");
    let (_, policy, _) = agent(folder.path(), &["policy"]);
    let policy: serde_json::Value = serde_json::from_str(&policy).unwrap();
    assert_eq!(policy["LoopbackNetworkAllowedForUrls"][0], "https://terminal.localhost:1");
    let select: serde_json::Value =
        serde_json::from_str(policy["AutoSelectCertificateForUrls"][0].as_str().unwrap()).unwrap();
    assert_eq!(select["pattern"], "https://terminal.localhost:1");
    // An issuer without an organisation: by the terminal then.
    assert_eq!(select["filter"], serde_json::json!({ "SUBJECT": { "CN": "T0123456789" } }));
}

#[test]
fn a_card_and_a_pin_window_that_are_not_there_are_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    pinned(folder.path());
    let open = folder.path().join("open-pin");
    std::fs::write(&open, "1234").unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = open.to_str().unwrap();
    for (line, told) in [
        (["run", "--port", "0", "--pin-file", "pin", "--software-card", "nosuch"], "card nosuch"),
        (["run", "--port", "0", "--pin-file", open, "--software-card", "."], "others may read it"),
        (["run", "--port", "0", "--pin-file", "/", "--software-card", "."], "no file"),
        (
            ["run", "--port", "0", "--pinentry", "/nonexistent", "--software-card", "."],
            "/nonexistent",
        ),
        (["run", "--port", "0", "--pinentry", "nosuch", "--software-card", "."], "program nosuch"),
    ] {
        let (code, _, error) = agent(folder.path(), &line);
        assert_eq!(code, 2, "{line:?}: {error}");
        assert!(error.contains(told), "{line:?}: {error}");
    }
}

#[test]
fn the_agent_says_when_it_is_ready_takes_up_a_renewal_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    pinned(folder.path());
    let card = folder.path().join("card");
    write_card(&card, Layout::Observed);
    let mut child = Command::new(env!("CARGO_BIN_EXE_sekisho-agent"))
        .arg("--dir")
        .arg(folder.path())
        .args(["run", "--port", "0", "--pin-file", "never-read", "--software-card"])
        .arg(&card)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    let port: u16 = line.trim().strip_prefix("ready on port ").unwrap().parse().unwrap();
    std::net::TcpStream::connect(("::1", port)).unwrap();
    // Renewal, by another run of the program.
    let renewed = folder.path().join("renewed");
    enrolled(&renewed);
    for name in ["terminal.p8", "root.crt", "terminal.crt"] {
        std::fs::rename(renewed.join(name), folder.path().join(name)).unwrap();
    }
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "took up the new certificate\n");
    let stopped = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(stopped.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
