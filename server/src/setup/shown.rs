//! A tunnel as people read it: on the technician's page and on the console's.

use time::OffsetDateTime;

use crate::{
    network::{
        bundle::{Daemon, Device},
        setup::Tunnel,
        tick::{Teller, Tick},
    },
    page::PageFrame,
    portal::when,
};

/// Where a tunnel stands, in words.
pub(crate) struct ShownTunnel {
    pub(crate) peer_id: String,
    /// What people call the router at the other end.
    pub(crate) name: String,
    /// Whether it is known to stand.
    pub(crate) is_up: bool,
    /// Class and words of the tag.
    pub(crate) tag: (&'static str, String),
    /// What is said besides: since when, by whom, when that was heard.
    pub(crate) facts: Vec<String>,
    /// Message keys of what to look at, while it does not stand.
    pub(crate) help: Vec<&'static str>,
    /// The command by which the device at hand shows it.
    pub(crate) command: Option<&'static str>,
    /// Whether the other end is a peer no longer: nothing is to be set up with it.
    pub(crate) gone: bool,
    /// Whether the technician may say to have seen it up: nobody else tells anything.
    pub(crate) may_be_seen: bool,
    /// When they said so.
    pub(crate) seen: Option<String>,
}

/// What to look at, by message keys, while a tunnel does not stand: first the script, where one end has it.
fn help(family: &str, tick: Tick) -> Vec<&'static str> {
    let (device, rest) = ("setup-check-device", ["setup-check-other-end", "setup-check-reach"]);
    let own_tells = Daemon::of_family(family).is_some();
    let first = match tick {
        Tick::Up { .. } => return Vec::new(),
        Tick::Untold => vec![device],
        _ if own_tells => vec!["setup-check-report", "setup-check-order"],
        _ => vec!["setup-check-report-other", "setup-check-order", device],
    };
    first.into_iter().chain(rest).collect()
}

impl ShownTunnel {
    /// Of a router of this family.
    pub(crate) fn of(family: &str, tunnel: Tunnel, page: &PageFrame, now: OffsetDateTime) -> Self {
        let gone = tunnel.gone;
        let lang = page.text.lang();
        let time = |at| when::shown(at, lang);
        let by = |by| {
            page.t(match by {
                Teller::Own => "setup-by-own",
                Teller::Other => "setup-by-other",
                Teller::Both => "setup-by-both",
            })
        };
        let heard = |at| page.t1("setup-heard", "ago", ago(page, now, at));
        let (class, words, facts) = match tunnel.tick {
            Tick::Up { since, by: teller, heard_at } => (
                "tag tag-good",
                "setup-up",
                vec![page.t1("setup-since", "time", time(since)), by(teller), heard(heard_at)],
            ),
            Tick::Down { since, by: teller, heard_at } => (
                "tag tag-error",
                "setup-down",
                vec![page.t1("setup-down-since", "time", time(since)), by(teller), heard(heard_at)],
            ),
            Tick::Silent { was_up, heard_at } => {
                let last = if was_up { "setup-silent-was-up" } else { "setup-silent-was-down" };
                ("tag", "setup-silent", vec![heard(heard_at), page.t(last)])
            }
            Tick::Unheard => ("tag", "setup-unheard", vec![page.t("setup-unheard-text")]),
            Tick::Untold => ("tag", "setup-untold", vec![page.t("setup-untold-text")]),
        };
        let tells = matches!(tunnel.tick, Tick::Up { .. } | Tick::Down { .. });
        Self {
            peer_id: tunnel.peer_id,
            name: tunnel.name,
            is_up: !gone && tunnel.tick.is_up(),
            gone,
            may_be_seen: !tells && !gone && tunnel.seen_at.is_none(),
            tag: if gone {
                ("tag tag-error", page.t("setup-peer-gone"))
            } else {
                (class, page.t(words))
            },
            facts: if gone { vec![page.t("setup-peer-gone-text")] } else { facts },
            command: Device::of_family(family).map(Device::shows),
            help: if gone { Vec::new() } else { help(family, tunnel.tick) },
            seen: tunnel.seen_at.map(time),
        }
    }
}

/// How long ago that was, in words: to the minute, hours or days where it is longer.
fn ago(page: &PageFrame, now: OffsetDateTime, at: OffsetDateTime) -> String {
    let minutes = usize::try_from((now - at).whole_minutes()).unwrap_or_default();
    let (key, count) = match minutes {
        0 => return page.t("setup-ago-now"),
        1..60 => ("setup-ago-minutes", minutes),
        60..1440 => ("setup-ago-hours", minutes / 60),
        _ => ("setup-ago-days", minutes / 1440),
    };
    page.text.counted(key, "count", count)
}
