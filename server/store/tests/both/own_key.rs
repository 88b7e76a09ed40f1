//! The keys that sign tokens and login requests: one of each algorithm without a successor, whoever makes it.

use sekisho_store::{
    StoreError,
    own_key::{self, OwnKey, Purpose, Succeeded},
};
use time::Duration;

use crate::{NOW, RACERS, databases::Databases, race};

on_both! { prepared:
    an_algorithm_has_one_key_without_a_successor
    a_key_that_is_followed_stays_published_for_its_time
    what_is_withdrawn_is_gone_at_once
    keys_for_tokens_and_for_login_requests_keep_apart
}

fn key(kid: &str, algorithm: &str) -> OwnKey {
    OwnKey {
        purpose: Purpose::Token,
        kid: kid.into(),
        algorithm: algorithm.into(),
        public_key_der: vec![0x30],
        sealed_key: Some(vec![1, 2, 3]),
        made_at: NOW,
        signs_from: NOW,
        succeeded: None,
    }
}

const END: Succeeded =
    Succeeded { signs_until: NOW, leaves_at: NOW.saturating_add(Duration::HOUR) };

async fn prepared(databases: Databases) -> Databases {
    assert!(change!(databases.one, |tx| own_key::add(tx, &key("first", "ES256")).await?));
    databases
}

async fn an_algorithm_has_one_key_without_a_successor(databases: Databases) {
    let added = race(&databases, |number, store| async move {
        let key = key(&format!("racer-{number}"), "PS256");
        change!(store, |tx| own_key::add(tx, &key).await?)
    })
    .await;
    assert_eq!(added.iter().filter(|added| **added).count(), 1, "of {RACERS}");
    assert!(!change!(databases.two, |tx| own_key::add(tx, &key("second", "ES256")).await?));
    let published =
        own_key::published(&mut databases.two.read(), Purpose::Token, NOW).await.unwrap();
    assert_eq!(published.len(), 2);
    let unknown = attempt!(databases.one, |tx| own_key::add(tx, &key("x", "HS256")).await?);
    assert!(matches!(unknown, Err(StoreError::Unavailable(_))), "the schema: {unknown:?}");
}

async fn a_key_that_is_followed_stays_published_for_its_time(databases: Databases) {
    change!(databases.one, |tx| {
        assert!(own_key::succeed(tx, "first", END).await?);
        assert!(!own_key::succeed(tx, "first", END).await?, "it has a successor");
        assert!(own_key::add(tx, &key("second", "ES256")).await?);
    });
    let at = async |now| {
        let found =
            own_key::published(&mut databases.two.read(), Purpose::Token, now).await.unwrap();
        found.into_iter().map(|key| key.kid).collect::<Vec<_>>()
    };
    assert_eq!(at(END.leaves_at - Duration::SECOND).await, ["first", "second"]);
    assert_eq!(at(END.leaves_at).await, ["second"]);
    change!(databases.one, |tx| {
        own_key::forget_private(tx, "first").await?;
        own_key::forget_private(tx, "second").await?;
    });
    let found = own_key::published(&mut databases.two.read(), Purpose::Token, NOW).await.unwrap();
    assert_eq!((&found[0].sealed_key, found[0].succeeded), (&None, Some(END)));
    assert_eq!(found[1], OwnKey { kid: "second".into(), ..key("second", "ES256") });
}

async fn what_is_withdrawn_is_gone_at_once(databases: Databases) {
    change!(databases.one, |tx| {
        own_key::succeed(tx, "first", END).await?;
        own_key::add(tx, &key("other", "RS256")).await?;
        assert_eq!(own_key::withdraw_succeeded(tx, (Purpose::Token, "ES256"), NOW).await?, 1);
        assert_eq!(own_key::withdraw_succeeded(tx, (Purpose::Token, "ES256"), NOW).await?, 0);
        assert_eq!(
            own_key::withdraw_succeeded(tx, (Purpose::Token, "RS256"), NOW).await?,
            0,
            "the newest stays"
        );
    });
    let found = own_key::published(&mut databases.two.read(), Purpose::Token, NOW).await.unwrap();
    assert_eq!(found.iter().map(|key| &key.kid).collect::<Vec<_>>(), ["other"]);
    let kept = async |until| {
        own_key::signed_until(&mut databases.two.read(), Purpose::Token, until).await.unwrap()
    };
    assert!(kept(NOW - Duration::SECOND).await.is_empty());
    assert_eq!(kept(NOW).await, ["first"], "its private half is there though it has left");
    change!(databases.one, |tx| own_key::forget_private(tx, "first").await?);
    assert!(kept(NOW).await.is_empty());
}

async fn keys_for_tokens_and_for_login_requests_keep_apart(databases: Databases) {
    let of_requests = |kid| OwnKey { purpose: Purpose::LoginRequest, ..key(kid, "ES256") };
    change!(databases.one, |tx| {
        assert!(own_key::add(tx, &of_requests("request")).await?);
        assert!(!own_key::add(tx, &of_requests("another")).await?, "it has one");
        assert!(own_key::succeed(tx, "request", END).await?);
        assert!(own_key::add(tx, &of_requests("next")).await?);
        assert_eq!(
            own_key::withdraw_succeeded(tx, (Purpose::Token, "ES256"), NOW).await?,
            0,
            "the other's stays"
        );
    });
    let known = async |purpose, kid| {
        own_key::is_known(&mut databases.two.read(), purpose, kid).await.unwrap()
    };
    assert!(known(Purpose::LoginRequest, "request").await, "though it is followed");
    assert!(!known(Purpose::Token, "request").await);
    assert!(!known(Purpose::LoginRequest, "another").await);
    let of = async |purpose| {
        let found = own_key::published(&mut databases.two.read(), purpose, NOW).await.unwrap();
        found.into_iter().map(|key| key.kid).collect::<Vec<_>>()
    };
    assert_eq!(of(Purpose::Token).await, ["first"]);
    assert_eq!(of(Purpose::LoginRequest).await, ["next", "request"]);
}
