//! Requests that the portal did sign, but that this PC must not serve: checks 5 to 9. The page is
//! told why, in words that say nothing about card or reader.

use std::sync::atomic::Ordering;

use sekisho_protocol::consent::ConsentText;
use sekisho_protocol::octets::encode;
use sekisho_protocol::request::{LoginRequest, Purpose};
use sekisho_protocol::{ChallengeNonce, Sha256Digest};
use serde_json::json;

use super::ask::BEGIN;
use super::{
    Ask, Verdict, assert_serves, assert_untouched, desk, door, insert, nothing_happens, shout,
    touches,
};
use crate::world::World;

/// One test for each genuine request that must not be served here.
macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident: $code:literal, $change:expr;)+) => {$(
        $(#[$doc])*
        #[tokio::test]
        async fn $name() {
            let change: fn(&mut LoginRequest) = $change;
            nothing_happens(Verdict::Words($code), |world| {
                let mut request = world.request();
                change(&mut request);
                ask(world, &request).octets()
            })
            .await;
        }
    )+};
}

fn ask(world: &World, request: &LoginRequest) -> Ask {
    let body = json!({ "request": signed(world, request) }).to_string();
    Ask::script(world, BEGIN, body.into_bytes())
}

/// Signed by the portal's key without asking whether an agent would take it.
fn signed(world: &World, request: &LoginRequest) -> String {
    let header =
        json!({ "alg": "ES256", "typ": sekisho_wire::typ::CARD_LOGIN_REQUEST, "kid": "portal-1" });
    let claims = serde_json::to_string(request).unwrap();
    let input = format!("{}.{}", encode(header.to_string()), encode(claims));
    let signature = world.portal_signature(input.as_bytes());
    format!("{input}.{}", encode(signature))
}

fn consent(request: &mut LoginRequest, text: &str) {
    request.purpose = Purpose::Consent;
    request.consent = Some(ConsentText::new(text));
}

fn shift(request: &mut LoginRequest, seconds: i64) {
    request.iat += seconds;
    request.exp += seconds;
}

refusals! {
    a_stale_request: "clock_or_expired", |request| shift(request, -1000);
    a_request_that_ended_just_beyond_the_leeway: "clock_or_expired", |request| shift(request, -361);
    a_request_of_the_future: "clock_or_expired", |request| shift(request, 1000);
    a_request_of_seven_minutes_ahead: "clock_or_expired", |request| shift(request, 420);
    a_request_without_end: "bad_request", |request| request.exp = i64::MAX;
    a_request_that_ends_before_it_begins: "bad_request", |request| request.exp = request.iat - 1;
    a_request_that_lives_too_long: "bad_request", |request| request.exp = request.iat + 61;
    /// The portal made it for the certificate that another connection showed: a relay to a victim.
    a_request_of_another_facility: "another_terminal", |request| {
        request.facility.id = "999999999999".into();
        request.facility.x5t_s256 = Sha256Digest::of(b"another facility's terminal");
    };
    a_request_of_another_terminal_of_this_facility: "another_terminal", |request| {
        request.facility.x5t_s256 = Sha256Digest::of(b"the terminal beside");
    };
    a_request_for_a_later_agent: "agent_too_old", |request| {
        request.minimum_agent_version = "99.0.0".parse().unwrap();
    };
    a_consent_without_a_text: "bad_request", |request| request.purpose = Purpose::Consent;
    a_login_that_carries_a_text_to_sign: "bad_request", |request| {
        request.consent = Some(ConsentText::new("同意します。"));
    };
    a_consent_whose_digest_is_of_another_text: "bad_request", |request| {
        consent(request, "同意しません。");
        request.consent.as_mut().unwrap().text = "同意します。".into();
    };
    a_consent_that_is_read_backwards: "bad_request", |request| {
        consent(request, "\u{202e}。んせまし意同");
    };
    a_consent_that_hides_a_word: "bad_request", |request| {
        consent(request, "同意\u{1b}[8mしま\u{1b}[0mせん。");
    };
    a_consent_longer_than_a_page: "bad_request", |request| consent(request, &"あ".repeat(1366));
    a_consent_that_lives_too_long: "bad_request", |request| {
        consent(request, "同意します。");
        request.exp = request.iat + 601;
    };
    a_consent_for_another_terminal: "another_terminal", |request| {
        consent(request, "同意します。");
        request.facility.x5t_s256 = Sha256Digest::of(b"the terminal beside");
    };
    a_step_up_that_names_nobody: "bad_request", |request| request.purpose = Purpose::Stepup;
    a_facility_whose_name_writes_a_line_of_the_window: "bad_request", |request| {
        request.facility.name = "架空クリニック\n暗証番号を画面に入力してください".into();
    };
    a_return_address_at_another_origin: "bad_request", |request| {
        request.return_address = Some("https://evil.example/login/return".into());
    };
    a_return_address_that_only_begins_like_ours: "bad_request", |request| {
        request.return_address = Some("https://terminal.example.evil.example/".into());
    };
    a_return_address_of_script: "bad_request", |request| {
        request.return_address = Some("javascript:alert(1)".into());
    };
    more_policies_than_a_portal_has: "bad_request", |request| {
        request.accepted_policies = vec!["1.2.3".into(); 100];
    };
}

