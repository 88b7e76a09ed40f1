//! Emergency accesses (break-glass): for an hour of one login, services that opted in open although
//! membership, prefecture or hours do not fit. Each has a reason, and a second person judges it.
//!
//! One is in force while nobody ended it, its hour is not over and its login lives; that is read anew at
//! each decision, so nothing has to be switched off in time. The end is noted afterwards, with its record.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    moment::{digest, moment, moment_opt},
    sql,
};

/// One emergency access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmergencyAccess {
    /// UUIDv7; what tokens name.
    pub id: String,
    /// The login that it belongs to.
    pub session_hash: [u8; 32],
    /// Whose.
    pub person_id: String,
    /// Where.
    pub organisation_id: String,
    /// At which terminal.
    pub terminal_id: String,
    /// How the person had proved themself.
    pub acr: String,
    /// Whether they were no member there.
    pub visiting: bool,
    /// Code of the reason.
    pub reason: String,
    /// The person's words.
    pub words: String,
    /// From when.
    pub started_at: OffsetDateTime,
    /// Until when at most.
    pub ends_at: OffsetDateTime,
    /// When and why it was over, once that is noted.
    pub ended: Option<(OffsetDateTime, String)>,
    /// When the login ended.
    pub session_ended_at: Option<OffsetDateTime>,
    /// Until when a second person is to review it.
    pub due_at: OffsetDateTime,
    /// Since when the operating body is shown it.
    pub escalated_at: Option<OffsetDateTime>,
    /// What a second person said.
    pub review: Option<Review>,
}

/// What a second person said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Who.
    pub reviewer_id: String,
    /// When.
    pub at: OffsetDateTime,
    /// Code of the verdict.
    pub verdict: String,
    /// In which words.
    pub words: String,
}

impl EmergencyAccess {
    /// When it was or will be over.
    #[must_use]
    pub fn over_at(&self) -> OffsetDateTime {
        let ended = self.ended.as_ref().map(|(at, _)| *at);
        ended.into_iter().chain(self.session_ended_at).fold(self.ends_at, OffsetDateTime::min)
    }

    /// Whether it is in force.
    #[must_use]
    pub fn runs(&self, now: OffsetDateTime) -> bool {
        now < self.over_at()
    }
}

/// What begins.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The login.
    pub session_hash: &'a [u8; 32],
    /// Whose.
    pub person_id: &'a str,
    /// Where.
    pub organisation_id: &'a str,
    /// At which terminal.
    pub terminal_id: &'a str,
    /// How the person proved themself.
    pub acr: &'a str,
    /// Whether they are no member there.
    pub visiting: bool,
    /// Code of the reason.
    pub reason: &'a str,
    /// The person's words.
    pub words: &'a str,
    /// Calendar day in Japan, `yyyy-mm-dd`.
    pub day: &'a str,
    /// How many a person may have on one such day.
    pub a_day: i64,
    /// From when.
    pub at: OffsetDateTime,
    /// Until when.
    pub ends_at: OffsetDateTime,
    /// Until when it is to be reviewed.
    pub due_at: OffsetDateTime,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It begins.
    Now {
        /// Its identifier.
        id: String,
        /// Which of that day it is for the person.
        number: i64,
    },
    /// The login has one already.
    Running(Box<EmergencyAccess>),
    /// The person has had as many as a day has.
    LimitReached,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    session_hash: Vec<u8>,
    person_id: String,
    organisation_id: String,
    terminal_id: String,
    acr: String,
    visiting: i64,
    reason: String,
    words: String,
    started_at: i64,
    ends_at: i64,
    ended_at: Option<i64>,
    end_reason: Option<String>,
    session_ended_at: Option<i64>,
    due_at: i64,
    escalated_at: Option<i64>,
    reviewed_at: Option<i64>,
    reviewer_id: Option<String>,
    verdict: Option<String>,
    review_words: Option<String>,
}

impl Row {
    fn read(self) -> Result<EmergencyAccess, StoreError> {
        const WHAT: &str = "emergency access";
        let reviewed_at = moment_opt(WHAT, self.reviewed_at)?;
        let review = match (reviewed_at, self.reviewer_id, self.verdict) {
            (Some(at), Some(reviewer_id), Some(verdict)) => {
                let words = self.review_words.unwrap_or_default();
                Some(Review { reviewer_id, at, verdict, words })
            }
            _ => None,
        };
        Ok(EmergencyAccess {
            session_hash: digest(WHAT, self.session_hash)?,
            started_at: moment(WHAT, self.started_at)?,
            ends_at: moment(WHAT, self.ends_at)?,
            ended: moment_opt(WHAT, self.ended_at)?
                .map(|at| (at, self.end_reason.unwrap_or_default())),
            session_ended_at: moment_opt(WHAT, self.session_ended_at)?,
            due_at: moment(WHAT, self.due_at)?,
            escalated_at: moment_opt(WHAT, self.escalated_at)?,
            review,
            id: self.id,
            person_id: self.person_id,
            organisation_id: self.organisation_id,
            terminal_id: self.terminal_id,
            acr: self.acr,
            visiting: self.visiting == 1,
            reason: self.reason,
            words: self.words,
        })
    }
}

