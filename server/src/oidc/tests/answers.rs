//! By which way an answer comes, and what a request may ask of it.

use serde_json::json;

use super::{
    own_keys::signed,
    scene::{Scene, payload, query},
};

#[tokio::test]
async fn a_form_carries_the_answer_where_the_client_asks_for_it() {
    let scene = Scene::new().await;
    let answer = scene.authorize(&Scene::request_with("response_mode", "form_post")).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (200, None));
    assert!(answer.body.contains(r#"action="https://referral.example/callback""#));
    for name in ["code", "state", "iss"] {
        assert!(answer.body.contains(&format!(r#"type="hidden" name="{name}""#)), "{name}");
    }
    assert!(answer.body.contains(r#"value="st&#38;te""#), "{}", answer.body);
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self' https://referral.example;"), "{policy}");
    assert!(policy.contains("script-src 'self';"), "{policy}");
    assert!(answer.headers["cache-control"].to_str().unwrap().contains("no-store"));
}

#[tokio::test]
async fn state_and_nonce_come_back_octet_by_octet_or_are_refused() {
    let scene = Scene::new().await;
    for kept in ["a b+c%2F", "戻り先=/診察?id=1", "{\"a\":[1,\"&amp;\"]}", "e\u{301}"] {
        let mut request = Scene::request();
        request.retain(|(name, _)| !matches!(*name, "state" | "nonce"));
        request.extend([("state", kept), ("nonce", kept)]);
        let answer = scene.authorize(&request).await;
        assert_eq!(answer.returned("state").as_deref(), Some(kept));
        let tokens = scene.token(&Scene::exchange(&answer.returned("code").unwrap())).await.json();
        assert_eq!(payload(tokens["id_token"].as_str().unwrap())["nonce"], kept);
        let mut leaving = vec![("state", kept), ("client_id", "referral")];
        leaving.push(("post_logout_redirect_uri", "https://referral.example/bye"));
        let leaving = format!("/end-session?{}", query(&leaving));
        let left = scene.get(&leaving, false, &scene.terminal).await;
        let left = left.location().unwrap();
        assert_eq!(left.query_pairs().next().unwrap(), ("state".into(), kept.into()));
    }
    // A form would make one of the other.
    for broken in ["a\r\nb", "a\nb", "a\rb", "\ta"] {
        for name in ["state", "nonce"] {
            let mut request = Scene::request();
            request.retain(|(other, _)| *other != name);
            request.push((name, broken));
            for mode in ["query", "form_post"] {
                let mut request = request.clone();
                request.push(("response_mode", mode));
                let answer = scene.authorize(&request).await;
                let told = answer.returned("error").or_else(|| {
                    answer
                        .body
                        .contains(r#"name="error" value="invalid_request""#)
                        .then(String::new)
                });
                assert!(told.is_some() && !answer.body.contains("name=\"code\""), "{answer:?}");
                let state = answer.returned("state").filter(|_| name == "state");
                assert_eq!(state, None, "what was not sent so does not come back");
            }
        }
        let leaving = query(&[("state", broken), ("client_id", "referral")]);
        let refused = scene.get(&format!("/end-session?{leaving}"), false, &scene.terminal).await;
        assert_eq!(refused.status, 400);
    }
    assert_eq!(scene.codes().await, 4);
}

#[tokio::test]
async fn a_refused_person_goes_back_by_a_form_as_well() {
    let scene = Scene::new().await;
    let closed = super::scene::service_file("closed", super::scene::PHARMACISTS);
    scene.register(&closed).await;
    let mut request = Scene::request_with("response_mode", "form_post");
    request.retain(|(name, _)| !matches!(*name, "client_id" | "redirect_uri"));
    request.extend([("client_id", "closed"), ("redirect_uri", "https://closed.example/callback")]);
    let answer = scene.authorize(&request).await;
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains(r#"name="error" value="access_denied""#), "{}", answer.body);
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self' https://closed.example;"), "{policy}");
}

#[tokio::test]
async fn a_request_by_post_leads_to_the_same_by_get() {
    let scene = Scene::new().await;
    let posted = scene.post_to_authorize(&query(&Scene::request())).await;
    assert_eq!(posted.status, 303);
    let path = posted.headers["location"].to_str().unwrap();
    let answer = scene.get(path, true, &scene.terminal).await;
    assert!(answer.returned("code").is_some(), "{answer:?}");
    let no_form = scene.post_to_authorize("a=%").await;
    assert_eq!(no_form.status, 400);
}

#[tokio::test]
async fn a_claim_is_told_when_it_is_asked_for_by_name_and_approved() {
    let scene = Scene::new().await;
    let claims = r#"{"userinfo":{"name":null,"terminal":{"essential":true}},"id_token":null}"#;
    let mut request = Scene::request_with("scope", "openid");
    request.push(("claims", claims));
    let answer = scene.authorize(&request).await;
    let code = answer.returned("code").unwrap_or_else(|| panic!("{answer:?}"));
    let tokens = scene.token(&Scene::exchange(&code)).await.json();
    let told = payload(tokens["id_token"].as_str().unwrap());
    assert_eq!(told["name"], "山田　太郎");
    let userinfo = scene.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
    assert_eq!(userinfo["name"], told["name"]);
    for told in [told, userinfo] {
        assert!(told.get("terminal").is_none(), "not approved for its scope");
        assert!(told.get("hc_role").is_none(), "not asked for");
    }
}

#[tokio::test]
async fn a_level_that_no_login_reaches_and_another_person_are_refused_as_what_they_are() {
    let scene = Scene::new().await;
    let asked = async |claims: &'static str, prompt: &'static str| {
        let mut request = Scene::request_with("claims", claims);
        request.push(("prompt", prompt));
        scene.authorize(&request).await.returned("error")
    };
    let level = r#"{"id_token":{"acr":{"essential":true,"values":["urn:example:gold"]}}}"#;
    assert_eq!(asked(level, "none").await.as_deref(), Some("unmet_authentication_requirements"));
    let wish = r#"{"id_token":{"acr":{"values":["urn:example:gold"]}}}"#;
    assert_eq!(asked(wish, "none").await, None, "a wish is no demand");
    // Known to rules, and reached by no card.
    let password =
        r#"{"id_token":{"acr":{"essential":true,"value":"urn:oid:1.3.6.1.4.1.32473.3.1"}}}"#;
    let both = r#"{"id_token":{"acr":{"essential":true,"values":["urn:oid:1.3.6.1.4.1.32473.3.1","urn:oid:1.3.6.1.4.1.32473.3.4"]}}}"#;
    let apart = r#"{"id_token":{"acr":{"essential":true,"value":"urn:oid:1.3.6.1.4.1.32473.3.1"}},"userinfo":{"acr":{"essential":true,"value":"urn:oid:1.3.6.1.4.1.32473.3.4"}}}"#;
    let number = r#"{"id_token":{"acr":{"essential":true,"value":4}}}"#;
    let any = r#"{"id_token":{"acr":{"essential":true}}}"#;
    for prompt in ["none", "login", "consent"] {
        for unmet in [password, apart, number] {
            let error = asked(unmet, prompt).await;
            assert_eq!(error.as_deref(), Some("unmet_authentication_requirements"), "{prompt}");
        }
    }
    for met in [both, any] {
        assert_eq!(asked(met, "none").await, None);
    }
    let document = scene.public("GET", "/.well-known/openid-configuration", &[], "").await.json();
    assert_eq!(document["acr_values_supported"], json!([sekisho_wire::acr::HPKI_CARD]));
    let other = r#"{"id_token":{"sub":{"value":"somebody"}}}"#;
    assert_eq!(asked(other, "none").await.as_deref(), Some("login_required"));
}

#[tokio::test]
async fn a_hint_names_the_person_who_is_expected() {
    let scene = Scene::new().await;
    let tokens = scene.token(&Scene::exchange(&scene.code().await)).await.json();
    let hint = tokens["id_token"].as_str().unwrap().to_owned();
    let hint: &'static str = Box::leak(hint.into_boxed_str());
    let mut request = Scene::request_with("id_token_hint", hint);
    request.push(("prompt", "none"));
    assert!(scene.authorize(&request).await.returned("code").is_some());
    let mut claims = payload(hint);
    claims["sub"] = json!("somebody else");
    let other = signed(&scene.test.app, "JWT", &claims).await;
    let other: &'static str = Box::leak(other.into_boxed_str());
    let mut request = Scene::request_with("id_token_hint", other);
    request.push(("prompt", "none"));
    let answer = scene.authorize(&request).await;
    assert_eq!(answer.returned("error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn a_client_that_is_registered_for_it_needs_neither_pkce_nor_a_nonce() {
    let scene = Scene::new().await;
    let file = super::scene::service_file("classic", super::scene::PHYSICIANS)
        .replace("\n[[rules]]", "\n[protocol]\nrequire_pkce = false\n[[rules]]");
    let secret = scene.register(&file).await;
    let callback = "https://classic.example/callback";
    let mut request = Scene::request_of("classic", callback);
    request.retain(|(name, _)| !name.starts_with("code_challenge"));
    let returned = async |request: &[(&str, &str)]| {
        let answer = scene.authorize(request).await;
        super::client::Returned::of(&answer, callback)
    };
    let good = returned(&request).await;
    let mut form = Scene::exchange_at(callback, good.get("code").unwrap());
    let injected = scene.token_as("classic", &secret, &form).await;
    assert_eq!(injected.json()["error"], "invalid_grant", "a verifier without a challenge");
    form.retain(|(name, _)| *name != "code_verifier");
    assert_eq!(scene.token_as("classic", &secret, &form).await.status, 200);
    request.retain(|(name, _)| *name != "nonce");
    let bare = returned(&request).await;
    form[1].1 = bare.get("code").unwrap().to_owned();
    let tokens = scene.token_as("classic", &secret, &form).await.json();
    assert!(payload(tokens["id_token"].as_str().unwrap()).get("nonce").is_none());
}

#[tokio::test]
async fn the_userinfo_is_signed_for_who_registered_so() {
    let scene = Scene::new().await;
    let file = super::scene::service_file("sealed", super::scene::PHYSICIANS).replace(
        "\n[[rules]]",
        "\n[protocol]\nuserinfo_signed_response_alg = \"ES256\"\nsubject_type = \"public\"\n[[rules]]",
    );
    let secret = scene.register(&file).await;
    let callback = "https://sealed.example/callback";
    let answer = scene.authorize(&Scene::request_of("sealed", callback)).await;
    let returned = super::client::Returned::of(&answer, callback);
    let form = Scene::exchange_at(callback, returned.get("code").unwrap());
    let tokens = scene.token_as("sealed", &secret, &form).await.json();
    let told = scene.userinfo(tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(told.headers["content-type"], "application/jwt");
    let claims = payload(&told.body);
    assert_eq!(claims["aud"], "sealed");
    assert_eq!(claims["sub"], payload(tokens["id_token"].as_str().unwrap())["sub"]);
}
