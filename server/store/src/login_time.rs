//! How long people's logins took, so that whoever waits can tell the help desk where.
//!
//! What the page measured is the page's word, good for nothing but this; the portal's page and the first service
//! are measured here. Nothing is decided by it, so it is noted without a record of the trail.

use time::OffsetDateTime;

use crate::{
    Queries, Store, StoreError, Tx,
    db::housekeeping,
    moment::{digest, moment},
    sql,
};

/// What the page measured of a login by card, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// From the beginning until the agent had proved itself.
    pub agent: u32,
    /// Until the card was read.
    pub card: u32,
    /// While the person typed the PIN.
    pub pin: u32,
    /// While the card signed.
    pub sign: u32,
}

/// The login of which something was measured.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// The session.
    pub session_hash: &'a [u8; 32],
    /// Whose.
    pub person_id: &'a str,
    /// Where.
    pub organisation_id: &'a str,
    /// At which terminal.
    pub terminal_id: &'a str,
    /// When.
    pub at: OffsetDateTime,
}

/// How long a login took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginTime {
    /// What the person reads to the help desk.
    pub code: String,
    /// The session.
    pub session_hash: [u8; 32],
    /// Where.
    pub organisation_id: String,
    /// At which terminal.
    pub terminal_id: String,
    /// When.
    pub at: OffsetDateTime,
    /// By the page.
    pub measured: Measured,
    /// From the card's answer until the portal's page was asked for, in milliseconds.
    pub portal: Option<u32>,
    /// The first service, and the milliseconds from its question until it had its tokens.
    pub service: Option<(String, Option<u32>)>,
}

#[derive(serde::Deserialize)]
struct Row {
    session_hash: Vec<u8>,
    code: String,
    organisation_id: String,
    terminal_id: String,
    at: i64,
    agent_ms: i64,
    card_ms: i64,
    pin_ms: i64,
    sign_ms: i64,
    portal_ms: Option<i64>,
    service_id: Option<String>,
    service_ms: Option<i64>,
}

impl Row {
    fn into_time(self) -> Result<LoginTime, StoreError> {
        let ms = |stored: i64| {
            u32::try_from(stored).map_err(|_| StoreError::Corrupt {
                what: "login time",
                detail: format!("{stored} milliseconds"),
            })
        };
        let service_ms = self.service_ms.map(ms).transpose()?;
        Ok(LoginTime {
            code: self.code,
            session_hash: digest("login time", self.session_hash)?,
            organisation_id: self.organisation_id,
            terminal_id: self.terminal_id,
            at: moment("login time", self.at)?,
            measured: Measured {
                agent: ms(self.agent_ms)?,
                card: ms(self.card_ms)?,
                pin: ms(self.pin_ms)?,
                sign: ms(self.sign_ms)?,
            },
            portal: self.portal_ms.map(ms).transpose()?,
            service: self.service_id.map(|id| (id, service_ms)),
        })
    }
}

/// The columns of [`Row`]. `concat!` keeps the statements constants.
macro_rules! select_times {
    ($condition:literal) => {
        concat!(
            "SELECT session_hash, code, organisation_id, terminal_id, at, agent_ms, card_ms, pin_ms, sign_ms,
                 portal_ms, service_id, service_ms
             FROM login_time WHERE ",
            $condition
        )
    };
}

/// Unix time in milliseconds.
fn unix_ms(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// Notes what was measured of a login, in the place of an earlier one of its session; `false` where the code is
/// somebody's already.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn note(
    tx: &mut Tx,
    of: Of<'_>,
    code: &str,
    measured: Measured,
) -> Result<bool, StoreError> {
    tx.execute(sql("DELETE FROM login_time WHERE session_hash = $1").bind(of.session_hash)).await?;
    let noted = tx
        .execute(
            sql("INSERT INTO login_time (session_hash, person_id, code, terminal_id, organisation_id, at,
                     agent_ms, card_ms, pin_ms, sign_ms, opened_unix_ms)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (code) DO NOTHING")
            .bind(of.session_hash)
            .bind(of.person_id)
            .bind(code)
            .bind(of.terminal_id)
            .bind(of.organisation_id)
            .bind(of.at)
            .bind(i64::from(measured.agent))
            .bind(i64::from(measured.card))
            .bind(i64::from(measured.pin))
            .bind(i64::from(measured.sign))
            .bind(unix_ms(of.at)),
        )
        .await?;
    Ok(noted == 1)
}

impl Store {
    /// Notes that the portal's page of this login is shown, the first time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn note_portal_shown(
        &self,
        session_hash: &[u8; 32],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        housekeeping!(self, |tx| {
            tx.execute(
                sql("UPDATE login_time SET portal_ms = $2 - opened_unix_ms
                     WHERE session_hash = $1 AND portal_ms IS NULL AND $2 >= opened_unix_ms
                       AND $2 - opened_unix_ms < 3600000")
                .bind(session_hash)
                .bind(unix_ms(at)),
            )
            .await?;
        })
    }
}

/// Notes that a service is asked for in this login, if it is the first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn note_service_asked(
    tx: &mut Tx,
    session_hash: &[u8; 32],
    service_id: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE login_time SET service_id = $2, asked_unix_ms = $3
             WHERE session_hash = $1 AND service_id IS NULL")
        .bind(session_hash)
        .bind(service_id)
        .bind(unix_ms(at)),
    )
    .await?;
    Ok(())
}

/// Notes that the first service of this login has its tokens.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn note_service_entered(
    tx: &mut Tx,
    session_hash: &[u8; 32],
    service_id: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE login_time SET service_ms = $3 - asked_unix_ms
             WHERE session_hash = $1 AND service_id = $2 AND service_ms IS NULL
               AND $3 - asked_unix_ms BETWEEN 0 AND 3600000")
        .bind(session_hash)
        .bind(service_id)
        .bind(unix_ms(at)),
    )
    .await?;
    Ok(())
}

/// The latest logins of a person of which something was measured.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_person(
    queries: &mut impl Queries,
    person_id: &str,
    most: i64,
) -> Result<Vec<LoginTime>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_times!("person_id = $1 ORDER BY at DESC, code LIMIT $2"))
                .bind(person_id)
                .bind(most),
        )
        .await?;
    rows.into_iter().map(Row::into_time).collect()
}

/// The login of this code.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn by_code(
    queries: &mut impl Queries,
    code: &str,
) -> Result<Option<LoginTime>, StoreError> {
    let row: Option<Row> =
        queries.fetch_optional(sql(select_times!("code = $1")).bind(code)).await?;
    row.map(Row::into_time).transpose()
}
