//! The plans `oidcc-frontchannel-rp-initiated-logout-certification-test-plan` and
//! `oidcc-session-management-certification-test-plan`: what the pages hold that a browser loads. That one
//! does so is shown in Chromium, by `tests/tests/relying_parties`.

use anyhow::{Context, ensure};
use serde_json::json;
use url::Url;

use crate::{
    catalogue::Trial,
    client::BASIC,
    frame::Frame,
    jose,
    logout::{Visit, kept, led_back},
    provider::{Whom, seen},
    registration::ORIGIN,
};

/// The last page loads the client's address in a frame, says which session of whose has ended, and leads
/// on.
pub async fn frontchannel(trial: &Trial) -> anyhow::Result<()> {
    let address = format!("{ORIGIN}/frontchannel_logout");
    let wish = json!({
        "frontchannel_logout_uri": address,
        "frontchannel_logout_session_required": true,
    });
    let registered = trial.registers(&wish).await?;
    let visit = Visit::begun(trial, &registered.client, Whom::FreshTester).await?;
    let state = jose::random()?;
    let parameters = [visit.hint(), visit.registered(), ("state", state.clone())];
    let page = kept(visit.leaves(&parameters).await?)?;
    ensure!(page.status.is_success(), "{} {}", page.status, seen(&page));
    let frames = page.sources_of("iframe");
    let [frame] = frames.as_slice() else { anyhow::bail!("the page loads {frames:?}") };
    let frame = Url::parse(frame)?;
    ensure!(frame[..url::Position::AfterPath] == address, "{frame} is loaded");
    let mut told: Vec<(String, String)> = frame.query_pairs().into_owned().collect();
    told.sort();
    let sid = visit.tokens.id_token["sid"].as_str().context("the ID token has no sid")?;
    // OIDC Front-Channel Logout §2 and §3.
    let expected = [("iss", visit.party.issuer()?), ("sid", sid)];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    ensure!(told == expected, "the client is told {told:?}");
    let on = page.address_beginning(&registered.client.post_logout_redirect_uri)?;
    led_back(&Url::parse(&on)?, &visit, Some(&state))?;
    visit.is_over().await
}

/// The frame tells a page that the session goes on while it does, and that it changed after a logout; a
/// page of another origin, or with another state, learns nothing of it.
pub async fn session_management(trial: &Trial) -> anyhow::Result<()> {
    let client = trial.provider.client(BASIC)?;
    let visit = Visit::begun(trial, client, Whom::Fresh).await?;
    let state = visit.session_state.clone().context("no session_state beside the code")?;
    ensure!(!state.is_empty() && !state.contains(' '), "session_state is {state:?}");
    let origin = Url::parse(&client.redirect_uri)?.origin().ascii_serialization();
    let asks = async |origin: &str, message: String, expected: &[&str]| {
        let frame = Frame::opened(trial, &visit.person).await?;
        let answer = frame.answers(&message, origin).await?;
        ensure!(expected.contains(&answer.as_str()), "{message:?} of {origin}: {answer}");
        anyhow::Ok(())
    };
    let message = format!("{} {state}", client.id);
    asks(&origin, message.clone(), &["unchanged"]).await?;
    let strange = ["changed", "error"];
    asks("https://elsewhere.example", message.clone(), &strange).await?;
    asks(&origin, format!("{} {}.salt", client.id, jose::random()?), &strange).await?;
    asks(&origin, "nonsense".to_owned(), &["error"]).await?;
    let parameters = [visit.hint(), visit.registered(), ("state", jose::random()?)];
    visit.leaves_and_agrees(&parameters).await?;
    asks(&origin, message, &["changed"]).await?;
    visit.is_over().await
}
