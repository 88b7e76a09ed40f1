//! Which of a terminal's certificates counts, and how the ones before it go.
//!
//! The current one is the newest that no other took the place of. A terminal stands as it does: while it
//! is revoked or on hold no older one is let in, or a stolen key would come back by the certificate of
//! last year. Older ones live until the new one is used, since a PC may lose its answer, and are taken
//! back then (docs/decisions/0015). The certificate of a new PC that waits for its first login is not the
//! current one (docs/decisions/0020).

use time::OffsetDateTime;

use crate::{
    StoreError, Tx,
    revocation::{Act, CertificateKey, SUPERSEDED, Scope, carry_out},
};

/// Column: the latest event of the current certificate of the terminal in `column`; NULL without a
/// certificate or an event. `concat!` keeps the statements constants.
///
/// One that was signed too late and taken back at once (superseded, 4) is no current certificate. That of
/// a PC that replaced another counts from its first login on.
macro_rules! current_standing {
    ($column:literal) => {
        concat!(
            "(SELECT CASE WHEN EXISTS (SELECT 1 FROM revoked_issuer i
                              WHERE i.issuer_id = c1.issuer_id) THEN 'revoked'
                          ELSE r1.kind END
              FROM certificate c1
              LEFT JOIN revocation_event r1
                  ON r1.issuer_id = c1.issuer_id AND r1.serial = c1.serial
                  AND r1.seq = (SELECT MAX(d.seq) FROM revocation_event d
                                WHERE d.issuer_id = c1.issuer_id AND d.serial = c1.serial)
              WHERE c1.terminal_id = ",
            $column,
            " AND NOT ",
            $crate::replacement::of_new_pc!("c1"),
            " ORDER BY CASE WHEN r1.kind = 'revoked' AND r1.reason = 4 THEN 1 ELSE 0 END,
                       COALESCE((SELECT d1.ended_at FROM terminal_replacement d1
                                 WHERE d1.issuer_id = c1.issuer_id AND d1.serial = c1.serial),
                                c1.issued_at) DESC,
                       CASE WHEN EXISTS (SELECT 1 FROM terminal_replacement x1
                                 WHERE x1.issuer_id = c1.issuer_id AND x1.serial = c1.serial)
                            THEN 0 ELSE 1 END,
                       c1.serial DESC LIMIT 1)"
        )
    };
}
pub(crate) use current_standing;

/// Takes back what a certificate took the place of: every older one of its terminal that is not taken
/// back and has not expired, also one on hold, which would be good again when that is released. Answers which; none when it was done before.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn supersede_older(
    tx: &mut Tx,
    issuer_id: &str,
    serial: &[u8],
    at: OffsetDateTime,
) -> Result<Vec<CertificateKey>, StoreError> {
    let scope = Scope::OlderThan { issuer_id, serial };
    carry_out(tx, scope, Act::revoke(SUPERSEDED, at)).await
}
