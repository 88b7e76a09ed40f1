//! One rule for the query of every path: none for programs, the language for pages, and beside it
//! what the page or its protocol asks for.

use std::collections::BTreeMap;

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};

use crate::{
    catalogue::Lang,
    form::{self, FormError},
    route::{Manners, QueryRule},
};

/// Refuses a query that its path does not take, before any handler. What is not read could not be
/// told from what is mistyped; a page of ours is linked to by ours only.
pub(super) fn refusal(manners: &Manners, request: &Request) -> Option<Response> {
    let rule = manners.query_rule(request.method(), request.extensions())?;
    let judged = judge(request.uri().query().unwrap_or_default(), rule);
    judged.err().map(|refused| refused.in_address().into_response())
}

fn judge(query: &str, rule: QueryRule) -> Result<(), FormError> {
    let takes = |name: &str| match rule {
        QueryRule::OfProtocol | QueryRule::OfPage => true,
        QueryRule::LanguageOnly => name == "lang",
        QueryRule::Nothing => false,
    };
    if rule == QueryRule::OfProtocol {
        return Ok(());
    }
    let sent: BTreeMap<String, Vec<String>> = form::parse(query.as_bytes())?;
    if let Some(unknown) = sent.keys().find(|name| !takes(name)) {
        return Err(FormError::unknown(unknown));
    }
    let field = || "lang".to_owned();
    match sent.get("lang").map(Vec::as_slice) {
        None => Ok(()),
        Some([tag]) if Lang::from_tag(tag).is_some() => Ok(()),
        Some([_]) => {
            Err(FormError::Unfit { field: field(), detail: "the tag of a language".to_owned() })
        }
        Some(_) => Err(FormError::Repeated { field: field() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_takes_the_language_once_and_only_what_it_asks_for() {
        use QueryRule::{LanguageOnly, Nothing, OfPage, OfProtocol};
        for good in ["", "lang=ja", "&lang=en&"] {
            assert_eq!(judge(good, LanguageOnly), Ok(()), "{good}");
            assert_eq!(judge(good, OfPage), Ok(()), "{good}");
        }
        for nothing in ["", "&", "&&&"] {
            assert_eq!(judge(nothing, Nothing), Ok(()), "{nothing}");
        }
        let language = Err(FormError::Unknown { field: "lang".to_owned() });
        assert_eq!(judge("lang=ja", Nothing), language);
        for hostile in ["lang=xx", "lang=", "lang", "lang=EN", "lang=en&lang=en", "lang=%ff", "%"] {
            assert!(judge(hostile, Nothing).is_err(), "{hostile}");
            assert!(judge(hostile, LanguageOnly).is_err(), "{hostile}");
            assert!(judge(hostile, OfPage).is_err(), "{hostile}");
            assert_eq!(judge(hostile, OfProtocol), Ok(()), "{hostile}");
        }
        for own in ["page=1", "lang=en&page=1", "page=1&page=2"] {
            let unknown = Err(FormError::Unknown { field: "page".to_owned() });
            assert_eq!(judge(own, LanguageOnly), unknown, "{own}");
            assert!(judge(own, Nothing).is_err(), "{own}");
            // The page's own part is its handler's to judge.
            assert_eq!(judge(own, OfPage), Ok(()), "{own}");
        }
        assert_eq!(
            judge("x=%00", OfPage),
            Err(FormError::ControlCharacter { field: "x".to_owned() })
        );
    }
}
