//! `/console/services/new`: whoever answers for an organisation's services registers one, or makes the
//! token by which one registers itself. Either is in the sandbox until the operating body approves it.

mod form;
mod initial_token;
mod made;

use crate::people::{
    role::{Role, RoleMissing},
    session::ConsoleSession,
};

pub use form::{get, post};
pub use initial_token::post as make_token;

/// Path of the form.
pub const PATH: &str = "/console/services/new";

/// The organisations for whose services somebody answers, at least one.
fn organisations(session: &ConsoleSession) -> Result<Vec<String>, RoleMissing> {
    let owned: Vec<String> = session
        .roles
        .iter()
        .filter_map(|role| match role {
            Role::ServiceOwner(id) => Some(id.clone()),
            _ => None,
        })
        .collect();
    if owned.is_empty() { Err(session.missing("service_owner", None)) } else { Ok(owned) }
}
