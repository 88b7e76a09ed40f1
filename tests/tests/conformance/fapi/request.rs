//! What stands in a request: state, nonce, scopes, addresses, response types.

use anyhow::ensure;

use super::{BAD_REQUEST, fails, refused};
use crate::{
    catalogue::Trial,
    client::Profile,
    jose,
    provider::{End, Whom},
};

pub async fn without_state(trial: &Trial) -> anyhow::Result<()> {
    trial.flows(|request| request.without("state")).await.map(drop)
}

pub async fn without_nonce(trial: &Trial) -> anyhow::Result<()> {
    trial.flows(|request| request.without("nonce")).await.map(drop)
}

pub async fn nonce_of_64_characters(trial: &Trial) -> anyhow::Result<()> {
    let nonce = format!("{:0<64}", jose::random()?);
    trial.flows(|request| request.with("nonce", nonce)).await.map(drop)
}

pub async fn other_scope_order(trial: &Trial) -> anyhow::Result<()> {
    trial.flows(|request| request.with("scope", "profile openid")).await.map(drop)
}

/// It comes back whole, or the request is refused.
async fn whole_or_refused(trial: &Trial, name: &str, octets: usize) -> anyhow::Result<()> {
    let (party, person) = (trial.fapi()?, trial.person(Whom::Anybody).await?);
    let value = format!("{:0<octets$}", jose::random()?);
    let request = party.request()?.with(name, value);
    if fails(&party, &person, &request, &BAD_REQUEST).await.is_ok() {
        return Ok(());
    }
    // State and nonce of an answer are compared with those of the request.
    party.tokens(&person, &request).await.map(drop)
}

pub async fn long_nonce(trial: &Trial) -> anyhow::Result<()> {
    whole_or_refused(trial, "nonce", 384).await
}

pub async fn long_state(trial: &Trial) -> anyhow::Result<()> {
    whole_or_refused(trial, "state", 1_000).await
}

/// Beside a reference, nothing else in the address counts (RFC 9126 §4): what was sent ahead does, or the
/// request is refused.
async fn outside_does_not_count(trial: &Trial, name: &str, inside: bool) -> anyhow::Result<()> {
    let (party, person) = (trial.fapi()?, trial.person(Whom::Anybody).await?);
    let request = party.request()?;
    let request = if inside { request } else { request.without(name) };
    let mut url = party.referring(&party.pushed(&request).await?)?;
    url.query_pairs_mut().append_pair(name, "outside");
    let landing = person.visit(&url).await?;
    if refused(&party, &landing, &BAD_REQUEST).await.is_ok() {
        return Ok(());
    }
    let code = party.code(&landing, &request).await?;
    party.good(&party.exchanged(&code, &request).await?, request.get("nonce")).await.map(drop)
}

pub async fn other_nonce_outside(trial: &Trial) -> anyhow::Result<()> {
    outside_does_not_count(trial, "nonce", true).await
}

pub async fn other_state_outside(trial: &Trial) -> anyhow::Result<()> {
    outside_does_not_count(trial, "state", true).await
}

pub async fn state_only_outside(trial: &Trial) -> anyhow::Result<()> {
    outside_does_not_count(trial, "state", false).await
}

/// Refused, or answered at the one address that the client has.
pub async fn without_redirect_uri(trial: &Trial) -> anyhow::Result<()> {
    let request = trial.fapi()?.request()?.without("redirect_uri");
    trial.fails(&request, &BAD_REQUEST).await
}

/// RFC 9126 §2.4 lets a provider take addresses that no registration names; none of ours does.
pub async fn unregistered_redirect_uri(trial: &Trial) -> anyhow::Result<()> {
    let party = trial.fapi()?;
    let unregistered = format!("{}/{}", party.client.redirect_uri, jose::random()?);
    let request = party.request()?.with("redirect_uri", unregistered);
    let person = trial.person(Whom::Anybody).await?;
    let codes = ["invalid_request", "invalid_request_object", "invalid_redirect_uri"];
    let pushed = party.push(&request).await?;
    if pushed.status != 201 {
        return pushed.is_error(&codes);
    }
    person.visit(&party.referring(&party.reference(&pushed)?)?).await?.error_page()
}

/// All parameters in the address, none sent ahead.
pub async fn not_sent_ahead(trial: &Trial) -> anyhow::Result<()> {
    let (party, person) = (trial.fapi()?, trial.person(Whom::Anybody).await?);
    let landing = person.visit(&party.authorization(&party.request()?.parameters)?).await?;
    refused(&party, &landing, &BAD_REQUEST).await
}

async fn response_type(trial: &Trial, wanted: &str) -> anyhow::Result<()> {
    let request = trial.fapi()?.request()?.with("response_type", wanted);
    let codes = ["unsupported_response_type", "invalid_request", "unauthorized_client"];
    trial.fails(&request, &codes).await
}

pub async fn response_type_code_id_token(trial: &Trial) -> anyhow::Result<()> {
    response_type(trial, "code id_token").await
}

pub async fn response_type_token(trial: &Trial) -> anyhow::Result<()> {
    response_type(trial, "token").await
}

pub async fn pkce_required(trial: &Trial) -> anyhow::Result<()> {
    let request = trial.fapi()?.request()?;
    let request = request.without("code_challenge").without("code_challenge_method");
    trial.fails(&request, &BAD_REQUEST).await
}

pub async fn plain_pkce(trial: &Trial) -> anyhow::Result<()> {
    let request = trial.fapi()?.request()?;
    let verifier = request.verifier.clone();
    let request = request.with("code_challenge", verifier).with("code_challenge_method", "plain");
    trial.fails(&request, &BAD_REQUEST).await
}

/// The address says nothing but whose request it is.
pub async fn no_duplicate_parameters(trial: &Trial) -> anyhow::Result<()> {
    let (party, person) = (trial.fapi()?, trial.person(Whom::Anybody).await?);
    let request = party.request()?;
    let url = party.referring(&party.pushed(&request).await?)?;
    ensure!(url.query_pairs().count() == 2, "{url}");
    let landing = person.visit(&url).await?;
    ensure!(matches!(landing.end, End::Client(_)), "not led to the client");
    party.code(&landing, &request).await.map(drop)
}

/// The signing plan's: what is not signed is not taken.
pub async fn unsigned_at_par(trial: &Trial) -> anyhow::Result<()> {
    let party = trial.fapi()?;
    ensure!(party.client.profile == Profile::Fapi2MessageSigning, "only signing clients sign");
    let endpoint = "pushed_authorization_request_endpoint";
    let answer = party.call(endpoint, party.request()?.parameters).send().await?;
    answer.is_error(&BAD_REQUEST)
}
