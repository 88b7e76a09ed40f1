//! Documents that a card signs: what the person is shown, which cards may, and what OpenSSL says of it.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use sekisho_agent::card::pcsc::PcscReaders;
use sekisho_agent::card::reader::CardError;
use sekisho_agent::card::session::Session;
use sekisho_agent::card::signature_key::SignatureKey;
use sekisho_pki::encoding::cades::{SignedAttributes, VerifiedSignature};
use sekisho_software_card::{INSERTED, Layout, Options, Personalisation, SoftwareCard};
use time::{OffsetDateTime, macros::offset};

use crate::card_service::{wait_for_cards, with_service};
use crate::cards::{Signs, write_card, write_my_number_card, write_signing_card};
use crate::desk::{Desk, Said};
use crate::world::{PASSWORD, PIN};

const TEXT: &str = "架空　花子は、説明を受け、情報の提供に同意します。\n";

/// OpenSSL's judgement, under the authorities of the card in `card`.
fn openssl(folder: &Path, signature: &str, content: &str) -> Output {
    let mut authorities = String::new();
    for name in ["signature-1.crt", "signature-2.crt"] {
        let Ok(der) = std::fs::read(folder.join("card").join(name)) else { continue };
        let pem = x509_cert::der::pem::encode_string("CERTIFICATE", Default::default(), &der);
        authorities.push_str(&pem.unwrap());
    }
    std::fs::write(folder.join("authorities.pem"), authorities).unwrap();
    Command::new("openssl")
        .args(["cms", "-verify", "-binary", "-inform", "DER", "-in", signature])
        .args(["-content", content, "-CAfile", "authorities.pem"])
        .args(["-purpose", "any", "-cades", "-out", "verified"])
        .current_dir(folder)
        .output()
        .expect("install openssl to run this test")
}

/// What OpenSSL says of a signature and of the same with one octet of the document changed.
pub fn judge(folder: &Path, signature: &str, content: &str) {
    let judged = openssl(folder, signature, content);
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    let document = std::fs::read(folder.join(content)).unwrap();
    assert_eq!(std::fs::read(folder.join("verified")).unwrap(), document);
    let mut changed = document;
    changed[0] ^= 1;
    std::fs::write(folder.join("changed"), changed).unwrap();
    let judged = openssl(folder, signature, "changed");
    assert!(!judged.status.success(), "a changed document was taken");
}

fn signed(card: &mut SoftwareCard, pin: &str, content: &[u8]) -> Result<Vec<u8>, CardError> {
    let now = OffsetDateTime::now_utc();
    let mut card = Session::new(card);
    let key = SignatureKey::read(&mut card, &Default::default())?;
    let signed = key.sign(&mut card, &pin.into(), now, &mut |certificate_der, _| {
        Ok(SignedAttributes::new(content, certificate_der, now, None).unwrap())
    })?;
    Ok(signed.signature_der)
}

#[test]
fn openssl_takes_what_cards_of_each_family_layout_and_length_sign() {
    type Write = fn(&Path);
    let cards: [(&str, Write, &str); 3] = [
        ("HPKI, guideline", |at| drop(write_signing_card(at, Layout::Ic31, Signs::Documents)), PIN),
        (
            "HPKI, observed",
            |at| drop(write_signing_card(at, Layout::Observed, Signs::Documents)),
            PIN,
        ),
        // Typed in small letters.
        ("JPKI", |at| drop(write_my_number_card(at)), "abc123"),
    ];
    let manners: [fn() -> Options; 4] = [
        Options::default,
        || Options { short_only: true, ..Options::default() },
        || Options { jicsap_only: true, selected_key_only: true, ..Options::default() },
        || Options { keeps_pin: true, ..Options::default() },
    ];
    for (name, write, pin) in cards {
        let mut last = None;
        for options in manners {
            let folder = tempfile::tempdir().unwrap();
            write(&folder.path().join("card"));
            let personal = Personalisation::load(&folder.path().join("card")).unwrap();
            let mut card = SoftwareCard::new(personal, options()).unwrap();
            let signature = signed(&mut card, pin, TEXT.as_bytes());
            let signature = signature.unwrap_or_else(|error| panic!("{name}: {error}"));
            std::fs::write(folder.path().join("text.p7s"), &signature).unwrap();
            std::fs::write(folder.path().join("text"), TEXT).unwrap();
            judge(folder.path(), "text.p7s", "text");

            let ours = VerifiedSignature::verify(&signature, TEXT.as_bytes()).unwrap();
            assert!(OffsetDateTime::now_utc() - ours.signing_time() < time::Duration::MINUTE);
            assert!(VerifiedSignature::verify(&signature, b"another text").is_err());
            last = Some(signature);
        }
        // Whatever changes in it, no second signature comes of it.
        let signature = last.unwrap();
        for at in 0..signature.len() {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            assert!(VerifiedSignature::verify(&changed, TEXT.as_bytes()).is_err(), "octet {at}");
        }
    }
}

