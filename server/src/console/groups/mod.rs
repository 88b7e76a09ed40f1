//! `/console/groups` (VPN グループ): facilities whose routers reach each other (docs/decisions/0053).
//!
//! The owner's administrators ask facilities or agree to those that ask; the facility's do the same for theirs. The
//! operating body sees all and acts at the host alone.

mod act;
mod list;
mod make;
mod show;
#[cfg(test)]
mod tests;

use http::StatusCode;
use sekisho_store::vpn_group::{Purpose, Topology, VpnGroup};

use crate::{
    catalogue::{Lang, Text},
    error::page::PageError,
    network::groups::Refusal,
};

pub use act::{agree, ask, close, end, enter_router, invite, take_out_router};
pub use list::get as list;
pub use make::post as make;
pub use show::get as show;

/// Path of the list.
pub const PATH: &str = "/console/groups";

/// Path of a group's page.
#[must_use]
pub fn path_of(id: &str) -> String {
    format!("{PATH}/{id}")
}

/// A group's name in the reader's language.
fn name_of(group: &VpnGroup, text: &Text) -> String {
    match text.lang() {
        Lang::En if !group.name_en.is_empty() => group.name_en.clone(),
        Lang::En | Lang::Ja => group.name_ja.clone(),
    }
}

const fn purpose_key(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::RegionalCooperation => "groups-purpose-regional-cooperation",
        Purpose::SameCorporation => "groups-purpose-same-corporation",
        Purpose::Conference => "groups-purpose-conference",
        Purpose::RemoteMaintenance => "groups-purpose-remote-maintenance",
    }
}

const fn topology_key(topology: Topology, transit: bool) -> &'static str {
    match (topology, transit) {
        (Topology::Mesh, _) => "groups-topology-mesh",
        (Topology::Hub, false) => "groups-topology-hub",
        (Topology::Hub, true) => "groups-topology-transit",
    }
}

/// What stands against an act that came from no field.
fn refused(refusal: Refusal) -> PageError {
    PageError::new(
        StatusCode::CONFLICT,
        "groups-refused-title",
        refusal.key(),
        "groups-refused-help",
    )
}
