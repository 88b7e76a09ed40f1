//! ACME: what counts once, and what states orders go through.

use sekisho_store::{
    Store, StoreError,
    acme_account::{self, Account},
    acme_binding::{self, Binding},
    acme_certificate,
    acme_order::{self, Authorization, AuthorizationState, Order},
    certificate::{Intention, Signed},
    expiry::Expiring,
    server_key, service, service_change, subscriber_key,
};
use time::{Duration, OffsetDateTime};

use crate::{FACILITY, NOW, client_registration::named, count, databases::Databases, race};

const SERVICE: &str = "referral";
const KEY: [u8; 32] = [7; 32];
/// The one that the register of these tests has.
const ISSUER: &str = "terminals";

on_both! { prepared:
    a_nonce_is_used_once
    a_binding_opens_one_account_and_its_key_is_gone
    a_newer_binding_ends_the_one_before_and_unused_ones_are_removed
    an_account_has_one_key_and_changes_it_from_the_one_that_it_has
    an_order_is_claimed_when_all_is_proven_and_by_one
    a_proof_is_asked_for_by_one_at_a_time_and_concluded_once
    an_order_is_fulfilled_once_and_by_the_key_that_it_was_claimed_for
    a_certificate_is_replaced_by_one_living_order
    what_is_over_is_removed_and_what_was_issued_is_told
    a_key_of_a_server_stays_with_its_service
}

async fn prepared(databases: Databases) -> Databases {
    let databases = crate::once::prepared(databases).await;
    for id in [SERVICE, "imaging"] {
        change!(databases.one, |tx| {
            service::add(tx, &named(id)).await?;
        });
    }
    databases
}

fn account_of(service_id: &str, id: &str) -> Account {
    Account {
        id: id.to_owned(),
        service_id: service_id.to_owned(),
        thumbprint: format!("thumbprint of {id}"),
        jwk: "{}".to_owned(),
        contact: vec!["mailto:a@example".to_owned()],
        created_at: NOW,
        deactivated_at: None,
    }
}

fn binding_of(id: &str, after: Duration) -> Binding {
    Binding {
        id: id.to_owned(),
        service_id: SERVICE.to_owned(),
        sealed_key: Some(vec![1, 2, 3]),
        created_at: NOW + after,
        expires_at: NOW + after + Duration::DAY,
        ended_at: None,
        account_id: None,
    }
}

async fn open(store: &Store, id: &str) {
    change!(store, |tx| acme_account::add(tx, &account_of(SERVICE, id)).await?);
}

fn order_of(id: &str, names: &[&str]) -> (Order, Vec<Authorization>) {
    let order = Order {
        id: id.to_owned(),
        account_id: "a".to_owned(),
        created_at: NOW,
        expires_at: NOW + Duration::DAY,
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        replaces: None,
        claimed: None,
        certificate: None,
    };
    let each = names.iter().map(|name| Authorization {
        id: format!("{id} {name}"),
        order_id: id.to_owned(),
        name: (*name).to_owned(),
        state: AuthorizationState::Pending,
        http_token: "h".to_owned(),
        tls_token: "t".to_owned(),
        tried: None,
        fault: None,
    });
    (order, each.collect())
}

async fn begin(store: &Store, order: &(Order, Vec<Authorization>)) {
    change!(store, |tx| acme_order::add(tx, &order.0, &order.1).await?);
}

async fn prove(store: &Store, id: &str) {
    assert!(change!(store, |tx| acme_order::conclude(tx, id, "http-01", None, NOW).await?));
}

async fn claimed(store: &Store, id: &str, key: [u8; 32], at: OffsetDateTime) -> bool {
    let stale = at - Duration::seconds(10);
    change!(store, |tx| acme_order::claim(tx, id, &key, at, stale).await?)
}

/// A certificate of this serial number, of no order yet.
async fn issue(store: &Store, serial: u8) {
    let octets = [serial];
    store.reserve_serial(ISSUER, &octets, NOW).await.unwrap();
    let intention = Intention {
        issuer_id: ISSUER,
        serial: &octets,
        profile: "server",
        tbs_der: &[0x30],
        organisation_id: Some(FACILITY),
        terminal_id: None,
    };
    store.record_intention(intention, NOW).await.unwrap();
    let signed = Signed {
        issuer_id: ISSUER,
        serial: &octets,
        fingerprint: &[serial; 32],
        spki_sha256: &KEY,
        not_before: NOW,
        not_after: NOW + Duration::days(90),
        der: &octets,
    };
    store.record_certificate(signed, NOW).await.unwrap();
}

