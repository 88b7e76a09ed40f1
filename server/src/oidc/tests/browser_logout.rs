//! What the browser tells services of the end of a session: frames on the last page, and the frame that
//! an open page asks.

use super::{
    client::Returned,
    scene::{Answer, PHYSICIANS, Scene, payload, query, service_file},
};

const BYE: &str = "https://framed.example/bye";

struct Framed {
    scene: Scene,
    id_token: String,
}

impl Framed {
    /// Somebody who is logged in to a service that wants to be told by the browser, and to one that
    /// does not.
    async fn new() -> Self {
        let scene = Scene::new().await;
        scene.code().await;
        let file = service_file("framed", PHYSICIANS).replace("client_secret_basic", "none");
        let wish =
            "[protocol]\nfrontchannel_logout_uri = \"https://framed.example/out?tenant=1\"\n";
        scene.register(&file.replace("\n[[rules]]", &format!("\n{wish}[[rules]]"))).await;
        let callback = "https://framed.example/callback";
        let answer = scene.authorize(&Scene::request_of("framed", callback)).await;
        let mut form =
            Scene::exchange_at(callback, Returned::of(&answer, callback).get("code").unwrap());
        form.push(("client_id", "framed".to_owned()));
        let tokens = scene.public("POST", "/token", &[], &query(&form)).await.json();
        let id_token = tokens["id_token"].as_str().unwrap().to_owned();
        Self { scene, id_token }
    }

    async fn leave(&self) -> Answer {
        let hint = ("id_token_hint", self.id_token.as_str());
        self.scene.ask_to_end(&[hint, ("post_logout_redirect_uri", BYE), ("state", "s")]).await
    }
}

#[tokio::test]
async fn the_last_page_loads_the_address_of_each_service_that_wants_it_and_leads_on() {
    let framed = Framed::new().await;
    let answer = framed.leave().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers["refresh"], format!("3; url={BYE}?state=s").as_str());
    let frames: Vec<_> = answer.body.match_indices("<iframe").collect();
    assert_eq!(frames.len(), 1, "{}", answer.body);
    let app = &framed.scene.test.app;
    let mut told = url::Url::parse("https://framed.example/out?tenant=1").unwrap();
    told.query_pairs_mut()
        .append_pair("iss", &app.names().public)
        .append_pair("sid", payload(&framed.id_token)["sid"].as_str().unwrap());
    let address = told.as_str().replace('&', "&#38;");
    assert!(answer.body.contains(&format!("src=\"{address}\"")), "{address} {}", answer.body);
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("; frame-src https://framed.example; frame-ancestors 'none'"),
        "{policy}"
    );
    let cookies: Vec<_> =
        answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert!(cookies[0].starts_with("__Host-session=;") && cookies[0].contains("Max-Age=0"));
    assert!(cookies[1].starts_with("__Host-browser-state=nobody;"), "{cookies:?}");
    assert_eq!(cookies.len(), 2);
}

#[tokio::test]
async fn a_session_that_ended_without_this_browser_is_told_of_when_the_person_leaves() {
    let framed = Framed::new().await;
    framed.scene.end_session().await;
    let answer = framed.leave().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.matches("<iframe").count(), 1, "{answer:?}");
}

#[tokio::test]
async fn a_page_that_only_asks_loads_no_frame() {
    let framed = Framed::new().await;
    let page = framed.scene.ask_to_end(&[("client_id", "framed")]).await;
    assert_eq!(page.status, 200, "it asks");
    assert!(!page.body.contains("<iframe"));
}

#[tokio::test]
async fn a_code_comes_with_the_state_of_the_session_and_the_cookie_that_it_is_checked_by() {
    let scene = Scene::new().await;
    let answer = scene.authorize(&Scene::request()).await;
    let state = answer.returned("session_state").unwrap();
    let (hash, salt) = state.split_once('.').unwrap();
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    let value = cookie.strip_prefix("__Host-browser-state=").unwrap().split(';').next().unwrap();
    assert!(cookie.ends_with("; Path=/; Secure; SameSite=None"), "{cookie}");
    // As check-session.js reckons it.
    use sha2::Digest;
    let input = format!("referral https://referral.example {value} {salt}");
    assert_eq!(hash, sekisho_protocol::octets::encode(sha2::Sha256::digest(input)));
    let again = scene.authorize(&Scene::request()).await;
    assert_eq!(again.headers["set-cookie"].to_str().unwrap(), cookie, "while the session lives");
    assert_ne!(again.returned("session_state").unwrap(), state, "salted anew");

    scene.end_session().await;
    let mut silent = Scene::request();
    silent.push(("prompt", "none"));
    let answer = scene.authorize(&silent).await;
    assert_eq!(answer.returned("error").as_deref(), Some("login_required"));
    assert_eq!(answer.returned("session_state"), None);
}

#[tokio::test]
async fn the_frame_that_is_asked_is_the_only_page_that_may_be_framed() {
    let scene = Scene::new().await;
    let frame = scene.get("/check-session", false, &scene.terminal).await;
    assert_eq!(frame.status, 200);
    let policy = frame.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("; frame-ancestors https:;"), "{policy}");
    assert!(!frame.headers.contains_key("x-frame-options"));
    assert!(!frame.headers.contains_key("set-cookie"));
    for path in ["/", "/login", "/invitation", "/end-session", "/authorize", "/nosuch"] {
        let page = scene.get(path, true, &scene.terminal).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(page.headers["x-frame-options"], "DENY", "{path}");
    }
}
