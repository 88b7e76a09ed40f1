//! `sekisho verify-path` and `sekisho verify-signature` as people and outside judges meet them.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "verify_commands/jpki.rs"]
mod jpki;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use const_oid::db::rfc5280;
use der::{asn1::Ia5String, pem::LineEnding};
use sekisho_ca::lookalike::{CardHolder, CardUse, Forge, ForgedCrl, LookalikeHpki, extension};
use sekisho_key::{RsaSize, SigningKey, SoftwareKey};
use sekisho_pki::encoding::name::{Part, name};
use time::{Duration, OffsetDateTime};
use x509_cert::{
    ext::pkix::{
        BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName, name::GeneralName,
    },
    name::Name,
};

const NOW: &str = "2026-11-18T11:06:40Z";

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap()
}

fn pem(label: &'static str, der: &[u8]) -> String {
    der::pem::encode_string(label, LineEnding::LF, der).unwrap()
}

/// Root, authority and server certificate in a folder, as somebody would lay them out.
struct World {
    folder: tempfile::TempDir,
    authority: Name,
    authority_key: SoftwareKey,
    server_key: SoftwareKey,
    server: Vec<u8>,
}

impl World {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let part = |text| name(&[Part::Country("JP"), Part::CommonName(text)]).unwrap();
        let (root, authority) = (part("Example Root"), part("Example Authority"));
        let keys: Vec<SoftwareKey> =
            (0..3).map(|_| SoftwareKey::generate_p256().unwrap()).collect();
        let [root_key, authority_key, server_key] = <[SoftwareKey; 3]>::try_from(keys).unwrap();
        let forge = |issuer: (&Name, &SoftwareKey), subject: &Name, key: &SoftwareKey, serial| {
            let mut forge =
                Forge::new(issuer.0, subject, key, now() - Duration::DAY, now() + Duration::DAY);
            forge.serial = serial;
            forge.extensions = vec![
                extension(true, &BasicConstraints { ca: true, path_len_constraint: None }).unwrap(),
                extension(true, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign)).unwrap(),
            ];
            forge.identify(issuer.1).unwrap();
            forge
        };
        let root_der = forge((&root, &root_key), &root, &root_key, 1).sign(&root_key).unwrap();
        let authority_der =
            forge((&root, &root_key), &authority, &authority_key, 2).sign(&root_key).unwrap();
        let mut server =
            forge((&authority, &authority_key), &part("Example Server"), &server_key, 7);
        server.extensions = vec![
            extension(true, &KeyUsage(KeyUsages::DigitalSignature.into())).unwrap(),
            extension(false, &ExtendedKeyUsage(vec![rfc5280::ID_KP_SERVER_AUTH])).unwrap(),
            extension(
                false,
                &SubjectAltName(vec![GeneralName::DnsName(
                    Ia5String::new("www.example.jp").unwrap(),
                )]),
            )
            .unwrap(),
        ];
        server.identify(&authority_key).unwrap();
        let server = server.sign(&authority_key).unwrap();
        let world = Self { folder, authority, authority_key, server_key, server };
        for dir in ["roots", "crls", "empty"] {
            std::fs::create_dir(world.path(dir)).unwrap();
        }
        world.put("roots/root.der", &root_der);
        let chain = pem("CERTIFICATE", &world.server) + &pem("CERTIFICATE", &authority_der);
        world.put("chain.pem", chain.as_bytes());
        world.put("authority.pem", pem("CERTIFICATE", &authority_der).as_bytes());
        let list = |issuer: &Name, key: &SoftwareKey| {
            ForgedCrl::new(issuer, now() - Duration::HOUR, now() + Duration::HOUR)
                .sign(key)
                .unwrap()
        };
        world.put("crls/root.crl", &list(&root, &root_key));
        let list = list(&world.authority, &world.authority_key);
        world.put("crls/authority.pem", pem("X509 CRL", &list).as_bytes());
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, octets: &[u8]) {
        std::fs::write(self.path(name), octets).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .current_dir(self.folder.path())
            .args(arguments)
            .output()
            .unwrap();
        let text = |octets| String::from_utf8(octets).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// `verify-path` for the world's chain; later flags come from `more`.
    fn judge(&self, more: &[&str]) -> (i32, String, String) {
        let mut arguments = vec!["verify-path", "--time", NOW];
        for (flag, value) in [
            ("--trust", "roots"),
            ("--chain", "chain.pem"),
            ("--purpose", "serverAuth"),
            ("--revocation", "none"),
        ] {
            if !more.contains(&flag) {
                arguments.extend([flag, value]);
            }
        }
        arguments.extend(more);
        self.run(&arguments)
    }
}

