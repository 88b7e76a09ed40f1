//! A terminal's own hold: a state of the terminal, whatever certificates it has or will have.
//!
//! It is kept as events `held` and `released` beside the holds of its certificates, which lists
//! and OCSP tell of. A terminal that was never enrolled has only this one.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    event::{self, Event, Of},
    moment::moment,
    router_psk::{self, PskEnd},
    router_setup, sql,
};

/// Condition: the terminal of `column` is on hold by itself.
macro_rules! on_hold {
    ($column:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM terminal_event h
                 WHERE h.terminal_id = ",
            $column,
            " AND h.kind = 'held'
                   AND NOT EXISTS (SELECT 1 FROM terminal_event n
                       WHERE n.terminal_id = h.terminal_id AND n.kind = 'released'
                         AND (n.at > h.at OR n.at = h.at AND n.id > h.id)))"
        )
    };
}
pub(crate) use on_hold;

/// Puts a terminal on hold, and ends its pre-shared keys and its technician's link; `false` when it was before. Its certificates are the caller's to hold,
/// after this.
///
/// # Errors
/// [`StoreError::Unavailable`] also when there is no such terminal, [`StoreError::Conflict`].
pub async fn begin(
    tx: &mut Tx,
    terminal_id: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let begun = turn(tx, terminal_id, "held", reason, at).await?;
    if begun {
        router_psk::end_of_router(tx, terminal_id, PskEnd::RouterHeld, at).await?;
        router_setup::end(tx, terminal_id, PskEnd::RouterHeld, at).await?;
    }
    Ok(begun)
}

/// Ends the hold of a terminal; `false` when there was none.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn end(
    tx: &mut Tx,
    terminal_id: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    turn(tx, terminal_id, "released", reason, at).await
}

async fn turn(
    tx: &mut Tx,
    terminal_id: &str,
    kind: &'static str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let last: Option<(String, String, i64)> = tx
        .fetch_optional(
            sql("SELECT id, kind, at FROM terminal_event
                 WHERE terminal_id = $1 AND kind IN ('held', 'released')
                 ORDER BY at DESC, id DESC LIMIT 1")
            .bind(terminal_id),
        )
        .await?;
    let Some((last_id, last, last_at)) = last else {
        if kind == "released" {
            return Ok(false);
        }
        let event = Event { kind, person_id: None, reason, at };
        event::add(tx, Of::Terminal, terminal_id, event).await?;
        return Ok(true);
    };
    if last == kind {
        return Ok(false);
    }
    // After the event that it answers, whatever this process's clock says: the latest one counts.
    let at = at.max(moment("terminal event", last_at)?);
    let event = Event { kind, person_id: None, reason, at };
    event::add_after(tx, Of::Terminal, terminal_id, &last_id, event).await?;
    Ok(true)
}

/// Whether a terminal is on hold by itself.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn stands(queries: &mut impl Queries, terminal_id: &str) -> Result<bool, StoreError> {
    let found: Option<(String,)> = queries
        .fetch_optional(
            sql(concat!("SELECT t.id FROM terminal t WHERE t.id = $1 AND ", on_hold!("t.id")))
                .bind(terminal_id),
        )
        .await?;
    Ok(found.is_some())
}
