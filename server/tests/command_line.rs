//! The program as a script meets it: what it prints, and its exit codes.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

fn sekisho(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sekisho")).args(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn init(dir: &Path) -> serde_json::Value {
    let dir = dir.to_str().unwrap();
    let made = sekisho(&["init", dir, "--tls-port", "0", "--json"]);
    assert_eq!(code(&made), 0, "{}", text(&made.stderr));
    // Certificates name 8080; tests that run at once must not share it.
    set(Path::new(dir), "listen", "plain", vec!["127.0.0.1:0"].into());
    serde_json::from_slice(&made.stdout).unwrap()
}

/// Another value in `sekisho.toml`.
fn set(dir: &Path, section: &str, key: &str, value: toml::Value) {
    let path = dir.join("sekisho.toml");
    let mut settings: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    settings[section][key] = value;
    std::fs::write(&path, settings.to_string()).unwrap();
}

fn serve(dir: &Path) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .arg("serve")
        .arg(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line)
}

#[test]
fn an_instance_is_made_served_stopped_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    let made = init(&dir);
    assert_eq!(made["root_fingerprint"].as_str().unwrap().len(), 64);
    assert_eq!(made["root_passphrase"].as_str().unwrap().len(), 39);
    let again = sekisho(&["init", dir.to_str().unwrap()]);
    assert_eq!(code(&again), 1);
    assert!(text(&again.stderr).contains("is not empty"));

    let (mut child, line) = serve(&dir);
    assert!(line.starts_with("ready tls="), "{line}");
    let word = |name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=")).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    };
    assert!(word("ms").parse::<u64>().unwrap() < 5_000, "{line}");
    assert_ne!(word("tls").parse::<u16>().unwrap(), 0);
    let ended = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(ended.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let verified = sekisho(&["audit", "verify", dir.to_str().unwrap(), "--json"]);
    assert_eq!(code(&verified), 0, "{}", text(&verified.stdout));
    let verdict: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(verdict["unchained"], 0);
    assert!(verdict["records"].as_u64().unwrap() > 20);
    let listed = sekisho(&["audit", "list", dir.to_str().unwrap(), "--json"]);
    assert_eq!(text(&listed.stdout).lines().count() as u64, verdict["records"].as_u64().unwrap());
    assert!(!text(&listed.stdout).contains("\"admin\""), "personal fields only on demand");
}

#[test]
fn signed_heads_are_kept_elsewhere_and_hold_the_trail() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    init(&dir);
    let dir = dir.to_str().unwrap();
    let head = sekisho(&["audit", "head", dir]);
    assert_eq!(code(&head), 0, "{}", text(&head.stderr));
    let head = text(&head.stdout);
    let (note, jws) = head.split_once('\n').unwrap();
    assert!(note.starts_with("# node-1: ") && note.contains(" records, signed 20"), "{note}");
    // As an auditor's file grows: several heads, notes and blank lines.
    let kept = folder.path().join("heads.txt");
    std::fs::write(&kept, format!("{head}\n{head}")).unwrap();
    let verify = |file: &str| {
        let verified = sekisho(&["audit", "verify", dir, "--json", "--head", file]);
        (code(&verified), text(&verified.stdout), text(&verified.stderr))
    };
    let (exit, verdict, _) = verify(kept.to_str().unwrap());
    let verdict: serde_json::Value = serde_json::from_str(&verdict).unwrap();
    // Two of the file and the one in the instance folder.
    assert_eq!((exit, verdict["witnesses"].as_u64()), (0, Some(3)));
    std::fs::write(&kept, "# nothing\n").unwrap();
    let (exit, _, said) = verify(kept.to_str().unwrap());
    assert!(exit == 1 && said.contains("holds no signed head"), "{exit} {said}");
    // Of another instance: neither that trail's, nor to be shown as this one's.
    let other = folder.path().join("other");
    init(&other);
    let other = other.to_str().unwrap();
    std::fs::write(&kept, text(&sekisho(&["audit", "head", other]).stdout)).unwrap();
    assert_eq!(verify(kept.to_str().unwrap()).0, 3);
    let jws = jws.trim();
    std::fs::write(format!("{other}/audit/node-1.jws"), jws).unwrap();
    assert_eq!(code(&sekisho(&["audit", "head", other])), 3);
}

#[test]
fn a_roots_key_that_lies_open_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    let made = init(&dir);
    let open = Command::new("openssl")
        .args(["pkey", "-passin"])
        .arg(format!("pass:{}", made["root_passphrase"].as_str().unwrap()))
        .arg("-in")
        .arg(made["root_key"].as_str().unwrap())
        .output()
        .unwrap();
    assert!(open.status.success(), "{}", text(&open.stderr));
    std::fs::write(dir.join("root.pem"), open.stdout).unwrap();
    let refused = || {
        let refused = sekisho(&["serve", dir.to_str().unwrap()]);
        assert_eq!(code(&refused), 1);
        text(&refused.stderr)
    };
    let said = refused();
    assert!(said.contains("unwrapped in") && said.contains("root.pem"), "{said}");
    // The same key as a browser exports it when nobody types a password.
    std::fs::create_dir_all(dir.join("old/files")).unwrap();
    let exported = Command::new("openssl")
        .args(["pkcs12", "-export", "-passout", "pass:", "-inkey", "root.pem"])
        .args(["-in", "ca/root.crt", "-out", "old/files/root.p12"])
        .current_dir(&dir)
        .output()
        .unwrap();
    assert!(exported.status.success(), "{}", text(&exported.stderr));
    std::fs::remove_file(dir.join("root.pem")).unwrap();
    let said = refused();
    assert!(said.contains("unwrapped in") && said.contains("old/files/root.p12"), "{said}");
}

