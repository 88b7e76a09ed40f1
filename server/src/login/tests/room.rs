//! One reader for two cards: the HPKI card makes room while its session asks for the My Number card.

use sekisho_protocol::{
    PresenceId,
    presence::{PresenceEvent, PresenceReport, SILENCE},
};
use time::Duration;

use super::{
    desk::{PRESENCE, count, desk, physician},
    my_number::{MyNumberCard, instance},
};
use crate::{login::presence, testing::TestApp};

fn report(sequence: u64) -> String {
    let presence = PresenceId::new(PRESENCE);
    let event = PresenceEvent::Removed;
    serde_json::to_string(&PresenceReport { presence, event, sequence }).unwrap()
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
    presence::judge_silence(&test.app).await.unwrap();
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
