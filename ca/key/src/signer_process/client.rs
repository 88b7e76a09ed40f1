//! The signing process as its client knows it, and its keys.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout_at},
};

use super::{
    connection::{Connection, Ended},
    message::{self, Ask, Malformed, Reply},
};
use crate::{KeyError, SignatureAlgorithm, SigningKey};

/// A process that is started again is back within this; requests wait so long for it, and none
/// after it has been away for longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two attempts to reach it.
const PAUSE: Duration = Duration::from_millis(50);
/// Signing takes milliseconds, a list of 600,000 entries about a second.
const DEADLINE: Duration = Duration::from_secs(30);

/// The signing process behind a socket. Cheap to clone; clones share one connection.
#[derive(Debug, Clone)]
pub struct SignerProcess(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    socket: PathBuf,
    connection: Mutex<Option<Arc<Connection>>>,
    patience: Duration,
    /// Since when it has not answered.
    lost: Lost,
}

/// Since when the process is away; nothing while it answers.
#[derive(Debug, Default)]
struct Lost(std::sync::Mutex<Option<Instant>>);

impl Lost {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn is_for(&self, patience: Duration) -> bool {
        self.lock().get_or_insert_with(Instant::now).elapsed() >= patience
    }

    fn is_over(&self) {
        *self.lock() = None;
    }
}

/// A key as the signing process tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldKey {
    /// Its name.
    pub name: String,
    /// DER `SubjectPublicKeyInfo`.
    pub public_key_der: Vec<u8>,
}

impl SignerProcess {
    /// The process behind `socket`; nothing is asked yet.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self::with_patience(socket, PATIENCE)
    }

    /// The same, whose requests wait so long for a process that is started again.
    pub(super) fn with_patience(socket: &Path, patience: Duration) -> Self {
        Self(Arc::new(Inner {
            socket: socket.to_owned(),
            connection: Mutex::default(),
            patience,
            lost: Lost::default(),
        }))
    }

    /// Where it is reached.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.0.socket
    }

    /// Every key that it holds.
    ///
    /// # Errors
    /// [`KeyError::SignerAway`], [`KeyError::SignerRefused`].
    pub async fn keys(&self) -> Result<Vec<HeldKey>, KeyError> {
        match self.ask(|number| message::encode_ask(number, &Ask::Keys)).await? {
            Reply::Keys(keys) => Ok(keys
                .into_iter()
                .map(|(name, public_key_der)| HeldKey { name, public_key_der })
                .collect()),
            other => Err(self.unexpected(other)),
        }
    }

    /// The key of this name, whose public half the caller knows from its certificate. Nothing is
    /// asked yet: whether the process holds it, [`Self::keys`] tells.
    ///
    /// # Errors
    /// [`KeyError::MalformedKey`], [`KeyError::UnsupportedKeyKind`].
    pub fn key(&self, name: &str, public_key_der: &[u8]) -> Result<RemoteKey, KeyError> {
        Ok(RemoteKey {
            process: self.clone(),
            name: name.to_owned(),
            public_key_der: public_key_der.to_vec(),
            algorithm: SignatureAlgorithm::of_public_key(public_key_der)?,
        })
    }

    async fn ask(
        &self,
        encode: impl Fn(u64) -> Result<Vec<u8>, Malformed>,
    ) -> Result<Reply, KeyError> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let connection = self.connection().await?;
            let asked = timeout_at(deadline, connection.ask(&encode)).await;
            match asked {
                Ok(Ok(Ok(reply))) => {
                    self.0.lost.is_over();
                    return Ok(reply);
                }
                Ok(Ok(Err(malformed))) => return Err(self.away(malformed)),
                Ok(Err(_)) | Err(_) => self.give_up(&connection).await,
            }
            match asked {
                Ok(Err(Ended::Saying(reason))) => return Err(KeyError::SignerRefused { reason }),
                Err(elapsed) => return Err(self.away(elapsed)),
                // It was stopped in the middle: ask the one that takes its place.
                _ if self.0.lost.is_for(self.0.patience) => return Err(self.away("it hangs up")),
                _ => sleep(PAUSE).await,
            }
        }
    }

    /// The connection that is kept, or a new one.
    async fn connection(&self) -> Result<Arc<Connection>, KeyError> {
        loop {
            let mut kept = self.0.connection.lock().await;
            if let Some(connection) = &*kept {
                return Ok(Arc::clone(connection));
            }
            match Connection::open(&self.0.socket).await {
                Ok(connection) => {
                    return Ok(Arc::clone(kept.insert(Arc::new(connection))));
                }
                Err(error) if self.0.lost.is_for(self.0.patience) => return Err(self.away(error)),
                Err(_) => {}
            }
            drop(kept);
            sleep(PAUSE).await;
        }
    }

    /// Forgets a connection that ended, unless another has taken its place already.
    async fn give_up(&self, ended: &Arc<Connection>) {
        let mut kept = self.0.connection.lock().await;
        if kept.as_ref().is_some_and(|current| Arc::ptr_eq(current, ended)) {
            *kept = None;
        }
    }

    fn unexpected(&self, reply: Reply) -> KeyError {
        match reply {
            Reply::Refused(reason) => KeyError::SignerRefused { reason },
            Reply::Failed(reason) => self.away(reason),
            Reply::Keys(_) | Reply::Signatures(_) => self.away(Malformed),
        }
    }

    fn away(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> KeyError {
        KeyError::SignerAway { socket: self.0.socket.clone(), source: source.into() }
    }
}

/// A key of the signing process.
#[derive(Debug, Clone)]
pub struct RemoteKey {
    process: SignerProcess,
    name: String,
    public_key_der: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

#[async_trait]
impl SigningKey for RemoteKey {
    fn public_key_der(&self) -> &[u8] {
        &self.public_key_der
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut signatures = self.sign_batch(&[message]).await?;
        signatures.pop().ok_or_else(|| self.process.away(Malformed))
    }

    async fn sign_batch(&self, messages: &[&[u8]]) -> Result<Vec<Vec<u8>>, KeyError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let encode = |number| message::encode_sign(number, &self.name, messages);
        match self.process.ask(encode).await? {
            Reply::Signatures(signatures) if signatures.len() == messages.len() => Ok(signatures),
            other => Err(self.process.unexpected(other)),
        }
    }
}
