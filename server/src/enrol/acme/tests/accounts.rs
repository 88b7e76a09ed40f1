//! Who opens an account, and what becomes of it.

use http::StatusCode;
use sekisho_store::{acme_binding, audit::Actor, service};
use serde_json::{Value, json};
use time::Duration;

use super::{
    client::{self, Client, signed},
    scene::{HOST, OTHER_SERVICE, SERVICE, Scene},
};
use crate::{demo::acme_client, enrol::acme::binding::NewBinding};

const REFUSED: (u16, &str) = (403, "unauthorized");

fn is_refused(answer: &client::Answer) {
    let (status, kind) = answer.problem();
    assert_eq!((status, kind.as_str()), REFUSED, "{}", answer.json());
}

#[tokio::test]
async fn a_key_opens_one_account_and_is_gone_then() {
    let scene = Scene::new().await;
    let (kid, key) = client::binding(scene.app(), SERVICE).await;
    let first = Client::new(scene.app());
    let opened = first.open(&kid, &key).await;
    assert_eq!(opened.status, StatusCode::CREATED);
    assert_eq!(opened.json()["status"], "valid");
    let kept = acme_binding::find(&mut scene.app().store().read(), &kid).await.unwrap().unwrap();
    assert_eq!(kept.sealed_key, None);
    is_refused(&Client::new(scene.app()).open(&kid, &key).await);
    // The same key has its account, whatever it brings.
    let again = first.open("nobody", b"nothing").await;
    assert_eq!((again.status, again.location()), (StatusCode::OK, opened.location()));
    let known = first.post("/acme/new-account", &json!({ "onlyReturnExisting": true })).await;
    assert_eq!((known.status, known.location()), (StatusCode::OK, opened.location()));
}

#[tokio::test]
async fn of_many_with_one_key_at_once_one_has_an_account() {
    let scene = Scene::new().await;
    let (kid, key) = client::binding(scene.app(), SERVICE).await;
    let clients = [0; 4].map(|_| Client::new(scene.app()));
    let opened =
        futures_util::future::join_all(clients.iter().map(|client| client.open(&kid, &key))).await;
    let good = opened.iter().filter(|answer| answer.status == StatusCode::CREATED).count();
    assert_eq!(good, 1);
    let done = scene.trail("acme.open_account").await;
    assert_eq!(done.iter().filter(|line| line.ends_with("done")).count(), 1);
    assert_eq!(done.iter().filter(|line| line.ends_with("refused")).count(), 3);
}

#[tokio::test]
async fn what_is_no_binding_opens_nothing_and_all_are_told_alike() {
    let scene = Scene::new().await;
    let (kid, key) = client::binding(scene.app(), SERVICE).await;
    let client = Client::new(scene.app());
    let mut told = Vec::new();
    for (kid, key) in
        [(kid.as_str(), b"another".to_vec()), ("0199ffff-0000-7000-8000-000000000000", key.clone())]
    {
        let refused = client.open(kid, &key).await;
        is_refused(&refused);
        told.push(refused.detail());
    }
    assert_eq!(scene.trail("acme.open_account").await, ["acme.open_account refused"; 2]);
    // A newer key takes the place of one that nobody used.
    let (newer, newer_key) = client::binding(scene.app(), SERVICE).await;
    told.push(client.open(&kid, &key).await.detail());
    scene.test.clock.advance(Duration::hours(72));
    told.push(client.open(&newer, &newer_key).await.detail());
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
    assert_eq!(told[0], told[3]);
}

