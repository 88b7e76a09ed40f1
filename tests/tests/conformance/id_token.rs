//! What a good answer of the token endpoint holds (OIDC Core §3.1.3.3 to §3.1.3.8, RFC 6749 §5.1).

use anyhow::{Context, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use crate::{
    client::{Binding, Client},
    flow::{Answer, RelyingParty, Tokens, now},
    jose,
};

/// How far the clocks of provider and test may differ, in seconds.
const SKEW: i64 = 30;

/// The tokens of an answer, each checked; the ID token has one of these nonces.
pub async fn tokens(
    party: &RelyingParty<'_>,
    answer: &Answer,
    nonces: &[Option<&str>],
) -> anyhow::Result<Tokens> {
    answer.is(200)?;
    let uncached = answer.headers.get("cache-control").and_then(|value| value.to_str().ok());
    ensure!(uncached.is_some_and(|value| value.contains("no-store")), "may be cached: {answer:?}");
    let body = answer.json()?;
    let text = |name: &str| {
        let value = body[name].as_str().filter(|value| !value.is_empty());
        value.map(str::to_owned).with_context(|| format!("no {name}: {body}"))
    };
    let wanted = if party.client.binding == Binding::Dpop { "dpop" } else { "bearer" };
    ensure!(text("token_type")?.eq_ignore_ascii_case(wanted), "the type is not {wanted}: {body}");
    let lifetime = body["expires_in"].as_i64().context("expires_in is no number")?;
    ensure!((1..=86_400).contains(&lifetime), "expires_in is {lifetime}");
    let (access_token, id_token_jws) = (text("access_token")?, text("id_token")?);
    is_bound(party, &access_token)?;
    let id_token = verified(party, &id_token_jws, nonces, &access_token).await?;
    let refresh_token = body["refresh_token"].as_str().map(str::to_owned);
    Ok(Tokens { access_token, refresh_token, id_token, id_token_jws })
}

/// Where an access token says what it is bound to, it is to the right thing (RFC 9449 §6.1, RFC 8705
/// §3.1).
fn is_bound(party: &RelyingParty<'_>, access_token: &str) -> anyhow::Result<()> {
    let Ok((_, claims)) = jose::read(access_token) else { return Ok(()) };
    let (member, expected) = match party.client.binding {
        Binding::Nothing => return Ok(()),
        Binding::Dpop => ("jkt", party.proof_key.thumbprint()),
        Binding::Certificate => ("x5t#S256", party.client.certificate_thumbprint()),
    };
    ensure!(claims["cnf"][member] == expected, "not bound to {expected}: {claims}");
    Ok(())
}

/// OIDC Core §3.1.3.7.
async fn verified(
    party: &RelyingParty<'_>,
    jws: &str,
    nonces: &[Option<&str>],
    access_token: &str,
) -> anyhow::Result<Value> {
    let (_, claims) = jose::verified(jws, &party.keys().await?, party.client.id_token_algorithm)?;
    ensure!(claims["iss"] == party.issuer()?, "another issuer: {claims}");
    is_for(party.client, &claims)?;
    let number = |name: &str| {
        claims[name].as_i64().with_context(|| format!("{name} is no number: {claims}"))
    };
    let (exp, iat) = (number("exp")?, number("iat")?);
    ensure!(exp > now() && (iat - now()).abs() <= SKEW, "made or ended at another time: {claims}");
    if let Some(auth_time) = claims.get("auth_time") {
        let auth_time = auth_time.as_i64().context("auth_time is no number")?;
        ensure!(auth_time <= now() + SKEW, "the login lies in the future: {claims}");
    }
    let sub = claims["sub"].as_str().context("no sub")?;
    ensure!((1..=255).contains(&sub.len()) && sub.is_ascii(), "{sub:?} is no sub");
    let nonce = claims.get("nonce").and_then(Value::as_str);
    ensure!(nonces.contains(&nonce), "the nonce is none of {nonces:?}: {claims}");
    if let Some(at_hash) = claims.get("at_hash") {
        let half = jose::encode(&digest(&SHA256, access_token.as_bytes()).as_ref()[..16]);
        ensure!(*at_hash == half, "at_hash is of another token: {claims}");
    }
    for name in ["s_hash", "c_hash"] {
        ensure!(claims.get(name).is_none(), "{name} belongs to other flows: {claims}");
    }
    Ok(claims)
}

/// The client is the recipient, and nobody else unless the client is the authorized party.
pub fn is_for(client: &Client, claims: &Value) -> anyhow::Result<()> {
    let for_it = match &claims["aud"] {
        Value::String(aud) => *aud == client.id,
        Value::Array(list) => {
            list.iter().any(|aud| *aud == client.id)
                && (list.len() == 1 || claims["azp"] == client.id)
        }
        _ => false,
    };
    ensure!(for_it, "for somebody else: {claims}");
    Ok(())
}
