//! One-time codes by which a terminal gets its first certificate.
//!
//! A code is kept by its SHA-256 and bound to one terminal. The first key that comes with it
//! claims it; from then on it answers that key only, and only for a while. The claim is taken
//! before the signature, and a claim whose process died can be taken up again by the same key.

use time::{Duration, OffsetDateTime};

use crate::{
    Queries, StoreError, Tx,
    certificate::{self, Certificate},
    cmp_secret,
    moment::{digest, moment, moment_opt},
    organisation,
    organisation::OrganisationStatus,
    replacement::{self, CodeIsFor},
    revocation::Status,
    sql,
    terminal::{self, Device, TerminalStatus},
    terminal_hold::on_hold,
    waiting_enrolment,
};

/// A code to be kept.
#[derive(Clone, Copy, Debug)]
pub struct NewCode<'a> {
    /// SHA-256 of the code.
    pub code_hash: &'a [u8; 32],
    /// The terminal it is for.
    pub terminal_id: &'a str,
    /// Wrong attempts it survives.
    pub tries: i64,
    /// Who asked for it.
    pub person_id: &'a str,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Until when it can be used.
    pub expires_at: OffsetDateTime,
    /// Whether nothing is issued by it before a person approves the key that came with it.
    pub needs_approval: bool,
}

/// Keeps a code; earlier unused ones of the terminal are withdrawn.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the code exists, which 100 random bits never do.
pub async fn issue(tx: &mut Tx, code: NewCode<'_>) -> Result<(), StoreError> {
    withdraw(tx, code.terminal_id, code.created_at).await?;
    tx.execute(
        sql("INSERT INTO enrolment_code
                 (code_hash, terminal_id, created_at, expires_at, tries_left, created_by,
                  needs_approval)
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(code.code_hash)
        .bind(code.terminal_id)
        .bind(code.created_at)
        .bind(code.expires_at)
        .bind(code.tries)
        .bind(code.person_id)
        .bind(i64::from(code.needs_approval)),
    )
    .await?;
    Ok(())
}

/// Withdraws every unused code of a terminal, and with it the replacement that one was for.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn withdraw(
    tx: &mut Tx,
    terminal_id: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE enrolment_code SET withdrawn_at = $2
             WHERE terminal_id = $1 AND used_at IS NULL AND withdrawn_at IS NULL")
        .bind(terminal_id)
        .bind(at),
    )
    .await?;
    cmp_secret::withdraw(tx, terminal_id).await?;
    replacement::withdraw(tx, terminal_id, at).await
}

/// How long claims are held and answered.
#[derive(Clone, Copy, Debug)]
pub struct ClaimPolicy {
    /// A used code answers its key with the same certificate for this long after its use.
    pub same_key_grace: Duration,
    /// An issuance that has not ended after this long is taken for dead.
    pub issuance_limit: Duration,
}

/// Somebody brings a code.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The terminal they name.
    pub terminal_id: &'a str,
    /// SHA-256 of what they sent as its code.
    pub code_hash: &'a [u8; 32],
    /// SHA-256 of the `SubjectPublicKeyInfo` they want certified.
    pub spki_sha256: &'a [u8; 32],
    /// Now.
    pub at: OffsetDateTime,
}

/// What a brought code leads to. Each variant that knows the code knows the terminal's facility.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This call claimed the code for the key: issue now, then [`fulfil`].
    Won(Holder),
    /// Nothing was written: a person has to approve this key first. Let it wait
    /// ([`waiting_enrolment::park`]).
    NeedsApproval(Holder),
    /// The code was used with this key and this certificate came of it. Answer it again.
    Issued(Holder, Box<Certificate>),
    /// The code is claimed by this key and its issuance is under way. Come back in a moment.
    UnderWay(Holder),
    /// The code was used with this key and its time to answer again is over.
    AnsweredBefore(Holder),
    /// The code was used with this key, and what came of it was taken back since: the terminal was
    /// enrolled anew, the replacement of its PC was called off, or somebody revoked it.
    TakenBack(Holder),
    /// The code was used with another key: one of the two devices is not the facility's.
    OtherKey {
        /// Whose code it is.
        holder: Holder,
        /// Whether this is the first time for this code: then somebody must be told.
        first: bool,
    },
    /// Not to be told apart by the caller; the reason is for the record.
    Refused(CodeRefusal),
}

/// Whose code it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The terminal.
    pub terminal_id: String,
    /// Its name.
    pub terminal_name: String,
    /// Its facility.
    pub organisation_id: String,
}

