//! Messages in Japanese and English, and the choice between them.

use std::{borrow::Cow, collections::BTreeMap, convert::Infallible, sync::Arc};

use axum::extract::{FromRef, FromRequestParts};
use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use http::{HeaderMap, header, request::Parts};
use unic_langid::LanguageIdentifier;

use crate::{app::App, cookie};

/// The cookie that remembers the language somebody chose.
pub const LANGUAGE_COOKIE: &str = "__Host-language";
/// The cookie that remembers the language in which a service would have somebody spoken to.
pub const UI_LOCALE_COOKIE: &str = "__Host-ui-locale";

/// A language of the user interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lang {
    /// Japanese, the first language of the people this serves.
    #[default]
    Ja,
    /// English.
    En,
}

impl Lang {
    /// Both, first the default.
    pub const ALL: [Self; 2] = [Self::Ja, Self::En];

    /// The BCP 47 tag, as in `<html lang>` and `?lang=`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }

    /// The other one, for the switch on each page.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Ja => Self::En,
            Self::En => Self::Ja,
        }
    }

    /// From an exact tag.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lang| lang.tag() == tag)
    }

    /// What a request asks for: what the person chose, else what a service would have, else
    /// `Accept-Language`.
    #[must_use]
    pub fn of_request(uri: &http::Uri, headers: &HeaderMap) -> Self {
        Self::chosen(uri, headers)
            .or_else(|| cookie::read(headers, UI_LOCALE_COOKIE).and_then(Self::from_tag))
            .or_else(|| Self::of_accept_language(headers))
            .unwrap_or_default()
    }

    /// What the person chose: the query `lang`, else the cookie.
    #[must_use]
    pub fn chosen(uri: &http::Uri, headers: &HeaderMap) -> Option<Self> {
        Self::of_query(uri)
            .or_else(|| cookie::read(headers, LANGUAGE_COOKIE).and_then(Self::from_tag))
    }

    /// The first of ours among language ranges in the order of preference (BCP 47, RFC 4647 §2.1).
    #[must_use]
    pub fn of_ranges<'r>(ranges: impl IntoIterator<Item = &'r str>) -> Option<Self> {
        ranges.into_iter().find_map(Self::of_range)
    }

    /// By the primary language alone, in any case.
    fn of_range(range: &str) -> Option<Self> {
        let primary = range.split('-').next().unwrap_or_default();
        Self::from_tag(&primary.to_ascii_lowercase())
    }

    /// The language that the query names, if it names one of ours. Of two, which one is meant nobody
    /// can tell.
    #[must_use]
    pub fn of_query(uri: &http::Uri) -> Option<Self> {
        let pairs = url::form_urlencoded::parse(uri.query()?.as_bytes());
        let mut named = pairs.filter(|(name, _)| name == "lang");
        match (named.next(), named.next()) {
            (Some((_, tag)), None) => Self::from_tag(&tag),
            _ => None,
        }
    }

    /// The best of `Accept-Language` (RFC 9110 §12.5.4), by quality and then by order.
    fn of_accept_language(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
        let mut best: Option<(u16, Self)> = None;
        for range in value.split(',').take(20) {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let Some(lang) = Self::of_range(tag.trim()) else { continue };
            let quality = quality_of(parameters);
            if quality > 0 && best.is_none_or(|(found, _)| quality > found) {
                best = Some((quality, lang));
            }
        }
        best.map(|(_, lang)| lang)
    }
}

/// `q=` in thousandths; 1000 when absent, 0 when unreadable.
fn quality_of(parameters: &str) -> u16 {
    let Some(value) = parameters.trim().strip_prefix("q=") else { return 1000 };
    match value.trim().parse::<f32>() {
        // In range by the guard, so the cast cannot overflow.
        Ok(quality) if (0.0..=1.0).contains(&quality) => (quality * 1000.0) as u16,
        _ => 0,
    }
}

/// The files under `server/locales/`, one a slice of the product.
#[derive(rust_embed::RustEmbed)]
#[folder = "locales/"]
struct Locales;

/// All messages of one instance in both languages.
pub struct Catalogue {
    ja: FluentBundle<FluentResource>,
    en: FluentBundle<FluentResource>,
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalogue").finish_non_exhaustive()
    }
}

/// A message file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Not UTF-8.
    #[error("message file {file} is not UTF-8")]
    NotText {
        /// Path below `locales/`.
        file: String,
    },
    /// Not Fluent.
    #[error("message file {file} does not parse: {detail}")]
    Malformed {
        /// Path below `locales/`.
        file: String,
        /// What the parser said.
        detail: String,
    },
    /// Two files define one key.
    #[error("message file {file} defines a key twice: {detail}")]
    Repeated {
        /// Path below `locales/`.
        file: String,
        /// What the bundle said.
        detail: String,
    },
}

impl Catalogue {
    /// Reads the messages built into the program.
    ///
    /// # Errors
    /// [`CatalogueError`]: a file is not valid; nothing starts with half a language.
    pub fn load() -> Result<Self, CatalogueError> {
        Ok(Self { ja: bundle(Lang::Ja)?, en: bundle(Lang::En)? })
    }

