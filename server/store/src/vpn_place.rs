//! Routers in groups: which of a member's routers take part.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    router::{self, Router},
    router_psk, sql,
    vpn_group::Topology,
};

/// A router's place in a group, of a member that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpnPlace {
    /// The group.
    pub group_id: String,
    /// Who of it reaches whom.
    pub topology: Topology,
    /// Whether its spokes reach each other through a hub.
    pub transit: bool,
    /// The membership.
    pub membership_id: String,
    /// Whether that makes its routers hubs.
    pub is_hub: bool,
    /// Whose the router is.
    pub organisation_id: String,
    /// The router.
    pub router: Router,
}

/// Has a router take part; `false` where it does.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn enter(
    tx: &mut Tx,
    membership_id: &str,
    router_id: &str,
    by: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let entered = tx
        .execute(
            sql("INSERT INTO vpn_place (id, membership_id, router_id, entered_at, entered_by)
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING")
            .bind(Uuid::now_v7().to_string())
            .bind(membership_id)
            .bind(router_id)
            .bind(at)
            .bind(by),
        )
        .await?;
    Ok(entered == 1)
}

/// Takes a router out, and ends its keys with those who are no peers any more; `false` where it took no part.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn leave(
    tx: &mut Tx,
    membership_id: &str,
    router_id: &str,
    by: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let left = tx
        .execute(
            sql("UPDATE vpn_place SET left_at = $3, left_by = $4
                 WHERE membership_id = $1 AND router_id = $2 AND left_at IS NULL")
            .bind(membership_id)
            .bind(router_id)
            .bind(at)
            .bind(by),
        )
        .await?;
    if left == 1 {
        router_psk::end_with_strangers(tx, router_id, at).await?;
    }
    Ok(left == 1)
}

