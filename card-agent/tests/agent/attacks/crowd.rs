//! Many at a time, slowly or without end: the person's login goes on, and the window stays one.

use std::time::Duration;

use sekisho_agent::door::Identity;
use sekisho_agent::door::http::Bounds;
use sekisho_protocol::trust::TerminalTrust;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{
    Ask, Touches, Verdict, assert_serves, assert_untouched, desk, desk_with, door, hear, insert,
    shout, touches,
};
use crate::world::{Answer, World};

/// So soon that the tests wait for it, and later than any request of theirs takes.
const SOON: Duration = Duration::from_secs(1);

fn impatient() -> Bounds {
    Bounds { head: SOON, body: SOON, ..Bounds::default() }
}

/// Opens `number` connections that send these octets and then nothing more.
async fn crowd(world: &World, number: usize, octets: &[u8]) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..number {
        let mut stream = TcpStream::connect(door(world)).await.unwrap();
        stream.write_all(octets).await.unwrap();
        crowd.push(stream);
    }
    crowd
}

/// They don't keep the page out, and each is left alone in the end.
async fn assert_outlasted(world: &World, crowd: Vec<TcpStream>, verdict: Verdict) {
    assert_serves(world).await;
    for mut stream in crowd {
        verdict.judge(&hear(&mut stream).await);
    }
}

#[tokio::test]
async fn a_hundred_connections_that_say_nothing() {
    let world = desk_with(impatient()).await;
    insert(&world).await;
    let crowd = crowd(&world, 100, b"").await;
    assert_outlasted(&world, crowd, Verdict::Silence).await;
}

#[tokio::test]
async fn a_hundred_heads_that_do_not_end() {
    let world = desk_with(impatient()).await;
    insert(&world).await;
    let head = Ask::begin(&world).head();
    let crowd = crowd(&world, 100, head.as_bytes()).await;
    assert_outlasted(&world, crowd, Verdict::Silence).await;
}

/// Only whoever passes for the portal's page gets as far as a body.
#[tokio::test]
async fn a_hundred_bodies_that_do_not_end() {
    let world = desk_with(impatient()).await;
    insert(&world).await;
    let octets = Ask::begin(&world).octets();
    let crowd = crowd(&world, 100, &octets[..octets.len() - 1]).await;
    assert_outlasted(&world, crowd, Verdict::Stranger).await;
}

/// A drop now and then does not keep a connection alive: the time is for the whole head.
#[tokio::test]
async fn a_head_that_comes_in_drops() {
    let world = desk_with(impatient()).await;
    let mut stream = TcpStream::connect(door(&world)).await.unwrap();
    let (mut hearing, mut saying) = stream.split();
    let dripping = async {
        for octet in Ask::begin(&world).head().bytes().cycle() {
            if saying.write_all(&[octet]).await.is_err() {
                return;
            }
            // What is tried here is slowness itself.
            tokio::time::sleep(SOON / 20).await;
        }
    };
    let mut heard = Vec::new();
    let ended = tokio::io::AsyncReadExt::read_to_end(&mut hearing, &mut heard);
    tokio::select! {
        () = dripping => {}
        _ = ended => {}
        () = tokio::time::sleep(SOON * 30) => panic!("the drops are still taken"),
    }
    assert!(heard.is_empty());
}

/// More connections than there are places: whoever comes later waits no longer than the idle may.
#[tokio::test]
async fn more_idle_connections_than_places() {
    let world = desk_with(Bounds { connections: 8, ..impatient() }).await;
    insert(&world).await;
    let crowd = crowd(&world, 16, b"").await;
    assert_outlasted(&world, crowd, Verdict::Silence).await;
}

async fn all(world: &World, asks: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let calls: Vec<_> = asks
        .into_iter()
        .map(|octets| {
            let at = door(world);
            tokio::spawn(async move { shout(at, &octets).await })
        })
        .collect();
    let mut heard = Vec::new();
    for call in calls {
        heard.push(call.await.unwrap());
    }
    heard
}

#[tokio::test]
async fn two_hundred_calls_of_a_stranger_at_a_time() {
    let world = desk().await;
    insert(&world).await;
    let before = touches(&world);
    let mut ask = Ask::begin(&world);
    ask.set("Origin", "https://evil.example");
    for heard in all(&world, vec![ask.octets(); 200]).await {
        Verdict::Stranger.judge(&heard);
    }
    assert_untouched(&world, before);
    assert_serves(&world).await;
}

fn is_begun(heard: &[u8]) -> bool {
    heard.starts_with(b"HTTP/1.1 200 OK")
}

#[tokio::test]
async fn one_request_a_hundred_times_at_once_begins_once() {
    let world = desk().await;
    insert(&world).await;
    let before = touches(&world);
    let heard = all(&world, vec![Ask::begin(&world).octets(); 100]).await;
    let (begun, refused): (Vec<_>, Vec<_>) = heard.into_iter().partition(|heard| is_begun(heard));
    assert_eq!(begun.len(), 1);
    for heard in refused {
        Verdict::Words("replayed").judge(&heard);
    }
    assert_eq!(touches(&world), before);
}

