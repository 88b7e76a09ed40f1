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
    named: Vec<(&'static str, String)>,
}

impl FieldErrors {
    /// No mistakes yet, of a form some of whose fields are called otherwise than on other pages:
    /// field and message key of its label there.
    #[must_use]
    pub fn of_form(labels: &'static [(&'static str, &'static str)]) -> Self {
        Self { labels, ..Self::default() }
    }

    /// Calls a field by a text that tells of what stands on this very page, such as whose name.
    pub fn name(&mut self, field: &'static str, label: String) {
        self.named.push((field, label));
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
            let text = match self.label(error.field, page) {
                Some(label) => {
                    let said = [("label", label), ("error", error.text.clone())];
                    page.text.with("people-form-error", said.as_slice())
                }
                None => error.text.clone(),
            };
            (error.field, text)
        };
        self.list.iter().map(line).collect()
    }

    fn label(&self, field: &str, page: &PageFrame) -> Option<String> {
        if let Some((_, label)) = self.named.iter().find(|(named, _)| *named == field) {
            return Some(label.clone());
        }
        let own = self.labels.iter().find(|(named, _)| *named == field).map(|(_, key)| *key);
        own.or_else(|| form::label_key(field)).map(|key| page.t(key))
    }

    /// Nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
