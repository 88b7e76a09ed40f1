//! What every request passes, tried through the real router.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, body::Body, response::Response};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::{
    app::App,
    error::{Dialect, page::PageError},
    listener::Peer,
    middleware,
    names::NameRole,
    route::{QueryRule, Routes},
    testing,
};

fn router(app: &App) -> Router {
    async fn panics() -> &'static str {
        panic!("a defect")
    }
    let routes = Routes::new(Dialect::Page)
        .get("/panic", panics)
        .get("/gone", async || PageError::not_found())
        .get("/here", async || "here")
        .get_with_effect("/effect", QueryRule::OfProtocol, panics)
        .post("/act", async || "done")
        .speaking(Dialect::OAuth)
        .get("/oauth/panic", panics)
        .post("/oauth/act", async || "done")
        .speaking(Dialect::Est)
        .get("/est/panic", panics)
        .speaking(Dialect::Problem)
        .get("/problem/panic", panics)
        .speaking(Dialect::Ocsp)
        .get("/ocsp/panic", panics)
        .speaking(Dialect::Plain)
        .get("/plain/panic", panics);
    middleware::wrap(app, NameRole::Public, routes)
}

fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "login.sekisho.localhost:8443")
        .header(header::ACCEPT, "text/html")
        .extension(Peer {
            addr: SocketAddr::from(([127, 0, 0, 1], 9)),
            role: NameRole::Public,
            chain: Arc::new([]),
        })
}