#[test]
fn a_wrong_pin_signs_no_document_and_costs_a_try() {
    for pin in ["0000", "WRONG1"] {
        let folder = tempfile::tempdir().unwrap();
        if pin == "0000" {
            write_signing_card(folder.path(), Layout::Observed, Signs::Documents);
        } else {
            write_my_number_card(folder.path());
        }
        let personal = Personalisation::load(folder.path()).unwrap();
        let mut card = SoftwareCard::new(personal, Options::default()).unwrap();
        let left = if pin == "0000" { 14 } else { 4 };
        let wrong = CardError::PinWrong { tries_left: Some(left) };
        assert_eq!(signed(&mut card, pin, b"text"), Err(wrong));
    }
}

fn desk(signs: Signs) -> Desk {
    let desk = Desk::with_card(PIN, |folder| write_signing_card(folder, Layout::Observed, signs));
    desk.write("", "consent.txt", TEXT);
    desk
}

#[test]
fn the_command_shows_the_text_and_writes_a_signature_that_openssl_takes() {
    let my_number_card = Desk::with_card(PASSWORD, write_my_number_card);
    my_number_card.write("", "consent.txt", TEXT);
    for (desk, pin, family) in
        [(desk(Signs::Documents), PIN, "HPKI"), (my_number_card, PASSWORD, "JPKI")]
    {
        desk.window(pin);
        let line = "sign consent.txt --output consent.p7s --pinentry ./window";
        let mut command = desk.command(&format!("{line} --json --software-card card"));
        let said = Said::of(&command.env("LC_ALL", "ja_JP.UTF-8").output().unwrap());
        let report = said.json();
        let digest = hex::encode(sekisho_protocol::Sha256Digest::of(TEXT).as_bytes());
        assert_eq!((&report["family"], &report["sha256"]), (&family.into(), &(&*digest).into()));
        let asked = std::fs::read_to_string(desk.path("asked")).unwrap();
        let shown = asked.find("説明を受け、情報の提供に同意します。").unwrap();
        assert!(shown < asked.find("GETPIN").unwrap(), "{asked}");
        assert!(asked.contains(&digest) && asked.contains("consent.txt"), "{asked}");
        assert_eq!(asked.contains("住所が含まれます"), family == "JPKI");
        let holder = if family == "JPKI" { "マイナンバーカード" } else { "Hanako Kakuu" };
        assert!(asked.contains(holder) && said.error.contains(holder), "{asked}{}", said.error);
        assert!(said.error.contains(TEXT.trim()) && said.error.contains(&digest), "{}", said.error);
        judge(desk.folder.path(), "consent.p7s", "consent.txt");
    }
}