#[test]
fn a_path_is_judged_with_its_reason_its_certificate_and_the_rule() {
    let world = World::make();
    let (code, out, err) = world.judge(&["--dns", "WWW.example.jp"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert_eq!(
        out,
        "valid\n  CN=Example Server,C=JP\n  CN=Example Authority,C=JP\n  anchor CN=Example Root,C=JP\n"
    );
    let (code, out, err) = world.judge(&["--dns", "other.example.jp"]);
    assert_eq!((code, out.as_str()), (1, ""));
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(
        lines[0],
        "invalid: CN=Example Server,C=JP is not for the host other.example.jp; subjectAltName has \
         [\"dNSName www.example.jp\"]"
    );
    assert!(
        lines[1].starts_with("  certificate: CN=Example Server,C=JP (serial number 00000007")
            || lines[1].starts_with("  certificate: CN=Example Server,C=JP (serial number 07"),
        "{err}"
    );
    assert_eq!(lines[2], "  rule: RFC 9525 section 6");
    for (more, code) in [
        (&["--purpose", "clientAuth"][..], 1),
        (&["--purpose", "any"], 0),
        (&["--max-depth", "0"], 1),
        (&["--max-depth", "1", "--enforce-anchor-constraints"], 0),
        (&["--explicit-policy"], 1),
        (&["--policy", "1.2.3", "--policy", "1.2.4"], 0),
        (&["--inhibit-mapping", "--inhibit-any-policy"], 0),
        (&["--trust", "empty"], 1),
    ] {
        assert_eq!(world.judge(more).0, code, "{more:?}");
    }
}

#[test]
fn revocation_is_judged_by_what_lies_in_the_folder() {
    let world = World::make();
    let crl = ["--revocation", "crl", "--crl", "crls"];
    let (code, out, err) = world.judge(&crl);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out.matches("CRL of").count(), 2, "{out}");
    // With OCSP asked for and none there, the lists count; without lists nothing does.
    assert_eq!(world.judge(&["--revocation", "ocsp", "--ocsp", "empty", "--crl", "crls"]).0, 0);
    let (code, _, err) = world.judge(&["--revocation", "ocsp", "--ocsp", "empty"]);
    assert_eq!(code, 1);
    assert!(err.contains("there is no OCSP response about it"), "{err}");
    let (code, _, err) = world.judge(&["--revocation", "crl", "--crl", "empty"]);
    assert_eq!(code, 1);
    assert!(err.contains("there is no CRL of its issuer CN=Example Root,C=JP"), "{err}");

    let mut list = ForgedCrl::new(&world.authority, now(), now() + Duration::HOUR);
    list.revoked = vec![(7, now() - Duration::HOUR)];
    world.put("crls/newer.crl", &list.sign(&world.authority_key).unwrap());
    let (code, _, err) = world.judge(&crl);
    assert_eq!(code, 1);
    assert!(err.starts_with("invalid: CN=Example Server,C=JP was revoked at 2026-"), "{err}");
}

#[test]
fn hostile_folders_and_files_are_told_and_never_believed() {
    let world = World::make();
    // Garbage and a named pipe beside the anchor; duplicates and garbage among the candidates.
    world.put("roots/garbage", b"\x30\x84garbage");
    world
        .put("roots/broken.pem", b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
    std::fs::copy(world.path("roots/root.der"), world.path("roots/again.der")).unwrap();
    let pipe = Command::new("mkfifo").arg(world.path("roots/pipe")).status().unwrap();
    assert!(pipe.success());
    std::fs::create_dir(world.path("roots/folder")).unwrap();
    let chain = std::fs::read_to_string(world.path("chain.pem")).unwrap();
    let garbage = pem("CERTIFICATE", b"garbage");
    world.put("chain.pem", format!("# text\n{chain}{garbage}{chain}").as_bytes());
    let (code, _, err) = world.judge(&[]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("garbage is left out") && err.contains("broken.pem is left out"), "{err}");

    for (content, code) in [
        (&b""[..], 3),
        (b"no certificate here", 3),
        (b"\x30\x03DER", 1),
        (b"-----BEGIN CERTIFICATE-----\nAAAA", 3),
        (garbage.as_bytes(), 1),
    ] {
        world.put("odd.pem", content);
        let (found, _, err) = world.judge(&["--chain", "odd.pem"]);
        assert_eq!(found, code, "{err}");
        assert!(!err.contains("panicked"));
    }
}

#[test]
fn a_command_line_that_is_not_understood_exits_with_2() {
    let world = World::make();
    for time in ["yesterday", "2026-11-18", "2026-11-18 11:06", "2026-13-01T00:00:00Z", ""] {
        let arguments = [
            "verify-path",
            "--trust",
            "roots",
            "--chain",
            "chain.pem",
            "--purpose",
            "any",
            "--revocation",
            "none",
            "--time",
            time,
        ];
        assert_eq!(world.run(&arguments).0, 2, "{time}");
    }
    for more in [
        &["--purpose", "something"][..],
        &["--revocation", "maybe"],
        &["--trust", "nowhere"],
        &["--chain", "nowhere.pem"],
        &["--chain", "roots"],
        &["--revocation", "crl", "--crl", "nowhere"],
        &["--dns", "a b"],
        &["--dns", "www.example.jp", "--ip", "192.0.2.1"],
        &["--ip", "192.0.2"],
        &["--policy", "one.two"],
        &["--max-depth", "-1"],
        &["--profile", "hpki", "--explicit-policy"],
        &["--profile", "jpki", "--dns", "www.example.jp"],
        &["--unknown"],
    ] {
        let (code, _, err) = world.judge(more);
        assert_eq!(code, 2, "{more:?}: {err}");
        assert!(!err.is_empty());
    }
    let (code, out, _) = world.run(&["verify-path", "--help"]);
    assert_eq!(code, 0);
    assert!(out.contains("Examples:") && out.contains("Exit codes:"), "{out}");
}

#[test]
fn a_card_is_judged_by_the_rules_of_the_hpki() {
    let world = World::make();
    let hpki = LookalikeHpki::make(now(), 0, "http://repository.lookalike.example").unwrap();
    let key = SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap();
    let holder = CardHolder {
        common_name: "Taro Yamada",
        kanji_name: "山田　太郎",
        serial_number: "DEMO00001",
        roles: &["Medical Doctor", "Keeper of Ravens"],
        organisation: None,
    };
    std::fs::create_dir(world.path("hpki")).unwrap();
    world.put("hpki/root.pem", hpki.anchor_pem().unwrap().as_bytes());
    world.put("crls/card.crl", &hpki.card_crl(&[], now()).unwrap());
    world.put("crls/authorities.crl", &hpki.root_crl(&[], now()).unwrap());
    let chain = |used_for, serial| {
        let validity = (now() - Duration::DAY, now() + Duration::DAY);
        let card = hpki.forge_card(&holder, used_for, &key, serial, validity).unwrap();
        let card = card.sign(&hpki.sub_ca.key).unwrap();
        let chain = pem("CERTIFICATE", &card) + &hpki.sub_ca_pem().unwrap();
        world.put("card.pem", chain.as_bytes());
    };
    let judge = |purpose| {
        world.judge(&[
            "--profile",
            "hpki",
            "--trust",
            "hpki",
            "--chain",
            "card.pem",
            "--purpose",
            purpose,
            "--revocation",
            "crl",
            "--crl",
            "crls",
        ])
    };
    chain(CardUse::Authentication, 5);
    let (code, out, err) = judge("clientAuth");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("holder 山田　太郎\n  hcRole Medical Doctor\n"), "{out}");
    assert!(out.contains("hcRole Keeper of Ravens\n"), "unknown roles are shown: {out}");
    chain(CardUse::Signing, 6);
    let (code, _, err) = judge("clientAuth");
    assert_eq!(code, 1);
    assert!(err.contains("for signing documents") && err.contains("rule: HPKI"), "{err}");
    assert_eq!(judge("any").0, 0);
    assert_eq!(judge("serverAuth").0, 2);
    // RFC 5280's own processing has no quarrel with it as long as no policy is required.
    let pkix = ["--trust", "hpki", "--chain", "card.pem", "--purpose", "any"];
    assert_eq!(world.judge(&pkix).0, 0);
    let policy = ["--explicit-policy", "--policy", "1.2.392.100495.1.5.1.1.0.1"];
    assert_eq!(world.judge(&[&pkix[..], &policy].concat()).0, 1);
}

#[test]
fn signatures_are_verified_over_objects_and_files() {
    let world = World::make();
    world.put("leaf.der", &world.server);
    world.put("letter.txt", b"letter");
    world.put("letter.sig", &world.server_key.sign_now(b"letter").unwrap());
    world.put("key.pub", pem("PUBLIC KEY", world.server_key.public_key_der()).as_bytes());
    let crl = Path::new("crls").join("authority.pem");
    let crl = crl.to_str().unwrap();
    for (arguments, code, says) in [
        (&["roots/root.der"][..], 0, "the signature of the certificate holds"),
        (&["leaf.der"], 1, "does not verify"),
        (&["--by", "authority.pem", "leaf.der"], 0, "certificate holds"),
        (&["--by", "roots/root.der", "leaf.der"], 1, "certificate does not hold"),
        (&["--by", "authority.pem", crl], 0, "the signature of the CRL holds"),
        (&[crl], 2, "name the signer with --by"),
        (&["--by", "leaf.der", "--signature", "letter.sig", "letter.txt"], 0, "holds"),
        (&["--by", "key.pub", "--signature", "letter.sig", "letter.txt"], 0, "holds"),
        (&["--by", "key.pub", "--signature", "letter.sig", "leaf.der"], 1, "does not hold"),
        (
            &[
                "--by",
                "key.pub",
                "--signature",
                "letter.sig",
                "--algorithm",
                "rsa-sha256",
                "letter.txt",
            ],
            1,
            "not accepted with this key",
        ),
        (&["--signature", "letter.sig", "letter.txt"], 2, "--by"),
        (&["letter.txt"], 3, "neither PEM nor DER"),
        (&["nowhere"], 2, "'nowhere' for '<FILE>'"),
        (&["--by", "letter.txt", "leaf.der"], 3, "neither PEM nor DER"),
    ] {
        let (found, out, err) = world.run(&[&["verify-signature"], arguments].concat());
        assert_eq!(found, code, "{arguments:?}: {out}{err}");
        assert!(out.contains(says) || err.contains(says), "{arguments:?}: {out}{err}");
    }
}