/// The columns of [`Row`] with what follows `FROM`. `concat!` keeps the statements constants.
macro_rules! select_where {
    ($condition:literal) => {
        sql(concat!(
            "SELECT e.id, e.session_hash, e.person_id, e.organisation_id, e.terminal_id, e.acr, e.visiting,
                    e.reason, e.words, e.started_at, e.ends_at, e.ended_at, e.end_reason,
                    s.ended_at AS session_ended_at, e.due_at, e.escalated_at, e.reviewed_at,
                    e.reviewer_id, e.verdict, e.review_words
             FROM emergency_access e JOIN session s ON s.id_hash = e.session_hash
             WHERE ",
            $condition
        ))
    };
}

fn read(rows: Vec<Row>) -> Result<Vec<EmergencyAccess>, StoreError> {
    rows.into_iter().map(Row::read).collect()
}

/// Begins one, unless one runs in this login or the person has had as many as a day has. What lapsed in
/// this login has to be ended before: [`over_in_session`].
///
/// # Errors
/// [`StoreError::Conflict`]; [`StoreError::AlreadyExists`]: somebody else began one in this moment.
pub async fn begin(tx: &mut Tx, asked: Asked<'_>) -> Result<Begun, StoreError> {
    if let Some(running) = in_force(tx, asked.session_hash, asked.at).await? {
        return Ok(Begun::Running(Box::new(running)));
    }
    let had = of_day(tx, asked.person_id, asked.day).await?;
    if had >= asked.a_day {
        return Ok(Begun::LimitReached);
    }
    let (id, number) = (Uuid::now_v7().to_string(), had + 1);
    tx.execute(
        sql("INSERT INTO emergency_access (id, session_hash, person_id, organisation_id, terminal_id,
                 acr, reason, words, day, number, started_at, ends_at, due_at, visiting)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)")
        .bind(&id)
        .bind(asked.session_hash)
        .bind(asked.person_id)
        .bind(asked.organisation_id)
        .bind(asked.terminal_id)
        .bind(asked.acr)
        .bind(asked.reason)
        .bind(asked.words)
        .bind(asked.day)
        .bind(number)
        .bind(asked.at)
        .bind(asked.ends_at)
        .bind(asked.due_at)
        .bind(i64::from(asked.visiting)),
    )
    .await?;
    Ok(Begun::Now { id, number })
}

/// How many a person has had on a day (`yyyy-mm-dd`, in Japan).
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn of_day(
    queries: &mut impl Queries,
    person_id: &str,
    day: &str,
) -> Result<i64, StoreError> {
    let counted: Option<(i64,)> = queries
        .fetch_optional(
            sql("SELECT CAST(COUNT(*) AS BIGINT) FROM emergency_access
                 WHERE person_id = $1 AND day = $2")
            .bind(person_id)
            .bind(day),
        )
        .await?;
    Ok(counted.map_or(0, |(count,)| count))
}

/// The one that is in force in a login now.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn in_force(
    queries: &mut impl Queries,
    session_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<EmergencyAccess>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            select_where!(
                "e.session_hash = $1 AND e.ended_at IS NULL AND e.ends_at > $2 AND s.ended_at IS NULL"
            )
            .bind(session_hash)
            .bind(now),
        )
        .await?;
    row.map(Row::read).transpose()
}

/// One by its identifier, over or not.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    id: &str,
) -> Result<Option<EmergencyAccess>, StoreError> {
    let row: Option<Row> = queries.fetch_optional(select_where!("e.id = $1").bind(id)).await?;
    row.map(Row::read).transpose()
}

/// Those of a login whose end is to be noted.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn over_in_session(
    queries: &mut impl Queries,
    session_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Vec<EmergencyAccess>, StoreError> {
    let over = select_where!("e.session_hash = $1 AND e.ended_at IS NULL AND e.ends_at <= $2");
    read(queries.fetch_all(over.bind(session_hash).bind(now)).await?)
}

/// Those whose end is to be noted: their hour or their login is over.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn over(
    queries: &mut impl Queries,
    now: OffsetDateTime,
    limit: i64,
) -> Result<Vec<EmergencyAccess>, StoreError> {
    let over = select_where!(
        "e.ended_at IS NULL AND (e.ends_at <= $1 OR s.ended_at IS NOT NULL) ORDER BY e.ends_at LIMIT $2"
    );
    read(queries.fetch_all(over.bind(now).bind(limit)).await?)
}

