//! Proofs of possession (RFC 9449, FAPI 2.0 Security Profile §5.3.2.1).

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::{
    catalogue::Trial,
    flow::{Answer, RelyingParty, now},
    jose::{self, Changes, Key, Signer},
    provider::Whom,
};

const PAR: &str = "pushed_authorization_request_endpoint";
const TOKEN: &str = "token_endpoint";

/// Userinfo with these proofs in the header.
async fn at_userinfo(
    party: &RelyingParty<'_>,
    token: &str,
    scheme: &str,
    proofs: &[String],
) -> anyhow::Result<Answer> {
    let certificate = party.client.shows_certificate();
    let url = party.endpoint("userinfo_endpoint", certificate)?;
    let mut request = party.http(certificate)?.get(url);
    request = request.header("Authorization", format!("{scheme} {token}"));
    for proof in proofs {
        request = request.header("DPoP", proof);
    }
    Answer::of(request).await
}

/// Proofs with the same changes are taken where a request is sent ahead, a code exchanged, a token used.
async fn accepted_everywhere(trial: &Trial, claims: Value) -> anyhow::Result<()> {
    let (party, person) = (trial.fapi()?, trial.person(Whom::Anybody).await?);
    let changes = Changes::claims(claims);
    let request = party.request()?;
    let call = party.call(PAR, party.pushed_form(&request)?).proof(changes.clone());
    let reference = party.reference(&call.send().await?)?;
    let landing = person.visit(&party.referring(&reference)?).await?;
    let code = party.code(&landing, &request).await?;
    let call = party.call(TOKEN, party.exchange(&code, &request)).proof(changes.clone());
    let tokens = party.good(&call.send().await?, request.get("nonce")).await?;
    let url = party.endpoint("userinfo_endpoint", party.client.shows_certificate())?;
    let proof = party.proof("GET", url, Some(&tokens.access_token), &changes)?;
    at_userinfo(&party, &tokens.access_token, "DPoP", &[proof]).await?.is(200)
}

pub async fn with_nbf_and_exp(trial: &Trial) -> anyhow::Result<()> {
    accepted_everywhere(trial, json!({ "nbf": now(), "exp": now() + 60 })).await
}

pub async fn iat_10_seconds_before(trial: &Trial) -> anyhow::Result<()> {
    accepted_everywhere(trial, json!({ "iat": now() - 10 })).await
}

pub async fn iat_10_seconds_after(trial: &Trial) -> anyhow::Result<()> {
    accepted_everywhere(trial, json!({ "iat": now() + 10 })).await
}

/// The request names one key, the proof beside it is of another.
pub async fn mismatched_at_par(trial: &Trial) -> anyhow::Result<()> {
    let party = trial.fapi()?;
    let request = party.request()?.with("dpop_jkt", Key::generate()?.thumbprint());
    let call = party.call(PAR, party.pushed_form(&request)?).proof(Changes::none());
    call.send().await?.is_error(&["invalid_dpop_proof", "invalid_request"])
}

/// What binds a code at the endpoint for requests that are sent ahead.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BoundBy {
    Parameter,
    Proof,
    Both,
}

/// A code that is bound to a key is exchanged with this key, and with no other.
async fn bound(trial: &Trial, by: BoundBy, mismatched: bool) -> anyhow::Result<()> {
    let (mut party, person) = (trial.fapi()?, trial.person(Whom::Anybody).await?);
    let mut request = party.request()?;
    if by != BoundBy::Proof {
        request = request.with("dpop_jkt", party.proof_key.thumbprint());
    }
    let mut call = party.call(PAR, party.pushed_form(&request)?);
    if by != BoundBy::Parameter {
        call = call.proof(Changes::none());
    }
    let reference = party.reference(&call.send().await?)?;
    let landing = person.visit(&party.referring(&reference)?).await?;
    let code = party.code(&landing, &request).await?;
    if mismatched {
        party.proof_key = Key::generate()?;
        let answer = party.exchanged(&code, &request).await?;
        return answer.is_error(&["invalid_grant", "invalid_dpop_proof"]);
    }
    party.good(&party.exchanged(&code, &request).await?, request.get("nonce")).await.map(drop)
}

pub async fn mismatched_proof(trial: &Trial) -> anyhow::Result<()> {
    bound(trial, BoundBy::Proof, true).await
}

pub async fn mismatched_parameter(trial: &Trial) -> anyhow::Result<()> {
    bound(trial, BoundBy::Parameter, true).await
}

pub async fn bound_by_proof(trial: &Trial) -> anyhow::Result<()> {
    bound(trial, BoundBy::Proof, false).await
}

pub async fn bound_by_parameter(trial: &Trial) -> anyhow::Result<()> {
    bound(trial, BoundBy::Both, false).await
}

