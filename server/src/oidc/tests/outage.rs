//! What clients are told while the database cannot be written, and that it costs nobody their login.

use futures_util::future::join_all;
use sekisho_store::{Store, Tx};
use serde_json::json;

use super::{
    client::{Returned, TestClient},
    scene::{Answer, Scene, query, service_file},
};
use crate::testing::second_process;

/// A transaction of another process, before which nobody writes. Whoever asks waits ten seconds, so
/// what can be asked at once is.
async fn held(scene: &Scene) -> (Store, Tx) {
    let store = second_process(&scene.test, "other").await.store().clone();
    let tx = store.begin().await.unwrap();
    (store, tx)
}

fn is_outage(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.json()["error"], "temporarily_unavailable");
    assert_eq!(answer.headers["retry-after"], "5");
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn a_code_and_a_refresh_token_outlive_an_outage_in_which_they_are_brought() {
    let (scene, client) = (Scene::new().await, TestClient::new("signing"));
    let file = service_file("signing", super::scene::PHYSICIANS).replace(
        "\n[[rules]]",
        // The key for it is made at its first use.
        "\n[protocol]\nid_token_signed_response_alg = \"RS256\"\n\
         grant_types = [\"authorization_code\", \"refresh_token\"]\n[[rules]]",
    );
    let secret = scene.register(&file).await;
    let request = client.request();
    let request: Vec<_> = request.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let returned = Returned::of(&scene.authorize(&request).await, &client.redirect_uri());
    let code = client.exchange(returned.get("code").unwrap());
    let outage = held(&scene).await;
    let ask = || scene.token_as("signing", &secret, &code);
    let (first, second) = tokio::join!(ask(), ask());
    drop(outage);
    is_outage(&first);
    is_outage(&second);
    assert_eq!(scene.grants().await, 0);
    let tokens = scene.token_as("signing", &secret, &code).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    let refresh = vec![
        ("grant_type", "refresh_token".to_owned()),
        ("refresh_token", tokens.json()["refresh_token"].as_str().unwrap().to_owned()),
    ];
    let outage = held(&scene).await;
    let ask = || scene.token_as("signing", &secret, &refresh);
    let (first, second) = tokio::join!(ask(), ask());
    drop(outage);
    is_outage(&first);
    is_outage(&second);
    let renewed = scene.token_as("signing", &secret, &refresh).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
}

#[tokio::test]
async fn every_endpoint_that_has_to_write_says_when_to_come_again() {
    let (scene, client) = (Scene::new().await, TestClient::new("signing"));
    scene.register(&client.file("")).await;
    let assertion = client.assertion(&scene).await;
    let outage = held(&scene).await;
    let mut form = client.request();
    form.push(("token", "x".to_owned()));
    form.extend(assertion);
    let form = query(&form);
    let posts = ["/token", "/par", "/introspect", "/revoke"]
        .map(|path| scene.public("POST", path, &[], &form));
    let fields = [("authorization", "Bearer x"), ("content-type", "application/json")];
    let register = scene.public("POST", "/register", &fields, "{}");
    let (posted, registered) = tokio::join!(join_all(posts), register);
    drop(outage);
    posted.iter().chain([&registered]).for_each(is_outage);
}

#[tokio::test]
async fn the_client_of_a_registered_address_is_told_of_an_outage_with_its_state() {
    let scene = Scene::new().await;
    let asked = [
        Scene::request_with("prompt", "none"),
        Scene::request(),
        // The refusal of this one is recorded; where it cannot be, that is what is told.
        Scene::request_with("scope", "profile"),
    ];
    let outage = held(&scene).await;
    let answers = join_all(asked.iter().map(|request| scene.authorize(request))).await;
    drop(outage);
    for answer in answers {
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!(answer.returned("error").as_deref(), Some("temporarily_unavailable"));
        assert_eq!(answer.returned("state").as_deref(), Some("st&te"));
        assert_eq!(answer.returned("code"), None);
    }
    assert_eq!(scene.codes().await, 0);
    // Nobody knows who sent this: it stays a page.
    let mut stranger = Scene::request_with("redirect_uri", "https://elsewhere.example/");
    stranger.push(("prompt", "none"));
    assert_eq!(scene.authorize(&stranger).await.status, 400);
    assert!(scene.authorize(&Scene::request()).await.returned("code").is_some());
}

#[tokio::test]
async fn a_proxy_s_secret_is_not_called_wrong_in_an_outage() {
    let scene = Scene::new().await;
    let secret = scene.register(&super::scene::guarded_file(super::scene::PHYSICIANS)).await;
    scene.test.app.store().close().await;
    let basic = super::scene::basic("guarded", &secret);
    let fields = [("authorization", basic.as_str())];
    let answer = scene.public("GET", "/forward-auth/verify", &fields, "").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.headers["retry-after"], "5");
    let told = scene.public("GET", "/jwks", &[], "").await;
    assert_eq!(
        (told.status.as_u16(), &told.json()["error"]),
        (503, &json!("temporarily_unavailable"))
    );
}