#[tokio::test]
async fn a_binding_over_something_else_is_told_of() {
    let scene = Scene::new().await;
    let (kid, key) = client::binding(scene.app(), SERVICE).await;
    let (client, other) = (Client::new(scene.app()), Client::new(scene.app()));
    let path = "/acme/new-account";
    let url = client.url(path);
    let good = acme_client::bound(&kid, &key, &url, &client.jwk()).unwrap();
    let mut unsigned = good.clone();
    unsigned["header"] = json!({ "kid": kid });
    for (what, binding) in [
        ("another account's key", acme_client::bound(&kid, &key, &url, &other.jwk()).unwrap()),
        (
            "another address",
            acme_client::bound(&kid, &key, &client.url("/acme/new-order"), &client.jwk()).unwrap(),
        ),
        ("an unprotected header", unsigned),
        ("no object", json!("text")),
        (
            "by another algorithm",
            signed(&client.key, &json!({ "alg": "ES256", "kid": kid, "url": url }), b"{}"),
        ),
    ] {
        let refused = client.post(path, &json!({ "externalAccountBinding": binding })).await;
        assert_eq!(refused.problem(), (400, "malformed".to_owned()), "{what}");
    }
    let without = client.post(path, &json!({ "termsOfServiceAgreed": true })).await;
    assert_eq!(without.problem(), (403, "externalAccountRequired".to_owned()));
    let unknown = client.post(path, &json!({ "onlyReturnExisting": true })).await;
    assert_eq!(unknown.problem(), (400, "accountDoesNotExist".to_owned()));
    // Nothing of it used the key up.
    assert_eq!(client.open(&kid, &key).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn contacts_are_addresses_of_mail() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let account = client.kid.clone().unwrap();
    for (contact, kind) in [
        ("tel:+81312345678", "unsupportedContact"),
        ("mailto:a@example?subject=x", "invalidContact"),
        ("mailto:a@example,b@example", "invalidContact"),
        ("mailto:", "invalidContact"),
        ("mailto:a", "invalidContact"),
        (&format!("mailto:a@{}", "x".repeat(260)), "invalidContact"),
    ] {
        let refused = client.post(&account, &json!({ "contact": [contact] })).await;
        assert_eq!(refused.problem(), (400, kind.to_owned()), "{contact}");
    }
    let many = client.post(&account, &json!({ "contact": vec!["mailto:a@example"; 11] })).await;
    assert_eq!(many.problem().1, "malformed");
    let changed = client.post(&account, &json!({ "contact": ["mailto:b@example"] })).await;
    assert_eq!(changed.json()["contact"], json!(["mailto:b@example"]));
    assert_eq!(client.fetch(&account).await.json()["contact"], json!(["mailto:b@example"]));
    assert_eq!(scene.trail("acme.change_account").await.len(), 1);
}

#[tokio::test]
async fn an_account_that_was_given_up_does_nothing_any_more() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let account = client.kid.clone().unwrap();
    // What a client sends back of what it was told changes nothing.
    let as_told = client.fetch(&account).await.json();
    assert_eq!(client.post(&account, &as_told).await.json(), as_told);
    assert_eq!(client.post(&account, &json!({ "status": "revoked" })).await.json(), as_told);
    let ended = client.post(&account, &json!({ "status": "deactivated" })).await;
    assert_eq!(ended.json()["status"], "deactivated");
    assert_eq!(client.order(&[HOST]).await.problem(), (401, "unauthorized".to_owned()));
    let anew = Client { kid: None, ..client };
    let (kid, key) = client::binding(scene.app(), SERVICE).await;
    assert_eq!(anew.open(&kid, &key).await.problem(), (401, "unauthorized".to_owned()));
}

#[tokio::test]
async fn nothing_of_another_account_is_there() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let begun = client.order(&[HOST]).await;
    let order = begun.json();
    let stranger = Client::of(scene.app(), OTHER_SERVICE).await;
    let challenge = client.challenge(&order, "http-01").await;
    let account = client.kid.clone().unwrap();
    for address in [
        begun.location(),
        order["authorizations"][0].as_str().unwrap().to_owned(),
        challenge["url"].as_str().unwrap().to_owned(),
        account.clone(),
        format!("{account}/orders"),
        begun.location().replace("/order/", "/certificate/"),
        "/acme/order/nothing".to_owned(),
    ] {
        assert_eq!(stranger.fetch(&address).await.problem().0, 404, "{address}");
    }
    assert_eq!(stranger.finalize(&order, b"x").await.problem().0, 404);
    let own = client.fetch(&format!("{account}/orders")).await.json();
    assert_eq!(own["orders"], json!([begun.location()]));
}

