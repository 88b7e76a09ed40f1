//! From an account to a certificate, and what may not be certified.

use der::{Decode, Encode, asn1::Ia5String};
use http::{StatusCode, header};
use sekisho_ca::{profile::Profile, registration};
use sekisho_key::{RsaSize, SigningKey as _, SoftwareKey};
use sekisho_pki::encoding::{
    key_identifier::public_key_sha256,
    name::{Part, name},
};
use sekisho_store::{
    StoreError, acme_certificate, acme_order,
    audit::{Actor, Audited, Entry},
    certificate, server_key, service_change, subscriber_key, transaction,
};
use serde_json::{Value, json};
use time::Duration;
use x509_cert::{
    Certificate,
    ext::pkix::{SubjectAltName, name::GeneralName},
    name::Name,
};

use super::{
    client::{Answer, Client, csr, csr_of},
    scene::{HOST, OTHER_HOST, OTHER_SERVICE, SECOND_HOST, SERVICE, Scene},
};
use crate::{
    authority::Line,
    enrol::est::tests::scene::{Ask, FACILITY, TERMINAL, csr as device_csr, new_code},
    revocation::{Measure, Order, Target, carry_out},
};

fn chain(answer: &Answer) -> Vec<Certificate> {
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/pem-certificate-chain");
    Certificate::load_pem_chain(&answer.octets).unwrap()
}

fn names(certificate: &Certificate) -> Vec<String> {
    let (_, names) =
        certificate.tbs_certificate().get_extension::<SubjectAltName>().unwrap().unwrap();
    let text = |name: GeneralName| match name {
        GeneralName::DnsName(name) => name.as_str().to_owned(),
        other => panic!("{other:?}"),
    };
    names.0.into_iter().map(text).collect()
}

macro_rules! change {
    ($scene:expr, |$tx:ident, $at:ident| $body:expr) => {{
        let $at = $scene.app().now();
        transaction!($scene.app().store(), StoreError, |$tx| {
            let value = $body;
            Ok(Audited::new(value, Entry::done("test", Actor::System, $at)))
        })
        .unwrap()
    }};
}

async fn certified(scene: &Scene, client: &Client<'_>) -> (Value, SoftwareKey) {
    let order = scene.ready(client, HOST).await;
    let key = SoftwareKey::generate_p256().unwrap();
    let finalized = client.finalize(&order, &csr(&key, &[HOST])).await;
    assert_eq!(finalized.json()["status"], "valid", "{}", finalized.json());
    (finalized.json(), key)
}

#[tokio::test]
async fn a_name_that_is_shown_by_http_is_certified_for_the_key_of_the_request() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let (order, key) = certified(&scene, &client).await;
    let fetched = client.fetch(order["certificate"].as_str().unwrap()).await;
    let chain = chain(&fetched);
    assert_eq!(chain.len(), 2, "the root is known or not, and never believed from here");
    let leaf = &chain[0];
    assert_eq!(names(leaf), [HOST]);
    let spki = leaf.tbs_certificate().subject_public_key_info().to_der().unwrap();
    assert_eq!(spki, key.public_key_der());
    let issuer = scene.app().authority().servers(scene.app().now());
    assert_eq!(chain[1].to_der().unwrap(), issuer.certificate_der());
    let validity = leaf.tbs_certificate().validity();
    let days = (validity.not_after.to_unix_duration() - validity.not_before.to_unix_duration())
        .as_secs()
        / 86_400;
    assert_eq!(days, 89, "ninety, less the hour by which it is dated back");
    let trail = [
        "acme.bind done",
        "acme.open_account done",
        "acme.order done",
        "acme.validate done",
        "acme.finalize done",
        "acme.issue done",
    ];
    assert_eq!(scene.trail("acme.").await, trail);
    // The code of no device was asked, and the register knows whose it is.
    let mut reader = scene.app().store().read();
    let found = certificate::of_key(&mut reader, &public_key_sha256(&spki), 9).await.unwrap();
    assert_eq!(found[0].organisation_id.as_deref(), Some(FACILITY));
    assert_eq!(found[0].terminal_id, None);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_again_to_the_same_key_only() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let (order, key) = certified(&scene, &client).await;
    let again = client.finalize(&order, &csr(&key, &[HOST])).await.json();
    assert_eq!(again["certificate"], order["certificate"]);
    let other = SoftwareKey::generate_p256().unwrap();
    let refused = client.finalize(&order, &csr(&other, &[HOST])).await;
    assert_eq!(refused.problem(), (403, "orderNotReady".to_owned()));
    assert_eq!(scene.issued().await, 1);
}

