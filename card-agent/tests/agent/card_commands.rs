//! The commands that speak to a card, as the built program runs them.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use sekisho_agent::terminal::place::Place;
use sekisho_ca::lookalike::CardUse;
use sekisho_protocol::Sha256Digest;
use sekisho_protocol::trust::CardIssuer;
use sekisho_software_card::{INSERTED, Layout};
use serde_json::Value;
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::{Decode, DecodePem, Encode};

use crate::cards::write_card_of_the_next_generation;
use crate::command_line::pinned;
use crate::desk::{Desk, Said};
use crate::world::PIN;

#[test]
fn a_self_test_signs_verifies_and_counts_what_the_card_had_to_do() {
    for layout in [Layout::Ic31, Layout::Observed] {
        let desk = Desk::new(layout);
        let report = desk.run("self-test --json --pin-fd 0").json();
        assert_eq!(report["family"], "HPKI");
        assert_eq!(report["holder"], "Hanako Kakuu");
        assert_eq!(report["signature"], "verified");
        assert_eq!(report["validity"], "in_force");
        assert_eq!(report["issuer"], "not_judged");
        assert_eq!(report["tries_left"], 15);
        let names: Vec<_> =
            report["phases"].as_array().unwrap().iter().map(|p| &p["name"]).collect();
        assert_eq!(names, ["read", "pin", "sign", "verify"]);
        let of = |name: &str| {
            report["phases"]
                .as_array()
                .unwrap()
                .iter()
                .map(|p| p[name].as_u64().unwrap())
                .sum::<u64>()
        };
        assert_eq!(report["apdus"], of("apdus"));
        assert_eq!(report["octets"], of("octets_sent") + of("octets_received"));
        assert!(
            report["phases"][0]["octets_received"].as_u64().unwrap()
                > desk.certificate_der.len() as u64
        );
        assert_eq!(report["phases"][1]["apdus"], 0);
        assert!(report["phases"][2]["octets_received"].as_u64().unwrap() >= 256);
        let text = desk.run("self-test --pin-fd 0");
        assert!(text.out.contains("signature    verifies\n"), "{}", text.out);
    }
}

#[test]
fn trust_in_the_issuer_is_told_apart_from_the_signature() {
    let desk = Desk::new(Layout::Ic31);
    let at = desk.path("agent");
    pinned(&at);
    let issuer = || desk.run("self-test --json --pin-fd 0 --dir agent").json()["issuer"].clone();
    assert_eq!(issuer(), "not_accepted");
    let place = Place { folder: at };
    let mut trust = place.trust().unwrap();
    let certificate = Certificate::from_der(&desk.certificate_der).unwrap();
    trust.card_issuers.push(CardIssuer {
        subject_der: certificate.tbs_certificate().issuer().to_der().unwrap().into(),
        spki_sha256: Sha256Digest::of(b"not compared here"),
    });
    place.pin(&trust).unwrap();
    assert_eq!(issuer(), "accepted");
}

#[test]
fn a_wrong_pin_costs_a_try_and_few_tries_have_to_be_confirmed() {
    let desk = Desk::new(Layout::Ic31);
    desk.write("", "pin", "0000");
    let wrong = desk.run("self-test --pin-fd 0");
    assert_eq!((wrong.code, wrong.out.as_str()), (1, ""), "{}", wrong.error);
    assert!(wrong.error.contains("the PIN is wrong. 14 tries are left;"), "{}", wrong.error);
    desk.write("", "pin", "");
    let none = desk.run("self-test --pin-fd 0");
    assert_eq!(none.code, 2, "{}", none.error);
    assert!(none.error.contains("descriptor 0 holds no PIN"), "{}", none.error);
    for (line, why) in [
        ("self-test --pin-fd 77", "name the number of an open pipe or file"),
        ("self-test --pin-fd 1", "1 and 2 are what this command writes to"),
        ("self-test --pin-fd x", "no number of a descriptor"),
    ] {
        let said = desk.run(line);
        assert_eq!(said.code, 2, "{line}: {}", said.error);
        assert!(said.error.contains(why), "{line}: {}", said.error);
    }

    desk.write("", "pin", PIN);
    desk.with_tries(3);
    let guarded = desk.run("self-test --pin-fd 0 --apdu-log log");
    assert_eq!(guarded.code, 1);
    assert!(guarded.error.contains("3 tries are left"), "{}", guarded.error);
    let asked = std::fs::read_to_string(desk.path("log")).unwrap();
    assert!(!asked.contains("**"), "no PIN went to the card: {asked}");
    assert_eq!(desk.run("self-test --pin-fd 0 --few-tries").code, 0);
    assert_eq!(desk.run("self-test --few-tries").code, 2);
}

