//! Logouts that services were told of and have not confirmed, by the browser profile in which the session stood.
//!
//! A service that did not confirm may still show the last person's patients in that browser: it is not offered to
//! the next person there until it confirms.

use time::OffsetDateTime;

use crate::{Queries, Store, StoreError, Tx, db::housekeeping, moment::digest, session, sql};

/// A service that did not confirm the logout of somebody else in the same browser profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unconfirmed {
    /// The session that ended.
    pub session_hash: [u8; 32],
    /// The service.
    pub service_id: String,
    /// Its name, Japanese.
    pub name_ja: String,
    /// Its name, English.
    pub name_en: String,
    /// The notice in the outbox.
    pub message_id: String,
}

#[derive(serde::Deserialize)]
struct Row {
    session_hash: Vec<u8>,
    service_id: String,
    name_ja: String,
    name_en: String,
    message_id: String,
}

/// Awaits a service's word, where it is known in which browser profile the session stood.
pub(crate) async fn await_of(
    tx: &mut Tx,
    session_hash: &[u8; 32],
    service_id: &str,
    message_id: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO logout_confirmation
                 (session_hash, service_id, profile_hash, person_id, message_id, asked_at)
             SELECT id_hash, $2, profile_hash, person_id, $3, $4 FROM session
             WHERE id_hash = $1 AND profile_hash IS NOT NULL")
        .bind(session_hash)
        .bind(service_id)
        .bind(message_id)
        .bind(at),
    )
    .await?;
    Ok(())
}

/// What others' logouts in the browser profile of this session wait for, by the services' Japanese names. A
/// service that was withdrawn, or is told of no logouts any more, is not waited for.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn unconfirmed(
    queries: &mut impl Queries,
    session_hash: &[u8; 32],
) -> Result<Vec<Unconfirmed>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql("SELECT c.session_hash, c.service_id, s.name_ja, s.name_en, c.message_id
                 FROM session l
                 JOIN logout_confirmation c ON c.profile_hash = l.profile_hash
                 JOIN service s ON s.id = c.service_id
                 WHERE l.id_hash = $1 AND c.confirmed_at IS NULL AND c.person_id <> l.person_id
                     AND s.withdrawn_at IS NULL AND s.backchannel_logout_uri IS NOT NULL
                 ORDER BY s.name_ja, c.service_id, c.session_hash")
            .bind(session_hash),
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Unconfirmed {
                session_hash: digest("session", row.session_hash)?,
                service_id: row.service_id,
                name_ja: row.name_ja,
                name_en: row.name_en,
                message_id: row.message_id,
            })
        })
        .collect()
}

/// Tells a service anew that a session is over, in place of the notice before. Answers whether this call does:
/// not where the service confirmed, or was asked after `asked_before`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn ask_again(
    tx: &mut Tx,
    of: &Unconfirmed,
    asked_before: OffsetDateTime,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let claimed = tx
        .execute(
            sql("UPDATE logout_confirmation SET asked_at = $4
                 WHERE session_hash = $1 AND service_id = $2 AND confirmed_at IS NULL AND asked_at <= $3")
            .bind(of.session_hash)
            .bind(&of.service_id)
            .bind(asked_before)
            .bind(at),
        )
        .await?;
    if claimed == 0 {
        return Ok(false);
    }
    tx.execute(
        sql("UPDATE outbox SET done_at = $2 WHERE done_at IS NULL AND id =
                 (SELECT c.message_id FROM logout_confirmation c
                  WHERE c.session_hash = $1 AND c.service_id = $3)")
        .bind(of.session_hash)
        .bind(at)
        .bind(&of.service_id),
    )
    .await?;
    let message_id = session::tell(tx, &of.service_id, &of.session_hash, at).await?;
    tx.execute(
        sql("UPDATE logout_confirmation SET message_id = $3 WHERE session_hash = $1 AND service_id = $2")
            .bind(of.session_hash)
            .bind(&of.service_id)
            .bind(message_id),
    )
    .await?;
    Ok(true)
}

impl Store {
    /// Notes that a service confirmed the end of a session.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn note_logout_confirmed(
        &self,
        session_hash: &[u8; 32],
        service_id: &str,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        housekeeping!(self, |tx| {
            tx.execute(
                sql("UPDATE logout_confirmation SET confirmed_at = $3
                     WHERE session_hash = $1 AND service_id = $2 AND confirmed_at IS NULL")
                .bind(session_hash)
                .bind(service_id)
                .bind(at),
            )
            .await?;
        })
    }
}
