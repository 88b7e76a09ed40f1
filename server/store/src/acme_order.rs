//! Orders and the authorizations that they need (RFC 8555 §7.1.3 and §7.1.4).

use time::OffsetDateTime;

use crate::{
    Queries, Store, StoreError, Tx,
    db::housekeeping,
    moment::{digest, moment, moment_opt, text_list},
    sql,
};

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// UUIDv7.
    pub id: String,
    /// Who ordered.
    pub account_id: String,
    /// When.
    pub created_at: OffsetDateTime,
    /// Until when it can be fulfilled.
    pub expires_at: OffsetDateTime,
    /// The DNS names to be certified.
    pub names: Vec<String>,
    /// The certificate that it is to take the place of (RFC 9773 §5): issuer and serial number.
    pub replaces: Option<(String, Vec<u8>)>,
    /// SHA-256 of the `SubjectPublicKeyInfo` that it was finalized with, and when.
    pub claimed: Option<([u8; 32], OffsetDateTime)>,
    /// What came of it: issuer and serial number.
    pub certificate: Option<(String, Vec<u8>)>,
}

/// Where an authorization stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizationState {
    /// Nothing was tried.
    Pending,
    /// Proven.
    Valid,
    /// Tried, and not proven.
    Invalid,
    /// Given up by its owner.
    Deactivated,
}

impl AuthorizationState {
    const ALL: [Self; 4] = [Self::Pending, Self::Valid, Self::Invalid, Self::Deactivated];

    /// As stored and as in the protocol (RFC 8555 §7.1.6).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Deactivated => "deactivated",
        }
    }
}

/// The proof that whoever ordered holds a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// UUIDv7.
    pub id: String,
    /// For which order.
    pub order_id: String,
    /// The DNS name.
    pub name: String,
    /// Where it stands.
    pub state: AuthorizationState,
    /// What http-01 expects to find (RFC 8555 §8.3).
    pub http_token: String,
    /// What tls-alpn-01 expects to find (RFC 8737 §3).
    pub tls_token: String,
    /// How the proof is being or was tried, and when.
    pub tried: Option<(String, OffsetDateTime)>,
    /// Why it failed, the caller's JSON.
    pub fault: Option<String>,
}

#[derive(serde::Deserialize)]
struct OrderRow {
    id: String,
    account_id: String,
    created_at: i64,
    expires_at: i64,
    names: String,
    replaces_issuer_id: Option<String>,
    replaces_serial: Option<Vec<u8>>,
    spki_sha256: Option<Vec<u8>>,
    claimed_at: Option<i64>,
    issuer_id: Option<String>,
    serial: Option<Vec<u8>>,
}

impl OrderRow {
    fn into_order(self) -> Result<Order, StoreError> {
        let claimed_at = moment_opt("ACME order", self.claimed_at)?;
        let spki_sha256 =
            self.spki_sha256.map(|octets| digest("ACME order", octets)).transpose()?;
        Ok(Order {
            id: self.id,
            account_id: self.account_id,
            created_at: moment("ACME order", self.created_at)?,
            expires_at: moment("ACME order", self.expires_at)?,
            names: text_list("names of an ACME order", &self.names)?,
            replaces: self.replaces_issuer_id.zip(self.replaces_serial),
            claimed: spki_sha256.zip(claimed_at),
            certificate: self.issuer_id.zip(self.serial),
        })
    }
}

#[derive(serde::Deserialize)]
struct AuthorizationRow {
    id: String,
    order_id: String,
    name: String,
    state: String,
    http_token: String,
    tls_token: String,
    tried: Option<String>,
    tried_at: Option<i64>,
    fault: Option<String>,
}

impl AuthorizationRow {
    fn into_authorization(self) -> Result<Authorization, StoreError> {
        let known = AuthorizationState::ALL.into_iter().find(|state| state.as_str() == self.state);
        let state = known.ok_or_else(|| StoreError::Corrupt {
            what: "ACME authorization",
            detail: format!("`{}` is no state", self.state),
        })?;
        let tried_at = moment_opt("ACME authorization", self.tried_at)?;
        Ok(Authorization {
            id: self.id,
            order_id: self.order_id,
            name: self.name,
            state,
            http_token: self.http_token,
            tls_token: self.tls_token,
            tried: self.tried.zip(tried_at),
            fault: self.fault,
        })
    }
}

