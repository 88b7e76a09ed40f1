//! The plan `oidcc-dynamic-certification-test-plan`, as far as its clients register themselves.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::{
    catalogue::Trial,
    id_token::{self, is_for},
    jose::{Changes, Key, Signer},
    provider::{Whom, named},
    registration::{ORIGIN, is_refused, jwks, metadata, signed_userinfo},
    visit::claims_of,
};

/// How soon a provider publishes what its operator has changed.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

/// Nothing is said about the algorithm: the provider tells its default, and signs with that.
pub async fn id_token_signature(trial: &Trial) -> anyhow::Result<()> {
    let registered = trial.registers(&json!({})).await?;
    ensure!(registered.told["id_token_signed_response_alg"].is_string(), "{}", registered.told);
    registered.logs_in(trial).await.map(drop)
}

/// Where `none` is not offered, it cannot be registered.
pub async fn id_token_unsigned(trial: &Trial) -> anyhow::Result<()> {
    ensure!(!trial.supports("id_token_signing_alg_values_supported", "none"), "it is offered");
    refused(trial, &json!({ "id_token_signed_response_alg": "none" })).await
}

pub async fn id_token_rs256(trial: &Trial) -> anyhow::Result<()> {
    let wanted = json!({ "id_token_signed_response_alg": "RS256" });
    let registered = trial.registers(&wanted).await?;
    registered.logs_in(trial).await.map(drop)
}

pub async fn userinfo_rs256(trial: &Trial) -> anyhow::Result<()> {
    ensure!(trial.supports("userinfo_signing_alg_values_supported", "RS256"), "it is not offered");
    let wanted = json!({ "userinfo_signed_response_alg": "RS256" });
    let registered = trial.registers(&wanted).await?;
    let (party, _, tokens) = registered.logs_in(trial).await?;
    let told = signed_userinfo(&party, &tokens, "RS256").await?;
    ensure!(told["iss"] == party.issuer()?, "another issuer: {told}");
    is_for(party.client, &told)?;
    ensure!(told["sub"] == tokens.id_token["sub"], "another sub: {told}");
    ensure!(told.get("nonce").is_none(), "a nonce belongs to ID tokens: {told}");
    Ok(())
}

/// A registration with these members is refused.
async fn refused(trial: &Trial, more: &Value) -> anyhow::Result<()> {
    let token = trial.provider.initial_access_token();
    let answer = trial.registration(Some(token), &metadata(more)).await?;
    is_refused(&answer, &["invalid_redirect_uri", "invalid_client_metadata"])
}

/// At a client with these addresses a request with another address, or without one, ends with a page.
async fn kept_from(
    trial: &Trial,
    registered: &[&str],
    requested: Option<&str>,
) -> anyhow::Result<()> {
    let uris: Vec<_> = registered.iter().map(|path| format!("{ORIGIN}/{path}")).collect();
    let registered = trial.registers(&json!({ "redirect_uris": uris })).await?;
    let (party, person) = (registered.party(trial)?, trial.person(Whom::Tester).await?);
    let request = match requested {
        Some(path) => party.request()?.with("redirect_uri", format!("{ORIGIN}/{path}")),
        None => party.request()?.without("redirect_uri"),
    };
    party.sent(&person, &request).await?.error_page()
}

pub async fn redirect_uri_missing(trial: &Trial) -> anyhow::Result<()> {
    kept_from(trial, &["callback", "second"], None).await
}

pub async fn redirect_uri_with_other_query(trial: &Trial) -> anyhow::Result<()> {
    kept_from(trial, &["callback?foo=bar"], Some("callback?foo=baz")).await
}

pub async fn redirect_uri_with_query_added(trial: &Trial) -> anyhow::Result<()> {
    kept_from(trial, &["callback"], Some("callback?foo=bar")).await
}

/// The registered query stays where the answer comes.
pub async fn redirect_uri_with_query(trial: &Trial) -> anyhow::Result<()> {
    let uri = format!("{ORIGIN}/callback?foo=bar");
    let registered = trial.registers(&json!({ "redirect_uris": [uri] })).await?;
    let (party, person) = (registered.party(trial)?, trial.person(Whom::Tester).await?);
    let request = party.request()?;
    let landing = party.sent(&person, &request).await?;
    let reply = landing.at_client(party.client)?;
    ensure!(reply.get("foo") == Some("bar"), "the query is another: {reply:?}");
    let code = party.code(&landing, &request).await?;
    let answer = party.exchanged(&code, &request).await?;
    party.good(&answer, request.get("nonce")).await.map(drop)
}