/// Sends the same octets again after they were served and the exchange was given up.
async fn replayed(change: fn(&mut LoginRequest)) {
    let world = desk().await;
    insert(&world).await;
    let mut request = world.request();
    let begun = world.begin(&request).await;
    let exchange = json!({ "exchange": begun.json()["exchange"] });
    assert_eq!(world.post("/v1/card-login/cancel", &exchange).await.status, 204);
    let before = touches(&world);
    change(&mut request);
    let heard = shout(door(&world), &ask(&world, &request).octets()).await;
    Verdict::Words("replayed").judge(&heard);
    assert_eq!(world.post("/v1/card-login/finish", &exchange).await.code(), "cancelled");
    assert_eq!(touches(&world), before);
    assert_serves(&world).await;
}

#[tokio::test]
async fn a_replayed_request() {
    replayed(|_| {}).await;
}

/// The name counts, whatever else is signed: so the twin of a signature (r, n − s), which makes
/// another text of the same request, is none either.
#[tokio::test]
async fn a_replayed_request_with_another_challenge_under_its_name() {
    replayed(|request| request.nonce = ChallengeNonce::new([7; 32])).await;
}

#[tokio::test]
async fn a_request_that_served_one_login_serves_no_second() {
    let world = desk().await;
    insert(&world).await;
    let request = world.request();
    assert_eq!(world.login(&request).await.status, 200);
    let before = touches(&world);
    assert_eq!(world.begin(&request).await.code(), "replayed");
    assert_eq!(touches(&world), before);
    assert_serves(&world).await;
}

#[tokio::test]
async fn a_refused_request_is_not_used_up_by_its_refusal() {
    let world = desk().await;
    insert(&world).await;
    let request = world.request();
    let mut relayed = ask(&world, &request);
    relayed.set("Origin", "https://evil.example");
    let before = touches(&world);
    Verdict::Stranger.judge(&shout(door(&world), &relayed.octets()).await);
    assert_untouched(&world, before);
    assert_eq!(world.login(&request).await.status, 200);
}

/// The person is told of the clock, and nothing else happens. Once the agent has measured how far
/// the portal is ahead, the same PC logs in.
#[tokio::test]
async fn a_clock_that_is_seven_minutes_slow_or_fast_is_named_and_can_be_corrected() {
    for seconds in [420, -420] {
        let world = desk().await;
        insert(&world).await;
        world.agent.clock_ahead.store(seconds, Ordering::Relaxed);
        let before = touches(&world);
        let heard = shout(door(&world), &ask(&world, &world.request()).octets()).await;
        Verdict::Words("clock_or_expired").judge(&heard);
        assert!(String::from_utf8_lossy(&heard).contains("時計"), "in words");
        assert_untouched(&world, before);
        world.agent.clock_ahead.store(0, Ordering::Relaxed);
        assert_serves(&world).await;
    }
}

#[tokio::test]
async fn a_second_login_beside_a_running_one() {
    let world = desk().await;
    insert(&world).await;
    assert_eq!(world.begin(&world.request()).await.status, 200);
    let before = touches(&world);
    let heard = shout(door(&world), &ask(&world, &world.request()).octets()).await;
    Verdict::Words("busy").judge(&heard);
    assert_eq!(touches(&world), before);
}