#[test]
fn a_pin_comes_by_any_descriptor_and_by_a_window_that_asks() {
    let desk = Desk::new(Layout::Ic31);
    let mut shell = Command::new("sh");
    let line = "exec \"$0\" self-test --pin-fd 7 --software-card card 7<pin";
    let shell = shell.args(["-c", line, env!("CARGO_BIN_EXE_sekisho-agent")]);
    let said =
        Said::of(&shell.current_dir(desk.folder.path()).stdin(Stdio::null()).output().unwrap());
    assert_eq!(said.code, 0, "{}", said.error);

    desk.window(PIN);
    let said = desk.run("self-test --pinentry ./window");
    assert_eq!(said.code, 0, "{}", said.error);
    let asked = std::fs::read_to_string(desk.path("asked")).unwrap();
    let code = said.error.split("code ").nth(1).unwrap()[..2].to_owned();
    assert!(asked.contains(&format!("Confirmation code {code}")), "{asked}");
    assert!(asked.contains("Hanako Kakuu") && asked.contains("15 tries left"), "{asked}");
}

#[test]
fn the_first_line_of_a_descriptor_is_enough_and_a_terminal_is_none_to_type_at() {
    let desk = Desk::new(Layout::Ic31);
    let mut command = desk.command("self-test --pin-fd 0 --software-card card");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut held_open = child.stdin.take().unwrap();
    held_open.write_all(format!("{PIN}\nmore").as_bytes()).unwrap();
    // Were the end waited for, this would never end.
    assert!(child.wait().unwrap().success());
    drop(held_open);

    // What `script` runs has a terminal for its standard input.
    let line = format!(
        "{} self-test --pin-fd 0 --software-card card",
        env!("CARGO_BIN_EXE_sekisho-agent")
    );
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    script.current_dir(desk.folder.path()).env("LC_ALL", "en_GB.UTF-8");
    let said = Said::of(&script.stdin(Stdio::null()).output().unwrap());
    assert_eq!(said.code, 2, "{}", said.out);
    assert!(said.out.contains("a terminal, which would show it"), "{}", said.out);
}

#[test]
fn a_folder_that_holds_no_card_is_not_blamed_on_a_reader() {
    let desk = Desk::new(Layout::Ic31);
    desk.write("card", "card.toml", "nonsense");
    let said = desk.run("inspect");
    assert_eq!(said.code, 2, "{}", said.error);
    assert!(said.error.contains("card holds no software card: "), "{}", said.error);
}