#[tokio::test]
async fn a_hundred_requests_at_once_are_one_login_and_one_window() {
    let world = desk().await;
    insert(&world).await;
    let before = touches(&world);
    let asks = (0..100).map(|_| Ask::begin(&world).octets()).collect();
    let heard = all(&world, asks).await;
    let (begun, refused): (Vec<_>, Vec<_>) = heard.into_iter().partition(|heard| is_begun(heard));
    assert_eq!(begun.len(), 1);
    for heard in refused {
        Verdict::Words("busy").judge(&heard);
    }
    assert_eq!(touches(&world), before);
    let begun = String::from_utf8(begun.into_iter().next().unwrap()).unwrap();
    let begun: serde_json::Value =
        serde_json::from_str(begun.split_once("\r\n\r\n").unwrap().1).unwrap();
    let body = json!({ "exchange": begun["exchange"] }).to_string();
    // Asked for from fifty sides, the window is the same.
    let finish = Ask::script(&world, "/v1/card-login/finish", body.into_bytes());
    all(&world, vec![finish.octets(); 50]).await;
    assert_eq!(world.finish(&begun["exchange"]).await.1.status, 200);
    assert_eq!(touches(&world).windows, before.windows + 1);
}

/// The window belongs to a request of the portal; whoever repeats one opens no second.
#[tokio::test]
async fn a_window_that_is_asked_for_again_and_again() {
    let world = desk().await;
    insert(&world).await;
    let request = world.request();
    let begun = world.begin(&request).await;
    let exchange = begun.json()["exchange"].clone();
    assert_eq!(world.finish(&exchange).await.1.status, 200);
    let after_one = touches(&world);
    for _ in 0..20 {
        assert_eq!(world.begin(&request).await.code(), "replayed");
        let body = json!({ "exchange": exchange });
        world.post("/v1/card-login/finish", &body).await;
        world.post("/v1/card-login/cancel", &body).await;
    }
    assert_eq!(touches(&world), after_one);
    assert_serves(&world).await;
}

/// Who does not know an exchange's name neither opens its window nor closes it.
#[tokio::test]
async fn an_exchange_whose_name_is_guessed() {
    let world = desk().await;
    insert(&world).await;
    let begun = world.begin(&world.request()).await;
    let before = touches(&world);
    let guess = json!({ "exchange": sekisho_protocol::octets::encode([0; 16]) });
    for path in ["/v1/card-login/finish", "/v1/card-login/cancel"] {
        assert_eq!(world.post(path, &guess).await.code(), "no_such_exchange");
    }
    assert_eq!(touches(&world), before);
    assert_eq!(world.finish(&begun.json()["exchange"]).await.1.status, 200);
}

/// The two later calls are refused like the first.
#[tokio::test]
async fn an_exchange_that_a_stranger_names_rightly() {
    let world = desk().await;
    insert(&world).await;
    let begun = world.begin(&world.request()).await;
    let body = json!({ "exchange": begun.json()["exchange"] }).to_string().into_bytes();
    let before = touches(&world);
    for path in ["/v1/card-login/finish", "/v1/card-login/cancel"] {
        let mut ask = Ask::script(&world, path, body.clone());
        ask.set("Origin", "https://evil.example");
        Verdict::Stranger.judge(&shout(door(&world), &ask.octets()).await);
        let mut ask = Ask::script(&world, path, body[1..].to_vec());
        Verdict::Stranger.judge(&shout(door(&world), &ask.octets()).await);
        ask.line = format!("GET {path} HTTP/1.1");
        Verdict::Stranger.judge(&shout(door(&world), &ask.octets()).await);
    }
    assert_eq!(touches(&world), before);
    assert_eq!(world.finish(&begun.json()["exchange"]).await.1.status, 200);
}

/// Two portals are pinned: neither's page gets at what the other's began.
#[tokio::test]
async fn an_exchange_of_another_pinned_portal() {
    const OTHER: &str = "https://other.example";
    let world = desk().await;
    insert(&world).await;
    let held = world.agent.identity();
    let mut trust: TerminalTrust = held.trust.clone();
    trust.portal_origins.push(OTHER.into());
    world.agent.become_another(Identity {
        trust,
        key: held.key.clone(),
        certificate_sha256: held.certificate_sha256,
        former: None,
    });
    let begun = world.begin(&world.request()).await;
    let exchange = begun.json()["exchange"].clone();
    let before: Touches = touches(&world);
    let body = json!({ "exchange": exchange }).to_string();
    let from_other: &[(&str, &str)] = &[("Origin", OTHER)];
    for path in ["/v1/card-login/finish", "/v1/card-login/cancel"] {
        let answer: Answer =
            world.send(from_other, path, "application/json", "cors", "empty", &body).await;
        assert_eq!(answer.code(), "no_such_exchange");
    }
    // Nor does it carry the other's request, genuine as it is.
    let relayed = json!({ "request": world.sign(&world.request()) }).to_string();
    let begin = "/v1/card-login/begin";
    let answer = world.send(from_other, begin, "application/json", "cors", "empty", &relayed).await;
    assert_eq!((answer.status, answer.body.as_str()), (403, ""));
    assert_eq!(touches(&world), before);
    assert_eq!(world.finish(&exchange).await.1.status, 200);
}
