//! The browser's extension at the agent: frames over the user's own socket, and the program between.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sekisho_agent::card::watcher::Seen;
use sekisho_agent::door::native;
use sekisho_agent::platform::ExtensionListener;
use sekisho_protocol::answer::CardAnswer;
use sekisho_software_card::Layout;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;

use crate::cards::write_card;
use crate::command_line::pinned;
use crate::package::free_port;
use crate::world::{ORIGIN, World, as_nobody};

const AGENT: &str = env!("CARGO_BIN_EXE_sekisho-agent");

/// A desk whose agent listens for the extension too.
pub struct Extension {
    pub world: World,
    folder: tempfile::TempDir,
    _stop: watch::Sender<bool>,
}

impl Extension {
    async fn new() -> Self {
        Self::of(World::new(Layout::Observed).await)
    }

    pub fn of(world: World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (stop, stopping) = watch::channel(false);
        let listener = ExtensionListener::bind(&folder.path().join("agent.sock")).unwrap();
        tokio::spawn(native::serve(world.agent.clone(), listener, stopping));
        Self { world, folder, _stop: stop }
    }

    pub async fn connect(&self) -> Page {
        Page(UnixStream::connect(self.folder.path().join("agent.sock")).await.unwrap(), 0)
    }

    fn begin(&self) -> Value {
        json!({ "request": self.world.sign(&self.world.request()) })
    }
}

/// A page's way to the agent.
pub struct Page(UnixStream, u64);

impl Page {
    async fn send(&mut self, octets: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(octets.len()).unwrap().to_ne_bytes();
        self.0.write_all(&[&length, octets].concat()).await
    }

