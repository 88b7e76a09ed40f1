//! `GET /` on the public name (総合案内): what this is, and which door is whose.

use askama::Template;
use axum::extract::State;

use crate::{
    app::App,
    instance::{fingerprint_groups, fingerprint_hex},
    page::{Page, PageFrame},
};

#[derive(Template)]
#[template(path = "landing.html")]
struct LandingPage {
    page: PageFrame,
    /// Origin of the terminal name, where people with a card log in.
    portal: String,
    /// SHA-256 of the root certificate, in groups.
    fingerprint: String,
    root_certificate: String,
}

/// `GET /`: for everybody, without a session.
pub async fn get(State(app): State<App>, page: PageFrame) -> Page<impl Template> {
    let root = app.authority().roots().current(app.now());
    let fingerprint = fingerprint_groups(&fingerprint_hex(&root.certificate_der));
    Page(LandingPage {
        page,
        portal: app.names().terminal.clone(),
        fingerprint,
        root_certificate: format!("{}/ca/{}.crt", app.names().plain, root.id),
    })
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::{names::NameRole, router, testing};

    #[tokio::test]
    async fn the_landing_page_leads_to_each_door_and_shows_the_root_that_is_served() {
        let test = testing::app().await;
        let app = &test.app;
        for (lang, title) in [("ja", "施設の利用を申し込む"), ("en", "Apply for a facility")]
        {
            let request = http::Request::get("/")
                .header(http::header::HOST, "login.sekisho.localhost:8443")
                .header(http::header::ACCEPT_LANGUAGE, lang)
                .extension(testing::peer(NameRole::Public, &[]))
                .body(axum::body::Body::empty())
                .unwrap();
            let response = router::public(app).oneshot(request).await.unwrap();
            assert_eq!(response.status(), http::StatusCode::OK);
            let page = response.into_body().collect().await.unwrap().to_bytes();
            let page = String::from_utf8(page.to_vec()).unwrap();
            assert!(page.contains(title), "{page}");
            let portal = format!("{}/", app.names().terminal);
            for door in ["/apply", "/apply/status", "/activate", "/console", &portal] {
                assert!(page.contains(&format!("href=\"{door}\"")), "{door}: {page}");
            }
            let (_, rest) = page.split_once("id=\"root-fingerprint\">").unwrap();
            let shown = rest.split('<').next().unwrap().replace(' ', "");
            assert_eq!(shown, fingerprint_hex(app.authority().root_der(app.now())));
            let certificate = format!("{}/ca/root.crt", app.names().plain);
            assert!(page.contains(&certificate), "{page}");
        }
    }
}
