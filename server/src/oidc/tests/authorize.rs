//! The table of checks, one row a test or two.

use time::Duration;

use super::scene::{CHALLENGE, PHARMACISTS, Scene, no_certificate, query, service_file};

#[tokio::test]
async fn a_good_request_returns_a_code_with_state_and_issuer() {
    let scene = Scene::new().await;
    let answer = scene.authorize(&Scene::request()).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(answer.returned("state").unwrap(), "st&te");
    assert_eq!(answer.returned("iss").unwrap(), scene.test.app.names().public);
    assert_eq!(answer.returned("code").unwrap().len(), 43);
    assert_eq!(answer.returned("error"), None);
    assert!(scene.acts().await.contains(&"authorization.code done".to_owned()));
}

#[tokio::test]
async fn an_unknown_client_or_address_gets_a_page_and_never_a_redirect() {
    let scene = Scene::new().await;
    for (name, value) in [
        ("client_id", "stranger"),
        ("client_id", ""),
        ("redirect_uri", ""),
        ("redirect_uri", "https://evil.example/callback"),
        // Neighbours of the registered one: a prefix, a suffix, another case, port or query.
        ("redirect_uri", "https://referral.example/callback/../evil"),
        ("redirect_uri", "https://referral.example/callback?x=1"),
        ("redirect_uri", "https://referral.example/callbac"),
        ("redirect_uri", "https://referral.example/Callback"),
        ("redirect_uri", "https://referral.example:443/callback"),
        ("redirect_uri", "https://referral.example.evil.example/callback"),
        ("redirect_uri", "http://referral.example/callback"),
        ("redirect_uri", "javascript:alert(1)"),
    ] {
        let answer = scene.authorize(&Scene::request_with(name, value)).await;
        assert_eq!(answer.status, 400, "{name}={value}");
        assert_eq!(answer.location(), None, "{name}={value}");
        assert!(!answer.body.contains("href=\"https://evil"), "no link leads there");
    }
    for twice in ["client_id", "redirect_uri"] {
        let mut parameters = Scene::request();
        let first = *parameters.iter().find(|(name, _)| *name == twice).unwrap();
        parameters.push(first);
        let answer = scene.authorize(&parameters).await;
        assert_eq!((answer.status.as_u16(), answer.location()), (400, None), "{twice}");
        // Not as an unknown service or address: both may be registered.
        assert!(answer.body.contains(&format!("同じ項目（{twice}）")), "{}", answer.body);
    }
    assert_eq!(scene.codes().await, 0);
}

