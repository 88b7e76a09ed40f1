//! RSA keys made ahead: one takes some tenths of a second of a core, or seconds where luck is bad.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sekisho_key::{KeyError, SoftwareKey};
use tokio::sync::{Mutex as Turn, Semaphore};

use super::{KeyKind, ServerMadeError};
use crate::app::App;

/// The kind that is made ahead: the smallest RSA key that is certified.
const AHEAD: KeyKind = KeyKind::Rsa3072;

/// Requests that may wait for an RSA key at once; the next one is told to come again.
const MOST_WAITING: usize = 8;

/// Keys that nobody has yet, in memory only and never more than `most`.
#[derive(Debug)]
pub struct KeysAhead {
    most: usize,
    ready: Mutex<Vec<SoftwareKey>>,
    /// One RSA key is made at a time: whoever asks for many waits and takes no second core.
    turn: Arc<Turn<()>>,
    waiting: Semaphore,
}

impl KeysAhead {
    /// None yet.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let ready = Mutex::new(Vec::with_capacity(most));
        Self { most, ready, turn: Arc::default(), waiting: Semaphore::new(MOST_WAITING) }
    }

    /// A new key, which nobody else gets.
    ///
    /// # Errors
    /// [`ServerMadeError::Key`]; [`ServerMadeError::Busy`]: too many wait already.
    pub(super) async fn take(&self, kind: KeyKind) -> Result<SoftwareKey, ServerMadeError> {
        let ready = if kind == AHEAD { self.ready().pop() } else { None };
        match (ready, kind) {
            (Some(key), _) => Ok(key),
            (None, KeyKind::P256 | KeyKind::P384) => Ok(kind.generate()?),
            (None, KeyKind::Rsa3072 | KeyKind::Rsa4096) => {
                let _waits = self.waiting.try_acquire().map_err(|_| ServerMadeError::Busy)?;
                Ok(self.make(kind).await?)
            }
        }
    }

    async fn make(&self, kind: KeyKind) -> Result<SoftwareKey, KeyError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let made = tokio::task::spawn_blocking(move || {
            // Whoever asked may have gone: the turn is over when the work is.
            let _turn = turn;
            kind.generate()
        });
        made.await.unwrap_or(Err(KeyError::Cryptography { act: "make an RSA key" }))
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
    async fn whoever_asks_when_many_wait_is_told_to_come_again() {
        let test = testing::app().await;
        let ahead = test.app.keys_ahead();
        let _turn = Arc::clone(&ahead.turn).lock_owned().await;
        let mut waiting: Vec<_> =
            (0..MOST_WAITING).map(|_| Box::pin(ahead.take(KeyKind::Rsa4096))).collect();
        for one in &mut waiting {
            assert!(futures_util::poll!(one.as_mut()).is_pending());
        }
        let refused = ahead.take(KeyKind::Rsa4096).await;
        assert!(matches!(refused, Err(ServerMadeError::Busy)));
        ahead.take(KeyKind::P384).await.unwrap();
        drop(waiting);
        let mut next = Box::pin(ahead.take(AHEAD));
        assert!(futures_util::poll!(next.as_mut()).is_pending(), "who gave up makes room");
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