/// The routers that take part for a member, in the order in which they came; also revoked ones.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn routers_of(
    queries: &mut impl Queries,
    membership_id: &str,
) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = queries
        .fetch_all(
            sql("SELECT router_id FROM vpn_place WHERE membership_id = $1 AND left_at IS NULL
                 ORDER BY id")
            .bind(membership_id),
        )
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// What makes a place count at `$2`: both sides agreed, the time is not over, the facility may act, the router was
/// not revoked.
macro_rules! counts {
    ($membership:literal, $place:literal) => {
        concat!(
            $place,
            ".left_at IS NULL AND ",
            $membership,
            ".agreed_at IS NOT NULL AND ",
            $membership,
            ".ended_at IS NULL AND (",
            $membership,
            ".ends_at IS NULL OR ",
            $membership,
            ".ends_at > $2)
               AND (SELECT e.kind FROM organisation_event e WHERE e.organisation_id = ",
            $membership,
            ".organisation_id ORDER BY e.at DESC, e.id DESC LIMIT 1) IN ('activated', 'resumed')
               AND NOT EXISTS (SELECT 1 FROM terminal_event e WHERE e.terminal_id = ",
            $place,
            ".router_id AND e.kind = 'revoked')"
        )
    };
}

/// A router that takes part in a group, of a member that has not ended: agreed or waiting, its facility active or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpnEntry {
    /// The membership.
    pub membership_id: String,
    /// What people call the router.
    pub name: String,
    /// The router.
    pub router: Router,
    /// Whether it was revoked.
    pub revoked: bool,
    /// Whether the membership was agreed.
    pub agreed: bool,
}

#[derive(serde::Deserialize)]
struct EntryRow {
    membership_id: String,
    name: String,
    revoked: i64,
    agreed: i64,
    #[serde(flatten)]
    router: router::Row,
}

/// The routers of a group's members, in the order in which those came.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_group(
    queries: &mut impl Queries,
    group_id: &str,
) -> Result<Vec<VpnEntry>, StoreError> {
    let rows: Vec<EntryRow> = queries
        .fetch_all(
            sql("SELECT m.id AS membership_id, t.name, r.terminal_id, r.family, r.dns_name, r.address,
                        r.address_certified, r.network,
                        CASE WHEN m.agreed_at IS NULL THEN 0 ELSE 1 END AS agreed,
                        (SELECT COUNT(*) FROM terminal_event e
                         WHERE e.terminal_id = t.id AND e.kind = 'revoked') AS revoked
                 FROM vpn_membership m JOIN vpn_place p ON p.membership_id = m.id
                 JOIN router r ON r.terminal_id = p.router_id JOIN terminal t ON t.id = p.router_id
                 WHERE m.group_id = $1 AND m.ended_at IS NULL AND p.left_at IS NULL
                 ORDER BY m.id, p.id")
            .bind(group_id),
        )
        .await?;
    let read = |row: EntryRow| {
        Ok(VpnEntry {
            membership_id: row.membership_id,
            name: row.name,
            router: row.router.into_router()?,
            revoked: row.revoked > 0,
            agreed: row.agreed > 0,
        })
    };
    rows.into_iter().map(read).collect()
}

#[derive(serde::Deserialize)]
struct Row {
    group_id: String,
    topology: String,
    transit: i64,
    membership_id: String,
    is_hub: i64,
    organisation_id: String,
    #[serde(flatten)]
    router: router::Row,
}

impl Row {
    fn into_place(self) -> Result<VpnPlace, StoreError> {
        let topology = Topology::parse(&self.topology).ok_or_else(|| StoreError::Corrupt {
            what: "vpn_group",
            detail: format!("`{}` is no topology", self.topology),
        })?;
        Ok(VpnPlace {
            group_id: self.group_id,
            topology,
            transit: self.transit != 0,
            membership_id: self.membership_id,
            is_hub: self.is_hub != 0,
            organisation_id: self.organisation_id,
            router: self.router.into_router()?,
        })
    }
}

/// About which routers places are asked for.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// One.
    Router(&'a str),
    /// Those that take part in a group.
    Group(&'a str),
    /// Those of a facility.
    Facility(&'a str),
}

impl Scope<'_> {
    const fn id(&self) -> &str {
        match self {
            Self::Router(id) | Self::Group(id) | Self::Facility(id) => id,
        }
    }

    /// Whether a place may be that of one of them; of a group's it is not told from it alone.
    pub(crate) fn may_have(&self, place: &VpnPlace) -> bool {
        match self {
            Self::Router(id) => place.router.terminal_id == *id,
            Self::Facility(id) => place.organisation_id == *id,
            Self::Group(_) => true,
        }
    }
}

/// Which places are those of a [`Scope`] whose identifier is `$1`.
macro_rules! of_router {
    ($place:literal) => {
        concat!($place, ".router_id = $1")
    };
}
macro_rules! of_group {
    ($place:literal) => {
        concat!(
            $place,
            ".router_id IN (SELECT gp.router_id FROM vpn_place gp
                 JOIN vpn_membership gm ON gm.id = gp.membership_id
                 WHERE gm.group_id = $1 AND gm.ended_at IS NULL AND gp.left_at IS NULL)"
        )
    };
}
macro_rules! of_facility {
    ($place:literal) => {
        concat!($place, ".router_id IN (SELECT t.id FROM terminal t WHERE t.organisation_id = $1)")
    };
}

/// Every place that counts in the groups in which one of these (`own`) counts. `concat!` keeps the statements
/// constants.
macro_rules! select_around {
    ($own:expr) => {
        concat!(
            "SELECT g.id AS group_id, g.topology, g.transit, m.id AS membership_id, m.is_hub,
                    m.organisation_id, r.terminal_id, r.family, r.dns_name, r.address,
                    r.address_certified, r.network
             FROM vpn_group g
             JOIN vpn_membership m ON m.group_id = g.id
             JOIN vpn_place p ON p.membership_id = m.id
             JOIN router r ON r.terminal_id = p.router_id
             WHERE g.id IN (SELECT om.group_id FROM vpn_place own
                 JOIN vpn_membership om ON om.id = own.membership_id WHERE ",
            $own,
            " AND ",
            counts!("om", "own"),
            ") AND ",
            counts!("m", "p"),
            " ORDER BY g.id, m.id, r.terminal_id"
        )
    };
}

/// The routers of the groups in which one of these is a hub that lets spokes through.
macro_rules! led_on {
    ($of:expr) => {
        concat!(
            "own.router_id IN (SELECT q.router_id FROM vpn_place s
                 JOIN vpn_membership sm ON sm.id = s.membership_id
                 JOIN vpn_group sg ON sg.id = sm.group_id
                 JOIN vpn_membership qm ON qm.group_id = sg.id
                 JOIN vpn_place q ON q.membership_id = qm.id
                 WHERE sg.transit = 1 AND sm.is_hub = 1 AND sm.ended_at IS NULL AND s.left_at IS NULL
                   AND qm.ended_at IS NULL AND q.left_at IS NULL AND ",
            $of,
            ")"
        )
    };
}

async fn places(
    queries: &mut impl Queries,
    text: &'static str,
    scope: Scope<'_>,
    at: OffsetDateTime,
) -> Result<Vec<VpnPlace>, StoreError> {
    let rows: Vec<Row> = queries.fetch_all(sql(text).bind(scope.id()).bind(at)).await?;
    rows.into_iter().map(Row::into_place).collect()
}

/// Every place that counts in the groups in which this router has one, its own among them.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn around(
    queries: &mut impl Queries,
    router_id: &str,
    at: OffsetDateTime,
) -> Result<Vec<VpnPlace>, StoreError> {
    around_all(queries, Scope::Router(router_id), at).await
}

/// The same for several routers at once.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn around_all(
    queries: &mut impl Queries,
    scope: Scope<'_>,
    at: OffsetDateTime,
) -> Result<Vec<VpnPlace>, StoreError> {
    let text = match scope {
        Scope::Router(_) => select_around!(of_router!("own")),
        Scope::Group(_) => select_around!(of_group!("own")),
        Scope::Facility(_) => select_around!(of_facility!("own")),
    };
    places(queries, text, scope, at).await
}

/// Every place that counts in the groups of those routers that one of these, as a hub, leads on to others.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn around_led_on(
    queries: &mut impl Queries,
    scope: Scope<'_>,
    at: OffsetDateTime,
) -> Result<Vec<VpnPlace>, StoreError> {
    let text = match scope {
        Scope::Router(_) => select_around!(led_on!(of_router!("s"))),
        Scope::Group(_) => select_around!(led_on!(of_group!("s"))),
        Scope::Facility(_) => select_around!(led_on!(of_facility!("s"))),
    };
    places(queries, text, scope, at).await
}
