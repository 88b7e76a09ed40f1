//! `sekisho service use-cases` at the command line, and what comes of its text.
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::{Command, Output};

fn sekisho(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sekisho")).args(arguments).output().unwrap()
}

/// What a command that succeeds says, and nothing else.
fn said(arguments: &[&str]) -> String {
    let output = sekisho(arguments);
    let remarks = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), remarks.as_str()), (Some(0), ""), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_list_is_17_lines_in_the_language_that_was_asked_for() {
    for (lang, line) in [
        ("ja", "7\t電子処方箋\t医療機関等、サービス事業者、患者"),
        ("en", "7\tElectronic prescriptions\tmedical institutions, service providers, patients"),
    ] {
        let listed = said(&["service", "use-cases", "--lang", lang]);
        assert_eq!(listed.lines().count(), 17, "{listed}");
        assert_eq!(listed.lines().nth(6), Some(line));
    }
}

#[test]
fn json_is_a_line_a_case_with_both_languages_and_the_rules() {
    let listed = said(&["service", "use-cases", "--json"]);
    let cases: Vec<serde_json::Value> =
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), 17);
    let one = said(&["service", "use-cases", "⑦", "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&one).unwrap(), cases[6]);
    assert_eq!(cases[6]["title"]["en"], "Electronic prescriptions");
    assert_eq!(cases[6]["stakeholders"][2], "patient");
    let prescribers = &cases[6]["proposals"][0];
    assert_eq!(prescribers["rule"]["id"], "prescribers");
    assert_eq!(prescribers["assumed"], serde_json::json!(["kinds", "roles", "level"]));
}

#[test]
fn the_text_of_a_case_ends_a_services_file_and_is_registered_without_a_remark() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    let dir = dir.to_str().unwrap();
    assert!(sekisho(&["init", dir]).status.success());
    let (_, example) = include_str!("../../docs/services.md").split_once("```toml").unwrap();
    let (head, _) = example.split_once("[[rules]]").unwrap();
    let file = folder.path().join("service.toml");
    for (number, lang) in [("7", "ja"), ("11", "en")] {
        let rules = said(&["service", "use-cases", number, "--lang", lang]);
        let named = head.replace(r#""referral""#, &format!("\"case-{number}\""));
        std::fs::write(&file, format!("{named}{rules}")).unwrap();
        said(&["service", "add", dir, file.to_str().unwrap()]);
    }
    let listed = said(&["service", "list", dir]);
    assert!(listed.contains("case-7\t") && listed.contains("case-11\t"), "{listed}");
}

#[test]
fn a_number_that_no_case_has_is_wrong_usage_and_says_which_there_are() {
    for none in ["0", "18", "rules.toml"] {
        let output = sekisho(&["service", "use-cases", none]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(none) && said.contains("1 to 17"), "{said}");
        assert!(output.stdout.is_empty());
    }
}
