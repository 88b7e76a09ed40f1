use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    net::{UnixListener, UnixStream},
    sync::Notify,
    task::JoinHandle,
};

use super::{
    SignerProcess,
    frame::{self, FrameError},
    message::{self, Ask, CONNECTION, Reply},
};
use crate::{KeyError, SigningKey, SoftwareKey};

/// A process that answers as `reply` says; `None` hangs up.
struct Process {
    socket: PathBuf,
    _folder: tempfile::TempDir,
    running: Option<JoinHandle<()>>,
}

impl Process {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { socket: folder.path().join("signer.sock"), _folder: folder, running: None }
    }

    fn start(&mut self, reply: impl Fn(u64, Ask) -> Option<(u64, Reply)> + Send + Sync + 'static) {
        let _ = std::fs::remove_file(&self.socket);
        let listener = UnixListener::bind(&self.socket).unwrap();
        let reply = Arc::new(reply);
        self.running = Some(tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(answer(stream, Arc::clone(&reply)));
            }
        }));
    }

    async fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
    }
}

async fn answer(
    mut stream: UnixStream,
    reply: Arc<impl Fn(u64, Ask) -> Option<(u64, Reply)> + Send + Sync>,
) {
    while let Ok(Some(octets)) = frame::read(&mut stream, 1 << 20).await {
        let (number, ask) = message::parse_ask(&octets).unwrap();
        let Some((number, reply)) = reply(number, ask) else { return };
        frame::write(&mut stream, &message::encode_reply(number, &reply).unwrap()).await.unwrap();
    }
}

fn signatures(ask: Ask) -> Reply {
    match ask {
        Ask::Keys => Reply::Keys(Vec::new()),
        Ask::Sign { key, messages } => Reply::Signatures(
            messages.into_iter().map(|m| [key.as_bytes(), b":", &m].concat()).collect(),
        ),
    }
}

fn spki() -> Vec<u8> {
    SoftwareKey::generate_p256().unwrap().public_key_der().to_vec()
}

