//! The key by which a service's servers get certificates, as its owner and the operating body make it.

use http::StatusCode;
use sekisho_store::acme_binding;

use super::{
    ELSEWHERE, FACILITY, OFFICER, OPERATOR, registration,
    service::{approve, asked, seen},
};
use crate::{
    console::scene::{post_from_elsewhere, send, signed_in},
    people::role::Role,
    testing::TestApp,
};

const RULES: &str = "[[rules]]\nid = \"all\"\nroles = [\"Medical Doctor\"]\n";

async fn live() -> (TestApp, String) {
    let test = registration::owners().await;
    let path = asked(&test).await;
    let shown = seen(&test, &path).await;
    let approved = approve(&test, &path, RULES, &shown).await;
    assert_eq!(approved.status, StatusCode::SEE_OTHER, "{}", approved.text);
    (test, format!("{path}/acme"))
}

fn key_id(page: &str) -> String {
    let (_, rest) = page.split_once("id=\"key-id\">").unwrap();
    rest.split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn an_owner_makes_a_key_that_is_shown_once_and_ends_the_one_before() {
    let (test, path) = live().await;
    let page = send(&test.app, "GET", &path, FACILITY, "").await;
    assert!(page.text.contains("鍵を発行する"), "{}", page.text);
    let mut made = Vec::new();
    for cookie in [FACILITY, OPERATOR] {
        let page = send(&test.app, "POST", &path, cookie, "").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert!(page.text.contains("--eab-kid") && page.text.contains("id=\"hmac-key\""));
        made.push(key_id(&page.text));
        let again = send(&test.app, "GET", &path, FACILITY, "").await;
        assert!(again.text.contains("まだ使われていない鍵があります"), "{}", again.text);
        assert!(!again.text.contains("hmac-key"), "{}", again.text);
    }
    let mut reader = test.app.store().read();
    let first = acme_binding::find(&mut reader, &made[0]).await.unwrap().unwrap();
    assert!(first.ended_at.is_some() && first.sealed_key.is_none());
    let second = acme_binding::find(&mut reader, &made[1]).await.unwrap().unwrap();
    assert!(second.is_open(test.app.now()));
}

#[tokio::test]
async fn nobody_else_makes_one_and_a_service_of_the_sandbox_gets_none() {
    let (test, path) = live().await;
    signed_in(&test.app, "審査", &[Role::AccreditationOfficer], OFFICER).await;
    for cookie in [ELSEWHERE, OFFICER] {
        for method in ["GET", "POST"] {
            let refused = send(&test.app, method, &path, cookie, "").await;
            assert_eq!(refused.status, StatusCode::NOT_FOUND, "{method} {}", refused.text);
        }
    }
    let forged = post_from_elsewhere(&test.app, &path, FACILITY).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN, "{}", forged.text);
    let tried = format!("{}/acme", asked(&test).await);
    let page = send(&test.app, "GET", &tried, FACILITY, "").await;
    assert!(page.text.contains("サンドボックスのサービスには"), "{}", page.text);
    let refused = send(&test.app, "POST", &tried, FACILITY, "").await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    let id = path.split('/').nth_back(1).unwrap();
    let mut reader = test.app.store().read();
    assert_eq!(acme_binding::open_of(&mut reader, id, test.app.now()).await.unwrap(), None);
}