/// Why a code opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeRefusal {
    /// No terminal of this identifier.
    UnknownTerminal,
    /// Not a code of this terminal. Its live codes lost one try.
    WrongCode,
    /// Too many wrong attempts before.
    Exhausted,
    /// Its time is over.
    Expired,
    /// A newer code took its place.
    Withdrawn,
    /// A person refused what came with it.
    NotApproved,
    /// The terminal was revoked.
    TerminalRevoked,
    /// The terminal is on hold, or its certificate.
    TerminalHeld,
    /// The facility is suspended or closed.
    FacilityNotActive,
}

impl CodeRefusal {
    /// As in audit records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownTerminal => "unknown_terminal",
            Self::WrongCode => "wrong_code",
            Self::Exhausted => "code_exhausted",
            Self::Expired => "code_expired",
            Self::Withdrawn => "code_withdrawn",
            Self::NotApproved => "not_approved",
            Self::TerminalRevoked => "terminal_revoked",
            Self::TerminalHeld => "terminal_held",
            Self::FacilityNotActive => "facility_not_active",
        }
    }
}

#[derive(serde::Deserialize)]
struct Row {
    expires_at: i64,
    tries_left: i64,
    withdrawn_at: Option<i64>,
    used_at: Option<i64>,
    spki_sha256: Option<Vec<u8>>,
    claimed_at: Option<i64>,
    issuer_id: Option<String>,
    serial: Option<Vec<u8>>,
    needs_approval: i64,
    approved_spki_sha256: Option<Vec<u8>>,
}

/// A code that nobody has used, and what the register says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// Whose code it is.
    pub holder: Holder,
    /// PC or router.
    pub device: Device,
    /// Whether the terminal was revoked.
    pub terminal_revoked: bool,
    /// Whether the facility is in operation.
    pub facility_active: bool,
    /// Whether the terminal has or had a certificate.
    pub terminal_certified: bool,
    /// Whether a certificate was ever made for the key.
    pub key_certified: bool,
    /// Whether a person has yet to approve the key.
    pub needs_approval: bool,
}

/// What is known about a brought code, if nobody has used it and it can be used. Decides nothing:
/// the code is used up by what is written on the ground of this, which asks once more.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn unused(
    queries: &mut impl Queries,
    attempt: Attempt<'_>,
) -> Result<Option<Unused>, StoreError> {
    type Columns = (String, String, String, i64, i64, Option<String>, i64, i64, i64);
    let row: Option<Columns> = queries
        .fetch_optional(
            sql(concat!(
                "SELECT t.id, t.name, t.organisation_id,
                        (SELECT COUNT(*) FROM router q WHERE q.terminal_id = t.id),
                        (SELECT COUNT(*) FROM terminal_event e
                         WHERE e.terminal_id = t.id AND e.kind = 'revoked'),
                        (SELECT o.kind FROM organisation_event o
                         WHERE o.organisation_id = t.organisation_id
                         ORDER BY o.at DESC, o.id DESC LIMIT 1),
                        (SELECT COUNT(*) FROM certificate k WHERE k.terminal_id = t.id),
                        (SELECT COUNT(*) FROM certificate k WHERE k.spki_sha256 = $4),
                        (CASE WHEN c.needs_approval = 0 OR c.approved_spki_sha256 = $4
                              THEN 0 ELSE 1 END)
                 FROM enrolment_code c JOIN terminal t ON t.id = c.terminal_id
                 WHERE c.code_hash = $1 AND c.terminal_id = $2 AND c.used_at IS NULL
                   AND c.withdrawn_at IS NULL AND c.expires_at > $3 AND c.tries_left > 0
                   AND NOT ",
                on_hold!("t.id")
            ))
            .bind(attempt.code_hash)
            .bind(attempt.terminal_id)
            .bind(attempt.at)
            .bind(attempt.spki_sha256),
        )
        .await?;
    Ok(row.map(
        |(
            terminal_id,
            terminal_name,
            organisation_id,
            routers,
            revoked,
            facility,
            has,
            certified,
            needs_approval,
        )| Unused {
            holder: Holder { terminal_id, terminal_name, organisation_id },
            device: Device::of_count(routers),
            terminal_revoked: revoked > 0,
            facility_active: facility.and_then(|kind| OrganisationStatus::of_event(&kind))
                == Some(OrganisationStatus::Active),
            terminal_certified: has > 0,
            key_certified: certified > 0,
            needs_approval: needs_approval > 0,
        },
    ))
}

