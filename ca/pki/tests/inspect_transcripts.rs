//! What `inspect` says about objects that OpenSSL, NSS and Java made, word for word.
//!
//! `tests/vectors/objects/` holds each object beside its transcripts. After a change that is meant,
//! `UPDATE_TRANSCRIPTS=1 cargo test -p sekisho-pki --test inspect_transcripts` writes them anew; then
//! read the difference.
#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf};

use sekisho_pki::inspect::{Inspection, Language, Options, inspect};
use serde_json::Value as Json;
use time::macros::datetime;

const PASSPHRASE: &str = "vector-passphrase";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/objects")
}

fn look(file: &str, passphrase: Option<&str>) -> Inspection {
    let octets = fs::read(folder().join(file)).unwrap();
    let options = Options { now: datetime!(2026-11-21 12:00 UTC), entries: 20, passphrase };
    inspect(&octets, &options)
}

fn compare(file: String, found: &str) -> Option<String> {
    let path = folder().join(&file);
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
        fs::write(path, found).unwrap();
        return None;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    (expected != found).then(|| format!("{file}\n--- expected\n{expected}--- found\n{found}"))
}

#[test]
fn each_object_reads_as_its_transcript_says() {
    let mut wrong = Vec::new();
    // In both languages and as JSON: one of each kind.
    for (file, passphrase) in [
        ("terminal.cer", None),
        ("hpki.cer", None),
        ("jpki.cer", None),
        ("cross.cer", None),
        ("hostile.cer", None),
        ("crl.crl", None),
        ("delta.crl", None),
        ("ocsp-request.der", None),
        ("ocsp-response.der", None),
        ("device.csr", None),
        ("bundle.pem", None),
        ("aes256.p12", Some(PASSPHRASE)),
    ] {
        let found = look(file, passphrase);
        assert_eq!(found.broken().count(), 0, "{file}");
        wrong.extend(compare(format!("{file}.ja.txt"), &found.text(Language::Japanese)));
        wrong.extend(compare(format!("{file}.en.txt"), &found.text(Language::English)));
        wrong.extend(compare(format!("{file}.json"), &found.json().unwrap()));
    }
    for (file, passphrase) in [
        ("root.cer", None),
        ("terminal.spki", None),
        ("ocsp-unauthorized.der", None),
        ("bundle.p7b", None),
        ("aes128.p12", Some(PASSPHRASE)),
        ("des3.p12", Some(PASSPHRASE)),
        ("rc2.p12", Some(PASSPHRASE)),
        ("plain.p12", None),
        ("empty.p12", Some("")),
        ("nss.p12", Some(PASSPHRASE)),
        ("java.p12", Some(PASSPHRASE)),
    ] {
        let found = look(file, passphrase);
        assert_eq!(found.broken().count(), 0, "{file}");
        wrong.extend(compare(format!("{file}.en.txt"), &found.text(Language::English)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn json(inspection: &Inspection) -> Json {
    serde_json::from_str(&inspection.json().unwrap()).unwrap()
}

#[test]
fn the_form_of_the_file_makes_no_difference() {
    let der = json(&look("terminal.cer", None));
    assert_eq!(json(&look("terminal.b64", None)), der);
    let bundle = json(&look("bundle.pem", None));
    let mut first = bundle["objects"][0].clone();
    let first = first.as_object_mut().unwrap();
    assert_eq!(first.remove("pem_label").unwrap(), "CERTIFICATE");
    first.remove("pem_offset").unwrap();
    assert_eq!(Json::Object(first.clone()), der["objects"][0]);
    assert_eq!(bundle["objects"].as_array().unwrap().len(), 4);
}

#[test]
fn the_facility_the_profession_and_the_holder_are_named() {
    let english = |file| look(file, None).text(Language::English);
    let terminal = english("terminal.cer");
    assert!(terminal.contains("Identifier: 179927398711\n"));
    assert!(terminal.contains("Facility identifier (form and check digit are right)"));
    let hpki = look("hpki.cer", None).text(Language::Japanese);
    for part in ["資格名: 医師\n", "資格の表記: Medical Doctor\n", "CN=関所　太郎"] {
        assert!(hpki.contains(part), "{part}");
    }
    let jpki = english("jpki.cer");
    for part in ["関所　花子", "Read as: female", "Read as: 1990-01-02", "Status: Expired"] {
        assert!(jpki.contains(part), "{part}");
    }
}

#[test]
fn nothing_of_a_hostile_name_reaches_the_terminal() {
    let found = look("hostile.cer", None);
    for text in [found.text(Language::Japanese), found.text(Language::English)] {
        assert!(text.contains(r"red\u{1b}[31m\u{1b}]0\;owned\u{7}"), "{text}");
        assert!(text.contains(r"exe\u{202e}gpj"));
        assert!(!text.chars().any(|c| c != '\n' && sekisho_pki::inspect::escape::is_hazard(c)));
    }
    let json = found.json().unwrap();
    assert!(!json.chars().any(|c| c != '\n' && sekisho_pki::inspect::escape::is_hazard(c)));
    assert!(json.contains("\\u202e"));
}

#[test]
fn unknown_extensions_are_shown_as_octets_and_critical_ones_marked() {
    let found = json(&look("cross.cer", None));
    let extensions = found["objects"][0]["extensions"].as_array().unwrap().clone();
    let of = |oid: &str| extensions.iter().find(|one| one["extension"]["oid"] == oid).unwrap();
    let critical = of("1.3.6.1.4.1.32473.99.1");
    assert_eq!(critical["status"], "unknown_critical");
    assert_eq!(critical["critical"], true);
    assert_eq!(critical["octets"], "0c0568656c6c6f");
    let other = of("1.3.6.1.4.1.32473.99.2");
    assert_eq!(other["status"], "unknown");
    assert_eq!(other["octets"], "deadbeef");
}

#[test]
fn a_pkcs12_file_opens_by_its_passphrase_only_and_never_shows_a_key() {
    for file in ["aes256.p12", "aes128.p12", "nss.p12", "java.p12"] {
        let opened = json(&look(file, Some(PASSPHRASE)));
        assert_eq!(opened["objects"][0]["integrity"]["verdict"], "mac_holds", "{file}");
        let text = opened.to_string();
        assert!(text.contains("\"certificate\""), "{file}");
        assert!(text.contains("\"encrypted_private_key\""), "{file}");
        for passphrase in [None, Some("wrong"), Some("")] {
            let closed = json(&look(file, passphrase)).to_string();
            let verdict =
                if passphrase.is_some() { "wrong_passphrase" } else { "needs_passphrase" };
            assert!(closed.contains(verdict), "{file}");
            assert!(!closed.contains("\"subject\""), "{file}");
        }
    }
    // Known by name, not carried out.
    for (file, scheme) in
        [("des3.p12", "pbeWithSHAAnd3-KeyTripleDES-CBC"), ("rc2.p12", "pbeWithSHAAnd40BitRC2-CBC")]
    {
        let found = json(&look(file, Some(PASSPHRASE))).to_string();
        assert!(found.contains(scheme) && found.contains("legacy_encryption"), "{file}");
        assert!(found.contains("mac_holds"), "{file}");
    }
    let clear = json(&look("plain.p12", None)).to_string();
    assert!(clear.contains("private_key_in_the_clear"));
    let key = fs::read(folder().join("plain.p12")).unwrap();
    // The private scalar follows the octets 02 01 01 04 20 of ECPrivateKey.
    let at = key.windows(5).position(|part| part == [2, 1, 1, 4, 32]).unwrap() + 5;
    assert!(!clear.contains(&hex::encode(&key[at..at + 32])));
}

#[test]
fn a_file_that_breaks_says_at_which_octet() {
    let whole = fs::read(folder().join("terminal.cer")).unwrap();
    let options = Options { now: datetime!(2026-11-21 12:00 UTC), entries: 20, passphrase: None };
    let fault = |octets: &[u8]| {
        let found = inspect(octets, &options);
        assert_eq!(found.broken().count(), 1);
        let json = json(&found);
        let object = &json["objects"][0];
        (object["offset"].as_u64().unwrap(), object["fault"].as_str().unwrap().to_owned())
    };
    assert_eq!(fault(&whole[..whole.len() - 1]), (0, "truncated".to_owned()));
    assert_eq!(fault(&[&whole[..], b"x"].concat()), (whole.len() as u64, "trailing".to_owned()));
    // The version's INTEGER, behind 30 82 .. .. 30 82 .. .. a0 03, claims more than there is.
    let mut longer = whole.clone();
    longer[11] = 0x7f;
    assert_eq!(fault(&longer), (10, "truncated".to_owned()));
    assert_eq!(fault(b"hello, world!"), (0, "no_format".to_owned()));
    assert_eq!(fault(b""), (0, "no_format".to_owned()));
    assert_eq!(fault(&[0x30, 0]), (2, "truncated".to_owned()));
    assert_eq!(
        fault(b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"),
        (0, "bad_base64".to_owned())
    );
}

#[test]
fn an_outside_judge_reads_the_same_certificate() {
    // The transcript's values against those of OpenSSL.
    let ask = |arguments: &[&str]| {
        let output = std::process::Command::new("openssl")
            .args(["x509", "-inform", "DER", "-noout", "-in"])
            .arg(folder().join("hpki.cer"))
            .args(arguments)
            .output()
            .expect("openssl is installed (Debian package openssl)");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let found = json(&look("hpki.cer", None));
    let object = &found["objects"][0];
    let serial = ask(&["-serial"]);
    assert_eq!(
        serial.trim_start_matches("serial=").to_lowercase(),
        object["serial"].as_str().unwrap()
    );
    let print = ask(&["-fingerprint", "-sha256"]);
    assert_eq!(
        print.split('=').nth(1).unwrap().replace(':', "").to_lowercase(),
        object["sha256"].as_str().unwrap()
    );
    assert_eq!(ask(&["-enddate"]).trim_start_matches("notAfter="), "Dec 31 14:59:59 2031 GMT",);
    assert_eq!(object["validity"]["not_after"], "2031-12-31T14:59:59Z");
}