async fn a_nonce_is_used_once(databases: Databases) {
    let until = NOW + Duration::HOUR;
    let used =
        race(
            &databases,
            |_, store| async move { store.use_acme_nonce(b"nonce", until).await.unwrap() },
        )
        .await;
    assert_eq!(count(&used, |first| *first), 1);
    assert!(databases.two.use_acme_nonce(b"other", until).await.unwrap());
    let over = until + Duration::SECOND;
    assert_eq!(databases.one.forget_expired(Expiring::AcmeNonces, over, 9).await.unwrap(), 2);
}

async fn a_binding_opens_one_account_and_its_key_is_gone(databases: Databases) {
    change!(databases.one, |tx| acme_binding::add(tx, &binding_of("b", Duration::ZERO)).await?);
    let used = race(&databases, |number, store| async move {
        let id = format!("a{number}");
        change!(store, |tx| acme_binding::consume(tx, "b", &id, NOW).await?)
    })
    .await;
    assert_eq!(count(&used, |used| *used), 1);
    let mut reader = databases.two.read();
    let kept = acme_binding::find(&mut reader, "b").await.unwrap().unwrap();
    assert!(kept.sealed_key.is_none() && kept.account_id.is_some() && !kept.is_open(NOW));
    assert_eq!(acme_binding::find(&mut reader, "nothing").await.unwrap(), None);
}

async fn a_newer_binding_ends_the_one_before_and_unused_ones_are_removed(databases: Databases) {
    let (first, second) = (binding_of("b1", Duration::ZERO), binding_of("b2", Duration::HOUR));
    change!(databases.one, |tx| acme_binding::add(tx, &first).await?);
    let open_at =
        async |at| acme_binding::open_of(&mut databases.two.read(), SERVICE, at).await.unwrap();
    assert_eq!(open_at(NOW).await, Some(first.clone()));
    change!(databases.one, |tx| acme_binding::add(tx, &second).await?);
    assert_eq!(open_at(NOW + Duration::HOUR).await, Some(second.clone()));
    assert!(!change!(databases.one, |tx| acme_binding::consume(tx, "b1", "a", NOW).await?));
    assert_eq!(open_at(second.expires_at).await, None);
    let late = second.expires_at;
    assert!(!change!(databases.one, |tx| acme_binding::consume(tx, "b2", "a", late).await?));
    let over = late + Duration::SECOND;
    assert_eq!(databases.one.forget_expired(Expiring::AcmeBindings, over, 9).await.unwrap(), 2);
}

async fn an_account_has_one_key_and_changes_it_from_the_one_that_it_has(databases: Databases) {
    open(&databases.one, "a").await;
    open(&databases.one, "b").await;
    let again = account_of(SERVICE, "a");
    let again = Account { id: "c".to_owned(), ..again };
    let taken = attempt!(databases.two, |tx| acme_account::add(tx, &again).await?);
    assert!(matches!(taken, Err(StoreError::AlreadyExists { .. })), "{taken:?}");
    let old = "thumbprint of a";
    let taken = attempt!(databases.two, |tx| {
        acme_account::set_key(tx, "a", old, ("thumbprint of b", "{}")).await?
    });
    assert!(matches!(taken, Err(StoreError::AlreadyExists { .. })), "{taken:?}");
    let change = async |from: &str| {
        change!(databases.two, |tx| acme_account::set_key(tx, "a", from, ("new", "{}")).await?)
    };
    assert!(!change("another").await);
    assert!(change(old).await);
    let mut reader = databases.one.read();
    assert_eq!(acme_account::of_key(&mut reader, "new").await.unwrap().unwrap().id, "a");
    assert_eq!(acme_account::of_key(&mut reader, old).await.unwrap(), None);
    let of_service = acme_account::of_service(&mut reader, SERVICE).await.unwrap();
    assert_eq!(of_service.len(), 2);
    let contact = ["mailto:b@example".to_owned()];
    let end = async || change!(databases.one, |tx| acme_account::deactivate(tx, "a", NOW).await?);
    let write =
        async || change!(databases.one, |tx| acme_account::set_contact(tx, "a", &contact).await?);
    assert!(write().await);
    assert!(end().await);
    assert!(!end().await && !write().await && !change("new").await);
    let ended = acme_account::find(&mut databases.two.read(), "a").await.unwrap().unwrap();
    assert_eq!((ended.deactivated_at, ended.contact.as_slice()), (Some(NOW), &contact[..]));
}

