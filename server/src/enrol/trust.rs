//! `GET /terminal/trust`: whom this terminal's agent is to obey.
//!
//! Believed because of the connection: the server's chain ends in the pinned root and the terminal
//! shows its own certificate. Enrolment ends with it; renewal and every start refresh it.

use axum::{
    Json,
    extract::{Extension, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use sekisho_protocol::{
    Jwk, JwkSet,
    jwk::JwkError,
    request::AgentVersion,
    trust::{Named, TerminalTrust, TrustError},
};

use crate::{
    app::App,
    error::problem::Problem,
    listener::{FacilityConnection, Peer},
};

/// Where the agent reports that the card left, on the terminal name.
const PRESENCE_PATH: &str = "/agent/presence";

/// Answers the terminal whose certificate the connection shows.
///
/// # Errors
/// 403 as a problem (RFC 9457) without such a certificate.
pub async fn get(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
) -> Result<Response, Problem> {
    let facility = FacilityConnection::judge(&app, &peer).await?;
    let document = document(&app, facility).map_err(|error| Problem::internal(&error))?;
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((no_store, Json(document)).into_response())
}

/// Why the instance has nothing that a terminal could pin.
#[derive(Debug, thiserror::Error)]
enum DocumentError {
    #[error("the login request key cannot be published")]
    Key(#[from] JwkError),
    #[error("card_login.minimum_agent_version is no version")]
    Version,
    #[error("the trust document would be refused by every agent")]
    Refused(#[from] TrustError),
}

fn document(app: &App, facility: FacilityConnection) -> Result<TerminalTrust, DocumentError> {
    let (kid, key) = &app.keys().login_request;
    let login_request_key = Jwk::from_spki_der(key.public_key_der())?.with_kid(kid.as_str());
    let policy = app.config().card_login();
    let version: AgentVersion =
        policy.minimum_agent_version().parse().map_err(|_| DocumentError::Version)?;
    let trust = app.card_trust().at(&facility.organisation_id);
    let (card_issuers, accepted_policies) = trust.for_login(policy.accepted_policies(), true);
    let document = TerminalTrust {
        issuer: app.names().public.clone(),
        portal_origins: vec![app.names().terminal.clone()],
        login_request_keys: JwkSet::new(vec![login_request_key])?,
        terminal: Named { id: facility.terminal_id, name: facility.terminal_name },
        card_issuers,
        facility: Named { id: facility.organisation_id, name: facility.organisation_name },
        accepted_policies,
        presence_url: format!("{}{PRESENCE_PATH}", app.names().terminal),
        minimum_agent_version: version,
        navigation: policy.navigation(),
    };
    // What an agent would refuse is refused here, where the log tells the operator why.
    document.check()?;
    Ok(document)
}
