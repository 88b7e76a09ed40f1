//! The register: organisations under an identifier that is never assigned again, their names and
//! codes with history, and the events from which their status follows.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx, activation_code,
    application::{self, Code, Particulars},
    event::{self, Event, Of},
    moment::{moment, moment_opt},
    organisation_kind::OrganisationKind,
    router_psk::{self, PskEnd},
    router_setup, search,
    session::{self, SessionOf},
    sql,
};

/// Where an organisation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrganisationStatus {
    /// In the register; nobody used the letter yet.
    Approved,
    /// Its administrator is known: it may act.
    Active,
    /// May not act for now.
    Suspended,
    /// Gone for good; its identifier stays taken.
    Closed,
}

impl OrganisationStatus {
    /// As on pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }

    /// Whether it was in operation and may not act, for now or for good.
    #[must_use]
    pub const fn is_halted(self) -> bool {
        matches!(self, Self::Suspended | Self::Closed)
    }

    /// What an event makes of an organisation; `None` for an event of a later version, after which
    /// nobody may act.
    #[must_use]
    pub(crate) fn of_event(kind: &str) -> Option<Self> {
        Some(match kind {
            "approved" => Self::Approved,
            "activated" | "resumed" => Self::Active,
            "suspended" => Self::Suspended,
            "closed" => Self::Closed,
            _ => return None,
        })
    }

    fn stored(kind: &str) -> Result<Self, StoreError> {
        Self::of_event(kind).ok_or_else(|| StoreError::Corrupt {
            what: "organisation event",
            detail: format!("{kind} is not known"),
        })
    }
}

/// An organisation as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organisation {
    /// The immutable identifier, twelve digits.
    pub id: String,
    /// Its kind.
    pub kind: OrganisationKind,
    /// Current name.
    pub name: String,
    /// Current name in katakana.
    pub name_kana: String,
    /// JIS X 0401, 1 to 47.
    pub prefecture: u8,
    /// `NNN-NNNN`.
    pub postal_code: String,
    /// Address as the register has it: where letters go.
    pub address: String,
    /// When it was entered.
    pub created_at: OffsetDateTime,
    /// Where it stands.
    pub status: OrganisationStatus,
}

/// A value with the time for which it held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period<T> {
    /// The value.
    pub value: T,
    /// From when.
    pub from: OffsetDateTime,
    /// Until when; absent while it holds.
    pub until: Option<OffsetDateTime>,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    kind: String,
    name: String,
    name_kana: String,
    prefecture: i64,
    postal_code: String,
    address: String,
    created_at: i64,
    event: String,
}

impl Row {
    fn into_organisation(self) -> Result<Organisation, StoreError> {
        Ok(Organisation {
            status: OrganisationStatus::stored(&self.event)?,
            kind: application::kind(&self.kind)?,
            prefecture: application::prefecture(self.prefecture)?,
            created_at: moment("organisation", self.created_at)?,
            id: self.id,
            name: self.name,
            name_kana: self.name_kana,
            postal_code: self.postal_code,
            address: self.address,
        })
    }
}

/// The columns of [`Row`]. `concat!` keeps the statements constants.
macro_rules! select_organisation {
    ($condition:literal) => {
        concat!(
            "SELECT o.id, o.kind, n.name, n.name_kana, o.prefecture, o.postal_code, o.address,
                    o.created_at,
                    (SELECT e.kind FROM organisation_event e WHERE e.organisation_id = o.id
                     ORDER BY e.at DESC, e.id DESC LIMIT 1) AS event
             FROM organisation o
             JOIN organisation_name n ON n.organisation_id = o.id AND n.valid_until IS NULL
             WHERE ",
            $condition
        )
    };
}

/// How many there are, whatever became of them.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn count(queries: &mut impl Queries) -> Result<i64, StoreError> {
    let (count,) = queries.fetch_one(sql("SELECT COUNT(*) FROM organisation")).await?;
    Ok(count)
}

/// The organisation of this identifier.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    id: &str,
) -> Result<Option<Organisation>, StoreError> {
    let row: Option<Row> =
        queries.fetch_optional(sql(select_organisation!("o.id = $1")).bind(id)).await?;
    row.map(Row::into_organisation).transpose()
}

