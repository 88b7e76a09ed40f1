//! Remembers a language that was chosen by `?lang=`.

use axum::{extract::Request, middleware::Next, response::Response};
use http::header;

use crate::{
    catalogue::{LANGUAGE_COOKIE, Lang},
    cookie::{self, SameSite},
};

const YEAR_SECS: u32 = 31_536_000;

pub(super) async fn remember(request: Request, next: Next) -> Response {
    let chosen = Lang::of_query(request.uri());
    let mut response = next.run(request).await;
    if let Some(lang) = chosen
        && let Some(cookie) =
            cookie::set(LANGUAGE_COOKIE, lang.tag(), Some(YEAR_SECS), SameSite::Lax)
    {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
