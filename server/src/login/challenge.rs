//! `POST /login/challenge`: the request that this portal signs for one page at one terminal.
//!
//! Bound to the browser's cookie, to the terminal certificate of this TLS connection, to this
//! origin and to the page's own key; single use; at most 60 seconds by our clock.

use axum::{
    body::Bytes,
    extract::{Extension, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use sekisho_key::{KeyError, Randomness, RandomnessError};
use sekisho_protocol::{
    ChallengeNonce, Jwk, Sha256Digest,
    request::{
        AUDIENCE, ConfirmationCode, ExpectedSubject, LoginRequest, Purpose, RequestFacility,
    },
};
use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    card,
    challenge::{self, Challenge},
    invitation, transaction,
};
use sekisho_wire::acr;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use time::Duration;

use super::{
    navigation,
    refusal::{LoginError, Refusal},
    session,
};
use crate::{
    app::App,
    catalogue::{Lang, Language},
    config, cookie,
    error::login::problem,
    listener::{self, FacilityConnection, Peer},
    media_type,
};

/// Names the browser before anybody logged in; 32 random octets in base64url.
pub const BROWSER_COOKIE: &str = "__Host-browser";
/// How many unanswered challenges of the last minute a terminal may have.
const MOST_UNANSWERED: i64 = 30;
/// The longest JSON body, in octets.
const MOST_OCTETS: usize = 32 * 1024;
/// The longest path to return to, in octets.
const MOST_RETURN_TO: usize = 2048;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    page_key: serde_json::Value,
    #[serde(default)]
    return_to: Option<String>,
    #[serde(default)]
    invitation: bool,
    /// The page will go to the agent by top-level navigation.
    #[serde(default)]
    navigation: bool,
}

/// What the page gets.
#[derive(Debug, Serialize)]
pub struct ChallengeReply {
    /// The signed request, compact JWS, for the agent.
    pub request: String,
    /// The challenge within it, for the page's proof.
    pub nonce: ChallengeNonce,
    /// Two digits that page and agent both show.
    pub confirmation_code: ConfirmationCode,
    /// The key of this connection's terminal certificate: the agent must prove that it holds it.
    pub terminal_key: Jwk,
    /// Seconds until the challenge dies.
    pub expires_in_secs: i64,
}

/// `POST /login/challenge`.
pub async fn post(
    State(app): State<App>,
    Language(text): Language,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match issue(&app, &peer, &facility, &headers, body, text.lang()).await {
        Ok(reply) => axum::Json(reply).into_response(),
        Err(error) => {
            let error = note_refusal(&app, "login.challenge.issue", &peer, &facility, error).await;
            problem(error, &text)
        }
    }
}

