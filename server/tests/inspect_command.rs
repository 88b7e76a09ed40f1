//! `sekisho inspect` as a person and a script meet it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

fn vector(file: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/objects");
    folder.join(file).to_str().unwrap().to_owned()
}

fn inspect(arguments: &[&str], locale: &str) -> Output {
    inspect_input(arguments, locale, &[])
}

fn inspect_input(arguments: &[&str], locale: &str, input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .arg("inspect")
        .args(arguments)
        .env_remove("LC_ALL")
        .env_remove("LC_MESSAGES")
        .env("LANG", locale)
        .env("VECTOR_PASSPHRASE", "vector-passphrase")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who does not read it closes the pipe: no fault of the test.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn an_old_pkcs12_file_is_told_as_weak_and_opens_as_the_remark_says() {
    for file in ["des3.p12", "rc2.p12"] {
        let found = inspect(&[&vector(file), "--passphrase-env", "VECTOR_PASSPHRASE"], "C");
        assert_eq!(found.status.code(), Some(0), "{}", err(&found));
        assert!(!out(&found).contains("CN="), "{file}: {}", out(&found));
        let found = inspect(&[&vector(file), "--lang", "en"], "C");
        let (_, advice) = out(&found).split_once("An old, weak scheme").unwrap();
        let (_, advice) = advice.split_once('`').unwrap();
        let (advice, _) = advice.split_once(" | sekisho inspect -` shows").unwrap();
        let passphrase = "-in \"$0\" -passin env:VECTOR_PASSPHRASE";
        let opened = Command::new("sh")
            .args(["-c", &advice.replace("-in FILE", passphrase), &vector(file)])
            .env("VECTOR_PASSPHRASE", "vector-passphrase")
            .output()
            .unwrap();
        assert!(opened.status.success(), "{advice}: {}", err(&opened));
        let found = inspect_input(&["-", "--lang", "en"], "C", &opened.stdout);
        assert_eq!(found.status.code(), Some(0), "{}", err(&found));
        assert!(out(&found).starts_with("Kind: Certificate\n"), "{file}: {}", out(&found));
    }
}

#[test]
fn the_language_follows_the_locale_and_the_option_overrules_it() {
    let file = vector("hpki.cer");
    for (arguments, locale, japanese) in [
        (vec![file.as_str()], "ja_JP.UTF-8", true),
        (vec![file.as_str()], "C.UTF-8", true),
        (vec![file.as_str()], "en_US.UTF-8", false),
        (vec!["--lang", "ja", &file], "en_US.UTF-8", true),
        (vec!["--lang", "en", &file], "ja_JP.UTF-8", false),
    ] {
        let found = inspect(&arguments, locale);
        assert_eq!(found.status.code(), Some(0), "{}", err(&found));
        assert_eq!(out(&found).starts_with("種類: 証明書\n"), japanese, "{arguments:?} {locale}");
        assert_eq!(out(&found).starts_with("Kind: Certificate\n"), !japanese);
        assert_eq!(err(&found), "");
    }
}

#[test]
fn standard_input_is_a_file_like_any_other() {
    let octets = fs::read(vector("terminal.cer")).unwrap();
    let piped = inspect_input(&["--json", "-"], "C", &octets);
    let read = inspect(&["--json", &vector("terminal.cer")], "C");
    assert_eq!(piped.status.code(), Some(0));
    assert_eq!(out(&piped), out(&read));
    let json: serde_json::Value = serde_json::from_slice(&piped.stdout).unwrap();
    assert_eq!(json["format"], 1);
    assert_eq!(json["objects"][0]["kind"], "certificate");
}

#[test]
fn what_cannot_be_read_exits_with_1_and_the_octet() {
    let octets = fs::read(vector("terminal.cer")).unwrap();
    let cut = inspect_input(&["--lang", "en", "-"], "C", &octets[..40]);
    assert_eq!(cut.status.code(), Some(1));
    assert_eq!(err(&cut), "sekisho: -: octet 0: The length points past the end\n");
    assert!(out(&cut).starts_with("Kind: Unreadable\nOffset (octets): 0\n"));
    let absent = inspect(&["/nonexistent/file"], "C");
    assert_eq!(absent.status.code(), Some(2));
    assert!(err(&absent).contains("'/nonexistent/file' for '<FILE>': there is no such file"));
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    for arguments in [
        vec![],
        vec!["--lang", "fr", "x"],
        vec!["--entries", "many", "x"],
        // A passphrase in the arguments would be seen by everybody on the machine.
        vec!["--passphrase", "secret", "x"],
        vec!["--passphrase-file", "a", "--passphrase-env", "B", "x"],
    ] {
        assert_eq!(inspect(&arguments, "C").status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_passphrase_comes_from_a_file_or_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let passphrase = folder.path().join("passphrase");
    fs::write(&passphrase, "vector-passphrase\nand a note\n").unwrap();
    let file = vector("aes256.p12");
    let by_file =
        inspect(&["--json", "--passphrase-file", passphrase.to_str().unwrap(), &file], "C");
    let by_name = inspect(&["--json", "--passphrase-env", "VECTOR_PASSPHRASE", &file], "C");
    let without = inspect(&["--json", &file], "C");
    for (found, verdict) in
        [(&by_file, "mac_holds"), (&by_name, "mac_holds"), (&without, "needs_passphrase")]
    {
        assert_eq!(found.status.code(), Some(0), "{}", err(found));
        let json: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
        assert_eq!(json["objects"][0]["integrity"]["verdict"], verdict);
        assert!(!out(found).contains("vector-passphrase"));
    }
    let unset = inspect(&["--passphrase-env", "NOT_SET_ANYWHERE", &file], "C");
    assert_eq!(unset.status.code(), Some(2));
    assert!(
        err(&unset).contains("'NOT_SET_ANYWHERE' for '--passphrase-env <NAME>': it is not set")
    );
}

#[test]
fn the_entries_of_a_crl_are_listed_as_far_as_asked_and_all_counted() {
    let found = inspect(&["--json", "--entries", "1", &vector("crl.crl")], "C");
    let json: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    let crl = &json["objects"][0];
    assert_eq!(crl["revoked_count"], 3);
    assert_eq!(crl["revoked"].as_array().unwrap().len(), 2);
    assert_eq!(crl["revoked"][1]["omitted"], 2);
}
