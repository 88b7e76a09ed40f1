//! The plan `oidcc-config-certification-test-plan`, and what the other plans ask of the metadata.

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::{catalogue::Trial, flow::Answer, provider::named};

fn list<'a>(metadata: &'a Value, name: &str) -> anyhow::Result<Vec<&'a str>> {
    let values = metadata[name].as_array().with_context(|| format!("no list {name}"))?;
    let texts: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
    ensure!(texts.len() == values.len() && !texts.is_empty(), "{name}: {values:?}");
    Ok(texts)
}

fn holds(metadata: &Value, name: &str, wanted: &[&str]) -> anyhow::Result<()> {
    let values = list(metadata, name)?;
    for value in wanted {
        ensure!(values.contains(value), "{name} lacks {value}: {values:?}");
    }
    Ok(())
}

fn is_true(metadata: &Value, name: &str) -> anyhow::Result<()> {
    ensure!(metadata[name] == true, "{name} is {}", metadata[name]);
    Ok(())
}

/// An address of ours by TLS, without a fragment.
fn https(value: &Value, name: &str) -> anyhow::Result<()> {
    let url = value.as_str().with_context(|| format!("no {name}"))?;
    let url = url::Url::parse(url).with_context(|| format!("{name} is {url}"))?;
    ensure!(url.scheme() == "https" && url.fragment().is_none(), "{name} is {url}");
    Ok(())
}

/// The document as anybody may fetch it, under the issuer's own name (OIDC Discovery §4.3).
async fn fetched(trial: &Trial) -> anyhow::Result<Value> {
    let issuer = named(&*trial.provider, "issuer")?;
    let url = format!("{issuer}/.well-known/openid-configuration");
    let answer = Answer::of(trial.provider.http(None)?.get(url)).await?;
    answer.is(200)?;
    let kind = answer.headers.get("content-type").and_then(|value| value.to_str().ok());
    ensure!(kind.is_some_and(|kind| kind.starts_with("application/json")), "{answer:?}");
    let metadata = answer.json()?;
    ensure!(metadata["issuer"] == issuer, "issuer is {}", metadata["issuer"]);
    ensure!(!issuer.contains(['?', '#']), "the issuer has a query or a fragment: {issuer}");
    let members = metadata.as_object().context("the metadata is no object")?;
    for (name, value) in members {
        if name == "issuer" || name.ends_with("_endpoint") || name.ends_with("_uri") {
            https(value, name)?;
        }
    }
    for (name, value) in metadata["mtls_endpoint_aliases"].as_object().into_iter().flatten() {
        https(value, name)?;
    }
    Ok(metadata)
}

/// The published keys verify what is signed, have names of their own, and none is private.
async fn good_keys(trial: &Trial, metadata: &Value) -> anyhow::Result<()> {
    let url = metadata["jwks_uri"].as_str().context("no jwks_uri")?;
    let answer = Answer::of(trial.provider.http(None)?.get(url)).await?;
    answer.is(200)?;
    let keys = answer.json()?;
    let keys = keys["keys"].as_array().context("no keys")?;
    ensure!(!keys.is_empty(), "no keys");
    for (place, key) in keys.iter().enumerate() {
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            ensure!(key.get(private).is_none(), "a key holds its private part {private}");
        }
        ensure!(key["kty"].is_string() && key["kid"].is_string(), "{key}");
        let twice = keys[..place].iter().any(|other| other["kid"] == key["kid"]);
        ensure!(!twice, "two keys are called {}", key["kid"]);
    }
    Ok(())
}

pub async fn openid(trial: &Trial) -> anyhow::Result<()> {
    let metadata = fetched(trial).await?;
    for name in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"] {
        https(&metadata[name], name)?;
    }
    holds(&metadata, "scopes_supported", &["openid"])?;
    holds(&metadata, "response_types_supported", &["code"])?;
    let subjects = list(&metadata, "subject_types_supported")?;
    ensure!(subjects.iter().all(|one| ["public", "pairwise"].contains(one)), "{subjects:?}");
    // OIDC Discovery §3.
    holds(&metadata, "id_token_signing_alg_values_supported", &["RS256"])?;
    holds(&metadata, "claims_supported", &["sub"])?;
    is_true(&metadata, "claims_parameter_supported")?;
    good_keys(trial, &metadata).await
}

pub async fn rp_initiated_logout(trial: &Trial) -> anyhow::Result<()> {
    let metadata = fetched(trial).await?;
    https(&metadata["end_session_endpoint"], "end_session_endpoint")
}

pub async fn backchannel_logout(trial: &Trial) -> anyhow::Result<()> {
    let metadata = fetched(trial).await?;
    https(&metadata["end_session_endpoint"], "end_session_endpoint")?;
    is_true(&metadata, "backchannel_logout_supported")?;
    is_true(&metadata, "backchannel_logout_session_supported")
}

pub async fn frontchannel_logout(trial: &Trial) -> anyhow::Result<()> {
    let metadata = fetched(trial).await?;
    https(&metadata["end_session_endpoint"], "end_session_endpoint")?;
    is_true(&metadata, "frontchannel_logout_supported")?;
    is_true(&metadata, "frontchannel_logout_session_supported")
}

pub async fn session_management(trial: &Trial) -> anyhow::Result<()> {
    let metadata = fetched(trial).await?;
    https(&metadata["check_session_iframe"], "check_session_iframe")?;
    https(&metadata["end_session_endpoint"], "end_session_endpoint")
}

pub async fn fapi(trial: &Trial) -> anyhow::Result<()> {
    let metadata = fetched(trial).await?;
    let client = trial.fapi()?.client;
    holds(&metadata, "response_types_supported", &["code"])?;
    holds(&metadata, "code_challenge_methods_supported", &["S256"])?;
    ensure!(!list(&metadata, "code_challenge_methods_supported")?.contains(&"plain"), "plain");
    holds(&metadata, "scopes_supported", &["openid"])?;
    holds(&metadata, "token_endpoint_auth_methods_supported", &[client.authentication.method()])?;
    is_true(&metadata, "authorization_response_iss_parameter_supported")?;
    let name = "pushed_authorization_request_endpoint";
    https(&metadata[name], name)?;
    for name in [
        "id_token_signing_alg_values_supported",
        "token_endpoint_auth_signing_alg_values_supported",
    ] {
        // FAPI 2.0 Security Profile §5.4.1.
        let values = list(&metadata, name)?;
        ensure!(values.iter().any(|one| ["PS256", "ES256", "EdDSA"].contains(one)), "{values:?}");
        ensure!(!values.contains(&"none"), "{name}: {values:?}");
    }
    match client.binding {
        crate::client::Binding::Dpop => {
            let values = list(&metadata, "dpop_signing_alg_values_supported")?;
            let allowed = ["PS256", "ES256", "EdDSA", "Ed25519"];
            ensure!(values.iter().all(|one| allowed.contains(one)), "{values:?}");
        }
        crate::client::Binding::Certificate => {
            is_true(&metadata, "tls_client_certificate_bound_access_tokens")?;
        }
        crate::client::Binding::Nothing => {}
    }
    if client.profile == crate::client::Profile::Fapi2MessageSigning {
        holds(&metadata, "request_object_signing_alg_values_supported", &["ES256"])?;
        holds(&metadata, "authorization_signing_alg_values_supported", &["ES256"])?;
        holds(&metadata, "response_modes_supported", &["jwt"])?;
    }
    good_keys(trial, &metadata).await
}