async fn issue(
    app: &App,
    peer: &Peer,
    facility: &FacilityConnection,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    lang: Lang,
) -> Result<ChallengeReply, LoginError> {
    let body: Body = read_json(headers, body)?;
    let browser_hash = browser_hash(headers).ok_or(Refusal::BrowserUnknown)?;
    let page_key: Jwk = serde_json::from_value(body.page_key).map_err(|_| Refusal::PageKey)?;
    let return_to = body.return_to.map(local_path).transpose()?;
    let settings = app.config().card_login();
    if body.navigation && !settings.navigation() {
        return Err(Refusal::NavigationOff.into());
    }
    let now = app.now();
    let mut reader = app.store().read();
    let waiting =
        challenge::unanswered(&mut reader, &facility.fingerprint, now - Duration::minutes(1))
            .await?;
    if waiting >= MOST_UNANSWERED {
        return Err(Refusal::TooManyChallenges.into());
    }
    let invitation_id = if body.invitation {
        let held =
            invitation::held(&mut reader, &browser_hash, &facility.organisation_id, now).await?;
        Some(held.ok_or(Refusal::InvitationClosed)?.id)
    } else {
        None
    };
    let terminal_key = terminal_key(facility).ok_or(Refusal::OtherTerminal)?;
    let trust = app.card_trust().at(&facility.organisation_id);
    if trust.card_issuers().is_empty() {
        return Err(Refusal::NotConfigured.into());
    }
    let expected_subject = if body.invitation {
        // Whoever was invited is somebody else than the person at work here, or logs in anyway.
        None
    } else {
        expected_subject(app, peer, facility, headers).await?
    };
    let purpose = if expected_subject.is_some() { Purpose::Stepup } else { Purpose::Login };
    let lifetime = settings.request_lifetime();
    let nonce = ChallengeNonce::new(random_octets(app.random())?);
    let jti: [u8; 16] = random_octets(app.random())?;
    let confirmation_code = confirmation_code(app.random())?;
    let removal = session::card_removal(app, &mut reader, &facility.organisation_id).await?;
    let request = LoginRequest {
        iss: app.names().public.clone(),
        aud: AUDIENCE.to_owned(),
        origin: app.names().terminal.clone(),
        jti: sekisho_protocol::octets::encode(jti),
        iat: now.unix_timestamp(),
        exp: (now + lifetime).unix_timestamp(),
        nonce,
        facility: RequestFacility {
            id: facility.organisation_id.clone(),
            name: facility.organisation_name.clone(),
            x5t_s256: Sha256Digest::new(facility.fingerprint),
        },
        page_key: page_key.thumbprint(),
        purpose,
        acr: acr::HPKI_CARD.to_owned(),
        expected_subject,
        card_issuers: trust.card_issuers().to_vec(),
        accepted_policies: settings.accepted_policies().iter().map(ToString::to_string).collect(),
        confirmation_code,
        minimum_agent_version: settings
            .minimum_agent_version()
            .parse()
            .map_err(|_| Refusal::NotConfigured)?,
        removal: removal_on_the_wire(removal),
        language: match lang {
            Lang::Ja => sekisho_protocol::request::Language::Ja,
            Lang::En => sekisho_protocol::request::Language::En,
        },
        return_address: body.navigation.then(|| {
            let origin = &app.names().terminal;
            // The cookie of the language does not come along with a post from another site.
            format!("{origin}{}?lang={}", navigation::RETURN_PATH, lang.tag())
        }),
        consent: None,
    };
    let (kid, key) = &app.keys().login_request;
    let unsigned = request.prepare(kid)?;
    let signature: [u8; 64] = key
        .sign_fixed(unsigned.signing_input())
        .await?
        .try_into()
        .map_err(|_| KeyError::MalformedSignature)?;
    let request_jws = unsigned.attach(signature);
    let stored = Challenge {
        nonce_hash: Sha256::digest(nonce.as_bytes()).into(),
        browser_hash,
        terminal_fingerprint: facility.fingerprint,
        page_thumbprint: page_key.thumbprint().to_string(),
        request_jws: request_jws.clone(),
        purpose: purpose_word(purpose).to_owned(),
        invitation_id,
        return_to,
        created_at: now,
        expires_at: now + lifetime,
    };
    let entry = facility
        .place(Entry::done("login.challenge.issue", facility.actor(), now), peer)
        .on("request", request.jti)
        .fact("purpose", purpose_word(purpose))
        .fact("door", if body.navigation { "navigation" } else { "script" });
    transaction!(app.store(), StoreError, |tx| {
        challenge::remember(tx, &stored).await?;
        Ok(Audited::new((), entry.clone()))
    })?;
    Ok(ChallengeReply {
        request: request_jws,
        nonce,
        confirmation_code,
        terminal_key,
        expires_in_secs: lifetime.whole_seconds(),
    })
}

/// Whose card is asked for: within a living session that of its person, so that nobody slips into
/// it; who wants to change places logs out first.
async fn expected_subject(
    app: &App,
    peer: &Peer,
    facility: &FacilityConnection,
    headers: &HeaderMap,
) -> Result<Option<ExpectedSubject>, StoreError> {
    let Some(session) = session::current(app, peer, headers, facility).await? else {
        return Ok(None);
    };
    let found = card::of_evidence(&mut app.store().read(), &session.evidence_id).await?;
    let (issuer_hash, serial_number) = found.ok_or_else(|| StoreError::Corrupt {
        what: "portal session",
        detail: "no card proved it".to_owned(),
    })?;
    let issuer_name_sha256 = Sha256Digest::new(issuer_hash);
    Ok(Some(ExpectedSubject { issuer_name_sha256, serial_number }))
}