async fn ask(app: &App, request: http::request::Builder) -> Response {
    router(app).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_panic_is_a_page_without_details() {
    let test = testing::app().await;
    let response = ask(&test.app, request("GET", "/panic")).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let page = text(response).await;
    assert!(page.contains("システム内部で問題"), "{page}");
    assert!(page.contains(&id) && !page.contains("a defect"));
}

#[tokio::test]
async fn an_error_page_speaks_the_requests_language_and_sends_strict_headers() {
    let test = testing::app().await;
    let response = ask(&test.app, request("GET", "/gone?lang=en")).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let headers = response.headers().clone();
    assert!(
        headers[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap()
            .contains("frame-ancestors 'none'")
    );
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    // Shown in it, but what is refused leaves no trace.
    assert!(!headers.contains_key(header::SET_COOKIE));
    let page = text(response).await;
    assert!(page.contains("<html lang=\"en\">") && page.contains("Page not found"), "{page}");
    assert!(page.contains("href=\"/gone?lang=ja\""), "{page}");
}

#[tokio::test]
async fn a_language_is_remembered_only_where_the_request_was_answered_well() {
    let test = testing::app().await;
    let response = ask(&test.app, request("GET", "/here?lang=en")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-language=en;"), "{cookie}");
    for (path, status) in [
        ("/nowhere?lang=en", StatusCode::NOT_FOUND),
        ("/act?lang=en", StatusCode::METHOD_NOT_ALLOWED),
        ("/here?lang=ja&lang=en", StatusCode::BAD_REQUEST),
        ("/here?lang=en&x=1", StatusCode::BAD_REQUEST),
        ("/here?lang=xx", StatusCode::BAD_REQUEST),
        ("/panic?lang=en", StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let response = ask(&test.app, request("GET", path)).await;
        assert_eq!(response.status(), status, "{path}");
        assert!(!response.headers().contains_key(header::SET_COOKIE), "{path}");
    }
    let response = ask(&test.app, request("GET", "/here?lang=en&utm_source=mail")).await;
    let page = text(response).await;
    assert!(page.contains("carries “utm_source”"), "{page}");
}

#[tokio::test]
async fn an_unknown_path_is_a_page_for_people_and_a_problem_for_programs() {
    let test = testing::app().await;
    let response = ask(&test.app, request("GET", "/nowhere")).await;
    assert!(text(response).await.contains("ページが見つかりません"));
    let mut bare = request("GET", "/nowhere");
    bare.headers_mut().unwrap().remove(header::ACCEPT);
    let response = ask(&test.app, bare).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert!(text(response).await.contains("urn:problem:error-not-found"));
}

#[tokio::test]
async fn a_request_for_another_name_is_misdirected() {
    let test = testing::app().await;
    for host in ["terminal.sekisho.localhost:8443", "login.sekisho.localhost", "evil.example"] {
        let mut other = request("GET", "/gone");
        other.headers_mut().unwrap().insert(header::HOST, host.parse().unwrap());
        assert_eq!(ask(&test.app, other).await.status(), StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
}

#[tokio::test]
async fn a_post_with_a_cookie_needs_our_own_origin() {
    let test = testing::app().await;
    let with = |origin: &str| {
        request("POST", "/act").header(header::COOKIE, "a=b").header(header::ORIGIN, origin)
    };
    let own = with("https://login.sekisho.localhost:8443");
    assert_eq!(ask(&test.app, own).await.status(), StatusCode::OK);
    for foreign in ["https://evil.example", "null", "https://terminal.sekisho.localhost:8443"] {
        assert_eq!(
            ask(&test.app, with(foreign)).await.status(),
            StatusCode::FORBIDDEN,
            "{foreign}"
        );
    }
    let silent = request("POST", "/act").header(header::COOKIE, "a=b");
    assert_eq!(ask(&test.app, silent).await.status(), StatusCode::FORBIDDEN);
    let foreign = |path| request("POST", path).header(header::ORIGIN, "https://evil.example");
    assert_eq!(ask(&test.app, foreign("/act")).await.status(), StatusCode::FORBIDDEN);
    // Clients of the token endpoint are programs of other sites.
    assert_eq!(ask(&test.app, foreign("/oauth/act")).await.status(), StatusCode::OK);
    let with_cookie = foreign("/oauth/act").header(header::COOKIE, "a=b");
    assert_eq!(ask(&test.app, with_cookie).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_form_of_a_page_says_where_it_comes_from_also_without_a_cookie() {
    let test = testing::app().await;
    assert_eq!(ask(&test.app, request("POST", "/act")).await.status(), StatusCode::FORBIDDEN);
    let own = request("POST", "/act").header("sec-fetch-site", "same-origin");
    assert_eq!(ask(&test.app, own).await.status(), StatusCode::OK);
    // Programs say nothing.
    assert_eq!(ask(&test.app, request("POST", "/oauth/act")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn head_is_get_without_the_content_and_is_refused_where_get_changes_something() {
    let test = testing::app().await;
    let response = ask(&test.app, request("HEAD", "/here")).await;
    assert_eq!((response.status(), text(response).await.as_str()), (StatusCode::OK, ""));
    for method in ["HEAD", "PUT"] {
        let response = ask(&test.app, request(method, "/effect?x=1")).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(response.headers()[header::ALLOW], "GET", "{method}");
    }
    let get = ask(&test.app, request("GET", "/effect?x=1")).await;
    assert_eq!(get.status(), StatusCode::INTERNAL_SERVER_ERROR, "the handler is reached");
}

#[tokio::test]
async fn an_encoded_content_and_a_query_of_a_programs_path_are_refused_in_its_dialect() {
    let test = testing::app().await;
    for (path, kind, of_query) in [
        ("/oauth", "application/json", "\"error_description\":\"The query holds 'x'"),
        (
            "/est",
            "text/plain; charset=utf-8",
            "The query holds 'x', which this path does not take.",
        ),
        ("/problem", "application/problem+json", "「x」"),
        ("/ocsp", "application/ocsp-response", "\u{1}\u{1}"),
        ("/plain", "text/plain; charset=utf-8", "The query holds 'x'"),
    ] {
        let response = ask(&test.app, request("GET", &format!("{path}/panic?x=1"))).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], kind, "{path}");
        let said = text(response).await;
        assert!(said.contains(of_query), "{path}: {said}");
        let encoded = request("GET", &format!("{path}/panic")).header("content-encoding", "gzip");
        let response = ask(&test.app, encoded).await;
        assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], kind, "{path}");
        assert_eq!(response.headers()[header::ACCEPT_ENCODING], "identity", "{path}");
    }
    let page = request("POST", "/act").header("content-encoding", "x");
    let page = ask(&test.app, page.header("sec-fetch-site", "same-origin")).await;
    assert_eq!(page.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(text(page).await.contains("Content-Encoding"));
}

#[tokio::test]
async fn a_defect_and_a_wrong_method_speak_the_dialect_of_the_path() {
    let test = testing::app().await;
    for (path, kind, words) in [
        ("/oauth", "application/json", "\"error\":\"server_error\""),
        ("/est", "text/plain; charset=utf-8", "The service failed"),
        ("/problem", "application/problem+json", "urn:problem:error-internal"),
        ("/ocsp", "application/ocsp-response", "\u{1}\u{2}"),
        ("/plain", "text/plain; charset=utf-8", "The service failed"),
    ] {
        let response = ask(&test.app, request("GET", &format!("{path}/panic"))).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], kind, "{path}");
        let said = text(response).await;
        assert!(said.contains(words) && !said.contains("a defect"), "{path}: {said}");
        let response = ask(&test.app, request("PUT", &format!("{path}/panic"))).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], kind, "{path}");
        assert_eq!(response.headers()[header::ALLOW], "GET,HEAD", "{path}");
    }
}
