//! What people agreed that services are told: given, replaced, withdrawn with all that came of it.

use sekisho_store::{
    Store, consent,
    service::{self, Service},
    service_change,
    token_grant::{self, Grant},
};
use time::Duration;

use crate::{
    NOW,
    databases::Databases,
    exchange::{grant, referral},
    jpki_link::colleague,
    login::{self, card_holder, open_session, start},
    race,
};

on_both! { login::prepared:
    a_consent_is_a_persons_own_and_the_newest_counts
    whoever_withdraws_ends_what_was_granted_and_the_service_is_told
    of_many_consents_at_once_one_is_in_force
    what_a_service_says_is_kept_replaced_and_listed
}

const SAID: &str = "{\"ground\":\"third_party\"}";

async fn add(store: &Store, id: &str, told: bool) {
    let backchannel_logout_uri = told.then(|| format!("https://{id}.example/told"));
    let new = Service {
        id: id.into(),
        backchannel_logout_uri,
        personal_data: Some(SAID.into()),
        ..referral()
    };
    change!(store, |tx| service::add(tx, &new).await?);
}

fn claims(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn a_consent_is_a_persons_own_and_the_newest_counts(databases: Databases) {
    let store = &databases.one;
    let (one, other) = (card_holder(store).await, colleague(store).await);
    for id in ["a", "b"] {
        add(store, id, false).await;
    }
    let give = async |service: &str, names: &[&str], after: i64| {
        let (claims, at) = (claims(names), NOW + Duration::seconds(after));
        change!(store, |tx| consent::give(tx, &one, service, (SAID, &claims), at).await?)
    };
    give("a", &[], 0).await;
    give("b", &["name"], 1).await;
    let newest = give("a", &["name", "hc_role"], 2).await;
    let mut reader = databases.two.read();
    let found = consent::in_force(&mut reader, &one, "a").await.unwrap().unwrap();
    assert_eq!((found.id, found.declared.as_str()), (newest, SAID));
    assert_eq!(
        (found.claims, found.given_at),
        (claims(&["name", "hc_role"]), NOW + Duration::seconds(2))
    );
    let all = consent::of_person(&mut reader, &one).await.unwrap();
    let services: Vec<_> = all.iter().map(|consent| consent.service_id.as_str()).collect();
    assert_eq!(services, ["a", "b"]);
    assert_eq!(consent::in_force(&mut reader, &other, "a").await.unwrap(), None);
    assert_eq!(consent::of_person(&mut reader, &other).await.unwrap(), []);
}

async fn whoever_withdraws_ends_what_was_granted_and_the_service_is_told(databases: Databases) {
    let store = &databases.one;
    let person = card_holder(store).await;
    let membership = start(store, &person).await;
    for (id, told) in [("a", true), ("quiet", false), ("other", true)] {
        add(store, id, told).await;
        change!(store, |tx| consent::give(tx, &person, id, (SAID, &[]), NOW).await?);
    }
    for number in [0, 1] {
        open_session(store, number, &person, &membership).await;
    }
    let granted = [("a0", "a", 0), ("a1", "a", 1), ("quiet", "quiet", 0), ("other", "other", 0)];
    for (number, (id, service, session)) in granted.into_iter().enumerate() {
        let new = Grant {
            service_id: service.into(),
            session_hash: [session; 32],
            code_hash: Some([u8::try_from(number).unwrap(); 32]),
            ..grant(id)
        };
        change!(store, |tx| token_grant::add(tx, &new).await?);
    }
    let withdraw = async |service: &str| {
        change!(store, |tx| consent::withdraw(tx, &person, service, NOW).await?)
    };
    assert_eq!(withdraw("a").await, Some(2));
    assert_eq!(withdraw("a").await, None, "it was withdrawn before");
    assert_eq!(withdraw("quiet").await, Some(1));
    assert_eq!(withdraw("nobody").await, None);
    let mut reader = databases.two.read();
    for (id, service, _) in granted {
        let live = token_grant::live(&mut reader, id).await.unwrap();
        assert_eq!(live.is_some(), service == "other", "{id}");
    }
    assert_eq!(consent::in_force(&mut reader, &person, "a").await.unwrap(), None);
    assert!(consent::in_force(&mut reader, &person, "other").await.unwrap().is_some());
    let due = store.claim_outbox("backchannel_logout", NOW, Duration::MINUTE, 9).await.unwrap();
    assert_eq!(due.len(), 2, "once for each session in which it was entered");
    assert!(due.iter().all(|message| message.payload.contains("\"service_id\":\"a\"")));
}

async fn of_many_consents_at_once_one_is_in_force(databases: Databases) {
    let person = card_holder(&databases.one).await;
    add(&databases.one, "a", false).await;
    race(&databases, |_, store| {
        let person = person.clone();
        async move { change!(store, |tx| consent::give(tx, &person, "a", (SAID, &[]), NOW).await?) }
    })
    .await;
    let found = consent::of_person(&mut databases.two.read(), &person).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
}

async fn what_a_service_says_is_kept_replaced_and_listed(databases: Databases) {
    let store = &databases.one;
    add(store, "live", false).await;
    let tried = Service {
        id: "tried".into(),
        live_at: None,
        personal_data: Some(SAID.into()),
        ..referral()
    };
    change!(store, |tx| service::add(tx, &tried).await?);
    change!(store, |tx| service::add(tx, &Service { id: "silent".into(), ..referral() }).await?);
    let listed = async || -> Vec<String> {
        let found = service::declaring(&mut databases.two.read()).await.unwrap();
        found.into_iter().map(|service| service.id).collect()
    };
    assert_eq!(listed().await, ["live"]);
    let says = async |id: &str, said: Option<&str>| {
        change!(store, |tx| service_change::declare(tx, id, said).await?)
    };
    assert!(says("silent", Some("{}")).await && says("live", None).await);
    assert!(!says("nobody", None).await);
    assert_eq!(listed().await, ["silent"]);
    let found = service::find(&mut store.read(), "silent").await.unwrap().unwrap();
    assert_eq!(found.personal_data.as_deref(), Some("{}"));
    let replaced = Service { personal_data: Some(SAID.into()), ..found };
    assert!(change!(store, |tx| service_change::replace(tx, &replaced).await?));
    let found = service::find(&mut store.read(), "silent").await.unwrap().unwrap();
    assert_eq!(found.personal_data.as_deref(), Some(SAID));
    change!(store, |tx| service_change::withdraw(tx, "silent", NOW).await?);
    assert!(!says("silent", None).await);
    assert_eq!(listed().await, [""; 0]);
}