async fn an_order_is_claimed_when_all_is_proven_and_by_one(databases: Databases) {
    open(&databases.one, "a").await;
    begin(&databases.one, &order_of("o", &["x.example", "y.example"])).await;
    prove(&databases.one, "o x.example").await;
    assert!(!claimed(&databases.one, "o", KEY, NOW).await);
    prove(&databases.one, "o y.example").await;
    let all =
        race(
            &databases,
            |number, store| async move { claimed(&store, "o", [number; 32], NOW).await },
        )
        .await;
    assert_eq!(count(&all, |claimed| *claimed), 1);
    assert!(!claimed(&databases.two, "o", KEY, NOW + Duration::seconds(10)).await);
    let later = NOW + Duration::seconds(11);
    assert!(claimed(&databases.two, "o", KEY, later).await);
    let (found, _) = acme_order::find(&mut databases.one.read(), "a", "o").await.unwrap().unwrap();
    assert_eq!(found.claimed, Some((KEY, later)));
    assert!(!claimed(&databases.two, "o", KEY, NOW + Duration::DAY).await, "it is over");
    assert!(acme_order::find(&mut databases.one.read(), "b", "o").await.unwrap().is_none());
}

async fn a_proof_is_asked_for_by_one_at_a_time_and_concluded_once(databases: Databases) {
    open(&databases.one, "a").await;
    begin(&databases.one, &order_of("o", &["x.example"])).await;
    let id = "o x.example";
    let stale = NOW - Duration::seconds(30);
    let begun = race(&databases, |_, store| async move {
        store.begin_acme_proof(id, "http-01", NOW, stale).await.unwrap()
    })
    .await;
    assert_eq!(count(&begun, |begun| *begun), 1);
    let later = NOW + Duration::MINUTE;
    let again = databases.two.begin_acme_proof(id, "tls-alpn-01", later, NOW + Duration::SECOND);
    assert!(again.await.unwrap());
    let concluded = race(&databases, |_, store| async move {
        change!(store, |tx| acme_order::conclude(tx, id, "http-01", Some("{}"), NOW).await?)
    })
    .await;
    assert_eq!(count(&concluded, |concluded| *concluded), 1);
    let found =
        acme_order::authorization(&mut databases.one.read(), "a", id).await.unwrap().unwrap().1;
    assert_eq!(found.state, AuthorizationState::Invalid);
    assert_eq!(found.tried, Some(("http-01".to_owned(), NOW)));
    assert_eq!(found.fault.as_deref(), Some("{}"));
    assert!(!databases.one.begin_acme_proof(id, "http-01", later, later).await.unwrap());
    assert!(!change!(databases.one, |tx| acme_order::deactivate(tx, id).await?));
    assert!(acme_order::authorization(&mut databases.one.read(), "b", id).await.unwrap().is_none());
    begin(&databases.one, &order_of("p", &["x.example"])).await;
    assert!(change!(databases.one, |tx| acme_order::deactivate(tx, "p x.example").await?));
}

async fn an_order_is_fulfilled_once_and_by_the_key_that_it_was_claimed_for(databases: Databases) {
    open(&databases.one, "a").await;
    for id in ["o", "p"] {
        begin(&databases.one, &order_of(id, &["x.example"])).await;
        prove(&databases.one, &format!("{id} x.example")).await;
        assert!(claimed(&databases.one, id, KEY, NOW).await);
    }
    let fulfil = async |id: &str, key: [u8; 32], serial: u8| {
        attempt!(databases.two, |tx| acme_order::fulfil(tx, id, &key, (ISSUER, &[serial])).await?)
    };
    assert!(!fulfil("o", [8; 32], 1).await.unwrap());
    assert!(fulfil("o", KEY, 1).await.unwrap());
    assert!(!fulfil("o", KEY, 2).await.unwrap());
    // A certificate is of one order.
    let taken = fulfil("p", KEY, 1).await;
    assert!(matches!(taken, Err(StoreError::AlreadyExists { .. })), "{taken:?}");
    let owner = acme_certificate::owner(&mut databases.one.read(), ISSUER, &[1]).await.unwrap();
    let owner = owner.unwrap();
    assert_eq!((owner.service_id.as_str(), owner.order_id.as_str()), (SERVICE, "o"));
    assert!(
        acme_certificate::owner(&mut databases.one.read(), ISSUER, &[2]).await.unwrap().is_none()
    );
    assert!(!claimed(&databases.one, "o", KEY, NOW + Duration::HOUR).await);
}

