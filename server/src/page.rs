//! The frame around every page: language, navigation, who is signed in, assets.

use std::{convert::Infallible, sync::Arc};

use askama::Template;
use axum::{
    extract::{FromRef, FromRequestParts},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, Uri, header, request::Parts};
use time::OffsetDateTime;

use crate::{
    app::App,
    assets::Assets,
    catalogue::{Lang, Text},
    error::page::PageError,
    portal::when,
};

/// One entry of the navigation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NavItem {
    /// Path on this name.
    pub href: String,
    /// What it says, in the page's language.
    pub label: String,
    /// Whether this page is it.
    pub current: bool,
}

/// Who the page is shown to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The person's name.
    pub name: String,
    /// Where: facility and terminal, or the role that acts.
    pub place: String,
    /// Path that a POST signs out at.
    pub sign_out: &'static str,
}

/// Until when an emergency access is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emergency {
    /// For people.
    pub until: String,
    /// For programs.
    pub until_iso: String,
}

/// What `base.html` needs; every page struct has a field `page` of this type.
///
/// Also an extractor: a handler takes it as an argument and puts it into its page.
#[derive(Debug, Clone)]
pub struct PageFrame {
    /// Messages in the request's language.
    pub text: Text,
    /// Navigation; empty shows none.
    pub nav: Vec<NavItem>,
    /// Who is signed in.
    pub signed_in: Option<SignedIn>,
    /// The emergency access that is in force for them, on the portal's pages.
    pub emergency: Option<Emergency>,
    /// The operating body's name in the request's language.
    pub operator: String,
    /// The help desk's line.
    pub help_desk: String,
    /// Path and query of this page for a language switch, without `lang`; empty hides the switch.
    pub path: String,
    assets: Arc<Assets>,
}

impl PageFrame {
    /// The frame for a request.
    #[must_use]
    pub fn of_request(app: &App, method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let lang = Lang::of_request(uri, headers);
        Self {
            text: app.text(lang),
            nav: Vec::new(),
            signed_in: None,
            emergency: None,
            operator: String::new(),
            help_desk: String::new(),
            // The answer to a POST has no address that could be asked for again.
            path: if method == Method::GET { path_without_lang(uri) } else { String::new() },
            assets: app.assets_shared(),
        }
        .in_language(app, lang)
    }

    /// In another language than the request's own; before navigation and names are put on it.
    #[must_use]
    pub fn in_language(self, app: &App, lang: Lang) -> Self {
        let operator = app.config().operator();
        Self {
            text: app.text(lang),
            operator: operator.name(lang).to_owned(),
            help_desk: operator.help_desk(lang).to_owned(),
            ..self
        }
    }

    /// A message.
    #[must_use]
    pub fn t(&self, key: &str) -> String {
        self.text.t(key)
    }

    /// A message with one argument.
    #[must_use]
    pub fn t1(&self, key: &str, name: &str, value: impl ToString) -> String {
        self.text.t1(key, name, value)
    }

    /// The language's tag, for `<html lang>`.
    #[must_use]
    pub fn lang(&self) -> &'static str {
        self.text.lang().tag()
    }

    /// Tag of the other language.
    #[must_use]
    pub fn other_lang(&self) -> &'static str {
        self.text.lang().other().tag()
    }

    /// Address of this page in the other language.
    #[must_use]
    pub fn switch_href(&self) -> String {
        let joint = if self.path.contains('?') { '&' } else { '?' };
        format!("{}{joint}lang={}", self.path, self.other_lang())
    }

    /// Address of the asset `name`.
    #[must_use]
    pub fn asset(&self, name: &str) -> &str {
        self.assets.path(name)
    }

    /// For the answer to a POST: the switch leads to the page at `path`, where the form begins anew.
    #[must_use]
    pub fn switching_at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// With an emergency access that is in force until then.
    #[must_use]
    pub fn with_emergency(mut self, ends_at: OffsetDateTime) -> Self {
        let until = when::shown(ends_at, self.text.lang());
        self.emergency = Some(Emergency { until, until_iso: when::iso(ends_at) });
        self
    }

    /// With navigation; `(href, label)`, and the entry of this page is marked.
    #[must_use]
    pub fn with_nav(mut self, items: &[(&str, String)]) -> Self {
        let here = self.path.split('?').next().unwrap_or_default().to_owned();
        self.nav = items
            .iter()
            .map(|(href, label)| NavItem {
                href: (*href).to_owned(),
                label: label.clone(),
                current: *href == here,
            })
            .collect();
        self
    }

    /// With who is signed in.
    #[must_use]
    pub fn with_signed_in(
        mut self,
        name: impl Into<String>,
        place: impl Into<String>,
        sign_out: &'static str,
    ) -> Self {
        self.signed_in = Some(SignedIn { name: name.into(), place: place.into(), sign_out });
        self
    }
}

fn path_without_lang(uri: &Uri) -> String {
    let mut kept = url::form_urlencoded::Serializer::new(String::new());
    let mut any = false;
    for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if name != "lang" {
            kept.append_pair(&name, &value);
            any = true;
        }
    }
    if any { format!("{}?{}", uri.path(), kept.finish()) } else { uri.path().to_owned() }
}

impl<S> FromRequestParts<S> for PageFrame
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let app = App::from_ref(state);
        // Nested routers cut the path; the page needs what the browser shows.
        let uri = parts
            .extensions
            .get::<axum::extract::OriginalUri>()
            .map_or_else(|| parts.uri.clone(), |original| original.0.clone());
        Ok(Self::of_request(&app, &parts.method, &uri, &parts.headers))
    }
}

/// A rendered page as an answer: `Page(MyPage { page, … })`.
#[derive(Debug)]
pub struct Page<T>(pub T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(body) => (
                [(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))],
                body,
            )
                .into_response(),
            Err(error) => PageError::internal(&error).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every template, with its path.
    fn templates(folder: &std::path::Path) -> Vec<(std::path::PathBuf, String)> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(templates(&path));
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
        found
    }

    #[test]
    fn every_table_stands_in_a_named_frame_that_the_keyboard_can_scroll() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let mut tables = 0;
        for (path, text) in templates(&folder) {
            for (at, _) in text.match_indices("<table") {
                tables += 1;
                let before = text[..at].trim_end();
                let frame = &before[before.rfind("<div").unwrap_or_default()..];
                let part = "class=\"table-scroll\" tabindex=\"0\" role=\"region\" aria-label";
                assert!(frame.contains(part), "{}: {frame}", path.display());
                assert!(frame.ends_with('>') && !frame.contains("</div>"), "{}", path.display());
            }
        }
        assert!(tables > 10, "the templates were not found");
    }

    #[test]
    fn the_language_switch_keeps_the_other_parameters() {
        assert_eq!(path_without_lang(&"/a?x=1&lang=en&y=%26".parse().unwrap()), "/a?x=1&y=%26");
        assert_eq!(path_without_lang(&"/a?lang=en".parse().unwrap()), "/a");
    }
}
