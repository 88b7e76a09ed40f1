//! The plan `oidcc-basic-certification-test-plan`.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use url::Url;

use crate::{
    catalogue::Trial,
    client::{POST, SECOND},
    flow::{Answer, RelyingParty, Request, Tokens},
    id_token,
    jose::{self, Changes, Signer},
    provider::{End, Whom, named},
    visit::claims_of,
};

pub async fn server(trial: &Trial) -> anyhow::Result<()> {
    let one = trial.logs_in(Whom::Anybody, |request| request).await?;
    one.told().await?;
    // A second client, and the first one again in the same session.
    let second = trial.party(SECOND)?;
    second.tokens(&one.person, &second.request()?).await?;
    one.again(|request| request).await?;
    Ok(())
}

pub async fn response_type_missing(trial: &Trial) -> anyhow::Result<()> {
    let (party, person) = (trial.basic()?, trial.person(Whom::Anybody).await?);
    let landing = party.sent(&person, &party.request()?.without("response_type")).await?;
    match landing.end {
        End::Page(_) => landing.error_page(),
        End::Client(_) => landing
            .at_client(party.client)?
            .is_error(&["unsupported_response_type", "invalid_request"]),
    }
}

pub async fn userinfo_get(trial: &Trial) -> anyhow::Result<()> {
    trial.logs_in(Whom::Anybody, |request| request).await?.told().await.map(drop)
}

pub async fn userinfo_post_header(trial: &Trial) -> anyhow::Result<()> {
    let one = trial.logs_in(Whom::Anybody, |request| request).await?;
    let url = named(&*trial.provider, "userinfo_endpoint")?;
    let request = one.party.http(false)?.post(url).bearer_auth(&one.tokens.access_token);
    claims_of(&Answer::of(request).await?, &one.tokens).map(drop)
}

/// A provider need not take tokens in the body; then it must say so, and not answer with somebody's claims.
pub async fn userinfo_post_body(trial: &Trial) -> anyhow::Result<()> {
    let one = trial.logs_in(Whom::Anybody, |request| request).await?;
    let url = named(&*trial.provider, "userinfo_endpoint")?;
    let form = [("access_token", &one.tokens.access_token)];
    let answer = Answer::of(one.party.http(false)?.post(url).form(&form)).await?;
    if answer.status == 200 {
        return claims_of(&answer, &one.tokens).map(drop);
    }
    ensure!((400..500).contains(&answer.status), "{answer:?}");
    Ok(())
}

pub async fn without_nonce(trial: &Trial) -> anyhow::Result<()> {
    trial.succeeds(|request| request.without("nonce")).await
}

/// A request for one more scope succeeds; where the provider says that it has it, its claims are told.
async fn scope(trial: &Trial, wanted: &[(&str, &str)]) -> anyhow::Result<()> {
    let scopes: Vec<&str> = wanted.iter().map(|(scope, _)| *scope).collect();
    let asked = format!("openid {}", scopes.join(" "));
    let one = trial.logs_in(Whom::Anybody, |request| request.with("scope", asked)).await?;
    let told = one.told().await?;
    for (scope, claim) in wanted {
        if trial.supports("scopes_supported", scope) {
            ensure!(!told[claim].is_null(), "{scope} was granted without {claim}: {told}");
        }
    }
    Ok(())
}

pub async fn scope_profile(trial: &Trial) -> anyhow::Result<()> {
    scope(trial, &[("profile", "name")]).await
}

pub async fn scope_email(trial: &Trial) -> anyhow::Result<()> {
    scope(trial, &[("email", "email")]).await
}

pub async fn scope_address(trial: &Trial) -> anyhow::Result<()> {
    scope(trial, &[("address", "address")]).await
}

pub async fn scope_phone(trial: &Trial) -> anyhow::Result<()> {
    scope(trial, &[("phone", "phone_number")]).await
}

pub async fn scope_all(trial: &Trial) -> anyhow::Result<()> {
    let all = [
        ("profile", "name"),
        ("email", "email"),
        ("address", "address"),
        ("phone", "phone_number"),
    ];
    scope(trial, &all).await
}

pub async fn alternate_happy_flow(trial: &Trial) -> anyhow::Result<()> {
    let turned = |request: Request<'static>| {
        let mut request = request.with("scope", "profile openid");
        request.parameters.reverse();
        request
    };
    trial.succeeds(turned).await
}

pub async fn display_page(trial: &Trial) -> anyhow::Result<()> {
    trial.succeeds_from_login_page(|request| request.with("display", "page")).await
}

pub async fn display_popup(trial: &Trial) -> anyhow::Result<()> {
    trial.succeeds_from_login_page(|request| request.with("display", "popup")).await
}

pub async fn prompt_login(trial: &Trial) -> anyhow::Result<()> {
    let one = trial.logs_in(Whom::Fresh, |request| request).await?;
    one.again_with_login(|request| request.with("prompt", "login")).await.map(drop)
}

