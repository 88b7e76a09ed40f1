//! Replacing a terminal's PC: the new one is enrolled beside the old one, which works until a person
//! has logged in at the new one (docs/decisions/0020).
//!
//! Until then the new PC's certificate is not the terminal's current one: it takes nothing back, and
//! is taken back by nothing that happens to the old PC's. At most one replacement of a terminal is
//! open.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx, cmp_secret,
    moment::{moment, moment_opt},
    revocation::{self, Act, CertificateKey, SUPERSEDED, Scope, carry_out},
    sql, terminal,
};

/// Condition: the certificate `alias` is that of a new PC at which nobody has logged in yet.
macro_rules! of_new_pc {
    ($alias:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM terminal_replacement w
                 WHERE w.issuer_id = ",
            $alias,
            ".issuer_id AND w.serial = ",
            $alias,
            ".serial AND w.ended_at IS NULL)"
        )
    };
}
pub(crate) use of_new_pc;

/// A replacement that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// When an administrator began it.
    pub begun_at: OffsetDateTime,
    /// The new PC's certificate and when it was issued, once it is enrolled.
    pub new_pc: Option<NewPc>,
}

/// The PC that waits for its first login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPc {
    /// Its certificate.
    pub certificate: CertificateKey,
    /// When it was enrolled.
    pub enrolled_at: OffsetDateTime,
}

#[derive(serde::Deserialize)]
struct Row {
    begun_at: i64,
    issuer_id: Option<String>,
    serial: Option<Vec<u8>>,
    enrolled_at: Option<i64>,
}

/// The replacement of this terminal that is under way, if there is one.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn open(
    queries: &mut impl Queries,
    terminal_id: &str,
) -> Result<Option<Replacement>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql("SELECT begun_at, issuer_id, serial, enrolled_at FROM terminal_replacement
                 WHERE terminal_id = $1 AND ended_at IS NULL")
            .bind(terminal_id),
        )
        .await?;
    row.map(|row| {
        let enrolled_at = moment_opt("terminal replacement", row.enrolled_at)?;
        let new_pc = match (row.issuer_id, row.serial, enrolled_at) {
            (Some(issuer_id), Some(serial), Some(enrolled_at)) => {
                Some(NewPc { certificate: (issuer_id, serial), enrolled_at })
            }
            _ => None,
        };
        Ok(Replacement { begun_at: moment("terminal replacement", row.begun_at)?, new_pc })
    })
    .transpose()
}

/// Begins a replacement with the code that the new PC will bring. An earlier one that no PC was
/// enrolled by ends.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: a new PC is enrolled and waits for its first login.
pub async fn begin(
    tx: &mut Tx,
    terminal_id: &str,
    code_hash: &[u8; 32],
    person_id: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    withdraw(tx, terminal_id, at).await?;
    tx.execute(
        sql("INSERT INTO terminal_replacement (id, terminal_id, code_hash, begun_at, begun_by)
             VALUES ($1, $2, $3, $4, $5)")
        .bind(Uuid::now_v7().to_string())
        .bind(terminal_id)
        .bind(code_hash)
        .bind(at)
        .bind(person_id),
    )
    .await?;
    terminal::note(tx, terminal_id, "replacement_begun", Some(person_id), at).await
}

/// Ends a replacement that no PC was enrolled by: its code ends, too.
pub(crate) async fn withdraw(
    tx: &mut Tx,
    terminal_id: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE terminal_replacement SET ended_at = $2, outcome = 'cancelled'
             WHERE terminal_id = $1 AND ended_at IS NULL AND serial IS NULL")
        .bind(terminal_id)
        .bind(at),
    )
    .await?;
    Ok(())
}

/// What a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeIsFor {
    /// The terminal, whatever PC it is: what was there before ends with the enrolment.
    Terminal,
    /// A new PC beside the old one.
    NewPc,
    /// A new PC, but the replacement has ended.
    NoPc,
}

