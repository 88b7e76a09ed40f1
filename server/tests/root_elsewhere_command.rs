//! An instance whose root was never on its host, as two operators make it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

struct Desks {
    folder: tempfile::TempDir,
}

impl Desks {
    /// What `init` asked for lies in `requests`.
    fn new() -> Self {
        let desks = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(desks.path("secret"), "a root passphrase of some length\n").unwrap();
        let told = desks.done(&[
            "init",
            "instance",
            "--requests",
            "requests",
            "--network",
            "Example G1",
            "--organisation",
            "Example Operating Body",
            "--plain-port",
            "8081",
        ]);
        assert!(told.contains("--result RESULT --hash HASH"), "{told}");
        assert!(!desks.path("instance").exists());
        desks
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.path().join(file)
    }

    fn sekisho(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("LC_ALL", "en_US.UTF-8")
            .output()
            .unwrap()
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.sekisho(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", err(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the people with the root do, in `safe`; answers the hash.
    fn hold(&self, change: impl FnOnce(String) -> String) -> String {
        let _ = fs::remove_dir_all(self.path("safe"));
        fs::create_dir(self.path("safe")).unwrap();
        for entry in fs::read_dir(self.path("requests/carry")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), self.path("safe").join(entry.file_name())).unwrap();
        }
        let plan = fs::read_to_string(self.path("safe/plan.toml")).unwrap();
        fs::write(self.path("safe/plan.toml"), change(plan)).unwrap();
        let plan = "safe/plan.toml";
        self.done(&["ceremony", "keys", plan, "--secret", "root=secret"]);
        let json: serde_json::Value =
            serde_json::from_str(&self.done(&["ceremony", "dry-run", plan, "--json"])).unwrap();
        let hash = json["hash"].as_str().unwrap().to_owned();
        let run = ["ceremony", "run", plan, "--hash", &hash, "--out", "safe/result"];
        self.done(&[&run[..], &["--secret", "root=secret"]].concat());
        hash
    }

    fn complete(&self, hash: &str) -> Output {
        let from = ["--requests", "requests", "--result", "safe/result", "--hash", hash];
        self.sekisho(&[&["init", "instance"], &from[..]].concat())
    }

    fn refused(&self, hash: &str, why: &str) {
        let refused = self.complete(hash);
        assert_eq!(refused.status.code(), Some(1), "{why}");
        assert!(err(&refused).contains(why), "{why}: {}", err(&refused));
        assert!(!self.path("instance").exists(), "{why}");
        let left = fs::read_dir(self.folder.path()).unwrap();
        let is_left = |name: &str| name.starts_with(".sekisho-new-");
        assert!(
            !left.into_iter().any(|entry| is_left(&entry.unwrap().file_name().to_string_lossy()))
        );
    }
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn holds_a_root_key(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() { holds_a_root_key(&path) } else { path.ends_with("root-key.p8") }
    })
}

#[test]
fn the_root_signs_elsewhere_and_the_instance_is_whole() {
    let desks = Desks::new();
    let hash = desks.hold(|plan| plan);
    let told = desks.complete(&hash);
    assert!(told.status.success(), "{}", err(&told));
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("Its root is elsewhere") && told.contains("first-use?token="), "{told}");
    let instance = desks.path("instance");
    assert!(!holds_a_root_key(&instance) && !holds_a_root_key(&desks.path("requests")));

    let root = fs::read(instance.join("ca/root.crt")).unwrap();
    assert_eq!(root, fs::read(desks.path("safe/result/root.crt")).unwrap());
    let judge = |certificate: &str, lists: &[&str]| {
        let mut verify = Command::new("openssl");
        verify.args(["verify", "-x509_strict", "-trusted", "safe/result/root.crt"]);
        verify.args(["-crl_check", "-CRLfile", "safe/result/root.crl"]).args(lists);
        verify.arg(format!("instance/{certificate}")).current_dir(desks.folder.path());
        let output = verify.output().expect("openssl is installed");
        assert!(output.status.success(), "{certificate}: {}", err(&output));
    };
    for line in ["terminals", "routers", "servers"] {
        judge(&format!("ca/{line}.crt"), &[]);
    }
    // The trail tells of the ceremony and of everything that was signed, and is whole.
    let trail = desks.done(&["audit", "list", "instance", "--json"]);
    assert!(trail.contains("ceremony.install") && trail.contains(&hash), "{trail}");
    assert_eq!(trail.matches("\"issuer.add\"").count(), 4, "{trail}");
    desks.done(&["audit", "verify", "instance"]);
    // The next list of the root comes by the same way as ever, with the next number.
    let told = desks.done(&["ceremony", "root-list", "instance", "list"]);
    assert!(told.contains("list/plan.toml"), "{told}");
    assert!(fs::read_to_string(desks.path("list/plan.toml")).unwrap().contains("number = 2"));
    // And a second generation is asked for as in every instance.
    let out = ["--out", "terminals-2.csr"];
    desks.done(&[&["ceremony", "request", "instance", "terminals-2"], &out[..]].concat());
    // What is there is not made again.
    let again = desks.complete(&hash);
    assert_eq!(again.status.code(), Some(1));
    assert!(err(&again).contains("is not empty"), "{}", err(&again));
}

#[test]
fn another_result_than_the_one_asked_for_makes_no_instance() {
    let desks = Desks::new();
    let hash = desks.hold(|plan| plan);
    desks.refused(&"0".repeat(64), "these are results of a ceremony of hash");
    // For other keys than those that are here.
    let others = Desks::new();
    let theirs = others.hold(|plan| plan);
    fs::rename(desks.path("safe/result"), desks.path("own")).unwrap();
    fs::rename(others.path("safe/result"), desks.path("safe/result")).unwrap();
    desks.refused(&theirs, "does not belong to its certificate");
    fs::remove_dir_all(desks.path("safe/result")).unwrap();
    fs::rename(desks.path("own"), desks.path("safe/result")).unwrap();
    // A file that the transcript does not account for.
    fs::write(desks.path("safe/result/more"), "").unwrap();
    desks.refused(&hash, "none of this ceremony's files");
    fs::remove_file(desks.path("safe/result/more")).unwrap();
    // Something is missing, or of other addresses.
    let hash = desks.hold(|plan| {
        let at = plan.find("[[crl]]").unwrap();
        let end = at + plan[at..].find("\n\n").unwrap();
        format!("{}{}", &plan[..at], &plan[end..])
    });
    desks.refused(&hash, "did not make the root's list");
    // The servers' authority is the plan's last.
    let hash =
        desks.hold(|plan| plan[..plan.find("[[key]]\nname = \"servers\"").unwrap()].to_owned());
    desks.refused(&hash, "did not make the authority `servers`");
}

#[test]
fn a_result_of_other_addresses_makes_no_instance() {
    let desks = Desks::new();
    let hash = desks.hold(|plan| {
        assert!(plan.contains("http://plain.sekisho.localhost:8081"), "{plan}");
        plan.replace("http://plain.sekisho.localhost:8081", "http://elsewhere.example")
    });
    desks.refused(&hash, "is refused");
    // And the same requests can still be used.
    let hash = desks.hold(|plan| plan);
    let told = desks.complete(&hash);
    assert!(told.status.success(), "{}", err(&told));
}
