//! Authorization requests that a client sends ahead (RFC 9126).

use time::Duration;

use super::{
    client::TestClient,
    scene::{PHYSICIANS, Scene, service_file},
};

async fn scene() -> (Scene, TestClient) {
    let (scene, client) = (Scene::new().await, TestClient::new("pushing"));
    scene.register(&client.file("require_pushed_authorization_requests = true")).await;
    (scene, client)
}

#[tokio::test]
async fn a_request_sent_ahead_leads_to_a_code_and_to_tokens() {
    let (scene, client) = scene().await;
    let answer = client.post(&scene, "/par", &client.request(), None).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.json()["expires_in"], 60);
    let reference = answer.json()["request_uri"].as_str().unwrap().to_owned();
    assert!(reference.starts_with("urn:ietf:params:oauth:request_uri:"), "{reference}");
    let returned = client.answered(&scene, &reference).await;
    assert_eq!(returned.get("state"), Some("st&te"));
    let code = returned.get("code").unwrap();
    let tokens = client.post(&scene, "/token", &client.exchange(code), None).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
}

#[tokio::test]
async fn a_reference_is_used_once_by_its_client_and_in_time() {
    let (scene, client) = scene().await;
    scene.register(&service_file("imaging", PHYSICIANS)).await;
    let reference = client.push(&scene, &client.request()).await;
    // A browser that loads the address twice before anybody is logged in loses nothing.
    let path = format!("/authorize?client_id=pushing&request_uri={reference}");
    let parked = scene.get(&path, false, &scene.terminal).await;
    assert!(parked.headers["location"].to_str().unwrap().starts_with("/login?"), "{parked:?}");
    let stolen = scene.authorize(&[("client_id", "imaging"), ("request_uri", &reference)]).await;
    assert_eq!((stolen.status.as_u16(), stolen.location()), (400, None), "another client's");
    assert!(client.answered(&scene, &reference).await.get("code").is_some());
    let again = scene.authorize(&[("client_id", "pushing"), ("request_uri", &reference)]).await;
    assert_eq!((again.status.as_u16(), again.location()), (400, None), "{again:?}");

    let late = client.push(&scene, &client.request()).await;
    scene.test.clock.advance(Duration::minutes(1));
    let late = scene.authorize(&[("client_id", "pushing"), ("request_uri", &late)]).await;
    assert_eq!((late.status.as_u16(), late.location()), (400, None));
    assert_eq!(scene.codes().await, 1);
}

#[tokio::test]
async fn two_browsers_with_one_reference_get_one_code() {
    let (scene, client) = scene().await;
    let reference = client.push(&scene, &client.request()).await;
    let asked = [("client_id", "pushing"), ("request_uri", reference.as_str())];
    futures_util::future::join_all((0..5).map(|_| scene.authorize(&asked))).await;
    assert_eq!(scene.codes().await, 1);
}

#[tokio::test]
async fn what_the_authorization_endpoint_would_refuse_is_refused_at_once() {
    let (scene, client) = scene().await;
    for (name, value, error) in [
        ("redirect_uri", "https://evil.example/", "invalid_request"),
        ("redirect_uri", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("scope", "profile", "invalid_scope"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("resource", "https://unknown.example/", "invalid_target"),
        ("request_uri", "urn:ietf:params:oauth:request_uri:x", "invalid_request"),
        // The assertion is not that client's.
        ("client_id", "referral", "invalid_client"),
    ] {
        let mut request = client.request();
        request.retain(|(existing, _)| *existing != name);
        request.push((name, value.to_owned()));
        let answer = client.post(&scene, "/par", &request, None).await;
        assert!(matches!(answer.status.as_u16(), 400 | 401), "{name}={value}: {answer:?}");
        assert_eq!(answer.json()["error"], error, "{name}={value}");
    }
    let count = scene.count("SELECT COUNT(*) FROM pushed_request").await;
    assert_eq!(count, 0);
}

#[tokio::test]
async fn nobody_pushes_in_anothers_name_and_no_proof_of_identity_is_kept() {
    let (scene, client) = scene().await;
    let stranger = TestClient::new("pushing");
    let answer = stranger.post(&scene, "/par", &client.request(), None).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (401, &"invalid_client".into()));
    client.push(&scene, &client.request()).await;
    let kept = "SELECT COUNT(*) FROM pushed_request WHERE parameters LIKE '%client_assertion%'";
    assert_eq!(scene.count(kept).await, 0);
}

#[tokio::test]
async fn a_client_that_promised_to_push_is_held_to_it() {
    let (scene, client) = scene().await;
    let request = client.request();
    let plain: Vec<_> = request.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = scene.authorize(&plain).await;
    let returned = super::client::Returned::of(&answer, &client.redirect_uri());
    assert_eq!(returned.get("error"), Some("invalid_request"));
    assert_eq!(scene.codes().await, 0);
}