#[test]
fn an_unknown_key_in_the_configuration_stops_the_start_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    init(&dir);
    let path = dir.join("sekisho.toml");
    let changed = std::fs::read_to_string(&path).unwrap().replace("code_seconds", "code_secs");
    std::fs::write(&path, changed).unwrap();
    let refused = sekisho(&["serve", dir.to_str().unwrap()]);
    assert_eq!(code(&refused), 1);
    assert!(text(&refused.stderr).contains("code_secs"), "{}", text(&refused.stderr));
}

#[test]
fn a_command_line_that_is_not_understood_exits_with_2_and_help_shows_examples() {
    assert_eq!(code(&sekisho(&["nonsense"])), 2);
    assert_eq!(code(&sekisho(&["serve"])), 2);
    let help = sekisho(&["--help"]);
    assert_eq!(code(&help), 0);
    assert!(text(&help.stdout).contains("Examples:"));
    for sub_command in [
        &["audit"][..],
        &["audit", "list"],
        &["revoke", "certificate"],
        &["revoke", "terminal"],
        &["revoke", "facility"],
        &["revoke", "key"],
        &["revoke", "issuer"],
        &["prefix"],
        &["prefix", "assign"],
        &["prefix", "list"],
        &["group"],
        &["group", "make"],
        &["group", "admit"],
        &["group", "end"],
        &["group", "close"],
        &["group", "list"],
        &["group", "show"],
        &["router"],
        &["router", "add"],
        &["router", "bundle"],
        &["router", "code"],
        &["router", "list"],
        &["router", "models"],
        &["router", "models", "import"],
        &["router", "models", "export"],
        &["router", "models", "list"],
        &["router", "models", "certify"],
        &["router", "models", "withdraw"],
        &["router", "psk"],
        &["router", "psk", "add"],
        &["router", "psk", "replace"],
        &["router", "psk", "end"],
        &["router", "psk", "list"],
        &["router", "setup"],
        &["router", "setup", "make"],
        &["router", "setup", "end"],
        &["service"],
        &["service", "acme-key"],
        &["service", "add"],
        &["service", "approve"],
        &["service", "list"],
        &["service", "rules"],
        &["service", "token"],
        &["service", "use-cases"],
        &["sandbox"],
        &["sandbox", "make"],
        &["sandbox", "cards"],
        &["administrator", "link"],
        &["administrator", "add"],
        &["example-config"],
        &["whois"],
        &["ceremony", "keys"],
        &["ceremony", "dry-run"],
        &["ceremony", "run"],
        &["ceremony", "verify"],
        &["ceremony", "request"],
        &["ceremony", "root-list"],
        &["ceremony", "install"],
    ] {
        let help = text(&sekisho(&[sub_command, &["--help"]].concat()).stdout);
        let example = format!("\n  sekisho {} ", sub_command.join(" "));
        assert!(help.contains("Example") && help.contains(&example), "{sub_command:?}: {help}");
    }
    let script = sekisho(&["completions", "bash"]);
    assert!(text(&script.stdout).contains("_sekisho"));
    let example = sekisho(&["example-config"]);
    assert_eq!(text(&example.stdout), include_str!("../../sekisho.example.toml"));
}

#[test]
fn a_router_whose_facility_or_numbers_do_not_fit_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    init(&dir);
    let dir = dir.to_str().unwrap();
    let good = ["--facility", "123456789007", "--name", "a", "--family", "router"];
    for (arguments, told) in [
        (&["--network", "10.0.0.0/8"][..], "the facility is not there or not active"),
        (&["--network", "10.0.0.1/8"], "not its beginning"),
        (&["--network", "0.0.0.0/0"], "no router has this network"),
        (&["--network", "10.0.0.0/8", "--address", "127.0.0.1"], "no router is reached"),
        (&["--network", "10.0.0.0/8", "--certify-address"], "--address"),
        (&["--network", "10.0.0.0/8", "--name", "b"], "cannot be used multiple times"),
    ] {
        let refused = sekisho(&[&["router", "add", dir], &good[..], arguments].concat());
        assert_eq!(code(&refused), 2, "{arguments:?}");
        assert!(text(&refused.stderr).contains(told), "{}", text(&refused.stderr));
        assert!(refused.stdout.is_empty());
    }
    let none = sekisho(&["router", "list", dir, "--facility", "123456789007"]);
    assert_eq!((code(&none), text(&none.stdout)), (0, String::new()));
}

