//! The keys that sign tokens and login requests, with the private half sealed by the caller.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, moment::moment, sql};

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Tokens, for services.
    Token,
    /// Login requests, for the agents of terminals.
    LoginRequest,
}

impl Purpose {
    /// As the table has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::LoginRequest => "login_request",
        }
    }
}

/// A key and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnKey {
    /// What it signs.
    pub purpose: Purpose,
    /// Its name: the JWK thumbprint.
    pub kid: String,
    /// The only `alg` that it signs.
    pub algorithm: String,
    /// `SubjectPublicKeyInfo`.
    pub public_key_der: Vec<u8>,
    /// The private half, sealed; `None` once it signs no more.
    pub sealed_key: Option<Vec<u8>>,
    /// When it was made.
    pub made_at: OffsetDateTime,
    /// From when it signs.
    pub signs_from: OffsetDateTime,
    /// What its successor made of it; `None` for the newest of its algorithm.
    pub succeeded: Option<Succeeded>,
}

/// The end of a key that has a successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Succeeded {
    /// When the successor signs instead.
    pub signs_until: OffsetDateTime,
    /// When it is published no more: nothing that it signed counts then.
    pub leaves_at: OffsetDateTime,
}

type Row = (String, String, Vec<u8>, Option<Vec<u8>>, i64, i64, Option<i64>, Option<i64>);

/// All keys of a purpose that are published at `now` or will be, oldest first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn published(
    queries: &mut impl Queries,
    purpose: Purpose,
    now: OffsetDateTime,
) -> Result<Vec<OwnKey>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql("SELECT kid, algorithm, public_key_der, sealed_key, made_at, signs_from,
                     signs_until, leaves_at FROM own_key
                 WHERE purpose = $1 AND (leaves_at IS NULL OR leaves_at > $2)
                 ORDER BY signs_from, kid")
            .bind(purpose.as_str())
            .bind(now),
        )
        .await?;
    let at = |value| moment("own key", value);
    let read = |(kid, algorithm, public_key_der, sealed_key, made, from, until, leaves): Row| {
        let succeeded = match (until, leaves) {
            (Some(until), Some(leaves)) => {
                Some(Succeeded { signs_until: at(until)?, leaves_at: at(leaves)? })
            }
            _ => None,
        };
        let (made_at, signs_from) = (at(made)?, at(from)?);
        Ok(OwnKey {
            purpose,
            kid,
            algorithm,
            public_key_der,
            sealed_key,
            made_at,
            signs_from,
            succeeded,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Whether the register has this key, in force or from before.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn is_known(
    queries: &mut impl Queries,
    purpose: Purpose,
    kid: &str,
) -> Result<bool, StoreError> {
    let statement = sql("SELECT kid FROM own_key WHERE purpose = $1 AND kid = $2");
    let found: Option<(String,)> =
        queries.fetch_optional(statement.bind(purpose.as_str()).bind(kid)).await?;
    Ok(found.is_some())
}

/// Enters a key that has no successor; `false` when its purpose has such a one of its algorithm already.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn add(tx: &mut Tx, key: &OwnKey) -> Result<bool, StoreError> {
    let added = tx
        .execute(
            sql("INSERT INTO own_key
                     (purpose, kid, algorithm, public_key_der, sealed_key, made_at, signs_from)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)
                 ON CONFLICT (purpose, algorithm) WHERE signs_until IS NULL DO NOTHING")
            .bind(key.purpose.as_str())
            .bind(&key.kid)
            .bind(&key.algorithm)
            .bind(&key.public_key_der)
            .bind(key.sealed_key.as_deref())
            .bind(key.made_at)
            .bind(key.signs_from),
        )
        .await?;
    Ok(added == 1)
}

/// Says when the key `kid` ends, before its successor is entered; `false` when it has one already.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn succeed(tx: &mut Tx, kid: &str, end: Succeeded) -> Result<bool, StoreError> {
    let statement = sql("UPDATE own_key SET signs_until = $2, leaves_at = $3
                         WHERE kid = $1 AND signs_until IS NULL");
    let statement = statement.bind(kid).bind(end.signs_until).bind(end.leaves_at);
    Ok(tx.execute(statement).await? == 1)
}

/// Ends every key of the purpose and algorithm that has a successor, at once; how many that were.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn withdraw_succeeded(
    tx: &mut Tx,
    (purpose, algorithm): (Purpose, &str),
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let statement = sql("UPDATE own_key SET signs_until = $3, leaves_at = $3
                         WHERE purpose = $1 AND algorithm = $2
                           AND signs_until IS NOT NULL AND leaves_at > $3");
    tx.execute(statement.bind(purpose.as_str()).bind(algorithm).bind(now)).await
}

/// The keys of a purpose that signed until `until` at the latest and still have their private half,
/// published or not.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn signed_until(
    queries: &mut impl Queries,
    purpose: Purpose,
    until: OffsetDateTime,
) -> Result<Vec<String>, StoreError> {
    let statement = sql("SELECT kid FROM own_key
                         WHERE purpose = $1 AND sealed_key IS NOT NULL AND signs_until <= $2
                         ORDER BY signs_until, kid");
    let rows: Vec<(String,)> =
        queries.fetch_all(statement.bind(purpose.as_str()).bind(until)).await?;
    Ok(rows.into_iter().map(|(kid,)| kid).collect())
}

/// Forgets the private half of a key that has a successor.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn forget_private(tx: &mut Tx, kid: &str) -> Result<(), StoreError> {
    let statement =
        sql("UPDATE own_key SET sealed_key = NULL WHERE kid = $1 AND signs_until IS NOT NULL");
    tx.execute(statement.bind(kid)).await?;
    Ok(())
}