/// What the code of this SHA-256 is for.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn code_is_for(
    queries: &mut impl Queries,
    code_hash: &[u8; 32],
) -> Result<CodeIsFor, StoreError> {
    let row: Option<(Option<i64>,)> = queries
        .fetch_optional(
            sql("SELECT ended_at FROM terminal_replacement WHERE code_hash = $1").bind(code_hash),
        )
        .await?;
    Ok(match row {
        None => CodeIsFor::Terminal,
        Some((None,)) => CodeIsFor::NewPc,
        Some((Some(_),)) => CodeIsFor::NoPc,
    })
}

/// Notes the certificate of the new PC, which brought this code.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn enrolled(
    tx: &mut Tx,
    code_hash: &[u8; 32],
    (issuer_id, serial): (&str, &[u8]),
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE terminal_replacement SET issuer_id = $2, serial = $3, enrolled_at = $4
             WHERE code_hash = $1 AND ended_at IS NULL")
        .bind(code_hash)
        .bind(issuer_id)
        .bind(serial)
        .bind(at),
    )
    .await?;
    Ok(())
}

/// How a replacement was called off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// The new PC's certificate, if it was enrolled: revoked.
    pub certificate: Option<CertificateKey>,
}

/// Calls off the replacement that is under way: its code is withdrawn, the new PC's certificate is revoked (superseded, as
/// that of a PC that was enrolled for nothing), the old one stays. `None` where there is none.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn cancel(
    tx: &mut Tx,
    terminal_id: &str,
    person_id: Option<&str>,
    at: OffsetDateTime,
) -> Result<Option<Cancelled>, StoreError> {
    let Some(found) = open(tx, terminal_id).await? else { return Ok(None) };
    end(tx, terminal_id, "cancelled", at).await?;
    let certificate = found.new_pc.map(|new_pc| new_pc.certificate);
    if let Some((issuer_id, serial)) = &certificate {
        revocation::revoke(tx, issuer_id, serial, SUPERSEDED, at).await?;
    }
    terminal::note(tx, terminal_id, "replacement_cancelled", person_id, at).await?;
    Ok(Some(Cancelled { certificate }))
}

/// Somebody logged in at the new PC with this certificate: it is the terminal's from now on, and
/// every other certificate of the terminal that is not taken back and has not expired is revoked.
/// Answers which; `None` where no replacement waited for this PC.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn complete(
    tx: &mut Tx,
    terminal_id: &str,
    (issuer_id, serial): (&str, &[u8]),
    at: OffsetDateTime,
) -> Result<Option<Vec<CertificateKey>>, StoreError> {
    let waited = open(tx, terminal_id).await?.and_then(|found| found.new_pc);
    if waited.is_none_or(|new_pc| new_pc.certificate != (issuer_id.to_owned(), serial.to_vec())) {
        return Ok(None);
    }
    end(tx, terminal_id, "completed", at).await?;
    let scope = Scope::OthersThan { issuer_id, serial };
    let taken = carry_out(tx, scope, Act::revoke(SUPERSEDED, at)).await?;
    terminal::note(tx, terminal_id, "replaced", None, at).await?;
    Ok(Some(taken))
}

async fn end(
    tx: &mut Tx,
    terminal_id: &str,
    outcome: &'static str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE enrolment_code SET withdrawn_at = $2
             WHERE terminal_id = $1 AND used_at IS NULL AND withdrawn_at IS NULL
               AND code_hash IN (SELECT w.code_hash FROM terminal_replacement w
                                 WHERE w.terminal_id = $1 AND w.ended_at IS NULL)")
        .bind(terminal_id)
        .bind(at),
    )
    .await?;
    cmp_secret::withdraw(tx, terminal_id).await?;
    tx.execute(
        sql("UPDATE terminal_replacement SET ended_at = $2, outcome = $3
             WHERE terminal_id = $1 AND ended_at IS NULL")
        .bind(terminal_id)
        .bind(at)
        .bind(outcome),
    )
    .await?;
    Ok(())
}