#[test]
fn the_command_signs_through_the_real_smart_card_service_with_long_and_short_lengths() {
    const NAME: &str = "documents::the_command_signs_through_the_real_smart_card_service_with_long_and_short_lengths";
    with_service(NAME, |service| {
        let my_number_card = Desk::with_card(PASSWORD, write_my_number_card);
        my_number_card.write("", "consent.txt", TEXT);
        for desk in [desk(Signs::Documents), my_number_card] {
            for short_only in [false, true] {
                let personal = Personalisation::load(&desk.path("card")).unwrap();
                let options = Options { short_only, ..Options::default() };
                let inserted = service.insert(0, SoftwareCard::new(personal, options).unwrap());
                wait_for_cards(&PcscReaders, 1);
                let line = "sign consent.txt --output consent.p7s --replace --pin-fd 0";
                let said = Said::of(&desk.command(line).output().unwrap());
                assert_eq!(said.code, 0, "{}", said.error);
                judge(desk.folder.path(), "consent.p7s", "consent.txt");
                inserted.pull();
                wait_for_cards(&PcscReaders, 0);
            }
        }
    });
}

#[test]
fn what_is_no_text_is_named_with_its_digest() {
    let desk = desk(Signs::Documents);
    std::fs::write(desk.path("scan.pdf"), [&b"%PDF-1.7\n"[..], &[0xff; 10_000]].concat()).unwrap();
    desk.window(PIN);
    let said = desk.run("sign scan.pdf --output scan.p7s --pinentry ./window");
    assert_eq!(said.code, 0, "{}", said.error);
    let asked = std::fs::read_to_string(desk.path("asked")).unwrap();
    assert!(asked.contains("scan.pdf") && asked.contains("be sure of it"), "{asked}");
    assert!(!asked.contains("CONFIRM"), "{asked}");
    judge(desk.folder.path(), "scan.p7s", "scan.pdf");
}

#[test]
fn nothing_is_overwritten_without_being_told_and_nothing_is_half_written() {
    let desk = desk(Signs::Documents);
    let before = "somebody's work";
    desk.write("", "consent.p7s", before);
    let line = "sign consent.txt --output consent.p7s --pin-fd 0";
    let refused = desk.run(&format!("{line} --apdu-log log"));
    assert_eq!(refused.code, 2, "{}", refused.error);
    assert!(refused.error.contains("--replace"), "{}", refused.error);
    assert!(!desk.path("log").exists(), "a card was spoken to");
    assert_eq!(std::fs::read_to_string(desk.path("consent.p7s")).unwrap(), before);
    desk.write("", "pin", "0000");
    let wrong = desk.run(&format!("{line} --replace"));
    assert_eq!(wrong.code, 1);
    assert!(wrong.error.contains("14 tries are left"), "{}", wrong.error);
    assert_eq!(std::fs::read_to_string(desk.path("consent.p7s")).unwrap(), before);
    desk.write("", "pin", PIN);
    assert_eq!(desk.run(&format!("{line} --replace")).code, 0);
    judge(desk.folder.path(), "consent.p7s", "consent.txt");

    for file in ["nosuch", "card"] {
        let said = desk.run(&format!("sign {file} --output x.p7s --pin-fd 0"));
        assert_eq!(said.code, 2, "{}", said.error);
    }
    assert!(!desk.path("x.p7s").exists());
}

#[test]
fn a_certificate_that_ended_or_is_for_something_else_signs_nothing() {
    let line = "sign consent.txt --output consent.p7s --pin-fd 0 --apdu-log log";
    // As people in Japan reckon it.
    let ended = OffsetDateTime::now_utc() - time::Duration::MINUTE;
    let yesterday_or_today = ended.to_offset(offset!(+9)).date();
    let cases = [
        (Signs::Expired, format!("expired on {yesterday_or_today}")),
        (Signs::Logins, "is not for signing documents".to_owned()),
    ];
    for (signs, words) in cases {
        let desk = desk(signs);
        let refused = desk.run(line);
        assert_eq!(refused.code, 1, "{}", refused.error);
        assert!(refused.error.contains(&words), "{}", refused.error);
        let said = std::fs::read_to_string(desk.path("log")).unwrap();
        assert!(!said.contains("**"), "no PIN went to the card: {said}");
        assert!(!desk.path("consent.p7s").exists());
    }
    // A card without such a key, and its key for logging in is not taken instead.
    let desk = Desk::new(Layout::Observed);
    desk.write("", "consent.txt", TEXT);
    let refused = desk.run(line);
    assert_eq!(refused.code, 1, "{}", refused.error);
    assert!(refused.error.contains("has no key for signing documents"), "{}", refused.error);
    let said = std::fs::read_to_string(desk.path("log")).unwrap();
    assert!(!said.contains("**") && !desk.path("consent.p7s").exists(), "{said}");
}