    fn bundle(&self, lang: Lang) -> &FluentBundle<FluentResource> {
        match lang {
            Lang::Ja => &self.ja,
            Lang::En => &self.en,
        }
    }

    /// Whether `key` is defined in `lang`.
    #[must_use]
    pub fn has(&self, lang: Lang, key: &str) -> bool {
        self.bundle(lang).get_message(key).is_some_and(|message| message.value().is_some())
    }

    fn format(&self, lang: Lang, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        let bundle = self.bundle(lang);
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            // A test proves that every key in code and templates exists; this is for a key that
            // was put together at run time. The page still has to say something.
            tracing::error!(key, lang = lang.tag(), "message is missing");
            return key.to_owned();
        };
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, args, &mut errors).into_owned();
        if !errors.is_empty() {
            tracing::error!(key, lang = lang.tag(), ?errors, "message does not format");
        }
        text
    }
}

fn bundle(lang: Lang) -> Result<FluentBundle<FluentResource>, CatalogueError> {
    // A tag of ours that does not parse would only lose plural rules, which no message uses.
    let identifier: LanguageIdentifier = lang.tag().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![identifier]);
    // Isolation marks are invisible characters that break copying of identifiers and codes.
    bundle.set_use_isolating(false);
    let prefix = format!("{}/", lang.tag());
    for path in Locales::iter().filter(|path| path.starts_with(&prefix)) {
        let file = path.to_string();
        let Some(content) = Locales::get(&path) else { continue };
        let text = String::from_utf8(content.data.into_owned())
            .map_err(|_| CatalogueError::NotText { file: file.clone() })?;
        let resource = FluentResource::try_new(text).map_err(|(_, errors)| {
            CatalogueError::Malformed { file: file.clone(), detail: format!("{errors:?}") }
        })?;
        bundle
            .add_resource(resource)
            .map_err(|errors| CatalogueError::Repeated { file, detail: format!("{errors:?}") })?;
    }
    Ok(bundle)
}

/// Messages in one language. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Text {
    catalogue: Arc<Catalogue>,
    lang: Lang,
}

impl Text {
    /// Messages of `catalogue` in `lang`.
    #[must_use]
    pub fn new(catalogue: Arc<Catalogue>, lang: Lang) -> Self {
        Self { catalogue, lang }
    }

    /// The language.
    #[must_use]
    pub fn lang(&self) -> Lang {
        self.lang
    }

    /// A message without arguments.
    #[must_use]
    pub fn t(&self, key: &str) -> String {
        self.catalogue.format(self.lang, key, None)
    }

    /// A message whose key was put together; `None` where there is none of it.
    #[must_use]
    pub fn t_if_any(&self, key: &str) -> Option<String> {
        self.catalogue.has(self.lang, key).then(|| self.t(key))
    }

    /// A message with one argument.
    #[must_use]
    pub fn t1(&self, key: &str, name: &str, value: impl ToString) -> String {
        self.with(key, &[(name, value.to_string())])
    }

    /// A message with a number that it counts by: what a word becomes beside it is the language's
    /// (Unicode plural rules, `{ $count -> [one] … *[other] … }`).
    #[must_use]
    pub fn counted(&self, key: &str, name: &str, count: usize) -> String {
        let mut fluent = FluentArgs::with_capacity(1);
        fluent.set(name.to_owned(), FluentValue::from(count));
        self.catalogue.format(self.lang, key, Some(&fluent))
    }

    /// A message with several arguments.
    #[must_use]
    pub fn with<N: AsRef<str>, V: AsRef<str>>(&self, key: &str, args: &[(N, V)]) -> String {
        let mut fluent = FluentArgs::with_capacity(args.len());
        for (name, value) in args {
            fluent.set(
                Cow::Owned(name.as_ref().to_owned()),
                FluentValue::from(value.as_ref().to_owned()),
            );
        }
        self.catalogue.format(self.lang, key, Some(&fluent))
    }
}

/// Extractor: the request's language.
#[derive(Clone, Debug)]
pub struct Language(pub Text);

impl<S> FromRequestParts<S> for Language
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let app = App::from_ref(state);
        Ok(Self(app.text(Lang::of_request(&parts.uri, &parts.headers))))
    }
}

