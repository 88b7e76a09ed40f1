//! Remembers a language that was chosen by `?lang=`, where the request was answered well: a refused
//! one leaves no trace.

use axum::response::Response;
use http::header;

use crate::{
    catalogue::{LANGUAGE_COOKIE, Lang},
    cookie::{self, SameSite},
};

const YEAR_SECS: u32 = 31_536_000;

pub(super) fn remember(chosen: Option<Lang>, response: &mut Response) {
    let answered = response.status().is_success() || response.status().is_redirection();
    if let Some(lang) = chosen
        && answered
        && let Some(cookie) =
            cookie::set(LANGUAGE_COOKIE, lang.tag(), Some(YEAR_SECS), SameSite::Lax)
    {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}
