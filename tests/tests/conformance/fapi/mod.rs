//! The plans `fapi2-security-profile-final-test-plan` and `fapi2-message-signing-final-test-plan`, with
//! the profile `plain_fapi` and OpenID Connect.

pub mod dpop;
pub mod object;
pub mod pushed;
pub mod request;
pub mod token;

use anyhow::ensure;

use crate::{
    catalogue::Trial,
    client::Binding,
    flow::{Answer, RelyingParty, Request, Tokens},
    provider::{End, Landing, Person, Whom},
};

/// What the endpoints answer to a request that breaks a rule (RFC 6749 §4.1.2.1, RFC 9101 §6, RFC 9126
/// §2.3).
const BAD_REQUEST: [&str; 4] =
    ["invalid_request", "invalid_request_object", "invalid_request_uri", "access_denied"];

impl Trial {
    /// The first client of the variant.
    pub fn fapi(&self) -> anyhow::Result<RelyingParty<'_>> {
        self.party(&self.variant()?.client_id(1))
    }

    /// The second one.
    pub fn other_fapi(&self) -> anyhow::Result<RelyingParty<'_>> {
        self.party(&self.variant()?.client_id(2))
    }

    /// A good flow of the first client, with this request.
    async fn flows<'t>(
        &'t self,
        change: impl FnOnce(Request<'static>) -> Request<'static>,
    ) -> anyhow::Result<(RelyingParty<'t>, Tokens)> {
        let (party, person) = (self.fapi()?, self.person(Whom::Anybody).await?);
        let tokens = party.tokens(&person, &change(party.request()?)).await?;
        party.userinfo(&tokens.access_token).await?.is(200)?;
        Ok((party, tokens))
    }

    /// A code of the first client, and the request that it came of.
    async fn code<'t>(
        &'t self,
    ) -> anyhow::Result<(RelyingParty<'t>, Person<'t>, Request<'static>, String)> {
        let (party, person) = (self.fapi()?, self.person(Whom::Anybody).await?);
        let request = party.request()?;
        let code = party.authorized(&person, &request).await?;
        Ok((party, person, request, code))
    }

    /// The request ends in an error: where it is sent ahead, on a page, or at the client.
    async fn fails(&self, request: &Request<'_>, codes: &[&str]) -> anyhow::Result<()> {
        let (party, person) = (self.fapi()?, self.person(Whom::Anybody).await?);
        fails(&party, &person, request, codes).await
    }
}

async fn fails(
    party: &RelyingParty<'_>,
    person: &Person<'_>,
    request: &Request<'_>,
    codes: &[&str],
) -> anyhow::Result<()> {
    let pushed = party.push(request).await?;
    if pushed.status != 201 {
        return pushed.is_error(codes);
    }
    let landing = person.visit(&party.referring(&party.reference(&pushed)?)?).await?;
    refused(party, &landing, codes).await
}

/// A page with an error, or one that the client is told.
async fn refused(
    party: &RelyingParty<'_>,
    landing: &Landing,
    codes: &[&str],
) -> anyhow::Result<()> {
    match &landing.end {
        End::Page(_) => landing.error_page(),
        End::Client(_) => {
            let reply = landing.at_client(party.client)?;
            // What cannot be read may have asked for a plain answer.
            let reply =
                if reply.get("response").is_some() { party.reply(landing).await? } else { reply };
            reply.is_error(codes)
        }
    }
}

/// With the scheme written otherwise, a token is as good (RFC 9110 §11.1).
pub async fn scheme_in_any_case(trial: &Trial) -> anyhow::Result<()> {
    let (party, tokens) = trial.flows(|request| request).await?;
    let certificate = party.client.shows_certificate();
    let url = party.endpoint("userinfo_endpoint", certificate)?;
    let dpop = party.client.binding == Binding::Dpop;
    for scheme in if dpop { ["dpop", "DPOP"] } else { ["bearer", "BEARER"] } {
        let mut request = party.http(certificate)?.get(url);
        request = request.header("Authorization", format!("{scheme} {}", tokens.access_token));
        if dpop {
            let changes = crate::jose::Changes::none();
            let proof = party.proof("GET", url, Some(&tokens.access_token), &changes)?;
            request = request.header("DPoP", proof);
        }
        let answer = Answer::of(request).await?;
        ensure!(answer.status == 200, "{scheme}: {answer:?}");
    }
    Ok(())
}

/// Two clients, one person: each has tokens of its own, bound to what it holds.
pub async fn happy_flow(trial: &Trial) -> anyhow::Result<()> {
    let (party, tokens) = trial.flows(|request| request).await?;
    unbound_is_refused(&party, &tokens).await?;
    let (other, person) = (trial.other_fapi()?, trial.person(Whom::Anybody).await?);
    let others = other.tokens(&person, &other.request()?).await?;
    other.userinfo(&others.access_token).await?.is(200)?;
    // What is bound to one client is of no use to another, with whatever that one holds.
    let taken = other.userinfo(&tokens.access_token).await?;
    ensure!(taken.status == 401, "another client used the token: {taken:?}");
    Ok(())
}

/// A bound token alone is no good.
async fn unbound_is_refused(party: &RelyingParty<'_>, tokens: &Tokens) -> anyhow::Result<()> {
    // Who shows a certificate for another reason does not prove the key by it.
    let with_certificate =
        party.client.binding == Binding::Dpop && party.client.shows_certificate();
    for certificate in [false, with_certificate] {
        let url = party.endpoint("userinfo_endpoint", certificate)?;
        let request = party.http(certificate)?.get(url).bearer_auth(&tokens.access_token);
        let answer = Answer::of(request).await?;
        ensure!(answer.status == 401, "used without its proof: {answer:?}");
    }
    Ok(())
}

/// The person turns back, or is turned away: the client is told.
pub async fn user_rejects(trial: &Trial) -> anyhow::Result<()> {
    let (party, person) = (trial.fapi()?, trial.person(Whom::Refused).await?);
    let request = party.request()?;
    let landing = party.sent(&person, &request).await?;
    let reply = party.reply(&landing).await?;
    reply.is_error(&["access_denied"])?;
    ensure!(reply.get("state") == request.get("state"), "another state: {reply:?}");
    ensure!(reply.get("iss") == Some(party.issuer()?), "another iss: {reply:?}");
    Ok(())
}

/// What is asked for by name is told, what is unknown is passed over.
pub async fn claims_parameter(trial: &Trial) -> anyhow::Result<()> {
    let claims = serde_json::json!({
        "id_token": { "auth_time": { "essential": true }, "x-unknown": null },
        "userinfo": { "name": null, "x-unknown": { "value": "1" } },
    })
    .to_string();
    let (party, tokens) = trial.flows(|request| request.with("claims", claims)).await?;
    ensure!(tokens.id_token["auth_time"].is_i64(), "no auth_time: {}", tokens.id_token);
    let told = party.userinfo(&tokens.access_token).await?.json()?;
    let name = |from: &serde_json::Value| from["name"].is_string();
    ensure!(name(&told) || name(&tokens.id_token), "no name: {told}");
    Ok(())
}
