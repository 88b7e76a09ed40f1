//! Groups of facilities whose routers reach each other (docs/decisions/0053). Who is whose peer follows from them:
//! [`crate::vpn_peers`].

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    moment::{moment, moment_opt},
    sql,
    vpn_membership::{self, End, VpnMembership},
};

/// What a group is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// 地域医療連携
    RegionalCooperation,
    /// 同一法人
    SameCorporation,
    /// カンファレンス
    Conference,
    /// リモートメンテナンス
    RemoteMaintenance,
}

impl Purpose {
    /// All, in the order in which they are offered.
    pub const ALL: [Self; 4] = [
        Self::RegionalCooperation,
        Self::SameCorporation,
        Self::Conference,
        Self::RemoteMaintenance,
    ];

    /// As stored, in forms and in commands.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RegionalCooperation => "regional_cooperation",
            Self::SameCorporation => "same_corporation",
            Self::Conference => "conference",
            Self::RemoteMaintenance => "remote_maintenance",
        }
    }

    /// From its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == word)
    }
}

/// Who of a group reaches whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// Everybody everybody else.
    Mesh,
    /// Hubs everybody, the others the hubs alone.
    Hub,
}

impl Topology {
    /// All.
    pub const ALL: [Self; 2] = [Self::Mesh, Self::Hub];

    /// As stored, in forms and in commands.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mesh => "mesh",
            Self::Hub => "hub",
        }
    }

    /// From its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topology| topology.as_str() == word)
    }
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpnGroup {
    /// UUIDv7.
    pub id: String,
    /// The organisation whose administrators say who belongs to it.
    pub owner_id: String,
    /// Its name.
    pub name_ja: String,
    /// Its name in English; empty where it has none.
    pub name_en: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Who reaches whom.
    pub topology: Topology,
    /// Whether spokes reach each other through a hub.
    pub transit: bool,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was closed.
    pub closed_at: Option<OffsetDateTime>,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    owner_id: String,
    name_ja: String,
    name_en: String,
    purpose: String,
    topology: String,
    transit: i64,
    created_at: i64,
    closed_at: Option<i64>,
}

impl Row {
    fn into_group(self) -> Result<VpnGroup, StoreError> {
        let corrupt = |text: &str| StoreError::Corrupt {
            what: "vpn_group",
            detail: format!("`{text}` is not known"),
        };
        Ok(VpnGroup {
            purpose: Purpose::parse(&self.purpose).ok_or_else(|| corrupt(&self.purpose))?,
            topology: Topology::parse(&self.topology).ok_or_else(|| corrupt(&self.topology))?,
            transit: self.transit != 0,
            created_at: moment("vpn_group", self.created_at)?,
            closed_at: moment_opt("vpn_group", self.closed_at)?,
            id: self.id,
            owner_id: self.owner_id,
            name_ja: self.name_ja,
            name_en: self.name_en,
        })
    }
}

/// The columns of [`Row`]. `concat!` keeps the statements constants.
macro_rules! select_group {
    ($condition:literal) => {
        concat!(
            "SELECT g.id, g.owner_id, g.name_ja, g.name_en, g.purpose, g.topology, g.transit,
                    g.created_at, g.closed_at
             FROM vpn_group g WHERE ",
            $condition
        )
    };
}

/// A group to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewGroup<'a> {
    /// Whose it is.
    pub owner_id: &'a str,
    /// Its name.
    pub name_ja: &'a str,
    /// Its name in English, or nothing.
    pub name_en: &'a str,
    /// What it is for.
    pub purpose: Purpose,
    /// Who reaches whom.
    pub topology: Topology,
    /// Whether spokes reach each other through a hub.
    pub transit: bool,
    /// A person, or `host`.
    pub created_by: &'a str,
    /// When.
    pub at: OffsetDateTime,
}

/// Makes a group; its identifier, or `None` where that owner has one of this name which is not closed.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn create(tx: &mut Tx, new: NewGroup<'_>) -> Result<Option<String>, StoreError> {
    let id = Uuid::now_v7().to_string();
    let made = tx
        .execute(
            sql(
                "INSERT INTO vpn_group (id, owner_id, name_ja, name_en, purpose, topology, transit,
                     created_at, created_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
            )
            .bind(&id)
            .bind(new.owner_id)
            .bind(new.name_ja)
            .bind(new.name_en)
            .bind(new.purpose.as_str())
            .bind(new.topology.as_str())
            .bind(i64::from(new.transit))
            .bind(new.at)
            .bind(new.created_by),
        )
        .await?;
    Ok((made == 1).then_some(id))
}

/// The group of this identifier, also one that was closed.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(queries: &mut impl Queries, id: &str) -> Result<Option<VpnGroup>, StoreError> {
    let row: Option<Row> = queries.fetch_optional(sql(select_group!("g.id = $1")).bind(id)).await?;
    row.map(Row::into_group).transpose()
}

/// An organisation's own groups that are not closed, oldest first; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_owner(
    queries: &mut impl Queries,
    owner_id: &str,
    limit: i64,
) -> Result<Vec<VpnGroup>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_group!("g.owner_id = $1 AND g.closed_at IS NULL ORDER BY g.id LIMIT $2"))
                .bind(owner_id)
                .bind(limit),
        )
        .await?;
    rows.into_iter().map(Row::into_group).collect()
}

/// Groups of which an organisation is a member, is asked or asks to be one, of whomever; oldest first, at most
/// `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_member(
    queries: &mut impl Queries,
    organisation_id: &str,
    limit: i64,
) -> Result<Vec<VpnGroup>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_group!(
                "g.closed_at IS NULL AND g.id IN (SELECT m.group_id FROM vpn_membership m
                     WHERE m.organisation_id = $1 AND m.ended_at IS NULL)
                 ORDER BY g.id LIMIT $2"
            ))
            .bind(organisation_id)
            .bind(limit),
        )
        .await?;
    rows.into_iter().map(Row::into_group).collect()
}

/// All groups that are not closed, oldest first: at most `limit` after the one of this identifier.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn list(
    queries: &mut impl Queries,
    after: &str,
    limit: i64,
) -> Result<Vec<VpnGroup>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_group!("g.closed_at IS NULL AND g.id > $1 ORDER BY g.id LIMIT $2"))
                .bind(after)
                .bind(limit),
        )
        .await?;
    rows.into_iter().map(Row::into_group).collect()
}

/// Closes a group, and with it every membership, asked for or agreed: those as they stood, or `None` where it was
/// closed before or never was.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn close(
    tx: &mut Tx,
    id: &str,
    by: &str,
    at: OffsetDateTime,
) -> Result<Option<Vec<VpnMembership>>, StoreError> {
    let closed = tx
        .execute(
            sql("UPDATE vpn_group SET closed_at = $2, closed_by = $3
                 WHERE id = $1 AND closed_at IS NULL")
            .bind(id)
            .bind(at)
            .bind(by),
        )
        .await?;
    if closed == 0 {
        return Ok(None);
    }
    let mut left = Vec::new();
    for membership in vpn_membership::of_group(tx, id, i64::MAX).await? {
        if vpn_membership::end(tx, &membership.id, End::GroupClosed, Some(by), at).await? {
            left.push(membership);
        }
    }
    Ok(Some(left))
}
