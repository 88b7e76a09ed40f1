//! Groups of routers (docs/decisions/0053): the same acts by the console, where two sides agree, and at the host.
//!
//! An act writes nothing where something stands against it. Its record stands in the trail of either side.

mod joining;
mod leaving;
mod making;
#[cfg(test)]
pub(crate) mod testing;

pub use joining::{Asking, admit, agree, ask};
pub use leaving::{end, end_over, enter_router, take_out_router};
pub use making::{close, make};

use sekisho_store::{
    Queries, StoreError, Tx,
    audit::{Actor, Audited, Entry},
    organisation, router, terminal,
    vpn_group::{self, VpnGroup},
    vpn_membership::{Side, VpnMembership},
    vpn_place::{self, VpnEntry},
};
use time::OffsetDateTime;

use crate::{
    notice::{self, Notice, To, VpnGroupNews},
    people::role::Acting,
};

/// Most characters of a group's name.
pub const LONGEST_NAME: usize = 60;
/// Groups of one owner that are not closed.
pub const MOST_GROUPS: usize = 100;
/// Routers of one group: each of a mesh lists all others.
pub const MOST_ROUTERS: usize = 200;
/// How often one side of a group may ask within a day, whoever took back or declined what; of one facility alone, and
/// of all. Each time somebody is told: what waits is bounded, but who asks and takes back leaves nothing waiting.
pub const MOST_OF_ONE_A_DAY: u64 = 10;
/// See [`MOST_OF_ONE_A_DAY`]. All that a group has room for, twice over.
pub const MOST_A_DAY: u64 = 2 * MOST_ROUTERS as u64;
/// What waits for one side's answer in one group. A member has a router as a rule, so that more could not all come in; and
/// each stands on the group's page, and is told to somebody. Of either side apart: who asks keeps nobody from being invited.
pub const MOST_WAITING: usize = MOST_ROUTERS;

/// Who acts.
#[derive(Debug, Clone)]
pub enum By<'a> {
    /// An administrator of one side, at the console.
    Person(&'a Acting),
    /// The operating body, at the host.
    Host {
        /// Who.
        operator: Actor,
        /// By what the sides agreed, where it acts for both.
        reason: Option<&'a str>,
    },
}

impl By<'_> {
    /// As the register has it.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Person(acting) => acting.person_id(),
            Self::Host { .. } => "host",
        }
    }

    /// Whether the operating body acts, for neither side.
    const fn is_host(&self) -> bool {
        matches!(self, Self::Host { .. })
    }

    fn done(&self, act: &'static str, at: OffsetDateTime) -> Entry {
        match self {
            Self::Person(acting) => acting.done(act, at),
            Self::Host { operator, reason } => {
                given(Entry::done(act, operator.clone(), at), *reason)
            }
        }
    }

    fn refused<T>(
        &self,
        act: &'static str,
        at: OffsetDateTime,
        (refusal, about): (Refusal, Entity<'_>),
    ) -> Audited<Result<T, Refusal>> {
        let entry = match self {
            Self::Person(acting) => acting.refused(act, at, refusal.as_str()),
            Self::Host { operator, reason } => {
                given(Entry::refused(act, operator.clone(), at, refusal.as_str()), *reason)
            }
        };
        Audited::new(Err(refusal), about.complete(entry))
    }

    /// Whom an act is to be told to: the side for which nobody acted, at the host both, each once.
    fn to_tell<'a>(&self, acts: Side, group: &'a VpnGroup, facility: &'a str) -> Vec<&'a str> {
        let owner = group.owner_id.as_str();
        let at_host = self.is_host();
        let is_other = owner != facility;
        let told = [
            (owner, at_host || acts == Side::Facility && is_other),
            (facility, is_other && (at_host || acts == Side::Owner)),
        ];
        told.into_iter().filter(|(_, told)| *told).map(|(side, _)| side).collect()
    }
}

/// With the reason that somebody gave.
fn given(entry: Entry, reason: Option<&str>) -> Entry {
    match reason {
        Some(reason) => entry.fact("reason_given", reason),
        None => entry,
    }
}

