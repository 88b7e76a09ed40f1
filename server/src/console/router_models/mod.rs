//! Models of routers, tested and certified (認定ルーター): read by everybody at `/routers` before they buy, with what a
//! facility has at `/console/router-models`, and kept there by the operating body's administrators.
//!
//! The public pages leave out by whom a test was made and what was noted of it: that may name people.

mod choose;
mod decide;
mod import;
mod list;
mod show;
mod words;

#[cfg(test)]
mod tests;

pub use choose::{get as choose, post as choose_one};
pub use decide::{certify, withdraw};
pub use import::{download, post as import, shipped};
pub use list::{get as list, public as public_list};
pub use show::{get as show, public as public_show};
pub(super) use words::{Tag, certified_today};

use crate::people::{role::Role, session::ConsoleSession};

/// Path of the public list.
pub const PUBLIC: &str = "/routers";
/// Path of the console's.
pub const PATH: &str = "/console/router-models";

/// Whether this reader keeps the register.
fn keeps(session: Option<&ConsoleSession>) -> bool {
    session.is_some_and(|session| session.roles.contains(&Role::OperatingAdministrator))
}

/// Below which path this reader's pages are.
const fn base(session: Option<&ConsoleSession>) -> &'static str {
    if session.is_some() { PATH } else { PUBLIC }
}