#[tokio::test]
async fn a_faulty_request_is_told_to_the_client_with_its_state() {
    let scene = Scene::new().await;
    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_mode", "web_message", "invalid_request"),
        ("scope", "", "invalid_scope"),
        ("scope", "profile", "invalid_scope"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("prompt", "create", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
        ("max_age", "+5", "invalid_request"),
        ("max_age", "soon", "invalid_request"),
        ("request", "eyJ", "invalid_request_object"),
        ("claims", "[]", "invalid_request"),
        ("claims", "{", "invalid_request"),
        ("id_token_hint", "a.b.c", "invalid_request"),
        ("dpop_jkt", "short", "invalid_request"),
        ("resource", "https://records.example/", "invalid_target"),
        ("request_uri", "https://evil.example/r", "request_uri_not_supported"),
        ("registration", "{}", "registration_not_supported"),
    ] {
        let answer = scene.authorize(&Scene::request_with(name, value)).await;
        assert_eq!(answer.returned("error").as_deref(), Some(error), "{name}={value} {answer:?}");
        assert_eq!(answer.returned("state").as_deref(), Some("st&te"));
        assert_eq!(answer.returned("code"), None);
    }
    assert_eq!(scene.codes().await, 0);
}

#[tokio::test]
async fn a_repeated_parameter_is_refused_even_one_that_nobody_knows() {
    let scene = Scene::new().await;
    for twice in ["scope", "nonce", "code_challenge", "unheard_of"] {
        let mut parameters = Scene::request();
        parameters.push((twice, "x"));
        parameters.push((twice, "x"));
        let answer = scene.authorize(&parameters).await;
        assert_eq!(answer.returned("error").as_deref(), Some("invalid_request"), "{twice}");
    }
    let mut parameters = Scene::request();
    parameters.push(("state", "another"));
    let answer = scene.authorize(&parameters).await;
    assert_eq!(answer.returned("error").as_deref(), Some("invalid_request"));
    assert_eq!(answer.returned("state"), None, "which of two states is nobody's guess");
    assert_eq!(scene.codes().await, 0);
}

#[tokio::test]
async fn an_unknown_parameter_is_ignored_and_another_method_refused() {
    let scene = Scene::new().await;
    let mut parameters = Scene::request();
    parameters.push(("display", "popup"));
    assert!(scene.authorize(&parameters).await.returned("code").is_some());
    let answer = scene.public("DELETE", "/token", &[], "").await;
    assert_eq!(answer.status, 405);
}

#[tokio::test]
async fn an_oversized_request_is_a_page() {
    let scene = Scene::new().await;
    let long: &'static str = "a".repeat(20_000).leak();
    let answer = scene.authorize(&Scene::request_with("nonce", long)).await;
    assert!(answer.status.is_client_error(), "{}", answer.status);
    assert_eq!(answer.location(), None);
    let answer = scene.authorize(&Scene::request_with("nonce", &long[..1025])).await;
    assert_eq!(answer.returned("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn without_a_facility_certificate_there_is_a_page() {
    let scene = Scene::new().await;
    let path = format!("/authorize?{}", query(&Scene::request()));
    let answer = scene.get(&path, true, &no_certificate()).await;
    assert!(answer.status.is_client_error());
    assert_eq!((answer.location(), scene.codes().await), (None, 0));
}

#[tokio::test]
async fn a_cookie_carried_to_another_terminal_gets_no_code_and_ends_the_session() {
    let scene = Scene::new().await;
    let path = format!("/authorize?{}", query(&Scene::request()));
    let answer = scene.get(&path, true, &scene.other_terminal).await;
    let location = answer.location().unwrap();
    assert_eq!(location.path(), "/login");
    assert_eq!(scene.codes().await, 0);
    let ended = "SELECT COUNT(*) FROM session WHERE ended_at IS NOT NULL";
    assert_eq!(scene.count(ended).await, 1);
}

#[tokio::test]
async fn without_a_session_the_request_waits_for_a_login_at_this_terminal_once() {
    let scene = Scene::new().await;
    let path = format!("/authorize?{}", query(&Scene::request()));
    let answer = scene.get(&path, false, &scene.terminal).await;
    let location = answer.location().unwrap();
    assert_eq!(location.path(), "/login");
    let (_, back) = location.query_pairs().next().unwrap();
    assert!(back.starts_with("/authorize/resume?request="), "{back}");
    assert!(!back.contains("referral"), "the request itself stays here");

    let elsewhere = scene.get(&back, true, &scene.other_terminal).await;
    assert_eq!((elsewhere.status.as_u16(), elsewhere.location()), (410, None));
    // The cookie was not looked at: the parked request was refused first.
    let answer = scene.get(&back, true, &scene.terminal).await;
    assert!(answer.returned("code").is_some(), "{answer:?}");
    let again = scene.get(&back, true, &scene.terminal).await;
    assert_eq!((again.status.as_u16(), scene.codes().await), (410, 1));
}

#[tokio::test]
async fn a_parked_request_expires() {
    let scene = Scene::new().await;
    let path = format!("/authorize?{}", query(&Scene::request()));
    let location = scene.get(&path, false, &scene.terminal).await.location().unwrap();
    let (_, back) = location.query_pairs().next().unwrap();
    scene.test.clock.advance(Duration::minutes(10));
    assert_eq!(scene.get(&back, true, &scene.terminal).await.status, 410);
    assert_eq!(scene.codes().await, 0);
}

#[tokio::test]
async fn prompt_none_asks_nobody_and_prompt_login_wants_a_login_after_the_request() {
    let scene = Scene::new().await;
    let none = Scene::request_with("prompt", "none");
    assert!(scene.authorize(&none).await.returned("code").is_some(), "a session needs no prompt");
    let path = format!("/authorize?{}", query(&none));
    let answer = scene.get(&path, false, &scene.terminal).await;
    assert_eq!(answer.returned("error").as_deref(), Some("login_required"));

    scene.test.clock.advance(Duration::minutes(1));
    let answer = scene.authorize(&Scene::request_with("prompt", "login")).await;
    let location = answer.location().unwrap();
    assert_eq!(location.path(), "/login");
    let (_, back) = location.query_pairs().next().unwrap();
    let answer = scene.get(&back, true, &scene.terminal).await;
    assert_eq!(answer.returned("error").as_deref(), Some("login_required"), "no login happened");
}

#[tokio::test]
async fn max_age_is_kept_to_the_second() {
    let scene = Scene::new().await;
    let request = Scene::request_with("max_age", "60");
    scene.test.clock.advance(Duration::seconds(60));
    assert!(scene.authorize(&request).await.returned("code").is_some());
    scene.test.clock.advance(Duration::seconds(1));
    let answer = scene.authorize(&request).await;
    assert_eq!(answer.location().unwrap().path(), "/login");
}

#[tokio::test]
async fn who_is_not_permitted_reads_why_and_no_code_exists() {
    let scene = Scene::new().await;
    scene.register(&service_file("dispensing", PHARMACISTS)).await;
    let mut request = Scene::request();
    request.retain(|(name, _)| !matches!(*name, "client_id" | "redirect_uri"));
    request.push(("client_id", "dispensing"));
    request.push(("redirect_uri", "https://dispensing.example/callback"));
    let answer = scene.authorize(&request).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (403, None));
    assert!(answer.body.contains("薬剤師"), "{}", answer.body);
    assert!(answer.body.contains("error=access_denied"), "the way back says so to the service");
    assert!(answer.body.contains("action=\"/logout\""), "the head still says who is logged in");
    request.push(("prompt", "none"));
    let answer = scene.authorize(&request).await;
    let location = answer.location().unwrap();
    assert_eq!(location.host_str(), Some("dispensing.example"));
    assert!(location.query().unwrap().contains("error=access_denied"));
    assert_eq!(scene.codes().await, 0);
    assert!(scene.acts().await.contains(&"service.authorize refused role".to_owned()));
}

#[tokio::test]
async fn a_service_without_rules_admits_nobody() {
    let scene = Scene::new().await;
    scene.register(&service_file("empty", "")).await;
    let request = [
        ("response_type", "code"),
        ("client_id", "empty"),
        ("redirect_uri", "https://empty.example/callback"),
        ("scope", "openid"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    assert_eq!(scene.authorize(&request).await.status, 403);
    assert_eq!(scene.codes().await, 0);
}

#[tokio::test]
async fn a_terminal_that_asks_without_end_is_recorded_once_a_minute_for_each_reason() {
    let scene = Scene::new().await;
    let refused = async || scene.acts().await.iter().filter(|act| act.contains("refused")).count();
    let before = refused().await;
    for _ in 0..5 {
        scene.authorize(&Scene::request_with("response_type", "token")).await;
        scene.authorize(&Scene::request_with("scope", "")).await;
        let gone = scene.get("/authorize/resume?request=x", false, &scene.terminal).await;
        assert_eq!(gone.status, 410);
    }
    assert_eq!(refused().await, before + 3, "{:?}", scene.acts().await);
    scene.get("/authorize/resume?request=x", false, &scene.other_terminal).await;
    assert_eq!(refused().await, before + 4, "another terminal is told of apart");
    scene.test.clock.advance(Duration::MINUTE);
    scene.get("/authorize/resume?request=x", false, &scene.terminal).await;
    assert_eq!(refused().await, before + 5);
}

#[tokio::test]
async fn a_terminal_sets_sixty_requests_aside_in_a_minute_and_no_more() {
    let scene = Scene::new().await;
    let path = format!("/authorize?{}", query(&Scene::request()));
    let told = async |what: &str| scene.acts().await.iter().filter(|act| *act == what).count();
    for number in 0..65 {
        let answer = scene.get(&path, false, &scene.terminal).await;
        if number < 60 {
            assert_eq!(answer.location().unwrap().path(), "/login");
            continue;
        }
        assert_eq!((answer.status.as_u16(), answer.location()), (429, None));
        assert_eq!(answer.headers["retry-after"], "60");
    }
    assert_eq!(told("authorization.park done").await, 60);
    assert_eq!(told("authorization.park refused too_many_parked").await, 1);
    assert_eq!(scene.get(&path, false, &scene.other_terminal).await.status, 303);
    scene.test.clock.advance(Duration::seconds(61));
    assert_eq!(scene.get(&path, false, &scene.terminal).await.status, 303);
}
