//! Requests that are sent ahead, and who sends them (RFC 9126, FAPI 2.0 Security Profile §5.3.2).

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::{BAD_REQUEST, refused};
use crate::{
    catalogue::Trial,
    flow::{Answer, now},
    jose::Changes,
    provider::{End, Whom},
};

const PAR: &str = "pushed_authorization_request_endpoint";

/// Who looks at the login page twice before logging in has not used the request up.
pub async fn reused_before_login(trial: &Trial) -> anyhow::Result<()> {
    let (party, mut person) = (trial.fapi()?, trial.person(Whom::Fresh).await?);
    let request = party.request()?;
    let url = party.referring(&party.pushed(&request).await?)?;
    person.stays_out = true;
    let landing = person.visit(&url).await?;
    ensure!(matches!(landing.end, End::Page(page) if page.status.is_success()), "no login page");
    person.stays_out = false;
    let landing = person.visit(&url).await?;
    party.code(&landing, &request).await.map(drop)
}

pub async fn reused(trial: &Trial) -> anyhow::Result<()> {
    let (party, person) = (trial.fapi()?, trial.person(Whom::Anybody).await?);
    let request = party.request()?;
    let url = party.referring(&party.pushed(&request).await?)?;
    party.code(&person.visit(&url).await?, &request).await?;
    refused(&party, &person.visit(&url).await?, &BAD_REQUEST).await
}

pub async fn expired(trial: &Trial) -> anyhow::Result<()> {
    let (party, person) = (trial.fapi()?, trial.person(Whom::Anybody).await?);
    let answer = party.push(&party.request()?).await?;
    let url = party.referring(&party.reference(&answer)?)?;
    let lifetime = answer.json()?["expires_in"].as_u64().context("no expires_in")?;
    tokio::time::sleep(Duration::from_secs(lifetime + 1)).await;
    refused(&party, &person.visit(&url).await?, &BAD_REQUEST).await
}

pub async fn of_another_client(trial: &Trial) -> anyhow::Result<()> {
    let (party, person) = (trial.fapi()?, trial.person(Whom::Anybody).await?);
    let reference = party.pushed(&party.request()?).await?;
    let other = trial.other_fapi()?;
    let landing = person.visit(&other.referring(&reference)?).await?;
    landing.error_page()
}

pub async fn request_uri_in_form(trial: &Trial) -> anyhow::Result<()> {
    let party = trial.fapi()?;
    let form = party.pushed_form(&party.request()?)?;
    let reference = "urn:ietf:params:oauth:request_uri:whatever";
    let answer = party.call(PAR, form).field("request_uri", reference).send().await?;
    answer.is_error(&["invalid_request", "request_uri_not_supported"])
}

pub async fn wrong_method(trial: &Trial) -> anyhow::Result<()> {
    let party = trial.fapi()?;
    let certificate = party.client.shows_certificate();
    let url = party.endpoint(PAR, certificate)?;
    let form = party.pushed_form(&party.request()?)?;
    let answer = Answer::of(party.http(certificate)?.put(url).form(&form)).await?;
    ensure!((400..500).contains(&answer.status), "{answer:?}");
    Ok(())
}

/// The client's assertion, changed, at the endpoint for requests that are sent ahead.
async fn asserted(trial: &Trial, claims: Value) -> anyhow::Result<Answer> {
    let party = trial.fapi()?;
    let form = party.pushed_form(&party.request()?)?;
    party.call(PAR, form).assertion(Changes::claims(claims)).send().await
}

pub async fn assertion_8_seconds_ahead(trial: &Trial) -> anyhow::Result<()> {
    let ahead = json!({ "iat": now() + 8, "nbf": now() + 8, "exp": now() + 68 });
    asserted(trial, ahead).await?.is(201)
}

pub async fn assertion_over_60_seconds_ahead(trial: &Trial) -> anyhow::Result<()> {
    let ahead = json!({ "iat": now() + 70, "nbf": now() + 70, "exp": now() + 130 });
    asserted(trial, ahead).await?.is_error(&["invalid_request", "invalid_client"])
}

async fn for_somebody_else(trial: &Trial, aud: Value) -> anyhow::Result<()> {
    let answer = asserted(trial, json!({ "aud": aud })).await?;
    answer.is_error(&["invalid_request", "invalid_client"])
}

pub async fn audience_as_list(trial: &Trial) -> anyhow::Result<()> {
    let issuer = trial.fapi()?.issuer()?;
    for_somebody_else(trial, json!([issuer])).await
}

pub async fn audience_is_par(trial: &Trial) -> anyhow::Result<()> {
    let party = trial.fapi()?;
    let endpoint = party.endpoint(PAR, party.client.shows_certificate())?;
    for_somebody_else(trial, endpoint.into()).await
}

pub async fn audience_is_token_endpoint(trial: &Trial) -> anyhow::Result<()> {
    let party = trial.fapi()?;
    let endpoint = party.endpoint("token_endpoint", party.client.shows_certificate())?;
    for_somebody_else(trial, endpoint.into()).await
}