#[test]
fn what_was_taken_back_stays_so_and_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    init(&dir);
    let dir = dir.to_str().unwrap();
    let never = sekisho(&["revoke", "certificate", dir, "--serial", "4b:01", "--hold"]);
    assert_eq!(code(&never), 2);
    assert!(text(&never.stderr).contains("there is no certificate terminals:4b01"));
    let odd = sekisho(&["revoke", "certificate", dir, "--serial", "B01", "--hold"]);
    assert_eq!(code(&odd), 2);
    assert!(text(&odd.stderr).contains("there is no certificate terminals:0b01"));
    let digest = "5a".repeat(32);
    let key = || {
        let output =
            sekisho(&["revoke", "key", dir, "--sha256", &digest, "--note", "found", "--json"]);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let in_words = sekisho(&["revoke", "key", dir, "--sha256", &"5b".repeat(32)]);
    let told = "The key is on record as compromised and will never be certified.";
    assert!(text(&in_words.stdout).starts_with(told), "{}", text(&in_words.stdout));
    assert_eq!(key()["changed"], true);
    assert_eq!(key()["changed"], false);
    let file = folder.path().join("instance/ca/servers.crt");
    let file = file.to_str().unwrap();
    // Its number as OpenSSL prints it, in one piece; held and released by it, then revoked by itself.
    let number =
        Command::new("openssl").args(["x509", "-in", file, "-noout", "-serial"]).output().unwrap();
    let number = text(&number.stdout).trim().strip_prefix("serial=").unwrap().to_owned();
    let pairs: Vec<&str> = (0..number.len()).step_by(2).map(|at| &number[at..at + 2]).collect();
    for (number, measure) in [(number.clone(), "--hold"), (pairs.join(":"), "--release")] {
        let by_number =
            ["revoke", "certificate", dir, "--issuer", "root", "--serial", &number, measure];
        let done = sekisho(&by_number);
        assert!(text(&done.stdout).starts_with("1 certificate "), "{}", text(&done.stderr));
    }
    let arguments = ["revoke", "certificate", dir, "--file", file, "--reason", "superseded"];
    let revoked = sekisho(&arguments);
    assert!(
        text(&revoked.stdout).starts_with("1 certificate revoked"),
        "{}",
        text(&revoked.stderr)
    );
    assert!(text(&sekisho(&arguments).stdout).starts_with("Nothing to change"));
    let held = sekisho(&["revoke", "certificate", dir, "--file", file, "--hold"]);
    assert_eq!(code(&held), 1);
    assert!(text(&held.stderr).contains("revoked for good: it can be neither held nor released"));
    for refused in [
        &["revoke", "certificate", dir, "--serial", "01"][..],
        &["revoke", "certificate", dir, "--serial", "01", "--hold", "--release"],
        &["revoke", "issuer", dir, "terminals"],
        &["revoke", "key", dir],
        &["revoke", "key", dir, "--sha256", "zz"],
        &["revoke", "key", dir, "--sha256", &digest[2..]],
        &["revoke", "certificate", dir, "--hold"],
        &["revoke", "certificate", dir, "--serial", "zz", "--hold"],
        &["revoke", "certificate", dir, "--serial", "4b:1:f", "--hold"],
        &["revoke", "certificate", dir, "--serial", "01", "--file", file, "--hold"],
        &["revoke", "certificate", dir, "--file", file, "--reason", "ca-compromise"],
        &["revoke", "issuer", dir, "terminals", "--reason", "key-compromise"],
        &["revoke", "facility", dir, "12345", "--hold"],
    ] {
        assert_eq!(code(&sekisho(refused)), 2, "{refused:?}");
    }
    // Help offers what is accepted.
    for (what, offered, not_offered) in [
        ("certificate", "key-compromise", "ca-compromise"),
        ("facility", "key-compromise", "ca-compromise"),
        ("issuer", "ca-compromise", "key-compromise"),
    ] {
        let help = text(&sekisho(&["revoke", what, "--help"]).stdout);
        let (_, values) = help.split_once("[possible values: ").unwrap();
        let (values, _) = values.split_once(']').unwrap();
        let values: Vec<_> = values.split([',', ' ', '\n']).collect();
        assert!(values.contains(&offered) && !values.contains(&not_offered), "{what}: {help}");
    }
    // Nothing comes next where nothing was done.
    let never = sekisho(&["revoke", "issuer", dir, "nosuch", "--reason", "ca-compromise"]);
    let said = text(&never.stderr);
    assert!(code(&never) == 2 && said.contains("nothing was changed"), "{said}");
    assert!(!said.contains("root's list"), "{said}");
    let listed = text(&sekisho(&["audit", "list", dir]).stdout);
    assert_eq!(listed.matches("revocation.revoke").count(), 5);
    // Each record says where: a system's act has a node only.
    assert!(listed.lines().all(|line| line.contains(" node=node-1")), "{listed}");
    for (option, unfit) in [("--after", "zzz"), ("--organisation", "foo")] {
        let refused = sekisho(&["audit", "list", dir, option, unfit]);
        assert_eq!(code(&refused), 2, "{option}");
        assert!(text(&refused.stderr).contains(unfit));
    }
}

