//! What an auditor asks for: the query of the list and of its download.

use sekisho_pki::national::facility_identifier::FacilityIdentifier;
use sekisho_store::{
    account,
    audit_page::{Filter, Key},
};
use serde::Deserialize;

use crate::{
    app::App, error::page::PageError, form::FormError, page::PageFrame, people::field::FieldErrors,
    portal::when,
};

/// The most octets of a text that somebody searches by.
const MOST_OCTETS: usize = 200;

/// The query; every field may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct AuditQuery {
    /// Japan Standard Time, `2026-11-21T09:00`.
    #[serde(default)]
    pub(super) from: String,
    /// The same; records before it.
    #[serde(default)]
    pub(super) until: String,
    /// A login name, or an identifier as records have it.
    #[serde(default)]
    pub(super) actor: String,
    /// An act, whole.
    #[serde(default)]
    pub(super) act: String,
    /// A facility's identifier.
    #[serde(default)]
    pub(super) facility: String,
    /// [`Self::after`] of the page before.
    #[serde(default)]
    pub(super) before: String,
}

impl AuditQuery {
    /// What the query asks for, and where its page begins; `None` with an error at each field that
    /// cannot be read.
    ///
    /// # Errors
    /// [`PageError`]: `before`, which no field shows, is none that a page of ours linked to, or the
    /// database does not answer.
    pub(super) async fn read(
        &self,
        app: &App,
        page: &PageFrame,
        errors: &mut FieldErrors,
    ) -> Result<Option<(Filter, Option<Key>)>, PageError> {
        let mut time = |field: &'static str, text: &str| {
            let typed = (!text.is_empty()).then(|| when::typed(text));
            if typed == Some(None) {
                errors.add(field, page.t("audit-error-time"));
            }
            typed.flatten()
        };
        let (from, until) = (time("from", &self.from), time("until", &self.until));
        let mut text = |field: &'static str, text: &str| {
            let text = text.trim();
            if text.len() > MOST_OCTETS {
                errors.add(field, page.t1("audit-error-long", "most", MOST_OCTETS));
                return None;
            }
            (!text.is_empty()).then(|| text.to_owned())
        };
        let (actor, act) = (text("actor", &self.actor), text("act", &self.act));
        let actor_id = match actor {
            None => None,
            Some(named) => {
                let login_name = named.to_lowercase();
                let found = account::find(&mut app.store().read(), &login_name).await?;
                Some(found.map_or(named, |account| account.person_id))
            }
        };
        let before = match self.before.as_str() {
            "" => None,
            key => Some(key.parse().map_err(FormError::no_place)?),
        };
        let organisation_id = match self.facility.trim() {
            "" => None,
            typed => match FacilityIdentifier::parse(typed) {
                Ok(id) => Some(id.to_string()),
                Err(_) => {
                    errors.add("facility", page.t("audit-error-facility"));
                    None
                }
            },
        };
        let filter = Filter { from, until, actor_id, act, organisation_id };
        Ok(errors.is_empty().then_some((filter, before)))
    }

    /// The same question from after the record of this key on, as the query of an address.
    pub(super) fn after(&self, key: &Key) -> String {
        Self { before: key.to_string(), ..self.clone() }.address()
    }

    /// The query of an address; what is empty is left out.
    pub(super) fn address(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("from", &self.from),
            ("until", &self.until),
            ("actor", &self.actor),
            ("act", &self.act),
            ("facility", &self.facility),
            ("before", &self.before),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}
