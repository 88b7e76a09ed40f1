//! Facilities in groups: asked for by one side, agreed by the other, ended by either (docs/decisions/0053).
//!
//! What ends a membership ends the pre-shared keys with those who are no peers any more, in the same transaction.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx, account,
    moment::{moment, moment_opt, text_list},
    router_psk, sql, vpn_place,
};

/// Who asked for a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The group's owner: the facility is to agree.
    Owner,
    /// The facility: the owner is to agree.
    Facility,
    /// Both at once: the owner is the facility, or the operating body did it at the host.
    Both,
}

impl Side {
    const ALL: [Self; 3] = [Self::Owner, Self::Facility, Self::Both];

    /// As stored and in audit records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Facility => "facility",
            Self::Both => "both",
        }
    }
}

/// Why a membership ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Whoever asked took it back before the other side agreed.
    Withdrawn,
    /// The other side did not agree, or the operating body ended what waited.
    Declined,
    /// The facility left.
    Left,
    /// The owner removed it, or the operating body did at the host.
    Removed,
    /// Its time was over.
    Over,
    /// The group was closed.
    GroupClosed,
}

impl End {
    /// As stored and in audit records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Withdrawn => "withdrawn",
            Self::Declined => "declined",
            Self::Left => "left",
            Self::Removed => "removed",
            Self::Over => "over",
            Self::GroupClosed => "group_closed",
        }
    }

    /// Whether it fits a membership that was agreed, and one that was not.
    const fn fits(self) -> (bool, bool) {
        match self {
            Self::Withdrawn | Self::Declined => (false, true),
            Self::Left | Self::Removed => (true, false),
            Self::Over | Self::GroupClosed => (true, true),
        }
    }
}

/// A membership that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpnMembership {
    /// UUIDv7.
    pub id: String,
    /// Of which group.
    pub group_id: String,
    /// Whose.
    pub organisation_id: String,
    /// Whether its routers are hubs.
    pub is_hub: bool,
    /// Who asked.
    pub side: Side,
    /// The person who asked, or `host`.
    pub asked_by: String,
    /// Who that might have been, by [`account::hands_of`] at that moment.
    pub asked_by_hands: Vec<String>,
    /// When.
    pub asked_at: OffsetDateTime,
    /// When the other side agreed; absent while it waits.
    pub agreed_at: Option<OffsetDateTime>,
    /// Until when at most.
    pub ends_at: Option<OffsetDateTime>,
}

impl VpnMembership {
    /// Whether both sides agreed and its time is not over.
    #[must_use]
    pub fn counts(&self, at: OffsetDateTime) -> bool {
        self.agreed_at.is_some() && self.ends_at.is_none_or(|ends| at < ends)
    }
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    group_id: String,
    organisation_id: String,
    is_hub: i64,
    side: String,
    asked_by: String,
    asked_by_hands: String,
    asked_at: i64,
    agreed_at: Option<i64>,
    ends_at: Option<i64>,
}

impl Row {
    fn into_membership(self) -> Result<VpnMembership, StoreError> {
        let side = Side::ALL.into_iter().find(|side| side.as_str() == self.side);
        Ok(VpnMembership {
            side: side.ok_or_else(|| StoreError::Corrupt {
                what: "vpn_membership",
                detail: format!("`{}` is no side", self.side),
            })?,
            is_hub: self.is_hub != 0,
            asked_by_hands: text_list("hands of a membership", &self.asked_by_hands)?,
            asked_at: moment("vpn_membership", self.asked_at)?,
            agreed_at: moment_opt("vpn_membership", self.agreed_at)?,
            ends_at: moment_opt("vpn_membership", self.ends_at)?,
            id: self.id,
            group_id: self.group_id,
            organisation_id: self.organisation_id,
            asked_by: self.asked_by,
        })
    }
}

/// The columns of [`Row`], of memberships that have not ended. `concat!` keeps the statements constants.
macro_rules! select_membership {
    ($condition:literal) => {
        concat!(
            "SELECT m.id, m.group_id, m.organisation_id, m.is_hub, m.side, m.asked_by,
                    m.asked_by_hands, m.asked_at, m.agreed_at, m.ends_at
             FROM vpn_membership m WHERE m.ended_at IS NULL AND ",
            $condition
        )
    };
}

/// A membership to be asked for.
#[derive(Clone, Copy, Debug)]
pub struct NewMembership<'a> {
    /// Of which group.
    pub group_id: &'a str,
    /// Whose.
    pub organisation_id: &'a str,
    /// Whether its routers are to be hubs.
    pub is_hub: bool,
    /// Who asks. [`Side::Both`] is agreed at once.
    pub side: Side,
    /// The person, or `host`.
    pub asked_by: &'a str,
    /// When.
    pub at: OffsetDateTime,
    /// Until when at most.
    pub ends_at: Option<OffsetDateTime>,
}

