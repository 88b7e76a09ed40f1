//! A PC over the year of its certificate: agent and server run as built, their clocks moved as a year
//! moves both, by libfaketime (Debian package `faketime`).

use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Instant,
};

use sekisho_store::{certificate, revocation::Status};
use time::Duration;

use super::world::{Pc, TERMINAL, World, text};

/// In the last third of the certificate's year, and beyond its end.
const LATE: Duration = Duration::days(250);
const TOO_LATE: Duration = Duration::days(800);

/// A program on a machine whose clock is so far ahead.
fn program_at(name: &str, ahead: Duration) -> Command {
    const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
    assert!(
        std::path::Path::new(LIBRARY).exists(),
        "libfaketime is not installed: apt-get install faketime"
    );
    let mut command = Command::new(sekisho::demo::process::sibling(name).unwrap());
    // Waiting goes by the clock that nobody sets.
    command.env("LD_PRELOAD", LIBRARY).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command.env("FAKETIME", format!("+{}d", ahead.whole_days()));
    command
}

/// The agent at a PC whose clock is so far ahead.
fn agent_at(pc: &Pc<'_>, ahead: Duration) -> Command {
    let mut command = program_at("sekisho-agent", ahead);
    command.arg("--dir").arg(&pc.folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A process that ends with the test, or before, as by a power cut.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The server of this instance, which nobody else runs, so far ahead.
fn serve_at(world: &World, ahead: Duration) -> Running {
    let mut command = program_at("sekisho", ahead);
    let log = std::fs::File::create(world.file("serve.log")).unwrap();
    command.arg("serve").arg(world.file("instance")).stdout(Stdio::null()).stderr(log);
    let running = Running(command.spawn().unwrap());
    let (_, port) = world.ready.origins["enrol"].rsplit_once(':').unwrap();
    let port: u16 = port.parse().unwrap();
    let deadline = Instant::now() + std::time::Duration::from_secs(60);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = || std::fs::read_to_string(world.file("serve.log")).unwrap();
        assert!(Instant::now() < deadline, "the server does not start: {}", log());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    running
}

fn said_at(pc: &Pc<'_>, ahead: Duration, command: &str) -> String {
    let output = agent_at(pc, ahead).args(command.split(' ')).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// The server renews its own certificate soon after its start; whoever lives months before does not
/// believe that one.
fn wait_for_new_certificate(world: &World) {
    let origin = &world.ready.origins["enrol"];
    let host = format!("{}:127.0.0.1", origin.trim_start_matches("https://"));
    let deadline = Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--noproxy", "*", "--cacert", &world.authority("root")]);
        let output = curl.args(["--resolve", &host, origin]).output().unwrap();
        // CURLE_PEER_FAILED_VERIFICATION
        if output.status.code() == Some(60) {
            return;
        }
        assert!(Instant::now() < deadline, "the server keeps its certificate of before");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// A running agent without a reader.
fn run_at(world: &World, pc: &Pc<'_>, ahead: Duration) -> Running {
    let card = world.file("no-card");
    std::fs::create_dir_all(&card).unwrap();
    let mut command = agent_at(pc, ahead);
    command.args(["run", "--port", "0", "--software-card", &text(&card), "--pin-file"]);
    Running(command.arg(world.file("no-pin")).env("RUST_LOG", "warn").spawn().unwrap())
}

/// Reads what it says until a line holds `words`; then it is killed.
fn killed_at(mut running: Running, words: &str) {
    let lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let mut said = String::new();
    for line in lines.map_while(Result::ok) {
        said.push_str(&line);
        if line.contains(words) {
            return;
        }
    }
    panic!("it ended before it said {words:?}: {said}");
}

/// The PC of this folder at an instance that was started again.
fn same_pc<'a>(world: &'a World, folder: &std::path::Path, root: &str) -> Pc<'a> {
    Pc { world, folder: folder.to_owned(), root: root.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_agent_renews_before_the_end_and_says_what_keeps_it_from_that() {
    let world = World::start().await;
    let pc = Pc::new(&world, "pc");
    let (exit, said) = pc.enroll(TERMINAL, &world.code().await);
    assert_eq!(exit, 0, "{said}");
    let first = pc.holds("terminal.crt");
    let (folder, root) = (pc.folder.clone(), pc.root.clone());
    let world = world.stopped().await;
    let pc = same_pc(&world, &folder, &root);
    let status = || pc.agent(&["status"]).1;
    let server = serve_at(&world, LATE);

    // A PC whose clock stayed behind by months: it is told so, and does no harm.
    wait_for_new_certificate(&world);
    let running = run_at(&world, &pc, Duration::ZERO);
    let deadline = Instant::now() + std::time::Duration::from_secs(30);
    while !status().contains("renewal") {
        assert!(Instant::now() < deadline, "nothing was tried: {}", status());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    drop(running);
    assert!(status().contains("this PC's clock is wrong by 2"), "{}", status());
    assert_eq!(pc.holds("terminal.crt"), first);

    // Set right: the next start renews at once, under the old certificate, which stays good.
    let doctor = said_at(&pc, LATE, "doctor --port 1");
    assert!(doctor.contains("FAULT  certificate: ends soon"), "{doctor}");
    let running = run_at(&world, &pc, LATE);
    tokio::task::block_in_place(|| killed_at(running, "renewed the certificate"));
    assert_ne!(pc.holds("terminal.crt"), first);
    assert_eq!(pc.holds("former-terminal.crt"), first);
    let doctor = said_at(&pc, LATE, "doctor --port 1");
    assert!(doctor.contains("ok     certificate: until"), "{doctor}");
    assert!(!status().contains("renewal"), "{}", status());

    // A PC that lay in a cupboard until its certificate was over.
    drop(server);
    let server = serve_at(&world, TOO_LATE);
    let doctor = said_at(&pc, TOO_LATE, "doctor --port 1");
    assert!(doctor.contains("FAULT  certificate: expired on"), "{doctor}");
    assert!(doctor.contains("ask the facility's administrator for a new code"), "{doctor}");
    // Once the server has a certificate of that time, too.
    let deadline = Instant::now() + std::time::Duration::from_secs(60);
    let renewed = loop {
        let said = said_at(&pc, TOO_LATE, "renew");
        if !said.contains("server's certificate") {
            break said;
        }
        assert!(Instant::now() < deadline, "{said}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert!(renewed.contains("shown has expired") && renewed.contains("new code"), "{renewed}");
    drop(server);
    let all = certificate::of_terminal(&mut world.store.read(), TERMINAL).await.unwrap();
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|c| c.status == Status::Good), "until the browser shows the new one");
}
