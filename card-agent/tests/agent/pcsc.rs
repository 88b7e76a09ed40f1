//! The real PC/SC service with a virtual reader: our own `pcscd`, seen by nobody else.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sekisho_agent::card::card_type::CardType;
use sekisho_agent::card::known::{Family, KnownCard};
use sekisho_agent::card::pcsc::PcscReaders;
use sekisho_agent::card::reader::{CardError, Readers};
use sekisho_agent::card::session::Session;
use sekisho_protocol::signed_input::SignedInput;
use sekisho_protocol::{ChallengeNonce, Sha256Digest};
use sekisho_software_card::{Layout, Options, Personalisation, SoftwareCard, vpcd};

use crate::world::{PIN, write_card};

const SOCKET: &str = "PCSCLITE_CSOCK_NAME";
const VPCD_PORT: &str = "TEST_VPCD_PORT";
const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

/// Ends the service with the test.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Two neighbouring free ports: vpcd takes one for each slot.
fn free_port() -> u16 {
    loop {
        let first = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if port < u16::MAX && TcpListener::bind(("0.0.0.0", port + 1)).is_ok() {
            return port;
        }
    }
}

/// libpcsclite reads its socket's name from the environment once, so the inner half runs in a
/// process of its own.
#[test]
fn a_card_behind_the_real_smart_card_service_is_read_and_signs() {
    if !std::path::Path::new("/usr/sbin/pcscd").exists() || !std::path::Path::new(DRIVER).exists() {
        panic!("install the packages pcscd and vsmartcard-vpcd to run this test");
    }
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let reader = format!(
        "FRIENDLYNAME \"Test Reader\"\nDEVICENAME /dev/null:0x{port:04X}\nLIBPATH {DRIVER}\nCHANNELID 0x{port:04X}\n"
    );
    std::fs::write(folder.path().join("vpcd"), reader).unwrap();
    let script = format!(
        "mount -t tmpfs none /run && mkdir /run/pcscd && exec /usr/sbin/pcscd -f -c {}",
        folder.path().display()
    );
    let child = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let service = Service(child);
    let socket = format!("/proc/{}/root/run/pcscd/pcscd.comm", service.0.id());
    let until = Instant::now() + Duration::from_secs(20);
    while !std::path::Path::new(&socket).exists() {
        assert!(Instant::now() < until, "the smart card service does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    let inner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "pcsc::inner_half", "--ignored", "--nocapture"])
        .env(SOCKET, socket)
        .env(VPCD_PORT, port.to_string())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&inner.stdout);
    assert!(
        inner.status.success() && told.contains("1 passed"),
        "{told}\n{}",
        String::from_utf8_lossy(&inner.stderr)
    );
}

fn wait_for_card(readers: &PcscReaders, present: bool) -> String {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let slots = readers.slots().unwrap_or_default();
        let found = slots.iter().find(|slot| slot.insertion.is_some());
        match found {
            Some(slot) if present => return slot.reader.clone(),
            None if !present && !slots.is_empty() => return String::new(),
            _ => assert!(Instant::now() < until, "{slots:?}"),
        }
        readers.wait(Duration::from_millis(200));
    }
}

#[test]
#[ignore = "the other test runs it, with a smart card service of its own"]
fn inner_half() {
    let port: u16 = std::env::var(VPCD_PORT).unwrap().parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let certificate_der = write_card(folder.path(), Layout::Ic31);
    let personal = Personalisation::load(folder.path()).unwrap();
    let mut card = SoftwareCard::new(personal, Options::default()).unwrap();
    let readers = PcscReaders;
    wait_for_card(&readers, false);

    let slot = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let pull = slot.try_clone().unwrap();
    let playing = std::thread::spawn(move || vpcd::serve(&mut card, slot));
    let reader = wait_for_card(&readers, true);

    let of = |octet: u8| Sha256Digest::new([octet; 32]);
    let input = SignedInput {
        origin: of(1),
        nonce: ChallengeNonce::new([2; 32]),
        facility_x5t: of(3),
        page_key: of(4),
        request: of(5),
        card_certificate: Sha256Digest::of(&certificate_der),
    };
    let mut outcome = Err(CardError::Removed);
    readers
        .connect(&reader)
        .unwrap()
        .transaction(&mut |card| {
            let mut card = Session::new(card);
            let known = KnownCard::read(&mut card, &CardType::default().into())?;
            assert_eq!(known.family, Family::Hpki);
            assert_eq!(known.certificate_der, certificate_der);
            outcome = known.sign(&mut card, PIN.as_bytes(), &input);
            Ok(())
        })
        .unwrap();
    assert_eq!(outcome.unwrap().len(), 256);

    pull.shutdown(std::net::Shutdown::Both).unwrap();
    let _ = playing.join();
    wait_for_card(&readers, false);
}