#[tokio::test]
async fn of_two_that_finalize_at_once_one_certificate_comes() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let order = scene.ready(&client, HOST).await;
    let keys = [SoftwareKey::generate_p256().unwrap(), SoftwareKey::generate_p256().unwrap()];
    let requests = [csr(&keys[0], &[HOST]), csr(&keys[1], &[HOST])];
    let (one, two) =
        tokio::join!(client.finalize(&order, &requests[0]), client.finalize(&order, &requests[1]));
    let good = [one, two].iter().filter(|answer| answer.status == StatusCode::OK).count();
    assert_eq!(good, 1);
    assert_eq!(scene.issued().await, 1);
}

#[tokio::test]
async fn only_names_of_the_services_own_addresses_are_ordered() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    for (identifiers, kind) in [
        (json!([{ "type": "dns", "value": OTHER_HOST }]), "rejectedIdentifier"),
        (json!([{ "type": "dns", "value": format!("www.{HOST}") }]), "rejectedIdentifier"),
        (json!([{ "type": "dns", "value": format!("*.{HOST}") }]), "rejectedIdentifier"),
        (json!([{ "type": "dns", "value": format!("{HOST}.") }]), "rejectedIdentifier"),
        (json!([{ "type": "dns", "value": "" }]), "rejectedIdentifier"),
        (json!([{ "type": "dns", "value": "127.0.0.1" }]), "rejectedIdentifier"),
        (json!([{ "type": "ip", "value": "127.0.0.1" }]), "unsupportedIdentifier"),
        (
            json!([{ "type": "dns", "value": HOST }, { "type": "dns", "value": HOST.to_uppercase() }]),
            "malformed",
        ),
        (json!([]), "malformed"),
        (json!({}), "malformed"),
        (json!(vec![json!({ "type": "dns", "value": HOST }); 11]), "malformed"),
    ] {
        let refused = client.post("/acme/new-order", &json!({ "identifiers": identifiers })).await;
        assert_eq!(refused.problem(), (400, kind.to_owned()), "{identifiers}");
    }
    let both = client.order(&[HOST, OTHER_HOST]).await;
    assert!(both.detail().contains(&format!("{SECOND_HOST}, {HOST}")), "{}", both.detail());
    let of_name = &both.json()["subproblems"];
    assert_eq!(of_name.as_array().unwrap().len(), 1);
    assert_eq!(of_name[0]["identifier"]["value"], OTHER_HOST);
    let dated = json!({ "identifiers": [{ "type": "dns", "value": HOST }], "notAfter": "2036-01-01T00:00:00Z" });
    let refused = client.post("/acme/new-order", &dated).await;
    assert_eq!(refused.problem(), (400, "malformed".to_owned()));
    let trail = scene.trail("acme.order").await;
    assert!(
        !trail.is_empty() && trail.iter().all(|line| line == "acme.order refused"),
        "{trail:?}"
    );
    // Names are compared without case.
    assert_eq!(client.order(&[&HOST.to_uppercase()]).await.json()["identifiers"][0]["value"], HOST);
}

#[tokio::test]
async fn a_request_for_other_names_or_by_a_key_of_another_is_refused() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let order = scene.ready(&client, HOST).await;
    let key = SoftwareKey::generate_p256().unwrap();
    let of_device = SoftwareKey::generate_p256().unwrap();
    let of_service = SoftwareKey::generate_p256().unwrap();
    let hash = |key: &SoftwareKey| public_key_sha256(key.public_key_der());
    change!(scene, |tx, at| {
        subscriber_key::claim(tx, &hash(&of_device), TERMINAL, at).await?;
        server_key::claim(tx, &hash(&of_service), OTHER_SERVICE, at).await?;
    });
    let address = GeneralName::from(std::net::IpAddr::from([10, 0, 0, 1]));
    let named = |text: &str| name(&[Part::CommonName(text)]).unwrap();
    let dns = |text: &str| GeneralName::DnsName(Ia5String::new(text).unwrap());
    let rsa = SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap();
    for (what, request) in [
        ("more names", csr(&key, &[HOST, SECOND_HOST])),
        ("another name", csr(&key, &[SECOND_HOST])),
        ("no name", csr(&key, &[])),
        ("an address", csr_of(&key, &Name::default(), vec![dns(HOST), address])),
        ("another common name", csr_of(&key, &named(OTHER_HOST), vec![dns(HOST)])),
        ("the account's key", csr(&client.key, &[HOST])),
        ("a device's key", csr(&of_device, &[HOST])),
        ("another service's key", csr(&of_service, &[HOST])),
        ("a key of a kind that is not certified", csr(&rsa, &[HOST])),
        ("nothing", Vec::new()),
        ("garbage", b"garbage".to_vec()),
    ] {
        let refused = client.finalize(&order, &request).await;
        assert_eq!(refused.problem(), (400, "badCSR".to_owned()), "{what}: {}", refused.json());
    }
    let mut broken = csr(&key, &[HOST]);
    *broken.last_mut().unwrap() ^= 1;
    assert_eq!(client.finalize(&order, &broken).await.problem().1, "badCSR");
    let whole = csr(&key, &[HOST]);
    for length in 0..whole.len() {
        let refused = client.finalize(&order, &whole[..length]).await;
        assert_eq!(refused.problem(), (400, "badCSR".to_owned()), "{length} octets");
    }
    assert_eq!(scene.issued().await, 0);
    // Nothing of all that used the order up; the common name may be there.
    let good = csr_of(&key, &named(HOST), vec![dns(HOST)]);
    assert_eq!(client.finalize(&order, &good).await.json()["status"], "valid");
}

