//! Services that are not told of logouts, at terminals that several people use in turn: what the person before saw there
//! may still be shown, so a facility may close them.

use sekisho_store::{
    Queries, StoreError,
    facility_policy::{self, UntoldServices},
    shared_terminal,
};

use super::session::PortalSession;
use crate::{app::App, catalogue::Text, entitlement::Explanation};

/// As in the audit trail.
pub const CODE: &str = "untold_at_shared_terminal";

/// What holds at a facility's shared terminals.
///
/// # Errors
/// [`StoreError`].
pub async fn policy(
    app: &App,
    queries: &mut impl Queries,
    organisation_id: &str,
) -> Result<UntoldServices, StoreError> {
    let chosen = facility_policy::chosen(queries, organisation_id).await?;
    Ok(chosen.unwrap_or(match app.config().card_login().forbid_untold_services() {
        true => UntoldServices::Forbidden,
        false => UntoldServices::Allowed,
    }))
}

/// Whether services that are not told of logouts are closed at the terminal of this session.
///
/// # Errors
/// [`StoreError`]: not known, and not knowing refuses.
pub async fn closes_untold(
    app: &App,
    queries: &mut impl Queries,
    session: &PortalSession,
) -> Result<bool, StoreError> {
    Ok(policy(app, queries, &session.organisation_id).await? == UntoldServices::Forbidden
        && !shared_terminal::is_personal(queries, &session.terminal_id).await?)
}

/// Why such a service is closed, and what to do.
#[must_use]
pub fn why(text: &Text) -> Explanation {
    Explanation { reasons: vec![text.t("untold-closed")], help: vec![text.t("untold-closed-help")] }
}
