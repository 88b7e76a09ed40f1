//! The card of a session: what happens when it leaves the reader, and what the agent says about it.

use time::OffsetDateTime;

use crate::{
    Queries, Store, StoreError, Tx,
    db::housekeeping,
    session::{SessionOf, of},
    sql,
};

/// Live, unlocked sessions that an agent's presence identifier stands for at this terminal.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn of_presence(
    queries: &mut impl Queries,
    terminal_id: &str,
    presence_id: &str,
) -> Result<Vec<SessionOf>, StoreError> {
    of(queries
        .fetch_all(
            sql("SELECT id_hash, person_id, organisation_id, terminal_id FROM session
                 WHERE presence_id = $2 AND terminal_id = $1 AND ended_at IS NULL
                   AND locked_at IS NULL")
            .bind(terminal_id)
            .bind(presence_id),
        )
        .await?)
}

/// Live, unlocked sessions whose agent was not heard of since `since`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn silent(
    queries: &mut impl Queries,
    since: OffsetDateTime,
    limit: i64,
) -> Result<Vec<SessionOf>, StoreError> {
    of(queries
        .fetch_all(
            sql("SELECT id_hash, person_id, organisation_id, terminal_id FROM session
                 WHERE presence_id IS NOT NULL AND presence_at <= $1 AND ended_at IS NULL
                   AND locked_at IS NULL
                 ORDER BY presence_at LIMIT $2")
            .bind(since)
            .bind(limit),
        )
        .await?)
}

/// By what the card of a session counts as gone.
#[derive(Clone, Copy, Debug)]
pub enum Gone<'a> {
    /// The agent's report of this number about the card that it calls so.
    Reported {
        /// The agent's name for the card.
        presence_id: &'a str,
        /// The report's number.
        sequence: i64,
    },
    /// No report since.
    SilentSince(OffsetDateTime),
}

/// Whether the card of a session still counts as gone by that. Between finding the session and acting on
/// it, it may have been given another card to hang on, or its own may have been heard of again.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn is_still_gone(
    tx: &mut Tx,
    id_hash: &[u8; 32],
    gone: Gone<'_>,
) -> Result<bool, StoreError> {
    let statement = match gone {
        Gone::Reported { presence_id, sequence } => {
            sql("SELECT COUNT(*) FROM session WHERE id_hash = $1 AND ended_at IS NULL
                   AND locked_at IS NULL AND presence_id = $2 AND presence_sequence = $3")
            .bind(id_hash)
            .bind(presence_id)
            .bind(sequence)
        }
        Gone::SilentSince(since) => {
            sql("SELECT COUNT(*) FROM session WHERE id_hash = $1 AND ended_at IS NULL
                   AND locked_at IS NULL AND presence_id IS NOT NULL AND presence_at <= $2")
            .bind(id_hash)
            .bind(since)
        }
    };
    let (count,): (i64,) = tx.fetch_one(statement).await?;
    Ok(count > 0)
}

/// Stops watching the card of a live session: the facility keeps sessions without it.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn forget_presence(tx: &mut Tx, id_hash: &[u8; 32]) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE session SET presence_id = NULL WHERE id_hash = $1 AND ended_at IS NULL")
            .bind(id_hash),
    )
    .await?;
    Ok(())
}

/// Notes that the card of a live session left its reader for another one that the session asks for. The
/// session goes on until the agent counts as silent about it.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn make_room(
    tx: &mut Tx,
    id_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE session SET room_made_at = $2 WHERE id_hash = $1 AND ended_at IS NULL")
            .bind(id_hash)
            .bind(at),
    )
    .await?;
    Ok(())
}

/// Watches another card in the place of the one that proved a live session, where that one made room for
/// it in the reader ([`make_room`]); where both are in, the first one stays the session's.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn watch_instead(
    tx: &mut Tx,
    id_hash: &[u8; 32],
    presence_id: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE session SET presence_id = $2, presence_at = $3, presence_sequence = NULL,
                                room_made_at = NULL
             WHERE id_hash = $1 AND ended_at IS NULL AND room_made_at IS NOT NULL")
        .bind(id_hash)
        .bind(presence_id)
        .bind(at),
    )
    .await?;
    Ok(())
}

/// Locks a live session; answers whether this call did.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn lock(tx: &mut Tx, id_hash: &[u8; 32], at: OffsetDateTime) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE session SET locked_at = $2
                 WHERE id_hash = $1 AND ended_at IS NULL AND locked_at IS NULL")
            .bind(id_hash)
            .bind(at),
        )
        .await?;
    Ok(changed == 1)
}

impl Store {
    /// Notes a report of the agent of this terminal about a card; answers whether a live session
    /// hangs on it and no newer report came before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn note_presence(
        &self,
        terminal_id: &str,
        presence_id: &str,
        sequence: i64,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        housekeeping!(self, |tx| {
            let changed = tx
                .execute(
                    sql("UPDATE session SET presence_at = $3, presence_sequence = $4
                         WHERE presence_id = $2 AND terminal_id = $1 AND ended_at IS NULL
                           AND (presence_sequence IS NULL OR presence_sequence < $4)")
                    .bind(terminal_id)
                    .bind(presence_id)
                    .bind(at)
                    .bind(sequence),
                )
                .await?;
            changed > 0
        })
    }
}
