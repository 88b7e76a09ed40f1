//! Whatever octets arrive at the sockets: no task panics, nobody waits for ever, and the next
//! request is answered.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use secrecy::SecretString;
use sekisho::{
    clock::SystemClock,
    config::{Config, Settings},
    instance::{Plan, Ready, RunError, create, run},
    listener::provider,
};
use sekisho_key::SystemRandomness;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

/// Longer than any limit that is set here.
const PATIENCE: Duration = Duration::from_secs(60);
const HOST: &str = "login.sekisho.localhost";
const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Panics of any task of this process.
static PANICS: AtomicUsize = AtomicUsize::new(0);

struct Running {
    _folder: tempfile::TempDir,
    ready: Ready,
    root: CertificateDer<'static>,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), RunError>>,
}

fn plan(folder: &Path, head_seconds: u32) -> Plan {
    let mut settings = Settings::default();
    settings.listen.tls = vec!["[::1]:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()];
    settings.listen.plain = settings.listen.tls.clone();
    settings.listen.most_connections_of_a_network = 12;
    settings.listen.most_handshakes = 48;
    settings.listen.handshake_seconds = 5;
    settings.listen.head_seconds = head_seconds;
    settings.listen.body_seconds = 2;
    settings.listen.request_seconds = 6;
    // Longer than the tests wait: what ends, ends for a better reason than time.
    settings.listen.idle_stop_seconds = 60;
    settings.listen.stop_seconds = 120;
    Plan {
        folder: folder.to_owned(),
        settings,
        organisation: "Test Operating Body".into(),
        network: "Test Network".into(),
        root_passphrase: Some(SecretString::from("a passphrase of the test")),
        administrator: "admin".into(),
    }
}

impl Running {
    async fn start(head_seconds: u32) -> Self {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            told(panic);
        }));
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("instance");
        create(&plan(&dir, head_seconds), &SystemClock, &SystemRandomness).await.unwrap();
        let config = Config::read(&dir).unwrap();
        let stop = CancellationToken::new();
        let (told, ready) = oneshot::channel();
        let ended = tokio::spawn(run(
            config,
            Arc::new(SystemClock),
            Arc::new(SystemRandomness),
            stop.clone(),
            move |ready| told.send(ready.clone()).unwrap(),
        ));
        let ready = timeout(PATIENCE, ready).await.unwrap().unwrap();
        let root = CertificateDer::from_pem_file(dir.join("ca/root.crt")).unwrap();
        Self { _folder: folder, ready, root, stop, ended }
    }

    async fn plain(&self, ip: IpAddr) -> TcpStream {
        TcpStream::connect(SocketAddr::from((ip, self.ready.plain_port))).await.unwrap()
    }

    async fn tls(&self) -> TcpStream {
        TcpStream::connect(SocketAddr::from((V4, self.ready.tls_port))).await.unwrap()
    }

    /// A connection to the public name, speaking `protocol`.
    async fn secure(&self, protocol: &str) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from(HOST).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, self.tls().await).await.unwrap()
    }

    /// A good request on each port is answered.
    async fn answers(&self) {
        let good = b"GET /ca/root.crt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answer = asked(self.plain(V6).await, good).await;
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        let good = self.request("GET", "/jwks", "Connection: close\r\n");
        let answer = asked(self.secure("http/1.1").await, good.as_bytes()).await;
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }

    fn request(&self, method: &str, path: &str, headers: &str) -> String {
        let port = self.ready.tls_port;
        format!("{method} {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n{headers}\r\n")
    }

    async fn end(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.ended).await.unwrap().unwrap().unwrap();
        assert_eq!(PANICS.load(Ordering::SeqCst), 0, "a task panicked");
    }
}

/// Sends, closes its own direction, and reads to the end, which must come. Resets are ends too.
async fn whole(mut stream: impl AsyncRead + AsyncWrite + Unpin, octets: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let exchange = async {
        let _ = stream.write_all(octets).await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut answer).await;
    };
    timeout(PATIENCE, exchange).await.expect("the connection did not end");
    answer
}

/// Sends a request that asks for the connection's end, and reads to it.
async fn asked(mut stream: impl AsyncRead + AsyncWrite + Unpin, octets: &[u8]) -> Vec<u8> {
    // It may be closed already: then the answer is empty.
    let _ = stream.write_all(octets).await;
    let_go(stream).await
}

/// Reads to the end without closing anything: the server must be the one who ends it.
async fn let_go(mut stream: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut answer = Vec::new();
    let read = async {
        let _ = stream.read_to_end(&mut answer).await;
    };
    timeout(PATIENCE, read).await.expect("the server holds on to a silent client");
    answer
}

