//! `GET /terminal/trust`: whom this terminal's agent is to obey.
//!
//! Believed because of the connection: the server's chain ends in the pinned root and the terminal
//! shows its own certificate. Enrolment ends with it; an agent asks again at its start, with each
//! renewal, each hour, and when a login request names a key that it does not know.

use axum::{
    Json,
    extract::{Extension, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use sekisho_protocol::{
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
    let document = document(&app, facility).await?;
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((no_store, Json(document)).into_response())
}

/// Why the instance has nothing that a terminal could pin.
#[derive(Debug, thiserror::Error)]
enum DocumentError {
    #[error("the keys for login requests do not read back")]
    Keys(#[from] serde_json::Error),
    #[error("card_login.minimum_agent_version is no version")]
    Version,
    #[error("the trust document would be refused by every agent")]
    Refused(#[from] TrustError),
}

async fn document(app: &App, facility: FacilityConnection) -> Result<TerminalTrust, Problem> {
    // The next one among them, so that it is known before it signs.
    let keys = app.login_request_keys().published(app).await?;
    written(app, facility, keys).map_err(|error| Problem::internal(&error))
}

fn written(
    app: &App,
    facility: FacilityConnection,
    login_request_keys: serde_json::Value,
) -> Result<TerminalTrust, DocumentError> {
    let policy = app.config().card_login();
    let version: AgentVersion =
        policy.minimum_agent_version().parse().map_err(|_| DocumentError::Version)?;
    let trust = app.card_trust().at(&facility.organisation_id);
    let (card_issuers, accepted_policies) = trust.for_login(policy.accepted_policies(), true);
    let document = TerminalTrust {
        issuer: app.names().public.clone(),
        portal_origins: vec![app.names().terminal.clone()],
        login_request_keys: serde_json::from_value(login_request_keys)?,
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
