//! The language that a service would have.

use super::{
    client::TestClient,
    scene::{Answer, PHARMACISTS, Scene, query, service_file},
};

const ENGLISH: &str = "__Host-ui-locale=en";
const OWN_CHOICE: &str = "__Host-language=ja";

/// A page, asked for with this line of cookies.
async fn visit(scene: &Scene, path: &str, cookies: &str) -> Answer {
    scene.get_with(path, &scene.terminal, &[("cookie", cookies)]).await
}

/// What is remembered of it.
fn remembered(answer: &Answer) -> Option<&str> {
    let cookies = answer.headers.get_all("set-cookie").iter();
    cookies.filter_map(|cookie| cookie.to_str().ok()).find(|line| line.contains("locale"))
}

fn speaks(answer: &Answer, tag: &str) -> bool {
    answer.body.contains(&format!("<html lang=\"{tag}\""))
}

fn asked(locales: &str) -> String {
    let asked = query(&[("ui_locales", locales)]);
    format!("/authorize?{}&{asked}", query(&Scene::request()))
}

#[tokio::test]
async fn the_login_page_is_in_the_first_language_that_the_service_names_and_we_have() {
    let scene = Scene::new().await;
    for (locales, language) in [
        ("en", Some("en")),
        ("fr-CA en-GB ja", Some("en")),
        ("JA-jp en", Some("ja")),
        ("de", None),
        ("", None),
        ("  ", None),
        ("en_GB", None),
        ("en;Path=/x", None),
    ] {
        let parked = visit(&scene, &asked(locales), "").await;
        assert_eq!(parked.status, 303, "{locales}");
        let line = language
            .map(|tag| format!("__Host-ui-locale={tag}; Path=/; Secure; HttpOnly; SameSite=Lax"));
        assert_eq!(remembered(&parked), line.as_deref(), "{locales}");
    }
    let parked = visit(&scene, &asked("en"), "").await;
    let login = parked.headers["location"].to_str().unwrap();
    assert!(speaks(&visit(&scene, login, ENGLISH).await, "en"));
    assert!(speaks(&visit(&scene, login, "").await, "ja"));
}

#[tokio::test]
async fn what_the_person_chose_counts_more() {
    let scene = Scene::new().await;
    let parked = visit(&scene, &asked("en"), OWN_CHOICE).await;
    assert_eq!(remembered(&parked), None);
    let both = format!("{OWN_CHOICE}; {ENGLISH}");
    assert!(speaks(&visit(&scene, "/login", &both).await, "ja"));
    assert!(speaks(&visit(&scene, "/login?lang=ja", ENGLISH).await, "ja"));
}

#[tokio::test]
async fn a_request_sent_ahead_says_it_too() {
    let (scene, client) = (Scene::new().await, TestClient::new("pushing"));
    scene.register(&client.file("require_pushed_authorization_requests = true")).await;
    let mut request = client.request();
    request.push(("ui_locales", "en".to_owned()));
    let reference = client.push(&scene, &request).await;
    let beside = format!("/authorize?client_id=pushing&request_uri={reference}&ui_locales=ja");
    let parked = visit(&scene, &beside, "").await;
    assert!(remembered(&parked).unwrap().starts_with(ENGLISH), "{parked:?}");
}

#[tokio::test]
async fn a_page_that_answers_at_once_is_in_it() {
    let scene = Scene::new().await;
    scene.register(&service_file("dispensing", PHARMACISTS)).await;
    let mut request = Scene::request_of("dispensing", "https://dispensing.example/callback");
    request.push(("ui_locales", "en"));
    let refused = scene.authorize(&request).await;
    assert!(speaks(&refused, "en"), "{refused:?}");

    let end = "/end-session?client_id=referral&ui_locales=en";
    let asks = scene.get(end, true, &scene.terminal).await;
    assert!(speaks(&asks, "en"), "{asks:?}");
    assert!(remembered(&asks).unwrap().starts_with(ENGLISH), "for the answer to our own form");
    let twice = scene.get(&format!("{end}&ui_locales=ja"), true, &scene.terminal).await;
    assert_eq!((twice.status.as_u16(), remembered(&twice)), (400, None));
}
