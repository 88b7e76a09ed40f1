//! Mistakes in a form, each at its field.

use crate::{catalogue::Text, register};

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Name of the field, which is also the `id` of its input.
    pub field: &'static str,
    /// What to say, in the page's language.
    pub text: String,
}

/// All mistakes of a form, for the summary above it and the line at each field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors(pub Vec<FieldError>);

impl FieldErrors {
    /// Notes a mistake; a field says only its first.
    pub fn add(&mut self, field: &'static str, text: String) {
        if self.of(field).is_none() {
            self.0.push(FieldError { field, text });
        }
    }

    /// What was read of a field, or `None` and the mistake is noted.
    pub fn keep<T>(
        &mut self,
        field: &'static str,
        read: Result<T, impl Into<register::typed::FieldError>>,
        text: &Text,
    ) -> Option<T> {
        read.map_err(|error| self.add(field, error.into().words(text))).ok()
    }

    /// What is wrong with `field`.
    #[must_use]
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|error| error.field == field).map(|error| error.text.as_str())
    }

    /// Nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