#[tokio::test]
async fn another_key_takes_the_place_of_the_old_one_when_both_say_so() {
    let scene = Scene::new().await;
    let mut client = scene.client().await;
    let (new, third) = (Client::new(scene.app()), scene.client().await);
    let path = "/acme/key-change";
    let url = client.url(path);
    let account = client.kid.clone().unwrap();
    let inner = |key: &Client<'_>, payload: &Value| {
        let header = json!({ "alg": "ES256", "jwk": key.jwk(), "url": url });
        signed(&key.key, &header, payload.to_string().as_bytes())
    };
    let good = json!({ "account": account, "oldKey": client.jwk() });
    let forged = {
        let header = json!({ "alg": "ES256", "jwk": new.jwk(), "url": url });
        signed(&client.key, &header, good.to_string().as_bytes())
    };
    let elsewhere = {
        let header =
            json!({ "alg": "ES256", "jwk": new.jwk(), "url": client.url("/acme/new-order") });
        signed(&new.key, &header, good.to_string().as_bytes())
    };
    for (what, body) in [
        ("not by the new key", forged),
        ("for another address", elsewhere),
        ("another account", inner(&new, &json!({ "account": third.kid, "oldKey": client.jwk() }))),
        ("another old key", inner(&new, &json!({ "account": account, "oldKey": third.jwk() }))),
        ("no JWS", json!({})),
    ] {
        assert_eq!(
            client.post(path, &body).await.problem(),
            (400, "malformed".to_owned()),
            "{what}"
        );
    }
    let taken = client.post(path, &inner(&third, &good)).await;
    assert_eq!(taken.problem().0, 409);
    assert_eq!(Some(taken.location()), third.kid);
    let changed = client.post(path, &inner(&new, &good)).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.json());
    assert_eq!(client.order(&[HOST]).await.problem(), (400, "malformed".to_owned()));
    client.key = new.key;
    assert_eq!(client.order(&[HOST]).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_service_of_the_sandbox_or_without_host_names_gets_no_key() {
    let scene = Scene::new().await;
    let app = scene.app();
    let by_number = super::scene::file("numbers", &["192.0.2.7"]);
    super::scene::register(app, &by_number).await;
    for (id, says) in [("numbers", "no host name"), ("nothing", "no service nothing")] {
        let keys = (&app.keys().sealing, app.random());
        let mut reader = app.store().read();
        let drawn = NewBinding::draw(&mut reader, id, app.config(), keys, app.now());
        let refused = drawn.await.err().unwrap();
        assert!(refused.is_of_the_order() && refused.to_string().contains(says), "{refused}");
    }
    // Withdrawn between the page and the button.
    let keys = (&app.keys().sealing, app.random());
    let mut reader = app.store().read();
    let drawn = NewBinding::draw(&mut reader, SERVICE, app.config(), keys, app.now());
    let drawn = drawn.await.unwrap();
    assert!(
        service::find(&mut app.store().read(), SERVICE).await.unwrap().unwrap().live_at.is_some()
    );
    use sekisho_store::{
        StoreError,
        audit::{Audited, Entry},
        sql, transaction,
    };
    transaction!(app.store(), StoreError, |tx| {
        tx.execute(sql("UPDATE service SET live_at = NULL WHERE id = $1").bind(SERVICE)).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, app.now())))
    })
    .unwrap();
    let refused = drawn.keep(app.store(), Entry::done("acme.bind", Actor::System, app.now()));
    let refused = refused.await.unwrap_err();
    assert!(refused.to_string().contains("sandbox"), "{refused}");
}