#[test]
fn a_missed_first_link_is_made_anew_while_serving_and_while_not() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    let made = init(&dir);
    let dir = dir.to_str().unwrap();
    let link = |arguments: &[&str]| {
        let made = sekisho(&[&["administrator", "link", dir, "--json"], arguments].concat());
        assert_eq!(code(&made), 0, "{}", text(&made.stderr));
        assert_eq!(text(&made.stderr), "", "the link is printed on standard output alone");
        let answer: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
        assert_eq!(answer["login_name"], "admin");
        answer["first_use_link"].as_str().unwrap().to_owned()
    };
    let first = made["first_use_link"].as_str().unwrap();
    assert_ne!(link(&[]), first);
    let (mut child, line) = serve(Path::new(dir));
    let (_, port) = line.split_once("ready tls=").unwrap();
    let port = port.split_whitespace().next().unwrap();
    let running = link(&["admin"]);
    assert!(running.contains(&format!(":{port}/first-use?token=")), "{running}");
    let refused = sekisho(&["administrator", "link", dir, "nobody"]);
    assert_eq!(code(&refused), 2);
    assert!(text(&refused.stderr).contains("there are: admin"), "{}", text(&refused.stderr));
    let ended = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(ended.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let listed = text(&sekisho(&["audit", "list", dir]).stdout);
    let issued: Vec<_> =
        listed.lines().filter(|line| line.contains("account.issue_link")).collect();
    assert_eq!(issued.len(), 2, "{listed}");
    assert!(issued.iter().all(|line| line.contains("role=operator_at_host")), "{issued:?}");
}

#[test]
fn a_private_key_is_not_taken_for_a_key_to_revoke_and_its_public_half_is() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    init(&dir);
    let dir = dir.to_str().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let openssl = |arguments: &[&str]| {
        let made = Command::new("openssl").args(arguments).output().unwrap();
        assert!(made.status.success(), "{}", text(&made.stderr));
    };
    let (pem, der, public) = (at("key.pem"), at("key.der"), at("public.pem"));
    openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &pem]);
    openssl(&["pkey", "-in", &pem, "-outform", "DER", "-out", &der]);
    for private in [&pem, &der] {
        let refused = sekisho(&["revoke", "key", dir, "--file", private]);
        assert_eq!(code(&refused), 1);
        let said = text(&refused.stderr);
        let hint = format!("openssl pkey -in {private} -pubout -out public.pem");
        assert!(said.contains("holds a private key") && said.contains(&hint), "{said}");
    }
    openssl(&["pkey", "-in", &pem, "-pubout", "-out", &public]);
    assert_eq!(code(&sekisho(&["revoke", "key", dir, "--file", &public])), 0);
    let neither = sekisho(&["revoke", "key", dir, "--file", &format!("{dir}/sekisho.toml")]);
    assert!(text(&neither.stderr).contains("holds no certificate and no public key"));
}

#[test]
fn what_follows_the_revocation_of_an_authority_is_what_the_ceremony_page_says() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    init(&dir);
    let dir = dir.to_str().unwrap();
    let revoked = |id: &str| {
        let revoked = sekisho(&["revoke", "issuer", dir, id, "--reason", "ca-compromise"]);
        assert_eq!(code(&revoked), 0, "{}", text(&revoked.stderr));
        text(&revoked.stderr)
    };
    let (terminals, root) = (revoked("terminals"), revoked("root"));
    let page = include_str!("../../docs/ceremony.md");
    for (said, both_say) in [
        (&terminals, "sekisho ceremony root-list"),
        (&terminals, "sekisho ceremony install"),
        (&root, "a new instance with a new root, without cross-certificates"),
        (&root, "its fingerprint goes to every terminal by hand, as at enrolment"),
        (&root, "sekisho revoke issuer"),
    ] {
        // The page wraps its lines elsewhere.
        assert!(page.contains(both_say), "{both_say}");
        assert!(said.replace("a new \n", "a new ").contains(both_say), "{both_say}: {said}");
    }
    assert!(!root.contains("sign it"), "a root's own list does not help against itself: {root}");
}

#[test]
fn init_refuses_what_serve_or_the_console_would_refuse_later() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    let dir = dir.to_str().unwrap();
    for (arguments, told) in [
        (&["--tls-port", "8443", "--plain-port", "8443"][..], "port 8443 is taken by listen.tls"),
        (&["--administrator", "a@example.jp"], "is no login name: 3 to 64 of a-z"),
        (&["--administrator", "ab"], "\"ab\" is no login name"),
        (&["--domain", "a_b.example"], "`terminal.a_b.example` is not a host name"),
        (&["--organisation", "事業主体"], "1 to 64 ASCII characters"),
        (&["--network", ""], "a value is required for '--network"),
        (&["--database", "sqlite:../x.db"], "within the instance folder"),
        (&["--plain-port", "0"], "certificates name this port"),
    ] {
        let refused = sekisho(&[&["init", dir], arguments].concat());
        assert_eq!(code(&refused), 2, "{arguments:?}");
        assert!(text(&refused.stderr).contains(told), "{}", text(&refused.stderr));
        assert!(!Path::new(dir).exists());
    }
}