#[test]
fn the_apdu_log_holds_every_command_and_never_the_pin() {
    let desk = Desk::new(Layout::Ic31);
    // One that stands nowhere else in what is said to a card.
    let pin = "92785301";
    desk.write("", "pin", pin);
    let toml = desk.path("card").join("card.toml");
    let text = std::fs::read_to_string(&toml).unwrap();
    std::fs::write(&toml, text.replace("pin = \"1234\"", &format!("pin = \"{pin}\""))).unwrap();
    let said = desk.run("self-test --json --pin-fd 0 --apdu-log apdu.jsonl");
    let apdus = said.json()["apdus"].as_u64().unwrap();
    let path = desk.path("apdu.jsonl");
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() as u64, apdus);
    assert!(lines.iter().all(|line| line["microseconds"].is_u64() && line["answer"].is_string()));
    let verify: Vec<_> =
        lines.iter().filter(|line| line["command"].as_str().unwrap().contains("**")).collect();
    assert_eq!(verify.len(), 1);
    assert_eq!(
        (&verify[0]["command"], &verify[0]["answer"]),
        (&"00200096**".into(), &"9000".into())
    );
    for form in [pin.to_owned(), hex::encode(pin), hex::encode_upper(pin)] {
        assert!(!text.contains(&form) && !said.out.contains(&form) && !said.error.contains(&form));
    }

    // It goes on; what is something else stays.
    assert_eq!(desk.run("inspect --apdu-log apdu.jsonl").code, 0);
    assert!(std::fs::read_to_string(&path).unwrap().lines().count() > lines.len());
    let refused = desk.run("inspect --apdu-log pin");
    assert_eq!(refused.code, 2, "{}", refused.error);
    assert!(refused.error.contains("something else than a log"), "{}", refused.error);
    assert_eq!(std::fs::read_to_string(desk.path("pin")).unwrap(), pin);
}

#[test]
fn inspect_shows_the_certificate_with_profession_and_validity_in_both_languages() {
    let desk = Desk::new(Layout::Observed);
    let json = desk.run("inspect --json").json();
    let card = &json["readers"][0]["card"];
    assert_eq!(card["family"], "HPKI");
    let application = &card["applications"][0];
    assert_eq!(
        (&application["name"], &application["tries_left"]),
        (&"authentication".into(), &15.into())
    );
    let pem = application["certificate_pem"].as_str().unwrap();
    let certificate = Certificate::from_pem(pem).unwrap();
    assert_eq!(certificate.to_der().unwrap(), desk.certificate_der);
    assert_eq!(application["certificate"][0]["kind"], "certificate");

    let english = desk.run("inspect").out;
    assert!(english.contains("PIN tries left: 15") && english.contains(pem), "{english}");
    assert!(english.contains("Medical Doctor"), "{english}");
    let mut japanese = desk.command("inspect --software-card card");
    let japanese = Said::of(&japanese.env("LC_ALL", "ja_JP.UTF-8").output().unwrap()).out;
    assert!(japanese.contains("暗証番号の残り回数: 15") && japanese.contains("医師"), "{japanese}");
}

#[test]
fn a_card_of_the_next_generation_is_shown_and_asked_for_nothing_else() {
    let desk = Desk::with_card(PIN, |folder| {
        write_card_of_the_next_generation(folder, CardUse::Authentication);
        Vec::new()
    });
    let said = desk.run("inspect --json --apdu-log log");
    let application = &said.json()["readers"][0]["card"]["applications"][0];
    assert!(application["unusable"].as_str().unwrap().contains("ECDSA P-384"), "{application}");
    assert_eq!(
        (&application["name"], &application["tries_left"]),
        (&"authentication".into(), &Value::Null)
    );
    let pem = application["certificate_pem"].as_str().unwrap();
    assert_eq!(Certificate::from_pem(pem).unwrap().tbs_certificate().version(), Version::V3);
    // No VERIFY, not even the question for the tries left.
    let log = std::fs::read_to_string(desk.path("log")).unwrap();
    assert!(!log.contains("\"command\":\"0020"), "{log}");
    let english = desk.run("inspect").out;
    assert!(english.contains("Of no use here: ") && english.contains("P-384"), "{english}");
    for line in ["self-test --pin-fd 0", "self-test --json --pin-fd 0"] {
        let said = desk.run(line);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{line}");
        assert!(said.error.contains("P-384") && said.error.contains("another card"), "{line}");
    }
}

#[test]
fn a_certificate_for_signatures_is_shown_as_one_whatever_its_key_and_place() {
    let desk = Desk::with_card(PIN, |folder| {
        write_card_of_the_next_generation(folder, CardUse::Signing);
        Vec::new()
    });
    let application = &desk.run("inspect --json").json()["readers"][0]["card"]["applications"][0];
    assert_eq!(application["name"], "signature", "{application}");
    assert!(application["unusable"].as_str().unwrap().contains("ECDSA P-384"), "{application}");
    let english = desk.run("inspect").out;
    assert!(english.contains("Signature application") && !english.contains("Authentication app"));
}

