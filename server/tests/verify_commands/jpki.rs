//! `--profile jpki`: the status comes from files, and what they do not tell refuses.

use std::{path::Path, process::Command};

use const_oid::ObjectIdentifier;
use sekisho_ca::lookalike::{Forge, ForgedCrl, extension};
use sekisho_key::SoftwareKey;
use sekisho_pki::{
    encoding::name::{Part, name},
    national::jpki::{POLICY_AUTHENTICATION, POLICY_SIGNING},
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use x509_cert::{
    ext::pkix::{
        BasicConstraints, CertificatePolicies, KeyUsage, KeyUsages, certpolicy::PolicyInformation,
    },
    name::Name,
};

use super::pem;

/// An authority of the JPKI with its list, in a folder; all of them have one name.
struct Generation {
    name: Name,
    key: SoftwareKey,
    der: Vec<u8>,
    now: OffsetDateTime,
}

impl Generation {
    fn make(now: OffsetDateTime) -> Self {
        let name = name(&[
            Part::Country("JP"),
            Part::Organization("JPKI"),
            Part::OrganizationalUnit("JPKI for user authentication"),
        ])
        .unwrap();
        let key = SoftwareKey::generate_p256().unwrap();
        let mut forge = Forge::new(&name, &name, &key, now - Duration::DAY, now + Duration::DAY);
        forge.extensions = vec![
            extension(true, &BasicConstraints { ca: true, path_len_constraint: None }).unwrap(),
            extension(true, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign)).unwrap(),
        ];
        forge.identify(&key).unwrap();
        let der = forge.sign(&key).unwrap();
        Self { name, key, der, now }
    }

    /// A certificate with serial number 7 for a card.
    fn card(&self, policy: ObjectIdentifier) -> String {
        let subject = name(&[Part::Country("JP"), Part::CommonName("0123456789")]).unwrap();
        let key = SoftwareKey::generate_p256().unwrap();
        let validity = (self.now - Duration::DAY, self.now + Duration::DAY);
        let mut forge = Forge::new(&self.name, &subject, &key, validity.0, validity.1);
        forge.serial = 7;
        let policy = PolicyInformation { policy_identifier: policy, policy_qualifiers: None };
        forge.extensions = vec![
            extension(true, &KeyUsage(KeyUsages::DigitalSignature.into())).unwrap(),
            extension(true, &CertificatePolicies(vec![policy])).unwrap(),
        ];
        forge.identify(&self.key).unwrap();
        pem("CERTIFICATE", &forge.sign(&self.key).unwrap())
    }

    /// Its list, so many hours old.
    fn list(&self, hours: i64, revoked: Vec<(u32, OffsetDateTime)>) -> Vec<u8> {
        let since = self.now - Duration::hours(hours);
        let mut list = ForgedCrl::new(&self.name, since, self.now + Duration::DAY);
        list.revoked = revoked;
        list.sign(&self.key).unwrap()
    }

    /// What OpenSSL answers for it about serial number 7: V good, R revoked.
    fn answer(&self, folder: &Path, letter: char) -> Vec<u8> {
        let put = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        put("ca.pem", &pem("CERTIFICATE", &self.der));
        put("ca.key", &pem("PRIVATE KEY", self.key.pkcs8_der().unwrap().as_ref()));
        let revoked = if letter == 'R' { "261101000000Z,keyCompromise" } else { "" };
        put("index", &format!("{letter}\t301231000000Z\t{revoked}\t07\tunknown\t/CN=0123456789\n"));
        let asked = ["-issuer", "ca.pem", "-serial", "7", "-no_nonce", "-reqout", "request"];
        let answered =
            ["-index", "index", "-rsigner", "ca.pem", "-rkey", "ca.key", "-CA", "ca.pem"];
        let out = ["-reqin", "request", "-respout", "answer", "-ndays", "1"];
        for arguments in [&asked[..], &[&answered[..], &out].concat()] {
            let done = Command::new("openssl")
                .arg("ocsp")
                .args(arguments)
                .current_dir(folder)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{arguments:?}: {said}");
        }
        std::fs::read(folder.join("answer")).unwrap()
    }
}

#[test]
fn a_card_is_judged_by_what_the_files_tell_and_refused_where_they_are_silent() {
    // By the clock, because OpenSSL dates its answers by it.
    let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, octets: &[u8]| std::fs::write(folder.path().join(name), octets).unwrap();
    let empty = |name: &str| {
        let _ = std::fs::remove_dir_all(folder.path().join(name));
        std::fs::create_dir(folder.path().join(name)).unwrap();
    };
    let (older, newer) = (Generation::make(now), Generation::make(now));
    for name in ["jpki", "crls", "ocsp"] {
        empty(name);
    }
    put("jpki/older.der", &older.der);
    put("jpki/newer.der", &newer.der);
    put("card.pem", newer.card(POLICY_AUTHENTICATION).as_bytes());
    // A minute later: OpenSSL's answer is of a second that may not be over.
    let time = (now + Duration::MINUTE).format(&Rfc3339).unwrap();
    let judge = |purpose: &str, revocation: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .current_dir(folder.path())
            .args(["verify-path", "--profile", "jpki", "--trust", "jpki", "--chain", "card.pem"])
            .args(["--crl", "crls", "--ocsp", "ocsp", "--time", &time])
            .args(["--purpose", purpose, "--revocation", revocation])
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let login = |revocation| judge("clientAuth", revocation);
    let refused = |(code, said): (Option<i32>, String), why: &str| {
        assert!(code == Some(1) && said.contains(why), "{why}: {said}");
    };
    let unknown = "is not known";

    for silent in ["crl", "ocsp"] {
        refused(login(silent), unknown);
    }
    put("crls/list.crl", &older.list(1, vec![]));
    refused(login("crl"), unknown);
    put("crls/list.crl", &newer.list(25, vec![]));
    refused(login("crl"), "too old");
    put("crls/list.crl", &newer.list(1, vec![(7, now - Duration::HOUR)]));
    refused(login("crl"), "was revoked at");
    put("crls/list.crl", &newer.list(1, vec![(8, now - Duration::HOUR)]));
    let (code, said) = login("crl");
    assert!(code == Some(0) && said.starts_with("valid\n"), "{said}");

    empty("crls");
    refused(login("ocsp"), unknown);
    put("ocsp/answer", &older.answer(folder.path(), 'V'));
    refused(login("ocsp"), unknown);
    put("ocsp/answer", &newer.answer(folder.path(), 'R'));
    refused(login("ocsp"), "was revoked at");
    put("ocsp/answer", &newer.answer(folder.path(), 'V'));
    let (code, said) = login("ocsp");
    assert!(code == Some(0) && said.starts_with("valid\n"), "{said}");

    // The card's other certificate holds name and address: it is not for logging in.
    put("card.pem", newer.card(POLICY_SIGNING).as_bytes());
    refused(login("ocsp"), "not the one for user authentication");
    let (code, said) = judge("any", "ocsp");
    assert!(code == Some(0), "{said}");
}
