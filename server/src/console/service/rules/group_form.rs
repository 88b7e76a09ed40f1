//! `POST /console/service/{id}/rules/draft/group`: a named group of facilities, for rules to refer to.

use std::collections::BTreeSet;

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::draft::{Draft, Typed, path_of_draft, shown};
use crate::{
    app::App,
    error::page::PageError,
    form::{self, PathId, StrictForm},
    page::PageFrame,
    people::{field::FieldErrors, session::ConsoleSession},
};

/// The longest name of a group, in characters.
const LONGEST_NAME: usize = 40;

/// A group as it is typed: identifiers, one a line. Without any the group is taken away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupForm {
    /// The version of the page that it was sent from.
    base: u32,
    /// The group that is changed; absent for a new one.
    #[serde(default)]
    was: String,
    name: String,
    #[serde(default)]
    members: String,
}

/// Identifiers of facilities, however they are separated.
pub(super) fn identifiers(typed: &str) -> BTreeSet<String> {
    let separates = |c: char| c.is_whitespace() || matches!(c, ',' | '、');
    typed.split(separates).filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

/// The group becomes part of the draft.
///
/// # Errors
/// [`PageError`]: no such service or group, or another's; the database does not answer.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<GroupForm>,
) -> Result<Response, PageError> {
    let draft = Draft::shown_at(&mut app.store().read(), &session, &id, form.base).await?;
    if !form.was.is_empty() && !draft.rules.groups.contains_key(&form.was) {
        return Err(PageError::not_found());
    }
    let mut errors =
        FieldErrors::of_form(&[("name", "rules-group-name"), ("members", "rules-group-members")]);
    if let Some(name) = errors.keep("name", form::line(&form.name, LONGEST_NAME), &page.text) {
        if name != form.was && draft.rules.groups.contains_key(&name) {
            errors.add("name", page.text.t1("rules-fault-group-twice", "name", &name));
        }
        let mut rules = draft.rules.clone();
        rules.groups.remove(&form.was);
        let members = identifiers(&form.members);
        let gone = members.is_empty();
        if !gone {
            rules.groups.insert(name.clone(), members);
        }
        for rule in &mut rules.rules {
            let Some(groups) = &mut rule.groups else { continue };
            // A group that is called otherwise is the same group to the rules that name it.
            if !gone && groups.remove(&form.was) {
                groups.insert(name.clone());
            }
        }
        if gone && form.was.is_empty() {
            errors.add("members", page.text.t("register-error-required"));
        }
        if errors.is_empty() {
            match draft.keep(&app, &rules, &page.text).await? {
                Ok(()) => return Ok(Redirect::to(&path_of_draft(&id)).into_response()),
                Err(fault) if fault.field == "name" => errors.add("name", fault.words),
                Err(fault) => errors.add("members", fault.words),
            }
        }
    }
    let typed =
        Typed { group_was: form.was, group: Some((form.name, form.members)), ..Typed::default() };
    shown(&session, page, &draft, typed, errors)
}