/// As stored and in audit records.
fn purpose_word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Login => "login",
        Purpose::Stepup => "stepup",
        Purpose::Presence => "presence",
        Purpose::Consent => "consent",
    }
}

fn removal_on_the_wire(policy: config::RemovalPolicy) -> sekisho_protocol::request::RemovalPolicy {
    match policy {
        config::RemovalPolicy::Logout => sekisho_protocol::request::RemovalPolicy::Logout,
        config::RemovalPolicy::Lock => sekisho_protocol::request::RemovalPolicy::Lock,
        config::RemovalPolicy::Keep => sekisho_protocol::request::RemovalPolicy::Keep,
    }
}

/// Writes the audit record of a refusal; another failure passes through.
///
/// Not every one: see [`listener::note_refusal`]. What a card or an invitation's code was brought to
/// is told of where it is judged, each time.
pub(super) async fn note_refusal(
    app: &App,
    act: &'static str,
    peer: &Peer,
    facility: &FacilityConnection,
    error: LoginError,
) -> LoginError {
    let LoginError::Refused(refusal) = error else { return error };
    let told = (act, refusal.code());
    match listener::note_refusal(app, peer, facility, told, |entry| entry).await {
        Ok(()) => LoginError::Refused(refusal),
        Err(error) => LoginError::Store(error),
    }
}

/// Reads a JSON body of a bounded size. Unknown and repeated members are refused by `T`.
pub(super) fn read_json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<T, Refusal> {
    let named = media_type::announced(headers).map_err(|_| Refusal::Malformed)?;
    if !named.eq_ignore_ascii_case("application/json") {
        return Err(Refusal::Malformed);
    }
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
        _ => Refusal::Malformed,
    })?;
    if body.len() > MOST_OCTETS {
        return Err(Refusal::TooLarge);
    }
    serde_json::from_slice(&body).map_err(|_| Refusal::Malformed)
}

/// SHA-256 of the browser's cookie of the login page, if it sent a sound one.
#[must_use]
pub(super) fn browser_hash(headers: &HeaderMap) -> Option<[u8; 32]> {
    let value = cookie::read(headers, BROWSER_COOKIE)?;
    let octets = sekisho_protocol::octets::decode(value).ok()?;
    (octets.len() == 32).then(|| Sha256::digest(octets).into())
}

/// The key of this connection's terminal certificate.
pub(super) fn terminal_key(facility: &FacilityConnection) -> Option<Jwk> {
    use x509_cert::der::{Decode, Encode};
    let certificate = x509_cert::Certificate::from_der(&facility.certificate_der).ok()?;
    let spki = certificate.tbs_certificate().subject_public_key_info().to_der().ok()?;
    Jwk::from_spki_der(&spki).ok()
}

/// A path of this very name, so that nobody is led away after logging in.
pub(super) fn local_path(path: String) -> Result<String, Refusal> {
    let mut octets = path.bytes();
    let local = octets.next() == Some(b'/') && !matches!(octets.next(), Some(b'/' | b'\\'));
    if local && path.len() <= MOST_RETURN_TO && path.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(path)
    } else {
        Err(Refusal::Malformed)
    }
}

pub(super) fn random_octets<const N: usize>(
    random: &dyn Randomness,
) -> Result<[u8; N], RandomnessError> {
    let mut octets = [0; N];
    random.fill(&mut octets)?;
    Ok(octets)
}

fn confirmation_code(random: &dyn Randomness) -> Result<ConfirmationCode, RandomnessError> {
    loop {
        let [octet] = random_octets(random)?;
        // 200 is a multiple of 100, so that each code is equally likely.
        if let (0..200, Ok(code)) = (octet, ConfirmationCode::new(octet % 100)) {
            return Ok(code);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_name_are_returned_to() {
        for path in ["/", "/authorize/resume?id=abc", "/a"] {
            assert!(local_path(path.to_owned()).is_ok(), "{path}");
        }
        for path in
            ["", "a", "//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "/é"]
        {
            assert!(local_path(path.to_owned()).is_err(), "{path}");
        }
        assert!(local_path(format!("/{}", "a".repeat(MOST_RETURN_TO))).is_err());
    }
}