/// The errors of OIDC Core §3.1.2.6 for who must not be asked.
const NOT_ASKED: [&str; 4] =
    ["login_required", "interaction_required", "consent_required", "account_selection_required"];

pub async fn prompt_none_not_logged_in(trial: &Trial) -> anyhow::Result<()> {
    let (party, person) = (trial.basic()?, trial.person(Whom::Fresh).await?);
    let request = party.request()?.with("prompt", "none");
    let landing = party.sent(&person, &request).await?;
    let reply = landing.at_client(party.client)?;
    reply.is_error(&NOT_ASKED)?;
    ensure!(reply.get("state") == request.get("state"), "another state: {reply:?}");
    ensure!(landing.logins == 0, "a login was asked for");
    Ok(())
}

pub async fn prompt_none_logged_in(trial: &Trial) -> anyhow::Result<()> {
    let one = trial.logs_in(Whom::Anybody, |request| request).await?;
    one.again_silently(|request| request.with("prompt", "none")).await
}

pub async fn max_age_1(trial: &Trial) -> anyhow::Result<()> {
    let one = trial.logs_in(Whom::Fresh, |request| request).await?;
    let tokens = one.again_with_login(|request| request.with("max_age", "1")).await?;
    ensure!(tokens.id_token["auth_time"].is_i64(), "no auth_time: {}", tokens.id_token);
    Ok(())
}

pub async fn max_age_10000(trial: &Trial) -> anyhow::Result<()> {
    let one = trial.logs_in(Whom::Anybody, |request| request.with("max_age", "15000")).await?;
    ensure!(one.tokens.id_token["auth_time"].is_i64(), "no auth_time: {}", one.tokens.id_token);
    one.again_silently(|request| request.with("max_age", "10000")).await
}

pub async fn unknown_parameter(trial: &Trial) -> anyhow::Result<()> {
    trial.succeeds(|request| request.with("extra", "foobar")).await
}

pub async fn id_token_hint(trial: &Trial) -> anyhow::Result<()> {
    let one = trial.logs_in(Whom::Anybody, |request| request).await?;
    let hint = one.tokens.id_token_jws.clone();
    one.again_silently(|request| request.with("prompt", "none").with("id_token_hint", hint)).await
}

pub async fn login_hint(trial: &Trial) -> anyhow::Result<()> {
    trial.succeeds_from_login_page(|request| request.with("login_hint", "buffy@localhost")).await
}

pub async fn ui_locales(trial: &Trial) -> anyhow::Result<()> {
    trial.succeeds_from_login_page(|request| request.with("ui_locales", "se")).await
}

pub async fn claims_locales(trial: &Trial) -> anyhow::Result<()> {
    trial.succeeds(|request| request.with("claims_locales", "se")).await
}

pub async fn acr_values(trial: &Trial) -> anyhow::Result<()> {
    let listed = trial.provider.metadata()["acr_values_supported"].as_array();
    let listed: Vec<&str> = listed.into_iter().flatten().filter_map(Value::as_str).collect();
    let asked = if listed.is_empty() { "1 2".to_owned() } else { listed.join(" ") };
    let one = trial.logs_in(Whom::Anybody, |request| request.with("acr_values", asked)).await?;
    let acr = one.tokens.id_token["acr"].as_str();
    ensure!(listed.is_empty() || acr.is_some_and(|acr| listed.contains(&acr)), "{acr:?}");
    Ok(())
}

/// The code is exchanged twice; nothing is had for it the second time, and what the first had is gone.
async fn reused(trial: &Trial, after: Duration) -> anyhow::Result<()> {
    let (party, person) = (trial.basic()?, trial.person(Whom::Anybody).await?);
    let request = party.request()?;
    let code = party.authorized(&person, &request).await?;
    let answer = party.exchanged(&code, &request).await?;
    let tokens = party.good(&answer, request.get("nonce")).await?;
    party.userinfo(&tokens.access_token).await?.is(200)?;
    tokio::time::sleep(after).await;
    party.exchanged(&code, &request).await?.is_error(&["invalid_grant"])?;
    party.userinfo(&tokens.access_token).await?.is(401)
}

pub async fn code_reuse(trial: &Trial) -> anyhow::Result<()> {
    reused(trial, Duration::ZERO).await
}

pub async fn code_reuse_30_seconds(trial: &Trial) -> anyhow::Result<()> {
    reused(trial, Duration::from_secs(30)).await
}

pub async fn registered_redirect_uri(trial: &Trial) -> anyhow::Result<()> {
    let (party, person) = (trial.basic()?, trial.person(Whom::Anybody).await?);
    let unregistered = format!("{}/{}", party.client.redirect_uri, jose::random()?);
    let request = party.request()?.with("redirect_uri", unregistered);
    party.sent(&person, &request).await?.error_page()
}

