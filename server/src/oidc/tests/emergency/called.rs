//! A service that calls another in the person's name (RFC 8693).

use sekisho_store::session::{self, Realm};
use serde_json::Value;
use time::Duration;

use super::{Ward, path};
use crate::oidc::{
    tests::scene::{Answer, PHYSICIANS, payload, service_file},
    token::{Refusal, admitted},
};

const RECORDS: &str = "https://records.example/api";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The ward's service is open to physicians as ever, or for another prefecture, and calls the records.
async fn calling(own: &str, records: &str) -> Ward {
    let scene = crate::oidc::tests::scene::Scene::new().await;
    let called = service_file("records", records)
        .replace("\n[[rules]]", &format!("\n[protocol]\nresources = [\"{RECORDS}\"]\n[[rules]]"));
    scene.register(&called).await;
    let protocol = format!(
        "\n[protocol]\ncalls = [\"records\"]\n\
         grant_types = [\"authorization_code\", \"{EXCHANGE}\"]\n[[rules]]"
    );
    let secret = scene.register(&service_file("far", own).replace("\n[[rules]]", &protocol)).await;
    Ward { scene, secret }
}

async fn exchanged(ward: &Ward, tokens: &Value) -> Answer {
    let form = [
        ("grant_type", EXCHANGE.to_owned()),
        ("subject_token", tokens["access_token"].as_str().unwrap().to_owned()),
        ("subject_token_type", ACCESS_TOKEN.to_owned()),
        ("resource", RECORDS.to_owned()),
    ];
    ward.scene.token_as("far", &ward.secret, &form).await
}

fn in_emergencies() -> String {
    PHYSICIANS.replace("kinds", "emergency = true\nprefectures = [\"01\"]\nkinds")
}

#[tokio::test]
async fn the_called_service_is_asked_too_and_its_token_says_what_opened_it() {
    let ward = calling(PHYSICIANS, &in_emergencies()).await;
    let tokens = ward.tokens().await;
    assert_eq!(exchanged(&ward, &tokens).await.json()["error"], "invalid_target");
    let id = ward.begun().await;
    let end = ward.scene.test.app.now().unix_timestamp() + 3_600;
    ward.scene.test.clock.advance(Duration::minutes(59));
    let tokens = ward.tokens().await;
    let own = payload(tokens["access_token"].as_str().unwrap());
    assert!(own.get("break_glass").is_none(), "the caller itself is open as ever: {own}");
    let answer = exchanged(&ward, &tokens).await.json();
    let called = payload(answer["access_token"].as_str().unwrap());
    assert_eq!(
        (&called["break_glass"], called["break_glass_id"].as_str()),
        (&true.into(), Some(id.as_str()))
    );
    assert_eq!(called["exp"], end);
    ward.scene.test.clock.advance(Duration::minutes(1));
    let over = exchanged(&ward, &ward.tokens().await).await;
    assert_eq!(over.json()["error"], "invalid_target");
}

#[tokio::test]
async fn what_comes_of_a_token_of_an_emergency_ends_with_it_however_often_it_is_exchanged() {
    let ward = calling(&in_emergencies(), PHYSICIANS).await;
    let id = ward.begun().await;
    let end = ward.scene.test.app.now().unix_timestamp() + 3_600;
    ward.scene.test.clock.advance(Duration::minutes(59));
    let mut chain = vec![ward.tokens().await];
    for hop in 1..=3 {
        let next = exchanged(&ward, chain.last().unwrap()).await.json();
        let said = payload(next["access_token"].as_str().unwrap());
        // The records are open as ever; what the token comes of is not.
        assert_eq!((&said["break_glass"], &said["exp"]), (&true.into(), &end.into()), "{hop}");
        assert_eq!(said["break_glass_id"], id.as_str(), "{hop}");
        let introspected = ward.introspect(&next).await;
        assert_eq!(introspected["active"], true, "{hop}");
        assert_eq!(introspected["break_glass_id"], id.as_str(), "{hop}");
        chain.push(next);
    }
    assert_eq!(path(&ward.scene.post("/emergency/end", &[]).await), "/");
    // Another one is another record.
    ward.begun().await;
    for (hop, tokens) in chain.iter().enumerate() {
        assert_eq!(ward.introspect(tokens).await["active"], false, "{hop}");
        assert_eq!(exchanged(&ward, tokens).await.json()["error"], "invalid_request", "{hop}");
        let told = ward.scene.userinfo(tokens["access_token"].as_str().unwrap()).await;
        assert_eq!(told.status, 401, "{hop}");
    }
}

#[tokio::test]
async fn an_exchange_is_owed_to_what_the_subject_token_names_or_refused() {
    let ward = calling(&in_emergencies(), PHYSICIANS).await;
    let first = ward.begun().await;
    assert_eq!(path(&ward.scene.post("/emergency/end", &[]).await), "/");
    let (app, hash) = (&ward.scene.test.app, &ward.scene.session_hash);
    let mut reader = app.store().read();
    let found = session::find(&mut reader, Realm::Portal, hash).await.unwrap().unwrap();
    let asked = async |owed_to: Option<&str>| {
        let mut reader = app.store().read();
        let now = app.now();
        let admitted = admitted(&mut reader, app, "records", &found, owed_to, now).await.unwrap();
        admitted.map(|emergency| emergency.map(|emergency| emergency.id))
    };
    // Ended since the token was found to count; then another runs.
    assert_eq!(asked(Some(&first)).await, Err(Refusal::EmergencyOver));
    assert_eq!(asked(None).await, Ok(None));
    let second = ward.begun().await;
    assert_eq!(asked(Some(&first)).await, Err(Refusal::EmergencyOver));
    assert_eq!(asked(Some(&second)).await, Ok(Some(second.clone())));
    assert_eq!(asked(None).await, Ok(None));
}
