//! Applications to be entered into the register: what was asked, what was checked, what was decided.
//!
//! The status follows from the events. A decision falls once: a partial unique index refuses a
//! second one, whoever is at the other officer's desk.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    moment::moment,
    organisation_kind::{CodeScheme, OrganisationKind},
    sql,
};

/// A code with the numbering it is part of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code {
    /// Whose number it is.
    pub scheme: CodeScheme,
    /// The number.
    pub value: String,
}

/// What an applicant asks to have registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Particulars {
    /// Kind of organisation.
    pub kind: OrganisationKind,
    /// Name.
    pub name: String,
    /// Name in katakana.
    pub name_kana: String,
    /// JIS X 0401, 1 to 47.
    pub prefecture: u8,
    /// `NNN-NNNN`.
    pub postal_code: String,
    /// Address, prefecture included.
    pub address: String,
    /// Who answers questions.
    pub contact_name: String,
    /// Their telephone.
    pub contact_phone: String,
    /// Their mail.
    pub contact_email: String,
    /// Codes that it claims to have.
    pub codes: Vec<Code>,
}

/// Where an application stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationStatus {
    /// Nobody looked at it yet.
    Applied,
    /// Something was checked; not decided.
    Checked,
    /// Entered into the register.
    Approved,
    /// Refused.
    Rejected,
}

impl ApplicationStatus {
    /// As on pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Checked => "checked",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }

    /// Whether the decision fell.
    #[must_use]
    pub const fn is_decided(self) -> bool {
        matches!(self, Self::Approved | Self::Rejected)
    }
}

/// An application as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// UUIDv7.
    pub id: String,
    /// What the applicant was told; not guessable.
    pub receipt: String,
    /// What is asked.
    pub particulars: Particulars,
    /// Who applied, when that person was logged in.
    pub applicant_person_id: Option<String>,
    /// When.
    pub created_at: OffsetDateTime,
    /// Where it stands.
    pub status: ApplicationStatus,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// UUIDv7.
    pub id: String,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: OrganisationKind,
    /// Prefecture.
    pub prefecture: u8,
    /// When it arrived.
    pub created_at: OffsetDateTime,
    /// Where it stands.
    pub status: ApplicationStatus,
}

/// An application that carries a code of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// The code.
    pub code: Code,
    /// UUIDv7.
    pub id: String,
    /// Name.
    pub name: String,
    /// Where it stands.
    pub status: ApplicationStatus,
}

/// Something that happened to an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: OffsetDateTime,
    /// `applied`, `checked`, `approved` or `rejected`.
    pub kind: String,
    /// Name of who did it, where somebody known did.
    pub person_name: Option<String>,
    /// What was checked, or the reason.
    pub note: String,
}

/// How an application is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Entered into the register.
    Approved,
    /// Refused.
    Rejected,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    receipt: String,
    kind: String,
    name: String,
    name_kana: String,
    prefecture: i64,
    postal_code: String,
    address: String,
    contact_name: String,
    contact_phone: String,
    contact_email: String,
    applicant_person_id: Option<String>,
    created_at: i64,
    decided: Option<String>,
    checks: i64,
}

fn corrupt(what: &'static str, found: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt { what, detail: format!("{found} is not known") }
}

pub(crate) fn kind(token: &str) -> Result<OrganisationKind, StoreError> {
    OrganisationKind::parse(token).ok_or_else(|| corrupt("kind of organisation", token))
}

pub(crate) fn prefecture(number: i64) -> Result<u8, StoreError> {
    u8::try_from(number).map_err(|_| corrupt("prefecture", number))
}

pub(crate) fn code((scheme, value): (String, String)) -> Result<Code, StoreError> {
    let scheme = CodeScheme::parse(&scheme).ok_or_else(|| corrupt("code scheme", &scheme))?;
    Ok(Code { scheme, value })
}

fn status(decided: Option<&str>, checks: i64) -> Result<ApplicationStatus, StoreError> {
    Ok(match (decided, checks) {
        (Some("approved"), _) => ApplicationStatus::Approved,
        (Some("rejected"), _) => ApplicationStatus::Rejected,
        (None, 0) => ApplicationStatus::Applied,
        (None, _) => ApplicationStatus::Checked,
        (Some(other), _) => return Err(corrupt("application event", other)),
    })
}

