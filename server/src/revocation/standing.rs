//! How a terminal stands apart from what holds it: what it can do once it is released.

use sekisho_store::{
    Queries, StoreError,
    certificate::{self, Certificate},
    revocation::{self, Status},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// superseded (RFC 5280 §5.3.1): a certificate that another took the place of, or that was signed too
/// late, is not the terminal's current one.
const SUPERSEDED: u8 = 4;

/// What a terminal has, whether or not it is on hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A certificate that counts once nothing holds it.
    #[default]
    Certified,
    /// A certificate that no longer counts: it was revoked, or has expired.
    ToEnrolAnew,
    /// None, and none before.
    NeverEnrolled,
}

impl Standing {
    /// Of the terminal `id` at `now`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(
        queries: &mut impl Queries,
        id: &str,
        now: OffsetDateTime,
    ) -> Result<Self, StoreError> {
        let all = certificate::of_terminal(queries, id).await?;
        let is_superseded = |certificate: &&Certificate| {
            matches!(certificate.status, Status::Revoked { reason: SUPERSEDED, .. })
        };
        let current = all.iter().find(|found| !is_superseded(found)).or(all.first());
        let Some(current) = current else { return Ok(Self::NeverEnrolled) };
        // Its authority may have been taken back as well.
        let status = revocation::status(queries, &current.issuer_id, &current.serial).await?;
        let counts = status.is_some_and(|status| status == Status::Good || status.is_hold());
        Ok(if counts && current.not_after > now { Self::Certified } else { Self::ToEnrolAnew })
    }
}