#[test]
fn a_refusal_is_told_in_the_persons_language_with_what_to_do_next() {
    let desk = Desk::new(Layout::Ic31);
    let japanese = |line: &str| {
        let mut command = desk.command(&format!("{line} --software-card card"));
        Said::of(&command.env("LC_ALL", "ja_JP.UTF-8").output().unwrap())
    };
    let said = japanese("self-test --pin-fd 0");
    assert_eq!(said.code, 0, "{}", said.error);
    assert!(said.out.contains("署名: 検証できました\n"), "{}", said.out);
    desk.write("", "pin", "0000\n");
    let wrong = japanese("self-test --pin-fd 0");
    assert!(wrong.error.contains("暗証番号が違います。残り14回です。"), "{}", wrong.error);
    desk.write("", "pin", "123\n");
    let short = japanese("self-test --pin-fd 0");
    assert!(short.error.contains("残りの回数は減っていません。"), "{}", short.error);
    desk.with_tries(0);
    for (said, told) in [
        (japanese("self-test --pin-fd 0"), "ロックされています。HPKIカードの発行元に再発行"),
        (desk.run("self-test --pin-fd 0"), "the PIN is blocked. The issuer of the HPKI card"),
    ] {
        assert_eq!(said.code, 1);
        assert!(said.error.contains(told), "{}", said.error);
    }
    std::fs::remove_file(desk.path("card").join(INSERTED)).unwrap();
    let none = japanese("self-test --pin-fd 0");
    assert!(none.error.contains("カードを入れてください。"), "{}", none.error);
}

#[test]
fn without_a_card_each_command_says_what_is_missing() {
    let desk = Desk::new(Layout::Ic31);
    std::fs::remove_file(desk.path("card").join(INSERTED)).unwrap();
    for line in ["inspect", "self-test --pin-fd 0"] {
        let said = desk.run(line);
        assert_eq!(said.code, 1, "{line}: {}", said.error);
        assert!(said.error.contains("there is no card in any reader"), "{line}: {}", said.error);
    }
    let readers = desk.run("readers --json").json();
    assert_eq!(readers["readers"][0]["card"], Value::Null);
    assert!(desk.run("readers").out.contains("no card"));
    for line in ["inspect --reader nosuch", "self-test --reader nosuch --pin-fd 0"] {
        let said = desk.run(line);
        assert_eq!(said.code, 2, "{line}: {}", said.error);
    }
    let nowhere = desk.run_on("readers", &["--software-card", "nosuch"]);
    assert_eq!(nowhere.code, 2, "{}", nowhere.error);
    // Without a smart card service.
    for line in ["readers", "inspect", "self-test --pin-fd 0"] {
        let mut command = desk.command(line);
        let said = Said::of(&command.env("PCSCLITE_CSOCK_NAME", "/nonexistent").output().unwrap());
        assert_eq!(said.code, 3, "{line}: {}", said.error);
        assert!(
            said.error.contains("the smart card service does not run"),
            "{line}: {}",
            said.error
        );
    }
}

#[test]
fn help_of_each_command_shows_examples_and_exit_codes() {
    for command in ["readers", "inspect", "self-test", "sign"] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_sekisho-agent")).args([command, "--help"]).output();
        let said = Said::of(&output.unwrap());
        assert!(said.out.contains("Examples:") && said.out.contains("Exit codes:"), "{}", said.out);
    }
    let bash =
        Command::new(env!("CARGO_BIN_EXE_sekisho-agent")).args(["completions", "bash"]).output();
    let bash = Said::of(&bash.unwrap()).out;
    for word in ["self-test", "inspect", "readers", "--apdu-log", "--pin-fd"] {
        assert!(bash.contains(word), "{word}");
    }
}
