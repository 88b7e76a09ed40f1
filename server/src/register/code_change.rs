//! `/console/organisations/{id}/codes`: a code is added, or ends.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use sekisho_pki::national::facility_code::Strictness;
use sekisho_store::{
    StoreError, Tx,
    application::Code,
    audit::Audited,
    organisation::{self, Period},
    organisation_kind::CodeScheme,
    transaction,
};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{
    approval::{Refusal, RegisterError},
    form::strictness,
    organisation::{TypedForms, correct},
    typed::{self, FieldError},
};
use crate::{
    app::App,
    catalogue::Text,
    error::page::PageError,
    form::{LineError, PathId, StrictForm, Sure},
    page::PageFrame,
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
    portal::when,
};

/// The longest code, in characters.
const MOST_CODE: usize = 20;

/// What happens to a code.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodeChange {
    /// It holds from now on.
    Add,
    /// It ends now.
    End,
}

impl CodeChange {
    const fn act(self) -> &'static str {
        match self {
            Self::Add => "organisation.add_code",
            Self::End => "organisation.end_code",
        }
    }
}

/// The form of a change of code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeForm {
    scheme: String,
    value: String,
    change: CodeChange,
    /// Ticked, where a code is to end.
    sure: Option<Sure>,
}

/// Why a code stays as it is.
#[derive(Debug, Clone, Copy)]
enum Unchanged {
    /// There is no such organisation.
    NoOrganisation,
    /// Another organisation has it.
    Taken,
    /// This organisation has it already, since then.
    HeldSince(OffsetDateTime),
    /// It ended before, then.
    EndedOn(OffsetDateTime),
    /// This organisation never had it.
    NeverHeld,
}

impl Unchanged {
    /// As in audit records.
    const fn code(self) -> &'static str {
        match self {
            Self::NoOrganisation => Refusal::NotFound.code(),
            Self::Taken => Refusal::CodeTaken.code(),
            Self::HeldSince(_) => "code_held",
            Self::EndedOn(_) => "code_ended",
            Self::NeverHeld => "code_never_held",
        }
    }

    /// In words at the code's field; `None` where there is no page that has one.
    fn words(self, text: &Text) -> Option<String> {
        let shown = |at| when::shown(at, text.lang());
        match self {
            Self::NoOrganisation => None,
            Self::Taken => Some(text.t("register-error-code-taken")),
            Self::HeldSince(at) => Some(text.t1("register-error-code-held", "from", shown(at))),
            Self::EndedOn(at) => Some(text.t1("register-error-code-ended", "until", shown(at))),
            Self::NeverHeld => Some(text.t("register-error-code-never-held")),
        }
    }
}

/// `POST /console/organisations/{id}/codes`, fields `scheme`, `value`, `change` (`add` or `end`), and
/// `sure` to end one.
///
/// # Errors
/// [`PageError`]: not the operating body's administrator, no such organisation, or the database does
/// not answer. A field that does not fit is the page again, and so is a code that is there already,
/// here or at another organisation, or has ended, and an end without the tick.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<CodeForm>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::OperatingAdministrator)?;
    let mut errors = FieldErrors::default();
    if matches!(form.change, CodeChange::End) && form.sure.is_none() {
        errors.add("sure", page.t("error-not-ticked"));
        let ending = Some((form.scheme, form.value));
        let typed = TypedForms { ending, ..TypedForms::default() };
        return correct(&app, &session, page, &id, typed, errors).await;
    }
    let typed = TypedForms {
        scheme: form.scheme.clone(),
        value: form.value.clone(),
        ..TypedForms::default()
    };
    let how = strictness(app.config().register().code_check());
    let Some(code) = form.read(how, &page.text, &mut errors) else {
        return correct(&app, &session, page, &id, typed, errors).await;
    };
    let (now, act) = (app.now(), form.change.act());
    let outcome = transaction!(app.store(), StoreError, |tx| {
        let known = organisation::find(tx, &id).await?.is_some();
        let unchanged = match form.change {
            _ if !known => Some(Unchanged::NoOrganisation),
            CodeChange::Add => add(tx, &id, &code, now).await?,
            CodeChange::End => end(tx, &id, &code, now).await?,
        };
        let entry = match unchanged {
            Some(unchanged) => acting.refused(act, now, unchanged.code()),
            None => acting.done(act, now),
        };
        // What was refused is among the acts at the organisation as well, if there is one.
        let entry = if known { entry.at_organisation(&id) } else { entry };
        let entry = entry
            .on("organisation", &id)
            .fact("scheme", code.scheme.as_str())
            .fact("value", code.value.as_str());
        Ok(Audited::new(unchanged, entry))
    })?;
    match outcome {
        None => Ok(Redirect::to(&format!("/console/organisations/{id}")).into_response()),
        Some(unchanged) => match unchanged.words(&page.text) {
            Some(words) => {
                errors.add("value", words);
                correct(&app, &session, page, &id, typed, errors).await
            }
            None => Err(RegisterError::Refused(Refusal::NotFound).into()),
        },
    }
}

impl CodeForm {
    fn read(&self, how: Strictness, text: &Text, errors: &mut FieldErrors) -> Option<Code> {
        let scheme = CodeScheme::parse(&self.scheme).ok_or(FieldError::Choice);
        let scheme = errors.keep("scheme", scheme, text)?;
        let value = match scheme {
            _ if self.value.trim().is_empty() => Err(LineError::Required.into()),
            // The code to be ended stands in the register, under whatever rule it was entered.
            _ if matches!(self.change, CodeChange::End) => typed::line(&self.value, MOST_CODE),
            CodeScheme::MedicalInstitution => {
                typed::medical_institution_code(&self.value, None, how)
            }
            CodeScheme::CareProvider => typed::care_provider_code(&self.value),
            CodeScheme::OperatorAssigned => typed::operator_assigned_code(&self.value),
        };
        let value = errors.keep("value", value, text)?;
        Some(Code { scheme, value })
    }
}

async fn add(
    tx: &mut Tx,
    id: &str,
    code: &Code,
    at: OffsetDateTime,
) -> Result<Option<Unchanged>, StoreError> {
    match organisation::holder_of(tx, code).await? {
        None => organisation::add_code(tx, id, code, at).await.map(|()| None),
        Some(holder) if holder != id => Ok(Some(Unchanged::Taken)),
        Some(_) => {
            let held = periods(tx, id, code).await?.into_iter().find(|held| held.until.is_none());
            Ok(held.map(|held| Unchanged::HeldSince(held.from)))
        }
    }
}

async fn end(
    tx: &mut Tx,
    id: &str,
    code: &Code,
    at: OffsetDateTime,
) -> Result<Option<Unchanged>, StoreError> {
    if organisation::end_code(tx, id, code, at).await? {
        return Ok(None);
    }
    let last = periods(tx, id, code).await?.into_iter().filter_map(|held| held.until).max();
    Ok(Some(last.map_or(Unchanged::NeverHeld, Unchanged::EndedOn)))
}

/// The times for which an organisation had a code.
async fn periods(tx: &mut Tx, id: &str, code: &Code) -> Result<Vec<Period<Code>>, StoreError> {
    let mut codes = organisation::codes(tx, id).await?;
    codes.retain(|held| held.value == *code);
    Ok(codes)
}
