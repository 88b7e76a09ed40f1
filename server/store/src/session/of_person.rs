//! The living sessions of one person, as that person sees them.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError,
    moment::{digest, moment, text_list},
    sql,
};

/// A session at a terminal that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Names it.
    pub id_hash: [u8; 32],
    /// The facility.
    pub organisation_id: String,
    /// What it is called now.
    pub organisation_name: String,
    /// The terminal.
    pub terminal_id: String,
    /// Its name.
    pub terminal_name: String,
    /// How the person proved themself (`sekisho_wire::acr`).
    pub acr: String,
    /// Methods (RFC 8176).
    pub amr: Vec<String>,
    /// When.
    pub auth_time: OffsetDateTime,
    /// The latest request, to within a minute.
    pub last_seen_at: OffsetDateTime,
    /// The end that no activity puts off.
    pub expires_at: OffsetDateTime,
    /// Whether the card left and the screen waits for it.
    pub locked: bool,
    /// Services that have something of it which counts.
    pub services: i64,
}

#[derive(serde::Deserialize)]
struct Row {
    id_hash: Vec<u8>,
    organisation_id: String,
    organisation_name: Option<String>,
    terminal_id: String,
    terminal_name: String,
    acr: String,
    amr: String,
    auth_time: i64,
    last_seen_at: i64,
    expires_at: i64,
    locked: i64,
    services: i64,
}

/// Those of a person at terminals, the latest login first; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn live_of_person(
    queries: &mut impl Queries,
    person_id: &str,
    now: OffsetDateTime,
    limit: i64,
) -> Result<Vec<Live>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql("SELECT s.id_hash, s.organisation_id,
                        (SELECT n.name FROM organisation_name n
                         WHERE n.organisation_id = s.organisation_id AND n.valid_until IS NULL)
                            AS organisation_name,
                        t.id AS terminal_id, t.name AS terminal_name, s.acr, s.amr, s.auth_time,
                        s.last_seen_at, s.expires_at,
                        CASE WHEN s.locked_at IS NULL THEN CAST(0 AS BIGINT) ELSE 1 END AS locked,
                        (SELECT CAST(COUNT(DISTINCT g.service_id) AS BIGINT) FROM token_grant g
                         WHERE g.session_hash = s.id_hash AND g.withdrawn_at IS NULL) AS services
                 FROM session s JOIN terminal t ON t.id = s.terminal_id
                 WHERE s.person_id = $1 AND s.ended_at IS NULL AND s.realm = 'portal' AND s.expires_at > $2
                 ORDER BY s.auth_time DESC, s.id_hash LIMIT $3")
            .bind(person_id)
            .bind(now)
            .bind(limit),
        )
        .await?;
    let live = |row: Row| {
        Ok(Live {
            id_hash: digest("session", row.id_hash)?,
            organisation_id: row.organisation_id,
            organisation_name: row.organisation_name.unwrap_or_default(),
            terminal_id: row.terminal_id,
            terminal_name: row.terminal_name,
            acr: row.acr,
            amr: text_list("amr", &row.amr)?,
            auth_time: moment("session", row.auth_time)?,
            last_seen_at: moment("session", row.last_seen_at)?,
            expires_at: moment("session", row.expires_at)?,
            locked: row.locked != 0,
            services: row.services,
        })
    };
    rows.into_iter().map(live).collect()
}
