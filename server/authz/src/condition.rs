//! The conditions a rule may state, in the order in which they are explained.

/// One condition of a rule.
///
/// The order is the one of explanation: what the person can do least about stands first, what
/// another login would cure stands last. A physician who is told "use it from a pharmacy", goes
/// there and then hears "for pharmacists only" was sent on a wasted walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// They ask as whom the rule is for: a patient, or somebody at a facility.
    Person,
    /// The person has a role that is admitted.
    Role,
    /// The facility is of a kind that is admitted.
    Kind,
    /// The facility is one of those named.
    Facility,
    /// The facility is in one of the groups named.
    Group,
    /// The facility lies in one of the prefectures named.
    Prefecture,
    /// The person is a member of the facility.
    Membership,
    /// It is one of the hours named.
    Hours,
    /// The person proved themself strongly enough.
    Level,
}

impl Condition {
    /// All, in the order of explanation.
    pub const ALL: [Self; 9] = [
        Self::Person,
        Self::Role,
        Self::Kind,
        Self::Facility,
        Self::Group,
        Self::Prefecture,
        Self::Membership,
        Self::Hours,
        Self::Level,
    ];

    /// Whether the person can bring it about where they are, by another login.
    #[must_use]
    pub const fn is_met_by_login(self) -> bool {
        matches!(self, Self::Level)
    }

    /// Whether an emergency access lifts it, where the rule says so: where and when somebody works, and for
    /// whom. Never who they are, how they proved it, or whom the service is for.
    #[must_use]
    pub const fn is_lifted_in_an_emergency(self) -> bool {
        matches!(self, Self::Prefecture | Self::Membership | Self::Hours)
    }

    /// A constant code, for the audit trail and message keys.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Kind => "kind",
            Self::Facility => "facility",
            Self::Group => "group",
            Self::Prefecture => "prefecture",
            Self::Membership => "membership",
            Self::Hours => "hours",
            Self::Role => "role",
            Self::Level => "level",
        }
    }

    pub(crate) const fn reason_key(self) -> &'static str {
        match self {
            Self::Person => "authz-reason-person",
            Self::Kind => "authz-reason-kind",
            Self::Facility => "authz-reason-facility",
            Self::Group => "authz-reason-group",
            Self::Prefecture => "authz-reason-prefecture",
            Self::Membership => "authz-reason-membership",
            Self::Hours => "authz-reason-hours",
            Self::Role => "authz-reason-role",
            Self::Level => "authz-reason-level",
        }
    }

    pub(crate) const fn help_key(self) -> &'static str {
        match self {
            Self::Person => "authz-help-person",
            Self::Kind => "authz-help-kind",
            Self::Facility => "authz-help-facility",
            Self::Group => "authz-help-group",
            Self::Prefecture => "authz-help-prefecture",
            Self::Membership => "authz-help-membership",
            Self::Hours => "authz-help-hours",
            Self::Role => "authz-help-role",
            Self::Level => "authz-help-level",
        }
    }
}
