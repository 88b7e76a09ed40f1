//! Requests that the portal did not sign, or not for this: check 5. All else about them is right.
//!
//! Each is tried at both doors, by script over loopback and through the browser's extension.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
};
use sekisho_protocol::door::{MAX_BODY_OCTETS, STRANGER_STATUS};
use sekisho_protocol::octets::encode;
use sekisho_protocol::{Jwk, jws};
use sekisho_wire::typ;
use serde_json::{Value, json};

use super::ask::BEGIN;
use super::{Ask, Verdict, insert, nothing_happens, touches};
use crate::native::Extension;
use crate::world::{ORIGIN, World};

/// Header of a request that the portal signed.
fn header() -> Value {
    json!({ "alg": "ES256", "typ": typ::CARD_LOGIN_REQUEST, "kid": "portal-1" })
}

fn header_with(member: &str, value: Value) -> Value {
    let mut header = header();
    header[member] = value;
    header
}

fn header_without(member: &str) -> Value {
    let mut header = header();
    header.as_object_mut().unwrap().remove(member);
    header
}

fn claims(world: &World) -> Value {
    serde_json::to_value(world.request()).unwrap()
}

fn claims_with(world: &World, member: &str, value: Value) -> Value {
    let mut claims = claims(world);
    claims[member] = value;
    claims
}

/// What is signed, from texts, so that they need not be good JSON.
fn input(header: &str, claims: &str) -> String {
    format!("{}.{}", encode(header), encode(claims))
}

/// By the portal's own key: what only the portal could have made, for whatever purpose.
fn by_portal(world: &World, header: &str, claims: &str) -> String {
    let input = input(header, claims);
    let signature = world.portal_signature(input.as_bytes());
    format!("{input}.{}", encode(signature))
}

fn mallory() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

fn by(key: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
    let input = input(&header.to_string(), &claims.to_string());
    let signature = key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    format!("{input}.{}", encode(signature))
}

/// "Signed" with a secret that everybody knows: the public key.
fn by_secret(world: &World, secret: &[u8]) -> String {
    let input = input(&header_with("alg", json!("HS256")).to_string(), &claims(world).to_string());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    format!("{input}.{}", encode(tag))
}

fn portal_key(world: &World) -> Jwk {
    world.agent.identity().trust.login_request_keys.keys()[0].clone()
}

fn jwk_of(key: &EcdsaKeyPair) -> Value {
    serde_json::to_value(Jwk::from_point(key.public_key().as_ref()).unwrap()).unwrap()
}

/// The portal's genuine request with one claim changed under its signature.
fn swapped(world: &World, member: &str, value: Value) -> String {
    let genuine = world.sign(&world.request());
    let parts: Vec<&str> = genuine.split('.').collect();
    let changed = claims_with(world, member, value).to_string();
    format!("{}.{}.{}", parts[0], encode(changed), parts[2])
}

/// The genuine request with something done to its text.
fn genuine(world: &World, change: fn(&[&str]) -> String) -> String {
    let genuine = world.sign(&world.request());
    change(&genuine.split('.').collect::<Vec<_>>())
}

/// A case of this module: this body, in the place of one with the portal's request.
async fn no_door_takes(body: impl Fn(&World) -> Vec<u8>) {
    nothing_happens(Verdict::Stranger, |world| Ask::script(world, BEGIN, body(world)).octets())
        .await;
    through_the_extension(body).await;
}