/// The columns of [`Row`]. `concat!` keeps the statements constants.
macro_rules! select_application {
    ($condition:literal) => {
        concat!(
            "SELECT a.id, a.receipt, a.kind, a.name, a.name_kana, a.prefecture, a.postal_code,
                    a.address, a.contact_name, a.contact_phone, a.contact_email,
                    a.applicant_person_id, a.created_at,
                    (SELECT e.kind FROM application_event e WHERE e.application_id = a.id
                       AND e.kind IN ('approved', 'rejected')) AS decided,
                    (SELECT COUNT(*) FROM application_event e WHERE e.application_id = a.id
                       AND e.kind = 'checked') AS checks
             FROM application a WHERE ",
            $condition
        )
    };
}

async fn whole(
    queries: &mut impl Queries,
    row: Option<Row>,
) -> Result<Option<Application>, StoreError> {
    let Some(row) = row else { return Ok(None) };
    let codes: Vec<(String, String)> = queries
        .fetch_all(
            sql("SELECT scheme, value FROM application_code WHERE application_id = $1
                 ORDER BY scheme, value")
            .bind(&row.id),
        )
        .await?;
    Ok(Some(Application {
        status: status(row.decided.as_deref(), row.checks)?,
        particulars: Particulars {
            kind: kind(&row.kind)?,
            name: row.name,
            name_kana: row.name_kana,
            prefecture: prefecture(row.prefecture)?,
            postal_code: row.postal_code,
            address: row.address,
            contact_name: row.contact_name,
            contact_phone: row.contact_phone,
            contact_email: row.contact_email,
            codes: codes.into_iter().map(code).collect::<Result<_, _>>()?,
        },
        id: row.id,
        receipt: row.receipt,
        applicant_person_id: row.applicant_person_id,
        created_at: moment("application", row.created_at)?,
    }))
}

/// Takes an application in; answers its identifier.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the receipt number exists, which random ones never do.
pub async fn create(
    tx: &mut Tx,
    receipt: &str,
    particulars: &Particulars,
    applicant_person_id: Option<&str>,
    at: OffsetDateTime,
) -> Result<String, StoreError> {
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO application (id, receipt, kind, name, name_kana, prefecture, postal_code,
                 address, contact_name, contact_phone, contact_email, applicant_person_id, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
        .bind(&id)
        .bind(receipt)
        .bind(particulars.kind.as_str())
        .bind(&particulars.name)
        .bind(&particulars.name_kana)
        .bind(i64::from(particulars.prefecture))
        .bind(&particulars.postal_code)
        .bind(&particulars.address)
        .bind(&particulars.contact_name)
        .bind(&particulars.contact_phone)
        .bind(&particulars.contact_email)
        .bind(applicant_person_id)
        .bind(at),
    )
    .await?;
    for code in &particulars.codes {
        tx.execute(
            sql("INSERT INTO application_code (application_id, scheme, value) VALUES ($1, $2, $3)")
                .bind(&id)
                .bind(code.scheme.as_str())
                .bind(&code.value),
        )
        .await?;
    }
    add_event(tx, &id, "applied", applicant_person_id, "", at).await?;
    Ok(id)
}

/// Spends a form for an application, in the transaction that takes the application in.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the form was sent before; ask [`find_by_form`] what it became.
pub async fn consume_form(
    tx: &mut Tx,
    form_hash: &[u8; 32],
    application_id: &str,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO application_form (form_hash, application_id) VALUES ($1, $2)")
            .bind(form_hash)
            .bind(application_id),
    )
    .await?;
    Ok(())
}

/// The application that a form became.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find_by_form(
    queries: &mut impl Queries,
    form_hash: &[u8; 32],
) -> Result<Option<Application>, StoreError> {
    let row = queries
        .fetch_optional(
            sql(select_application!(
                "a.id = (SELECT f.application_id FROM application_form f WHERE f.form_hash = $1)"
            ))
            .bind(form_hash),
        )
        .await?;
    whole(queries, row).await
}

/// The application of this identifier.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(queries: &mut impl Queries, id: &str) -> Result<Option<Application>, StoreError> {
    let row = queries.fetch_optional(sql(select_application!("a.id = $1")).bind(id)).await?;
    whole(queries, row).await
}

/// The application of this receipt number.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find_by_receipt(
    queries: &mut impl Queries,
    receipt: &str,
) -> Result<Option<Application>, StoreError> {
    let row =
        queries.fetch_optional(sql(select_application!("a.receipt = $1")).bind(receipt)).await?;
    whole(queries, row).await
}

/// The application that an organisation was entered by.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_organisation(
    queries: &mut impl Queries,
    organisation_id: &str,
) -> Result<Option<Application>, StoreError> {
    let row = queries
        .fetch_optional(
            sql(select_application!(
                "a.id = (SELECT o.application_id FROM organisation o WHERE o.id = $1)"
            ))
            .bind(organisation_id),
        )
        .await?;
    whole(queries, row).await
}

