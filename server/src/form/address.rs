//! Parts of an address read strictly: an identifier in the path, the parameters of the query.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::{FormError, parse};
use crate::error::page::PageError;

/// Longer than any identifier of ours: UUIDs, facilities' and terminals' identifiers.
const MOST_ID: usize = 64;

/// Extractor: the one parameter of the path, in the form of an identifier.
///
/// Anything else (broken UTF-8, control characters, slashes, too long) names nothing that exists,
/// and is not found without a look into the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathId(pub String);

fn is_identifier(text: &str) -> bool {
    (1..=MOST_ID).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) if is_identifier(&id) => Ok(Self(id)),
            Ok(_) | Err(_) => Err(PageError::not_found()),
        }
    }
}

/// Extractor: the query by the rules of [`super::StrictForm`].
///
/// `lang` is every page's, was judged before any handler (`middleware/query.rs`), and is not handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrictQuery<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        let query = parts.uri.query().unwrap_or_default();
        read(query).map(Self).map_err(FormError::in_address)
    }
}

fn read<T: DeserializeOwned>(query: &str) -> Result<T, FormError> {
    let is_lang = |pair: &&str| pair.split('=').next() == Some("lang");
    let own: Vec<&str> = query.split('&').filter(|pair| !is_lang(pair)).collect();
    parse(own.join("&").as_bytes())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Sample {
        page: Option<u8>,
    }

    #[test]
    fn the_language_is_known_to_every_query_and_nothing_else_is() {
        assert_eq!(read::<Sample>("lang=en&page=3"), Ok(Sample { page: Some(3) }));
        assert_eq!(read::<Sample>(""), Ok(Sample { page: None }));
        for hostile in ["page=3&x=1", "page=1&page=2", "page=%", "page=a"] {
            assert!(read::<Sample>(hostile).is_err(), "{hostile}");
        }
    }

    #[test]
    fn only_what_could_be_an_identifier_is_looked_for() {
        assert!(is_identifier("0199f0a0-7d2e-7000-8000-000000000000"));
        assert!(is_identifier("T0123456789"));
        for hostile in ["", "a b", "a/b", "a\0", "é", "';--", &"a".repeat(65)] {
            assert!(!is_identifier(hostile), "{hostile:?}");
        }
    }
}