/// The columns of [`OrderRow`]. `concat!` keeps the statements constants.
macro_rules! select_order {
    ($condition:literal) => {
        concat!(
            "SELECT o.id, o.account_id, o.created_at, o.expires_at, o.names, o.replaces_issuer_id,
                    o.replaces_serial, o.spki_sha256, o.claimed_at, o.issuer_id, o.serial
             FROM acme_order o ",
            $condition
        )
    };
}

/// The columns of [`AuthorizationRow`].
macro_rules! select_authorization {
    ($condition:literal) => {
        concat!(
            "SELECT a.id, a.order_id, a.name, a.state, a.http_token, a.tls_token, a.tried,
                    a.tried_at, a.fault
             FROM acme_authorization a ",
            $condition
        )
    };
}

/// Keeps an order with its authorizations.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn add(
    tx: &mut Tx,
    order: &Order,
    authorizations: &[Authorization],
) -> Result<(), StoreError> {
    let replaces = order.replaces.as_ref();
    tx.execute(
        sql("INSERT INTO acme_order (id, account_id, created_at, expires_at, names,
                 replaces_issuer_id, replaces_serial)
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(&order.id)
        .bind(&order.account_id)
        .bind(order.created_at)
        .bind(order.expires_at)
        .bind(serde_json::Value::from(order.names.clone()).to_string())
        .bind(replaces.map(|(issuer_id, _)| issuer_id.as_str()))
        .bind(replaces.map(|(_, serial)| serial.as_slice())),
    )
    .await?;
    for authorization in authorizations {
        tx.execute(
            sql("INSERT INTO acme_authorization (id, order_id, name, state, http_token, tls_token)
                 VALUES ($1, $2, $3, 'pending', $4, $5)")
            .bind(&authorization.id)
            .bind(&authorization.order_id)
            .bind(&authorization.name)
            .bind(&authorization.http_token)
            .bind(&authorization.tls_token),
        )
        .await?;
    }
    Ok(())
}

/// An order of this account, with its authorizations in the order of their names' writing.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    account_id: &str,
    id: &str,
) -> Result<Option<(Order, Vec<Authorization>)>, StoreError> {
    let row: Option<OrderRow> = queries
        .fetch_optional(
            sql(select_order!("WHERE o.id = $1 AND o.account_id = $2")).bind(id).bind(account_id),
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let rows: Vec<AuthorizationRow> = queries
        .fetch_all(sql(select_authorization!("WHERE a.order_id = $1 ORDER BY a.id")).bind(id))
        .await?;
    let authorizations = rows.into_iter().map(AuthorizationRow::into_authorization);
    Ok(Some((row.into_order()?, authorizations.collect::<Result<_, _>>()?)))
}

/// The newest orders of an account, at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn newest(
    queries: &mut impl Queries,
    account_id: &str,
    limit: i64,
) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = queries
        .fetch_all(
            sql("SELECT id FROM acme_order WHERE account_id = $1 ORDER BY id DESC LIMIT $2")
                .bind(account_id)
                .bind(limit),
        )
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// How many orders an account began since `since`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn begun_since(
    queries: &mut impl Queries,
    account_id: &str,
    since: OffsetDateTime,
) -> Result<u64, StoreError> {
    let counted: Option<(i64,)> = queries
        .fetch_optional(
            sql("SELECT COUNT(*) FROM acme_order WHERE account_id = $1 AND created_at > $2")
                .bind(account_id)
                .bind(since),
        )
        .await?;
    Ok(counted.map_or(0, |(count,)| count.unsigned_abs()))
}

/// An authorization of this account, and its order.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn authorization(
    queries: &mut impl Queries,
    account_id: &str,
    id: &str,
) -> Result<Option<(Order, Authorization)>, StoreError> {
    let row: Option<AuthorizationRow> =
        queries.fetch_optional(sql(select_authorization!("WHERE a.id = $1")).bind(id)).await?;
    let Some(row) = row else { return Ok(None) };
    let order: Option<OrderRow> = queries
        .fetch_optional(
            sql(select_order!("WHERE o.id = $1 AND o.account_id = $2"))
                .bind(&row.order_id)
                .bind(account_id),
        )
        .await?;
    match order {
        Some(order) => Ok(Some((order.into_order()?, row.into_authorization()?))),
        None => Ok(None),
    }
}

