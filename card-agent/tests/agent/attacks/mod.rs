//! Attacks on the door by raw sockets: the threats of `docs/card-login.md` §3, each a named test.
//!
//! Every case is sent with the card out of the reader and with the card in. It must get the constant
//! answer to strangers to the octet (or, where it is no request at all, nothing), the same both
//! times; open no window, touch no card, begin no exchange. Then the portal's page is served by the
//! same agent: a case that passes against a dead door would fail there.

mod ask;
mod crowd;
mod framing;
mod front;
mod other_programs;
mod portal_requests;
mod requests;
mod second_door;

use std::net::SocketAddr;
use std::time::Duration;

use sekisho_agent::door::http::Bounds;
use sekisho_software_card::Layout;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{STRANGER, World};
use ask::Ask;

/// What a case must get.
#[derive(Clone, Copy)]
enum Verdict {
    /// [`STRANGER`].
    Stranger,
    /// Not an octet: what was sent is no HTTP request.
    Silence,
    /// A refusal of a request that the portal did sign, by its code.
    Words(&'static str),
}

impl Verdict {
    fn judge(self, answer: &[u8]) {
        let answer = String::from_utf8_lossy(answer);
        match self {
            Self::Stranger => assert_eq!(answer, STRANGER),
            Self::Silence => assert_eq!(answer, ""),
            Self::Words(code) => {
                assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
                assert!(answer.contains(&format!(r#""code":"{code}""#)), "{answer}");
                assert!(!answer.contains("tries"), "{answer}");
            }
        }
    }
}

/// How often the person and the card were bothered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Touches {
    windows: usize,
    cards: usize,
}

fn touches(world: &World) -> Touches {
    Touches { windows: world.shown.get(), cards: world.opened.get() }
}

/// A desk that has looked at its empty reader.
async fn desk() -> World {
    desk_with(Bounds::default()).await
}

async fn desk_with(bounds: Bounds) -> World {
    let world = World::without_card(Layout::Observed, bounds).await;
    world.agent.watcher.seen().wait_for(|seen| seen.ready).await.unwrap();
    world
}

/// Puts the card in and waits until it was read ahead.
async fn insert(world: &World) {
    world.insert();
    world.agent.watcher.seen().wait_for(|seen| seen.cards.len() == 1).await.unwrap();
}

/// Sends octets and nothing more, and takes whatever comes until the connection ends.
async fn shout(at: SocketAddr, octets: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(at).await.unwrap();
    // The door may hang up before it has read all.
    let _ = stream.write_all(octets).await;
    hear(&mut stream).await
}

/// Everything until the connection ends, in order or not.
async fn hear(stream: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    let all = async { while matches!(stream.read_buf(&mut heard).await, Ok(1..)) {} };
    tokio::time::timeout(Duration::from_secs(30), all).await.unwrap();
    heard
}

fn door(world: &World) -> SocketAddr {
    ([127, 0, 0, 1], world.port).into()
}

/// Nothing is under way, and nobody and nothing was bothered since.
fn assert_untouched(world: &World, since: Touches) {
    assert_eq!(touches(world), since);
    assert!(world.agent.exchange.lock().unwrap().is_none(), "an exchange was begun");
}

/// The portal's page is served: one window, one signature.
async fn assert_serves(world: &World) {
    let before = touches(world);
    let answer = world.login(&world.request()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(touches(world).windows, before.windows + 1);
    assert!(touches(world).cards > before.cards);
}

/// A case: see the module.
async fn nothing_happens(verdict: Verdict, octets: impl Fn(&World) -> Vec<u8>) {
    let world = desk().await;
    let before = touches(&world);
    let without_card = shout(door(&world), &octets(&world)).await;
    assert_untouched(&world, before);
    insert(&world).await;
    let before = touches(&world);
    let with_card = shout(door(&world), &octets(&world)).await;
    assert_untouched(&world, before);
    verdict.judge(&with_card);
    assert_eq!(String::from_utf8_lossy(&without_card), String::from_utf8_lossy(&with_card));
    let begun = world.begin(&world.request()).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
}

/// One test for each spoilt request. The function gets the good one of the portal's page.
macro_rules! strangers {
    ($good:path; $($(#[$doc:meta])* $name:ident: $spoil:expr;)+) => {$(
        $(#[$doc])*
        #[tokio::test]
        async fn $name() {
            let spoil: fn(&mut super::Ask) = $spoil;
            super::nothing_happens(super::Verdict::Stranger, |world| {
                let mut ask = $good(world);
                spoil(&mut ask);
                ask.octets()
            })
            .await;
        }
    )+};
}
use strangers;
