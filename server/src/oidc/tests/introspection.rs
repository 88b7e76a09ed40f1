//! What becomes of tokens that are asked about (RFC 7662, RFC 9701) and given back (RFC 7009), and those
//! that a client has for itself (RFC 6749 §4.4) or in a person's name (RFC 8693).

use serde_json::{Value, json};

use crate::oidc::client::{Registry, prepare};

use super::{
    client::TestClient,
    own_keys::verified,
    scene::{Answer, PHYSICIANS, Scene, payload, query, service_file},
};

const RECORDS: &str = "https://records.example/api";

struct Network {
    scene: Scene,
    client: TestClient,
    records_secret: String,
}

impl Network {
    /// A client that may call the records, and may renew.
    async fn new() -> Self {
        let (scene, client) = (Scene::new().await, TestClient::new("calling"));
        let records = service_file("records", PHYSICIANS).replace(
            "\n[[rules]]",
            &format!("\n[protocol]\nresources = [\"{RECORDS}\"]\n[[rules]]"),
        );
        let records_secret = scene.register(&records).await;
        let protocol = "calls = [\"records\"]\n\
            grant_types = [\"authorization_code\", \"refresh_token\", \"client_credentials\", \
            \"urn:ietf:params:oauth:grant-type:token-exchange\"]";
        scene.register(&client.file(protocol)).await;
        Self { scene, client, records_secret }
    }