/// Keys by file, for the test of parity.
#[doc(hidden)]
#[must_use]
pub fn keys(lang: Lang) -> BTreeMap<String, Vec<String>> {
    let prefix = format!("{}/", lang.tag());
    let mut files = BTreeMap::new();
    for path in Locales::iter().filter(|path| path.starts_with(&prefix)) {
        let Some(content) = Locales::get(&path) else { continue };
        let keys = String::from_utf8_lossy(&content.data)
            .lines()
            .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
            .filter_map(|line| line.split_once('=').map(|(key, _)| key.trim().to_owned()))
            .collect();
        files.insert(path[prefix.len()..].to_owned(), keys);
    }
    files
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use http::HeaderValue;

    use super::*;

    fn lang(uri: &str, cookie: Option<&str>, accept: Option<&str>) -> Lang {
        let mut headers = HeaderMap::new();
        if let Some(cookie) = cookie {
            headers.insert(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_str(accept).unwrap());
        }
        Lang::of_request(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn query_goes_before_cookie_before_accept_language_before_japanese() {
        assert_eq!(lang("/?lang=en", Some("__Host-language=ja"), Some("ja")), Lang::En);
        assert_eq!(lang("/?lang=xx", Some("__Host-language=en"), Some("ja")), Lang::En);
        assert_eq!(lang("/?lang=ja&lang=ja", Some("__Host-language=en"), None), Lang::En);
        assert_eq!(lang("/", None, Some("en-GB,en;q=0.9,ja;q=0.5")), Lang::En);
        assert_eq!(lang("/", None, Some("fr, en;q=0.4, ja;q=0.9")), Lang::Ja);
        assert_eq!(lang("/", None, Some("en;q=0, de")), Lang::Ja);
        assert_eq!(lang("/", None, Some("en;q=nonsense")), Lang::Ja);
        assert_eq!(lang("/", None, None), Lang::Ja);
    }

    #[test]
    fn both_languages_have_the_same_files_and_keys() {
        Catalogue::load().unwrap();
        let (ja, en) = (keys(Lang::Ja), keys(Lang::En));
        assert!(!ja.is_empty());
        assert_eq!(ja.keys().collect::<Vec<_>>(), en.keys().collect::<Vec<_>>());
        for (file, ja_keys) in &ja {
            let ja_keys: BTreeSet<_> = ja_keys.iter().collect();
            let en_keys: BTreeSet<_> = en[file].iter().collect();
            assert_eq!(ja_keys, en_keys, "in {file}");
        }
    }

    #[test]
    fn every_key_that_code_and_templates_name_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let defined: BTreeSet<String> = keys(Lang::Ja).into_values().flatten().collect();
        let mut missing = Vec::new();
        let mut seen = 0;
        for folder in ["src", "templates"] {
            for file in files_under(&root.join(folder)) {
                let text = std::fs::read_to_string(&file).unwrap();
                // Tests may name keys that do not exist on purpose.
                let text = text.split("#[cfg(test)]").next().unwrap();
                for key in keys_named_in(text) {
                    seen += 1;
                    if !defined.contains(key) {
                        missing.push(format!("{}: {key}", file.display()));
                    }
                }
            }
        }
        assert!(seen > 10, "the search for keys finds nothing any more");
        assert!(missing.is_empty(), "keys without a message:\n{}", missing.join("\n"));
    }

    #[test]
    fn no_message_that_wants_a_value_is_asked_for_without_one() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let catalogue = Catalogue::load().unwrap();
        let mut lacking = BTreeSet::new();
        for folder in ["src", "templates"] {
            for file in files_under(&root.join(folder)) {
                let text = std::fs::read_to_string(&file).unwrap();
                let text = text.split("#[cfg(test)]").next().unwrap();
                for (at, opening) in text.match_indices(".t(\"") {
                    let key = text[at + opening.len()..].split('"').next().unwrap();
                    for lang in Lang::ALL {
                        let bundle = catalogue.bundle(lang);
                        let message = bundle.get_message(key).and_then(|message| message.value());
                        let mut errors = Vec::new();
                        if let Some(pattern) = message {
                            bundle.format_pattern(pattern, None, &mut errors);
                        }
                        if !errors.is_empty() {
                            lacking.insert(format!("{}: {key}", file.display()));
                        }
                    }
                }
            }
        }
        assert!(lacking.is_empty(), "{lacking:#?}");
    }

    fn files_under(folder: &Path) -> Vec<std::path::PathBuf> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files.extend(files_under(&path));
            } else {
                files.push(path);
            }
        }
        files
    }

    /// String literals in the places where a key stands: `t("…"`, `t1("…"`, `with("…"`,
    /// `title: "…"`, `text: "…"`, `help: "…"`, `PageError::new(…, "…")`.
    fn keys_named_in(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        for opening in
            [".t(\"", ".t1(\"", ".with(\"", "title: \"", "text: \"", "help: \"", "key: \""]
        {
            for (at, _) in text.match_indices(opening) {
                let rest = &text[at + opening.len()..];
                let Some(end) = rest.find('"') else { continue };
                let literal = &rest[..end];
                if is_key(literal) {
                    found.push(literal);
                }
            }
        }
        for (at, _) in text.match_indices("PageError::new(").chain(text.match_indices("Self::new("))
        {
            let call = text[at..].split(");").next().unwrap_or_default();
            found.extend(call.split('"').skip(1).step_by(2).filter(|literal| is_key(literal)));
        }
        found
    }

    fn is_key(literal: &str) -> bool {
        literal.split('-').count() >= 3
            && literal.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    }

    #[test]
    fn arguments_are_put_in_without_invisible_marks() {
        let text = Text::new(Arc::new(Catalogue::load().unwrap()), Lang::En);
        let said = text.t1("error-request-id", "id", "ab12");
        assert!(said.ends_with("ab12"), "{said:?}");
    }
}
