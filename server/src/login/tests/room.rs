//! One reader for two cards: the HPKI card makes room while its session asks for the My Number card.

use sekisho_protocol::{
    PresenceId,
    presence::{PresenceEvent, PresenceReport, SILENCE},
};
use sekisho_store::{
    audit::{Actor, Entry},
    presence::{self, Gone},
    session::SessionOf,
};
use time::Duration;

use super::{
    desk::{PRESENCE, count, desk, physician, told},
    my_number::{MY_NUMBER_PRESENCE, MyNumberCard, instance},
};
use crate::{login, testing::TestApp};

fn report(sequence: u64) -> String {
    about(PRESENCE, PresenceEvent::Removed, sequence)
}

fn about(card: [u8; 16], event: PresenceEvent, sequence: u64) -> String {
    let presence = PresenceId::new(card);
    serde_json::to_string(&PresenceReport { presence, event, sequence }).unwrap()
}

/// The sessions that hang on the HPKI card, as a report about it or its silence finds them.
async fn found(test: &TestApp) -> Vec<SessionOf> {
    let silent = presence::silent(&mut test.app.store().read(), test.app.now(), 9).await.unwrap();
    assert_eq!(silent.len(), 1);
    silent
}

/// Acts on what was found as gone by a report of this number, or as silent.
async fn act(test: &TestApp, found: &[SessionOf], reported: Option<i64>) {
    let presence_id = PresenceId::new(PRESENCE).to_string();
    let now = test.app.now();
    let (by, reason) = match reported {
        Some(sequence) => {
            (Gone::Reported { presence_id: &presence_id, sequence }, login::presence::CARD_REMOVED)
        }
        None => (Gone::SilentSince(now - SILENCE), "agent_silent"),
    };
    for gone in found {
        let record = Entry::done("card.leave", Actor::System, now);
        login::presence::apply(&test.app, gone, by, record, reason, now).await.unwrap();
    }
}

async fn locked(test: &TestApp) -> i64 {
    count(test, "SELECT COUNT(*) FROM session WHERE locked_at IS NOT NULL").await
}

#[tokio::test]
async fn with_one_reader_the_hpki_card_makes_room_while_its_page_asks_for_the_other() {
    let card = MyNumberCard::of_serial(508);
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    let challenge = desk.begin_link(&test).await.json();
    desk.post_json(&test, "/agent/presence", report(1)).await;
    assert_eq!(locked(&test).await, 0);
    let submission = desk.answer(&challenge, &card, |_| {}).await;
    assert_eq!(desk.submit_link(&test, &submission).await.status, 200);
    assert_eq!(desk.get(&test, "/my-number-card?notice=linked").await.status, 200);
    // From now on it is the My Number card that holds the session.
    desk.post_json(&test, "/agent/presence", report(2)).await;
    assert_eq!(locked(&test).await, 0);
    let removed = about(MY_NUMBER_PRESENCE, PresenceEvent::Removed, 1);
    desk.post_json(&test, "/agent/presence", removed).await;
    assert_eq!(locked(&test).await, 1);
}

#[tokio::test]
async fn a_report_that_found_the_session_before_the_other_card_took_over_does_not_lock_it() {
    let card = MyNumberCard::of_serial(530);
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    let challenge = desk.begin_link(&test).await.json();
    desk.post_json(&test, "/agent/presence", report(1)).await;
    let before = found(&test).await;
    let submission = desk.answer(&challenge, &card, |_| {}).await;
    assert_eq!(desk.submit_link(&test, &submission).await.status, 200);
    act(&test, &before, Some(1)).await;
    assert_eq!(locked(&test).await, 0);
    assert!(!told(&test, "card.leave", Some("lock")).await);
}

#[tokio::test]
async fn who_is_heard_of_again_is_not_silent() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    test.clock.advance(SILENCE);
    let silent = found(&test).await;
    desk.post_json(&test, "/agent/presence", about(PRESENCE, PresenceEvent::Present, 1)).await;
    act(&test, &silent, None).await;
    assert_eq!(locked(&test).await, 0);
    // A newer report than the one that is acted on said otherwise.
    act(&test, &silent, Some(0)).await;
    assert_eq!(locked(&test).await, 0);
    act(&test, &silent, Some(1)).await;
    assert_eq!(locked(&test).await, 1);
}

#[tokio::test]
async fn a_card_that_made_room_is_told_as_gone_again_while_the_answer_is_judged() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    let challenge = desk.begin_link(&test).await.json();
    desk.post_json(&test, "/agent/presence", report(1)).await;
    // An answer that is refused ends the challenge as one does that is still being judged.
    let submission = desk.answer(&challenge, &physician(), |_| {}).await;
    assert_ne!(desk.submit_link(&test, &submission).await.status, 200);
    desk.post_json(&test, "/agent/presence", report(2)).await;
    assert_eq!(locked(&test).await, 0);
    test.clock.advance(Duration::minutes(1));
    desk.post_json(&test, "/agent/presence", report(3)).await;
    assert_eq!(locked(&test).await, 1);
}

#[tokio::test]
async fn a_card_that_made_room_for_none_counts_as_removed() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    desk.begin_link(&test).await;
    desk.post_json(&test, "/agent/presence", report(1)).await;
    assert_eq!(locked(&test).await, 0);
    test.clock.advance(SILENCE);
    login::presence::judge_silence(&test.app).await.unwrap();
    assert_eq!(locked(&test).await, 1);
}

#[tokio::test]
async fn where_nobody_asks_for_another_card_a_removed_one_locks_as_ever() {
    let card = MyNumberCard::of_serial(509);
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    // The answer was given with both cards in: the first one stays the session's.
    assert_eq!(desk.link(&test, &card).await.status, 200);
    desk.post_json(&test, "/agent/presence", report(1)).await;
    assert_eq!(locked(&test).await, 1);
}