/// Notes what a try of a pending authorization led to; answers whether it was still pending. A `fault`
/// is why it failed.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn conclude(
    tx: &mut Tx,
    id: &str,
    method: &str,
    fault: Option<&str>,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let state =
        if fault.is_none() { AuthorizationState::Valid } else { AuthorizationState::Invalid };
    let changed = tx
        .execute(
            sql("UPDATE acme_authorization SET state = $2, tried = $3, tried_at = $4, fault = $5
                 WHERE id = $1 AND state = 'pending'")
            .bind(id)
            .bind(state.as_str())
            .bind(method)
            .bind(at)
            .bind(fault),
        )
        .await?;
    Ok(changed == 1)
}

/// Gives an authorization up that is pending or valid; answers whether this call did.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn deactivate(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE acme_authorization SET state = 'deactivated'
                 WHERE id = $1 AND state IN ('pending', 'valid')")
            .bind(id),
        )
        .await?;
    Ok(changed == 1)
}

/// Takes an order whose authorizations all hold for the certification of a key; answers whether this call
/// did. An order that was taken before `stale` and led to nothing is taken anew: whoever took it died.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn claim(
    tx: &mut Tx,
    id: &str,
    spki_sha256: &[u8; 32],
    at: OffsetDateTime,
    stale: OffsetDateTime,
) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE acme_order SET spki_sha256 = $2, claimed_at = $3
                 WHERE id = $1 AND serial IS NULL AND expires_at > $3
                   AND (claimed_at IS NULL OR claimed_at < $4)
                   AND NOT EXISTS (SELECT 1 FROM acme_authorization a
                       WHERE a.order_id = acme_order.id AND a.state <> 'valid')")
            .bind(id)
            .bind(spki_sha256)
            .bind(at)
            .bind(stale),
        )
        .await?;
    Ok(changed == 1)
}

/// Ties a certificate to the order that was taken for its key; answers whether this call did.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn fulfil(
    tx: &mut Tx,
    id: &str,
    spki_sha256: &[u8; 32],
    (issuer_id, serial): (&str, &[u8]),
) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE acme_order SET issuer_id = $3, serial = $4
                 WHERE id = $1 AND spki_sha256 = $2 AND serial IS NULL")
            .bind(id)
            .bind(spki_sha256)
            .bind(issuer_id)
            .bind(serial),
        )
        .await?;
    Ok(changed == 1)
}

impl Store {
    /// Begins to ask for the proof of a pending authorization; answers whether nobody else is at it. Who began
    /// before `stale` and told nothing died.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn begin_acme_proof(
        &self,
        id: &str,
        method: &str,
        at: OffsetDateTime,
        stale: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let begun: u64 = housekeeping!(self, |tx| {
            tx.execute(
                sql("UPDATE acme_authorization SET tried = $2, tried_at = $3
                     WHERE id = $1 AND state = 'pending' AND (tried_at IS NULL OR tried_at < $4)")
                .bind(id)
                .bind(method)
                .bind(at)
                .bind(stale),
            )
            .await?
        })?;
        Ok(begun == 1)
    }
}

/// Whether another order takes the place of this certificate and may yet, or did (RFC 9773 §5).
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn is_replaced(
    queries: &mut impl Queries,
    (issuer_id, serial): (&str, &[u8]),
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = queries
        .fetch_optional(
            sql("SELECT 1 FROM acme_order o
                 WHERE o.replaces_issuer_id = $1 AND o.replaces_serial = $2
                   AND (o.serial IS NOT NULL OR o.expires_at > $3)
                   AND NOT EXISTS (SELECT 1 FROM acme_authorization a
                       WHERE a.order_id = o.id AND a.state IN ('invalid', 'deactivated')
                         AND o.serial IS NULL)
                 LIMIT 1")
            .bind(issuer_id)
            .bind(serial)
            .bind(at),
        )
        .await?;
    Ok(row.is_some())
}
