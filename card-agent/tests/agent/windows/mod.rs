//! The program for Windows, run by Wine: what `card-agent/package/build-exe` built, named by
//! `SEKISHO_AGENT_EXE`. Building it takes long, so these are for the full set: `./run test --full`.

mod pin_window;
mod service;
mod wine;

use std::fs;

use sekisho_agent::terminal::policy::chromium;
use sekisho_software_card::{INSERTED, Layout};
use serde_json::Value;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::cards::write_my_number_card;
use crate::command_line::pinned;
use crate::desk::Desk;

use wine::Wine;

#[test]
#[ignore = "needs the program for Windows"]
fn a_self_test_signs_and_verifies_with_cards_of_both_families() {
    let desk = Desk::new(Layout::Ic31);
    let wine = Wine::new(&desk);
    for family in ["HPKI", "JPKI"] {
        if family == "JPKI" {
            write_my_number_card(&desk.path("card"));
            desk.write("card", INSERTED, "");
        }
        let said = wine.agent("self-test --json --pin-fd 0 --software-card card");
        let report = said.json();
        assert_eq!(report["family"], family);
        assert_eq!(report["signature"], "verified");
        assert_eq!(report["issuer"], "not_judged");
    }
    desk.write("", "pin", "0000\n");
    let wrong = wine.agent("self-test --pin-fd 0 --software-card card");
    assert_eq!((wrong.code, wrong.out.as_str()), (1, ""), "{}", wrong.error);
    assert!(wrong.error.contains("the PIN is wrong"), "{}", wrong.error);
    assert_eq!(wine.agent("self-test --pin-fd 3 --software-card card").code, 3);
}

#[test]
#[ignore = "needs the program for Windows"]
fn the_registry_holds_the_policy_as_json_has_it() {
    let desk = Desk::new(Layout::Ic31);
    let wine = Wine::new(&desk);
    pinned(&desk.path("agent"));
    let written = wine.agent("policy --dir agent --form reg --write sekisho.reg");
    assert_eq!(written.code, 0, "{}", written.error);
    assert!(written.out.contains("https://terminal.localhost:1"), "{}", written.out);
    wine.done(&["reg", "import", "sekisho.reg"]);
    let place = sekisho_agent::terminal::place::Place { folder: desk.path("agent") };
    let certificate = Certificate::from_der(&fs::read(place.certificate()).unwrap()).unwrap();
    let policy = chromium(&place.trust().unwrap(), &certificate);
    for key in [r"HKLM\SOFTWARE\Policies\Microsoft\Edge", r"HKLM\SOFTWARE\Policies\Google\Chrome"] {
        for (name, values) in policy.as_object().unwrap() {
            let told = wine.done(&["reg", "query", &format!(r"{key}\{name}")]);
            let held: Vec<Value> = told
                .lines()
                .filter_map(|line| line.split_once("REG_SZ"))
                .map(|(_, text)| read(text))
                .collect();
            let expected: Vec<Value> = values
                .as_array()
                .unwrap()
                .iter()
                .map(|value| read(value.as_str().unwrap()))
                .collect();
            assert_eq!(held, expected, "{told}");
        }
    }
    let doctor = wine.agent("doctor --dir agent").out;
    assert!(doctor.contains("ok     browser policy"), "{doctor}");
}

/// A value as text, or what JSON in it says: two builds may order its members differently.
fn read(value: &str) -> Value {
    serde_json::from_str(value).unwrap_or_else(|_| value.trim().into())
}

#[test]
#[ignore = "needs the program for Windows"]
fn what_install_writes_is_found_and_taken_back() {
    const RUN: &str = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Run";
    const HOST: &str = r"HKCU\Software\Microsoft\Edge\NativeMessagingHosts\jp.sekisho.agent";
    let desk = Desk::new(Layout::Ic31);
    let wine = Wine::new(&desk);
    let installed = wine.agent("install");
    assert_eq!(installed.code, 0, "{}", installed.error);
    assert!(wine.done(&["reg", "query", RUN]).contains("sekisho-agentw.exe\" run"));
    let manifest = wine.done(&["reg", "query", HOST, "/ve"]);
    let manifest = manifest.split("REG_SZ").nth(1).unwrap().trim();
    let manifest: Value =
        serde_json::from_slice(&fs::read(wine.unix_path(manifest)).unwrap()).unwrap();
    assert_eq!(manifest["name"], "jp.sekisho.agent");
    let host = fs::read_to_string(wine.unix_path(manifest["path"].as_str().unwrap())).unwrap();
    assert!(host.contains("sekisho-agent.exe\" native-host %*"), "{host}");
    let removed = wine.agent("install --remove");
    assert_eq!(removed.code, 0, "{}", removed.error);
    assert!(!wine.done(&["reg", "query", RUN]).contains("sekisho"));
    assert!(!wine.run(&["reg", "query", HOST]).status.success());
    assert_eq!(wine.agent("install --remove").out, "", "nothing was left");
}

#[test]
#[ignore = "needs the program for Windows"]
fn a_key_that_was_not_sealed_on_this_pc_is_refused_in_words() {
    let desk = Desk::new(Layout::Ic31);
    let wine = Wine::new(&desk);
    pinned(&desk.path("agent"));
    let refused = wine.agent("run --dir agent --port 0 --software-card card --pin-file pin");
    assert_eq!(refused.code, 3, "{}", refused.error);
    assert!(refused.error.contains("terminal.p8 cannot be read"), "{}", refused.error);
}
