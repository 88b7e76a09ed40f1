//! Readers with keys of their own: the PIN is typed there, and this program never has it.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use sekisho_protocol::consent::ConsentText;
use sekisho_protocol::request::{LoginRequest, Purpose};
use sekisho_software_card::Layout;
use serde_json::json;

use crate::card_service::until;
use crate::cards::{write_my_number_card, write_my_number_card_that_signs};
use crate::counting::Pad;
use crate::world::{PASSWORD, PIN, World};

/// Somebody who types these at the keys, and sits before the window.
fn types(world: &World, typed: &[Result<&str, u16>]) {
    let mut typed: VecDeque<_> =
        typed.iter().map(|one| one.map(str::to_owned)).collect::<VecDeque<_>>();
    let types = Box::new(move || typed.pop_front().expect("asked more often than expected"));
    *world.keys.lock().unwrap() = Some(Pad { types, asked: Vec::new(), signatures: 0 });
    world.person.here.store(true, Ordering::SeqCst);
    // What would be typed in the window is wrong.
    world.set_pin("9999");
}

fn asked(world: &World) -> Vec<Vec<u8>> {
    world.keys.lock().unwrap().as_ref().unwrap().asked.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_takes_the_pin_from_the_readers_keys_and_the_window_says_so() {
    let cards = [
        (World::new(Layout::Observed).await, (4, 16), 0x88),
        (World::new(Layout::Ic31).await, (4, 16), 0x96),
        (World::with_card(write_my_number_card).await, (4, 4), 0x80),
    ];
    for (world, digits, reference) in cards {
        types(&world, &[Ok(PIN)]);
        let answer = world.login(&world.request()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let [question] = &asked(&world)[..] else { panic!("asked once") };
        assert_eq!((question[6], question[5]), digits);
        assert_eq!(question[19..], [0, 0x20, 0, reference, 0]);
        let said = world.said.lock().unwrap().clone();
        assert_eq!(said.len(), 1);
        assert!(said[0].description.contains("card reader's own keys"), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_at_the_keys_is_counted_and_asked_for_again() {
    let world = World::new(Layout::Observed).await;
    types(&world, &[Ok("0000"), Ok("12"), Ok(PIN)]);
    assert_eq!(world.login(&world.request()).await.status, 200);
    let said = world.said.lock().unwrap().clone();
    assert_eq!(said.len(), 3);
    assert!(said[1].description.contains("The PIN was wrong.\n14 tries left"), "{said:?}");
    // Too short for the reader: the card was not asked.
    assert!(said[2].description.contains("14 tries left"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cancels_at_the_keys_or_types_nothing_ends_the_login_and_loses_no_try() {
    for status in [0x6400, 0x6401] {
        let world = World::new(Layout::Observed).await;
        types(&world, &[Err(status), Ok(PIN)]);
        assert_eq!(world.login(&world.request()).await.code(), "cancelled");
        assert_eq!(world.login(&world.request()).await.status, 200);
        let said = world.said.lock().unwrap().clone();
        assert!(said[1].description.contains("15 tries left"), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_the_card_does_not_take_from_the_reader_ends_the_login() {
    let world = World::new(Layout::Observed).await;
    types(&world, &[Err(0x6700), Ok(PIN)]);
    assert_eq!(world.login(&world.request()).await.code(), "card_refused");
    assert_eq!(asked(&world).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_that_is_typed_after_the_window_was_closed_signs_nothing() {
    let world = World::new(Layout::Observed).await;
    types(&world, &[]);
    let (tell, told) = mpsc::channel::<()>();
    let mut late = true;
    world.keys.lock().unwrap().as_mut().unwrap().types = Box::new(move || {
        if std::mem::take(&mut late) {
            told.recv().unwrap();
        }
        Ok(PIN.to_owned())
    });
    let begun = world.begin(&world.request()).await;
    let exchange = begun.json()["exchange"].clone();
    let body = json!({ "exchange": exchange, "seen": "reading" });
    assert_eq!(world.post("/v1/card-login/finish", &body).await.status, 200);
    until("the reader asks", || asked(&world).len() == 1);
    world.person.gives_up.notify_one();
    assert_eq!(world.finish(&exchange).await.1.code(), "cancelled");
    tell.send(()).unwrap();
    // The next login waits for the card, which the reader still has. It asks for a signature, and once more
    // to prove that the PIN was forgotten; the one before it for none.
    assert_eq!(world.login(&world.request()).await.status, 200);
    assert!(world.keys.lock().unwrap().as_ref().unwrap().signatures <= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn few_tries_are_confirmed_before_the_reader_asks() {
    let world = World::new(Layout::Observed).await;
    types(&world, &[Ok("0000"); 12]);
    let refused = world.login(&world.request()).await;
    assert_eq!(refused.code(), "pin_guarded");
    assert_eq!(asked(&world).len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_with_letters_is_typed_in_the_window() {
    let world = World::with_card(write_my_number_card_that_signs).await;
    types(&world, &[]);
    world.set_pin(PASSWORD);
    let plain = world.request();
    let request = LoginRequest {
        purpose: Purpose::Consent,
        consent: Some(ConsentText::new("同意します。")),
        ..plain
    };
    let answer = world.login(&request).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(asked(&world).is_empty());
}