/// Requests as strangers write them.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let good = || {
        proptest::sample::select(vec![
            "GET /ca/root.crt HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Type: application/ocsp-request\r\nContent-Length: 9\r\n\r\n0\u{1}0\u{1}0\u{1}0\u{1}0",
            "POST /token HTTP/1.1\r\nHost: login.sekisho.localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na=b&c\r\n0\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ])
    };
    prop_oneof![
        // Noise.
        proptest::collection::vec(any::<u8>(), 0..3_000),
        // A good request, cut.
        (good(), any::<prop::sample::Index>())
            .prop_map(|(text, at)| text.as_bytes()[..at.index(text.len())].to_vec()),
        // A good request with some octets replaced.
        (good(), proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9))
            .prop_map(|(text, changes)| {
                let mut octets = text.as_bytes().to_vec();
                for (at, octet) in changes {
                    let at = at.index(octets.len());
                    octets[at] = octet;
                }
                octets
            }),
        // Heads that are too long: in one line, in one header, in many.
        (1_000_usize..200_000)
            .prop_map(|n| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(n)).into_bytes()),
        (1_000_usize..200_000).prop_map(|n| {
            format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "b".repeat(n)).into_bytes()
        }),
        (65_usize..3_000).prop_map(|n| {
            format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(n)).into_bytes()
        }),
        // Lengths that lie or contradict each other.
        (any::<u64>(), any::<i64>()).prop_map(|(a, b)| {
            format!(
                "POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: {a}\r\nContent-Length: {b}\r\n\r\nx"
            )
            .into_bytes()
        }),
        any::<u64>().prop_map(|n| {
            format!("POST /ocsp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{n:x}\r\nab")
                .into_bytes()
        }),
        // The beginning of a TLS record, and what no record is.
        (any::<u16>(), proptest::collection::vec(any::<u8>(), 0..600)).prop_map(|(n, rest)| {
            [&[0x16, 3, 1][..], &n.to_be_bytes(), &[1, 0], &rest].concat()
        }),
        // Frames of HTTP/2 after a good preface.
        proptest::collection::vec(any::<u8>(), 0..600)
            .prop_map(|rest| [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &rest].concat()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_octets_break_the_listener() {
    const CASES: usize = 160;
    let running = Running::start(2).await;
    let mut runner = TestRunner::deterministic();
    let hostile = hostile();
    for case in 0..CASES {
        let octets = hostile.new_tree(&mut runner).unwrap().current();
        match case % 4 {
            0 => drop(whole(running.plain(V4).await, &octets).await),
            1 => drop(whole(running.tls().await, &octets).await),
            2 => drop(whole(running.secure("http/1.1").await, &octets).await),
            _ => drop(whole(running.secure("h2").await, &octets).await),
        }
        if case % 16 == 15 {
            running.answers().await;
        }
    }
    running.answers().await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_in_the_middle_is_let_go() {
    let running = Running::start(2).await;
    // Before the handshake, and in it.
    assert!(let_go(running.tls().await).await.is_empty());
    let mut half = running.tls().await;
    half.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]).await.unwrap();
    let_go(half).await;
    // In the head, on both ports.
    let mut plain = running.plain(V4).await;
    plain.write_all(b"GET /ca/root.crt HT").await.unwrap();
    let_go(plain).await;
    let mut secure = running.secure("http/1.1").await;
    secure.write_all(b"GET /jwks HTTP/1.1\r\nHost: ").await.unwrap();
    let_go(secure).await;
    // In the body: it is answered in the form of the path.
    let mut secure = running.secure("http/1.1").await;
    let headers = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n";
    let head = running.request("POST", "/token", headers);
    secure.write_all(format!("{head}grant_type=").as_bytes()).await.unwrap();
    let answer = String::from_utf8_lossy(&let_go(secure).await).into_owned();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("\"error\":\"invalid_request\""), "{answer}");
    // After an answer, when nothing more comes.
    let mut plain = running.plain(V4).await;
    plain.write_all(b"GET /ca/root.crt HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(let_go(plain).await.starts_with(b"HTTP/1.1 200"));
    running.answers().await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_network_holds_some_of_the_connections_and_not_all() {
    let running = Running::start(60).await;
    let mut held = Vec::new();
    for _ in 0..12 {
        held.push(running.plain(V4).await);
    }
    // Those twelve are taken in the order of their coming; one more is closed without a word.
    let refused = running.plain(V4).await;
    assert!(let_go(refused).await.is_empty());
    // Another network is not concerned.
    let good = b"GET /ca/root.crt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(asked(running.plain(V6).await, good).await.starts_with(b"HTTP/1.1 200"));
    // Whoever leaves makes room.
    drop(held);
    let again = async {
        // The place is given back a moment after the connection is seen to end.
        while !asked(running.plain(V4).await, good).await.starts_with(b"HTTP/1.1 200") {}
    };
    timeout(PATIENCE, again).await.unwrap();
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_is_not_waited_for() {
    let running = Running::start(2).await;
    let mut deaf = running.plain(V4).await;
    let asks = b"GET /ca/root.crt HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1_000);
    // It asks and asks and never reads: all buffers between fill, and the server ends it.
    let ended = async { while deaf.write_all(&asks).await.is_ok() {} };
    timeout(PATIENCE, ended).await.expect("the server waits for a client that does not read");
    running.answers().await;
    running.end().await;
}

/// Sends an octet every now and then, for as long as somebody takes them, and reads what is answered.
async fn trickled(stream: TlsStream<TcpStream>, octet: u8) -> Vec<u8> {
    const PAUSE: Duration = Duration::from_millis(100);
    let (reader, mut writer) = tokio::io::split(stream);
    let trickle = async {
        while writer.write_all(&[octet]).await.is_ok() && writer.flush().await.is_ok() {
            tokio::time::sleep(PAUSE).await;
        }
        // Nobody takes any more: the answer is what counts.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = let_go(reader) => answer,
        () = trickle => unreachable!("it never ends by itself"),
    }
}

/// Slow clients at the OpenID provider: however steadily they send, each is ended in time, and meanwhile
/// everybody else is served.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_trickle_are_bounded_and_others_are_served_meanwhile() {
    let running = Running::start(2).await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n";
    let mut slow = Vec::new();
    for path in ["/token", "/par", "/introspect", "/revoke"] {
        let head = running.request("POST", path, form);
        let mut body = running.secure("http/1.1").await;
        body.write_all(head.as_bytes()).await.unwrap();
        slow.push((path, true, tokio::spawn(trickled(body, b'a'))));
        let mut head_only = running.secure("http/1.1").await;
        let begun = format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\nX-Slow: ");
        head_only.write_all(begun.as_bytes()).await.unwrap();
        slow.push((path, false, tokio::spawn(trickled(head_only, b'b'))));
    }
    // Of twelve that this network may hold, eight are slow.
    while slow.iter().any(|(.., client)| !client.is_finished()) {
        running.answers().await;
    }
    for (path, in_body, client) in slow {
        let answer = client.await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        if in_body {
            assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
            assert!(answer.contains("\"error\":\"invalid_request\""), "{path}: {answer}");
        } else {
            // Before the head is there nobody knows in which form to answer.
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
        }
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_its_tokens_is_not_waited_for() {
    let running = Running::start(2).await;
    let mut deaf = running.secure("http/1.1").await;
    let asks = running.request("GET", "/.well-known/openid-configuration", "").repeat(1_000);
    let ended = async { while deaf.write_all(asks.as_bytes()).await.is_ok() {} };
    timeout(PATIENCE, ended).await.expect("the server waits for a client that does not read");
    running.answers().await;
    running.end().await;
}

/// What stands between the connection's present and its end, until this text came.
async fn until(stream: &mut (impl AsyncRead + Unpin), text: &str) -> String {
    let mut answer = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&answer).contains(text) {
            answer.push(stream.read_u8().await.unwrap());
        }
    };
    timeout(PATIENCE, read).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_on_an_open_connection_after_the_stop_is_still_answered() {
    let running = Running::start(60).await;
    let asks = b"GET /ca/root.crt HTTP/1.1\r\nHost: x\r\n\r\n";
    // One that asked before, one that never did, one in the middle of a head, and one behind TLS.
    let mut used = running.plain(V4).await;
    used.write_all(asks).await.unwrap();
    let head = until(&mut used, "\r\n\r\n").await.to_lowercase();
    assert!(head.starts_with("http/1.1 200") && !head.contains("connection: close"), "{head}");
    let silent = running.plain(V6).await;
    let mut half = running.plain(V4).await;
    half.write_all(&asks[..20]).await.unwrap();
    let secure = running.secure("http/1.1").await;
    let good = running.request("GET", "/jwks", "");

    running.stop.cancel();
    half.write_all(&asks[20..]).await.unwrap();
    for answer in [
        asked(used, asks).await,
        asked(silent, asks).await,
        let_go(half).await,
        asked(secure, good.as_bytes()).await,
    ] {
        let answer = String::from_utf8_lossy(&answer).to_lowercase();
        // The first connection's earlier answer has a body that comes before.
        let answer = &answer[answer.find("http/1.1 200").expect("not answered")..];
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("connection: close"), "{head}");
        assert!(!body.is_empty(), "cut off: {answer}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_nobody_who_asks_nothing() {
    let running = Running::start(60).await;
    let port = running.ready.plain_port;
    running.stop.cancel();
    timeout(PATIENCE, running.ended).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(SocketAddr::from((V4, port))).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_told_to_http_2_and_ends_when_the_client_has_heard() {
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const GOAWAY: u8 = 7;
    let running = Running::start(60).await;
    let mut stream = running.secure("h2").await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    stream.write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]).await.unwrap();
    let mut told = Vec::new();
    let frames = async {
        loop {
            let mut head = [0; 9];
            if stream.read_exact(&mut head).await.is_err() {
                break;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            stream.read_exact(&mut payload).await.unwrap();
            match head[3] {
                SETTINGS => running.stop.cancel(),
                PING if head[4] == 0 => {
                    let pong = [&[0, 0, 8, PING, 1, 0, 0, 0, 0], &payload[..]].concat();
                    stream.write_all(&pong).await.unwrap();
                }
                // Octets 4 to 7: the error, which is none.
                GOAWAY => told.push(payload[4..8].to_vec()),
                _ => {}
            }
        }
    };
    timeout(PATIENCE, frames).await.expect("the connection did not end");
    assert!(!told.is_empty() && told.iter().all(|error| *error == [0; 4]), "{told:?}");
    running.end().await;
}

/// curl, which takes a stream that is reset for a failure whatever was answered before.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_nobody_wanted_does_not_cost_the_answer_over_http_2() {
    const ROUNDS: usize = 8;
    let running = Running::start(60).await;
    let folder = tempfile::tempdir().unwrap();
    let (large, small) = (folder.path().join("large"), folder.path().join("small"));
    std::fs::write(&large, vec![0; 3_000_000]).unwrap();
    std::fs::write(&small, "a=b").unwrap();
    let port = running.ready.tls_port;
    for (path, body, expected) in [
        ("/token", &large, "413"),
        ("/apply", &large, "413"),
        ("/nosuch", &large, "404"),
        ("/nosuch", &small, "404"),
        ("/jwks", &small, "405"),
        ("/userinfo", &small, "401"),
    ] {
        for round in 0..ROUNDS {
            let mut curl = tokio::process::Command::new("curl");
            curl.args(["--silent", "--show-error", "--http2", "--insecure", "--max-time", "30"])
                .args(["--resolve", &format!("{HOST}:{port}:127.0.0.1")])
                // As a browser says of a page's own form.
                .args(["--header", "Sec-Fetch-Site: same-origin"])
                .args(["--data-binary", &format!("@{}", body.display())])
                .args(["--output", "/dev/null", "--write-out", "%{http_version} %{http_code}"])
                .arg(format!("https://{HOST}:{port}{path}"));
            let output = curl.output().await.expect("these tests need curl");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let failed = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(said, format!("2 {expected}"), "{path}, round {round}: {failed}");
        }
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_answered_and_not_reset() {
    let running = Running::start(60).await;
    // More than all the buffers between hold: who cuts it off in the middle resets it.
    const OCTETS: usize = 12 * 1024 * 1024;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n\
                Sec-Fetch-Site: same-origin\r\n";
    let length = format!("{form}Content-Length: {OCTETS}\r\n");
    let chunked = format!("{form}Transfer-Encoding: chunked\r\n");
    for (path, framing) in
        [("/apply", &length), ("/apply", &chunked), ("/token", &length), ("/jwks", &length)]
    {
        let method = if path == "/jwks" { "GET" } else { "POST" };
        let mut stream = running.secure("http/1.1").await;
        let mut request = running.request(method, path, framing).into_bytes();
        let body = vec![b'a'; OCTETS];
        if *framing == chunked {
            request.extend(format!("{OCTETS:x}\r\n").bytes());
            request.extend(&body);
            request.extend(b"\r\n0\r\n\r\n");
        } else {
            request.extend(&body);
        }
        // All of it, as many clients do before they look for an answer.
        timeout(PATIENCE, stream.write_all(&request)).await.unwrap().expect("it was reset");
        stream.flush().await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().expect("it was reset");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let expected = if path == "/jwks" { "HTTP/1.1 200" } else { "HTTP/1.1 413" };
        assert!(answer.starts_with(expected), "{path}: {answer}");
    }
    running.end().await;
}