#[test]
fn a_failure_says_what_is_wrong_where_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    init(&made);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap();
    let mut cases: Vec<(PathBuf, &str, String, &str)> = Vec::new();
    let spoilt = |name: &str, spoil: &dyn Fn(&Path)| {
        let dir = folder.path().join(name);
        let copied = Command::new("cp").arg("-a").args([&made, &dir]).status().unwrap();
        assert!(copied.success());
        spoil(&dir);
        dir
    };
    let nowhere = folder.path().join("nowhere");
    cases.push((nowhere, "there is no ", "nowhere/sekisho.toml".into(), "`sekisho init`"));
    let dir = spoilt("is-a-folder", &|dir| {
        std::fs::remove_file(dir.join("sekisho.toml")).unwrap();
        std::fs::create_dir(dir.join("sekisho.toml")).unwrap();
    });
    cases.push((dir, "cannot read ", "is-a-folder/sekisho.toml".into(), "run this as the user"));
    let dir = spoilt("passphrase", &|dir| {
        std::fs::write(dir.join("secrets/passphrase"), "another").unwrap();
    });
    let file = "passphrase/secrets/passphrase".into();
    cases.push((dir, "terminals.p8 does not open under ", file, "from one backup"));
    let dir = spoilt("lost", &|dir| std::fs::remove_file(dir.join("keys/routers.p8")).unwrap());
    cases.push((dir, "cannot read ", "lost/keys/routers.p8".into(), "from a backup"));
    let dir = spoilt("port", &|dir| {
        set(dir, "listen", "tls", vec![taken.to_string()].into());
    });
    cases.push((dir, "cannot listen on ", taken.to_string(), "choose another port under [listen]"));
    let dir = spoilt("postgres", &|dir| {
        let url = "postgres://u:pass-word@localhost/x?host=/nowhere";
        set(dir, "instance", "database", url.into());
    });
    cases.push((dir, "cannot open ", "database x at /nowhere".into(), "`instance.database`"));
    let dir = spoilt("sqlite", &|dir| set(dir, "instance", "database", "sqlite:no/t.db".into()));
    cases.push((dir, "there is no ", "sqlite/no/t.db".into(), "`sekisho restore`"));
    let dir = spoilt("emptied", &|dir| std::fs::remove_file(dir.join("sekisho.db")).unwrap());
    cases.push((dir.clone(), "there is no ", "emptied/sekisho.db".into(), "from a backup"));
    let emptied = dir;
    let dir = spoilt("above", &|dir| set(dir, "instance", "database", "sqlite:../t.db".into()));
    cases.push((dir, "configuration key ", "`instance.database`".into(), "without `..`"));
    for (dir, what, at, remedy) in cases {
        let refused = sekisho(&["serve", dir.to_str().unwrap()]);
        let said = text(&refused.stderr);
        // A folder without a configuration is none that a command line could name.
        let expected = if remedy == "`sekisho init`" { 2 } else { 1 };
        assert_eq!(code(&refused), expected, "{said}");
        for part in [what, &at, remedy] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("pass-word"), "{said}");
    }
    // Other commands do not make an empty one either.
    let listed = sekisho(&["audit", "list", emptied.to_str().unwrap()]);
    assert_eq!(code(&listed), 1);
    assert!(!emptied.join("sekisho.db").exists());
}

#[test]
fn a_backup_without_a_place_is_refused_before_anything_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    init(&dir);
    let to = folder.path().join("nodir/x.age");
    let refused = sekisho(&["backup", dir.to_str().unwrap(), "--to", to.to_str().unwrap()]);
    let said = text(&refused.stderr);
    assert_eq!(code(&refused), 2);
    assert!(said.contains("there is no folder") && said.contains("nodir: make it"), "{said}");
    assert!(!said.contains("copying"), "{said}");
    // Nor is it put where the instance takes it along when it is lost.
    let to = dir.join("run/x.age");
    let refused = sekisho(&["backup", dir.to_str().unwrap(), "--to", to.to_str().unwrap()]);
    let said = text(&refused.stderr);
    assert_eq!(code(&refused), 1);
    assert!(
        said.contains("lies within the instance folder") && !said.contains("copying"),
        "{said}"
    );
    assert!(!to.exists());
}

#[test]
fn a_database_that_is_in_use_is_not_taken_for_a_new_instance() {
    let folder = tempfile::tempdir().unwrap();
    let (used, new) = (folder.path().join("used"), folder.path().join("new"));
    init(&used);
    let database = format!("sqlite:{}", used.join("sekisho.db").display());
    let refused = sekisho(&["init", new.to_str().unwrap(), "--database", &database]);
    let said = text(&refused.stderr);
    assert_eq!(code(&refused), 1);
    assert!(said.contains("in use by another instance") && !said.contains("UNIQUE"), "{said}");
    assert!(!new.exists());
}

