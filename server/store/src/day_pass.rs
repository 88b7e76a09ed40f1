//! Passes for a day, for people who left their card at home.
//!
//! One colleague asks for it, another gives it at the same terminal, and the person chooses a PIN there. The slip's
//! code and the PIN log the person in at the facility until the pass is over. The certificate of the card at home
//! vouches for the profession, as long as it is valid itself.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    moment::{digest, moment, moment_opt},
    sql,
    voucher::Voucher,
};

/// Wrong PINs that a pass survives between two logins.
pub const TRIES: i64 = 5;

/// What a colleague asks for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Where it is to count.
    pub organisation_id: &'a str,
    /// Where the colleague stands, and the other one has to.
    pub terminal_id: &'a str,
    /// For whom.
    pub person_id: &'a str,
    /// SHA-256 of the certificate of the card at home.
    pub voucher_fingerprint: &'a [u8; 32],
    /// The colleague.
    pub asked_by: &'a str,
    /// When.
    pub at: OffsetDateTime,
    /// Nobody confirms it from then on.
    pub confirm_by: OffsetDateTime,
}

/// A pass that waits for the second colleague.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// UUIDv7.
    pub id: String,
    /// For whom.
    pub person_id: String,
    /// Their name.
    pub name: String,
    /// Who asked.
    pub asked_by: String,
    /// Their name.
    pub asked_by_name: String,
    /// Nobody confirms it from then on.
    pub confirm_by: OffsetDateTime,
}

/// How the second colleague gives it.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Which.
    pub id: &'a str,
    /// Where both stand.
    pub terminal_id: &'a str,
    /// The second colleague.
    pub given_by: &'a str,
    /// SHA-256 of the slip's code.
    pub code_hash: &'a [u8; 32],
    /// argon2id of the PIN.
    pub pin_phc: &'a str,
    /// When.
    pub at: OffsetDateTime,
    /// When it is over.
    pub valid_until: OffsetDateTime,
}

/// A pass that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayPass {
    /// UUIDv7.
    pub id: String,
    /// Where it counts.
    pub organisation_id: String,
    /// Whose.
    pub person_id: String,
    /// argon2id of the PIN.
    pub pin_phc: String,
    /// When it is over.
    pub valid_until: OffsetDateTime,
    /// Whether it was ended before its time.
    pub ended: bool,
    /// The certificate of the card at home.
    pub voucher: Voucher,
}

impl DayPass {
    /// Whether what it opened goes on. Wrong PINs on a slip end nobody's work.
    #[must_use]
    pub fn lives_at(&self, now: OffsetDateTime) -> bool {
        !self.ended && now < self.valid_until
    }
}

/// A pass in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// UUIDv7.
    pub id: String,
    /// Whose.
    pub person_id: String,
    /// Their name.
    pub name: String,
    /// Who asked, by name.
    pub asked_by_name: String,
    /// Who gave it, by name.
    pub given_by_name: String,
    /// When.
    pub given_at: OffsetDateTime,
    /// When it is over.
    pub valid_until: OffsetDateTime,
    /// Wrong PINs that it still survives.
    pub tries_left: i64,
    /// When and why it was ended before.
    pub ended: Option<(OffsetDateTime, String)>,
}

/// Why a pass ended that another one took the place of.
pub const REPLACED: &str = "replaced";

/// Asks for a pass; answers its identifier. What waited for this person at the facility waits no longer.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn ask(tx: &mut Tx, asked: Asked<'_>) -> Result<String, StoreError> {
    tx.execute(
        sql("UPDATE day_pass SET ended_at = $3, end_reason = $4
             WHERE person_id = $1 AND organisation_id = $2 AND given_at IS NULL AND ended_at IS NULL")
        .bind(asked.person_id)
        .bind(asked.organisation_id)
        .bind(asked.at)
        .bind(REPLACED),
    )
    .await?;
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO day_pass (id, organisation_id, terminal_id, person_id, voucher_fingerprint, asked_by,
                                   asked_at, confirm_by, tries_left)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(&id)
        .bind(asked.organisation_id)
        .bind(asked.terminal_id)
        .bind(asked.person_id)
        .bind(asked.voucher_fingerprint)
        .bind(asked.asked_by)
        .bind(asked.at)
        .bind(asked.confirm_by)
        .bind(TRIES),
    )
    .await?;
    Ok(id)
}