    async fn tokens(&self, resource: Option<&str>) -> Value {
        let mut request = self.client.request();
        request.extend(resource.map(|resource| ("resource", resource.to_owned())));
        let reference = self.client.push(&self.scene, &request).await;
        let returned = self.client.answered(&self.scene, &reference).await;
        let code = returned.get("code").unwrap_or_else(|| panic!("{returned:?}"));
        let answer =
            self.client.post(&self.scene, "/token", &self.client.exchange(code), None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    async fn own(&self, path: &str, token: &str) -> Answer {
        self.client.post(&self.scene, path, &[("token", token.to_owned())], None).await
    }

    async fn as_records(&self, token: &str) -> Value {
        let basic = crate::oidc::tests::scene::basic("records", &self.records_secret);
        let headers = [("authorization", basic.as_str())];
        let body = query(&[("token", token)]);
        self.scene.public("POST", "/introspect", &headers, &body).await.json()
    }
}

#[tokio::test]
async fn a_client_learns_of_its_own_tokens_and_a_resource_of_those_for_it() {
    let network = Network::new().await;
    let tokens = network.tokens(Some(RECORDS)).await;
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(payload(access)["aud"], RECORDS);
    let told = network.own("/introspect", access).await.json();
    assert_eq!((&told["active"], &told["aud"]), (&json!(true), &json!(RECORDS)));
    assert_eq!((&told["client_id"], &told["token_type"]), (&json!("calling"), &json!("Bearer")));
    assert_eq!(told["sub"], payload(access)["sub"]);
    assert!(told.get("name").is_none(), "no personal data");
    assert_eq!(network.as_records(access).await["active"], true);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(network.own("/introspect", refresh).await.json()["active"], true);
    assert_eq!(network.as_records(refresh).await, json!({"active": false}));
    assert_eq!(network.scene.userinfo(access).await.status, 401, "it is for the records alone");

    let other = network.tokens(None).await;
    let other = other["access_token"].as_str().unwrap();
    assert_eq!(network.as_records(other).await, json!({"active": false}), "not for the records");
    for nothing in ["", "a", "a.b.c", tokens["id_token"].as_str().unwrap()] {
        let told = network.own("/introspect", nothing).await;
        match nothing {
            "" => assert_eq!(told.json()["error"], "invalid_request"),
            _ => assert_eq!(told.json(), json!({"active": false}), "{nothing}"),
        }
    }
    network.scene.end_session().await;
    assert_eq!(network.own("/introspect", access).await.json(), json!({"active": false}));
    assert_eq!(network.own("/introspect", refresh).await.json(), json!({"active": false}));
}

#[tokio::test]
async fn a_code_is_not_spoilt_by_a_resource_that_its_request_did_not_name() {
    let network = Network::new().await;
    let mut request = network.client.request();
    request.push(("resource", RECORDS.to_owned()));
    let reference = network.client.push(&network.scene, &request).await;
    let returned = network.client.answered(&network.scene, &reference).await;
    let good = network.client.exchange(returned.get("code").unwrap());
    let mut other = good.clone();
    other.push(("resource", "https://elsewhere.example/".to_owned()));
    let refused = network.client.post(&network.scene, "/token", &other, None).await;
    assert_eq!(refused.json()["error"], "invalid_target");
    assert_eq!(network.scene.grants().await, 0);
    let given = network.client.post(&network.scene, "/token", &good, None).await;
    assert_eq!(given.status, 200, "{given:?}");
}

#[tokio::test]
async fn who_does_not_prove_itself_learns_nothing() {
    let network = Network::new().await;
    let file = service_file("open", PHYSICIANS).replace("client_secret_basic", "none");
    network.scene.register(&file).await;
    let tokens = network.tokens(None).await;
    let token = tokens["access_token"].as_str().unwrap();
    for form in [vec![("token", token)], vec![("token", token), ("client_id", "open")]] {
        let answer = network.scene.public("POST", "/introspect", &[], &query(&form)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (401, &"invalid_client".into())
        );
    }
}

#[tokio::test]
async fn the_answer_is_signed_on_request() {
    let network = Network::new().await;
    let tokens = network.tokens(None).await;
    let token = tokens["access_token"].as_str().unwrap();
    let mut form = vec![("token", token.to_owned())];
    form.extend(network.client.assertion(&network.scene).await);
    let headers = [("accept", "application/token-introspection+jwt")];
    let answer = network.scene.public("POST", "/introspect", &headers, &query(&form)).await;
    assert_eq!(answer.headers["content-type"], "application/token-introspection+jwt");
    let app = &network.scene.test.app;
    let claims = verified(app, "token-introspection+jwt", &answer.body).await;
    assert_eq!(claims["aud"], "calling");
    assert_eq!(claims["token_introspection"]["active"], true);
    // RFC 9701 §5: not to be taken for a token itself.
    assert!(claims.get("sub").is_none() && claims.get("exp").is_none(), "{claims}");
}

#[tokio::test]
async fn a_token_that_is_given_back_counts_no_longer() {
    let network = Network::new().await;
    let tokens = network.tokens(None).await;
    let (access, refresh) =
        (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    for _ in 0..2 {
        let answer = network.own("/revoke", access).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
    }
    assert_eq!(network.scene.userinfo(access).await.status, 401);
    let form = [("grant_type", "refresh_token".to_owned()), ("refresh_token", refresh.to_owned())];
    let renewed = network.client.post(&network.scene, "/token", &form, None).await.json();
    let (access, refresh) =
        (renewed["access_token"].as_str().unwrap(), renewed["refresh_token"].as_str().unwrap());
    assert_eq!(network.scene.userinfo(access).await.status, 200, "the grant lives on");
    assert_eq!(network.own("/revoke", refresh).await.status, 200);
    assert_eq!(network.scene.userinfo(access).await.status, 401, "all of the grant is over");
    assert!(network.scene.acts().await.contains(&"token.revoke done".to_owned()));
}

#[tokio::test]
async fn anothers_token_and_no_token_are_answered_alike_and_nothing_happens() {
    let network = Network::new().await;
    let tokens = network.tokens(None).await;
    let basic = crate::oidc::tests::scene::basic("records", &network.records_secret);
    for token in [&tokens["access_token"], &tokens["refresh_token"], &json!("a.b.c"), &json!("x")] {
        let body = query(&[("token", token.as_str().unwrap())]);
        let headers = [("authorization", basic.as_str())];
        let answer = network.scene.public("POST", "/revoke", &headers, &body).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
    }
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(network.scene.userinfo(access).await.status, 200);
}

#[tokio::test]
async fn a_client_has_tokens_for_itself_where_it_may_call() {
    let network = Network::new().await;
    let ask = async |more: &[(&'static str, &str)]| {
        let mut form = vec![("grant_type", "client_credentials".to_owned())];
        form.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        network.client.post(&network.scene, "/token", &form, None).await
    };
    let answer = ask(&[("resource", RECORDS)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert!(answer.get("id_token").is_none() && answer.get("refresh_token").is_none());
    let access = answer["access_token"].as_str().unwrap();
    let claims = payload(access);
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("calling"), &json!(RECORDS)));
    assert!(claims.get("acr").is_none() && claims.get("scope").is_none());
    assert_eq!(network.as_records(access).await["active"], true);
    assert_eq!(network.scene.userinfo(access).await.status, 401);
    network.own("/revoke", access).await;
    assert_eq!(network.as_records(access).await, json!({"active": false}));
    for (more, error) in [
        (vec![], "invalid_request"),
        (vec![("resource", "https://elsewhere.example/")], "invalid_target"),
        (vec![("resource", RECORDS), ("scope", "openid")], "invalid_scope"),
        (vec![("resource", RECORDS), ("resource", "https://elsewhere.example/")], "invalid_target"),
    ] {
        assert_eq!(ask(&more).await.json()["error"], error, "{more:?}");
    }
}

impl Network {
    async fn exchange(&self, token: &str, more: &[(&'static str, &str)]) -> Answer {
        let access_token = "urn:ietf:params:oauth:token-type:access_token";
        let mut form = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange".to_owned()),
            ("subject_token", token.to_owned()),
            ("subject_token_type", access_token.to_owned()),
            ("resource", RECORDS.to_owned()),
        ];
        for (name, value) in more {
            form.retain(|(existing, _)| existing != name);
            form.push((*name, (*value).to_owned()));
        }
        self.client.post(&self.scene, "/token", &form, None).await
    }
}

#[tokio::test]
async fn a_service_calls_another_in_a_persons_name_by_a_token_for_it() {
    let network = Network::new().await;
    let tokens = network.tokens(None).await;
    let own = tokens["access_token"].as_str().unwrap();
    let answer = network.exchange(own, &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!(answer["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    assert!(answer.get("refresh_token").is_none() && answer.get("id_token").is_none());
    let called = answer["access_token"].as_str().unwrap();
    let claims = payload(called);
    assert_eq!((&claims["aud"], &claims["act"]["sub"]), (&json!(RECORDS), &json!("calling")));
    assert_ne!(claims["sub"], payload(own)["sub"], "each sector has its own name for a person");
    assert_eq!(network.as_records(called).await["active"], true);
    assert_eq!(network.scene.userinfo(called).await.status, 401);
    network.scene.end_session().await;
    assert_eq!(network.as_records(called).await, json!({"active": false}));
    let late = network.exchange(own, &[]).await;
    assert_eq!(late.json()["error"], "invalid_request");
}

#[tokio::test]
async fn a_token_from_an_exchange_counts_no_longer_than_what_it_came_from() {
    let network = Network::new().await;
    let tokens = network.tokens(None).await;
    let called = network.exchange(tokens["access_token"].as_str().unwrap(), &[]).await.json();
    let called = called["access_token"].as_str().unwrap();
    // Once more, from what an exchange gave.
    let further = network.exchange(called, &[]).await.json();
    let further = further["access_token"].as_str().unwrap();
    for token in [called, further] {
        assert_eq!(network.as_records(token).await["active"], true);
    }
    network.own("/revoke", tokens["refresh_token"].as_str().unwrap()).await;
    for token in [called, further] {
        assert_eq!(network.as_records(token).await, json!({"active": false}));
    }
}

#[tokio::test]
async fn a_resource_belongs_to_one_service_and_never_to_us() {
    let network = Network::new().await;
    let app = &network.scene.test.app;
    let ours = format!("{}/api", app.names().public);
    for (resource, told) in [(RECORDS, "is a resource of records"), (ours.as_str(), "own names")] {
        let file = service_file("thief", PHYSICIANS).replace(
            "\n[[rules]]",
            &format!("\n[protocol]\nresources = [\"{resource}\"]\n[[rules]]"),
        );
        let refused = prepare(&Registry::of(app), &file).await.unwrap_err().to_string();
        assert!(refused.contains(told) && refused.contains(resource), "{refused}");
    }
}

#[tokio::test]
async fn a_token_is_exchanged_by_its_client_for_services_that_it_may_call_and_that_admit_the_person()
 {
    let network = Network::new().await;
    let tokens = network.tokens(None).await;
    let own = tokens["access_token"].as_str().unwrap();
    let id_token = tokens["id_token"].as_str().unwrap();
    for (token, more, error) in [
        ("a.b.c", vec![], "invalid_request"),
        (id_token, vec![], "invalid_request"),
        (own, vec![("resource", "https://elsewhere.example/")], "invalid_target"),
        (own, vec![("resource", "")], "invalid_target"),
        (own, vec![("scope", "openid")], "invalid_scope"),
        (own, vec![("actor_token", "x")], "invalid_request"),
        (
            own,
            vec![("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")],
            "invalid_request",
        ),
        (
            own,
            vec![("requested_token_type", "urn:ietf:params:oauth:token-type:jwt")],
            "invalid_request",
        ),
    ] {
        let answer = network.exchange(token, &more).await;
        assert_eq!(answer.json()["error"], error, "{more:?}");
    }
    let strangers = network.scene.token(&Scene::exchange(&network.scene.code().await)).await.json();
    let stolen = network.exchange(strangers["access_token"].as_str().unwrap(), &[]).await;
    assert_eq!(stolen.json()["error"], "invalid_request", "another client's");

    let closed = super::scene::PHARMACISTS;
    super::refresh::rules(&network.scene, "records", closed).await;
    let refused = network.exchange(own, &[]).await;
    assert_eq!(refused.json()["error"], "invalid_target");
    assert!(
        network.scene.acts().await.contains(&"token.exchange refused not_permitted".to_owned())
    );
}
