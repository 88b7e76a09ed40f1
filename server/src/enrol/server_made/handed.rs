//! Keys that were handed out a moment ago: a device that lost the answer gets the same one again, and nobody
//! else does.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use time::{Duration, OffsetDateTime};

use super::ServerMadeKey;

/// Most keys that are remembered; the oldest goes first. Its device needs another code then.
const MOST: usize = 256;

/// Who asked, and how: the right, and SHA-256 of the request as it was sent.
///
/// The key in such a request is not looked at (RFC 7030 §4.4.1), so that nothing proves who sends it a second
/// time but the whole of it: nobody has seen it who has not read along inside TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// SHA-256 of the code or of the certificate.
    pub right: [u8; 32],
    /// SHA-256 of the request.
    pub request: [u8; 32],
}

#[derive(Debug)]
struct Handed {
    asked: Asked,
    at: OffsetDateTime,
    key: Arc<ServerMadeKey>,
}

/// In memory only: another process, or this one after its next start, knows none of them.
#[derive(Debug)]
pub struct HandedKeys {
    grace: Duration,
    keys: Mutex<VecDeque<Handed>>,
}

impl HandedKeys {
    /// None yet; each is remembered for `grace`.
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        Self { grace, keys: Mutex::default() }
    }

    /// The key that was handed out for this very request.
    pub(in crate::enrol) fn find(
        &self,
        asked: Asked,
        now: OffsetDateTime,
    ) -> Option<Arc<ServerMadeKey>> {
        self.forget_old(now);
        let keys = self.keys();
        keys.iter().find(|handed| handed.asked == asked).map(|handed| Arc::clone(&handed.key))
    }

    /// Remembers the key, unless the same request has another one already: answers the one that counts.
    pub(in crate::enrol) fn remember(
        &self,
        asked: Asked,
        key: ServerMadeKey,
        now: OffsetDateTime,
    ) -> Arc<ServerMadeKey> {
        let mut keys = self.keys();
        if let Some(first) = keys.iter().find(|handed| handed.asked == asked) {
            return Arc::clone(&first.key);
        }
        if keys.len() == MOST {
            keys.pop_front();
        }
        let key = Arc::new(key);
        keys.push_back(Handed { asked, at: now, key: Arc::clone(&key) });
        key
    }

    /// Forgets what nobody is answered with any more.
    pub(super) fn forget_old(&self, now: OffsetDateTime) {
        let grace = self.grace;
        self.keys().retain(|handed| now <= handed.at + grace);
    }

    fn keys(&self) -> MutexGuard<'_, VecDeque<Handed>> {
        // Only whole entries are ever put in.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{enrol::server_made::KeyKind, testing};

    fn asked(right: u8, request: u8) -> Asked {
        Asked { right: [right; 32], request: [request; 32] }
    }

    #[tokio::test]
    async fn the_same_request_gets_the_same_key_for_a_while_and_no_other_does() {
        let test = testing::app().await;
        let now = test.app.now();
        let made = async || ServerMadeKey::make(&test.app, KeyKind::P256).await.unwrap();
        let handed = HandedKeys::new(Duration::minutes(15));
        let first = handed.remember(asked(1, 1), made().await, now);
        let again = handed.remember(asked(1, 1), made().await, now);
        assert!(Arc::ptr_eq(&first, &again), "two at once");
        let later = now + Duration::minutes(15);
        assert!(Arc::ptr_eq(&handed.find(asked(1, 1), later).unwrap(), &first));
        for other in [asked(1, 2), asked(2, 1)] {
            assert!(handed.find(other, later).is_none());
        }
        assert!(handed.find(asked(1, 1), later + Duration::SECOND).is_none());
        assert_eq!(handed.keys().len(), 0, "and it is gone");
    }

    #[tokio::test]
    async fn no_more_than_so_many_are_remembered() {
        let test = testing::app().await;
        let now = test.app.now();
        let handed = HandedKeys::new(Duration::minutes(15));
        for number in 0..=MOST {
            let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
            let key = ServerMadeKey::make(&test.app, KeyKind::P256).await.unwrap();
            handed.remember(asked(high, low), key, now);
        }
        assert_eq!(handed.keys().len(), MOST);
        assert!(handed.find(asked(0, 0), now).is_none() && handed.find(asked(0, 1), now).is_some());
    }
}