/// What waits at a terminal, the oldest first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn waiting_at(
    queries: &mut impl Queries,
    terminal_id: &str,
    now: OffsetDateTime,
) -> Result<Vec<Waiting>, StoreError> {
    #[derive(serde::Deserialize)]
    struct Row {
        id: String,
        person_id: String,
        name: String,
        asked_by: String,
        asked_by_name: String,
        confirm_by: i64,
    }
    let rows: Vec<Row> = queries
        .fetch_all(
            sql("SELECT d.id, d.person_id, n.name, d.asked_by, a.name AS asked_by_name, d.confirm_by
                 FROM day_pass d
                 JOIN person_name n ON n.person_id = d.person_id
                 JOIN person_name a ON a.person_id = d.asked_by
                 WHERE d.terminal_id = $1 AND d.given_at IS NULL AND d.ended_at IS NULL AND d.confirm_by > $2
                 ORDER BY d.id")
            .bind(terminal_id)
            .bind(now),
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Waiting {
                id: row.id,
                person_id: row.person_id,
                name: row.name,
                asked_by: row.asked_by,
                asked_by_name: row.asked_by_name,
                confirm_by: moment("day pass", row.confirm_by)?,
            })
        })
        .collect()
}

/// How many passes a person was given since.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn given_since(
    queries: &mut impl Queries,
    person_id: &str,
    since: OffsetDateTime,
) -> Result<i64, StoreError> {
    let (count,): (i64,) = queries
        .fetch_one(
            sql("SELECT COUNT(*) FROM day_pass WHERE person_id = $1 AND given_at > $2")
                .bind(person_id)
                .bind(since),
        )
        .await?;
    Ok(count)
}

/// Gives a pass that waits at this terminal for somebody other than whoever asked and whom it is for; answers
/// whether this call did.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn give(tx: &mut Tx, given: Given<'_>) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE day_pass SET given_by = $3, given_at = $4, code_hash = $5, pin_phc = $6, valid_until = $7
                 WHERE id = $1 AND terminal_id = $2 AND given_at IS NULL AND ended_at IS NULL AND confirm_by > $4
                   AND asked_by <> $3 AND person_id <> $3")
            .bind(given.id)
            .bind(given.terminal_id)
            .bind(given.given_by)
            .bind(given.at)
            .bind(given.code_hash)
            .bind(given.pin_phc)
            .bind(given.valid_until),
        )
        .await?;
    Ok(changed == 1)
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    organisation_id: String,
    person_id: String,
    pin_phc: String,
    valid_until: i64,
    ended_at: Option<i64>,
    voucher_der: Vec<u8>,
    voucher_not_after: i64,
    issuer_hash: Vec<u8>,
    serial_number: String,
    world: String,
}

impl Row {
    fn into_pass(self) -> Result<DayPass, StoreError> {
        Ok(DayPass {
            id: self.id,
            organisation_id: self.organisation_id,
            person_id: self.person_id,
            pin_phc: self.pin_phc,
            valid_until: moment("day pass", self.valid_until)?,
            ended: self.ended_at.is_some(),
            voucher: Voucher::of_columns(
                self.voucher_der,
                self.voucher_not_after,
                self.issuer_hash,
                self.serial_number,
                &self.world,
            )?,
        })
    }
}

/// Passes that were given, with what vouches for their people, of which `condition` holds.
macro_rules! given_where {
    ($condition:literal) => {
        sql(concat!(
            "SELECT d.id, d.organisation_id, d.person_id, d.pin_phc, d.valid_until, d.ended_at,
                    c.der AS voucher_der, c.not_after AS voucher_not_after, i.issuer_hash, i.serial_number,
                    i.world
             FROM day_pass d
             JOIN card_certificate c ON c.fingerprint = d.voucher_fingerprint
             JOIN card_identity i ON i.id = c.card_identity_id
             WHERE d.given_at IS NOT NULL AND ",
            $condition
        ))
    };
}

/// The pass whose slip shows this code, over or not.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_code(
    queries: &mut impl Queries,
    code_hash: &[u8; 32],
) -> Result<Option<DayPass>, StoreError> {
    let row: Option<Row> =
        queries.fetch_optional(given_where!("d.code_hash = $1").bind(code_hash)).await?;
    row.map(Row::into_pass).transpose()
}

/// The pass of a login, over or not.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_login(
    queries: &mut impl Queries,
    login_id: &str,
) -> Result<Option<DayPass>, StoreError> {
    let of = given_where!("d.id = (SELECT l.day_pass_id FROM day_pass_login l WHERE l.id = $1)");
    let row: Option<Row> = queries.fetch_optional(of.bind(login_id)).await?;
    row.map(Row::into_pass).transpose()
}

/// Takes one of the tries that a pass survives, before the PIN is looked at; answers whether there was one.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn take_try(tx: &mut Tx, id: &str, at: OffsetDateTime) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE day_pass SET tries_left = tries_left - 1
                 WHERE id = $1 AND tries_left > 0 AND ended_at IS NULL AND valid_until > $2")
            .bind(id)
            .bind(at),
        )
        .await?;
    Ok(changed == 1)
}