/// Notes the end, by a person or by itself; `false` where it was noted before.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end(
    tx: &mut Tx,
    id: &str,
    reason: &str,
    by: Option<&str>,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let statement = sql("UPDATE emergency_access SET ended_at = $2, end_reason = $3, ended_by = $4
                         WHERE id = $1 AND ended_at IS NULL");
    let changed = tx.execute(statement.bind(id).bind(at).bind(reason).bind(by)).await?;
    Ok(changed == 1)
}

/// Those of a facility: first what nobody has reviewed, as it falls due, then the newest.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_organisation(
    queries: &mut impl Queries,
    organisation_id: &str,
    limit: i64,
) -> Result<Vec<EmergencyAccess>, StoreError> {
    let found = select_where!(
        "e.organisation_id = $1
         ORDER BY CASE WHEN e.reviewed_at IS NULL THEN e.due_at END NULLS LAST,
                  e.started_at DESC, e.id DESC LIMIT $2"
    );
    read(queries.fetch_all(found.bind(organisation_id).bind(limit)).await?)
}

/// Those of a person, the newest first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_person(
    queries: &mut impl Queries,
    person_id: &str,
    limit: i64,
) -> Result<Vec<EmergencyAccess>, StoreError> {
    let found = select_where!("e.person_id = $1 ORDER BY e.started_at DESC, e.id DESC LIMIT $2");
    read(queries.fetch_all(found.bind(person_id).bind(limit)).await?)
}

/// How many of a facility this person may have to review: nobody has, and they are not the person's own.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn count_unreviewed(
    queries: &mut impl Queries,
    organisation_id: &str,
    reviewer_id: &str,
) -> Result<i64, StoreError> {
    let counted: Option<(i64,)> = queries
        .fetch_optional(
            sql("SELECT CAST(COUNT(*) AS BIGINT) FROM emergency_access
                 WHERE organisation_id = $1 AND reviewed_at IS NULL AND person_id <> $2")
            .bind(organisation_id)
            .bind(reviewer_id),
        )
        .await?;
    Ok(counted.map_or(0, |(count,)| count))
}

/// Those that nobody reviewed in time and nobody has since, the oldest first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn escalated(
    queries: &mut impl Queries,
    limit: i64,
) -> Result<Vec<EmergencyAccess>, StoreError> {
    let found = select_where!(
        "e.reviewed_at IS NULL AND e.escalated_at IS NOT NULL ORDER BY e.due_at, e.id LIMIT $1"
    );
    read(queries.fetch_all(found.bind(limit)).await?)
}

/// How many [`escalated`] there are.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn count_escalated(queries: &mut impl Queries) -> Result<i64, StoreError> {
    let counted: Option<(i64,)> = queries
        .fetch_optional(sql("SELECT CAST(COUNT(*) AS BIGINT) FROM emergency_access
                             WHERE reviewed_at IS NULL AND escalated_at IS NOT NULL"))
        .await?;
    Ok(counted.map_or(0, |(count,)| count))
}

/// Those that nobody reviewed in time, not yet escalated.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn overdue(
    queries: &mut impl Queries,
    now: OffsetDateTime,
    limit: i64,
) -> Result<Vec<EmergencyAccess>, StoreError> {
    let found = select_where!(
        "e.reviewed_at IS NULL AND e.escalated_at IS NULL AND e.due_at <= $1 ORDER BY e.due_at LIMIT $2"
    );
    read(queries.fetch_all(found.bind(now).bind(limit)).await?)
}

/// Shows one to the operating body from now; `false` where it is shown already, or reviewed.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn escalate(tx: &mut Tx, id: &str, at: OffsetDateTime) -> Result<bool, StoreError> {
    let statement = sql("UPDATE emergency_access SET escalated_at = $2
                         WHERE id = $1 AND escalated_at IS NULL AND reviewed_at IS NULL");
    Ok(tx.execute(statement.bind(id).bind(at)).await? == 1)
}

/// Keeps what a second person says; `false` where somebody said before.
///
/// # Errors
/// [`StoreError::Unavailable`], also for the person's own; [`StoreError::Conflict`].
pub async fn review(tx: &mut Tx, id: &str, review: &Review) -> Result<bool, StoreError> {
    let statement = sql("UPDATE emergency_access
                         SET reviewed_at = $2, reviewer_id = $3, verdict = $4, review_words = $5
                         WHERE id = $1 AND reviewed_at IS NULL");
    let bound = statement
        .bind(id)
        .bind(review.at)
        .bind(&review.reviewer_id)
        .bind(&review.verdict)
        .bind(&review.words);
    Ok(tx.execute(bound).await? == 1)
}