/// Organisations whose name, past or present, holds `text`, or whose identifier or code it is; all
/// for an empty `text`. By kana: `limit` of them after the first `offset`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn search(
    queries: &mut impl Queries,
    text: &str,
    offset: i64,
    limit: i64,
) -> Result<Vec<Organisation>, StoreError> {
    let key = search::key(text);
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_organisation!(
                "o.id = $1
                 OR EXISTS (SELECT 1 FROM organisation_code c
                            WHERE c.organisation_id = o.id AND LOWER(c.value) = $1)
                 OR EXISTS (SELECT 1 FROM organisation_name k
                            WHERE k.organisation_id = o.id AND k.search_key LIKE $2 ESCAPE '!')
                 ORDER BY n.name_kana, o.id LIMIT $4 OFFSET $3"
            ))
            .bind(&key)
            .bind(search::holding(&key))
            .bind(offset)
            .bind(limit),
        )
        .await?;
    rows.into_iter().map(Row::into_organisation).collect()
}

/// The organisation that an application became.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_application(
    queries: &mut impl Queries,
    application_id: &str,
) -> Result<Option<Organisation>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(sql(select_organisation!("o.application_id = $1")).bind(application_id))
        .await?;
    row.map(Row::into_organisation).transpose()
}

/// All names that an organisation had, the current one first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn names(
    queries: &mut impl Queries,
    id: &str,
) -> Result<Vec<Period<String>>, StoreError> {
    let rows: Vec<(String, i64, Option<i64>)> = queries
        .fetch_all(
            sql("SELECT name, valid_from, valid_until FROM organisation_name
                 WHERE organisation_id = $1 ORDER BY valid_from DESC")
            .bind(id),
        )
        .await?;
    rows.into_iter().map(|(name, from, until)| period(name, from, until)).collect()
}

/// All codes that an organisation had, current ones first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn codes(queries: &mut impl Queries, id: &str) -> Result<Vec<Period<Code>>, StoreError> {
    let rows: Vec<(String, String, i64, Option<i64>)> = queries
        .fetch_all(
            sql("SELECT scheme, value, valid_from, valid_until FROM organisation_code
                 WHERE organisation_id = $1
                 ORDER BY CASE WHEN valid_until IS NULL THEN 0 ELSE 1 END, scheme, value, valid_from")
            .bind(id),
        )
        .await?;
    rows.into_iter()
        .map(|(scheme, value, from, until)| {
            period(application::code((scheme, value))?, from, until)
        })
        .collect()
}

fn period<T>(value: T, from: i64, until: Option<i64>) -> Result<Period<T>, StoreError> {
    Ok(Period { value, from: moment("validity", from)?, until: moment_opt("validity", until)? })
}

/// Who has this code now.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn holder_of(
    queries: &mut impl Queries,
    code: &Code,
) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT organisation_id FROM organisation_code
                 WHERE scheme = $1 AND value = $2 AND valid_until IS NULL")
            .bind(code.scheme.as_str())
            .bind(&code.value),
        )
        .await?;
    Ok(row.map(|(id,)| id))
}

/// Where the register says an organisation is.
#[derive(Clone, Copy, Debug)]
pub struct RegisteredAddress<'a> {
    /// `NNN-NNNN`.
    pub postal_code: &'a str,
    /// Address.
    pub address: &'a str,
}