#[test]
fn a_second_process_of_a_name_is_refused_and_one_that_was_killed_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    init(&dir);
    let (mut first, line) = serve(&dir);
    assert!(line.starts_with("ready"), "{line}");
    let refused = sekisho(&["serve", dir.to_str().unwrap()]);
    let said = text(&refused.stderr);
    assert_eq!(code(&refused), 1);
    assert!(said.contains("another process serves as node node-1"), "{said}");
    assert!(said.contains(&format!("process {} on ", first.id())), "{said}");
    assert!(said.contains("set another `instance.node`"), "{said}");
    first.kill().unwrap();
    first.wait().unwrap();
    let (mut next, line) = serve(&dir);
    assert!(line.starts_with("ready"), "{line}");
    next.kill().unwrap();
    next.wait().unwrap();
}

#[test]
fn a_service_whose_rule_releases_in_vain_is_registered_and_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    init(&dir);
    let file = folder.path().join("service.toml");
    let (_, example) = include_str!("../../docs/services.md").split_once("```toml").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let add = |text: &str| {
        std::fs::write(&file, text).unwrap();
        sekisho(&["service", "add", dir.to_str().unwrap(), file.to_str().unwrap()])
    };
    let whole = add(example);
    assert_eq!((code(&whole), text(&whole.stderr).as_str()), (0, ""));
    let lacking = example
        .replace(r#""referral""#, r#""lacking""#)
        .replace(r#""hc_role", "facility"]"#, r#""hc_role"]"#);
    let added = add(&lacking);
    assert_eq!(code(&added), 0);
    let said = text(&added.stderr);
    assert!(
        said.contains(
            "rule physicians releases facility_id, which is told with scope facility only"
        ),
        "{said}"
    );
    assert!(!said.contains("hc_role") && !said.contains("logout"), "{said}");
    let (before, after) = example.split_once("backchannel_logout_uri").unwrap();
    let after = after.split_once('\n').unwrap().1;
    let untold = add(&format!("{before}{after}").replace(r#""referral""#, r#""untold""#));
    assert_eq!(code(&untold), 0);
    assert!(text(&untold.stderr).contains("the service hears of no logout"), "{untold:?}");
}

#[test]
fn a_services_file_that_is_too_large_is_refused_and_not_read_in_part() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    init(&dir);
    let file = folder.path().join("service.toml");
    let (_, example) = include_str!("../../docs/services.md").split_once("```toml").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let add = |octets: usize| {
        // A comment: a part of the file would be a whole registration.
        let rest = octets - example.len() - 1;
        std::fs::write(&file, format!("{example}#{}", "x".repeat(rest))).unwrap();
        sekisho(&["service", "add", dir.to_str().unwrap(), file.to_str().unwrap()])
    };
    let refused = add(256 * 1024 + 1);
    assert_eq!((code(&refused), text(&refused.stdout).as_str()), (1, ""));
    let said = text(&refused.stderr);
    assert!(said.contains("too large: at most 256 KiB") && !said.contains("xxx"), "{said}");
    let listed = sekisho(&["service", "list", dir.to_str().unwrap()]);
    assert_eq!((code(&listed), text(&listed.stdout).as_str()), (0, ""));
    assert_eq!(code(&add(256 * 1024)), 0);
    // What is no file at all is named.
    let folder = folder.path().to_str().unwrap();
    let refused = sekisho(&["service", "add", dir.to_str().unwrap(), folder]);
    assert_eq!(code(&refused), 2);
    let said = text(&refused.stderr);
    assert!(said.contains(&format!("'{folder}' for '<FILE>': this is a folder")), "{said}");
}

#[test]
fn the_rules_of_a_service_are_shown_as_they_are_written_and_by_version() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    init(&dir);
    let (dir, file) = (dir.to_str().unwrap(), folder.path().join("service.toml"));
    let rules = "[[rules]]\nid = \"nurses\"\nroles = [\"General Nurse\"]\nmembership = true\nrelease = []\n";
    let service = "id = \"referral\"\nname = { ja = \"紹介\", en = \"Referral\" }\n\
         description = { ja = \"紹介状\", en = \"Letters\" }\nhome_url = \"https://referral.example/\"\n\
         redirect_uris = [\"https://referral.example/callback\"]\nauthentication = \"none\"\n\
         scopes = [\"openid\"]\n";
    std::fs::write(&file, format!("{service}{rules}")).unwrap();
    assert_eq!(code(&sekisho(&["service", "add", dir, file.to_str().unwrap()])), 0);
    for version in [&[][..], &["--version", "1"]] {
        let shown = sekisho(&[&["service", "rules", dir, "referral"], version].concat());
        assert_eq!((code(&shown), text(&shown.stderr).as_str()), (0, ""));
        assert_eq!(text(&shown.stdout), format!("# referral, version 1\n{rules}"));
    }
    let listed = sekisho(&["service", "rules", dir, "referral", "--versions"]);
    let line = text(&listed.stdout);
    assert!(line.starts_with("1\t20") && line.ends_with("\t-\t-\t-\n"), "{line}");
    let listed = sekisho(&["service", "rules", dir, "referral", "--versions", "--json"]);
    let line: serde_json::Value = serde_json::from_str(&text(&listed.stdout)).unwrap();
    assert_eq!((&line["version"], &line["proposed_by"]), (&1.into(), &serde_json::Value::Null));
    for (arguments, status, told) in [
        (&["nobody"][..], 2, "there is no service"),
        (&["referral", "--version", "2"], 1, "have no version 2"),
        (&["referral", "--version", "x"], 2, "--version"),
        (&["referral", "--version", "1", "--versions"], 2, "cannot be used with"),
    ] {
        let refused = sekisho(&[&["service", "rules", dir], arguments].concat());
        let said = text(&refused.stderr);
        assert!(code(&refused) == status && said.contains(told), "{arguments:?}: {said}");
        assert_eq!(text(&refused.stdout), "");
    }
}

#[test]
fn a_name_of_an_administrator_that_nobody_can_read_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    init(&dir);
    let dir = dir.to_str().unwrap();
    for arguments in [
        &["emergency", "--name", ""][..],
        &["emergency", "--name", "緊急\u{200b}用"],
        &["Emergency!"],
    ] {
        let refused = sekisho(&[&["administrator", "add", dir], arguments].concat());
        assert_eq!(code(&refused), 2, "{arguments:?}");
        assert_eq!(text(&refused.stdout), "", "no link is shown");
    }
}

