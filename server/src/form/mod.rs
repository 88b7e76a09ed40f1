//! Forms read strictly: small, nothing repeated, nothing unknown, nothing invisible.

mod address;
mod error;
mod label;
mod line;
mod reader;
mod sure;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use zeroize::Zeroizing;

use crate::{error::page::PageError, media_type};

pub use address::{PathId, StrictQuery};
pub use error::FormError;
pub use label::label_key;
pub use sekisho_pki::invisible::{holds_invisible, is_invisible};

pub use line::{LineError, line, line_if_any, lines, lines_if_any};
pub use reader::{exact, parse, unborne};
pub use sure::Sure;

/// The largest form body, in octets.
pub const MOST_OCTETS: usize = 64 * 1024;

/// A field that is wiped once it was read, such as a password: `#[serde(deserialize_with = "form::secret")]`.
///
/// # Errors
/// What the reader says of the field.
pub fn secret<'de, D: Deserializer<'de>>(field: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(field).map(Zeroizing::new)
}

/// Extractor: an `application/x-www-form-urlencoded` body of at most [`MOST_OCTETS`].
///
/// Each field of `T` appears at most once, except where `T` asks for a list; a field that `T` does
/// not know is refused. An empty value is `None` for an `Option`. Control characters other than
/// line breaks and tabs are refused; `\r\n` arrives as `\n`.
#[derive(Debug, Clone)]
pub struct StrictForm<T>(pub T);

impl<T, S> FromRequest<S> for StrictForm<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = PageError;

    async fn from_request(request: Request, _: &S) -> Result<Self, PageError> {
        if !announced(request.headers())? {
            return Err(FormError::NotAForm.into());
        }
        Ok(Self(parse(&body(request).await?)?))
    }
}

/// Extractor: a form without fields, as a button sends it, or no body at all.
#[derive(Debug, Clone, Copy)]
pub struct NoFields;

impl<S: Send + Sync> FromRequest<S> for NoFields {
    type Rejection = PageError;

    async fn from_request(request: Request, _: &S) -> Result<Self, PageError> {
        #[derive(serde::Deserialize)]
        struct Nothing {}
        let announced = announced(request.headers())?;
        let body = body(request).await?;
        if !announced && !body.is_empty() {
            return Err(FormError::NotAForm.into());
        }
        let Nothing {} = parse(&body)?;
        Ok(Self)
    }
}

/// Whether a form is announced; not, where nothing at all is.
///
/// # Errors
/// [`FormError::NotAForm`] for another type, [`FormError::TypeRepeated`].
pub fn announced(headers: &HeaderMap) -> Result<bool, FormError> {
    match media_type::announced(headers) {
        Ok(named) if named.eq_ignore_ascii_case("application/x-www-form-urlencoded") => Ok(true),
        Ok(_) if headers.contains_key(header::CONTENT_TYPE) => Err(FormError::NotAForm),
        Ok(_) => Ok(false),
        Err(media_type::Repeated) => Err(FormError::TypeRepeated),
    }
}

async fn body(request: Request) -> Result<Bytes, FormError> {
    match Limited::new(request.into_body(), MOST_OCTETS).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(FormError::TooLarge),
        Err(_) => Err(FormError::Incomplete),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::HeaderValue;

    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    #[derive(serde::Deserialize)]
    struct Ticked {
        #[expect(dead_code, reason = "read only by serde")]
        sure: Sure,
    }

    async fn refused_by<T: FromRequest<(), Rejection = PageError>>(
        types: &[&'static str],
        body: &'static str,
    ) -> Option<u16> {
        let mut request = Request::new(Body::from(body));
        for announced in types {
            let value = HeaderValue::from_static(announced);
            request.headers_mut().append(header::CONTENT_TYPE, value);
        }
        T::from_request(request, &()).await.err().map(|refused| refused.status.as_u16())
    }

    #[tokio::test]
    async fn another_type_is_415_and_a_repeated_one_400_whatever_the_form() {
        for (types, status) in [
            (&[FORM][..], None),
            (&["Application/X-WWW-Form-Urlencoded; charset=utf-8"], None),
            (&["text/plain"], Some(415)),
            (&["multipart/form-data; boundary=x"], Some(415)),
            (&[""], Some(415)),
            (&["application/x-www-form-urlencoded, text/plain"], Some(415)),
            (&[FORM, FORM], Some(400)),
            (&[FORM, "text/plain"], Some(400)),
            (&["text/plain", "text/html"], Some(400)),
        ] {
            let with_fields = refused_by::<StrictForm<Ticked>>(types, "sure=yes").await;
            assert_eq!(with_fields, status, "{types:?}");
            assert_eq!(refused_by::<NoFields>(types, "").await, status, "{types:?}");
        }
        assert_eq!(refused_by::<NoFields>(&[], "").await, None);
        assert_eq!(refused_by::<NoFields>(&[], "x").await, Some(415));
        assert_eq!(refused_by::<StrictForm<Ticked>>(&[], "").await, Some(415));
    }
}
