//! OpenSC judges the software card, and shares no line with us. It knows My Number cards. Of HPKI cards it
//! knows nothing, but reads any structure of ISO/IEC 7816-15 whose files have identifiers: the one
//! observed in the field, not the guideline's, whose paths are short identifiers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use sekisho_agent::card::pcsc::PcscReaders;
use sekisho_software_card::{Layout, Options, Personalisation, SoftwareCard};
use x509_cert::Certificate;
use x509_cert::der::{DecodePem, Encode};

use crate::card_service::{CardService, SOCKET, wait_for_cards, with_service};
use crate::cards::{Signs, write_my_number_card, write_signing_card};
use crate::world::{PASSWORD, PIN};

const MODULE: &str = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so";
const PROGRAMS: [&str; 2] = ["/usr/bin/pkcs15-tool", "/usr/bin/pkcs11-tool"];

/// OpenSC's settings for a card, where it needs any, in the card's folder.
const SETTINGS: &str = "opensc.conf";

/// A card in a reader, and OpenSC's tools before it.
struct Judge<'a> {
    service: &'a CardService,
    folder: PathBuf,
}

impl Judge<'_> {
    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder).env(SOCKET, self.service.socket());
        let settings = self.folder.join(SETTINGS);
        if settings.exists() {
            command.env("OPENSC_CONF", settings);
        }
        command.output().unwrap()
    }

    fn said(&self, program: &str, arguments: &[&str]) -> String {
        let done = self.run(program, arguments);
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{program} {arguments:?}: {error}");
        String::from_utf8(done.stdout).unwrap()
    }

    /// How many tries it sees for the PIN of user authentication and the password for signatures.
    fn tries(&self) -> Vec<String> {
        let dump = self.said(PROGRAMS[0], &["--list-pins"]);
        let told = dump.lines().filter_map(|line| line.trim().strip_prefix("Tries left"));
        told.map(|tries| tries.trim_start_matches([' ', ':']).to_owned()).collect()
    }

    fn sign(&self, slot: &str, key: &str, pin: &str) -> Output {
        let choose = ["--module", MODULE, "--slot-index", slot, "--login", "--pin", pin];
        let sign =
            ["--sign", "-m", "SHA256-RSA-PKCS", "--id", key, "-i", "message", "-o", "signed"];
        self.run(PROGRAMS[1], &[&choose[..], &sign].concat())
    }
}

fn verifies(certificate: &Certificate, folder: &Path) {
    let key = certificate.tbs_certificate().subject_public_key_info();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.subject_public_key.raw_bytes())
        .verify(
            &std::fs::read(folder.join("message")).unwrap(),
            &std::fs::read(folder.join("signed")).unwrap(),
        )
        .unwrap();
}

#[test]
fn opensc_reads_a_my_number_card_and_signs_with_both_its_keys() {
    with_service("opensc::opensc_reads_a_my_number_card_and_signs_with_both_its_keys", |service| {
        for program in PROGRAMS.into_iter().chain([MODULE]) {
            assert!(Path::new(program).exists(), "install the packages opensc and opensc-pkcs11");
        }
        for short_only in [false, true] {
            let temporary = tempfile::tempdir().unwrap();
            let folder = temporary.path().to_owned();
            write_my_number_card(&folder);
            let personal = Personalisation::load(&folder).unwrap();
            let expected = [
                personal.authentication.certificate_der.clone(),
                personal.signature.clone().unwrap().certificate_der,
            ];
            let options = Options { short_only, ..Options::default() };
            let inserted = service.insert(0, SoftwareCard::new(personal, options).unwrap());
            wait_for_cards(&PcscReaders, 1);
            std::fs::write(folder.join("message"), "what is signed").unwrap();
            let judge = Judge { service, folder };

            assert_eq!(judge.tries(), ["3", "5"]);
            // Anybody reads the one certificate, only who has the password the other.
            let open = judge.said(PROGRAMS[0], &["--read-certificate", "01"]);
            let closed = judge.run(PROGRAMS[0], &["--read-certificate", "02"]);
            assert!(!closed.status.success(), "{}", String::from_utf8_lossy(&closed.stdout));
            let guarded = ["--verify-pin", "--auth-id", "02", "--pin", PASSWORD];
            let guarded = [&guarded[..], &["--read-certificate", "02"]].concat();
            let guarded = judge.said(PROGRAMS[0], &guarded);

            let keys = [(open, "0", "01", PIN), (guarded, "1", "02", PASSWORD)];
            for ((pem, slot, key, pin), expected) in keys.into_iter().zip(&expected) {
                let certificate = Certificate::from_pem(&pem).unwrap();
                assert_eq!(&certificate.to_der().unwrap(), expected);
                let done = judge.sign(slot, key, pin);
                assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
                verifies(&certificate, &judge.folder);
            }

            // A wrong PIN signs nothing and is counted; the right one counts anew.
            std::fs::remove_file(judge.folder.join("signed")).unwrap();
            let refused = judge.sign("0", "01", "0000");
            assert!(String::from_utf8_lossy(&refused.stderr).contains("CKR_PIN_INCORRECT"));
            assert!(!judge.folder.join("signed").exists());
            assert_eq!(judge.tries(), ["2", "5"]);
            assert!(judge.sign("0", "01", PIN).status.success());
            assert_eq!(judge.tries(), ["3", "5"]);
            inserted.pull();
            wait_for_cards(&PcscReaders, 0);
        }
    });
}