/// Asks for a membership; its identifier, or `None` where the facility has one in this group that has not ended.
/// That the group is open is the caller's to look at, in this transaction.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn ask(tx: &mut Tx, new: NewMembership<'_>) -> Result<Option<String>, StoreError> {
    let id = Uuid::now_v7().to_string();
    let hands = account::hands_of(tx, new.asked_by).await?;
    let agreed = (new.side == Side::Both).then_some((new.asked_by, new.at));
    let made = tx
        .execute(
            sql(
                "INSERT INTO vpn_membership (id, group_id, organisation_id, is_hub, side, asked_by,
                     asked_by_hands, asked_at, agreed_by, agreed_at, ends_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
            )
            .bind(&id)
            .bind(new.group_id)
            .bind(new.organisation_id)
            .bind(i64::from(new.is_hub))
            .bind(new.side.as_str())
            .bind(new.asked_by)
            .bind(account::listed(&hands))
            .bind(new.at)
            .bind(agreed.map(|(by, _)| by))
            .bind(agreed.map(|(_, at)| at))
            .bind(new.ends_at),
        )
        .await?;
    Ok((made == 1).then_some(id))
}

/// How often one side asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// For one facility.
    pub of_this: u64,
    /// For all facilities.
    pub of_all: u64,
}

/// How often one side of a group asked after this moment, for this facility and for all, whatever came of it.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn asked_since(
    queries: &mut impl Queries,
    group_id: &str,
    organisation_id: &str,
    side: Side,
    after: OffsetDateTime,
) -> Result<Asked, StoreError> {
    let counted: Vec<(String, i64)> = queries
        .fetch_all(
            sql("SELECT CASE WHEN organisation_id = $2 THEN 'this' ELSE 'other' END AS of_whom,
                        COUNT(*)
                 FROM vpn_membership WHERE group_id = $1 AND side = $3 AND asked_at > $4
                 GROUP BY CASE WHEN organisation_id = $2 THEN 'this' ELSE 'other' END")
            .bind(group_id)
            .bind(organisation_id)
            .bind(side.as_str())
            .bind(after),
        )
        .await?;
    let of = |whom: &str| {
        let counted = counted.iter().filter(|(of, _)| of == whom);
        counted.map(|(_, count)| count.unsigned_abs()).sum::<u64>()
    };
    Ok(Asked { of_this: of("this"), of_all: of("this") + of("other") })
}

/// The other side agrees; answers whether it waited for another person than this one, and its time is not over.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn agree(
    tx: &mut Tx,
    id: &str,
    by: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let agreed = tx
        .execute(
            sql("UPDATE vpn_membership SET agreed_by = $2, agreed_at = $3
                 WHERE id = $1 AND agreed_at IS NULL AND ended_at IS NULL AND asked_by <> $2
                   AND (ends_at IS NULL OR ends_at > $3)")
            .bind(id)
            .bind(by)
            .bind(at),
        )
        .await?;
    Ok(agreed == 1)
}

/// Ends a membership, and the keys with those who are no peers any more; `false` where it had ended before, or does
/// not stand so that this end fits. `by` is a person, `host`, or nobody where its time was over.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn end(
    tx: &mut Tx,
    id: &str,
    reason: End,
    by: Option<&str>,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let (agreed, waiting) = reason.fits();
    let ended = tx
        .execute(
            sql("UPDATE vpn_membership SET ended_at = $2, ended_by = $3, end_reason = $4
                 WHERE id = $1 AND ended_at IS NULL
                   AND (agreed_at IS NOT NULL AND $5 = 1 OR agreed_at IS NULL AND $6 = 1)")
            .bind(id)
            .bind(at)
            .bind(by)
            .bind(reason.as_str())
            .bind(i64::from(agreed))
            .bind(i64::from(waiting)),
        )
        .await?;
    if ended == 0 {
        return Ok(false);
    }
    for router_id in vpn_place::routers_of(tx, id).await? {
        router_psk::end_with_strangers(tx, &router_id, at).await?;
    }
    Ok(true)
}

/// A membership that has not ended.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    id: &str,
) -> Result<Option<VpnMembership>, StoreError> {
    let row: Option<Row> =
        queries.fetch_optional(sql(select_membership!("m.id = $1")).bind(id)).await?;
    row.map(Row::into_membership).transpose()
}

/// The memberships of a group that have not ended, waiting ones too, oldest first; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_group(
    queries: &mut impl Queries,
    group_id: &str,
    limit: i64,
) -> Result<Vec<VpnMembership>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_membership!("m.group_id = $1 ORDER BY m.id LIMIT $2"))
                .bind(group_id)
                .bind(limit),
        )
        .await?;
    rows.into_iter().map(Row::into_membership).collect()
}

/// Memberships whose time is over and which nobody noted so, longest first; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn over(
    queries: &mut impl Queries,
    at: OffsetDateTime,
    limit: i64,
) -> Result<Vec<VpnMembership>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_membership!(
                "m.ends_at IS NOT NULL AND m.ends_at <= $1 ORDER BY m.ends_at, m.id LIMIT $2"
            ))
            .bind(at)
            .bind(limit),
        )
        .await?;
    rows.into_iter().map(Row::into_membership).collect()
}
