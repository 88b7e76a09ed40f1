//! Another PC takes the place of the one at a terminal: with the first login there, not before.

use sekisho_protocol::{
    PresenceId,
    presence::{PresenceEvent, PresenceReport},
};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    replacement, terminal, transaction,
};
use time::Duration;

use super::desk::{Desk, PRESENCE, desk, instance, live_sessions, physician, told};
use crate::testing::{self, TestApp};

const CODE: [u8; 32] = [7; 32];

/// A person logged in at the old PC, and the new one enrolled beside it.
async fn two_pcs() -> (TestApp, Desk, Desk) {
    let test = instance().await;
    let mut old = desk(&test, 1).await;
    old.admit(&test, &physician()).await;
    let mut new = desk(&test, 2).await;
    test.clock.advance(Duration::MINUTE);
    new.terminal = testing::renewed(&test.app, 1).await;
    let (at, id) = (test.app.now(), old.terminal.terminal_id.clone());
    let serial = new.terminal.certificate.serial.as_octets();
    transaction!(test.app.store(), StoreError, |tx| {
        terminal::note_certificate(tx, &id, false, at).await?;
        replacement::begin(tx, &id, &CODE, "p", at).await?;
        replacement::enrolled(tx, &CODE, ("terminals", serial), at).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    (test, old, new)
}

#[tokio::test]
async fn the_old_pc_works_until_somebody_has_logged_in_at_the_new_one() {
    let (test, mut old, mut new) = two_pcs().await;
    // Its page, its agent's word, a login that fails: none of it is a good login.
    assert_eq!(new.get(&test, "/login").await.status, 200);
    let report = PresenceReport {
        presence: PresenceId::new(PRESENCE),
        event: PresenceEvent::Present,
        sequence: 900,
    };
    let report = serde_json::to_string(&report).unwrap();
    assert_eq!(new.post_json(&test, "/agent/presence", report).await.status, 200);
    let stranger = super::desk::Card { serial_number: "DEMO00009", ..physician() };
    assert_eq!(new.login(&test, &stranger, false).await.status, 403);
    assert_eq!(old.get(&test, "/").await.status, 200, "the session of before lives");
    assert!(!told(&test, "terminal.replace", None).await);

    let login = new.login(&test, &physician(), false).await;
    assert_eq!(login.status, 200, "{}", login.text);
    assert!(told(&test, "terminal.replace", None).await);
    assert_eq!(live_sessions(&test).await, 1, "the old PC's session ended with it");
    assert_eq!(new.get(&test, "/").await.status, 200);
    let refused = old.get(&test, "/?lang=ja").await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("別のパソコンに入れ替えられ"), "{}", refused.text);
    let refused = old.get(&test, "/?lang=en").await;
    assert!(refused.text.contains("replaced by another one"), "{}", refused.text);
    // A second login is an ordinary one.
    assert_eq!(new.login(&test, &physician(), false).await.status, 200);
}

#[tokio::test]
async fn a_login_at_a_new_pc_that_was_called_off_is_refused_and_the_old_one_stays() {
    let (test, mut old, mut new) = two_pcs().await;
    let (at, id) = (test.app.now(), old.terminal.terminal_id.clone());
    let challenge = new.begin(&test, false).await;
    let submission = new.answer(&challenge, &physician(), |_| {}).await;
    transaction!(test.app.store(), StoreError, |tx| {
        replacement::cancel(tx, &id, Some("p"), at).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    assert_eq!(new.submit(&test, &submission).await.status, 403);
    assert_eq!(old.get(&test, "/").await.status, 200);
    assert_eq!(live_sessions(&test).await, 1);
    assert!(!told(&test, "terminal.replace", None).await);
}

#[tokio::test]
async fn an_agents_word_by_a_renewed_certificate_ends_nobodys_session() {
    let test = instance().await;
    let mut here = desk(&test, 1).await;
    here.admit(&test, &physician()).await;
    let old = here.terminal.peer.clone();
    test.clock.advance(Duration::MINUTE);
    // The agent has it before the browser does.
    here.terminal = testing::renewed(&test.app, 1).await;
    let report = PresenceReport {
        presence: PresenceId::new(PRESENCE),
        event: PresenceEvent::Present,
        sequence: 1,
    };
    let report = serde_json::to_string(&report).unwrap();
    assert_eq!(here.post_json(&test, "/agent/presence", report).await.status, 200);
    assert!(!told(&test, "terminal.supersede", None).await);
    here.terminal.peer = old;
    assert_eq!(here.get(&test, "/").await.status, 200);
    assert_eq!(live_sessions(&test).await, 1);
}
