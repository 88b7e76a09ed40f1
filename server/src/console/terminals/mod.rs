//! A facility's terminals: list, create, issue a code, replace the PC, revoke.
//!
//! Each act is permitted by the role of administrator of *that* terminal's facility; somebody
//! else's terminal does not exist for the caller.

mod approval;
mod cause;
pub mod certify;
pub(super) mod code;
mod create;
mod list;
mod name;
mod replace;
mod revoke;
mod show;
mod usage;

#[cfg(test)]
mod tests;

use sekisho_store::{
    Queries, StoreError, organisation,
    terminal::{self, Terminal, TerminalStatus},
};

use crate::{
    error::page::PageError,
    page::PageFrame,
    people::{
        role::{Acting, Role, RoleMissing},
        session::ConsoleSession,
    },
};

pub use approval::{approve, refuse as refuse_key};
pub use code::post as issue_code;
pub(in crate::console) use code::{already_revoked, facility_not_active, no_code, qr};
pub use create::post as create;
pub use list::get as list;
pub use replace::{cancel as cancel_replacement, post as replace};
pub use revoke::{get as confirm_revocation, post as revoke};
pub use show::get as show;
pub use usage::post as choose_usage;

/// The terminal of this identifier and the right to act on it.
///
/// # Errors
/// 404, for a terminal of another facility too.
pub(super) async fn administered(
    queries: &mut impl Queries,
    session: &ConsoleSession,
    terminal_id: &str,
) -> Result<(Terminal, Acting), PageError> {
    let terminal = terminal::find(queries, terminal_id).await?.ok_or_else(PageError::not_found)?;
    let role = Role::FacilityAdministrator(terminal.organisation_id.clone());
    let acting = session.require(&role).map_err(RoleMissing::hidden)?;
    Ok((terminal, acting))
}

/// The facility's name now, or its identifier where the register has none.
pub(super) async fn facility_name(
    queries: &mut impl Queries,
    organisation_id: &str,
) -> Result<String, StoreError> {
    let name = organisation::name(queries, organisation_id).await?;
    Ok(name.unwrap_or_else(|| organisation_id.to_owned()))
}

pub(super) fn status_words(page: &PageFrame, status: TerminalStatus) -> String {
    page.t(match status {
        TerminalStatus::Created => "terminals-status-created",
        TerminalStatus::Enrolled => "terminals-status-enrolled",
        TerminalStatus::Held => "terminals-status-held",
        TerminalStatus::CertificateRevoked => "terminals-status-certificate-revoked",
        TerminalStatus::Revoked => "terminals-status-revoked",
    })
}

/// Class of the tag that shows a status.
pub(super) const fn status_class(status: TerminalStatus) -> &'static str {
    match status {
        TerminalStatus::Created => "tag",
        TerminalStatus::Enrolled => "tag tag-good",
        TerminalStatus::Held | TerminalStatus::CertificateRevoked | TerminalStatus::Revoked => {
            "tag tag-error"
        }
    }
}