#[test]
fn opensc_reads_an_hpki_card_by_its_directory_files() {
    with_service("opensc::opensc_reads_an_hpki_card_by_its_directory_files", |service| {
        for short_only in [false, true] {
            let temporary = tempfile::tempdir().unwrap();
            let folder = temporary.path().to_owned();
            let signature = write_signing_card(&folder, Layout::Observed, Signs::Documents);
            let personal = Personalisation::load(&folder).unwrap();
            let authentication = personal.authentication.certificate_der.clone();
            let options = Options { short_only, has_directory: true, ..Options::default() };
            let inserted = service.insert(0, SoftwareCard::new(personal, options).unwrap());
            wait_for_cards(&PcscReaders, 1);
            let settings =
                "app default {\n enable_default_driver = true;\n card_drivers = default;\n}\n";
            std::fs::write(folder.join(SETTINGS), settings).unwrap();
            let judge = Judge { service, folder };

            let applications = [
                (
                    "e828bd080fa000000391000000000002",
                    authentication,
                    ["Object Flags : [0x00]", "Usage : [0x04], sign"],
                ),
                // userConsent: the PIN before every signature.
                (
                    "e828bd080fa000000391000000000001",
                    signature,
                    ["Object Flags : [0x00]", "Usage : [0x200], nonRepudiation"],
                ),
            ];
            for (name, certificate_der, key) in applications {
                let ask =
                    |more: &[&str]| judge.run(PROGRAMS[0], &[&["--aid", name][..], more].concat());
                let said = |more| {
                    let done = ask(more);
                    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
                    String::from_utf8(done.stdout).unwrap()
                };
                let dump = said(&["--dump"]);
                let words: Vec<&str> = dump.split_whitespace().collect();
                let dump = words.join(" ");
                let pin = [
                    "Flags : [0x13], case-sensitive, local, initialized",
                    "Length : min_len:4, max_len:16, stored_len:0",
                    "Reference : 136 (0x88)",
                    "ModLength : 2048",
                    "X.509 Certificate [HPKI END ENTITY CERTIFICATE]",
                    "X.509 Certificate [MHLW CA CERTIFICATE]",
                ];
                for told in pin.iter().chain(&key) {
                    assert!(dump.contains(told), "{told} is not in {dump}");
                }
                assert!(dump.contains(&format!("Path : {name}::000c Auth ID : 08 ID : 45")));
                let pem = said(&["--read-certificate", "45"]);
                assert_eq!(Certificate::from_pem(&pem).unwrap().to_der().unwrap(), certificate_der);
                let verify = |pin| ask(&["--verify-pin", "--auth-id", "08", "--pin", pin]);
                assert!(verify(PIN).status.success());
                let wrong = verify("0000");
                assert!(String::from_utf8_lossy(&wrong.stderr).contains("incorrect"), "{wrong:?}");
            }
            inserted.pull();
            wait_for_cards(&PcscReaders, 0);
        }
    });
}
