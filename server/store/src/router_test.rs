//! Tests of one model of router against another: facts with a date. The newest of one pair, direction, proof and
//! judgement counts; the older ones stay.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Queries, StoreError, Tx, moment::moment, router_model::Kept, sql};

/// By what the two routers proved themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// Certificates of ours with P-256 keys.
    P256,
    /// The same with RSA keys of 3,072 bits.
    Rsa3072,
    /// A pre-shared key.
    Psk,
    /// Certificates of the shape of HPKI's, for comparison.
    HpkiLike,
    /// The same with the router's DNS name.
    HpkiLikeNamed,
}

impl Proof {
    /// All, as tables show them.
    pub const ALL: [Self; 5] =
        [Self::P256, Self::Rsa3072, Self::Psk, Self::HpkiLike, Self::HpkiLikeNamed];
    /// Those that this network hands out, for which a model can be certified.
    pub const CERTIFIABLE: [Self; 3] = [Self::P256, Self::Rsa3072, Self::Psk];

    /// As stored and in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::Rsa3072 => "rsa3072",
            Self::Psk => "psk",
            Self::HpkiLike => "hpki-like",
            Self::HpkiLikeNamed => "hpki-like-named",
        }
    }

    /// From a stored or typed word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|proof| proof.as_str() == text)
    }
}

/// What a test looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judged {
    /// Whether both ends say that IKE_AUTH succeeded (RFC 7296 §1.2); no packet.
    IkeAuth,
    /// Whether a packet went through the tunnel and came back.
    Packet,
}

impl Judged {
    /// Both.
    pub const ALL: [Self; 2] = [Self::IkeAuth, Self::Packet];

    /// As stored and in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IkeAuth => "ike_auth",
            Self::Packet => "packet",
        }
    }

    /// From a stored or typed word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|judged| judged.as_str() == text)
    }
}

/// Where a result comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A run of `./run matrix`, which anybody can repeat.
    Matrix,
    /// Somebody's bench with devices.
    Bench,
}

impl Source {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Matrix, Self::Bench];

    /// As stored and in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Matrix => "matrix",
            Self::Bench => "bench",
        }
    }

    /// From a stored or typed word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == text)
    }
}

/// A test and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterTest {
    /// The model that opened the tunnel.
    pub opens_id: String,
    /// The model that awaited it.
    pub awaits_id: String,
    /// By what they proved themselves.
    pub proof: Proof,
    /// What was looked at.
    pub judged: Judged,
    /// When, to the second.
    pub tested_at: OffsetDateTime,
    /// Why it failed; `None`: it succeeded.
    pub failure: Option<String>,
    /// Where the result comes from.
    pub source: Source,
    /// By whom and with what.
    pub tested_by: String,
    /// What else there is to know.
    pub note: String,
}

#[derive(serde::Deserialize)]
struct Row {
    opens_id: String,
    awaits_id: String,
    proof: String,
    judged: String,
    tested_at: i64,
    succeeded: i64,
    reason: String,
    source: String,
    tested_by: String,
    note: String,
}

impl Row {
    fn into_test(self) -> Result<RouterTest, StoreError> {
        let corrupt =
            |text: &str| StoreError::Corrupt { what: "router test", detail: text.to_owned() };
        Ok(RouterTest {
            proof: Proof::parse(&self.proof).ok_or_else(|| corrupt(&self.proof))?,
            judged: Judged::parse(&self.judged).ok_or_else(|| corrupt(&self.judged))?,
            source: Source::parse(&self.source).ok_or_else(|| corrupt(&self.source))?,
            tested_at: moment("router test", self.tested_at)?,
            failure: (self.succeeded == 0).then_some(self.reason),
            opens_id: self.opens_id,
            awaits_id: self.awaits_id,
            tested_by: self.tested_by,
            note: self.note,
        })
    }
}

macro_rules! select_test {
    ($rest:literal) => {
        concat!(
            "SELECT r.opens_id, r.awaits_id, r.proof, r.judged, r.tested_at, r.succeeded, r.reason, r.source,
                    r.tested_by, r.note
             FROM router_test r ",
            $rest
        )
    };
}

/// Holds of a result than which there is no newer one.
macro_rules! counts {
    () => {
        "NOT EXISTS (SELECT 1 FROM router_test n WHERE n.opens_id = r.opens_id AND n.awaits_id = r.awaits_id
             AND n.proof = r.proof AND n.judged = r.judged AND n.tested_at > r.tested_at)"
    };
}

