//! The terminal's key in a token behind PKCS #11: a TPM, a smart card, SoftHSM.
//!
//! Made there, it cannot leave. What signs is one thread of its own for the life of the program: TLS
//! asks for signatures where nothing may wait for long, and a token that hangs must hold up neither
//! the other work nor more than that one thread.
//!
//! A PIN that the token refused is not sent again, not even after a restart, before its file has
//! changed: a token that counts tries would block itself.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::sign::{Signer, SigningKey as TlsSigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use secrecy::SecretString;
use sekisho_key::pkcs11::{Token, TokenKey, TokenKeyKind};
use sekisho_key::{KeyError, SigningKey};
use sekisho_protocol::Jwk;
use zeroize::Zeroizing;

use super::answer::causes;
use super::key::TerminalKey;
use super::pkcs11_uri::Pkcs11Uri;
use super::place::{PlaceError, at, write_private};
use crate::pin::file::PinFile;

/// A token that has not signed by then hangs. TPMs take a fifth of a second.
const PATIENCE: Duration = Duration::from_secs(10);
/// Signatures that wait for their turn; more are refused.
const MOST_WAITING: usize = 16;
/// Beside the key's file: when the PIN's file was last changed that the token refused.
const REFUSED_PIN: &str = "refused-pin";

/// A message to be signed, and where the answer goes.
type Ask = (Vec<u8>, SyncSender<Result<Vec<u8>, PlaceError>>);

/// The thread that signs.
///
/// Whoever lets go of the key last waits for its end: a program that ends while its token's library is
/// still at work has that library torn down under its feet, and crashes.
struct Worker {
    asks: Option<SyncSender<Ask>>,
    /// Says nothing; it is over when the thread is done with the library.
    done: Mutex<Receiver<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start(key: TokenKey, token: OpenToken) -> std::io::Result<Self> {
        let (asks, asked) = sync_channel(MOST_WAITING);
        let (working, done) = sync_channel(0);
        let thread = std::thread::Builder::new().name("terminal key".into()).spawn(move || {
            serve(&key, &token, &asked);
            drop((key, token));
            drop(working);
        })?;
        Ok(Self { asks: Some(asks), done: Mutex::new(done), thread: Some(thread) })
    }

    /// Whether the message is on its way to the token.
    fn ask(&self, ask: Ask) -> bool {
        self.asks.as_ref().is_some_and(|asks| asks.try_send(ask).is_ok())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.asks = None;
        let done = self.done.get_mut().unwrap_or_else(PoisonError::into_inner);
        // A token that hangs must not keep the program from ending.
        if done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected)
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// A private key that a token keeps to itself.
#[derive(Clone)]
pub struct PkcsKey {
    worker: Arc<Worker>,
    place: Arc<Pkcs11Uri>,
    public: Jwk,
    spki_der: Arc<[u8]>,
}

impl PkcsKey {
    /// The key at `place`, which names one; made there if there is none and `makes`.
    ///
    /// `folder` is where it is remembered that the PIN was refused.
    ///
    /// # Errors
    /// [`PlaceError::Key`]: library, token, PIN or key, in words.
    pub fn open(place: &Pkcs11Uri, folder: &Path, makes: bool) -> Result<Self, PlaceError> {
        let label = label(place)?;
        let token = OpenToken::open(place, folder)?;
        let found = token.act(|token| match makes {
            true => token.key_or_generate(label, TokenKeyKind::P256).map(|(key, _)| key),
            false => token.key(label),
        })?;
        let spki_der: Arc<[u8]> = found.public_key_der().into();
        let public = Jwk::from_spki_der(&spki_der)
            .map_err(|_| said(place, "the key of that label is no P-256 key"))?;
        let worker =
            Worker::start(found, token).map_err(|error| said(place, &error.to_string()))?;
        Ok(Self { worker: Arc::new(worker), place: Arc::new(place.clone()), public, spki_der })
    }

