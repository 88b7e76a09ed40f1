//! Renewal information, replacement, and taking back.

use der::Encode;
use http::{StatusCode, header};
use sekisho_key::SoftwareKey;
use sekisho_pki::encoding::key_identifier::key_identifier;
use sekisho_protocol::octets::encode;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use x509_cert::Certificate;

use super::{
    client::{Client, csr},
    scene::{HOST, OTHER_SERVICE, Scene},
};

async fn certified(scene: &Scene, client: &Client<'_>) -> (Certificate, SoftwareKey) {
    let order = scene.ready(client, HOST).await;
    let key = SoftwareKey::generate_p256().unwrap();
    let finalized = client.finalize(&order, &csr(&key, &[HOST])).await.json();
    let fetched = client.fetch(finalized["certificate"].as_str().unwrap()).await;
    (Certificate::load_pem_chain(&fetched.octets).unwrap().remove(0), key)
}

/// RFC 9773 §4.1.
fn id(scene: &Scene, certificate: &Certificate) -> String {
    let issuer = scene.app().authority().servers(scene.app().now());
    let spki = issuer.certificate().tbs_certificate().subject_public_key_info().to_der().unwrap();
    let serial = certificate.tbs_certificate().serial_number().as_bytes();
    format!("{}.{}", encode(key_identifier(&spki).unwrap()), encode(serial))
}

fn revocation(certificate: &Certificate, reason: u8) -> Value {
    json!({ "certificate": encode(certificate.to_der().unwrap()), "reason": reason })
}

async fn window(client: &Client<'_>, id: &str) -> (OffsetDateTime, OffsetDateTime) {
    let told = client.get(&format!("/acme/renewal-info/{id}")).await;
    assert_eq!(told.headers[header::RETRY_AFTER], "21600");
    let json = told.json();
    let at = |name: &str| {
        let text = json["suggestedWindow"][name].as_str().unwrap();
        OffsetDateTime::parse(text, &Rfc3339).unwrap()
    };
    (at("start"), at("end"))
}

#[tokio::test]
async fn when_to_renew_is_told_and_at_once_of_what_was_taken_back() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let (certificate, _) = certified(&scene, &client).await;
    let id = id(&scene, &certificate);
    let (start, end) = window(&client, &id).await;
    let now = scene.app().now();
    assert!(start > now + Duration::days(59) && start < now + Duration::days(61));
    assert!(end > now + Duration::days(74) && end < now + Duration::days(76));
    let revoked = client.post("/acme/revoke-cert", &revocation(&certificate, 4)).await;
    assert_eq!(revoked.status, StatusCode::OK, "{}", revoked.json());
    let (_, end) = window(&client, &id).await;
    assert!(end < now);
    let (key, serial) = id.split_once('.').unwrap();
    for (id, status) in [
        (format!("{key}.AQ"), 404),
        (format!("AQ.{serial}"), 404),
        (format!("{key}."), 400),
        (format!("{key}.gA"), 400),
        (serial.to_owned(), 400),
        ("%2e%2e".to_owned(), 400),
        (format!("{key}.{}", "A".repeat(200)), 404),
    ] {
        let refused = client.get(&format!("/acme/renewal-info/{id}")).await;
        assert_eq!(refused.problem(), (status, "malformed".to_owned()), "{id}");
    }
}

#[tokio::test]
async fn a_certificate_is_replaced_once_and_by_its_own_service() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let (certificate, _) = certified(&scene, &client).await;
    let id = id(&scene, &certificate);
    let order =
        |host: &str| json!({ "identifiers": [{ "type": "dns", "value": host }], "replaces": id });
    let stranger = Client::of(scene.app(), OTHER_SERVICE).await;
    let refused = stranger.post("/acme/new-order", &order(super::scene::OTHER_HOST)).await;
    assert_eq!(refused.problem(), (400, "malformed".to_owned()));
    let first = client.post("/acme/new-order", &order(HOST)).await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(first.json()["replaces"], id);
    assert_eq!(client.fetch(&first.location()).await.json()["replaces"], id);
    let second = client.post("/acme/new-order", &order(HOST)).await;
    assert_eq!(second.problem(), (409, "alreadyReplaced".to_owned()));
    // What came to nothing stands in nobody's way.
    let authorization = first.json()["authorizations"][0].as_str().unwrap().to_owned();
    let given_up = client.post(&authorization, &json!({ "status": "deactivated" })).await;
    assert_eq!(given_up.json()["status"], "deactivated");
    assert_eq!(client.fetch(&first.location()).await.json()["status"], "invalid");
    let third = client.post("/acme/new-order", &order(HOST)).await;
    assert_eq!(third.status, StatusCode::CREATED);
    let unknown = json!({ "identifiers": [{ "type": "dns", "value": HOST }], "replaces": "AQ.AQ" });
    assert_eq!(client.post("/acme/new-order", &unknown).await.problem().0, 404);
}

#[tokio::test]
async fn a_certificate_is_taken_back_by_its_service_or_its_key_and_nobody_else() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let (one, key) = certified(&scene, &client).await;
    let (two, _) = certified(&scene, &client).await;
    let path = "/acme/revoke-cert";
    let stranger = Client::of(scene.app(), OTHER_SERVICE).await;
    let by_another_key = Client::new(scene.app());
    for refused in [
        stranger.post(path, &revocation(&one, 0)).await,
        by_another_key.post(path, &revocation(&one, 0)).await,
    ] {
        assert_eq!(refused.problem(), (403, "unauthorized".to_owned()));
    }
    assert_eq!(scene.trail("acme.revoke").await, ["acme.revoke refused"; 2]);
    for reason in [2, 6, 7, 8, 9, 10, 11, 255] {
        let refused = client.post(path, &revocation(&one, reason)).await;
        assert_eq!(refused.problem(), (400, "badRevocationReason".to_owned()), "{reason}");
    }
    // Another account of the same service.
    let colleague = scene.client().await;
    assert_eq!(colleague.post(path, &revocation(&two, 5)).await.status, StatusCode::OK);
    let itself = Client { app: scene.app(), key, kid: None };
    assert_eq!(itself.post(path, &revocation(&one, 1)).await.status, StatusCode::OK);
    let again = client.post(path, &revocation(&one, 1)).await;
    assert_eq!(again.problem(), (400, "alreadyRevoked".to_owned()));
    assert_eq!(scene.trail("revocation.revoke").await.len(), 2);
    // What was given away is certified no more.
    let order = scene.ready(&client, HOST).await;
    let refused = client.finalize(&order, &csr(&itself.key, &[HOST])).await;
    assert_eq!(refused.problem().1, "badCSR");
}

#[tokio::test]
async fn what_is_no_certificate_of_a_service_is_not_taken_back() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let (certificate, _) = certified(&scene, &client).await;
    let path = "/acme/revoke-cert";
    let issuer = scene.app().authority().servers(scene.app().now()).certificate_der().to_vec();
    let der = certificate.to_der().unwrap();
    let mut other = der.clone();
    *other.last_mut().unwrap() ^= 1;
    for (octets, status) in
        [(issuer, 404), (other, 404), (Vec::new(), 404), (der[..der.len() - 1].to_vec(), 404)]
    {
        let refused = client.post(path, &json!({ "certificate": encode(&octets) })).await;
        assert_eq!(refused.problem(), (status, "malformed".to_owned()));
    }
    let refused = client.post(path, &json!({ "certificate": "+" })).await;
    assert_eq!(refused.problem(), (400, "malformed".to_owned()));
}
