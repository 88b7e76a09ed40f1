//! `ui_locales`: the language in which a service would have the person spoken to (OIDC Core §3.1.2.1,
//! RP-Initiated Logout 1.0 §2).
//!
//! What the person chose here counts more. What the service would have is remembered until the browser
//! ends or another service says otherwise, for the pages between its request and our answer.

use axum::response::Response;
use http::{HeaderMap, Uri, header};

use super::parameters::Parameters;
use crate::{
    catalogue::{Lang, UI_LOCALE_COOKIE},
    cookie::{self, SameSite},
};

/// The name of the parameter.
pub const PARAMETER: &str = "ui_locales";

/// The first language of a request's `ui_locales` that is ours, unless the person has chosen one.
#[must_use]
pub fn preferred(parameters: &Parameters, uri: &Uri, headers: &HeaderMap) -> Option<Lang> {
    let asked = Lang::of_ranges(parameters.get(PARAMETER)?.split(' '));
    asked.filter(|_| Lang::chosen(uri, headers).is_none())
}

/// Keeps it for the pages that follow.
pub fn remember(response: &mut Response, preferred: Option<Lang>) {
    let cookie =
        preferred.and_then(|lang| cookie::set(UI_LOCALE_COOKIE, lang.tag(), None, SameSite::Lax));
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}
