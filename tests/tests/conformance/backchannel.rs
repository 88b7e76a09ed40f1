//! Where logout tokens arrive: an address of the clients' on this machine.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::timeout,
};
use url::form_urlencoded;

/// How long a provider may take to tell of a logout.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest message that is read, in octets.
const MOST_OCTETS: usize = 64 * 1024;

/// A logout token, and the path that it was posted to.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub logout_token: String,
}

/// Takes every logout token, and answers 200.
pub struct Listener {
    port: u16,
    received: Arc<(Mutex<Vec<Received>>, Notify)>,
}

impl Listener {
    pub async fn start() -> anyhow::Result<Self> {
        let socket = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = socket.local_addr()?.port();
        let received: Arc<(Mutex<Vec<Received>>, Notify)> = Arc::default();
        let kept = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((connection, _)) = socket.accept().await {
                let kept = Arc::clone(&kept);
                tokio::spawn(async move {
                    if let Ok(message) = timeout(PATIENCE, answered(connection)).await
                        && let Ok(message) = message
                    {
                        kept.0.lock().unwrap_or_else(PoisonError::into_inner).push(message);
                        kept.1.notify_waiters();
                    }
                });
            }
        });
        Ok(Self { port, received })
    }

    /// The address of a client.
    pub fn address(&self, client_id: &str) -> String {
        format!("http://127.0.0.1:{}/{client_id}", self.port)
    }

    /// The first token that arrives for a client and is the wanted one.
    pub async fn first(
        &self,
        client_id: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> anyhow::Result<String> {
        let path = format!("/{client_id}");
        let search = async {
            loop {
                let news = self.received.1.notified();
                let all = self.received.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let mut fitting =
                    all.into_iter().filter(|one| one.path == path && wanted(&one.logout_token));
                if let Some(found) = fitting.next() {
                    return found.logout_token;
                }
                news.await;
            }
        };
        timeout(PATIENCE, search).await.context("no logout token of this session arrived")
    }
}

/// Reads one request and answers it.
async fn answered(mut connection: TcpStream) -> anyhow::Result<Received> {
    let mut octets = Vec::new();
    let (head, body) = loop {
        let mut part = [0; 4096];
        let read = connection.read(&mut part).await?;
        ensure!(read > 0 && octets.len() < MOST_OCTETS, "the request broke off");
        octets.extend_from_slice(&part[..read]);
        let text = std::str::from_utf8(&octets)?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().filter_map(|line| line.split_once(':'));
        let length = length
            .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .find_map(|(_, value)| value.trim().parse::<usize>().ok());
        if body.len() >= length.context("a request without a length")? {
            break (head.to_owned(), body.to_owned());
        }
    };
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    connection.write_all(answer.as_bytes()).await?;
    let line = head.lines().next().unwrap_or_default();
    let path = line.strip_prefix("POST ").and_then(|rest| rest.split(' ').next());
    let mut form = form_urlencoded::parse(body.as_bytes());
    let (_, token) = form.find(|(name, _)| name == "logout_token").context("no logout_token")?;
    Ok(Received { path: path.context("no POST")?.to_owned(), logout_token: token.into_owned() })
}