/// Enters what an application asked for under a new identifier; `false` when that identifier was
/// ever assigned before, and then nothing was written.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the application is in the register, or a code is somebody's.
pub async fn enter(
    tx: &mut Tx,
    id: &str,
    application_id: &str,
    particulars: &Particulars,
    address: RegisteredAddress<'_>,
    person_id: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let entered = tx
        .execute(
            sql("INSERT INTO organisation
                     (id, application_id, kind, prefecture, postal_code, address, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING")
            .bind(id)
            .bind(application_id)
            .bind(particulars.kind.as_str())
            .bind(i64::from(particulars.prefecture))
            .bind(address.postal_code)
            .bind(address.address)
            .bind(at),
        )
        .await?;
    if entered == 0 {
        return Ok(false);
    }
    add_name(tx, id, &particulars.name, &particulars.name_kana, at).await?;
    for code in &particulars.codes {
        add_code(tx, id, code, at).await?;
    }
    let event = Event { kind: "approved", person_id: Some(person_id), reason: "", at };
    event::add(tx, Of::Organisation, id, event).await?;
    Ok(true)
}

/// Gives an organisation another name from now on; the old one stays in the history.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: it was renamed in this very second.
pub async fn rename(
    tx: &mut Tx,
    id: &str,
    name: &str,
    name_kana: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE organisation_name SET valid_until = $2
             WHERE organisation_id = $1 AND valid_until IS NULL")
        .bind(id)
        .bind(at),
    )
    .await?;
    add_name(tx, id, name, name_kana, at).await
}

async fn add_name(
    tx: &mut Tx,
    id: &str,
    name: &str,
    name_kana: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO organisation_name (organisation_id, name, name_kana, search_key, valid_from)
             VALUES ($1, $2, $3, $4, $5)")
        .bind(id)
        .bind(name)
        .bind(name_kana)
        .bind(search::key(&format!("{name} {name_kana}")))
        .bind(at),
    )
    .await?;
    Ok(())
}

/// Gives an organisation a code from now on.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the code is somebody's now.
pub async fn add_code(
    tx: &mut Tx,
    id: &str,
    code: &Code,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO organisation_code (organisation_id, scheme, value, valid_from)
             VALUES ($1, $2, $3, $4)")
        .bind(id)
        .bind(code.scheme.as_str())
        .bind(&code.value)
        .bind(at),
    )
    .await?;
    Ok(())
}

/// Ends a code of an organisation; `false` when it did not hold.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end_code(
    tx: &mut Tx,
    id: &str,
    code: &Code,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let ended = tx
        .execute(
            sql(
                "UPDATE organisation_code SET valid_until = $4
                 WHERE organisation_id = $1 AND scheme = $2 AND value = $3 AND valid_until IS NULL",
            )
            .bind(id)
            .bind(code.scheme.as_str())
            .bind(&code.value)
            .bind(at),
        )
        .await?;
    Ok(ended == 1)
}

/// What a person of the operating body does to an organisation that stands in the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusChange {
    /// It may not act for now.
    Suspend,
    /// It may act again.
    Resume,
    /// It is gone for good.
    Close,
}

impl StatusChange {
    /// All, mildest first.
    pub const ALL: [Self; 3] = [Self::Resume, Self::Suspend, Self::Close];

    /// In forms and audit records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Close => "close",
        }
    }

    /// From its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.as_str() == word)
    }

    /// Whether an organisation that stands so can be changed so. Suspended before it was activated,
    /// it cannot be; a closed one stays closed.
    #[must_use]
    pub const fn fits(self, status: OrganisationStatus) -> bool {
        use OrganisationStatus::{Active, Approved, Suspended};
        match self {
            Self::Suspend => matches!(status, Approved | Active),
            Self::Resume => matches!(status, Suspended),
            Self::Close => matches!(status, Approved | Active | Suspended),
        }
    }

    /// The event that it is. Resumed, an organisation whose letter nobody used waits for that again.
    const fn event(self, activated: bool) -> &'static str {
        match self {
            Self::Suspend => "suspended",
            Self::Resume if !activated => "approved",
            Self::Resume => "resumed",
            Self::Close => "closed",
        }
    }

    /// Why the pre-shared keys of its routers ended; `None` where they stay.
    const fn ends_keys(self) -> Option<PskEnd> {
        match self {
            Self::Suspend => Some(PskEnd::FacilitySuspended),
            Self::Resume => None,
            Self::Close => Some(PskEnd::FacilityClosed),
        }
    }

    /// Why its sessions ended, as in the session's row; `None` where they stay.
    const fn end_reason(self) -> Option<&'static str> {
        match self {
            Self::Suspend => Some("organisation_suspended"),
            Self::Resume => None,
            Self::Close => Some("organisation_closed"),
        }
    }
}