/// Judges a brought code and claims it if it is free. A wrong one costs the terminal's live codes
/// a try.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn claim(
    tx: &mut Tx,
    attempt: Attempt<'_>,
    policy: ClaimPolicy,
) -> Result<Claim, StoreError> {
    let refused = |refusal| Ok(Claim::Refused(refusal));
    let Some(terminal) = terminal::find(tx, attempt.terminal_id).await? else {
        return refused(CodeRefusal::UnknownTerminal);
    };
    // Found by its hash within one terminal: how long the comparison takes tells nothing about a
    // code of 100 random bits.
    let row: Option<Row> = tx
        .fetch_optional(
            sql("SELECT expires_at, tries_left, withdrawn_at, used_at, spki_sha256, claimed_at,
                        issuer_id, serial, needs_approval, approved_spki_sha256
                 FROM enrolment_code WHERE code_hash = $1 AND terminal_id = $2")
            .bind(attempt.code_hash)
            .bind(attempt.terminal_id),
        )
        .await?;
    let Some(row) = row else {
        count_wrong(tx, attempt.terminal_id, attempt.at).await?;
        return refused(CodeRefusal::WrongCode);
    };
    let holder = Holder {
        terminal_id: terminal.id,
        terminal_name: terminal.name,
        organisation_id: terminal.organisation_id,
    };
    match terminal.status {
        TerminalStatus::Revoked => return refused(CodeRefusal::TerminalRevoked),
        // A new code must not be the way round a hold.
        TerminalStatus::Held => return refused(CodeRefusal::TerminalHeld),
        TerminalStatus::Created | TerminalStatus::Enrolled | TerminalStatus::CertificateRevoked => {
        }
    }
    if !organisation::is_active(tx, &holder.organisation_id).await? {
        return refused(CodeRefusal::FacilityNotActive);
    }
    if row.used_at.is_some() {
        return judge_used(tx, attempt, policy, row, holder).await;
    }
    if row.withdrawn_at.is_some() {
        return refused(match waiting_enrolment::was_refused(tx, attempt).await? {
            true => CodeRefusal::NotApproved,
            false => CodeRefusal::Withdrawn,
        });
    }
    if moment("enrolment code", row.expires_at)? <= attempt.at {
        return refused(CodeRefusal::Expired);
    }
    if row.tries_left <= 0 {
        return refused(CodeRefusal::Exhausted);
    }
    let approved = row.approved_spki_sha256.as_deref() == Some(attempt.spki_sha256.as_slice());
    if row.needs_approval != 0 && !approved {
        return Ok(Claim::NeedsApproval(holder));
    }
    let claimed = tx
        .execute(
            sql("UPDATE enrolment_code SET used_at = $2, claimed_at = $2, spki_sha256 = $3
                 WHERE code_hash = $1 AND used_at IS NULL")
            .bind(attempt.code_hash)
            .bind(attempt.at)
            .bind(attempt.spki_sha256),
        )
        .await?;
    // Both databases run this transaction as if alone, so a lost race is a conflict and never
    // comes here; if it did, the other one is at it.
    Ok(if claimed == 1 { Claim::Won(holder) } else { Claim::UnderWay(holder) })
}

/// A code that is none of a terminal's was brought: its live codes lose a try. Not one with which a key came
/// that a person has to approve: no other key gets anything by it, so that guessing it is worth nothing and
/// must not end what waits.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn count_wrong(
    tx: &mut Tx,
    terminal_id: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE enrolment_code SET tries_left = tries_left - 1
             WHERE terminal_id = $1 AND used_at IS NULL AND withdrawn_at IS NULL
               AND expires_at > $2 AND tries_left > 0
               AND NOT EXISTS (SELECT 1 FROM waiting_enrolment w
                               WHERE w.code_hash = enrolment_code.code_hash)")
        .bind(terminal_id)
        .bind(at),
    )
    .await?;
    Ok(())
}

async fn judge_used(
    tx: &mut Tx,
    attempt: Attempt<'_>,
    policy: ClaimPolicy,
    row: Row,
    holder: Holder,
) -> Result<Claim, StoreError> {
    let key = row.spki_sha256.map(|octets| digest("key fingerprint", octets)).transpose()?;
    if key.as_ref() != Some(attempt.spki_sha256) {
        let first = note_misuse(tx, attempt.code_hash, attempt.at).await?;
        return Ok(Claim::OtherKey { holder, first });
    }
    let used_at = moment_opt("enrolment code", row.used_at)?.unwrap_or(attempt.at);
    if attempt.at > used_at + policy.same_key_grace {
        return Ok(Claim::AnsweredBefore(holder));
    }
    if let (Some(issuer_id), Some(serial)) = (row.issuer_id, row.serial) {
        let certificate = certificate::find(tx, &issuer_id, &serial).await?.ok_or_else(|| {
            StoreError::Corrupt {
                what: "enrolment code",
                detail: format!("no certificate {}", hex::encode(&serial)),
            }
        })?;
        return Ok(match certificate.status {
            Status::Revoked { .. } => Claim::TakenBack(holder),
            Status::Good => Claim::Issued(holder, Box::new(certificate)),
        });
    }
    let ended = replacement::code_is_for(tx, attempt.code_hash).await? == CodeIsFor::NoPc;
    if ended || newer_was_used(tx, &attempt).await? {
        return Ok(Claim::TakenBack(holder));
    }
    let started = moment_opt("enrolment code", row.claimed_at)?.unwrap_or(used_at);
    if attempt.at < started + policy.issuance_limit {
        return Ok(Claim::UnderWay(holder));
    }
    tx.execute(
        sql("UPDATE enrolment_code SET claimed_at = $2 WHERE code_hash = $1")
            .bind(attempt.code_hash)
            .bind(attempt.at),
    )
    .await?;
    Ok(Claim::Won(holder))
}