/// The same in a message of the extension: it gets the bare status of a stranger, or is closed upon
/// where no message has so many octets.
async fn through_the_extension(body: impl Fn(&World) -> Vec<u8>) {
    let extension = Extension::of(super::desk().await);
    let mut answers = Vec::new();
    for with_card in [false, true] {
        if with_card {
            insert(&extension.world).await;
        }
        let before = touches(&extension.world);
        let head = format!(r#"{{"id":7,"origin":"{ORIGIN}","call":"begin","body":"#);
        let message = [head.as_bytes(), &body(&extension.world), b"}"].concat();
        answers.push(extension.connect().await.asked(&message).await);
        super::assert_untouched(&extension.world, before);
    }
    let [without_card, with_card] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(without_card, with_card);
    // Of what is no message at all, no number is known.
    if let Some(answer) = with_card {
        let stranger = |id| json!({ "id": id, "status": STRANGER_STATUS });
        assert!([stranger(0), stranger(7)].contains(answer), "{answer}");
    }
    super::assert_serves(&extension.world).await;
}

/// One test for each text in the place of the portal's request.
macro_rules! forgeries {
    ($($(#[$doc:meta])* $name:ident: $forge:expr;)+) => {$(
        $(#[$doc])*
        #[tokio::test]
        async fn $name() {
            let forge: fn(&World) -> String = $forge;
            no_door_takes(|world| json!({ "request": forge(world) }).to_string().into_bytes())
                .await;
        }
    )+};
}

forgeries! {
    an_empty_request: |_| String::new();
    a_text_that_is_no_request: |_| "begin".into();
    a_request_without_a_signature: |world| genuine(world, |parts| format!("{}.{}.", parts[0], parts[1]));
    a_request_with_half_a_signature: |world| genuine(world, |parts| format!("{}.{}.{}", parts[0], parts[1], &parts[2][..40]));
    a_request_with_a_signature_of_zeros: |world| genuine(world, |parts| format!("{}.{}.{}", parts[0], parts[1], encode([0; 64])));
    a_request_with_the_signature_of_another: |world| {
        let other = world.sign(&world.request());
        let (_, signature) = other.rsplit_once('.').unwrap();
        let genuine = world.sign(&world.request());
        let (input, _) = genuine.rsplit_once('.').unwrap();
        format!("{input}.{signature}")
    };
    a_request_with_a_fourth_part: |world| genuine(world, |parts| format!("{}.AAAA", parts.join(".")));
    a_request_with_padding: |world| genuine(world, |parts| format!("{}=", parts.join(".")));
    a_request_with_a_line_break: |world| genuine(world, |parts| format!("{}\n", parts.join(".")));
    a_request_in_the_json_form: |world| genuine(world, |parts| {
        json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2] }).to_string()
    });
    a_signature_in_der: |world| {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        by(&key, &header(), &claims(world))
    };
    a_request_of_more_octets_than_are_read: |world| {
        let long = claims_with(world, "more", "x".repeat(jws::MAX_OCTETS).into());
        by_portal(world, &header().to_string(), &long.to_string())
    };

    // Algorithms.
    the_algorithm_none: |world| {
        format!("{}.", input(&header_with("alg", json!("none")).to_string(), &claims(world).to_string()))
    };
    the_algorithm_none_in_capitals: |world| {
        format!("{}.", input(&header_with("alg", json!("NONE")).to_string(), &claims(world).to_string()))
    };
    the_algorithm_none_under_a_genuine_signature: |world| {
        by_portal(world, &header_with("alg", json!("none")).to_string(), &claims(world).to_string())
    };
    no_algorithm: |world| by_portal(world, &header_without("alg").to_string(), &claims(world).to_string());
    another_algorithm_of_the_family: |world| {
        by_portal(world, &header_with("alg", json!("ES384")).to_string(), &claims(world).to_string())
    };
    the_public_key_as_a_secret: |world| by_secret(world, portal_key(world).point());
    the_public_key_as_a_secret_in_json: |world| by_secret(world, &serde_json::to_vec(&portal_key(world)).unwrap());

    // Keys.
    no_key_named: |world| by_portal(world, &header_without("kid").to_string(), &claims(world).to_string());
    a_key_that_is_not_pinned: |world| {
        by_portal(world, &header_with("kid", json!("portal-2")).to_string(), &claims(world).to_string())
    };
    a_key_named_by_a_path: |world| {
        by_portal(world, &header_with("kid", json!("../../portal-1")).to_string(), &claims(world).to_string())
    };
    another_key_under_the_pinned_name: |world| by(&mallory(), &header(), &claims(world));
    another_key_that_comes_along: |world| {
        let key = mallory();
        let mut header = header_with("jwk", jwk_of(&key));
        header.as_object_mut().unwrap().remove("kid");
        by(&key, &header, &claims(world))
    };
    another_key_that_comes_along_under_the_pinned_name: |world| {
        let key = mallory();
        by(&key, &header_with("jwk", jwk_of(&key)), &claims(world))
    };
    another_key_by_certificate: |world| by(&mallory(), &header_with("x5c", json!(["MIIB"])), &claims(world));
    another_key_by_address: |world| {
        by(&mallory(), &header_with("jku", json!("https://evil.example/keys")), &claims(world))
    };
    another_certificate_by_address: |world| {
        by(&mallory(), &header_with("x5u", json!("https://evil.example/certificate")), &claims(world))
    };
    the_terminals_own_key: |world| {
        let input = input(&header().to_string(), &claims(world).to_string());
        let signature = world.agent.identity().key.sign_fixed(input.as_bytes()).unwrap();
        format!("{input}.{}", encode(signature))
    };

    // Purposes: the portal signed it, but not as a login request.
    no_type: |world| by_portal(world, &header_without("typ").to_string(), &claims(world).to_string());
    the_type_of_any_token: |world| by_portal(world, &header_with("typ", json!("JWT")).to_string(), &claims(world).to_string());
    the_type_of_a_terminals_proof: |world| {
        by_portal(world, &header_with("typ", json!(typ::TERMINAL_PROOF)).to_string(), &claims(world).to_string())
    };
    the_type_of_a_pages_proof: |world| {
        by_portal(world, &header_with("typ", json!(typ::PAGE_PROOF)).to_string(), &claims(world).to_string())
    };
    the_type_of_an_audit_checkpoint: |world| {
        by_portal(world, &header_with("typ", json!(typ::AUDIT_CHECKPOINT)).to_string(), &claims(world).to_string())
    };
    the_type_in_capitals: |world| {
        let typ = typ::CARD_LOGIN_REQUEST.to_ascii_uppercase();
        by_portal(world, &header_with("typ", json!(typ)).to_string(), &claims(world).to_string())
    };
    an_extension_called_critical: |world| {
        by_portal(world, &header_with("crit", json!(["b64"])).to_string(), &claims(world).to_string())
    };
    a_payload_that_is_signed_bare: |world| {
        by_portal(world, &header_with("b64", json!(false)).to_string(), &claims(world).to_string())
    };
    a_request_for_another_program: |world| {
        let claims = claims_with(world, "aud", json!("https://login.example"));
        by_portal(world, &header().to_string(), &claims.to_string())
    };
    a_request_of_another_issuer: |world| {
        let claims = claims_with(world, "iss", json!("https://other.example"));
        by_portal(world, &header().to_string(), &claims.to_string())
    };
    /// A phishing page relays what the portal made for it; the header still says the portal's name.
    a_request_that_was_made_for_another_page: |world| {
        let claims = claims_with(world, "origin", json!("https://evil.example"));
        by_portal(world, &header().to_string(), &claims.to_string())
    };

    // Members.
    a_claim_that_stands_twice: |world| {
        let twice = claims(world).to_string().replacen('{', r#"{"origin":"https://evil.example","#, 1);
        by_portal(world, &header().to_string(), &twice)
    };
    a_header_member_that_stands_twice: |world| {
        let twice = header().to_string().replacen('{', r#"{"alg":"none","#, 1);
        by_portal(world, &twice, &claims(world).to_string())
    };
    a_request_without_a_challenge: |world| {
        let mut claims = claims(world);
        claims.as_object_mut().unwrap().remove("nonce");
        by_portal(world, &header().to_string(), &claims.to_string())
    };
    a_request_with_a_short_challenge: |world| {
        let claims = claims_with(world, "nonce", json!(encode([7; 16])));
        by_portal(world, &header().to_string(), &claims.to_string())
    };
    claims_that_are_no_json: |world| by_portal(world, &header().to_string(), "login");
    a_header_that_is_no_json: |world| by_portal(world, "ES256", &claims(world).to_string());

    // Fields swapped under the portal's signature.
    the_challenge_swapped: |world| swapped(world, "nonce", json!(encode([9; 32])));
    the_page_key_swapped: |world| swapped(world, "page_key", json!(encode([9; 32])));
    the_purpose_swapped: |world| swapped(world, "purpose", json!("presence"));
    the_expiry_put_off: |world| {
        let exp = world.request().exp + 30;
        swapped(world, "exp", json!(exp))
    };
    the_confirmation_code_swapped: |world| swapped(world, "confirmation_code", json!("13"));
    the_facilitys_name_swapped: |world| {
        let mut facility = claims(world)["facility"].clone();
        facility["name"] = json!("別のクリニック");
        swapped(world, "facility", facility)
    };
    the_return_address_swapped: |world| swapped(world, "return_address", json!("https://evil.example/"));
    the_accepted_issuers_swapped: |world| swapped(world, "card_issuers", json!([]));
}

/// One test for each body around a genuine request.
macro_rules! bodies {
    ($($(#[$doc:meta])* $name:ident: $spoil:expr;)+) => {$(
        $(#[$doc])*
        #[tokio::test]
        async fn $name() {
            let spoil: fn(&str) -> Vec<u8> = $spoil;
            no_door_takes(|world| spoil(&world.sign(&world.request()))).await;
        }
    )+};
}

bodies! {
    no_body: |_| Vec::new();
    a_body_without_a_request: |_| b"{}".to_vec();
    a_body_with_the_request_twice: |jws| format!(r#"{{"request":"x","request":"{jws}"}}"#).into_bytes();
    a_body_with_a_further_member: |jws| json!({ "request": jws, "pin": "1234" }).to_string().into_bytes();
    a_body_with_octets_after_it: |jws| format!("{} x", json!({ "request": jws })).into_bytes();
    a_body_that_ends_early: |jws| format!(r#"{{"request":"{jws}""#).into_bytes();
    a_body_with_a_byte_order_mark: |jws| format!("\u{feff}{}", json!({ "request": jws })).into_bytes();
    a_body_that_is_no_text: |_| b"{\"request\":\"\xff\xfe\"}".to_vec();
    a_body_of_a_thousand_brackets: |_| vec![b'['; 1000];
    a_body_of_the_bare_request: |jws| jws.as_bytes().to_vec();
    a_body_that_lists_its_members: |jws| json!([jws]).to_string().into_bytes();
    a_body_of_another_kind: |jws| json!({ "request": [jws] }).to_string().into_bytes();
    a_body_of_one_octet_too_many: |jws| {
        let more = MAX_BODY_OCTETS + 1 - json!({ "request": jws }).to_string().len();
        format!(r#"{{"request":"{jws}"{}}}"#, " ".repeat(more)).into_bytes()
    };
    a_body_of_a_megabyte: |_| vec![b' '; 1 << 20];
}
