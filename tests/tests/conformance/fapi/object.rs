//! Signed requests (FAPI 2.0 Message Signing §5.3).

use serde_json::{Value, json};

use super::BAD_REQUEST;
use crate::{
    catalogue::Trial,
    flow::now,
    jose::{Changes, Signer},
};

async fn accepted(trial: &Trial, claims: Value) -> anyhow::Result<()> {
    let changed = |mut request: crate::flow::Request<'static>| {
        request.object = Changes::claims(claims);
        request
    };
    trial.flows(changed).await.map(drop)
}

async fn refused(trial: &Trial, changes: Changes<'_>) -> anyhow::Result<()> {
    let mut request = trial.fapi()?.request()?;
    request.object = changes;
    trial.fails(&request, &BAD_REQUEST).await
}

pub async fn multiple_audiences(trial: &Trial) -> anyhow::Result<()> {
    let issuer = trial.fapi()?.issuer()?;
    accepted(trial, json!({ "aud": [issuer, "https://other1.example.com", "invalid"] })).await
}

pub async fn nbf_8_seconds_ahead(trial: &Trial) -> anyhow::Result<()> {
    accepted(trial, json!({ "nbf": now() + 8 })).await
}

pub async fn without_exp(trial: &Trial) -> anyhow::Result<()> {
    refused(trial, Changes::claims(json!({ "exp": null }))).await
}

pub async fn without_nbf(trial: &Trial) -> anyhow::Result<()> {
    refused(trial, Changes::claims(json!({ "nbf": null }))).await
}

pub async fn expired(trial: &Trial) -> anyhow::Result<()> {
    refused(trial, Changes::claims(json!({ "nbf": now() - 360, "exp": now() - 300 }))).await
}

pub async fn bad_audience(trial: &Trial) -> anyhow::Result<()> {
    refused(trial, Changes::claims(json!({ "aud": "https://other.example" }))).await
}

pub async fn exp_over_60_minutes(trial: &Trial) -> anyhow::Result<()> {
    refused(trial, Changes::claims(json!({ "exp": now() + 70 * 60 }))).await
}

pub async fn nbf_over_60_minutes(trial: &Trial) -> anyhow::Result<()> {
    let long_ago = json!({ "nbf": now() - 70 * 60, "exp": now() + 60 });
    refused(trial, Changes::claims(long_ago)).await
}

pub async fn signed_with_rs256(trial: &Trial) -> anyhow::Result<()> {
    let rsa = &trial.fapi()?.client.rsa;
    let mut changes = Changes::signer(Signer::Rsa(rsa));
    changes.header = json!({ "kid": "rsa" });
    refused(trial, changes).await
}

pub async fn algorithm_none(trial: &Trial) -> anyhow::Result<()> {
    refused(trial, Changes::signer(Signer::Nobody)).await
}

pub async fn invalid_signature(trial: &Trial) -> anyhow::Result<()> {
    refused(trial, Changes::signer(Signer::Spoilt)).await
}

pub async fn signed_by_another_client(trial: &Trial) -> anyhow::Result<()> {
    let other = &trial.other_fapi()?.client.key;
    refused(trial, Changes::signer(Signer::Other(other))).await
}

pub async fn request_uri_inside(trial: &Trial) -> anyhow::Result<()> {
    let inside = json!({ "request_uri": "urn:ietf:params:oauth:request_uri:whatever" });
    refused(trial, Changes::claims(inside)).await
}
