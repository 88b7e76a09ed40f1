//! The token endpoint (FAPI 2.0 Security Profile §5.3.2).

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};

use crate::{
    basic::refreshes,
    catalogue::Trial,
    client::Authentication,
    flow::now,
    jose::{self, Changes, Signer},
};

const TOKEN: &str = "token_endpoint";

/// The name of one client with the proof of another.
pub async fn client_id_of_another(trial: &Trial) -> anyhow::Result<()> {
    let (party, _, request, code) = trial.code().await?;
    let other = trial.other_fapi()?;
    let call = party.call(TOKEN, party.exchange(&code, &request));
    let answer = call.field("client_id", &other.client.id).send().await?;
    answer.is_error(&["invalid_client", "invalid_request", "invalid_grant", "unauthorized_client"])
}

/// Without a proof or a certificate, nothing is had; with it, the code is still good for its client.
pub async fn holder_of_key_required(trial: &Trial) -> anyhow::Result<()> {
    let (party, _, request, code) = trial.code().await?;
    let form = party.exchange(&code, &request);
    let answer = party.call(TOKEN, form).without_binding().send().await?;
    let codes = ["invalid_dpop_proof", "invalid_request", "invalid_client", "invalid_grant"];
    answer.is_error(&codes)
}

pub async fn code_of_another_client(trial: &Trial) -> anyhow::Result<()> {
    let (party, _, request, code) = trial.code().await?;
    let mut other = trial.other_fapi()?;
    // Only the client differs: the address of the first one is told, and its key shown.
    other.proof_key = party.proof_key;
    let call = other.call(TOKEN, other.exchange(&code, &request));
    let answer = call.field("redirect_uri", &party.client.redirect_uri).send().await?;
    answer.is_error(&["invalid_grant"])
}

pub async fn code_reuse_after_one_second(trial: &Trial) -> anyhow::Result<()> {
    let (party, _, request, code) = trial.code().await?;
    let tokens = party.good(&party.exchanged(&code, &request).await?, request.get("nonce")).await?;
    party.userinfo(&tokens.access_token).await?.is(200)?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    party.exchanged(&code, &request).await?.is_error(&["invalid_grant"])?;
    party.userinfo(&tokens.access_token).await?.is(401)
}

pub async fn expired_code(trial: &Trial) -> anyhow::Result<()> {
    let (party, _, request, code) = trial.code().await?;
    let lifetime = trial.provider.code_lifetime();
    ensure!(lifetime <= Duration::from_secs(60), "codes live longer than FAPI 2.0 allows");
    tokio::time::sleep(lifetime + Duration::from_secs(1)).await;
    party.exchanged(&code, &request).await?.is_error(&["invalid_grant"])
}

/// The client's assertion, changed, where a code is exchanged; nobody is believed.
async fn not_believed(trial: &Trial, changes: Changes<'_>) -> anyhow::Result<()> {
    let (party, _, request, code) = trial.code().await?;
    let call = party.call(TOKEN, party.exchange(&code, &request)).assertion(changes);
    call.send().await?.is_error(&["invalid_client"])?;
    // It was the assertion: with a good one the code is good.
    party.good(&party.exchanged(&code, &request).await?, request.get("nonce")).await.map(drop)
}

async fn claiming(trial: &Trial, claims: Value) -> anyhow::Result<()> {
    not_believed(trial, Changes::claims(claims)).await
}

pub async fn assertion_with_rs256(trial: &Trial) -> anyhow::Result<()> {
    let party = trial.fapi()?;
    not_believed(trial, Changes::signer(Signer::Rsa(&party.client.rsa))).await
}

pub async fn assertion_missing(trial: &Trial) -> anyhow::Result<()> {
    let (party, _, request, code) = trial.code().await?;
    ensure!(party.client.authentication == Authentication::PrivateKeyJwt, "another variant");
    let call = party.call(TOKEN, party.exchange(&code, &request)).unauthenticated();
    call.send().await?.is_error(&["invalid_client", "invalid_request"])
}

pub async fn assertion_expired(trial: &Trial) -> anyhow::Result<()> {
    claiming(trial, json!({ "iat": now() - 360, "nbf": now() - 360, "exp": now() - 300 })).await
}

pub async fn assertion_for_another_server(trial: &Trial) -> anyhow::Result<()> {
    claiming(trial, json!({ "aud": "https://other.example/token" })).await
}

pub async fn assertion_without_sub(trial: &Trial) -> anyhow::Result<()> {
    claiming(trial, json!({ "sub": null })).await
}

pub async fn verifier_missing(trial: &Trial) -> anyhow::Result<()> {
    let (party, _, request, code) = trial.code().await?;
    let mut form = party.exchange(&code, &request);
    form.retain(|(name, _)| name != "code_verifier");
    let answer = party.call(TOKEN, form).send().await?;
    answer.is_error(&["invalid_grant", "invalid_request"])
}

pub async fn verifier_wrong(trial: &Trial) -> anyhow::Result<()> {
    let (party, _, request, code) = trial.code().await?;
    let call = party.call(TOKEN, party.exchange(&code, &request));
    let answer = call.field("code_verifier", jose::random()?).send().await?;
    answer.is_error(&["invalid_grant"])
}

pub async fn refresh_token(trial: &Trial) -> anyhow::Result<()> {
    let (party, tokens) = trial.flows(|request| request).await?;
    refreshes(&party, &trial.other_fapi()?, &tokens).await
}
