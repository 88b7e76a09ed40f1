//! The agent of a user of Windows: enrolled, running, and asked as the browser's extension asks it. What it
//! stands on is the system's: the sealed key, the named pipe with the question whose process is at its
//! other end, the table of connections.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use sekisho_agent::door::Identity;
use sekisho_protocol::Sha256Digest;
use sekisho_protocol::answer::CardAnswer;
use sekisho_software_card::Layout;
use serde_json::{Value, json};
use tokio::task::block_in_place;

use super::wine::Wine;
use crate::desk::Desk;
use crate::enrolment::{CODE, HOST, server};
use crate::world::{ORIGIN, STRANGER, World};

/// A program that ends with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// One message of the browser, and the answer to it.
    fn asked(&mut self, message: &Value) -> Value {
        let octets = message.to_string().into_bytes();
        let length = u32::try_from(octets.len()).unwrap().to_ne_bytes();
        let input = self.0.stdin.as_mut().unwrap();
        input.write_all(&[&length[..], &octets].concat()).unwrap();
        input.flush().unwrap();
        let output = self.0.stdout.as_mut().unwrap();
        let mut length = [0; 4];
        output.read_exact(&mut length).unwrap();
        let mut octets = vec![0; u32::from_ne_bytes(length) as usize];
        output.read_exact(&mut octets).unwrap();
        serde_json::from_slice(&octets).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the program for Windows"]
async fn an_enrolled_pc_answers_its_users_extension_and_no_program_that_windows_cannot_name() {
    let (authority, address) = server(HOST).await;
    let mut portal = World::new(Layout::Ic31).await;
    let held = portal.agent.identity();
    *authority.trust.lock().unwrap() = Some(held.trust.clone());
    let desk = Desk::new(Layout::Ic31);
    let wine = block_in_place(|| Wine::new(&desk));
    let line = format!(
        "enroll --dir agent --server {address} --root {} --terminal T0123456789 --code {CODE}",
        authority.root_fingerprint()
    );
    let enrolled = block_in_place(|| wine.agent(&line));
    // Wine takes no elliptic curve's key out of PKCS #12: the person is told, and the enrolment stands.
    assert_eq!(enrolled.code, 3, "{}", enrolled.error);
    assert!(enrolled.error.contains("this PC is enrolled, but the browser"), "{}", enrolled.error);
    let sealed = std::fs::read(desk.path("agent").join("terminal.p8")).unwrap();
    assert_ne!(sealed[0], 0x30, "the key lies open");
    // Sealed, it serves this user's programs: TLS towards the server, and a login.
    let told = block_in_place(|| wine.agent("doctor --dir agent")).out;
    assert!(told.contains("ok     server: answers"), "{told}");
    assert!(told.contains("lacks the agent's certificate"), "{told}");

    let certificate = std::fs::read(desk.path("agent").join("terminal.crt")).unwrap();
    let certificate_sha256 = Sha256Digest::of(certificate);
    let (trust, key) = (held.trust.clone(), held.key.clone());
    portal.agent.become_another(Identity { trust, key, certificate_sha256, former: None });

    let run =
        ["run", "--dir", "agent", "--port", "0", "--software-card", "card", "--pin-file", "pin"];
    let mut agent = Running::start(wine.command("sekisho-agent.exe").args(run));
    let ready = block_in_place(|| {
        let mut line = String::new();
        BufReader::new(agent.0.stdout.as_mut().unwrap()).read_line(&mut line).map(|_| line)
    });
    let ready = ready.unwrap();
    portal.port = ready.trim().strip_prefix("ready on port ").unwrap().parse().unwrap();

    let host = ["native-host", "--dir", "agent", "chrome-extension://x/", "--parent-window=0"];
    let mut extension = Running::start(wine.command("sekisho-agent.exe").args(host));
    let mut call = |call: &str, body: &Value| {
        let message = json!({ "id": 1, "origin": ORIGIN, "call": call, "body": body });
        let answer = block_in_place(|| extension.asked(&message));
        assert_eq!(answer["status"], 200, "{answer}");
        answer["body"].clone()
    };
    let begun = call("begin", &json!({ "request": portal.sign(&portal.request()) }));
    let mut finish = json!({ "exchange": begun["exchange"] });
    let answer = loop {
        let reply = call("finish", &finish);
        if reply["state"] == "done" {
            break reply["answer"].as_str().unwrap().to_owned();
        }
        finish["seen"] = reply["state"].clone();
    };
    let answer = CardAnswer::parse(&answer).unwrap();
    assert_eq!(answer.certificate.as_bytes(), desk.certificate_der);

    // This test is no program of Windows: the system names nobody for its connection, so it is a stranger's.
    let refused = portal.begin(&portal.request()).await;
    assert_eq!(format!("{}\r\n\r\n{}", refused.head, refused.body), STRANGER.to_ascii_lowercase());
}