#[tokio::test]
async fn a_key_of_a_server_is_no_devices() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let (_, key) = certified(&scene, &client).await;
    let code = new_code(&scene.test, TERMINAL).await;
    let request = Ask::enrol(TERMINAL, &code, &device_csr(&key, &Name::default()));
    let refused = request.send(&scene.test).await;
    refused.is_refused(StatusCode::FORBIDDEN, "the key belongs to another");
}

#[tokio::test]
async fn a_key_that_was_reported_is_certified_no_more() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let order = scene.ready(&client, HOST).await;
    let key = SoftwareKey::generate_p256().unwrap();
    let report = Order {
        target: Target::Key(public_key_sha256(key.public_key_der())),
        measure: Measure::Revoke(sekisho_ca::revocation::RevocationReason::KeyCompromise),
        invalidity_at: None,
        note: String::new(),
        actor: Actor::System,
        at: scene.app().now(),
    };
    carry_out(scene.app().store(), &report).await.unwrap();
    let refused = client.finalize(&order, &csr(&key, &[HOST])).await;
    assert_eq!(refused.problem().1, "badCSR");
    assert!(refused.detail().contains("compromised"), "{}", refused.detail());
}

#[tokio::test]
async fn an_order_that_is_not_proven_is_not_finalized() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let order = client.order(&[HOST, SECOND_HOST]).await.json();
    assert_eq!(order["status"], "pending");
    let key = SoftwareKey::generate_p256().unwrap();
    let refused = client.finalize(&order, &csr(&key, &[HOST, SECOND_HOST])).await;
    assert_eq!(refused.problem(), (403, "orderNotReady".to_owned()));
    // What is over is over.
    let ready = scene.ready(&client, HOST).await;
    scene.test.clock.advance(Duration::days(1));
    let refused = client.finalize(&ready, &csr(&key, &[HOST])).await;
    assert_eq!(refused.problem(), (403, "orderNotReady".to_owned()));
}

#[tokio::test]
async fn a_service_that_is_withdrawn_gets_nothing_and_loses_what_it_has() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let (order, _) = certified(&scene, &client).await;
    let ready = scene.ready(&client, HOST).await;
    change!(scene, |tx, at| assert_eq!(service_change::withdraw(tx, SERVICE, at).await?, Some(1)));
    let mut reader = scene.app().store().read();
    let listed = acme_certificate::of_service(&mut reader, SERVICE, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].revoked);
    let key = SoftwareKey::generate_p256().unwrap();
    for refused in [
        client.finalize(&ready, &csr(&key, &[HOST])).await,
        client.order(&[HOST]).await,
        client.fetch(order["certificate"].as_str().unwrap()).await,
    ] {
        assert_eq!(refused.problem(), (403, "unauthorized".to_owned()));
    }
    assert_eq!(scene.issued().await, 1);
}

/// What a process leaves that dies between the ceremony and the last transaction.
#[tokio::test]
async fn what_a_process_left_that_died_is_found_by_the_same_key() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let order = scene.ready(&client, HOST).await;
    let key = SoftwareKey::generate_p256().unwrap();
    let request = csr(&key, &[HOST]);
    let id = order["finalize"].as_str().unwrap().split('/').nth_back(1).unwrap().to_owned();
    let app = scene.app();
    let hash = public_key_sha256(key.public_key_der());
    change!(scene, |tx, at| assert!(acme_order::claim(tx, &id, &hash, at, at).await?));
    let verified =
        sekisho_ca::request::UnverifiedRequest::parse(&request).unwrap().verify().unwrap();
    let entry = registration::ServerEntry {
        organisation_id: Some(FACILITY.to_owned()),
        key_compromised: false,
        key_used_by: None,
    };
    let profile = Profile::shipped("server").unwrap();
    let approved =
        registration::approve_server_of_service(&verified, &entry, &[HOST], &profile).unwrap();
    let authority = app.authority().current(Line::Servers, app.now());
    let left = authority.issue(app.store(), approved, app.now(), app.random()).await.unwrap();
    // It might be living still.
    assert_eq!(client.finalize(&order, &request).await.json()["status"], "processing");
    scene.test.clock.advance(Duration::seconds(11));
    let finalized = client.finalize(&order, &request).await.json();
    assert_eq!(finalized["status"], "valid", "{finalized}");
    let fetched = client.fetch(finalized["certificate"].as_str().unwrap()).await;
    assert_eq!(chain(&fetched)[0], Certificate::from_der(&left.der).unwrap());
    assert_eq!(scene.issued().await, 1);
}
