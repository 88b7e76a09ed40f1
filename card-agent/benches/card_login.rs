//! What a login waits for the card, beside OpenSC with the same card in the same run.
//!
//! `cargo bench --workspace --profile dev --bench card_login`. A software card that takes its time (18 ms and 1 ms
//! for 50 octets a command, 25 ms for VERIFY, 400 ms for a signature: assumptions about contactless
//! cards, not measured on one) behind the real `pcscd` with a virtual reader. APDUs are counted by the
//! card, so that whatever any software sends is among them.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/agent/card_service.rs"]
#[allow(dead_code)] // the other half serves the tests
mod card_service;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use sekisho_agent::card::card_type::CardType;
use sekisho_agent::card::known::KnownCard;
use sekisho_agent::card::pcsc::PcscReaders;
use sekisho_agent::card::reader::Readers;
use sekisho_agent::card::session::Session;
use sekisho_ca::lookalike::{CardHolder, CardUse, LookalikeHpki, LookalikeJpki};
use sekisho_output::say;
use sekisho_protocol::occasion::Occasion;
use sekisho_protocol::signed_input::SignedInput;
use sekisho_protocol::{ChallengeNonce, Sha256Digest};
use sekisho_software_card::{
    ApplicationData, Family, Latency, Layout, Options, Personalisation, SoftwareCard, Token,
};
use time::OffsetDateTime;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use card_service::{CardService, SOCKET, wait_for_cards};

const FOLDER: &str = "BENCH_CARD_SERVICE";
const MODULE: &str = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so";
const PIN: &str = "1234";
/// Each figure is the middle of so many.
const RUNS: usize = 3;

/// libpcsclite reads [`SOCKET`] once, so the work is done by a second process.
fn main() -> ExitCode {
    if let Some(folder) = std::env::var_os(FOLDER) {
        measure(&CardService::start(Path::new(&folder)));
        return ExitCode::SUCCESS;
    }
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .env(SOCKET, folder.path().join("pcscd.comm"))
        .env(FOLDER, folder.path())
        .status()
        .unwrap();
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Time and commands.
type Cost = (Duration, u32);

struct Bench<'a> {
    service: &'a CardService,
    commands: Arc<AtomicU32>,
    reader: String,
}

impl Bench<'_> {
    fn of<T>(&self, work: impl FnOnce() -> T) -> (T, Cost) {
        self.commands.store(0, Relaxed);
        let begun = Instant::now();
        let done = work();
        (done, (begun.elapsed(), self.commands.load(Relaxed)))
    }

    fn read(&self, kind: &Arc<CardType>) -> (KnownCard, Cost) {
        let mut known = None;
        let ((), cost) = self.of(|| {
            let mut channel = PcscReaders.connect(&self.reader).unwrap();
            let work = &mut |card: &mut dyn sekisho_agent::card::reader::Transmit| {
                known = Some(KnownCard::read(&mut Session::new(card), kind)?);
                Ok(())
            };
            channel.transaction(work).unwrap();
        });
        (known.unwrap(), cost)
    }

    /// From opening the card to the signature; reads the certificate first where it is not known.
    fn login(&self, known: Option<&KnownCard>, kind: &Arc<CardType>) -> Cost {
        let (mut told, commands, begun) = (None, self.commands.clone(), Instant::now());
        let mut certificate_der = Vec::new();
        let input = input();
        self.commands.store(0, Relaxed);
        let mut channel = PcscReaders.connect(&self.reader).unwrap();
        let work = &mut |card: &mut dyn sekisho_agent::card::reader::Transmit| {
            let card = &mut Session::new(card);
            let read;
            let known = match known {
                Some(known) => known,
                None => {
                    read = KnownCard::read(card, kind)?;
                    &read
                }
            };
            certificate_der = known.certificate_der.clone();
            known.sign_and_tell(card, &PIN.into(), &input, &mut |signature| {
                told = Some((signature, begun.elapsed(), commands.load(Relaxed)));
            })
        };
        channel.transaction(work).unwrap();
        let (signature, took, commands) = told.unwrap();
        verify(&certificate_der, &input.to_bytes(), &signature);
        (took, commands)
    }

    fn opensc(&self, folder: &Path) -> Cost {
        std::fs::write(folder.join("message"), input().to_bytes()).unwrap();
        let ((), cost) = self.of(|| {
            let done = Command::new("pkcs11-tool")
                .args(["--module", MODULE, "--slot-index", "0", "--login", "--pin", PIN])
                .args([
                    "--sign",
                    "-m",
                    "SHA256-RSA-PKCS",
                    "--id",
                    "01",
                    "-i",
                    "message",
                    "-o",
                    "signed",
                ])
                .current_dir(folder)
                .env(SOCKET, self.service.socket())
                .output()
                .unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        });
        let certificate_der = std::fs::read(folder.join("authentication.crt")).unwrap();
        let signature = std::fs::read(folder.join("signed")).unwrap();
        verify(&certificate_der, &input().to_bytes(), &signature);
        cost
    }
}

