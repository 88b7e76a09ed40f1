//! Whether a portal answers this terminal, as `doctor` asks.

use url::Url;

use super::answer::unreachable;
use super::client::ClientError;
use super::enrol::{EnrolError, terminal_client};
use super::key::TerminalKey;
use super::place::Place;

/// Asks a portal's first page, over the connection that a login takes: its certificate judged by our
/// root, ours shown. Gives the HTTP status.
///
/// # Errors
/// [`EnrolError::Unreachable`]: no name, no line, nobody there, or no certificate of ours.
pub async fn portal(place: &Place, key: &dyn TerminalKey, origin: &str) -> Result<u16, EnrolError> {
    let url = Url::parse(origin).map_err(|_| ClientError::Address(origin.to_owned()))?;
    let http = terminal_client(place, key, &url)?;
    let answer = http.get(url.clone()).send().await.map_err(|error| unreachable(&url, &error))?;
    Ok(answer.status().as_u16())
}