/// Where a token is used, every fault of a proof is noticed, and what is no fault is passed over.
pub async fn negative_tests(trial: &Trial) -> anyhow::Result<()> {
    let (party, tokens) = trial.flows(|request| request).await?;
    let token = tokens.access_token.as_str();
    let url = party.endpoint("userinfo_endpoint", party.client.shows_certificate())?;
    let made = |changes: Changes<'_>| party.proof("GET", url, Some(token), &changes);
    let good = || made(Changes::none());
    let (stranger, private) = (Key::generate()?, {
        let mut jwk = party.proof_key.jwk();
        jwk["d"] = jose::random()?.into();
        jwk
    });
    let mut refused: Vec<(&str, Vec<String>)> = vec![
        ("two proofs", vec![good()?, good()?]),
        ("no JWT", vec!["not a proof".to_owned()]),
        ("no alg", vec![without_alg(&good()?)?]),
        ("no proof", Vec::new()),
    ];
    let headers = [
        ("no typ", json!({ "typ": null })),
        ("another typ", json!({ "typ": "JWT" })),
        ("no jwk", json!({ "jwk": null })),
        ("a private jwk", json!({ "jwk": private })),
    ];
    for (name, header) in headers {
        refused.push((name, vec![made(Changes::header(header))?]));
    }
    let claims = [
        ("no jti", json!({ "jti": null })),
        ("no htm", json!({ "htm": null })),
        ("no htu", json!({ "htu": null })),
        ("no iat", json!({ "iat": null })),
        ("no ath", json!({ "ath": null })),
        ("another htm", json!({ "htm": "PUT" })),
        ("another htu", json!({ "htu": "https://other.example/userinfo" })),
        ("iat an hour ahead", json!({ "iat": now() + 3_600 })),
        ("iat an hour ago", json!({ "iat": now() - 3_600 })),
        ("another ath", json!({ "ath": jose::hashed("another token") })),
    ];
    for (name, claims) in claims {
        refused.push((name, vec![made(Changes::claims(claims))?]));
    }
    for (name, signer) in [
        ("alg none", Signer::Nobody),
        ("a spoilt signature", Signer::Spoilt),
        ("another key", Signer::Other(&stranger)),
    ] {
        refused.push((name, vec![made(Changes::signer(signer))?]));
    }
    for (name, proofs) in refused {
        let answer = at_userinfo(&party, token, "DPoP", &proofs).await?;
        ensure!(matches!(answer.status, 400 | 401), "{name}: {answer:?}");
    }
    let answer = at_userinfo(&party, token, "Bearer", &[]).await?;
    ensure!(matches!(answer.status, 400 | 401), "Bearer without proof: {answer:?}");
    let once = good()?;
    at_userinfo(&party, token, "DPoP", std::slice::from_ref(&once)).await?.is(200)?;
    let twice = at_userinfo(&party, token, "DPoP", &[once]).await?;
    ensure!(matches!(twice.status, 400 | 401), "used twice: {twice:?}");
    let scheme_in_capitals = url.replacen("https://", "HTTPS://", 1);
    for (name, changes) in [
        ("a query and a fragment", Changes::claims(json!({ "htu": format!("{url}?q=1#f") }))),
        ("a scheme in capitals", Changes::claims(json!({ "htu": scheme_in_capitals }))),
        ("members that nobody knows", {
            let mut changes = Changes::claims(json!({ "x-unknown": "1" }));
            changes.header = json!({ "x-unknown": "1" });
            changes
        }),
    ] {
        let answer = at_userinfo(&party, token, "DPoP", &[made(changes)?]).await?;
        ensure!(answer.status == 200, "{name}: {answer:?}");
    }
    at_userinfo(&party, token, "DPoP", &[good()?]).await?.is(200)?;
    none_by_rs256(trial).await
}

/// RS256 is refused before anything is bound to such a key (FAPI 2.0 Security Profile §5.4.1).
async fn none_by_rs256(trial: &Trial) -> anyhow::Result<()> {
    let (party, _, request, code) = trial.code().await?;
    let rsa = &party.client.rsa;
    let mut by_rsa = Changes::signer(Signer::Rsa(rsa));
    by_rsa.header = json!({ "jwk": rsa.jwk() });
    let call = party.call(TOKEN, party.exchange(&code, &request)).proof(by_rsa);
    call.send().await?.is_error(&["invalid_dpop_proof"])
}

/// A proof whose header names no algorithm.
fn without_alg(proof: &str) -> anyhow::Result<String> {
    let (mut header, _) = jose::read(proof)?;
    header.as_object_mut().context("the header is no object")?.remove("alg");
    let (_, rest) = proof.split_once('.').context("a proof has parts")?;
    Ok(format!("{}.{rest}", jose::encode(header.to_string())))
}
