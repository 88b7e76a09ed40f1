//! Mistakes in a form, each at its field.

use crate::{catalogue::Text, form, page::PageFrame, register};

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
pub struct FieldErrors {
    list: Vec<FieldError>,
    labels: &'static [(&'static str, &'static str)],
}

impl FieldErrors {
    /// No mistakes yet, of a form some of whose fields are called otherwise than on other pages:
    /// field and message key of its label there.
    #[must_use]
    pub fn of_form(labels: &'static [(&'static str, &'static str)]) -> Self {
        Self { list: Vec::new(), labels }
    }

    /// Notes a mistake; a field says only its first.
    pub fn add(&mut self, field: &'static str, text: String) {
        if self.of(field).is_none() {
            self.list.push(FieldError { field, text });
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
        self.list.iter().find(|error| error.field == field).map(|error| error.text.as_str())
    }

    /// Every mistake as the summary tells it: the field, and its label with what is wrong.
    #[must_use]
    pub fn summary(&self, page: &PageFrame) -> Vec<(&'static str, String)> {
        let line = |error: &FieldError| {
            let own = self.labels.iter().find(|(field, _)| *field == error.field);
            let label = own.map(|(_, key)| *key).or_else(|| form::label_key(error.field));
            let text = match label {
                Some(key) => {
                    let said = [("label", page.t(key)), ("error", error.text.clone())];
                    page.text.with("people-form-error", said.as_slice())
                }
                None => error.text.clone(),
            };
            (error.field, text)
        };
        self.list.iter().map(line).collect()
    }

    /// Nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
