//! Scripts of other sites' pages: what they may read, and whose.

use super::scene::{Answer, PHYSICIANS, Scene, service_file};

const READER: &str = "access-control-allow-origin";

/// A scene in which the page of a service without a secret logs in, too.
async fn scene() -> Scene {
    let scene = Scene::new().await;
    let page = service_file("page", PHYSICIANS).replace("client_secret_basic", "none");
    scene.register(&page).await;
    scene
}

async fn preflight(scene: &Scene, path: &str, origin: &str) -> Answer {
    let asked = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    scene.public("OPTIONS", path, &asked, "").await
}

#[tokio::test]
async fn public_documents_may_be_read_by_the_script_of_any_page() {
    let scene = scene().await;
    for path in ["/.well-known/openid-configuration", "/jwks"] {
        let answer = scene.public("GET", path, &[("origin", "https://any.example")], "").await;
        assert_eq!((answer.status.as_u16(), &answer.headers[READER]), (200, &"*".parse().unwrap()));
    }
}

#[tokio::test]
async fn the_page_of_a_service_without_a_secret_may_read_tokens_and_claims_and_why_there_are_none()
{
    let scene = scene().await;
    let from = ("origin", "https://page.example");
    for (method, path, body) in [
        ("POST", "/token", "grant_type=authorization_code&client_id=page&code=x"),
        ("GET", "/userinfo", ""),
        ("POST", "/userinfo", ""),
    ] {
        let asked = preflight(&scene, path, from.1).await;
        assert_eq!(asked.status, 204, "{asked:?}");
        assert_eq!(asked.headers[READER], from.1);
        assert_eq!(
            asked.headers["access-control-allow-headers"],
            "authorization, content-type, dpop"
        );
        let methods = asked.headers["access-control-allow-methods"].to_str().unwrap();
        assert!(methods.split(", ").any(|allowed| allowed == method), "{methods}");
        let refused = scene.public(method, path, &[from], body).await;
        assert!(refused.status.is_client_error(), "{refused:?}");
        assert!(refused.json()["error"].is_string());
        assert_eq!(refused.headers[READER], from.1);
        assert_eq!(refused.headers["vary"], "origin");
    }
}

#[tokio::test]
async fn no_other_page_may_read_them_and_none_may_send_a_cookie() {
    let scene = scene().await;
    for origin in [
        "https://referral.example",
        "https://page.example.evil.example",
        "https://page.example/",
        "http://page.example",
        "https:/",
        "null",
        "",
    ] {
        for path in ["/token", "/userinfo"] {
            let asked = preflight(&scene, path, origin).await;
            assert_eq!(asked.status, 405, "{origin}: {asked:?}");
            assert!(!asked.headers.contains_key(READER), "{origin}");
            let answer = scene.public("POST", path, &[("origin", origin)], "").await;
            assert!(!answer.headers.contains_key(READER), "{origin}");
            assert_eq!(answer.headers["vary"], "origin");
        }
    }
    let twice = [("origin", "https://page.example"), ("origin", "https://page.example")];
    let answer = scene.public("POST", "/token", &twice, "").await;
    assert!(!answer.headers.contains_key(READER), "{answer:?}");
    let answer = preflight(&scene, "/token", "https://page.example").await;
    assert!(!answer.headers.contains_key("access-control-allow-credentials"), "{answer:?}");
    // Nothing else is for scripts of others.
    let answer = preflight(&scene, "/console/login", "https://page.example").await;
    assert!(!answer.headers.contains_key(READER), "{answer:?}");
}