pub async fn post_request(trial: &Trial) -> anyhow::Result<()> {
    let (party, person) = (trial.basic()?, trial.person(Whom::Anybody).await?);
    let request = party.request()?;
    let url = Url::parse(named(&*trial.provider, "authorization_endpoint")?)?;
    let landing = person.post(&url, &request.parameters).await?;
    let code = party.code(&landing, &request).await?;
    party.good(&party.exchanged(&code, &request).await?, request.get("nonce")).await.map(drop)
}

pub async fn server_client_secret_post(trial: &Trial) -> anyhow::Result<()> {
    let (party, person) = (trial.party(POST)?, trial.person(Whom::Anybody).await?);
    let tokens = party.tokens(&person, &party.request()?).await?;
    claims_of(&party.userinfo(&tokens.access_token).await?, &tokens).map(drop)
}

/// A reference to an address of the client's: answered as a request, or refused by its own name.
pub async fn request_uri_unsigned(trial: &Trial) -> anyhow::Result<()> {
    let (party, person) = (trial.basic()?, trial.person(Whom::Anybody).await?);
    let address = "https://basic.client.example/request.jwt";
    let landing = party.sent(&person, &party.request()?.with("request_uri", address)).await?;
    landing.at_client(party.client)?.is_error(&["request_uri_not_supported"])
}

/// An object without a signature is read, or refused; it is never passed over (OIDC Core §6.1).
pub async fn unsigned_request_object(trial: &Trial) -> anyhow::Result<()> {
    let (party, person) = (trial.basic()?, trial.person(Whom::Anybody).await?);
    let request = party.request()?;
    let members = request.parameters.iter().map(|(name, value)| (name.clone(), json!(value)));
    let unsigned = Changes::signer(Signer::Nobody);
    let object = jose::signed(&party.proof_key, json!({}), members.collect(), &unsigned)?;
    // What stands outside differs, so that it shows which of both counted.
    let request = request.with("state", "outside").with("request", object);
    let reply = party.sent(&person, &request).await?.at_client(party.client)?;
    ensure!(!trial.supports("request_object_signing_alg_values_supported", "none"), "listed");
    reply.is_error(&["request_not_supported", "invalid_request_object"])
}

pub async fn claims_essential(trial: &Trial) -> anyhow::Result<()> {
    let claims = json!({ "userinfo": { "name": { "essential": true } } }).to_string();
    let one = trial.logs_in(Whom::Anybody, |request| request.with("claims", claims)).await?;
    let told = one.told().await?;
    ensure!(told["name"].is_string(), "no name: {told}");
    Ok(())
}

/// The address within the object counts, or the request is refused; the one outside is never used.
pub async fn request_object_with_redirect_uri(trial: &Trial) -> anyhow::Result<()> {
    let (party, person) = (trial.basic()?, trial.person(Whom::Anybody).await?);
    let request = party.request()?;
    let members = request.parameters.iter().map(|(name, value)| (name.clone(), json!(value)));
    let unsigned = Changes::signer(Signer::Nobody);
    let object = jose::signed(&party.proof_key, json!({}), members.collect(), &unsigned)?;
    let elsewhere = "https://elsewhere.example/callback";
    let request = request.with("redirect_uri", elsewhere).with("request", object);
    let landing = party.sent(&person, &request).await?;
    landing.error_page()
}

pub async fn refresh_token(trial: &Trial) -> anyhow::Result<()> {
    let one = trial.logs_in(Whom::Anybody, |request| request).await?;
    let other = trial.party(SECOND)?;
    refreshes(&one.party, &other, &one.tokens).await
}

/// A refresh token gives new tokens of the same person to its client, and nothing to another.
pub async fn refreshes(
    party: &RelyingParty<'_>,
    other: &RelyingParty<'_>,
    tokens: &Tokens,
) -> anyhow::Result<()> {
    let refresh_token = tokens.refresh_token.as_deref().context("no refresh token")?;
    let form = |token: &str| {
        vec![
            ("grant_type".to_owned(), "refresh_token".to_owned()),
            ("refresh_token".to_owned(), token.to_owned()),
        ]
    };
    let foreign = other.call("token_endpoint", form(refresh_token)).send().await?;
    foreign.is_error(&["invalid_grant", "invalid_client"])?;
    let answer = party.call("token_endpoint", form(refresh_token)).send().await?;
    // OIDC Core §12.2: better none, but never another.
    let nonces = [None, tokens.id_token["nonce"].as_str()];
    let renewed = id_token::tokens(party, &answer, &nonces).await?;
    for name in ["iss", "sub", "aud", "auth_time"] {
        let (before, after) = (&tokens.id_token[name], &renewed.id_token[name]);
        ensure!(before == after, "{name} was {before} and is {after}");
    }
    ensure!(renewed.access_token != tokens.access_token, "the access token is the old one");
    party.userinfo(&renewed.access_token).await?.is(200)
}

pub async fn valid_pkce(trial: &Trial) -> anyhow::Result<()> {
    let with_pkce = |request: Request<'static>| {
        let challenge = jose::hashed(&request.verifier);
        request.with("code_challenge", challenge).with("code_challenge_method", "S256")
    };
    trial.succeeds(with_pkce).await
}