pub async fn redirect_uri_with_fragment(trial: &Trial) -> anyhow::Result<()> {
    refused(trial, &json!({ "redirect_uris": [format!("{ORIGIN}/callback#foobar")] })).await
}

/// The document of the sector names other addresses (`provider.mjs` has it); whoever reads none refuses
/// all the same.
pub async fn bad_sector(trial: &Trial) -> anyhow::Result<()> {
    let sector = format!("{ORIGIN}/other_redirect_uris.json");
    let more = json!({ "subject_type": "pairwise", "sector_identifier_uri": sector });
    let token = trial.provider.initial_access_token();
    let answer = trial.registration(Some(token), &metadata(&more)).await?;
    is_refused(&answer, &["invalid_client_metadata"])
}

/// The next key is there before it is needed, and the one before as long as it is.
pub async fn rotated_keys(trial: &Trial) -> anyhow::Result<()> {
    let party = trial.basic()?;
    // Other modules have keys of other algorithms made.
    let algorithm = party.client.id_token_algorithm;
    let names = |keys: &Value| -> anyhow::Result<Vec<Value>> {
        let keys = keys["keys"].as_array().context("no keys")?;
        let fits = |key: &&Value| key["use"] == "sig" && key["alg"] == algorithm;
        Ok(keys.iter().filter(fits).map(|key| key["kid"].clone()).collect())
    };
    let before = names(trial.provider.keys_before_rotation().await?)?;
    let begun = Instant::now();
    let after = loop {
        let after = names(&party.keys().await?)?;
        if after.iter().any(|kid| !before.contains(kid)) {
            break after;
        }
        ensure!(begun.elapsed() < SEEN_WITHIN, "none is new: {after:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    ensure!(before.iter().all(|kid| after.contains(kid)), "{before:?} became {after:?}");
    // Tokens are made and verified as ever.
    let person = trial.person(Whom::Anybody).await?;
    party.tokens(&person, &party.request()?).await.map(drop)
}

/// The client exchanges its key by its registration; from then on the new one counts, and no other.
pub async fn refresh_with_another_key(trial: &Trial) -> anyhow::Result<()> {
    let mut registered = signing(trial).await?;
    let (_, _, tokens) = registered.logs_in(trial).await?;
    let refresh_token = tokens.refresh_token.clone().context("no refresh token")?;
    let next = Key::generate()?;
    let keys = || ("jwks", jwks(&next));
    let other = trial.registers(&json!({})).await?;
    let foreign = registered.replaces(trial, other.access_token()?, keys()).await?;
    ensure!(foreign.status == 401, "another client's token changes it: {foreign:?}");
    registered.replaces(trial, registered.access_token()?, keys()).await?.is(200)?;
    let before = std::mem::replace(&mut registered.client.key, next);
    let party = registered.party(trial)?;
    let form = || {
        vec![
            ("grant_type".to_owned(), "refresh_token".to_owned()),
            ("refresh_token".to_owned(), refresh_token.clone()),
        ]
    };
    let old = Changes::signer(Signer::Other(&before));
    let stale = party.call("token_endpoint", form()).assertion(old).send().await?;
    stale.is_error(&["invalid_client"])?;
    let answer = party.call("token_endpoint", form()).send().await?;
    let nonces = [None, tokens.id_token["nonce"].as_str()];
    let renewed = id_token::tokens(&party, &answer, &nonces).await?;
    ensure!(renewed.id_token["sub"] == tokens.id_token["sub"], "somebody else");
    claims_of(&party.userinfo(&renewed.access_token).await?, &renewed).map(drop)
}

/// A client that signs its assertions.
async fn signing(trial: &Trial) -> anyhow::Result<crate::registration::Registered> {
    let key = Key::generate()?;
    let more = json!({
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
        "jwks": jwks(&key),
    });
    trial.registers_with(key, &more).await
}

/// The assertion's `aud` is the issuer.
pub async fn assertion_for_the_issuer(trial: &Trial) -> anyhow::Result<()> {
    let registered = signing(trial).await?;
    let issuer = named(&*trial.provider, "issuer")?;
    let (party, person) = (registered.party(trial)?, trial.person(Whom::Tester).await?);
    let request = party.request()?;
    let code = party.authorized(&person, &request).await?;
    let assertion = Changes::claims(json!({ "aud": issuer }));
    let call = party.call("token_endpoint", party.exchange(&code, &request));
    let answer = call.assertion(assertion).send().await?;
    party.good(&answer, request.get("nonce")).await.map(drop)
}
