//! One good request for each path of the door, for tests that spoil them.

use std::collections::BTreeMap;

use der::{Decode, Encode};
use sekisho_key::SoftwareKey;
use sekisho_pki::encoding::key_identifier::key_identifier;
use sekisho_protocol::octets::encode;
use sekisho_store::{
    StoreError, acme_order,
    audit::{Actor, Audited, Entry},
    transaction,
};
use serde_json::{Value, json};
use x509_cert::Certificate;

use super::client::{Client, binding, csr, signed};
use crate::{app::App, demo::acme_client};

/// Identifiers, and bodies by the templates of their paths.
pub(crate) struct Prepared {
    pub(crate) account: String,
    pub(crate) pending_order: String,
    pub(crate) ready_order: String,
    pub(crate) authorization: String,
    pub(crate) fulfilled_order: String,
    pub(crate) renewal_info: String,
    bodies: BTreeMap<&'static str, String>,
}

impl Prepared {
    pub(crate) fn body(&self, path: &str) -> Vec<u8> {
        self.bodies[path].clone().into_bytes()
    }
}

fn last(address: &str) -> String {
    address.rsplit('/').next().unwrap().to_owned()
}

/// An order of this name that is proven, without anybody having been asked.
async fn proven(client: &Client<'_>, name: &str) -> Value {
    let order = client.order(&[name]).await;
    let id = last(order.json()["authorizations"][0].as_str().unwrap());
    let at = client.app.now();
    transaction!(client.app.store(), StoreError, |tx| {
        assert!(acme_order::conclude(tx, &id, "http-01", None, at).await?);
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    client.fetch(&order.location()).await.json()
}

/// Of this service, one of whose names is `name`.
pub(crate) async fn prepared(app: &App, service_id: &str, name: &str) -> Prepared {
    let client = Client::of(app, service_id).await;
    let account = client.kid.clone().unwrap();
    let pending = client.order(&[name]).await;
    let authorization = last(pending.json()["authorizations"][0].as_str().unwrap());
    let ready = proven(&client, name).await;
    let ready_order =
        ready["finalize"].as_str().unwrap().split('/').nth_back(1).unwrap().to_owned();
    let key = SoftwareKey::generate_p256().unwrap();
    let done = client.finalize(&proven(&client, name).await, &csr(&key, &[name])).await.json();
    let certificate = done["certificate"].as_str().unwrap();
    let fulfilled_order = last(certificate);
    let chain = client.fetch(certificate).await;
    let leaf = Certificate::load_pem_chain(&chain.octets).unwrap().remove(0);
    let issuer = app.authority().servers(app.now());
    let issuer = Certificate::from_der(issuer.certificate_der()).unwrap();
    let spki = issuer.tbs_certificate().subject_public_key_info().to_der().unwrap();
    let serial = leaf.tbs_certificate().serial_number().as_bytes();
    let renewal_info = format!("{}.{}", encode(key_identifier(&spki).unwrap()), encode(serial));

    let mut bodies = BTreeMap::new();
    let (kid, mac_key) = binding(app, service_id).await;
    let newcomer = Client::new(app);
    let path = "/acme/new-account";
    let bound = acme_client::bound(&kid, &mac_key, &newcomer.url(path), &newcomer.jwk()).unwrap();
    let opening = json!({ "externalAccountBinding": bound }).to_string();
    bodies.insert(path, newcomer.body(path, opening.as_bytes()).await);

    let next = Client::new(app);
    let path = "/acme/key-change";
    let header = json!({ "alg": "ES256", "jwk": next.jwk(), "url": client.url(path) });
    let change = json!({ "account": account, "oldKey": client.jwk() }).to_string();
    let change = signed(&next.key, &header, change.as_bytes()).to_string();

    let request = SoftwareKey::generate_p256().unwrap();
    let finalize = json!({ "csr": encode(csr(&request, &[name])) }).to_string();
    let revoke = json!({ "certificate": encode(leaf.to_der().unwrap()) }).to_string();
    let order = json!({ "identifiers": [{ "type": "dns", "value": name }] }).to_string();
    let contact = json!({ "contact": ["mailto:a@example"] }).to_string();
    for (template, id, payload) in [
        ("/acme/new-order", "", order.as_str()),
        ("/acme/account/{id}", &last(&account), &contact),
        ("/acme/account/{id}/orders", &last(&account), ""),
        ("/acme/order/{id}", &last(&pending.location()), ""),
        ("/acme/order/{id}/finalize", &ready_order, &finalize),
        ("/acme/authorization/{id}", &authorization, ""),
        ("/acme/http-01/{id}", &authorization, ""),
        ("/acme/tls-alpn-01/{id}", &authorization, ""),
        ("/acme/certificate/{id}", &fulfilled_order, ""),
        ("/acme/revoke-cert", "", &revoke),
        (path, "", &change),
    ] {
        let body = client.body(&template.replace("{id}", id), payload.as_bytes()).await;
        bodies.insert(template, body);
    }
    Prepared {
        account: last(&account),
        pending_order: last(&pending.location()),
        ready_order,
        authorization,
        fulfilled_order,
        renewal_info,
        bodies,
    }
}
