//! Fields that proxies set elsewhere, sent by a client: nothing here believes them. And what a client may ask
//! of the way an answer travels: never that what carries tokens be compressed, because lengths would
//! tell what it holds.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderMap;
use sekisho_store::audit;

use super::{
    client::TestClient,
    scene::{Answer, REDIRECT, Scene, basic, no_certificate, query},
};
use crate::names::NameRole;

/// Who, where and how a request claims to have come (RFC 7239 and its forerunners).
const CLAIMED: [(&str, &str); 12] = [
    ("forwarded", "for=10.0.0.1;host=evil.example;proto=http"),
    ("x-forwarded-for", "10.0.0.1"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-prefix", "/evil"),
    ("x-real-ip", "10.0.0.1"),
    ("x-original-url", "/nosuch"),
    ("x-rewrite-url", "/nosuch"),
    ("x-http-method-override", "DELETE"),
    ("x-remote-user", "p1"),
    ("x-sso-subject", "p1"),
    ("x-sso-facility", "123456789015"),
];

#[tokio::test]
async fn no_field_stands_for_the_certificate_of_a_connection() {
    let scene = Scene::new().await;
    let der = &scene.terminal[0];
    // RFC 9440 §2.2, and as nginx and Envoy send it.
    let (base64, hash) =
        (STANDARD.encode(der), hex::encode(<sha2::Sha256 as sha2::Digest>::digest(der)));
    let pem = format!("-----BEGIN%20CERTIFICATE-----%0A{base64}%0A-----END%20CERTIFICATE-----%0A");
    let fields = [
        ("client-cert", format!(":{base64}:")),
        ("x-ssl-client-cert", pem.clone()),
        ("x-ssl-client-verify", "SUCCESS".to_owned()),
        ("x-forwarded-client-cert", format!("Hash={hash};Cert=\"{pem}\"")),
        ("x-client-cert", base64),
    ];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let path = format!("/authorize?{}", query(&Scene::request()));
    let bare = scene.get_with(&path, &no_certificate(), &[("cookie", &scene.cookie)]).await;
    let mut all = vec![("cookie", scene.cookie.as_str())];
    all.extend(&fields);
    let claimed = scene.get_with(&path, &no_certificate(), &all).await;
    assert_eq!((claimed.status, claimed.location()), (bare.status, None), "{claimed:?}");
    assert_eq!(scene.codes().await, 0);

    let protocol = "tls_client_certificate_bound_access_tokens = true";
    scene.register(&super::bound::with_certificate("shown", &scene.terminal, protocol)).await;
    let client = TestClient::new("shown");
    let mut form = client.exchange("any");
    form.push(("client_id", "shown".to_owned()));
    let post = ("POST", "/token");
    for role in [NameRole::Mtls, NameRole::Public] {
        let body = query(&form);
        let answer = scene.program(role, &no_certificate(), post, &fields, &body).await;
        assert_eq!(answer.json()["error"], "invalid_client", "{answer:?}");
    }
    let shown = scene.program(NameRole::Mtls, &scene.terminal, post, &[], &query(&form)).await;
    assert_eq!(shown.json()["error"], "invalid_grant", "the certificate itself does: {shown:?}");
}

#[tokio::test]
async fn no_field_changes_our_names_our_paths_or_where_an_answer_goes() {
    let scene = Scene::new().await;
    let path = format!("/authorize?{}", query(&Scene::request()));
    let mut all = vec![("cookie", scene.cookie.as_str())];
    all.extend(CLAIMED);
    let answer = scene.get_with(&path, &scene.terminal, &all).await;
    assert_eq!(answer.returned("iss").as_deref(), Some(scene.test.app.names().public.as_str()));
    let nobody = scene.get_with(&path, &scene.terminal, &CLAIMED).await;
    let to = nobody.headers["location"].to_str().unwrap();
    assert!(to.starts_with("/login?return_to="), "{to}");
    for path in ["/.well-known/openid-configuration", "/jwks"] {
        let (bare, claimed) = (
            scene.public("GET", path, &[], "").await,
            scene.public("GET", path, &CLAIMED, "").await,
        );
        assert_eq!((bare.status, bare.body), (claimed.status, claimed.body), "{path}");
    }
    let code = answer.returned("code").unwrap();
    let basic = basic("referral", &scene.secret);
    let mut fields = vec![("authorization", basic.as_str())];
    fields.extend(CLAIMED);
    let tokens = scene.public("POST", "/token", &fields, &query(&Scene::exchange(&code))).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
}

#[tokio::test]
async fn the_trail_and_the_counted_tries_are_of_the_address_that_is_connected() {
    let scene = Scene::new().await;
    let wrong = basic("referral", "wrong");
    let form = query(&Scene::exchange("any"));
    let mut rests = 0;
    // Whoever claims another address each time rests as if they did not.
    for number in 0..200 {
        let claimed = format!("10.0.{}.{}", number / 100, number % 100);
        let fields = [("authorization", wrong.as_str()), ("x-forwarded-for", &claimed)];
        let answer = scene.public("POST", "/token", &fields, &form).await;
        rests += usize::from(answer.status == 429);
    }
    assert!(rests > 0, "nobody rests");
    let records = audit::list(&mut scene.test.app.store().read(), "", None, 10_000).await.unwrap();
    let trail: Vec<_> =
        records.iter().map(|record| String::from_utf8_lossy(&record.canonical)).collect();
    assert!(trail.iter().any(|record| record.contains("192.0.2.7")), "{trail:?}");
    assert!(!trail.iter().any(|record| record.contains("10.0.")), "{trail:?}");
}

/// RFC 9110 §7.6.1: what `Connection` names is for the next hop; we are the last one.
#[tokio::test]
async fn what_connection_names_is_neither_taken_away_nor_added() {
    let scene = Scene::new().await;
    let good = basic("referral", &scene.secret);
    let form = query(&Scene::exchange(&scene.code().await));
    let hop = [
        ("connection", "authorization, content-type, host, x-sso-subject"),
        ("keep-alive", "timeout=600"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
    ];
    let mut elsewhere = vec![("proxy-authorization", good.as_str())];
    elsewhere.extend(hop);
    let refused = scene.public("POST", "/token", &elsewhere, &form).await;
    assert_eq!(refused.json()["error"], "invalid_client", "{refused:?}");
    let mut fields = vec![("authorization", good.as_str())];
    fields.extend(hop);
    let tokens = scene.public("POST", "/token", &fields, &form).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
}

#[tokio::test]
async fn nothing_that_carries_a_code_a_token_or_a_session_is_compressed_however_it_is_asked_for() {
    const ASKED: (&str, &str) = ("accept-encoding", "gzip, br, deflate, zstd, *;q=0.1");
    let scene = Scene::new().await;
    let plain = |what: &str, headers: &HeaderMap| {
        for name in ["content-encoding", "transfer-encoding"] {
            assert!(!headers.contains_key(name), "{what}: {headers:?}");
        }
    };
    let page = async |path: &str| {
        let fields = [("cookie", scene.cookie.as_str()), ASKED];
        let answer = scene.get_with(path, &Arc::clone(&scene.terminal), &fields).await;
        plain(path, &answer.headers);
        answer
    };
    let post = query(&Scene::request_with("response_mode", "form_post"));
    let form = page(&format!("/authorize?{post}")).await;
    assert!(form.body.contains("name=\"code\""), "{}", form.body);
    let led = page(&format!("/authorize?{}", query(&Scene::request()))).await;
    let code = led.returned("code").unwrap();
    assert_eq!(&led.location().unwrap()[..url::Position::AfterPath], REDIRECT);
    for path in ["/", "/login", "/end-session", "/check-session"] {
        assert!(page(path).await.status.is_success(), "{path}");
    }
    let basic = basic("referral", &scene.secret);
    let told: Answer = scene
        .public(
            "POST",
            "/token",
            &[("authorization", &basic), ASKED],
            &query(&Scene::exchange(&code)),
        )
        .await;
    plain("/token", &told.headers);
    let token = format!("Bearer {}", told.json()["access_token"].as_str().unwrap());
    let userinfo = scene.public("GET", "/userinfo", &[("authorization", &token), ASKED], "").await;
    assert!(userinfo.body.contains("sub"), "{userinfo:?}");
    plain("/userinfo", &userinfo.headers);
}