/// Notes that somebody brought the code with another key; answers whether that is the first time.
pub(crate) async fn note_misuse(
    tx: &mut Tx,
    code_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let noted = tx
        .execute(
            sql("UPDATE enrolment_code SET misused_at = $2
                 WHERE code_hash = $1 AND misused_at IS NULL")
            .bind(code_hash)
            .bind(at),
        )
        .await?;
    Ok(noted == 1)
}

/// Whether the terminal was enrolled by a code that was made after this one: to take an issuance up
/// again that died would take the newer certificate back.
async fn newer_was_used(tx: &mut Tx, attempt: &Attempt<'_>) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = tx
        .fetch_optional(
            sql("SELECT newer.created_at FROM enrolment_code newer JOIN enrolment_code mine
                     ON mine.terminal_id = newer.terminal_id AND mine.created_at < newer.created_at
                 WHERE mine.code_hash = $1 AND newer.serial IS NOT NULL LIMIT 1")
            .bind(attempt.code_hash),
        )
        .await?;
    Ok(row.is_some())
}

/// Gives a claimed code back unused: the request asked for something that is not certified, and
/// nothing was signed.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn release(tx: &mut Tx, code_hash: &[u8; 32]) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE enrolment_code SET used_at = NULL, claimed_at = NULL, spki_sha256 = NULL
             WHERE code_hash = $1 AND serial IS NULL")
        .bind(code_hash),
    )
    .await?;
    Ok(())
}

/// Notes which certificate came of a claimed code; answers whether this call did.
///
/// `false`: another process took the claim up and was faster; answer with what it made.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn fulfil(
    tx: &mut Tx,
    code_hash: &[u8; 32],
    issuer_id: &str,
    serial: &[u8],
) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE enrolment_code SET issuer_id = $2, serial = $3
                 WHERE code_hash = $1 AND used_at IS NOT NULL AND serial IS NULL")
            .bind(code_hash)
            .bind(issuer_id)
            .bind(serial),
        )
        .await?;
    Ok(changed == 1)
}

/// A code as its terminal's page shows it: never the code itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeState {
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Until when it can be used.
    pub expires_at: OffsetDateTime,
    /// Wrong attempts it still survives.
    pub tries_left: i64,
    /// When a newer one took its place.
    pub withdrawn_at: Option<OffsetDateTime>,
    /// When it was used.
    pub used_at: Option<OffsetDateTime>,
    /// When somebody first brought it with another key.
    pub misused_at: Option<OffsetDateTime>,
    /// Whether a person has to approve the key that comes with it.
    pub needs_approval: bool,
    /// Whether a person approved one.
    pub approved: bool,
}

/// The newest code of a terminal.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn latest(
    queries: &mut impl Queries,
    terminal_id: &str,
) -> Result<Option<CodeState>, StoreError> {
    type Columns = (i64, i64, i64, Option<i64>, Option<i64>, Option<i64>, i64, Option<Vec<u8>>);
    let row: Option<Columns> = queries
        .fetch_optional(
            sql("SELECT created_at, expires_at, tries_left, withdrawn_at, used_at, misused_at,
                        needs_approval, approved_spki_sha256
                 FROM enrolment_code WHERE terminal_id = $1
                 ORDER BY created_at DESC, CASE WHEN withdrawn_at IS NULL THEN 0 ELSE 1 END
                 LIMIT 1")
            .bind(terminal_id),
        )
        .await?;
    row.map(
        |(created_at, expires_at, tries_left, withdrawn_at, used_at, misused_at, needs, key)| {
            Ok(CodeState {
                created_at: moment("enrolment code", created_at)?,
                expires_at: moment("enrolment code", expires_at)?,
                tries_left,
                withdrawn_at: moment_opt("enrolment code", withdrawn_at)?,
                used_at: moment_opt("enrolment code", used_at)?,
                misused_at: moment_opt("enrolment code", misused_at)?,
                needs_approval: needs != 0,
                approved: key.is_some(),
            })
        },
    )
    .transpose()
}