/// What an act is about, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
struct Entity<'a> {
    group: Option<&'a VpnGroup>,
    membership_id: Option<&'a str>,
    facility: Option<&'a str>,
    router: Option<&'a str>,
}

impl<'a> Entity<'a> {
    fn of(group: &'a VpnGroup) -> Self {
        Self { group: Some(group), ..Self::default() }
    }

    fn facility(self, id: &'a str) -> Self {
        Self { facility: Some(id), ..self }
    }

    fn membership(self, membership: &'a VpnMembership) -> Self {
        let membership_id = Some(membership.id.as_str());
        Self { membership_id, facility: Some(&membership.organisation_id), ..self }
    }

    fn complete(self, mut entry: Entry) -> Entry {
        if let Some(group) = self.group {
            entry = entry.on("vpn_group", &group.id).fact("group_name", group.name_ja.as_str());
        }
        for (fact, value) in [
            ("membership", self.membership_id),
            ("facility", self.facility),
            ("router", self.router),
        ] {
            if let Some(value) = value {
                entry = entry.fact(fact, value);
            }
        }
        entry
    }

    /// The record of what was done, in the trail of the group's owner and, where it is another, of the facility.
    fn recorded<T>(self, value: T, entry: Entry) -> Audited<Result<T, Refusal>> {
        let entry = self.complete(entry);
        let owner = self.group.map(|group| group.owner_id.as_str());
        let mut sides: Vec<&str> = owner.into_iter().chain(self.facility).collect();
        sides.dedup();
        let mut entries = sides.into_iter().map(|side| entry.clone().at_organisation(side));
        let first = entries.next();
        let audited = Audited::new(Ok(value), first.unwrap_or_else(|| entry.clone()));
        entries.fold(audited, Audited::and)
    }
}

/// Why nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Closed, or never made.
    #[error("there is no such group, or it was closed")]
    NoGroup,
    /// The owner has a group of this name.
    #[error("this owner has a group of this name; choose another one, or close that one")]
    NameInUse,
    /// As many groups as an owner may have.
    #[error("this owner has {MOST_GROUPS} groups; close one")]
    TooManyGroups,
    /// Not in the register, suspended, closed or not activated.
    #[error("the facility is not there or not active; see its page in the register")]
    FacilityNotActive,
    /// A member, or somebody asked.
    #[error("the facility is a member of this group, or one side waits for the other's answer")]
    AlreadyIn,
    /// It is a member as a hub or not, or until another day, than is asked for.
    #[error("the facility is a member on other terms (--hub, --until); end that membership first")]
    OtherTerms,
    /// Nothing waits, or it does not stand so any more.
    #[error("it was decided, taken back or ended meanwhile; look at the group again")]
    NotOpen,
    /// Whoever acts asked for it.
    #[error("who asked for it cannot agree to it; somebody else has to")]
    OwnRequest,
    /// Somebody may hold the factors of both who asked and who agrees.
    #[error("one person may hold the keys of both who asked and who agrees")]
    OneHand,
    /// Not the facility's, revoked, or not there.
    #[error("there is no router of this name in force at this facility")]
    NoRouter,
    /// No router was named.
    #[error("name the router with which the facility takes part")]
    RouterMissing,
    /// It takes part.
    #[error("this router takes part in the group")]
    RouterIn,
    /// No packet could be told.
    #[error(
        "the network behind this router and that of another of the group overlap, or are of two versions of IP"
    )]
    Networks,
    /// As many routers as a group may have.
    #[error("the group has {MOST_ROUTERS} routers; make another one")]
    Full,
    /// As many as the owner may have invited.
    #[error(
        "{MOST_WAITING} facilities that this group invited have not answered; take an invitation back"
    )]
    TooManyInvited,
    /// As many as may ask.
    #[error(
        "{MOST_WAITING} facilities wait for the answer of this group's owner; have the owner invite you"
    )]
    TooManyAsking,
    /// Asked and taken back again and again.
    #[error(
        "within a day this group asked or was asked {MOST_OF_ONE_A_DAY} times for this facility, or {MOST_A_DAY} times \
         for all; try again tomorrow"
    )]
    TooManyOfLate,
    /// The last day is over.
    #[error("the last day of the membership is over")]
    Over,
}

