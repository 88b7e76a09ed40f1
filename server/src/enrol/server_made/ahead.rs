//! RSA keys made ahead: one takes some tenths of a second of a core, or seconds where luck is bad.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sekisho_key::{KeyError, SoftwareKey};
use tokio::sync::Mutex as Turn;

use super::KeyKind;
use crate::app::App;

/// The kind that is made ahead: the smallest RSA key that is certified.
const AHEAD: KeyKind = KeyKind::Rsa3072;

/// Keys that nobody has yet, in memory only and never more than `most`.
#[derive(Debug)]
pub struct KeysAhead {
    most: usize,
    ready: Mutex<Vec<SoftwareKey>>,
    /// One RSA key is made at a time: whoever asks for many waits and takes no second core.
    turn: Turn<()>,
}

impl KeysAhead {
    /// None yet.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, ready: Mutex::new(Vec::with_capacity(most)), turn: Turn::new(()) }
    }

    /// A new key, which nobody else gets.
    ///
    /// # Errors
    /// [`KeyError::Cryptography`].
    pub(super) async fn take(&self, kind: KeyKind) -> Result<SoftwareKey, KeyError> {
        let ready = if kind == AHEAD { self.ready().pop() } else { None };
        match (ready, kind) {
            (Some(key), _) => Ok(key),
            (None, KeyKind::P256 | KeyKind::P384) => kind.generate(),
            (None, KeyKind::Rsa3072 | KeyKind::Rsa4096) => self.make(kind).await,
        }
    }

    async fn make(&self, kind: KeyKind) -> Result<SoftwareKey, KeyError> {
        let _turn = self.turn.lock().await;
        let made = tokio::task::spawn_blocking(move || kind.generate()).await;
        made.unwrap_or(Err(KeyError::Cryptography { act: "make an RSA key" }))
    }

    fn ready(&self) -> MutexGuard<'_, Vec<SoftwareKey>> {
        // Only whole keys are ever put in.
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Scheduled: makes what is missing, and forgets keys that were handed out long enough ago.
///
/// # Errors
/// [`KeyError::Cryptography`].
pub async fn keep_up(app: &App) -> Result<(), KeyError> {
    app.handed_keys().forget_old(app.now());
    let ahead = app.keys_ahead();
    while ahead.ready().len() < ahead.most {
        let key = ahead.make(AHEAD).await?;
        let mut ready = ahead.ready();
        if ready.len() < ahead.most {
            ready.push(key);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sekisho_key::SigningKey as _;

    use super::*;
    use crate::{config::Settings, testing};

    #[tokio::test]
    async fn so_many_are_made_ahead_and_each_is_given_once() {
        let mut settings = Settings::default();
        settings.enrolment.rsa_keys_ahead = 1;
        let test = testing::app_with(settings).await;
        let ahead = test.app.keys_ahead();
        assert_eq!(ahead.ready().len(), 0);
        keep_up(&test.app).await.unwrap();
        keep_up(&test.app).await.unwrap();
        assert_eq!(ahead.ready().len(), 1);
        let made = ahead.ready()[0].public_key_der().to_vec();
        // Another kind leaves it where it is.
        ahead.take(KeyKind::P256).await.unwrap();
        assert_eq!(ahead.ready().len(), 1);
        assert_eq!(ahead.take(AHEAD).await.unwrap().public_key_der(), made);
        assert_ne!(ahead.take(AHEAD).await.unwrap().public_key_der(), made);
    }

    #[tokio::test]
    async fn none_are_made_ahead_where_none_are_made() {
        let mut settings = Settings::default();
        settings.enrolment.server_made_keys = crate::config::ServerMadeKeys::None;
        let test = testing::app_with(settings).await;
        keep_up(&test.app).await.unwrap();
        assert_eq!(test.app.keys_ahead().ready().len(), 0);
    }
}