/// Applications, open ones oldest first and before the decided ones; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn list(
    queries: &mut impl Queries,
    offset: i64,
    limit: i64,
) -> Result<Vec<Summary>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_application!(
                "1 = 1 ORDER BY
                     CASE WHEN EXISTS (SELECT 1 FROM application_event d WHERE d.application_id = a.id
                         AND d.kind IN ('approved', 'rejected')) THEN 1 ELSE 0 END,
                     a.created_at, a.id LIMIT $1 OFFSET $2"
            ))
            .bind(limit)
            .bind(offset),
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Summary {
                status: status(row.decided.as_deref(), row.checks)?,
                kind: kind(&row.kind)?,
                prefecture: prefecture(row.prefecture)?,
                created_at: moment("application", row.created_at)?,
                id: row.id,
                name: row.name,
            })
        })
        .collect()
}

/// Other undecided applications that carry one of an application's codes, oldest first, each with
/// the code that it shares. What was decided is in the register, or nowhere.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn sharing_codes(
    queries: &mut impl Queries,
    id: &str,
) -> Result<Vec<Sharing>, StoreError> {
    let rows: Vec<(String, String, String, String, i64)> = queries
        .fetch_all(
            sql("SELECT other.scheme, other.value, a.id, a.name,
                     (SELECT COUNT(*) FROM application_event e WHERE e.application_id = a.id
                        AND e.kind = 'checked') AS checks
                 FROM application_code own
                 JOIN application_code other ON other.scheme = own.scheme
                    AND other.value = own.value AND other.application_id <> own.application_id
                 JOIN application a ON a.id = other.application_id
                 WHERE own.application_id = $1 AND NOT EXISTS (
                     SELECT 1 FROM application_event d
                     WHERE d.application_id = a.id AND d.kind IN ('approved', 'rejected'))
                 ORDER BY a.created_at, a.id, other.scheme, other.value")
            .bind(id),
        )
        .await?;
    rows.into_iter()
        .map(|(scheme, value, id, name, checks)| {
            Ok(Sharing { code: code((scheme, value))?, id, name, status: status(None, checks)? })
        })
        .collect()
}

/// What happened to an application, oldest first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn events(queries: &mut impl Queries, id: &str) -> Result<Vec<Event>, StoreError> {
    let rows: Vec<(i64, String, Option<String>, String)> = queries
        .fetch_all(
            sql("SELECT e.at, e.kind, n.name, e.note FROM application_event e
                 LEFT JOIN person_name n ON n.person_id = e.person_id
                 WHERE e.application_id = $1 ORDER BY e.at, e.id")
            .bind(id),
        )
        .await?;
    rows.into_iter()
        .map(|(at, kind, person_name, note)| {
            Ok(Event { at: moment("application event", at)?, kind, person_name, note })
        })
        .collect()
}

/// Records what an officer checked; `false` when the decision fell before.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn add_check(
    tx: &mut Tx,
    id: &str,
    person_id: &str,
    note: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let added = tx
        .execute(
            sql("INSERT INTO application_event (id, application_id, at, kind, person_id, note)
                 SELECT $1, a.id, $3, 'checked', $4, $5 FROM application a
                 WHERE a.id = $2 AND NOT EXISTS (SELECT 1 FROM application_event e
                     WHERE e.application_id = a.id AND e.kind IN ('approved', 'rejected'))")
            .bind(Uuid::now_v7().to_string())
            .bind(id)
            .bind(at)
            .bind(person_id)
            .bind(note),
        )
        .await?;
    Ok(added == 1)
}

/// Decides an application; `false` when somebody was first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn decide(
    tx: &mut Tx,
    id: &str,
    decision: Decision,
    person_id: &str,
    note: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let kind = match decision {
        Decision::Approved => "approved",
        Decision::Rejected => "rejected",
    };
    add_event(tx, id, kind, Some(person_id), note, at).await
}

async fn add_event(
    tx: &mut Tx,
    id: &str,
    kind: &'static str,
    person_id: Option<&str>,
    note: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let added = tx
        .execute(
            sql("INSERT INTO application_event (id, application_id, at, kind, person_id, note)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING")
            .bind(Uuid::now_v7().to_string())
            .bind(id)
            .bind(at)
            .bind(kind)
            .bind(person_id)
            .bind(note),
        )
        .await?;
    Ok(added == 1)
}
