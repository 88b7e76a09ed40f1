//! Why a form was refused, and what a person reads about it.

use http::StatusCode;
use sekisho_store::audit_page::NoKey;

use crate::error::page::PageError;

/// Why a form was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Another content type.
    #[error("the body is not application/x-www-form-urlencoded")]
    NotAForm,
    /// Its type stands there more than once, agreeing or not.
    #[error("Content-Type is repeated; send it once (RFC 9110 section 5.3)")]
    TypeRepeated,
    /// Longer than [`super::MOST_OCTETS`], or too many fields.
    #[error("the form is too large")]
    TooLarge,
    /// The body broke off.
    #[error("the body did not arrive whole")]
    Incomplete,
    /// Not valid percent-encoded UTF-8.
    #[error("the form is not valid UTF-8")]
    NotText,
    /// A control character.
    #[error("field `{field}` holds a control character")]
    ControlCharacter {
        /// Which field.
        field: String,
    },
    /// Twice the same field.
    #[error("field `{field}` is repeated")]
    Repeated {
        /// Which field.
        field: String,
    },
    /// A field that the form does not have.
    #[error("field `{field}` is unknown")]
    Unknown {
        /// Which field.
        field: String,
    },
    /// A field that the form must have.
    #[error("field `{field}` is missing")]
    Missing {
        /// Which field.
        field: &'static str,
    },
    /// A value that is not of the field's type.
    #[error("field `{field}` has a value that does not fit: {detail}")]
    Unfit {
        /// Which field, as far as it is known.
        field: String,
        /// What was expected.
        detail: String,
    },
}

impl FormError {
    /// A field that a stranger named: cut and cleaned for showing.
    pub(crate) fn unknown(name: &str) -> Self {
        Self::Unknown { field: printable(name) }
    }

    /// `before` in an address, by which none of our pages leads on through a list.
    pub(crate) fn no_place(_: NoKey) -> Self {
        Self::Unfit { field: "before".to_owned(), detail: "no place in the list".to_owned() }
    }

    /// The page about a query: nobody filled in a form there, so its words are of the address.
    #[must_use]
    pub fn in_address(self) -> PageError {
        let text = match self {
            Self::Unknown { .. } => Some("error-address-unknown"),
            Self::Missing { .. } => Some("error-address-missing"),
            _ => None,
        };
        let page = PageError::from(self);
        let (title, help) = ("error-address-title", "error-address-help");
        PageError { title, text: text.unwrap_or(page.text), help, ..page }
    }
}

/// A stranger's field name, cut and cleaned for showing.
pub(super) fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(40).collect()
}

impl From<FormError> for PageError {
    fn from(error: FormError) -> Self {
        let bad =
            |text| Self::new(StatusCode::BAD_REQUEST, "error-form-title", text, "error-form-help");
        match error {
            FormError::NotAForm => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "error-form-title",
                "error-form-not-a-form",
                "error-form-help",
            ),
            FormError::TooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "error-too-large-title",
                "error-too-large-text",
                "error-too-large-help",
            ),
            FormError::TypeRepeated => bad("error-form-type-repeated"),
            FormError::Incomplete | FormError::NotText => bad("error-form-unreadable"),
            FormError::ControlCharacter { field } => bad("error-form-control").arg("field", field),
            FormError::Repeated { field } => bad("error-form-repeated").arg("field", field),
            FormError::Unknown { field } => bad("error-form-unknown").arg("field", field),
            FormError::Missing { field } => bad("error-form-missing").arg("field", field),
            FormError::Unfit { field, .. } => bad("error-form-unfit").arg("field", field),
        }
    }
}
