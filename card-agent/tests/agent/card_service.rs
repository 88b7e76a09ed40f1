//! A smart card service of the test's own, with a virtual reader of two slots; nobody else sees it.
//!
//! `pcscd` runs in a mount namespace whose `/run` is empty, so that several live side by side.
//! Clients find it by [`SOCKET`], a link that follows it through restarts.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sekisho_agent::card::reader::{Readers, Slot};
use sekisho_software_card::{SoftwareCard, vpcd};

/// Where libpcsclite looks for the service.
pub const SOCKET: &str = "PCSCLITE_CSOCK_NAME";
const FOLDER: &str = "TEST_CARD_SERVICE";
const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
/// The longest that anything here takes on a busy machine.
const MOST: Duration = Duration::from_secs(60);

/// Runs `work` with a service, in a process of its own: libpcsclite reads [`SOCKET`] once.
///
/// `test` is the path of the test that calls this; the process is that test again.
pub fn with_service(test: &str, work: impl FnOnce(&mut CardService)) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return work(&mut CardService::start(Path::new(&folder)));
    }
    let folder = tempfile::tempdir().unwrap();
    let inner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(SOCKET, socket(folder.path()))
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&inner.stdout);
    assert!(
        inner.status.success() && told.contains("1 passed"),
        "{told}\n{}",
        String::from_utf8_lossy(&inner.stderr)
    );
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("pcscd.comm")
}

/// A running `pcscd`; ends with its value.
pub struct CardService {
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl CardService {
    /// Starts one that keeps its things in this folder.
    pub fn start(folder: &Path) -> Self {
        if !Path::new("/usr/sbin/pcscd").exists() || !Path::new(DRIVER).exists() {
            panic!("install the packages pcscd and vsmartcard-vpcd to run this test");
        }
        let port = free_ports();
        let readers = folder.join("readers");
        std::fs::create_dir(&readers).unwrap();
        let reader = format!(
            "FRIENDLYNAME \"Test Reader\"\nDEVICENAME /dev/null:0x{port:04X}\nLIBPATH {DRIVER}\nCHANNELID 0x{port:04X}\n"
        );
        std::fs::write(readers.join("vpcd"), reader).unwrap();
        let mut service = Self { folder: folder.to_owned(), port, child: None };
        service.restart();
        service
    }

    /// Where its clients find it.
    pub fn socket(&self) -> PathBuf {
        socket(&self.folder)
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again. The slots are empty then.
    pub fn restart(&mut self) {
        self.kill();
        let script = format!(
            "mount -t tmpfs none /run && mkdir /run/pcscd && exec /usr/sbin/pcscd -f -c {}",
            self.folder.join("readers").display()
        );
        let child = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", &script])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let at = PathBuf::from(format!("/proc/{}/root/run/pcscd/pcscd.comm", child.id()));
        self.child = Some(child);
        until("the smart card service starts", || at.exists());
        let link = self.socket();
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&at, &link).unwrap();
    }

    /// Connecting is inserting, so it is tried until the reader listens, and not before.
    fn connect(&self, slot: u16) -> TcpStream {
        let mut connected = None;
        until("the virtual reader listens", || {
            connected = TcpStream::connect(("127.0.0.1", self.port + slot)).ok();
            connected.is_some()
        });
        connected.unwrap()
    }

    /// Puts a card into slot 0 or 1.
    pub fn insert(&self, slot: u16, mut card: SoftwareCard) -> Inserted {
        let stream = self.connect(slot);
        let pull = stream.try_clone().unwrap();
        let playing = std::thread::spawn(move || {
            let _ = vpcd::serve(&mut card, stream);
            card
        });
        Inserted { pull, playing }
    }

    /// As [`Self::insert`], and pulls the card when it has answered `commands` commands and heard the
    /// next one. (Half an answer vpcd would pass on as if it were whole, and half a length crashes it.)
    pub fn insert_and_pull(&self, slot: u16, mut card: SoftwareCard, commands: u32) -> Inserted {
        let reader = self.connect(slot);
        let between = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let stream = TcpStream::connect(between.local_addr().unwrap()).unwrap();
        let (ours, _) = between.accept().unwrap();
        let pull = reader.try_clone().unwrap();
        std::thread::spawn(move || pass_on(reader, ours, commands));
        let playing = std::thread::spawn(move || {
            let _ = vpcd::serve(&mut card, stream);
            card
        });
        Inserted { pull, playing }
    }
}

impl Drop for CardService {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A card in a slot.
pub struct Inserted {
    pull: TcpStream,
    playing: JoinHandle<SoftwareCard>,
}

impl Inserted {
    /// Takes it out.
    pub fn pull(self) -> SoftwareCard {
        let _ = self.pull.shutdown(Shutdown::Both);
        self.playing.join().unwrap()
    }

    /// Waits until it has left by itself.
    pub fn left(self) -> SoftwareCard {
        self.playing.join().unwrap()
    }
}

/// Carries frames between reader and card until `commands` were answered and another was heard.
fn pass_on(mut reader: TcpStream, mut card: TcpStream, mut commands: u32) {
    let frame = |from: &mut TcpStream| {
        let mut length = [0; 2];
        from.read_exact(&mut length).ok()?;
        let mut frame = vec![0; 2 + usize::from(u16::from_be_bytes(length))];
        frame[..2].copy_from_slice(&length);
        from.read_exact(&mut frame[2..]).ok()?;
        Some(frame)
    };
    let _ = card.set_nodelay(true);
    while let Some(asked) = frame(&mut reader) {
        if card.write_all(&asked).is_err() {
            break;
        }
        // Power and reset have no answer, the question for the ATR has one.
        if asked.len() == 3 && asked[2] < 4 {
            continue;
        }
        let Some(answer) = frame(&mut card) else { break };
        let is_command = asked.len() > 3;
        if is_command && commands == 0 {
            break;
        }
        commands -= u32::from(is_command);
        if reader.write_all(&answer).is_err() {
            break;
        }
    }
    let _ = reader.shutdown(Shutdown::Both);
    let _ = card.shutdown(Shutdown::Both);
}

/// Two neighbouring free ports: vpcd takes one for each slot.
fn free_ports() -> u16 {
    loop {
        let first = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if port < u16::MAX && TcpListener::bind(("0.0.0.0", port + 1)).is_ok() {
            return port;
        }
    }
}

/// Asks again until it is so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + MOST;
    while !so() {
        assert!(Instant::now() < end, "not so: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The readers that hold a card, once they are that many.
pub fn wait_for_cards(readers: &dyn Readers, many: usize) -> Vec<String> {
    let end = Instant::now() + MOST;
    loop {
        let slots = readers.slots().unwrap_or_default();
        let filled = slots.iter().filter(|slot| slot.insertion.is_some());
        let filled: Vec<&Slot> = filled.collect();
        if !slots.is_empty() && filled.len() == many {
            return filled.into_iter().map(|slot| slot.reader.clone()).collect();
        }
        assert!(Instant::now() < end, "{slots:?}");
        readers.wait(Duration::from_millis(200));
    }
}