/// Suspends, resumes or closes an organisation; answers the sessions that this ended.
///
/// `None`: there is no such organisation, or it does not stand so that this fits; nothing changed.
/// A closed one's terminals are the caller's to revoke, with the reason that lists shall give.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn change_status(
    tx: &mut Tx,
    id: &str,
    change: StatusChange,
    person_id: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Option<Vec<SessionOf>>, StoreError> {
    change_status_by(tx, id, change, Some(person_id), reason, at).await
}

/// The same by a person, or by an operator at the server's command line.
///
/// # Errors
/// As [`change_status`].
pub async fn change_status_by(
    tx: &mut Tx,
    id: &str,
    change: StatusChange,
    person_id: Option<&str>,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Option<Vec<SessionOf>>, StoreError> {
    let last: Option<(String, String, i64)> = tx
        .fetch_optional(
            sql("SELECT id, kind, at FROM organisation_event WHERE organisation_id = $1
                 ORDER BY at DESC, id DESC LIMIT 1")
            .bind(id),
        )
        .await?;
    let Some((last_id, last, last_at)) = last else { return Ok(None) };
    if !change.fits(OrganisationStatus::stored(&last)?) {
        return Ok(None);
    }
    let activated: Option<(String,)> = tx
        .fetch_optional(
            sql("SELECT id FROM organisation_event
                 WHERE organisation_id = $1 AND kind = 'activated' LIMIT 1")
            .bind(id),
        )
        .await?;
    // After the event that it answers, whatever this process's clock says: the latest one counts.
    let at = at.max(moment("organisation event", last_at)?);
    let event = Event { kind: change.event(activated.is_some()), person_id, reason, at };
    event::add_after(tx, Of::Organisation, id, &last_id, event).await?;
    if change == StatusChange::Close {
        activation_code::withdraw(tx, id, at).await?;
    }
    if let Some(reason) = change.ends_keys() {
        router_psk::end_of_facility(tx, id, reason, at).await?;
        router_setup::end_of_facility(tx, id, reason, at).await?;
    }
    match change.end_reason() {
        None => Ok(Some(Vec::new())),
        Some(why) => session::end_of_organisation(tx, id, why, at).await.map(Some),
    }
}

/// Something that happened to an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganisationEvent {
    /// When.
    pub at: OffsetDateTime,
    /// What it became.
    pub status: OrganisationStatus,
    /// The person who did it, if one did.
    pub person_id: Option<String>,
    /// Why, in the words of that person.
    pub reason: String,
}

/// What happened to an organisation, newest first. At most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn events(
    queries: &mut impl Queries,
    id: &str,
    limit: i64,
) -> Result<Vec<OrganisationEvent>, StoreError> {
    let rows: Vec<(i64, String, Option<String>, String)> = queries
        .fetch_all(
            sql("SELECT at, kind, person_id, reason FROM organisation_event
                 WHERE organisation_id = $1 ORDER BY at DESC, id DESC LIMIT $2")
            .bind(id)
            .bind(limit),
        )
        .await?;
    rows.into_iter()
        .map(|(at, kind, person_id, reason)| {
            let status = OrganisationStatus::stored(&kind)?;
            Ok(OrganisationEvent {
                at: moment("organisation event", at)?,
                status,
                person_id,
                reason,
            })
        })
        .collect()
}

/// Where an organisation stands, by its last event; `None` where there is none.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn status(
    queries: &mut impl Queries,
    id: &str,
) -> Result<Option<OrganisationStatus>, StoreError> {
    let last = events(queries, id, 1).await?.pop();
    Ok(last.map(|event| event.status))
}

/// Whether an organisation may act now.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn is_active(queries: &mut impl Queries, id: &str) -> Result<bool, StoreError> {
    Ok(status(queries, id).await? == Some(OrganisationStatus::Active))
}

/// An organisation's name as registered now.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn name(queries: &mut impl Queries, id: &str) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT name FROM organisation_name
                 WHERE organisation_id = $1 AND valid_until IS NULL")
            .bind(id),
        )
        .await?;
    Ok(row.map(|(name,)| name))
}
