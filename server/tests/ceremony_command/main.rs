//! `sekisho ceremony` as its operators meet it: two computers, a stick, a safe.
#![allow(clippy::unwrap_used, missing_docs)]

mod cross;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use sekisho_test_token::{CONFIGURATION, PIN, SoftToken, module};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

const PASSPHRASE: &str = "correct horse battery staple";

struct Desk {
    folder: tempfile::TempDir,
    token_configuration: Option<PathBuf>,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap(), token_configuration: None };
        desk.write("passphrase", PASSPHRASE);
        desk.write("plan.toml", &plan("kind = 'p384'\nfile = 'root.p8'"));
        desk
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{file}: {from}");
        self.write(file, &text.replacen(from, to, 1));
    }

    fn ceremony(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
        command
            .arg("ceremony")
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("LC_ALL")
            .env_remove("LC_MESSAGES")
            .env("LANG", "en_US.UTF-8");
        if let Some(configuration) = &self.token_configuration {
            command.env(CONFIGURATION, configuration);
        }
        command.output().unwrap()
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.ceremony(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", err(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, arguments: &[&str]) -> String {
        self.exits_with(1, arguments)
    }

    fn exits_with(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.ceremony(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {:?}", output.stdout);
        err(&output)
    }

    fn make_keys(&self) {
        self.done(&[
            "keys",
            "plan.toml",
            "--secret",
            "root=passphrase",
            "--secret",
            "t=passphrase",
        ]);
    }

    fn hash(&self) -> String {
        let json: serde_json::Value =
            serde_json::from_str(&self.done(&["dry-run", "plan.toml", "--json"])).unwrap();
        json["hash"].as_str().unwrap().to_owned()
    }

    fn run_arguments<'a>(&self, hash: &'a str, out: &'a str) -> Vec<&'a str> {
        vec!["run", "plan.toml", "--hash", hash, "--out", out, "--secret", "root=passphrase"]
    }
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn plan(root_key: &str) -> String {
    let at = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap();
    format!(
        "title = 'Example network, first ceremony'
at = '{at}'
organisation = 'Example Operating Body'
publication = 'http://plain.example'
[[key]]
name = 'root'
{root_key}
[[key]]
name = 't'
kind = 'p256'
file = 'terminals.p8'
[[authority]]
id = 'root'
key = 'root'
common_name = 'Example G1 Root CA'
[[authority]]
id = 'terminals'
key = 't'
common_name = 'Example G1 Terminal CA'
[[certificate]]
profile = 'root'
subject = 'root'
issuer = 'root'
days = 9131
[[certificate]]
profile = 'issuing'
subject = 'terminals'
issuer = 'root'
days = 3653
[[crl]]
issuer = 'root'
number = 1
days = 366
"
    )
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn from_a_plan_to_a_verified_result() {
    let desk = Desk::new();
    // Before the keys there is nothing to show, and the answer says what to do.
    let refused = desk.refused(&["dry-run", "plan.toml"]);
    assert!(refused.contains("`sekisho ceremony keys`"), "{refused}");
    desk.make_keys();
    // Again: what is there is told and not replaced.
    let before = fs::read(desk.path("root.p8")).unwrap();
    desk.make_keys();
    assert_eq!(fs::read(desk.path("root.p8")).unwrap(), before);

    let shown = desk.done(&["dry-run", "plan.toml"]);
    for part in [
        "[2/3] certificate terminals.crt (terminals, profile issuing), signed by root",
        "Example G1 Terminal CA",
        "[3/3] revocation list root.crl (number 1), signed by root",
        "Hash of everything that would be signed:",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let japanese = desk.done(&["dry-run", "plan.toml", "--lang", "ja"]);
    assert!(japanese.contains("署名の対象全体のハッシュ"), "{japanese}");
    let hash = desk.hash();
    assert!(!desk.path("result").exists(), "a dry run signs nothing");

    let told = desk.done(&desk.run_arguments(&hash, "result"));
    assert!(told.contains("[3/3]") && told.contains("Next:"), "{told}");
    let told = desk.done(&["verify", "result", "--hash", &hash]);
    assert!(told.contains("terminals.crt") && told.contains("was compared"), "{told}");
    let judged = Command::new("openssl")
        .args(["verify", "-x509_strict", "-crl_check_all", "-trusted", "root.crt"])
        .args(["-CRLfile", "root.crl", "terminals.crt"])
        .current_dir(desk.path("result"))
        .output()
        .expect("openssl is installed");
    assert!(judged.status.success(), "{}", err(&judged));
}

#[test]
fn a_run_after_a_change_signs_nothing() {
    let desk = Desk::new();
    desk.make_keys();
    let hash = desk.hash();
    for (from, to) in [("days = 3653", "days = 3000"), ("G1 Terminal", "G2 Terminal")] {
        desk.edit("plan.toml", from, to);
        let refused = desk.refused(&desk.run_arguments(&hash, "result"));
        assert!(refused.contains("nothing was signed"), "{refused}");
        desk.edit("plan.toml", to, from);
    }
    // A key that was exchanged after the dry run.
    let public = fs::read(desk.path("t.pub")).unwrap();
    fs::remove_file(desk.path("t.pub")).unwrap();
    fs::remove_file(desk.path("terminals.p8")).unwrap();
    desk.make_keys();
    desk.refused(&desk.run_arguments(&hash, "result"));
    // Its public half put back: the hash fits again, and the private key is not asked.
    fs::write(desk.path("t.pub"), public).unwrap();
    assert_eq!(desk.hash(), hash);
    assert!(!desk.path("result").exists());
    // The root's private key exchanged, its public half kept.
    fs::remove_file(desk.path("root.p8")).unwrap();
    let refused = desk.refused(&[
        "keys",
        "plan.toml",
        "--secret",
        "root=passphrase",
        "--secret",
        "t=passphrase",
    ]);
    assert!(refused.contains("nothing was replaced"), "{refused}");
    let refused = desk.refused(&desk.run_arguments(&hash, "result"));
    assert!(refused.contains("does not belong to the public key"), "{refused}");
    assert!(!desk.path("result/root.crt").exists());
}

#[test]
fn keys_are_opened_by_their_own_secret_only() {
    let desk = Desk::new();
    let refused = desk.refused(&["keys", "plan.toml"]);
    assert!(refused.contains("--secret root=FILE"), "{refused}");
    desk.write("short", "swordfish");
    let refused = desk.refused(&["keys", "plan.toml", "--secret", "root=short"]);
    assert!(refused.contains("at least 20"), "{refused}");
    assert!(!desk.path("root.p8").exists());
    desk.make_keys();
    let hash = desk.hash();
    desk.write("other", "another passphrase of length");
    let refused = desk.refused(&[
        "run",
        "plan.toml",
        "--hash",
        &hash,
        "--out",
        "result",
        "--secret",
        "root=other",
    ]);
    assert!(refused.contains("does not open"), "{refused}");
    assert!(!desk.path("result").exists());
}

#[test]
fn a_run_that_was_cut_off_goes_on_where_it_stopped() {
    let desk = Desk::new();
    desk.make_keys();
    let hash = desk.hash();
    desk.done(&desk.run_arguments(&hash, "whole"));
    // What the disk holds when the light goes out after each write.
    let writes = [
        "statement.json",
        "step-01.tbs",
        "root.crt",
        "step-02.tbs",
        "terminals.crt",
        "step-03.tbs",
        "root.crl",
    ];
    for durable in 0..=writes.len() {
        let out = format!("cut-{durable}");
        fs::create_dir(desk.path(&out)).unwrap();
        for file in &writes[..durable] {
            fs::copy(desk.path("whole").join(file), desk.path(&out).join(file)).unwrap();
        }
        // A half-written file of the next step.
        if let Some(next) = writes.get(durable) {
            fs::write(desk.path(&out).join(format!("{next}.part")), "half").unwrap();
        }
        let told = desk.done(&desk.run_arguments(&hash, &out));
        let found = told.matches("signed by an earlier run").count();
        assert_eq!(
            found,
            writes[..durable].iter().filter(|f| f.ends_with("crt") || f.ends_with("crl")).count()
        );
        desk.done(&["verify", &out, "--hash", &hash]);
        for file in &writes[..durable] {
            let (before, after) = (desk.path("whole").join(file), desk.path(&out).join(file));
            assert_eq!(fs::read(before).unwrap(), fs::read(after).unwrap(), "{file}");
        }
    }
}

#[test]
fn results_of_another_ceremony_are_not_touched() {
    let desk = Desk::new();
    desk.make_keys();
    let hash = desk.hash();
    desk.done(&desk.run_arguments(&hash, "result"));
    let before = files(&desk.path("result"));
    let certificate = fs::read(desk.path("result/root.crt")).unwrap();
    desk.edit("plan.toml", "days = 3653", "days = 3000");
    let other = desk.hash();
    let refused = desk.refused(&desk.run_arguments(&other, "result"));
    assert!(
        refused.contains("results of another ceremony") && refused.contains(&hash),
        "{refused}"
    );
    assert_eq!(files(&desk.path("result")), before);
    assert_eq!(fs::read(desk.path("result/root.crt")).unwrap(), certificate);
}

#[test]
fn a_result_that_was_tampered_with_does_not_verify() {
    let desk = Desk::new();
    desk.make_keys();
    let hash = desk.hash();
    desk.done(&desk.run_arguments(&hash, "result"));
    let refused = desk.exits_with(3, &["verify", "result", "--hash", &"0".repeat(64)]);
    assert!(refused.contains(&hash), "{refused}");
    let spoil = |file: &str, content: Option<&[u8]>| {
        let path = desk.path("result").join(file);
        let good = fs::read(&path).unwrap();
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let code = if content.is_some() { 3 } else { 1 };
        desk.exits_with(code, &["verify", "result", "--hash", &hash]);
        fs::write(&path, good).unwrap();
        desk.done(&["verify", "result", "--hash", &hash]);
    };
    let root = fs::read(desk.path("result/root.crt")).unwrap();
    spoil("terminals.crt", Some(&root));
    spoil("terminals.crt", Some(b"no certificate"));
    for file in ["root.crl", "transcript.json", "statement.json"] {
        spoil(file, None);
    }
    let transcript = fs::read_to_string(desk.path("result/transcript.json")).unwrap();
    spoil(
        "transcript.json",
        Some(transcript.replacen("\"payload\": \"e", "\"payload\": \"f", 1).as_bytes()),
    );
    let statement = fs::read_to_string(desk.path("result/statement.json")).unwrap();
    spoil("statement.json", Some(statement.replacen("first", "second", 1).as_bytes()));
}

#[test]
fn what_the_transcript_does_not_account_for_is_refused() {
    let desk = Desk::new();
    desk.make_keys();
    let hash = desk.hash();
    desk.done(&desk.run_arguments(&hash, "result"));
    let verify = ["verify", "result", "--hash", &hash];
    // Text around what the transcript names, in each file that the ceremony wrote.
    for file in files(&desk.path("result")) {
        let path = desk.path("result").join(&file);
        let good = fs::read(&path).unwrap();
        let around = [[b"\n", &good[..]].concat(), [&good[..], b"a word of mine\n"].concat()];
        for more in around {
            fs::write(&path, more).unwrap();
            let refused = desk.exits_with(3, &verify);
            assert!(!refused.is_empty(), "{file}");
        }
        fs::write(&path, good).unwrap();
        desk.done(&verify);
    }
    // Files beside them: of any name, of no content, half written, and folders.
    for file in ["terminals-2.crt", "note.txt", ".hidden", "step-04.tbs", "root.crt.part"] {
        desk.write(&format!("result/{file}"), "");
        let refused = desk.exits_with(3, &verify);
        assert!(refused.contains(file), "{refused}");
        fs::remove_file(desk.path("result").join(file)).unwrap();
    }
    fs::create_dir(desk.path("result/more")).unwrap();
    let refused = desk.exits_with(3, &verify);
    assert!(refused.contains("more"), "{refused}");
    fs::remove_dir(desk.path("result/more")).unwrap();
    desk.done(&verify);
}

#[test]
fn a_run_does_not_begin_among_other_files() {
    let desk = Desk::new();
    desk.make_keys();
    let hash = desk.hash();
    // The plan's own folder, above all.
    let refused = desk.refused(&desk.run_arguments(&hash, "."));
    assert!(refused.contains("none of this ceremony's files"), "{refused}");
    assert!(!desk.path("statement.json").exists() && !desk.path("root.crt").exists());
}

#[test]
fn a_request_of_another_host_is_certified_only_if_it_is_the_one_that_was_reviewed() {
    let desk = Desk::new();
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(desk.folder.path())
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "{}", err(&output));
        output.stdout
    };
    for name in ["ours", "theirs"] {
        let (key, request) = (format!("{name}.pem"), format!("{name}.csr"));
        openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", &key]);
        openssl(&["req", "-new", "-subj", "/CN=x", "-key", &key, "-out", &request]);
    }
    let spki = openssl(&["pkey", "-in", "ours.pem", "-pubout", "-outform", "DER"]);
    let sha256 = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(spki));
    desk.edit(
        "plan.toml",
        "kind = 'p256'\nfile = 'terminals.p8'",
        &format!("request = 'request.csr'\nsha256 = '{sha256}'"),
    );
    let keys = ["keys", "plan.toml", "--secret", "root=passphrase"];
    desk.done(&keys);
    fs::copy(desk.path("theirs.csr"), desk.path("request.csr")).unwrap();
    let refused = desk.refused(&["dry-run", "plan.toml"]);
    assert!(refused.contains("for another key") && refused.contains(&sha256), "{refused}");
    // The right key, and a signature by somebody who has not got it.
    let mut der = openssl(&["req", "-in", "ours.csr", "-outform", "DER"]);
    *der.last_mut().unwrap() ^= 1;
    fs::write(desk.path("request.csr"), der).unwrap();
    let refused = desk.refused(&["dry-run", "plan.toml"]);
    assert!(refused.contains("is refused"), "{refused}");
    fs::copy(desk.path("ours.csr"), desk.path("request.csr")).unwrap();
    let hash = desk.hash();
    desk.done(&desk.run_arguments(&hash, "result"));
    desk.done(&["verify", "result", "--hash", &hash]);
}

#[test]
fn a_root_key_in_a_token_signs_the_same_ceremony() {
    let token = SoftToken::new("ceremony");
    let module = module();
    let module = module.display();
    let mut desk = Desk::new();
    desk.token_configuration = Some(token.configuration());
    desk.write("pin", PIN);
    desk.write(
        "plan.toml",
        &plan(&format!(
            "kind = 'p384'\ntoken = {{ module = '{module}', token = 'ceremony', label = 'root-g1' }}"
        )),
    );
    let keys = ["keys", "plan.toml", "--secret", "root=pin", "--secret", "t=passphrase"];
    let told = desk.done(&keys);
    assert!(told.contains("Key root was made"), "{told}");
    let told = desk.done(&keys);
    assert!(told.contains("Key root is there already"), "{told}");
    assert!(!desk.path("root.p8").exists());
    let hash = desk.hash();
    desk.done(&["run", "plan.toml", "--hash", &hash, "--out", "result", "--secret", "root=pin"]);
    desk.done(&["verify", "result", "--hash", &hash]);
    desk.write("pin", "00000000\n");
    let refused = desk.refused(&[
        "run",
        "plan.toml",
        "--hash",
        &hash,
        "--out",
        "other",
        "--secret",
        "root=pin",
    ]);
    assert!(refused.contains("check the PIN"), "{refused}");
    assert!(!desk.path("other/root.crt").exists());
}