/// Keeps a login and gives the tries back; answers the identifier by which its session names it. `None`: the
/// pass is over.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn note_login(
    tx: &mut Tx,
    id: &str,
    terminal_fingerprint: &[u8; 32],
    at: OffsetDateTime,
) -> Result<Option<String>, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE day_pass SET tries_left = $3
                 WHERE id = $1 AND ended_at IS NULL AND valid_until > $2")
            .bind(id)
            .bind(at)
            .bind(TRIES),
        )
        .await?;
    if changed == 0 {
        return Ok(None);
    }
    let login_id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO day_pass_login (id, day_pass_id, at, terminal_fingerprint)
             VALUES ($1, $2, $3, $4)")
        .bind(&login_id)
        .bind(id)
        .bind(at)
        .bind(terminal_fingerprint),
    )
    .await?;
    Ok(Some(login_id))
}

/// Ends a pass of this facility, given or waiting, before its time; answers whose it was. `None`: it is over, or
/// none of this facility's. The caller ends its sessions in the same transaction.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end(
    tx: &mut Tx,
    id: &str,
    organisation_id: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = tx
        .fetch_optional(
            sql("UPDATE day_pass SET ended_at = $3, end_reason = $4
                 WHERE id = $1 AND organisation_id = $2 AND ended_at IS NULL
                   AND COALESCE(valid_until, confirm_by) > $3
                 RETURNING person_id")
            .bind(id)
            .bind(organisation_id)
            .bind(at)
            .bind(reason),
        )
        .await?;
    Ok(row.map(|(person_id,)| person_id))
}

/// Ends what a person has, given and waiting, at every facility but for `except`; answers which. The caller ends
/// their sessions in the same transaction.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end_of_person(
    tx: &mut Tx,
    person_id: &str,
    except: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = tx
        .fetch_all(
            sql("UPDATE day_pass SET ended_at = $3, end_reason = $4
                 WHERE person_id = $1 AND id <> $2 AND ended_at IS NULL
                   AND COALESCE(valid_until, confirm_by) > $3
                 RETURNING id")
            .bind(person_id)
            .bind(except)
            .bind(at)
            .bind(reason),
        )
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// The passes given at a facility since, the latest first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn list(
    queries: &mut impl Queries,
    organisation_id: &str,
    since: OffsetDateTime,
    limit: i64,
) -> Result<Vec<Listed>, StoreError> {
    #[derive(serde::Deserialize)]
    struct Row {
        id: String,
        person_id: String,
        name: String,
        asked_by_name: String,
        given_by_name: String,
        given_at: i64,
        valid_until: i64,
        tries_left: i64,
        ended_at: Option<i64>,
        end_reason: Option<String>,
    }
    let rows: Vec<Row> = queries
        .fetch_all(
            sql("SELECT d.id, d.person_id, n.name, a.name AS asked_by_name, g.name AS given_by_name,
                        d.given_at, d.valid_until, d.tries_left, d.ended_at, d.end_reason
                 FROM day_pass d
                 JOIN person_name n ON n.person_id = d.person_id
                 JOIN person_name a ON a.person_id = d.asked_by
                 JOIN person_name g ON g.person_id = d.given_by
                 WHERE d.organisation_id = $1 AND d.given_at > $2
                 ORDER BY d.given_at DESC, d.id DESC LIMIT $3")
            .bind(organisation_id)
            .bind(since)
            .bind(limit),
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let ended_at = moment_opt("day pass", row.ended_at)?;
            Ok(Listed {
                id: row.id,
                person_id: row.person_id,
                name: row.name,
                asked_by_name: row.asked_by_name,
                given_by_name: row.given_by_name,
                given_at: moment("day pass", row.given_at)?,
                valid_until: moment("day pass", row.valid_until)?,
                tries_left: row.tries_left,
                ended: ended_at.map(|at| (at, row.end_reason.unwrap_or_default())),
            })
        })
        .collect()
}

/// The certificate of the HPKI card that a person brought last: SHA-256, and what it vouches for.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn card_at_home(
    queries: &mut impl Queries,
    person_id: &str,
) -> Result<Option<([u8; 32], Voucher)>, StoreError> {
    type Row = (Vec<u8>, Vec<u8>, i64, Vec<u8>, String, String);
    let row: Option<Row> = queries
        .fetch_optional(
            sql("SELECT c.fingerprint, c.der, c.not_after, i.issuer_hash, i.serial_number, i.world
                 FROM card_certificate c JOIN card_identity i ON i.id = c.card_identity_id
                 WHERE i.person_id = $1 ORDER BY c.first_seen_at DESC, c.not_after DESC LIMIT 1")
            .bind(person_id),
        )
        .await?;
    row.map(|(fingerprint, der, not_after, issuer_hash, serial_number, world)| {
        let voucher = Voucher::of_columns(der, not_after, issuer_hash, serial_number, &world)?;
        Ok((digest("card certificate", fingerprint)?, voucher))
    })
    .transpose()
}
