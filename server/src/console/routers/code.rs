//! The page that shows a router's code, once, and the lines that enrol it.

use askama::Template;
use zeroize::Zeroizing;

use crate::{
    app::App,
    enrol::new_code::NewCode,
    page::{Page, PageFrame},
    portal::when,
};

#[derive(Template)]
#[template(path = "routers/code.html")]
struct CodePage {
    page: PageFrame,
    id: String,
    name: String,
    code: Zeroizing<String>,
    est: String,
    until: String,
    needs_approval: bool,
}

/// Shows it.
pub(in crate::console) fn page(
    app: &App,
    page: PageFrame,
    id: &str,
    name: &str,
    code: &NewCode,
) -> Page<impl Template + use<>> {
    Page(CodePage {
        until: when::shown(code.expires_at(), page.text.lang()),
        needs_approval: code.needs_approval(),
        page,
        id: id.to_owned(),
        name: name.to_owned(),
        code: code.code().reveal(),
        est: format!("{}/.well-known/est/routers", app.names().enrol),
    })
}
