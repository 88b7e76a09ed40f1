//! Everything that travels between page, agent and portal, from a stranger.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::LazyLock;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use sekisho_protocol::{
    ChallengeNonce, Sha256Digest,
    answer::{CardAnswer, LoginSubmission},
    consent::ConsentAnswer,
    door::{BeginBody, ErrorBody, ExchangeBody, FinishBody},
    jwk::{Jwk, JwkSet},
    jws::{self, JwsError},
    occasion::Occasion,
    presence::PresenceReport,
    request::{Expectation, LoginRequest, UnverifiedLoginRequest},
    trust::TerminalTrust,
};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

/// The instant at which requests are judged.
pub const NOW: i64 = 1_795_000_000;
/// The origin that they must carry.
pub const ORIGIN: &str = "https://terminal.example";
/// The issuer that they must carry.
pub const ISSUER: &str = "https://login.example";

/// A portal's key. Random in each process: what is signed decides what is read, not the key.
static KEY: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());

fn keys() -> JwkSet {
    let key = Jwk::from_point(KEY.public_key().as_ref()).unwrap();
    JwkSet::new(vec![key.with_kid("portal-1")]).unwrap()
}

/// Signs these claims as the portal would.
pub fn signed(claims: &Value) -> Result<String, JwsError> {
    jws::sign(sekisho_wire::typ::CARD_LOGIN_REQUEST, Some("portal-1"), claims, |message| {
        let signature = KEY.sign(&SystemRandom::new(), message).unwrap();
        Ok::<_, JwsError>(signature.as_ref().try_into().unwrap())
    })
}

/// A compact JWS that nobody whom we know signed.
pub fn token(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let typ = sekisho_wire::typ::CARD_LOGIN_REQUEST;
    assert!(jws::verify::<Value>(&text, typ, &keys()).is_err(), "nobody signed this");
    // A stranger may sign with a key of their own; then it proves that key and nothing else.
    let _ = jws::verify_with_own_key::<Value>(&text, sekisho_wire::typ::PAGE_PROOF);
    request_text(text.into_owned());
}

fn request_text(text: String) -> bool {
    let expected = Expectation {
        issuer: ISSUER,
        origin: ORIGIN,
        now: OffsetDateTime::from_unix_timestamp(NOW).unwrap(),
        leeway: Duration::seconds(60),
    };
    UnverifiedLoginRequest::new(text).verify(&keys(), &expected).is_ok()
}

/// Claims of a login request under a good signature: the portal itself gone wrong.
pub fn login_request(octets: &[u8]) {
    let Ok(claims) = serde_json::from_slice::<Value>(octets) else {
        let _ = serde_json::from_slice::<LoginRequest>(octets);
        return;
    };
    if let Ok(text) = signed(&claims) {
        request_text(text);
    }
}

/// Whether these claims, signed by the portal, are accepted.
pub fn is_accepted(octets: &[u8]) -> bool {
    serde_json::from_slice(octets).is_ok_and(|claims| signed(&claims).is_ok_and(request_text))
}

/// The card's answer and what else a page submits.
pub fn answer(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    if let Ok(answer) = CardAnswer::parse(&text) {
        assert_eq!(CardAnswer::parse(&answer.to_text()).unwrap(), answer);
    }
    let of = Sha256Digest::of(b"an occasion");
    let nonce = ChallengeNonce::new([7; 32]);
    let occasion = Occasion { origin: of, nonce, facility_x5t: of, page_key: of, request: of };
    assert!(ConsentAnswer::verify(&text, "text", &occasion).is_err(), "nobody signed this");
    let _ = serde_json::from_slice::<CardAnswer>(octets);
    let _ = serde_json::from_slice::<LoginSubmission>(octets);
}

/// Bodies at the agent's door, the trust document, a report of presence, keys.
pub fn documents(octets: &[u8]) {
    let _ = serde_json::from_slice::<BeginBody>(octets);
    let _ = serde_json::from_slice::<FinishBody>(octets);
    let _ = serde_json::from_slice::<ExchangeBody>(octets);
    let _ = serde_json::from_slice::<ErrorBody>(octets);
    let _ = serde_json::from_slice::<PresenceReport>(octets);
    let _ = serde_json::from_slice::<JwkSet>(octets);
    let _ = Jwk::from_spki_der(octets);
    if let Ok(trust) = serde_json::from_slice::<TerminalTrust>(octets) {
        let _ = trust.check();
    }
}
