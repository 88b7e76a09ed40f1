//! `POST /login/challenge`: the request that this portal signs for one page at one terminal.
//!
//! Bound to the browser's cookie, to the terminal certificate of this TLS connection, to this
//! origin and to the page's own key; single use; at most 60 seconds by our clock.

use axum::response::Response;
use http::HeaderMap;
use sekisho_key::{Randomness, RandomnessError};
use sekisho_protocol::{
    Jwk, Sha256Digest,
    request::{ExpectedSubject, Purpose},
};
use sekisho_store::{
    StoreError, card, day_pass,
    invitation::{self, Kind},
    jpki_link, passkey,
};
use sekisho_wire::acr;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{
    Least,
    asking::{Asking, ChallengeReply, What},
    call::Call,
    refusal::{LoginError, Refusal},
    session::PortalSession,
};
use crate::{app::App, cookie, listener::FacilityConnection};

/// Names the browser before anybody logged in; 32 random octets in base64url.
pub const BROWSER_COOKIE: &str = "__Host-browser";
/// The longest path to return to, in octets.
const MOST_RETURN_TO: usize = 2048;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    page_key: serde_json::Value,
    #[serde(default)]
    return_to: Option<String>,
    /// What the login is to reach at least.
    #[serde(default)]
    level: Option<String>,
    #[serde(default)]
    invitation: bool,
    /// The page will go to the agent by top-level navigation.
    #[serde(default)]
    navigation: bool,
}

/// `POST /login/challenge`.
pub async fn post(call: Call) -> Response {
    let issued = issue(&call).await.map(axum::Json);
    call.answer("login.challenge.issue", issued).await
}

async fn issue(call: &Call) -> Result<ChallengeReply, LoginError> {
    let Call { app, facility, .. } = call;
    let body: Body = call.read()?;
    let return_to = body.return_to.map(local_path).transpose()?;
    let least = body.level.map(|level| least(app, &level)).transpose()?;
    let asking = Asking::begin(call, body.page_key, body.navigation).await?;
    let invitation_id = if body.invitation {
        let (mut reader, browser) = (app.store().read(), &asking.browser_hash);
        let held =
            invitation::held(&mut reader, browser, &facility.organisation_id, app.now()).await?;
        // Whoever is to open an account brings no card to its invitation.
        let held = held.filter(|held| held.kind == Kind::Card);
        Some(held.ok_or(Refusal::InvitationClosed)?.id)
    } else {
        None
    };
    let at_work = if body.invitation {
        // Whoever was invited is somebody else than the person at work here, or logs in anyway.
        None
    } else {
        call.present().await?
    };
    let (expected_subject, linked) = match &at_work {
        Some(session) => (expected(app, session).await?, Some(linked_card(app, session).await?)),
        None => (None, None),
    };
    let trust = app.card_trust().at(&facility.organisation_id);
    let takes_jpki = takes_jpki(least, body.invitation, linked.as_ref());
    let hpki_policies = app.config().card_login().accepted_policies();
    let (card_issuers, accepted_policies) = trust.for_login(hpki_policies, takes_jpki);
    let jpki = takes_jpki && trust.jpki().is_some();
    let purpose = if expected_subject.is_some() { Purpose::Stepup } else { Purpose::Login };
    let what = What {
        purpose,
        // The least that may come of it.
        acr: if jpki { acr::JPKI_CARD } else { acr::HPKI_CARD },
        expected_subject,
        expected_certificate: linked.flatten().filter(|_| takes_jpki),
        vouching_request: None,
        card_issuers,
        accepted_policies,
        invitation_id,
        return_to,
        session_hash: None,
    };
    asking.sign(call, what).await
}

/// Whether a My Number card does: it names nobody to an invitation, and within a session only the one
/// that [`linked_card`] names.
pub(super) fn takes_jpki(
    least: Option<Least>,
    invitation: bool,
    at_work: Option<&Option<Sha256Digest>>,
) -> bool {
    !invitation
        && least.is_none_or(|least| least.admits(acr::JPKI_CARD))
        && at_work.is_none_or(Option::is_some)
}

/// The linked certificate that does within a session: none where an HPKI card opened it, since what that
/// proved no other card proves again.
pub(super) async fn linked_card(
    app: &App,
    session: &PortalSession,
) -> Result<Option<Sha256Digest>, StoreError> {
    let mut reader = app.store().read();
    let link = match session.acr.as_str() {
        acr::JPKI_CARD => jpki_link::of_evidence(&mut reader, &session.evidence_id).await?,
        acr::PASSKEY | acr::DAY_PASS => {
            jpki_link::of_person(&mut reader, &session.person_id).await?
        }
        _ => None,
    };
    Ok(link.map(|link| Sha256Digest::new(link.fingerprint)))
}

/// Whose HPKI card is asked for: within a living session that of its person, so that nobody slips into
/// it; who wants to change places logs out first.
async fn expected(
    app: &App,
    session: &PortalSession,
) -> Result<Option<ExpectedSubject>, StoreError> {
    let mut reader = app.store().read();
    let subject = |issuer_hash, serial_number| ExpectedSubject {
        issuer_name_sha256: Sha256Digest::new(issuer_hash),
        serial_number,
    };
    // Of a link or a passkey that ended this moment no card is the session's, nor ever of a password: whoever
    // logs in opens another.
    let voucher = match session.acr.as_str() {
        acr::PASSWORD_AT_FACILITY | acr::PASSWORD_TOTP => None,
        acr::PASSKEY => {
            let passkey = passkey::of_login(&mut reader, &session.evidence_id).await?;
            passkey.map(|passkey| passkey.voucher)
        }
        acr::DAY_PASS => {
            let pass = day_pass::of_login(&mut reader, &session.evidence_id).await?;
            pass.map(|pass| pass.voucher)
        }
        acr::JPKI_CARD => {
            let link = jpki_link::of_evidence(&mut reader, &session.evidence_id).await?;
            link.map(|link| link.voucher)
        }
        _ => {
            let found = card::of_evidence(&mut reader, &session.evidence_id).await?;
            let (issuer_hash, serial_number) = found.ok_or_else(|| StoreError::Corrupt {
                what: "portal session",
                detail: "no card proved it".to_owned(),
            })?;
            return Ok(Some(subject(issuer_hash, serial_number)));
        }
    };
    Ok(voucher.map(|voucher| subject(voucher.issuer_hash, voucher.serial_number)))
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

/// What a login is to reach at least, as a page asks for it.
pub(super) fn least(app: &App, level: &str) -> Result<Least, Refusal> {
    Least::of(app.config(), level).ok_or(Refusal::Malformed)
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