#[cfg(unix)]
#[test]
fn a_passphrase_file_that_others_may_read_is_told_of() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passphrase");
    std::fs::write(&file, "correct horse battery staple\n").unwrap();
    for (mode, told) in [(0o640, true), (0o600, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let dir = folder.path().join(format!("{mode:o}"));
        let arguments = ["init", dir.to_str().unwrap(), "--root-passphrase-file"];
        let made = sekisho(&[&arguments[..], &[file.to_str().unwrap()]].concat());
        assert_eq!(code(&made), 0);
        assert_eq!(text(&made.stderr).contains("chmod 600"), told, "{mode:o}");
    }
}

/// A file of two models and two results; `psk` between them succeeded.
const BENCH: &str = r#"format = "sekisho-router-tests"
version = 1
[[model]]
key = "a"
maker = "日本ルーター"
model = "R"
firmware = "1.0"
firmware_to = "1.9"
family = "router_yamaha_rtx"
doors = ["psk"]
[[model]]
key = "b"
maker = "strongSwan Project"
model = "strongSwan"
firmware = "5.9.8"
family = "router_strongswan"
doors = ["est", "scep", "psk"]
note = "Debian 12"
[[run]]
source = "bench"
tested_by = "試験室"
tested_at = "2026-11-01T09:00:00+09:00"
judged = "packet"
results = [
    { opens = "a", awaits = "b", proof = "psk", succeeded = true },
    { opens = "a", awaits = "b", proof = "p256", succeeded = false, reason = "timeout" },
]
"#;

#[test]
fn router_models_go_in_and_out_and_are_certified_for_what_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    init(&dir);
    let dir = dir.to_str().unwrap();
    let models = |arguments: &[&str]| {
        let [command, rest @ ..] = arguments else { panic!("no command") };
        sekisho(&[&["router", "models", command, dir], rest].concat())
    };
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let bench = file("bench.toml", BENCH);
    assert_eq!(code(&models(&["import"])), 2, "neither a file nor the shipped one");
    assert_eq!(code(&models(&["import", &bench, "--shipped"])), 2);
    let wrong = file("wrong.toml", &BENCH.replace("\"packet\"", "\"looks\""));
    let refused = models(&["import", &wrong]);
    assert_eq!((code(&refused), text(&refused.stdout)), (3, String::new()));
    let said = text(&refused.stderr);
    assert!(said.contains("wrong.toml: line 23: `judged` is \"looks\""), "{said}");
    assert_eq!(text(&models(&["list"]).stdout), "", "nothing of it was taken");

    let first = models(&["import", &bench]);
    let counts = "models   2 entered, 0 changed, 0 known\nresults  2 entered, 0 known\n";
    assert_eq!((code(&first), text(&first.stdout).as_str()), (0, counts));
    let shipped = text(&models(&["import", "--shipped"]).stdout);
    assert_eq!(shipped, "models   2 entered, 0 changed, 1 known\nresults  45 entered, 0 known\n");
    let again = text(&models(&["import", &bench]).stdout);
    assert_eq!(again, "models   0 entered, 0 changed, 2 known\nresults  0 entered, 2 known\n");
    let contrary = file("contrary.toml", &BENCH.replace("timeout", "no answer"));
    let refused = models(&["import", &contrary]);
    assert_eq!(code(&refused), 3);
    assert!(text(&refused.stderr).contains("line 26: the register has a result"), "{refused:?}");

    let exported = text(&models(&["export"]).stdout);
    let exported = file("exported.toml", &exported);
    let elsewhere = folder.path().join("elsewhere");
    init(&elsewhere);
    let elsewhere = elsewhere.to_str().unwrap();
    let taken = sekisho(&["router", "models", "import", elsewhere, &exported]);
    let counts = "models   4 entered, 0 changed, 0 known\nresults  47 entered, 0 known\n";
    assert_eq!(text(&taken.stdout), counts, "{}", text(&taken.stderr));

    let listed = text(&models(&["list"]).stdout);
    let row = listed.lines().find(|line| line.contains("日本ルーター")).unwrap();
    let (id, rest) = row.split_once('\t').unwrap();
    assert_eq!(rest, "日本ルーター\tR\t1.0 – 1.9\trouter_yamaha_rtx\t-");
    let reason = ["--reason", "試験に合格"];
    let certify = |proof: &str, until: &str| {
        models(&[&["certify", id, "--proof", proof, "--until", until], &reason[..]].concat())
    };
    for (proof, until, says) in [
        ("p256", "2099-01-01", "five years"),
        ("p256", "2030-01-01", "no test of this model succeeded"),
        ("psk", "2026-11-01", "ends after it begins"),
        ("psk", "soon", "it is no day"),
        ("hpki-like", "2030-01-01", "possible values: p256, rsa3072, psk"),
    ] {
        let refused = certify(proof, until);
        assert_eq!(code(&refused), 2, "{proof} {until}");
        assert!(text(&refused.stderr).contains(says), "{}", text(&refused.stderr));
    }
    let done = certify("psk", "2030-03-31");
    assert_eq!(text(&done.stdout), "日本ルーター R 1.0 – 1.9 is certified for psk.\n");
    assert!(text(&models(&["list"]).stdout).contains("router_yamaha_rtx\tpsk\n"));
    let json: serde_json::Value = text(&models(&["list", "--json"]).stdout)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .find(|model| model["id"] == id)
        .unwrap();
    assert_eq!(json["certified"], serde_json::json!(["psk"]));
    let withdraw = || models(&[&["withdraw", id, "--proof", "psk"], &reason[..]].concat());
    assert_eq!(code(&withdraw()), 0);
    assert!(text(&models(&["list"]).stdout).contains("router_yamaha_rtx\t-\n"));
    let twice = withdraw();
    assert_eq!(code(&twice), 2);
    assert!(text(&twice.stderr).contains("is not certified"), "{}", text(&twice.stderr));
}

