//! Files with a key that was made here, each for one device, until the person who had it made has fetched it
//! (docs/decisions/0046).
//!
//! The file lies encrypted under a passphrase that is kept nowhere. What nobody fetched in time goes, with its
//! certificate: nobody has its key.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx, certificate,
    moment::{digest, moment, moment_opt},
    revocation::{self, SUPERSEDED, Status},
    sql,
};

/// Certificates of one such key: there is one, unless the same was asked for in two processes at once.
const MOST_OF_A_KEY: i64 = 8;

/// A file that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewDelivery<'a> {
    /// As the form that asks for it has it.
    pub id: &'a str,
    /// The device.
    pub terminal_id: &'a str,
    /// SHA-256 of the `SubjectPublicKeyInfo` of the key.
    pub spki_sha256: &'a [u8; 32],
    /// Who has it made, and alone may fetch it.
    pub person_id: &'a str,
    /// Now.
    pub at: OffsetDateTime,
    /// Until when it can be fetched.
    pub expires_at: OffsetDateTime,
}

/// A file and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// As the form that asked for it had it.
    pub id: String,
    /// The device.
    pub terminal_id: String,
    /// SHA-256 of the `SubjectPublicKeyInfo` of the key.
    pub spki_sha256: [u8; 32],
    /// Who had it made.
    pub made_by: String,
    /// When.
    pub made_at: OffsetDateTime,
    /// Until when it can be fetched.
    pub expires_at: OffsetDateTime,
    /// Whether it is there: it comes with the certificate.
    pub has_file: bool,
    /// When it was fetched for the first time.
    pub fetched_at: Option<OffsetDateTime>,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    terminal_id: String,
    spki_sha256: Vec<u8>,
    made_by: String,
    made_at: i64,
    expires_at: i64,
    has_file: i64,
    fetched_at: Option<i64>,
}

impl Row {
    fn into_delivery(self) -> Result<Delivery, StoreError> {
        const WHAT: &str = "key delivery";
        Ok(Delivery {
            id: self.id,
            terminal_id: self.terminal_id,
            spki_sha256: digest("key fingerprint", self.spki_sha256)?,
            made_by: self.made_by,
            made_at: moment(WHAT, self.made_at)?,
            expires_at: moment(WHAT, self.expires_at)?,
            has_file: self.has_file > 0,
            fetched_at: moment_opt(WHAT, self.fetched_at)?,
        })
    }
}

/// The columns of [`Row`]. `concat!` keeps the statements constants.
macro_rules! select_delivery {
    ($condition:literal) => {
        concat!(
            "SELECT id, terminal_id, spki_sha256, made_by, made_at, expires_at,
                    CASE WHEN file IS NULL THEN CAST(0 AS BIGINT) ELSE CAST(1 AS BIGINT) END
                        AS has_file,
                    fetched_at
             FROM key_delivery WHERE ",
            $condition
        )
    };
}

/// Notes what is about to be made; `false` when it was begun before by the same form.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: a file with this key is there, which never happens.
pub async fn begin(tx: &mut Tx, new: NewDelivery<'_>) -> Result<bool, StoreError> {
    let added = tx
        .execute(
            sql("INSERT INTO key_delivery
                     (id, terminal_id, spki_sha256, made_by, made_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING")
            .bind(new.id)
            .bind(new.terminal_id)
            .bind(new.spki_sha256)
            .bind(new.person_id)
            .bind(new.at)
            .bind(new.expires_at),
        )
        .await?;
    Ok(added == 1)
}

/// Keeps the file; `false` when what was begun is gone.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn keep_file(tx: &mut Tx, id: &str, file: &[u8]) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE key_delivery SET file = $2 WHERE id = $1 AND file IS NULL")
                .bind(id)
                .bind(file),
        )
        .await?;
    Ok(changed == 1)
}

/// The file of this identifier.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(queries: &mut impl Queries, id: &str) -> Result<Option<Delivery>, StoreError> {
    let row: Option<Row> =
        queries.fetch_optional(sql(select_delivery!("id = $1")).bind(id)).await?;
    row.map(Row::into_delivery).transpose()
}

/// The files of a device that are still kept, newest first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_terminal(
    queries: &mut impl Queries,
    terminal_id: &str,
) -> Result<Vec<Delivery>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_delivery!("terminal_id = $1 ORDER BY made_at DESC, id")).bind(terminal_id),
        )
        .await?;
    rows.into_iter().map(Row::into_delivery).collect()
}

/// Files whose time is over, the oldest first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn over(
    queries: &mut impl Queries,
    at: OffsetDateTime,
    limit: i64,
) -> Result<Vec<Delivery>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_delivery!("expires_at <= $1 ORDER BY expires_at, id LIMIT $2"))
                .bind(at)
                .bind(limit),
        )
        .await?;
    rows.into_iter().map(Row::into_delivery).collect()
}

/// Hands the file to the person who had it made; as often as they ask, until its time is over or its certificate
/// is good no longer.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn fetch(
    tx: &mut Tx,
    id: &str,
    person_id: &str,
    at: OffsetDateTime,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(delivery) = find(tx, id).await? else { return Ok(None) };
    let certificates = certificate::of_key(tx, &delivery.spki_sha256, MOST_OF_A_KEY).await?;
    if !certificates.iter().any(|certificate| certificate.status == Status::Good) {
        return Ok(None);
    }
    let changed = tx
        .execute(
            sql("UPDATE key_delivery SET fetched_at = COALESCE(fetched_at, $3)
                 WHERE id = $1 AND made_by = $2 AND expires_at > $3 AND file IS NOT NULL")
            .bind(id)
            .bind(person_id)
            .bind(at),
        )
        .await?;
    if changed == 0 {
        return Ok(None);
    }
    let row: Option<(Vec<u8>,)> = tx
        .fetch_optional(
            sql("SELECT file FROM key_delivery WHERE id = $1 AND file IS NOT NULL").bind(id),
        )
        .await?;
    Ok(row.map(|(file,)| file))
}

/// Forgets a file, and takes its certificate back where nobody fetched it. Answers what was taken back.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn end(
    tx: &mut Tx,
    delivery: &Delivery,
    at: OffsetDateTime,
) -> Result<Ended, StoreError> {
    let gone = tx
        .execute(
            sql("DELETE FROM key_delivery WHERE id = $1
                   AND (fetched_at IS NULL) = (CAST($2 AS BIGINT) = 0)")
            .bind(&delivery.id)
            .bind(i64::from(delivery.fetched_at.is_some())),
        )
        .await?;
    if gone == 0 {
        return Ok(Ended::Changed);
    }
    if delivery.fetched_at.is_some() {
        return Ok(Ended::Forgotten);
    }
    let mut taken_back = Vec::new();
    for certificate in certificate::of_key(tx, &delivery.spki_sha256, MOST_OF_A_KEY).await? {
        // Also one on hold, which a release would bring back.
        if !certificate.status.is_final()
            && revocation::revoke(tx, &certificate.issuer_id, &certificate.serial, SUPERSEDED, at)
                .await?
        {
            taken_back.push((certificate.issuer_id, certificate.serial));
        }
    }
    Ok(Ended::TakenBack(taken_back))
}

/// How a file ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was fetched, ended or forgotten meanwhile: nothing was done.
    Changed,
    /// It had been fetched; its certificate goes on.
    Forgotten,
    /// Nobody fetched it: the certificates that were taken back, by issuer and serial number, as many as were there.
    TakenBack(Vec<(String, Vec<u8>)>),
}
