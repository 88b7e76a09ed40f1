//! The keys that sign tokens, with the private half sealed by the caller.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, moment::moment, sql};

/// A key and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKey {
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

/// All keys that are published at `now` or will be, oldest first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn published(
    queries: &mut impl Queries,
    now: OffsetDateTime,
) -> Result<Vec<TokenKey>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql("SELECT kid, algorithm, public_key_der, sealed_key, made_at, signs_from,
                     signs_until, leaves_at FROM token_key
                 WHERE leaves_at IS NULL OR leaves_at > $1 ORDER BY signs_from, kid")
            .bind(now),
        )
        .await?;
    let at = |value| moment("token key", value);
    let read = |(kid, algorithm, public_key_der, sealed_key, made, from, until, leaves): Row| {
        let succeeded = match (until, leaves) {
            (Some(until), Some(leaves)) => {
                Some(Succeeded { signs_until: at(until)?, leaves_at: at(leaves)? })
            }
            _ => None,
        };
        let (made_at, signs_from) = (at(made)?, at(from)?);
        Ok(TokenKey { kid, algorithm, public_key_der, sealed_key, made_at, signs_from, succeeded })
    };
    rows.into_iter().map(read).collect()
}

/// Enters a key that has no successor; `false` when its algorithm has such a one already.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn add(tx: &mut Tx, key: &TokenKey) -> Result<bool, StoreError> {
    let added = tx
        .execute(
            sql("INSERT INTO token_key
                     (kid, algorithm, public_key_der, sealed_key, made_at, signs_from)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (algorithm) WHERE signs_until IS NULL DO NOTHING")
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
    let statement = sql("UPDATE token_key SET signs_until = $2, leaves_at = $3
                         WHERE kid = $1 AND signs_until IS NULL");
    let statement = statement.bind(kid).bind(end.signs_until).bind(end.leaves_at);
    Ok(tx.execute(statement).await? == 1)
}

/// Ends every key of the algorithm that has a successor, at once; how many that were.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn withdraw_succeeded(
    tx: &mut Tx,
    algorithm: &str,
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let statement = sql("UPDATE token_key SET signs_until = $2, leaves_at = $2
                         WHERE algorithm = $1 AND signs_until IS NOT NULL AND leaves_at > $2");
    tx.execute(statement.bind(algorithm).bind(now)).await
}

/// Forgets the private half of a key that has a successor.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn forget_private(tx: &mut Tx, kid: &str) -> Result<(), StoreError> {
    let statement =
        sql("UPDATE token_key SET sealed_key = NULL WHERE kid = $1 AND signs_until IS NOT NULL");
    tx.execute(statement.bind(kid)).await?;
    Ok(())
}