#[test]
fn facilities_get_prefixes_by_command_and_keep_them_and_are_found_by_them() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    init(&dir);
    let at = dir.to_str().unwrap();
    let prefix = |arguments: &[&str]| sekisho(&[&["prefix"], arguments].concat());
    let unplanned = prefix(&["assign", at]);
    assert_eq!(code(&unplanned), 2);
    assert!(text(&unplanned.stderr).contains("network.ipv6_plan"), "{unplanned:?}");
    set(&dir, "network", "ipv6_plan", "fd12:3456::1/32".into());
    let wrong = prefix(&["assign", at]);
    assert_eq!(code(&wrong), 1);
    assert!(text(&wrong.stderr).contains("it begins at fd12:3456::/32"), "{wrong:?}");
    set(&dir, "network", "ipv6_plan", "fd12:3456::/32".into());
    assert_eq!(text(&prefix(&["list", at]).stdout), "");
    // A facility of invented people.
    assert_eq!(code(&sekisho(&["sandbox", "make", at])), 0);
    let given = prefix(&["assign", at]);
    let line = text(&given.stdout);
    let (facility, first) = line.trim().split_once('\t').unwrap();
    assert_eq!((code(&given), first), (0, "fd12:3456::/56"), "{given:?}");
    assert_eq!(text(&prefix(&["assign", at]).stdout), "", "each has one");
    set(&dir, "network", "ipv6_plan", "fd99::/32".into());
    assert_eq!(text(&prefix(&["assign", at, "--facility", facility]).stdout), line, "and keeps it");
    let listed = text(&prefix(&["list", at, "--json"]).stdout);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed["facility"], &listed["prefix"]), (&facility.into(), &first.into()));
    let nobody = prefix(&["assign", at, "--facility", "123456789007"]);
    assert_eq!(code(&nobody), 2);

    let whois = |arguments: &[&str]| sekisho(&[&["whois", at], arguments].concat());
    let found = text(&whois(&["fd12:3456:0:ff::1"]).stdout);
    assert!(found.starts_with(&format!("prefix\tfd12:3456::/56\t{facility}\t")), "{found}");
    let strange = whois(&["fd12:3456:0:100::1", "--at", "2026-11-23T21:30:00+09:00"]);
    assert_eq!((code(&strange), text(&strange.stdout)), (0, String::new()));
    let json: serde_json::Value =
        serde_json::from_slice(&whois(&["fd12:3456::1", "--minutes", "5", "--json"]).stdout)
            .unwrap();
    assert_eq!(json["prefix"]["facility"]["id"], facility);
    for wrong in [
        &["fd12:3456::1/56"][..],
        &["::1", "--at", "yesterday"],
        &["::1", "--minutes", "0"],
        &["::1", "--minutes", "10081"],
    ] {
        let refused = whois(wrong);
        assert_eq!((code(&refused), text(&refused.stdout)), (2, String::new()), "{wrong:?}");
    }
    let trail = text(&sekisho(&["audit", "list", at, "--json"]).stdout);
    assert_eq!(trail.matches("\"address.look_up\"").count(), 3, "{trail}");
}
