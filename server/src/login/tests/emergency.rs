//! An emergency access and the logins around it, with real cards.

use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    sql, transaction,
};

use super::{
    desk::{Card, Desk, NOW, count, desk, instance, physician, publish},
    my_number::{MyNumberCard, linked_by},
};
use crate::{
    oidc::tests::scene::{register, service_file},
    testing::TestApp,
};

/// For another prefecture than that of the tests' facilities, and a My Number card does.
const RULES: &str = r#"
[[rules]]
id = "far"
roles = ["Medical Doctor"]
prefectures = ["01"]
minimum_acr = "urn:oid:1.3.6.1.4.1.32473.3.3"
emergency = true
"#;
const WORDS: &str = "reason=disaster&words=%E5%9C%B0%E9%9C%87%E3%81%AE%E3%81%9F%E3%82%81%E5%BF%85%E8%A6%81%E3%81%A7%E3%81%99%E3%80%82";

/// Whether the service is open, by the one way in which it can be.
async fn is_open(desk: &mut Desk, test: &TestApp) -> bool {
    let portal = desk.get(test, "/").await.text;
    let open = portal.contains("緊急時アクセスにより使えます");
    assert_eq!(open, portal.contains("action=\"/emergency/end\""), "{portal}");
    open
}

async fn begin(desk: &mut Desk, test: &TestApp) -> String {
    desk.post_form(test, "/emergency", WORDS).await.location.unwrap_or_default()
}

#[tokio::test]
async fn it_falls_away_with_the_certificate_that_vouches_and_none_begins_without() {
    let card = MyNumberCard::of_serial(560);
    let (test, mut desk) = linked_by(&physician(), &card).await;
    register(&test, &service_file("far", RULES)).await;
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    assert_eq!(begin(&mut desk, &test).await, "/");
    assert!(is_open(&mut desk, &test).await);
    publish(&test, &[physician().serial], NOW).await;
    assert!(!is_open(&mut desk, &test).await, "revoked");
    assert_eq!(begin(&mut desk, &test).await, "/emergency");
    publish(&test, &[], NOW - time::Duration::days(30)).await;
    assert!(!is_open(&mut desk, &test).await, "nobody knows");
    assert_eq!(begin(&mut desk, &test).await, "/emergency");
    // Whoever is known again has the rest of the hour.
    publish(&test, &[], NOW).await;
    assert!(is_open(&mut desk, &test).await);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM emergency_access").await, 1);
}

#[tokio::test]
async fn the_same_person_s_new_proof_keeps_it_and_the_next_person_has_none() {
    let test = instance().await;
    register(&test, &service_file("far", RULES)).await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    assert_eq!(begin(&mut desk, &test).await, "/");
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    assert!(is_open(&mut desk, &test).await, "the session goes on under a new identifier");

    let now = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        let lock = sql("UPDATE session SET locked_at = $1 WHERE ended_at IS NULL");
        tx.execute(lock.bind(now)).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
    let colleague =
        Card { kanji: "佐藤　花子", serial_number: "DEMO00002", serial: 101, ..physician() };
    let code = desk.invite(&test, "佐藤 花子", "Medical Doctor").await;
    let answered = desk.redeem(&test, &code, &colleague).await;
    assert_eq!(answered.status, 200, "{}", answered.text);
    assert!(!is_open(&mut desk, &test).await, "another person's is none of theirs");
    let replaced = "SELECT COUNT(*) FROM session WHERE end_reason = 'replaced'";
    assert_eq!(count(&test, replaced).await, 1);
    // Theirs is a record of its own, and the first person's is over for good.
    assert_eq!(begin(&mut desk, &test).await, "/");
    assert!(is_open(&mut desk, &test).await);
    desk.log_out(&test).await;
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    assert!(!is_open(&mut desk, &test).await);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM emergency_access").await, 2);
}
