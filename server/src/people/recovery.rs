//! Recovery codes: ten at a time, each of which stands once for a second factor that is not at hand.
//!
//! A code has 95 random bits, so its SHA-256 is kept and no slow hash: nobody finds it by trying.

use sekisho_key::{Randomness, RandomnessError};
use sekisho_store::{StoreError, Tx, recovery_code};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::paper_code::PaperCode;

/// How many are given at once.
pub const CODES: usize = 10;

/// Codes about to be given to a person. Only their hashes are kept.
pub struct NewCodes(Vec<PaperCode>);

impl NewCodes {
    /// Fresh ones.
    ///
    /// # Errors
    /// [`RandomnessError`].
    pub fn draw(random: &dyn Randomness) -> Result<Self, RandomnessError> {
        (0..CODES).map(|_| PaperCode::generate(random)).collect::<Result<_, _>>().map(Self)
    }

    /// Keeps them for a person instead of all earlier ones.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep(
        &self,
        tx: &mut Tx,
        person_id: &str,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let hashes: Vec<_> = self.0.iter().map(PaperCode::hash).collect();
        recovery_code::replace(tx, person_id, &hashes, at).await
    }

    /// As they are shown, once.
    #[must_use]
    pub fn reveal(&self) -> Vec<Zeroizing<String>> {
        self.0.iter().map(PaperCode::reveal).collect()
    }
}
