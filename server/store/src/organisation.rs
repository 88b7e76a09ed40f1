//! The register: organisations under an identifier that is never assigned again, their names and
//! codes with history, and the events from which their status follows.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    application::{self, Code, Particulars},
    moment::{moment, moment_opt},
    organisation_kind::OrganisationKind,
    search, sql,
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

    fn of_event(kind: &str) -> Option<Self> {
        Some(match kind {
            "approved" => Self::Approved,
            "activated" | "resumed" => Self::Active,
            "suspended" => Self::Suspended,
            "closed" => Self::Closed,
            _ => return None,
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

#[derive(sqlx::FromRow)]
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
        let status =
            OrganisationStatus::of_event(&self.event).ok_or_else(|| StoreError::Corrupt {
                what: "organisation event",
                detail: format!("{} is not known", self.event),
            })?;
        Ok(Organisation {
            kind: application::kind(&self.kind)?,
            prefecture: application::prefecture(self.prefecture)?,
            created_at: moment("organisation", self.created_at)?,
            id: self.id,
            name: self.name,
            name_kana: self.name_kana,
            postal_code: self.postal_code,
            address: self.address,
            status,
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

/// Whether a person administers an organisation that has or ever had this code.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn is_administered_by(
    queries: &mut impl Queries,
    code: &Code,
    person_id: &str,
) -> Result<bool, StoreError> {
    let row: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT g.id FROM role_grant g
                 JOIN organisation_code c ON c.organisation_id = g.organisation_id
                 WHERE g.person_id = $1 AND g.role = 'facility_administrator'
                   AND g.withdrawn_at IS NULL AND c.scheme = $2 AND c.value = $3 LIMIT 1")
            .bind(person_id)
            .bind(code.scheme.as_str())
            .bind(&code.value),
        )
        .await?;
    Ok(row.is_some())
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
    add_event(tx, id, "approved", Some(person_id), "", at).await?;
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

/// Adds an event, from which the status follows.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
async fn add_event(
    tx: &mut Tx,
    id: &str,
    kind: &'static str,
    person_id: Option<&str>,
    reason: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO organisation_event (id, organisation_id, at, kind, person_id, reason)
             VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(Uuid::now_v7().to_string())
        .bind(id)
        .bind(at)
        .bind(kind)
        .bind(person_id)
        .bind(reason),
    )
    .await?;
    Ok(())
}

/// Keeps the activation code of a letter, by its hash. Codes of earlier letters end.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the code exists, which random ones never do.
pub async fn issue_activation_code(
    tx: &mut Tx,
    id: &str,
    code_hash: &[u8; 32],
    at: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE activation_code SET withdrawn_at = $2
             WHERE organisation_id = $1 AND used_at IS NULL AND withdrawn_at IS NULL")
        .bind(id)
        .bind(at),
    )
    .await?;
    tx.execute(
        sql("INSERT INTO activation_code (code_hash, organisation_id, created_at, expires_at)
             VALUES ($1, $2, $3, $4)")
        .bind(code_hash)
        .bind(id)
        .bind(at)
        .bind(expires_at),
    )
    .await?;
    Ok(())
}

/// What an activation code led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// The letter arrived: whoever brings the code acts for this organisation.
    Redeemed {
        /// The organisation.
        organisation_id: String,
    },
    /// No letter has this code.
    Unknown,
    /// The code was used before.
    Used,
    /// Its time is over.
    Expired,
    /// A later letter replaced it.
    Withdrawn,
    /// The organisation is suspended or closed.
    OrganisationInactive {
        /// The organisation.
        organisation_id: String,
    },
}

/// The organisation whose activation code this is, if it could be redeemed now. Spends nothing.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn find_by_activation_code(
    queries: &mut impl Queries,
    code_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<Option<String>, StoreError> {
    let found: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT organisation_id FROM activation_code
                 WHERE code_hash = $1 AND used_at IS NULL AND withdrawn_at IS NULL
                   AND expires_at > $2")
            .bind(code_hash)
            .bind(at),
        )
        .await?;
    Ok(found.map(|(organisation_id,)| organisation_id))
}

/// Consumes an activation code and, the first time, activates its organisation.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn redeem_activation_code(
    tx: &mut Tx,
    code_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<Redemption, StoreError> {
    let row: Option<(String, i64, Option<i64>, Option<i64>)> = tx
        .fetch_optional(
            sql("SELECT organisation_id, expires_at, used_at, withdrawn_at FROM activation_code
                 WHERE code_hash = $1")
            .bind(code_hash),
        )
        .await?;
    let Some((organisation_id, expires_at, used_at, withdrawn_at)) = row else {
        return Ok(Redemption::Unknown);
    };
    if used_at.is_some() {
        return Ok(Redemption::Used);
    }
    if withdrawn_at.is_some() {
        return Ok(Redemption::Withdrawn);
    }
    if expires_at <= at.unix_timestamp() {
        return Ok(Redemption::Expired);
    }
    let status = find(tx, &organisation_id).await?.map(|found| found.status);
    if !matches!(status, Some(OrganisationStatus::Approved | OrganisationStatus::Active)) {
        return Ok(Redemption::OrganisationInactive { organisation_id });
    }
    // The condition stands here once more: two that read the same row cannot both win.
    let consumed = tx
        .execute(
            sql("UPDATE activation_code SET used_at = $2 WHERE code_hash = $1
                   AND used_at IS NULL AND withdrawn_at IS NULL AND expires_at > $2")
            .bind(code_hash)
            .bind(at),
        )
        .await?;
    if consumed == 0 {
        return Ok(Redemption::Used);
    }
    if status == Some(OrganisationStatus::Approved) {
        add_event(tx, &organisation_id, "activated", None, "", at).await?;
    }
    Ok(Redemption::Redeemed { organisation_id })
}

#[cfg(test)]
#[path = "organisation_tests.rs"]
mod tests;
