//! The browser policy in the forms that Windows takes, as the built program writes them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::command_line::pinned;
use crate::desk::Said;

/// Reads the template by another hand: where each value goes and what it is when the policy is on, which
/// words it asks for, and which words a language has.
const READ: &str = r#"
import json, sys, xml.etree.ElementTree as xml
space = "{http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions}"
template = xml.parse(sys.argv[1] + "/sekisho.admx").getroot()
find = lambda below, name: below.iter(space + name)
items = lambda kind: [(i.get("key"), i.get("valueName"), i[0][0].tag[len(space):], i[0][0].text)
                      for l in find(template, kind) for i in find(l, "item")]
words = {l: {s.get("id"): s.text for s in find(xml.parse(f"{sys.argv[1]}/{l}/sekisho.adml").getroot(), "string")}
         for l in ["ja-JP", "en-US"]}
asked = [v[9:-1] for e in template.iter() for v in e.attrib.values() if v.startswith("$(string.")]
print(json.dumps({"on": items("enabledList"), "off": items("disabledList"), "asked": asked, "words": words}))
"#;

fn policy(folder: &Path, more: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho-agent"));
    command.arg("policy").arg("--dir").arg(folder.join("agent")).args(more).current_dir(folder);
    Said::of(&command.env("LC_ALL", "en_GB.UTF-8").output().unwrap())
}

fn enrolled() -> (tempfile::TempDir, Value) {
    let folder = tempfile::tempdir().unwrap();
    pinned(&folder.path().join("agent"));
    let json = policy(folder.path(), &[]).json();
    (folder, json)
}

#[test]
fn a_template_switches_on_what_the_policy_says_and_has_its_words_in_both_languages() {
    let (folder, json) = enrolled();
    let said = policy(folder.path(), &["--form", "admx", "--write", "definitions"]);
    assert_eq!(said.code, 0, "{}", said.error);
    let read = Command::new("python3")
        .args(["-c", READ, "definitions"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(read.status.success(), "{read:?}");
    let read: Value = serde_json::from_slice(&read.stdout).unwrap();
    let mut expected = Vec::new();
    for browser in [r"Microsoft\Edge", r"Google\Chrome"] {
        for (name, values) in json.as_object().unwrap() {
            for (index, value) in values.as_array().unwrap().iter().enumerate() {
                let key = format!(r"SOFTWARE\Policies\{browser}\{name}");
                let number = (14790 + index).to_string();
                expected.push(serde_json::json!([key, number, "string", value]));
            }
        }
    }
    assert_eq!(read["on"], Value::Array(expected.clone()));
    // Switched off, each goes again.
    for item in &mut expected {
        item[2] = "delete".into();
        item[3] = Value::Null;
    }
    assert_eq!(read["off"], Value::Array(expected));
    let asked: BTreeSet<_> =
        read["asked"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    for language in ["ja-JP", "en-US"] {
        let words = read["words"][language].as_object().unwrap();
        assert_eq!(words.keys().map(String::as_str).collect::<BTreeSet<_>>(), asked, "{language}");
        let explanation = words["Explanation"].as_str().unwrap();
        for name in json.as_object().unwrap().keys() {
            assert!(explanation.contains(name.as_str()), "{explanation}");
        }
    }
}

#[test]
fn a_registry_file_names_each_value_for_both_browsers() {
    let (folder, json) = enrolled();
    let said = policy(folder.path(), &["--form", "reg", "--write", "sekisho.reg"]);
    assert_eq!(said.code, 0, "{}", said.error);
    let octets = std::fs::read(folder.path().join("sekisho.reg")).unwrap();
    let letters: Vec<u16> =
        octets.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let text = String::from_utf16(&letters).unwrap();
    assert!(text.starts_with("\u{feff}Windows Registry Editor Version 5.00\r\n\r\n"), "{text}");
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    for browser in [r"Microsoft\Edge", r"Google\Chrome"] {
        for (name, values) in json.as_object().unwrap() {
            let value = values[0].as_str().unwrap().replace('"', "\\\"");
            let expected = format!(
                "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\{browser}\\{name}]\r\n\"14790\"=\"{value}\"\r\n"
            );
            assert!(text.contains(&expected), "{expected} in {text}");
        }
    }
}

#[test]
fn what_the_policy_does_is_told_in_words() {
    let (folder, _) = enrolled();
    let told = policy(folder.path(), &["--explain"]);
    assert_eq!(told.code, 0, "{}", told.error);
    assert!(told.out.contains("Pages of https://terminal.localhost:1 may call"), "{}", told.out);
    assert!(told.out.contains("without a window to choose from"), "{}", told.out);
    // Whoever writes it is told as well; a registry file is nothing to look at.
    assert_eq!(policy(folder.path(), &["--write", "p.json"]).out, told.out);
    assert_eq!(policy(folder.path(), &["--form", "reg"]).code, 2);
    assert_eq!(policy(folder.path(), &["--explain", "--write", "x"]).code, 2);
}