    /// Where it lies.
    #[must_use]
    pub fn place(&self) -> &Pkcs11Uri {
        &self.place
    }
}

/// Puts the certificate of the key at `place` beside it, for programs that look for it there.
///
/// # Errors
/// [`PlaceError::Key`].
pub fn put_certificate(place: &Pkcs11Uri, folder: &Path, der: &[u8]) -> Result<(), PlaceError> {
    let label = label(place)?;
    OpenToken::open(place, folder)?.act(|token| token.put_certificate(label, der))
}

/// Removes the key at `place`.
///
/// # Errors
/// [`PlaceError::Key`].
pub fn remove(place: &Pkcs11Uri, folder: &Path) -> Result<(), PlaceError> {
    let label = label(place)?;
    OpenToken::open(place, folder)?.act(|token| token.remove(label))
}

/// A token that was opened with the PIN of its file.
struct OpenToken {
    token: Arc<Token>,
    place: Pkcs11Uri,
    /// When the PIN's file was last changed.
    pin_of: String,
    /// Where that is written if the token refuses this PIN.
    refused: PathBuf,
}

impl OpenToken {
    /// Opens it, unless it refused this PIN before.
    fn open(place: &Pkcs11Uri, folder: &Path) -> Result<Self, PlaceError> {
        let (pin, pin_of) = pin(place)?;
        let refused = folder.join(REFUSED_PIN);
        if fs::read_to_string(&refused).is_ok_and(|of| of == pin_of) {
            return Err(said(
                place,
                &format!(
                    "the token refused the PIN in {} and it is not tried again, so that the token \
                     does not block itself; write the right one into that file",
                    place.pin_source.display()
                ),
            ));
        }
        let token = Token::open(&place.module_path, &place.token, pin);
        let token = token.map_err(|error| said(place, &causes(&error)))?;
        Ok(Self { token, place: place.clone(), pin_of, refused })
    }

    /// Does something with it. A PIN that it refuses meanwhile is written down at once: a session may
    /// have to be opened anew long after the start.
    fn act<T>(
        &self,
        act: impl FnOnce(&Arc<Token>) -> Result<T, KeyError>,
    ) -> Result<T, PlaceError> {
        let outcome = act(&self.token);
        if outcome.is_err() && self.token.is_pin_refused() {
            write_private(&self.refused, self.pin_of.as_bytes())?;
        }
        outcome.map_err(|error| said(&self.place, &causes(&error)))
    }
}

fn label(place: &Pkcs11Uri) -> Result<&str, PlaceError> {
    place.key_label().map_err(|error| said(place, &error.to_string()))
}

/// The PIN, and when its file was last changed.
fn pin(place: &Pkcs11Uri) -> Result<(SecretString, String), PlaceError> {
    let path: &PathBuf = &place.pin_source;
    PinFile::check(path).map_err(|error| said(place, &error.to_string()))?;
    let changed = fs::metadata(path).and_then(|found| found.modified()).map_err(at(path))?;
    let changed = changed.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let text = Zeroizing::new(fs::read_to_string(path).map_err(at(path))?);
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(said(place, &format!("the first line of {} is empty", path.display())));
    }
    Ok((SecretString::from(line), changed.as_nanos().to_string()))
}

fn said(place: &Pkcs11Uri, why: &str) -> PlaceError {
    PlaceError::Key(format!("in the token {:?}: {why}", place.token))
}

/// Signs one message after the other until nobody holds the key any more.
fn serve(key: &TokenKey, token: &OpenToken, asked: &Receiver<Ask>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
    while let Ok((message, answer)) = asked.recv() {
        let signed = token.act(|_| runtime.block_on(key.sign(&message)));
        // Whoever asked may have lost patience.
        let _ = answer.send(signed);
    }
}

impl TerminalKey for PkcsKey {
    fn public(&self) -> &Jwk {
        &self.public
    }

    fn sign_der(&self, message: &[u8]) -> Result<Vec<u8>, PlaceError> {
        let hangs =
            || said(&self.place, "the token does not answer; take it out and put it in again");
        let (answer, answered) = sync_channel(1);
        if !self.worker.ask((message.to_vec(), answer)) {
            return Err(hangs());
        }
        answered.recv_timeout(PATIENCE).map_err(|_| hangs())?
    }

    fn tls(&self) -> Result<Arc<dyn TlsSigningKey>, PlaceError> {
        Ok(Arc::new(self.clone()))
    }

    fn exportable(&self) -> Option<Zeroizing<Vec<u8>>> {
        None
    }

    fn token(&self) -> Option<&Pkcs11Uri> {
        Some(&self.place)
    }
}

impl TlsSigningKey for PkcsKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SignatureScheme::ECDSA_NISTP256_SHA256)
            .then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(&*self.spki_der))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for PkcsKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.sign_der(message).map_err(|error| rustls::Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

impl fmt::Debug for PkcsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PkcsKey").field("place", &self.place).finish_non_exhaustive()
    }
}
