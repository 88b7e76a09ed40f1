//! What the machine does without us, to hold figures against.

use std::time::{Duration, Instant};

use sekisho_key::SoftwareKey;
use sekisho_store::Store;
use serde::Serialize;

/// Signing and committing, nothing else.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Bare {
    pub(super) p256_signatures_per_second: f64,
    pub(super) one_row_commits_per_second: f64,
    pub(super) sixteen_row_commits_per_second: f64,
}

/// For each figure.
const LASTS: Duration = Duration::from_secs(2);
/// Rows of the larger commit: as many as there are connections.
const ROWS: usize = 16;

impl Bare {
    /// Commits go to a database of their own.
    pub(super) async fn measure(store: &Store) -> anyhow::Result<Self> {
        Ok(Self {
            p256_signatures_per_second: signatures_a_second()?,
            one_row_commits_per_second: store.bare_commits(1, LASTS).await?,
            sixteen_row_commits_per_second: store.bare_commits(ROWS, LASTS).await?,
        })
    }

    /// Of before and after what was measured between them.
    pub(super) fn mean(self, other: Self) -> Self {
        let mean = |one: f64, two: f64| (one + two) / 2.0;
        Self {
            p256_signatures_per_second: mean(
                self.p256_signatures_per_second,
                other.p256_signatures_per_second,
            ),
            one_row_commits_per_second: mean(
                self.one_row_commits_per_second,
                other.one_row_commits_per_second,
            ),
            sixteen_row_commits_per_second: mean(
                self.sixteen_row_commits_per_second,
                other.sixteen_row_commits_per_second,
            ),
        }
    }

    pub(super) fn told(&self) -> String {
        format!(
            "bare, in the same minute: {:.0} P-256 signatures/s, {:.0} commits/s of 1 row, {:.0} of 16",
            self.p256_signatures_per_second,
            self.one_row_commits_per_second,
            self.sixteen_row_commits_per_second,
        )
    }
}

/// Signatures with P-256 that one core makes, whatever the message.
pub(super) fn signatures_a_second() -> anyhow::Result<f64> {
    signatures_by(&SoftwareKey::generate_p256()?)
}

/// Signatures with this key that one core makes.
pub(super) fn signatures_by(key: &SoftwareKey) -> anyhow::Result<f64> {
    let (began, mut signatures) = (Instant::now(), 0_u32);
    while began.elapsed() < LASTS {
        key.sign_now(&[0x5a; 600])?;
        signatures += 1;
    }
    Ok(f64::from(signatures) / began.elapsed().as_secs_f64())
}
