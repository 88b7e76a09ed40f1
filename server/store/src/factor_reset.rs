//! Resets of a member's password and second factor: one person asks, another one decides.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx, account,
    moment::{moment, text_list},
    sql,
};

/// A member whose factors can be reset: somebody with an account.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Candidate {
    /// The person.
    pub person_id: String,
    /// Their name.
    pub name: String,
    /// Their login name.
    pub login_name: String,
}

/// A reset to be asked for.
#[derive(Clone, Copy, Debug)]
pub struct NewReset<'a> {
    /// Whose factors.
    pub person_id: &'a str,
    /// Of which facility they are a member.
    pub organisation_id: &'a str,
    /// Why, in the words of whoever asks.
    pub reason: &'a str,
    /// Who asks.
    pub asked_by: &'a str,
    /// When.
    pub at: OffsetDateTime,
    /// Until when it can be decided.
    pub expires_at: OffsetDateTime,
}

/// A reset that waits for a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// UUIDv7.
    pub id: String,
    /// Whose factors.
    pub person_id: String,
    /// Of which facility they are a member.
    pub organisation_id: String,
    /// Their name.
    pub name: String,
    /// Their login name.
    pub login_name: String,
    /// Why.
    pub reason: String,
    /// Who asked.
    pub asked_by: String,
    /// Name of whoever asked.
    pub asked_by_name: String,
    /// When.
    pub asked_at: OffsetDateTime,
    /// Until when it can be decided.
    pub expires_at: OffsetDateTime,
}

/// A reset that can be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Whose factors.
    pub person_id: String,
    /// Who asked.
    pub asked_by: String,
    /// Who might have asked: the hands of that person at that moment ([`crate::account::hands_of`]).
    pub asked_by_hands: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    person_id: String,
    organisation_id: String,
    name: Option<String>,
    login_name: String,
    reason: String,
    asked_by: String,
    asked_by_name: Option<String>,
    asked_at: i64,
    expires_at: i64,
}

/// Members in force of a facility who have an account, by name.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn candidates(
    queries: &mut impl Queries,
    organisation_id: &str,
    limit: i64,
) -> Result<Vec<Candidate>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT a.person_id, n.name, a.login_name
                 FROM membership m
                 JOIN membership_event e ON e.id =
                      (SELECT l.id FROM membership_event l WHERE l.membership_id = m.id
                       ORDER BY l.at DESC, l.id DESC LIMIT 1)
                 JOIN account a ON a.person_id = m.person_id
                 JOIN person_name n ON n.person_id = m.person_id
                 WHERE m.organisation_id = $1 AND e.kind = 'started'
                 ORDER BY n.name_kana, a.login_name LIMIT $2")
            .bind(organisation_id)
            .bind(limit),
        )
        .await
}

/// Asks for a reset; answers its identifier, or `None` where one waits already.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn ask(tx: &mut Tx, new: NewReset<'_>) -> Result<Option<String>, StoreError> {
    let waits: Option<(String,)> = tx
        .fetch_optional(
            sql("SELECT id FROM factor_reset
                 WHERE person_id = $1 AND decision IS NULL AND expires_at > $2")
            .bind(new.person_id)
            .bind(new.at),
        )
        .await?;
    if waits.is_some() {
        return Ok(None);
    }
    let id = Uuid::now_v7().to_string();
    let hands = account::hands_of(tx, new.asked_by).await?;
    tx.execute(
        sql("INSERT INTO factor_reset (id, person_id, organisation_id, reason, asked_at, asked_by, asked_by_hands,
                 expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(&id)
        .bind(new.person_id)
        .bind(new.organisation_id)
        .bind(new.reason)
        .bind(new.at)
        .bind(new.asked_by)
        .bind(account::listed(&hands))
        .bind(new.expires_at),
    )
    .await?;
    Ok(Some(id))
}

/// The resets of a facility that can be decided now, the oldest first; of all facilities without one.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn waiting(
    queries: &mut impl Queries,
    organisation_id: Option<&str>,
    at: OffsetDateTime,
    limit: i64,
) -> Result<Vec<Waiting>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql("SELECT r.id, r.person_id, r.organisation_id, n.name, a.login_name, r.reason,
                        r.asked_by, b.name AS asked_by_name, r.asked_at, r.expires_at
                 FROM factor_reset r
                 JOIN account a ON a.person_id = r.person_id
                 LEFT JOIN person_name n ON n.person_id = r.person_id
                 LEFT JOIN person_name b ON b.person_id = r.asked_by
                 WHERE r.decision IS NULL AND r.expires_at > $1
                   AND ($2 = '' OR r.organisation_id = $2)
                 ORDER BY r.asked_at, r.id LIMIT $3")
            .bind(at)
            .bind(organisation_id.unwrap_or_default())
            .bind(limit),
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Waiting {
                id: row.id,
                person_id: row.person_id,
                organisation_id: row.organisation_id,
                name: row.name.unwrap_or_default(),
                login_name: row.login_name,
                reason: row.reason,
                asked_by: row.asked_by,
                asked_by_name: row.asked_by_name.unwrap_or_default(),
                asked_at: moment("factor reset", row.asked_at)?,
                expires_at: moment("factor reset", row.expires_at)?,
            })
        })
        .collect()
}

/// Whose factors a reset is about, and who asked for it, where it can be decided now at this facility.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn open(
    queries: &mut impl Queries,
    id: &str,
    organisation_id: &str,
    at: OffsetDateTime,
) -> Result<Option<Open>, StoreError> {
    let row: Option<(String, String, Option<String>)> = queries
        .fetch_optional(
            sql("SELECT person_id, asked_by, asked_by_hands FROM factor_reset
                 WHERE id = $1 AND organisation_id = $2 AND decision IS NULL AND expires_at > $3")
            .bind(id)
            .bind(organisation_id)
            .bind(at),
        )
        .await?;
    row.map(|(person_id, asked_by, hands)| {
        let hands = hands.map(|hands| text_list("hands of a factor reset", &hands));
        // Asked before hands were kept: by that person, as far as is known.
        let asked_by_hands = hands.transpose()?.unwrap_or_else(|| vec![asked_by.clone()]);
        Ok(Open { person_id, asked_by, asked_by_hands })
    })
    .transpose()
}

/// Approves a reset; answers whose factors it is about, or `None` where it was decided before, is over or of another
/// facility, or where `by` asked for it or would profit from it.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn approve(
    tx: &mut Tx,
    id: &str,
    organisation_id: &str,
    by: &str,
    at: OffsetDateTime,
) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = tx
        .fetch_optional(
            sql("UPDATE factor_reset SET decision = 'approved', decided_at = $4, decided_by = $3
                 WHERE id = $1 AND organisation_id = $2 AND decision IS NULL AND expires_at > $4
                   AND asked_by <> $3 AND person_id <> $3
                 RETURNING person_id")
            .bind(id)
            .bind(organisation_id)
            .bind(by)
            .bind(at),
        )
        .await?;
    Ok(row.map(|(person_id,)| person_id))
}

/// Refuses a reset, which whoever asked for it may do as well; answers whether it waited.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn refuse(
    tx: &mut Tx,
    id: &str,
    organisation_id: &str,
    by: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE factor_reset SET decision = 'refused', decided_at = $4, decided_by = $3
                 WHERE id = $1 AND organisation_id = $2 AND decision IS NULL AND expires_at > $4")
            .bind(id)
            .bind(organisation_id)
            .bind(by)
            .bind(at),
        )
        .await?;
    Ok(changed == 1)
}
