//! Whether a tunnel stands, by what its two ends say (docs/decisions/0052).

use sekisho_store::router_tunnel::Told;
use time::{Duration, OffsetDateTime};

/// `report.sh` tells every ten minutes that nothing changed: what was not said again for so long says nothing
/// about now.
pub const FRESH: Duration = Duration::minutes(25);

/// Tunnels of one report; `report.sh` sends those of a router with more in parts. A part is a transaction with two
/// records a tunnel at most.
pub const REPORTED_AT_ONCE: usize = 500;

/// Who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teller {
    /// The router itself.
    Own,
    /// The one at the other end.
    Other,
    /// Both.
    Both,
}

/// Where a tunnel stands, as far as anybody tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// It stands.
    Up {
        /// Since when.
        since: OffsetDateTime,
        /// Who says so.
        by: Teller,
        /// When that was last said.
        heard_at: OffsetDateTime,
    },
    /// It does not.
    Down {
        /// Since when.
        since: OffsetDateTime,
        /// Who says so.
        by: Teller,
        /// When that was last said.
        heard_at: OffsetDateTime,
    },
    /// Nobody has said anything for a while.
    Silent {
        /// What was last said.
        was_up: bool,
        /// When.
        heard_at: OffsetDateTime,
    },
    /// Nobody has said anything yet; somebody can.
    Unheard,
    /// Nobody will: neither end runs a script of ours.
    Untold,
}

impl Tick {
    /// Judges what this router says of the tunnel (`own`) and what the other end says (`other`).
    ///
    /// Where both speak and differ, the one that changed its mind last is right: an end learns at once of a tunnel
    /// that it made or ended itself, and of one that the other ended only when that is silent.
    #[must_use]
    pub fn judge(
        own: Option<&Told>,
        other: Option<&Told>,
        somebody_can: bool,
        now: OffsetDateTime,
    ) -> Self {
        let fresh = |told: &&Told| now - told.heard_at <= FRESH;
        match (own.filter(fresh), other.filter(fresh)) {
            (Some(own), Some(other)) if own.up == other.up => {
                let since = own.since.min(other.since);
                said(own.up, since, Teller::Both, own.heard_at.max(other.heard_at))
            }
            (Some(own), Some(other)) if other.since > own.since => alone(other, Teller::Other),
            (Some(own), _) => alone(own, Teller::Own),
            (None, Some(other)) => alone(other, Teller::Other),
            (None, None) => match own.into_iter().chain(other).max_by_key(|told| told.heard_at) {
                Some(last) => Self::Silent { was_up: last.up, heard_at: last.heard_at },
                None if somebody_can => Self::Unheard,
                None => Self::Untold,
            },
        }
    }

    /// Whether it is known to stand now.
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Up { .. })
    }
}

fn alone(told: &Told, by: Teller) -> Tick {
    said(told.up, told.since, by, told.heard_at)
}

fn said(up: bool, since: OffsetDateTime, by: Teller, heard_at: OffsetDateTime) -> Tick {
    if up { Tick::Up { since, by, heard_at } } else { Tick::Down { since, by, heard_at } }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    /// Said since so many minutes, last so many minutes ago.
    fn told(up: bool, since: i64, heard: i64) -> Told {
        Told {
            router_id: String::new(),
            peer_id: String::new(),
            up,
            since: NOW - Duration::minutes(since),
            first_up_at: None,
            heard_at: NOW - Duration::minutes(heard),
            recorded_at: NOW - Duration::minutes(since),
            unrecorded: 0,
        }
    }

    fn judge(own: Option<Told>, other: Option<Told>) -> Tick {
        Tick::judge(own.as_ref(), other.as_ref(), true, NOW)
    }

    #[test]
    fn either_end_is_enough_for_a_tick() {
        let up = |since: i64, by, heard: i64| Tick::Up {
            since: NOW - Duration::minutes(since),
            by,
            heard_at: NOW - Duration::minutes(heard),
        };
        assert_eq!(judge(Some(told(true, 5, 1)), None), up(5, Teller::Own, 1));
        assert_eq!(judge(None, Some(told(true, 5, 25))), up(5, Teller::Other, 25));
        assert_eq!(judge(Some(told(true, 5, 2)), Some(told(true, 7, 1))), up(7, Teller::Both, 1));
        // The other end has not been heard of for long: it does not count.
        assert_eq!(judge(Some(told(true, 5, 1)), Some(told(false, 4, 26))), up(5, Teller::Own, 1));
    }

    #[test]
    fn of_two_that_differ_the_later_change_is_right() {
        let ended = judge(Some(told(true, 60, 1)), Some(told(false, 2, 1)));
        assert!(matches!(ended, Tick::Down { by: Teller::Other, .. }), "{ended:?}");
        let begun = judge(Some(told(true, 2, 1)), Some(told(false, 60, 1)));
        assert!(matches!(begun, Tick::Up { by: Teller::Own, .. }), "{begun:?}");
        let ended = judge(Some(told(false, 2, 1)), Some(told(true, 60, 1)));
        assert!(matches!(ended, Tick::Down { by: Teller::Own, .. }) && !ended.is_up(), "{ended:?}");
    }

    #[test]
    fn what_was_said_long_ago_is_no_tick_and_what_nobody_says_is_told_so() {
        let heard_at = NOW - Duration::minutes(26);
        assert_eq!(judge(Some(told(true, 60, 26)), None), Tick::Silent { was_up: true, heard_at });
        let later = judge(Some(told(true, 60, 40)), Some(told(false, 60, 26)));
        assert_eq!(later, Tick::Silent { was_up: false, heard_at });
        assert_eq!(judge(None, None), Tick::Unheard);
        assert_eq!(Tick::judge(None, None, false, NOW), Tick::Untold);
    }
}
