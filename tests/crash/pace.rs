//! When it strikes: after so many requests, so that the moment is a random one on a slow machine as on a
//! quick one.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::{sleep, timeout};

use super::dice::Dice;

const MOST_REQUESTS: u64 = 30;
const MOST_MICROSECONDS: u64 = 20_000;
const LONGEST_PASS: Duration = Duration::from_secs(10);

/// Counts requests that ended, one way or the other.
#[derive(Debug, Default)]
pub struct Pace {
    ended: AtomicU64,
}

impl Pace {
    /// A request ended.
    pub fn count(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets up to a few dozen requests end, then passes up to a few milliseconds.
    pub async fn pass(&self, dice: &mut Dice) {
        let until = self.ended.load(Ordering::Relaxed) + dice.below(MOST_REQUESTS);
        let waited = async {
            while self.ended.load(Ordering::Relaxed) < until {
                sleep(Duration::from_millis(1)).await;
            }
        };
        // When nothing ends any more, it strikes all the same.
        let _ = timeout(LONGEST_PASS, waited).await;
        sleep(Duration::from_micros(dice.below(MOST_MICROSECONDS))).await;
    }
}
