//! Stands between the browser and the door: what came, and what was answered.
//!
//! At one path it answers itself, as the attacker's server did before its name was bound anew to
//! loopback, or a program that had the port before the agent: so a page of the door's own origin is open.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const BEFORE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 28\r\nconnection: close\r\n\r\n<!doctype html><body></body>";

/// What the door answered to each request that reached it.
#[derive(Clone)]
pub struct Spy {
    answers: Arc<Mutex<Vec<String>>>,
    count: watch::Sender<usize>,
    pub port: u16,
}

impl Spy {
    /// Listens, and hands everything on to the door.
    pub async fn before(door: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let spy = Self { answers: Arc::default(), count: watch::Sender::new(0), port };
        let listening = spy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let spy = listening.clone();
                tokio::spawn(async move { spy.hand_on(stream, door).await });
            }
        });
        Ok(spy)
    }

    async fn hand_on(&self, mut browser: TcpStream, door: SocketAddr) -> std::io::Result<()> {
        // Browsers open connections ahead; those that say nothing are no requests.
        let mut first = vec![0; 4096];
        let length = browser.read(&mut first).await?;
        if length == 0 {
            return Ok(());
        }
        if first.starts_with(b"GET /before ") {
            return browser.write_all(BEFORE.as_bytes()).await;
        }
        let mut agent = TcpStream::connect(door).await?;
        agent.write_all(&first[..length]).await?;
        let (mut from_browser, mut to_browser) = browser.split();
        let (mut from_agent, mut to_agent) = agent.split();
        let up = tokio::io::copy(&mut from_browser, &mut to_agent);
        let mut answer = Vec::new();
        let down = async {
            while let Ok(1..) = from_agent.read_buf(&mut answer).await {}
            self.answers.lock().unwrap().push(String::from_utf8_lossy(&answer).into_owned());
            self.count.send_modify(|count| *count += 1);
            to_browser.write_all(&answer).await?;
            to_browser.shutdown().await
        };
        tokio::select! {
            heard = down => heard,
            // The browser gave up: the door's answer is still of interest, to nobody else.
            _ = up => Ok(()),
        }
    }

    /// Forgets what came so far.
    pub fn forget(&self) {
        self.answers.lock().unwrap().clear();
        self.count.send_replace(0);
    }

    /// Waits for a request to be answered; false where none comes.
    pub async fn arrived(&self, most: Duration) -> bool {
        let mut count = self.count.subscribe();
        let arrived = count.wait_for(|count| *count > 0);
        tokio::time::timeout(most, arrived).await.is_ok()
    }

    pub fn answers(&self) -> Vec<String> {
        self.answers.lock().unwrap().clone()
    }
}