fn measure(service: &CardService) {
    let cards = [
        ("My Number card", true, my_number_card()),
        ("HPKI, layout of the guideline", false, hpki(Layout::Ic31)),
        ("HPKI, layout observed", false, hpki(Layout::Observed)),
    ];
    line(
        "ms to the signature (APDUs): middle of 3, behind pcscd, on a card of assumed contactless speed\n",
    );
    line(&format!(
        "{:<44}{:>16}{:>16}{:>16}{:>16}\n",
        "", "first of type", "cold", "read ahead", "OpenSC"
    ));
    for (name, known_to_opensc, personal) in cards {
        for (lengths, short_only) in [("extended", false), ("short", true)] {
            let folder = tempfile::tempdir().unwrap();
            personal.write(folder.path()).unwrap();
            let commands = Arc::<AtomicU32>::default();
            let counted = commands.clone();
            let options = Options {
                short_only,
                latency: Latency::contactless(),
                sleep: Box::new(move |time| {
                    counted.fetch_add(1, Relaxed);
                    std::thread::sleep(time);
                }),
                ..Options::default()
            };
            let card = SoftwareCard::new(personal.clone(), options).unwrap();
            let inserted = service.insert(0, card);
            let reader = wait_for_cards(&PcscReaders, 1).remove(0);
            let bench = Bench { service, commands, reader };

            let first = middle(|| bench.login(None, &Arc::default()));
            let kind = Arc::default();
            bench.login(None, &kind);
            let cold = middle(|| bench.login(None, &kind));
            let (known, _) = bench.read(&kind);
            let ahead = middle(|| bench.login(Some(&known), &kind));
            let opensc = known_to_opensc.then(|| middle(|| bench.opensc(folder.path())));
            line(&format!(
                "{:<44}{:>16}{:>16}{:>16}{:>16}\n",
                format!("{name}, {lengths}"),
                shown(first),
                shown(cold),
                shown(ahead),
                opensc.map_or("no driver".to_owned(), shown),
            ));
            inserted.pull();
            wait_for_cards(&PcscReaders, 0);
        }
    }
    line(
        "first of type: of a card whose structure and ways are not known yet. cold: certificate, PIN and signature\n",
    );
    line(
        "in one go. read ahead: from the PIN to the signature. OpenSC: pkcs11-tool --login --sign, a process of its own.\n",
    );
}

fn middle(run: impl FnMut() -> Cost) -> Cost {
    let mut costs: Vec<Cost> = std::iter::repeat_with(run).take(RUNS).collect();
    costs.sort_unstable();
    costs[RUNS / 2]
}

fn shown((time, commands): Cost) -> String {
    format!("{} ({commands})", time.as_millis())
}

fn line(text: &str) {
    say(text).unwrap();
}

fn input() -> SignedInput {
    let of = |octet: u8| Sha256Digest::new([octet; 32]);
    let occasion = Occasion {
        origin: of(1),
        nonce: ChallengeNonce::new([2; 32]),
        facility_x5t: of(3),
        page_key: of(4),
        request: of(5),
    };
    SignedInput { occasion, card_certificate: of(6) }
}

fn verify(certificate_der: &[u8], message: &[u8], signature: &[u8]) {
    let certificate = Certificate::from_der(certificate_der).unwrap();
    let key = &certificate.tbs_certificate().subject_public_key_info().subject_public_key;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.raw_bytes())
        .verify(message, signature)
        .unwrap();
}

fn times() -> (OffsetDateTime, (OffsetDateTime, OffsetDateTime)) {
    let now = OffsetDateTime::now_utc();
    (now, (now - time::Duration::DAY, now + time::Duration::DAY))
}

/// With both applications, as most cards have them.
fn hpki(layout: Layout) -> Personalisation {
    let (now, validity) = times();
    let hpki = LookalikeHpki::make(now, 0, "http://lists.lookalike.example").unwrap();
    let holder = CardHolder {
        common_name: "Hanako Kakuu",
        kanji_name: "架空　花子",
        serial_number: "DEMO00001",
        roles: &["Medical Doctor"],
        organisation: None,
    };
    let [authentication, signature] = [CardUse::Authentication, CardUse::Signing].map(|used_for| {
        let card = hpki.issue_card(&holder, used_for, 7, validity).unwrap();
        ApplicationData {
            certificate_der: card.certificate_der,
            chain_der: vec![card.root_der, card.sub_ca_der],
            key_pkcs8_der: card.key_pkcs8,
        }
    });
    Personalisation {
        family: Family::Hpki { layout, pin: PIN.to_owned(), tries: 15 },
        authentication,
        signature: Some(signature),
    }
}

fn my_number_card() -> Personalisation {
    let (now, validity) = times();
    let jpki = LookalikeJpki::make(now).unwrap();
    let [authentication, signature] = [CardUse::Authentication, CardUse::Signing].map(|used_for| {
        let card = jpki.issue_card(used_for, 7, validity).unwrap();
        ApplicationData {
            certificate_der: card.certificate_der,
            chain_der: vec![card.authority_der],
            key_pkcs8_der: card.key_pkcs8,
        }
    });
    let (pin, password) = (PIN.to_owned(), Some("ABC123".to_owned()));
    Personalisation {
        family: Family::Jpki { token: Token::MyNumberCard, pin, password },
        authentication,
        signature: Some(signature),
    }
}
