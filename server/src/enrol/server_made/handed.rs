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
/// Most of them for one code or certificate, so that nobody drives the others out.
const MOST_OF_A_RIGHT: usize = 4;

/// Who asked, and how: the right, and SHA-256 of the request as it was sent and of where it came from.
///
/// The key in such a request is not looked at (RFC 7030 §4.4.1), so that nothing proves who sends it a second
/// time but the whole of it, seen inside TLS alone, and the address. A device whose requests are always the same
/// octets is told from others of its make by the address only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// SHA-256 of the code or of the certificate.
    pub right: [u8; 32],
    /// SHA-256 of the request and of the address that it came from.
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
        let own = |handed: &Handed| handed.asked.right == asked.right;
        if keys.iter().filter(|handed| own(handed)).count() >= MOST_OF_A_RIGHT {
            let oldest = keys.iter().position(own).unwrap_or_default();
            keys.remove(oldest);
        } else if keys.len() == MOST {
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

    /// A right of its own for each number.
    fn numbered(number: usize) -> Asked {
        let mut right = [0; 32];
        right[..8].copy_from_slice(&number.to_be_bytes());
        Asked { right, request: [0; 32] }
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
            let key = ServerMadeKey::make(&test.app, KeyKind::P256).await.unwrap();
            handed.remember(numbered(number), key, now);
        }
        assert_eq!(handed.keys().len(), MOST);
        assert!(handed.find(numbered(0), now).is_none());
        assert!(handed.find(numbered(1), now).is_some());
        // One right drives out its own once it has its share.
        for request in 0..=MOST_OF_A_RIGHT {
            let asked = asked(0xaa, u8::try_from(request).unwrap());
            let key = ServerMadeKey::make(&test.app, KeyKind::P256).await.unwrap();
            handed.remember(asked, key, now);
        }
        assert!(handed.find(asked(0xaa, 0), now).is_none());
        assert!(handed.find(asked(0xaa, 1), now).is_some());
        let others = (0..=MOST).filter(|&number| handed.find(numbered(number), now).is_some());
        assert_eq!(others.count(), MOST - MOST_OF_A_RIGHT);
    }
}