    async fn receive(&mut self) -> std::io::Result<Value> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).await?;
        let mut octets = vec![0; u32::from_ne_bytes(length) as usize];
        self.0.read_exact(&mut octets).await?;
        Ok(serde_json::from_slice(&octets).unwrap())
    }

    /// The answer to a message; `None` where the agent hangs up instead.
    pub async fn asked(&mut self, message: &[u8]) -> Option<Value> {
        // It may hang up before it has read all.
        let _ = self.send(message).await;
        self.receive().await.ok()
    }

    async fn call(&mut self, origin: &str, call: &str, body: &Value) -> Value {
        self.1 += 1;
        let message = json!({ "id": self.1, "origin": origin, "call": call, "body": body });
        let answer = self.asked(message.to_string().as_bytes()).await.unwrap();
        assert_eq!(answer["id"], self.1);
        answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_gets_the_cards_signature_through_the_extension() {
    let extension = Extension::new().await;
    let mut page = extension.connect().await;
    let begun = page.call(ORIGIN, "begin", &extension.begin()).await;
    assert_eq!(begun["status"], 200, "{begun}");
    let mut finish = json!({ "exchange": begun["body"]["exchange"] });
    let answer = loop {
        let reply = page.call(ORIGIN, "finish", &finish).await;
        assert_eq!(reply["status"], 200, "{reply}");
        if reply["body"]["state"] == "done" {
            break reply["body"]["answer"].as_str().unwrap().to_owned();
        }
        finish["seen"] = reply["body"]["state"].clone();
    };
    let answer = CardAnswer::parse(&answer).unwrap();
    assert_eq!(answer.certificate.as_bytes(), extension.world.certificate_der);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_learn_nothing_through_the_extension_either() {
    let extension = Extension::new().await;
    let mut page = extension.connect().await;
    let begin = extension.begin();
    let tampered =
        json!({ "request": begin["request"].as_str().unwrap().replacen("eyJ", "eyK", 1) });
    for (origin, call, body) in [
        ("https://evil.example", "begin", &begin),
        ("https://terminal.example.evil.example", "begin", &begin),
        ("null", "begin", &begin),
        ("https://evil.example", "finish", &json!({})),
        (ORIGIN, "begin", &tampered),
        (ORIGIN, "begin", &json!({})),
        (ORIGIN, "begin", &json!({ "request": "x".repeat(33_000) })),
    ] {
        let told = page.call(origin, call, body).await;
        assert_eq!(told, json!({ "id": page.1, "status": 403 }));
    }
    let unread = json!({ "id": 9, "origin": ORIGIN, "call": "inspect", "body": {} }).to_string();
    let repeated =
        format!(r#"{{"id":9,"origin":"x","origin":"{ORIGIN}","call":"begin","body":{begin}}}"#);
    let listed = json!([9, ORIGIN, "begin", begin]).to_string();
    let texts = [&unread, &repeated, &listed].map(|text| text.as_bytes());
    for octets in [&b""[..], b"{", b"\xff"].into_iter().chain(texts) {
        assert_eq!(page.asked(octets).await, Some(json!({ "id": 0, "status": 403 })));
    }
    // None of them used the request up.
    assert_eq!(page.call(ORIGIN, "begin", &begin).await["status"], 200);
    // A length that no message has ends the connection before anything is read.
    page.0.write_all(&u32::MAX.to_ne_bytes()).await.unwrap();
    assert_eq!(page.0.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_page_goes_its_exchange() {
    let extension = Extension::new().await;
    extension.world.pull();
    let mut seen = extension.world.agent.watcher.seen();
    // Also of a card whose reading had begun.
    let gone = |seen: &Seen| seen.ready && seen.cards.is_empty() && seen.reading.is_empty();
    seen.wait_for(gone).await.unwrap();
    let mut page = extension.connect().await;
    let begun = page.call(ORIGIN, "begin", &extension.begin()).await;
    let exchange = json!({ "exchange": begun["body"]["exchange"] });
    assert_eq!(page.call(ORIGIN, "finish", &exchange).await["status"], 200);
    let mut other = extension.connect().await;
    let busy = other.call(ORIGIN, "begin", &extension.begin()).await;
    assert_eq!(busy["body"]["error"]["code"], "busy");
    drop(page);
    let until = Instant::now() + Duration::from_secs(20);
    while other.call(ORIGIN, "begin", &extension.begin()).await["status"] != 200 {
        assert!(Instant::now() < until, "the exchange outlives its page");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_keep_nobody_waiting_and_the_stop_comes_through() {
    let Extension { world, folder, _stop: stop } = Extension::new().await;
    let path = folder.path().join("agent.sock");
    let mut kept = Vec::new();
    for _ in 0..16 {
        let mut page = Page(UnixStream::connect(&path).await.unwrap(), 0);
        assert_eq!(page.call("null", "begin", &json!({})).await["status"], 403);
        kept.push(page);
    }
    // One more is closed, not kept waiting for a place that may never come.
    let mut more = UnixStream::connect(&path).await.unwrap();
    let mut octet = [0; 1];
    let closed = tokio::time::timeout(Duration::from_secs(20), more.read(&mut octet)).await;
    assert_eq!(closed.expect("it is kept waiting").unwrap(), 0);
    drop(more);
    stop.send_replace(true);
    let until = Instant::now() + Duration::from_secs(20);
    while UnixStream::connect(&path).await.is_ok() {
        assert!(Instant::now() < until, "the door outlives the stop");
    }
    drop((world, kept));
}

/// A running agent, and the line that it said.
fn run(folder: &Path) -> (Child, String) {
    run_at(folder, 0)
}

fn run_at(folder: &Path, port: u16) -> (Child, String) {
    let mut child = Command::new(AGENT)
        .arg("--dir")
        .arg(folder)
        .args(["run", "--port", &port.to_string()])
        .args(["--pin-file", "never-read", "--software-card"])
        .arg(folder.join("card"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (child, line)
}

fn native_host(folder: &Path) -> Child {
    // As Chromium starts it.
    Command::new(AGENT)
        .args(["native-host", "--dir"])
        .arg(folder)
        .args(["chrome-extension://fgaofglhkoieflfjbcacgmnckalcjdhf/", "--parent-window=0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn the_program_that_browsers_start_carries_messages_to_the_running_agent() {
    let folder = tempfile::tempdir().unwrap();
    pinned(folder.path());
    write_card(&folder.path().join("card"), Layout::Observed);
    let none = native_host(folder.path()).wait_with_output().unwrap();
    assert_eq!(none.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&none.stderr).contains("no agent of this user runs"));

    let (mut killed, _) = run(folder.path());
    killed.kill().unwrap();
    killed.wait().unwrap();
    // The next one takes over what that one left.
    let (mut agent, ready) = run(folder.path());
    assert!(ready.starts_with("ready on port "), "{ready}");
    let (second, said) = run(folder.path());
    let second = second.wait_with_output().unwrap();
    assert_eq!((said.as_str(), second.status.code()), ("", Some(3)));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another agent of this user runs"));

    let mut host = native_host(folder.path());
    let message = br#"{"id":7,"origin":"https://evil.example","call":"begin","body":{}}"#;
    let (mut to, mut from) = (host.stdin.take().unwrap(), host.stdout.take().unwrap());
    to.write_all(&(message.len() as u32).to_ne_bytes()).unwrap();
    to.write_all(message).unwrap();
    let mut length = [0; 4];
    from.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u32::from_ne_bytes(length) as usize];
    from.read_exact(&mut answer).unwrap();
    assert_eq!(answer, br#"{"id":7,"status":403}"#);
    // The browser goes: so does the program.
    drop(to);
    assert_eq!(host.wait().unwrap().code(), Some(0));
    // The agent goes: the program does not wait for the browser.
    let mut host = native_host(folder.path());
    let _open = host.stdin.take();
    assert!(Command::new("kill").arg(agent.id().to_string()).status().unwrap().success());
    assert_eq!(agent.wait().unwrap().code(), Some(0));
    assert!(host.wait().unwrap().code().is_some());
    assert!(!folder.path().join("agent.sock").exists());
}

#[test]
fn an_agent_whose_socket_finds_no_place_serves_loopback() {
    let folder = tempfile::tempdir().unwrap();
    // Longer than a socket's address may be (unix(7)).
    let deep = folder.path().join("x".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    pinned(&deep);
    write_card(&deep.join("card"), Layout::Observed);
    let (mut agent, ready) = run(&deep);
    assert!(ready.starts_with("ready on port "), "{ready}");
    assert!(Command::new("kill").arg(agent.id().to_string()).status().unwrap().success());
    assert_eq!(agent.wait().unwrap().code(), Some(0));
    let host = native_host(&deep).wait_with_output().unwrap();
    assert_eq!(host.status.code(), Some(1));
}

#[test]
fn the_second_persons_agent_on_a_host_serves_the_extension() {
    let folder = tempfile::tempdir().unwrap();
    pinned(folder.path());
    write_card(&folder.path().join("card"), Layout::Observed);
    let port = free_port();
    let first = as_nobody("systemd-socket-activate")
        .args(["--listen", &format!("127.0.0.1:{port}"), "true"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut first = first.unwrap();
    let mut said = String::new();
    BufReader::new(first.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
    assert!(said.starts_with("Listening on"), "{said}");
    let (mut agent, ready) = run_at(folder.path(), port);
    assert_eq!(
        ready,
        format!("ready for the extension only: another user's agent has port {port}\n")
    );
    let mut host = native_host(folder.path());
    drop(host.stdin.take());
    assert_eq!(host.wait().unwrap().code(), Some(0));
    assert!(Command::new("kill").arg(agent.id().to_string()).status().unwrap().success());
    assert_eq!(agent.wait().unwrap().code(), Some(0));
    // Woken, it becomes a program that ends at once.
    drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
    first.wait().unwrap();
}