/// The result of exactly this test: pair, proof, judgement and time.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn same(
    queries: &mut impl Queries,
    test: &RouterTest,
) -> Result<Option<RouterTest>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql(select_test!(
                "WHERE r.opens_id = $1 AND r.awaits_id = $2 AND r.proof = $3 AND r.judged = $4
                     AND r.tested_at = $5"
            ))
            .bind(test.opens_id.as_str())
            .bind(test.awaits_id.as_str())
            .bind(test.proof.as_str())
            .bind(test.judged.as_str())
            .bind(test.tested_at),
        )
        .await?;
    row.map(Row::into_test).transpose()
}

/// Adds a result that is not there; whoever calls has asked [`same`] whether one says otherwise.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: a result of this test is there and says otherwise.
pub async fn keep(
    tx: &mut Tx,
    test: &RouterTest,
    entered_by: &str,
    at: OffsetDateTime,
) -> Result<Kept, StoreError> {
    if same(tx, test).await?.as_ref() == Some(test) {
        return Ok(Kept::Same);
    }
    tx.execute(
        sql("INSERT INTO router_test (id, opens_id, awaits_id, proof, judged, tested_at, succeeded, reason, source,
                                      tested_by, note, entered_at, entered_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
        .bind(Uuid::now_v7().to_string())
        .bind(test.opens_id.as_str())
        .bind(test.awaits_id.as_str())
        .bind(test.proof.as_str())
        .bind(test.judged.as_str())
        .bind(test.tested_at)
        .bind(i64::from(test.failure.is_none()))
        .bind(test.failure.as_deref().unwrap_or_default())
        .bind(test.source.as_str())
        .bind(test.tested_by.as_str())
        .bind(test.note.as_str())
        .bind(at)
        .bind(entered_by),
    )
    .await?;
    Ok(Kept::Entered)
}

/// Every result there ever was, oldest first; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn all(queries: &mut impl Queries, limit: i64) -> Result<Vec<RouterTest>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(sql(select_test!("ORDER BY r.tested_at, r.id LIMIT $1")).bind(limit))
        .await?;
    rows.into_iter().map(Row::into_test).collect()
}

/// The results that count of a model, as either end; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn current_of(
    queries: &mut impl Queries,
    model_id: &str,
    limit: i64,
) -> Result<Vec<RouterTest>, StoreError> {
    const SQL: &str = concat!(
        select_test!("WHERE (r.opens_id = $1 OR r.awaits_id = $1) AND "),
        counts!(),
        " ORDER BY r.opens_id, r.awaits_id, r.proof, r.judged LIMIT $2"
    );
    let rows: Vec<Row> = queries.fetch_all(sql(SQL).bind(model_id).bind(limit)).await?;
    rows.into_iter().map(Row::into_test).collect()
}

/// The results of a model that a newer one took the place of, newest first; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn earlier_of(
    queries: &mut impl Queries,
    model_id: &str,
    limit: i64,
) -> Result<Vec<RouterTest>, StoreError> {
    const SQL: &str = concat!(
        select_test!("WHERE (r.opens_id = $1 OR r.awaits_id = $1) AND NOT "),
        counts!(),
        " ORDER BY r.tested_at DESC, r.id LIMIT $2"
    );
    let rows: Vec<Row> = queries.fetch_all(sql(SQL).bind(model_id).bind(limit)).await?;
    rows.into_iter().map(Row::into_test).collect()
}

/// Models of which a result that counts says that they reached one of this family, or were reached by it; by
/// this proof, or by whichever this network hands out.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn reaching(
    queries: &mut impl Queries,
    family: &str,
    proof: Option<Proof>,
) -> Result<Vec<String>, StoreError> {
    const SQL: &str = concat!(
        "SELECT DISTINCT one.id FROM router_test r
         JOIN router_model one ON one.id IN (r.opens_id, r.awaits_id)
         JOIN router_model other ON (other.id = r.opens_id AND one.id = r.awaits_id)
             OR (other.id = r.awaits_id AND one.id = r.opens_id)
         WHERE other.family = $1 AND r.succeeded = 1 AND (r.proof = $2
             OR (CAST($2 AS TEXT) IS NULL AND r.proof IN ('p256', 'rsa3072', 'psk'))) AND ",
        counts!()
    );
    let rows: Vec<(String,)> =
        queries.fetch_all(sql(SQL).bind(family).bind(proof.map(Proof::as_str))).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Whether a result that counts says that a tunnel of this model stood by this proof.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn stood(
    queries: &mut impl Queries,
    model_id: &str,
    proof: Proof,
) -> Result<bool, StoreError> {
    const SQL: &str = concat!(
        "SELECT r.id FROM router_test r WHERE (r.opens_id = $1 OR r.awaits_id = $1) AND r.proof = $2
             AND r.succeeded = 1 AND ",
        counts!(),
        " LIMIT 1"
    );
    let found: Option<(String,)> =
        queries.fetch_optional(sql(SQL).bind(model_id).bind(proof.as_str())).await?;
    Ok(found.is_some())
}