async fn a_certificate_is_replaced_by_one_living_order(databases: Databases) {
    open(&databases.one, "a").await;
    let replaced = async |at| {
        let mut reader = databases.two.read();
        acme_order::is_replaced(&mut reader, (ISSUER, &[1]), at).await.unwrap()
    };
    let (order, authorizations) = order_of("o", &["x.example"]);
    let order = Order { replaces: Some((ISSUER.to_owned(), vec![1])), ..order };
    begin(&databases.one, &(order.clone(), authorizations)).await;
    assert!(replaced(NOW).await);
    assert!(!replaced(NOW + Duration::DAY).await);
    assert!(change!(databases.one, |tx| acme_order::deactivate(tx, "o x.example").await?));
    assert!(!replaced(NOW).await);
    let (found, _) = acme_order::find(&mut databases.one.read(), "a", "o").await.unwrap().unwrap();
    assert_eq!(found, order);
}

async fn what_is_over_is_removed_and_what_was_issued_is_told(databases: Databases) {
    open(&databases.one, "a").await;
    for id in ["o", "p"] {
        begin(&databases.one, &order_of(id, &["x.example"])).await;
    }
    let mut reader = databases.one.read();
    assert_eq!(acme_order::newest(&mut reader, "a", 1).await.unwrap(), ["p"]);
    assert_eq!(acme_order::begun_since(&mut reader, "a", NOW - Duration::SECOND).await.unwrap(), 2);
    assert_eq!(acme_order::begun_since(&mut reader, "a", NOW).await.unwrap(), 0);
    let names = ["x.example".to_owned()];
    let proven = async |names: &[String], at| {
        acme_certificate::has_proven(&mut databases.two.read(), "a", names, at).await.unwrap()
    };
    assert!(!proven(&names, NOW).await);
    prove(&databases.one, "o x.example").await;
    assert!(proven(&names, NOW).await && !proven(&[], NOW).await);
    assert!(!proven(&names, NOW + Duration::DAY).await);
    assert!(!proven(&["x.example".to_owned(), "y.example".to_owned()], NOW).await);
    assert!(claimed(&databases.one, "o", KEY, NOW).await);
    issue(&databases.one, 1).await;
    let fulfilled =
        change!(databases.one, |tx| { acme_order::fulfil(tx, "o", &KEY, (ISSUER, &[1])).await? });
    assert!(fulfilled);
    let listed = acme_certificate::of_service(&mut reader, SERVICE, 9).await.unwrap();
    assert_eq!((listed.len(), listed[0].revoked), (1, false));
    let over = NOW + Duration::days(2);
    let forget = async |what| databases.one.forget_expired(what, over, 9).await.unwrap();
    assert_eq!(forget(Expiring::AcmeOrders).await, 0, "what they are for goes first");
    assert_eq!(forget(Expiring::AcmeAuthorizations).await, 2);
    assert_eq!(forget(Expiring::AcmeOrders).await, 1);
    assert!(acme_order::find(&mut reader, "a", "o").await.unwrap().is_some());
    let withdrawn = change!(databases.two, |tx| service_change::withdraw(tx, SERVICE, NOW).await?);
    assert_eq!(withdrawn, Some(1));
    let listed = acme_certificate::of_service(&mut databases.one.read(), SERVICE, 9).await.unwrap();
    assert!(listed[0].revoked);
}

async fn a_key_of_a_server_stays_with_its_service(databases: Databases) {
    let claims = race(&databases, |number, store| async move {
        let service = if number % 2 == 0 { SERVICE } else { "imaging" };
        change!(store, |tx| server_key::claim(tx, &KEY, service, NOW).await?)
    })
    .await;
    assert!(claims.iter().all(|holder| holder == &claims[0]));
    let mut reader = databases.one.read();
    assert_eq!(server_key::holder(&mut reader, &KEY).await.unwrap().as_ref(), claims.first());
    assert_eq!(server_key::holder(&mut reader, &[8; 32]).await.unwrap(), None);
    assert_eq!(subscriber_key::holder(&mut reader, &KEY).await.unwrap(), None);
}