#[tokio::test]
async fn many_requests_share_a_connection_and_each_gets_its_own_answer() {
    let mut process = Process::new();
    process.start(|number, ask| Some((number, signatures(ask))));
    let signer = SignerProcess::new(&process.socket);
    let key = Arc::new(signer.key("terminals", &spki()).unwrap());
    let asks: Vec<_> = (0..100)
        .map(|n| {
            let key = Arc::clone(&key);
            tokio::spawn(async move { (n, key.sign(format!("{n}").as_bytes()).await.unwrap()) })
        })
        .collect();
    for ask in asks {
        let (n, signature) = ask.await.unwrap();
        assert_eq!(signature, format!("terminals:{n}").as_bytes());
    }
    let batch = key.sign_batch(&[b"a", b"b"]).await.unwrap();
    assert_eq!(batch, [b"terminals:a", b"terminals:b"]);
    assert!(key.sign_batch(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_process_that_is_started_again_is_found_in_the_middle_of_a_request() {
    let mut process = Process::new();
    let asked = Arc::new(Notify::new());
    let told = Arc::clone(&asked);
    // The first one takes the request and dies.
    process.start(move |_, _| {
        told.notify_one();
        None
    });
    let signer = SignerProcess::new(&process.socket);
    let key = signer.key("terminals", &spki()).unwrap();
    let asking = tokio::spawn(async move { key.sign(b"a").await });
    asked.notified().await;
    process.stop().await;
    process.start(|number, ask| Some((number, signatures(ask))));
    assert_eq!(asking.await.unwrap().unwrap(), b"terminals:a");
}

#[tokio::test]
async fn a_process_that_is_away_refuses_and_is_found_when_it_is_back() {
    let mut process = Process::new();
    let signer = SignerProcess::with_patience(&process.socket, Duration::ZERO);
    let key = signer.key("terminals", &spki()).unwrap();
    assert!(matches!(key.sign(b"a").await, Err(KeyError::SignerAway { .. })));
    process.start(|number, ask| Some((number, signatures(ask))));
    assert_eq!(key.sign(b"a").await.unwrap(), b"terminals:a");
}

#[tokio::test]
async fn what_the_process_says_of_a_message_and_of_us_is_told() {
    let mut process = Process::new();
    process.start(|number, ask| match ask {
        Ask::Keys => Some((CONNECTION, Reply::Refused("user 7 is not let in".to_owned()))),
        Ask::Sign { .. } => Some((number, Reply::Refused("not on record".to_owned()))),
    });
    let signer = SignerProcess::new(&process.socket);
    let key = signer.key("terminals", &spki()).unwrap();
    let told = |error: KeyError| match error {
        KeyError::SignerRefused { reason } => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(told(key.sign(b"a").await.unwrap_err()), "not on record");
    assert_eq!(told(signer.keys().await.unwrap_err()), "user 7 is not let in");
    // On another connection, and about another thing.
    assert_eq!(told(key.sign(b"a").await.unwrap_err()), "not on record");
}

#[tokio::test]
async fn too_few_signatures_are_none() {
    let mut process = Process::new();
    process.start(|number, _| Some((number, Reply::Signatures(vec![b"x".to_vec()]))));
    let key = SignerProcess::new(&process.socket).key("terminals", &spki()).unwrap();
    assert_eq!(key.sign(b"a").await.unwrap(), b"x");
    assert!(matches!(key.sign_batch(&[b"a", b"b"]).await, Err(KeyError::SignerAway { .. })));
}

#[tokio::test]
async fn whoever_stops_waiting_leaves_the_connection_whole() {
    let mut process = Process::new();
    process.start(|number, ask| Some((number, signatures(ask))));
    let signer = SignerProcess::new(&process.socket);
    let key = signer.key("terminals", &spki()).unwrap();
    key.sign(b"warm").await.unwrap();
    let large = vec![7; 500_000];
    for polls in 0..4 {
        let mut asking = Box::pin(key.sign(&large));
        for _ in 0..polls {
            let _ = futures_poll(&mut asking).await;
        }
    }
    assert_eq!(key.sign(b"a").await.unwrap(), b"terminals:a");
}

/// Polls once.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    use std::{pin::Pin, task::Poll};
    let polled = std::future::poll_fn(|context| {
        Poll::Ready(match Pin::new(&mut *future).poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await;
    tokio::task::yield_now().await;
    polled
}

#[tokio::test]
async fn a_frame_is_read_whole_or_not_at_all() {
    let whole = [&[0, 0, 0, 3][..], b"abc"].concat();
    for end in 1..whole.len() {
        let read = frame::read(&mut &whole[..end], 3).await;
        assert!(matches!(read, Err(FrameError::Truncated)), "{end}: {read:?}");
    }
    let mut stream = &[&whole[..], &whole].concat()[..];
    for _ in 0..2 {
        assert_eq!(frame::read(&mut stream, 3).await.unwrap().unwrap(), b"abc");
    }
    assert!(frame::read(&mut stream, 3).await.unwrap().is_none());
    let long = frame::read(&mut &whole[..], 2).await;
    assert!(matches!(long, Err(FrameError::TooLong { announced: 3, most: 2 })), "{long:?}");
    // What announces 4 GiB and brings nothing takes no memory.
    let announced = frame::read(&mut &[0xff; 4][..], usize::MAX).await;
    assert!(matches!(announced, Err(FrameError::Truncated)), "{announced:?}");
}

#[tokio::test]
async fn a_process_that_talks_nonsense_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("signer.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let _running = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(&[0, 0, 0, 1, 9]).await;
        }
    });
    let signer = SignerProcess::with_patience(&socket, Duration::ZERO);
    let key = signer.key("terminals", &spki()).unwrap();
    assert!(matches!(key.sign(b"a").await, Err(KeyError::SignerAway { .. })));
}