impl Refusal {
    /// As in audit records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoGroup => "no_group",
            Self::NameInUse => "name_in_use",
            Self::TooManyGroups => "too_many_groups",
            Self::FacilityNotActive => "facility_not_active",
            Self::AlreadyIn => "already_in",
            Self::OtherTerms => "other_terms",
            Self::NotOpen => "not_open",
            Self::OwnRequest => "own_request",
            Self::OneHand => "one_hand",
            Self::NoRouter => "no_router",
            Self::RouterMissing => "router_missing",
            Self::RouterIn => "router_in",
            Self::Networks => "networks_overlap",
            Self::Full => "group_full",
            Self::TooManyInvited => "too_many_invited",
            Self::TooManyAsking => "too_many_asking",
            Self::TooManyOfLate => "too_many_of_late",
            Self::Over => "over",
        }
    }

    /// The message key for the page.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::NoGroup => "groups-refused-no-group",
            Self::NameInUse => "groups-refused-name-in-use",
            Self::TooManyGroups => "groups-refused-too-many",
            Self::FacilityNotActive => "groups-refused-facility",
            Self::OtherTerms | Self::AlreadyIn => "groups-refused-already-in",
            Self::NotOpen => "groups-refused-not-open",
            Self::OwnRequest => "groups-refused-own-request",
            Self::OneHand => "groups-refused-one-hand",
            Self::NoRouter => "groups-refused-no-router",
            Self::RouterMissing => "groups-refused-router-missing",
            Self::RouterIn => "groups-refused-router-in",
            Self::Networks => "groups-refused-networks",
            Self::Full => "groups-refused-full",
            Self::TooManyInvited => "groups-refused-too-many-invited",
            Self::TooManyAsking => "groups-refused-too-many-asking",
            Self::TooManyOfLate => "groups-refused-too-many-of-late",
            Self::Over => "groups-refused-over",
        }
    }
}

/// A group that is not closed.
async fn open_group(queries: &mut impl Queries, id: &str) -> Result<Option<VpnGroup>, StoreError> {
    let found = vpn_group::find(queries, id).await?;
    Ok(found.filter(|group| group.closed_at.is_none()))
}

/// Whether this router of the facility may take part in the group besides those that do.
async fn against_router(
    tx: &mut Tx,
    group_id: &str,
    facility: &str,
    router_id: &str,
) -> Result<Option<Refusal>, StoreError> {
    let (Some(router), Some(terminal)) =
        (router::find(tx, router_id).await?, terminal::find(tx, router_id).await?)
    else {
        return Ok(Some(Refusal::NoRouter));
    };
    let revoked = terminal.status == terminal::TerminalStatus::Revoked;
    if terminal.organisation_id != facility || revoked {
        return Ok(Some(Refusal::NoRouter));
    }
    let entries = vpn_place::of_group(tx, group_id).await?;
    let others: Vec<&VpnEntry> =
        entries.iter().filter(|entry| entry.agreed && !entry.revoked).collect();
    if others.len() >= MOST_ROUTERS {
        return Ok(Some(Refusal::Full));
    }
    if others.iter().any(|entry| entry.router.terminal_id == router_id) {
        return Ok(Some(Refusal::RouterIn));
    }
    let ours = router.network;
    let meets = others.iter().any(|entry| {
        let theirs = entry.router.network;
        let of_one_version = ours.addr().is_ipv4() == theirs.addr().is_ipv4();
        !of_one_version || ours.contains(&theirs) || theirs.contains(&ours)
    });
    Ok(meets.then_some(Refusal::Networks))
}

/// Tells the administrators of one side.
async fn tell(
    tx: &mut Tx,
    to: &str,
    group: &VpnGroup,
    facility: &str,
    what: VpnGroupNews,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let facility_name = organisation::name(tx, facility).await?;
    let notice = Notice::VpnGroup {
        id: group.id.clone(),
        name: group.name_ja.clone(),
        facility_name: facility_name.unwrap_or_else(|| facility.to_owned()),
        what,
    };
    notice::put(tx, To::FacilityAdministrators(to.to_owned()), notice, at).await
}