#[test]
fn a_certificate_for_documents_logs_nobody_in() {
    let desk = Desk::with_card(PIN, |folder| {
        let der = write_signing_card(folder, Layout::Observed, Signs::Documents);
        std::fs::copy(folder.join("signature.crt"), folder.join("authentication.crt")).unwrap();
        der
    });
    let refused = desk.run("self-test --pin-fd 0");
    assert_eq!(refused.code, 1, "{}", refused.error);
    assert!(refused.error.contains("is not for logging in"), "{}", refused.error);
}

#[test]
fn what_cannot_be_written_costs_no_pin_and_the_document_is_never_replaced() {
    let desk = desk(Signs::Documents);
    std::fs::create_dir(desk.path("folder")).unwrap();
    std::os::unix::fs::symlink("consent.txt", desk.path("link")).unwrap();
    std::fs::hard_link(desk.path("consent.txt"), desk.path("other-name")).unwrap();
    for (output, why) in [
        ("consent.txt", "the document itself"),
        ("./consent.txt", "the document itself"),
        ("link", "the document itself"),
        ("other-name", "the document itself"),
        ("folder", "folder is no file"),
        ("no/such/file.p7s", "no file can be written in the folder no/such: "),
        ("consent.txt/file.p7s", "no file can be written in the folder consent.txt: "),
    ] {
        let line =
            format!("sign consent.txt --replace --pin-fd 0 --apdu-log log --output {output}");
        let said = desk.run(&line);
        assert_eq!(said.code, 2, "{output}: {}", said.error);
        assert!(said.error.contains(why) && !said.error.contains(".tmp"), "{}", said.error);
        assert!(!desk.path("log").exists(), "{output}: a card was spoken to");
    }
    assert_eq!(std::fs::read_to_string(desk.path("consent.txt")).unwrap(), TEXT);
}

#[test]
fn with_two_cards_in_one_is_named() {
    let desk = desk(Signs::Documents);
    write_my_number_card(&desk.path("other"));
    desk.write("other", INSERTED, "");
    let both = "--software-card card --software-card other --pin-fd 0";
    let line = "sign consent.txt --output consent.p7s";
    let of = |line: &str, pin: &str| {
        desk.write("", "pin", pin);
        let mut command = desk.command(line);
        Said::of(&command.stdin(File::open(desk.path("pin")).unwrap()).output().unwrap())
    };
    let several = of(&format!("{line} {both}"), PIN);
    assert_eq!(several.code, 2, "{}", several.error);
    assert!(several.error.contains("--certificate"), "{}", several.error);
    for (family, pin) in [("hpki", PIN), ("jpki", PASSWORD)] {
        let said = of(&format!("{line} --certificate {family} --replace --json {both}"), pin);
        assert_eq!(said.json()["family"], family.to_uppercase());
    }
    let reader = "Software reader card";
    let mut command = desk.command(&format!("{line} --replace {both}"));
    let named = command.args(["--reader", reader]).stdin(Stdio::null()).output().unwrap();
    assert!(Said::of(&named).error.contains("holds no PIN"), "{named:?}");
}

#[test]
fn inspect_shows_both_applications_of_a_card() {
    let desk = desk(Signs::Documents);
    let report = desk.run("inspect --json").json();
    let applications = report["readers"][0]["card"]["applications"].as_array().unwrap();
    let names: Vec<_> = applications.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["authentication", "signature"]);
    assert_eq!(applications[1]["tries_left"], 15);
    let plain = Desk::with_card(PIN, |folder| write_card(folder, Layout::Ic31));
    let report = plain.run("inspect --json").json();
    assert_eq!(report["readers"][0]["card"]["applications"].as_array().unwrap().len(), 1);
}
