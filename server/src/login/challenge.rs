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
use sekisho_key::{Randomness, RandomnessError};
use sekisho_protocol::{
    Jwk, Sha256Digest,
    request::{ExpectedSubject, Purpose},
};
use sekisho_store::{StoreError, card, invitation, jpki_link, passkey};
use sekisho_wire::acr;
use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{
    asking::{Asking, ChallengeReply, What},
    refusal::{LoginError, Refusal},
    session,
};
use crate::{
    app::App,
    catalogue::{Lang, Language},
    cookie,
    error::login::problem,
    listener::{self, FacilityConnection, Peer},
    media_type,
};

/// Names the browser before anybody logged in; 32 random octets in base64url.
pub const BROWSER_COOKIE: &str = "__Host-browser";
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
    let return_to = body.return_to.map(local_path).transpose()?;
    let asking = Asking::begin(app, facility, headers, body.page_key, body.navigation).await?;
    let invitation_id = if body.invitation {
        let (mut reader, browser) = (app.store().read(), &asking.browser_hash);
        let held =
            invitation::held(&mut reader, browser, &facility.organisation_id, app.now()).await?;
        Some(held.ok_or(Refusal::InvitationClosed)?.id)
    } else {
        None
    };
    let expected = if body.invitation {
        // Whoever was invited is somebody else than the person at work here, or logs in anyway.
        None
    } else {
        expected(app, peer, facility, headers).await?
    };
    let trust = app.card_trust().at(&facility.organisation_id);
    // A My Number card names nobody to an invitation, and takes nobody's place in a session that an
    // HPKI card opened.
    let takes_jpki =
        !body.invitation && expected.as_ref().is_none_or(|(_, linked)| linked.is_some());
    let hpki_policies = app.config().card_login().accepted_policies();
    let (card_issuers, accepted_policies) = trust.for_login(hpki_policies, takes_jpki);
    let jpki = takes_jpki && trust.jpki().is_some();
    let purpose = if expected.is_some() { Purpose::Stepup } else { Purpose::Login };
    let (expected_subject, expected_certificate) = expected.unzip();
    let what = What {
        purpose,
        // The least that may come of it.
        acr: if jpki { acr::JPKI_CARD } else { acr::HPKI_CARD },
        expected_subject,
        expected_certificate: expected_certificate.flatten(),
        vouching_request: None,
        card_issuers,
        accepted_policies,
        invitation_id,
        return_to,
        session_hash: None,
    };
    asking.sign(app, peer, facility, lang, what).await
}

/// Whose card is asked for: within a living session that of its person, so that nobody slips into
/// it; who wants to change places logs out first. With it the linked certificate that does as well,
/// where such a one opened the session: what an HPKI card proved no other card proves again.
async fn expected(
    app: &App,
    peer: &Peer,
    facility: &FacilityConnection,
    headers: &HeaderMap,
) -> Result<Option<(ExpectedSubject, Option<Sha256Digest>)>, StoreError> {
    let Some(session) = session::current(app, peer, headers, facility).await? else {
        return Ok(None);
    };
    let mut reader = app.store().read();
    let subject = |issuer_hash, serial_number| ExpectedSubject {
        issuer_name_sha256: Sha256Digest::new(issuer_hash),
        serial_number,
    };
    if session.acr == acr::PASSKEY {
        // One that was removed this moment ended the session; whoever logs in opens another.
        let passkey = passkey::of_login(&mut reader, &session.evidence_id).await?;
        return Ok(passkey.map(|passkey| {
            let voucher = passkey.voucher;
            (subject(voucher.issuer_hash, voucher.serial_number), None)
        }));
    }
    if session.acr == acr::JPKI_CARD {
        // Of a link that ended this moment no card is the session's: whoever logs in opens another.
        let link = jpki_link::of_evidence(&mut reader, &session.evidence_id).await?;
        return Ok(link.map(|link| {
            let voucher = link.voucher;
            let certificate = Sha256Digest::new(link.fingerprint);
            (subject(voucher.issuer_hash, voucher.serial_number), Some(certificate))
        }));
    }
    let found = card::of_evidence(&mut reader, &session.evidence_id).await?;
    let (issuer_hash, serial_number) = found.ok_or_else(|| StoreError::Corrupt {
        what: "portal session",
        detail: "no card proved it".to_owned(),
    })?;
    Ok(Some((subject(issuer_hash, serial_number), None)))
}

/// As stored and in audit records.
pub(super) fn purpose_word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Login => "login",
        Purpose::Stepup => "stepup",
        Purpose::Presence => "presence",
        Purpose::Consent => "consent",
        Purpose::Link => "link",
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
