//! What others read in what we write.

use std::{path::Path, process::Command};

use super::*;
use crate::encoding::pkcs12::{BagKind, Content, Pfx, Pkcs12Error, bags};

const PASSPHRASE: &str = "ABCD-EFGH-JKMN-PQRS-TVWX-YZ01";

fn fresh() -> Fresh {
    let mut fresh = Fresh::default();
    aws_lc_rs::rand::fill(fresh.as_flattened_mut()).unwrap();
    fresh
}

fn run(dir: &Path, program: &str, arguments: &[&str]) -> Vec<u8> {
    let ran = Command::new(program).args(arguments).current_dir(dir).output();
    let ran = ran.unwrap_or_else(|error| panic!("{program} (`./run setup test`): {error}"));
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{program} {arguments:?}: {said}");
    ran.stdout
}

/// A key, DER, and its certificate, DER, by OpenSSL.
fn made(dir: &Path, kind: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let request = ["req", "-x509", "-nodes", "-subj", "/CN=router", "-keyout", "key.pem"];
    let form = ["-outform", "DER", "-out", "own.der", "-newkey"];
    run(dir, "openssl", &[&request[..], &form, kind].concat());
    let key = ["pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-outform", "DER"];
    (run(dir, "openssl", &key), std::fs::read(dir.join("own.der")).unwrap())
}

#[test]
fn openssl_nss_and_gnutls_open_it_in_each_protection() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (_, authority) = made(dir, &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]);
    let kinds: [&[&str]; 2] = [&["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], &["rsa:2048"]];
    for kind in kinds {
        let (key, certificate) = made(dir, kind);
        let identity = Identity {
            key_pkcs8: &key,
            certificate: &certificate,
            authorities: &[&authority],
            name: "診療所 router",
        };
        for protection in Protection::ALL {
            let file = seal(&identity, PASSPHRASE, protection, &fresh()).unwrap();
            std::fs::write(dir.join("file.p12"), file).unwrap();
            let pass = format!("pass:{PASSPHRASE}");
            let mut open = vec!["pkcs12", "-in", "file.p12", "-passin", &pass, "-nodes"];
            if protection == Protection::TripleDes {
                open.push("-legacy");
            }
            std::fs::write(dir.join("open.pem"), run(dir, "openssl", &open)).unwrap();
            let again = ["pkcs8", "-topk8", "-nocrypt", "-in", "open.pem", "-outform", "DER"];
            assert!(run(dir, "openssl", &again) == key, "{protection:?}");
            let first = ["x509", "-in", "open.pem", "-outform", "DER"];
            assert_eq!(run(dir, "openssl", &first), certificate, "{protection:?}");
            let pem = std::fs::read_to_string(dir.join("open.pem")).unwrap();
            assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 2, "{protection:?}");

            let listed = run(dir, "pk12util", &["-l", "file.p12", "-W", PASSPHRASE]);
            let listed = String::from_utf8_lossy(&listed).into_owned();
            let of = |kind: &str| listed.lines().filter(|line| line.starts_with(kind)).count();
            assert_eq!(of("Certificate"), 2, "{protection:?}: {listed}");
            assert_eq!(of("Key(shrouded)"), 1, "{protection:?}: {listed}");

            let password = format!("--password={PASSPHRASE}");
            let told = ["--p12-info", "--inder", "--infile=file.p12", &password];
            let told = run(dir, "certtool", &told);
            let told = String::from_utf8_lossy(&told).into_owned();
            assert_eq!(told.matches("BEGIN CERTIFICATE").count(), 2, "{protection:?}: {told}");
        }
    }
}

#[test]
fn it_reads_back_and_shows_nothing_to_another_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    let (key, certificate) = made(dir.path(), &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let identity =
        Identity { key_pkcs8: &key, certificate: &certificate, authorities: &[], name: "router" };
    for protection in Protection::ALL {
        let file = seal(&identity, PASSPHRASE, protection, &fresh()).unwrap();
        let shows = |part: &[u8]| file.windows(part.len()).any(|window| window == part);
        assert!(!shows(&certificate[..64]) && !shows(&key[key.len() - 32..]), "{protection:?}");
        let read = Pfx::parse(&file).unwrap();
        let mut work = Work::default();
        assert_eq!(read.verify(PASSPHRASE, &mut work), Ok(()), "{protection:?}");
        let other = PASSPHRASE.replace('A', "B");
        assert_eq!(read.verify(&other, &mut work), Err(Pkcs12Error::Passphrase), "{protection:?}");
        let [certificates @ Content::Encrypted { .. }, Content::Plain(keys)] = &read.contents[..]
        else {
            panic!("{:?}", read.contents);
        };
        let keys = bags(keys).unwrap();
        assert!(matches!(&keys[..], [bag] if matches!(bag.kind, BagKind::ShroudedKey(_))));
        if protection == Protection::TripleDes {
            continue;
        }
        let opened = bags(&certificates.open(PASSPHRASE, &mut work).unwrap()).unwrap();
        assert_eq!(opened[0].kind, BagKind::Certificate(certificate.clone()));
        assert_eq!(opened[0].friendly_name.as_deref(), Some("router"));
        assert!(opened[0].local_key_id.is_some());
        assert_eq!(opened[0].local_key_id, keys[0].local_key_id);
    }
}

#[test]
fn a_passphrase_that_a_person_chose_is_refused() {
    let identity = Identity { key_pkcs8: b"k", certificate: b"c", authorities: &[], name: "r" };
    let long = "x".repeat(MOST_PASSPHRASE + 1);
    let short = "x".repeat(LEAST_PASSPHRASE - 1);
    for hostile in ["", "password", &short, &long, &"パ".repeat(30), &"x y".repeat(20)] {
        let refused = seal(&identity, hostile, Protection::Aes256, &fresh());
        assert!(matches!(refused, Err(SealError::Passphrase)), "{hostile}");
    }
}
