//! Whether a portal answers this terminal, as `doctor` asks.

use url::Url;

use super::answer::unreachable;
use super::client::ClientError;
use super::enrol::{EnrolError, terminal_client};
use super::key::TerminalKey;
use super::place::Place;

/// Where the portal takes the agent's reports; to be asked there is no use of the certificate by the
/// browser, which would end the one before it (docs/decisions/0015).
const AGENTS_OWN: &str = "/agent/presence";

/// Asks a portal, over the connection that a login takes: its certificate judged by our root, ours
/// shown. Gives the HTTP status.
///
/// # Errors
/// [`EnrolError::Unreachable`]: no name, no line, nobody there, or no certificate of ours.
pub async fn portal(place: &Place, key: &dyn TerminalKey, origin: &str) -> Result<u16, EnrolError> {
    let url = Url::parse(origin).map_err(|_| ClientError::Address(origin.to_owned()))?;
    let url = url.join(AGENTS_OWN).map_err(|_| ClientError::Address(origin.to_owned()))?;
    let http = terminal_client(place, key, &url)?;
    let answer = http.get(url.clone()).send().await.map_err(|error| unreachable(&url, &error))?;
    Ok(answer.status().as_u16())
}
