//! Asking for the PIN. It lives in wiped memory, and nowhere else.

pub mod descriptor;
pub mod file;
pub mod pinentry;
pub mod reader_keys;
pub mod window;
pub mod words;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use sekisho_protocol::Sha256Digest;
use sekisho_protocol::request::{ConfirmationCode, Language};

use crate::card::pin_kind::PinKind;
use crate::platform;

/// What the window says; [`words`] says it in words.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// What for.
    pub occasion: Occasion,
    /// Which PIN.
    pub kind: PinKind,
    /// Name on the card, or what the person knows it by.
    pub holder: String,
    /// Tries left, where the card tells.
    pub tries_left: Option<u8>,
    /// The PIN entered before was wrong.
    pub again: bool,
    /// The reader has keys of its own: the PIN is typed there, and never comes here.
    pub at_reader: bool,
    /// Language of the window.
    pub language: Language,
}

/// What the PIN is asked for.
#[derive(Debug, Clone)]
pub enum Occasion {
    /// Somebody logs in.
    Login(Page),
    /// Somebody links a second card to who they are at the portal.
    Link(Page),
    /// Somebody signs a document.
    Document(Document),
}

/// A page that asks.
#[derive(Debug, Clone)]
pub struct Page {
    /// The portal's origin.
    pub origin: String,
    /// The facility.
    pub facility: String,
    /// On the page as well.
    pub code: ConfirmationCode,
}

/// A document to be signed.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its digest.
    pub sha256: Sha256Digest,
    /// The document itself, where it is text that a window can show, as it may be shown.
    pub text: Option<String>,
    /// Where it comes from.
    pub source: Source,
}

/// Where a document comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file of this name, which the person named.
    File(String),
    /// A page of the portal.
    Page(Page),
}

impl Prompt {
    /// Few tries are left.
    pub fn is_guarded(&self) -> bool {
        self.tries_left.is_some_and(|tries| tries <= self.kind.guarded_tries())
    }
}

/// Why there is no PIN.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The person closed the window.
    #[error("the person closed the window")]
    Cancelled,
    /// Few tries are left and nobody confirmed.
    #[error("few tries are left and nobody confirmed to go on")]
    Guarded,
    /// No window can be shown, or the file can't be read.
    #[error("the PIN cannot be asked for: {0}")]
    Unavailable(String),
}

/// Somewhere a person enters a PIN.
#[async_trait]
pub trait PinEntry: Send + Sync {
    /// Asks. Dropping the future closes the window.
    ///
    /// # Errors
    /// [`PinError`].
    async fn ask(&self, prompt: &Prompt) -> Result<SecretString, PinError>;

    /// Shows what has to be confirmed before a PIN is typed at the reader's own keys: few tries, a document.
    ///
    /// # Errors
    /// [`PinError`].
    async fn confirm(&self, prompt: &Prompt) -> Result<(), PinError>;

    /// Says that the PIN is to be typed at the reader's own keys, who asks, and for what. Returns when the
    /// person gives up; dropping the future closes the window.
    ///
    /// # Errors
    /// [`PinError`].
    async fn announce(&self, prompt: &Prompt) -> Result<(), PinError>;

    /// Whether a person may correct a wrong PIN here.
    fn is_interactive(&self) -> bool;

    /// Asks which of several cards; `None` leaves the newest.
    async fn choose(&self, _language: Language, names: &[String]) -> Result<usize, PinError> {
        Ok(names.len().saturating_sub(1))
    }
}

/// The window of this system, or of the program that was named instead.
pub fn window(program: Option<&str>) -> Arc<dyn PinEntry> {
    match (program, platform::pin_window()) {
        (None, Some(window)) => window,
        _ => {
            Arc::new(pinentry::Pinentry { program: program.unwrap_or(pinentry::USUAL).to_owned() })
        }
    }
}

/// The program that [`window`] would start and that is not there.
pub fn missing_program(program: Option<&str>) -> Option<&str> {
    let needs_one = program.is_some() || platform::pin_window().is_none();
    let program = program.unwrap_or(pinentry::USUAL);
    (needs_one && !is_program(program)).then_some(program)
}

/// Whether a start of `name` would find a file: at that path, or by PATH where it is a bare name.
fn is_program(name: &str) -> bool {
    if Path::new(name).components().count() > 1 {
        return Path::new(name).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| {
        folder.join(name).is_file()
            || folder.join(name).with_extension(std::env::consts::EXE_EXTENSION).is_file()
    })
}
