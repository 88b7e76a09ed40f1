//! `/console/service/{id}/rules/draft/rule`: one rule as a form.

use std::collections::BTreeSet;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_authz::Rule;
use sekisho_pki::national::hc_role;
use sekisho_wire::acr;
use serde::Deserialize;

use super::{
    check::Fault,
    draft::{Draft, path_of_draft},
    group_form::identifiers,
    hours_text, name_of, sentence,
};
use crate::{
    app::App,
    catalogue::Text,
    entitlement::{self, KINDS},
    error::page::PageError,
    form::{PathId, StrictForm, StrictQuery, Sure},
    page::{Page, PageFrame},
    people::{field::FieldErrors, session::ConsoleSession},
};

/// Which rule; absent for a new one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    #[serde(default)]
    rule: String,
}

/// A rule as it is typed. What nothing is chosen of is not asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleForm {
    /// The version of the page that it was sent from.
    base: u32,
    /// The rule that is changed; empty for a new one.
    #[serde(default)]
    was: String,
    id: String,
    #[serde(default)]
    roles: BTreeSet<String>,
    #[serde(default)]
    kinds: BTreeSet<String>,
    #[serde(default)]
    facilities: String,
    #[serde(default)]
    groups: BTreeSet<String>,
    #[serde(default)]
    prefectures: BTreeSet<String>,
    #[serde(default)]
    hours: String,
    #[serde(default)]
    minimum_acr: String,
    #[serde(default)]
    membership: Option<Sure>,
    #[serde(default)]
    emergency: Option<Sure>,
    #[serde(default)]
    patients: Option<Sure>,
    #[serde(default)]
    release: BTreeSet<String>,
}

fn chosen(set: &BTreeSet<String>) -> Option<BTreeSet<String>> {
    (!set.is_empty()).then(|| set.clone())
}

impl RuleForm {
    fn of(rule: &Rule) -> Self {
        let set = |set: &Option<BTreeSet<String>>| set.clone().unwrap_or_default();
        let tick = |ticked: bool| ticked.then_some(Sure::Yes);
        Self {
            base: 0,
            was: rule.id.clone(),
            id: rule.id.clone(),
            roles: set(&rule.roles),
            kinds: set(&rule.kinds),
            facilities: set(&rule.facilities).into_iter().collect::<Vec<_>>().join("\n"),
            groups: set(&rule.groups),
            prefectures: set(&rule.prefectures),
            hours: hours_text::write(rule.hours.as_deref().unwrap_or_default()),
            minimum_acr: rule.minimum_acr.clone().unwrap_or_default(),
            membership: tick(rule.membership),
            emergency: tick(rule.emergency),
            patients: tick(rule.patients),
            release: rule.release.clone(),
        }
    }

    fn read(&self, text: &Text) -> Result<Rule, Fault> {
        let hours = hours_text::read(&self.hours).map_err(|fault| Fault {
            field: "hours",
            words: text.t1("rules-fault-hours", "line", fault.0),
        })?;
        let level = self.minimum_acr.trim();
        Ok(Rule {
            id: self.id.trim().to_owned(),
            roles: chosen(&self.roles),
            kinds: chosen(&self.kinds),
            facilities: chosen(&identifiers(&self.facilities)),
            groups: chosen(&self.groups),
            prefectures: chosen(&self.prefectures),
            hours: (!hours.is_empty()).then_some(hours),
            minimum_acr: (!level.is_empty()).then(|| level.to_owned()),
            membership: self.membership.is_some(),
            emergency: self.emergency.is_some(),
            patients: self.patients.is_some(),
            release: self.release.clone(),
        })
    }
}

struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "console/rules-rule.html")]
struct RulePage {
    page: PageFrame,
    name: String,
    draft_path: String,
    base: i64,
    typed: RuleForm,
    roles: Vec<Choice>,
    kinds: Vec<Choice>,
    groups: Vec<Choice>,
    prefectures: Vec<Choice>,
    levels: Vec<Choice>,
    claims: Vec<Choice>,
    errors: FieldErrors,
}

/// `GET …/draft/rule?rule=`.
///
/// # Errors
/// [`PageError`]: no such service or rule, or another's; the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictQuery(which): StrictQuery<Which>,
) -> Result<Response, PageError> {
    let draft = Draft::find(&mut app.store().read(), &session, &id).await?;
    let typed = if which.rule.is_empty() {
        RuleForm { membership: Some(Sure::Yes), ..RuleForm::default() }
    } else {
        let found = draft.rules.rules.iter().find(|rule| rule.id == which.rule);
        RuleForm::of(found.ok_or_else(PageError::not_found)?)
    };
    Ok(shown(&app, &session, page, &draft, typed, FieldErrors::default()))
}

fn shown(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    draft: &Draft,
    typed: RuleForm,
    errors: FieldErrors,
) -> Response {
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let text = &page.text;
    let choice = |value: &str, label: String, among: &BTreeSet<String>| Choice {
        chosen: among.contains(value),
        value: value.to_owned(),
        label,
    };
    let vocabulary = app.entitlements().vocabulary();
    let prefectures = (1..=47).map(|number| format!("{number:02}"));
    let level = BTreeSet::from([typed.minimum_acr.clone()]);
    let strongest = Choice {
        value: String::new(),
        label: text.t("rules-form-strongest"),
        chosen: typed.minimum_acr.is_empty(),
    };
    let levels =
        acr::LEVELS.into_iter().map(|acr| choice(acr, entitlement::level_name(acr, text), &level));
    let shown = RulePage {
        name: name_of(&draft.service, text),
        draft_path: path_of_draft(&draft.service.id),
        base: draft.base,
        roles: hc_role::known_roles()
            .map(|role| choice(role.name, entitlement::role_name(role.name, text), &typed.roles))
            .collect(),
        kinds: KINDS
            .iter()
            .map(|kind| choice(kind, entitlement::kind_name(kind, text), &typed.kinds))
            .collect(),
        groups: draft
            .rules
            .groups
            .keys()
            .map(|group| choice(group, group.clone(), &typed.groups))
            .collect(),
        prefectures: prefectures
            .map(|code| {
                choice(&code, entitlement::prefecture_name(&code, text), &typed.prefectures)
            })
            .collect(),
        levels: std::iter::once(strongest).chain(levels).collect(),
        claims: vocabulary
            .claims
            .iter()
            .map(|claim| choice(claim, sentence::claim_name(claim, text), &typed.release))
            .collect(),
        typed,
        errors,
        page: session.frame(page.switching_at(&path_of_draft(&draft.service.id))),
    };
    (status, Page(shown)).into_response()
}

/// `POST …/draft/rule`: the rule becomes part of the draft.
///
/// # Errors
/// As for [`get`].
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(typed): StrictForm<RuleForm>,
) -> Result<Response, PageError> {
    let draft = Draft::shown_at(&mut app.store().read(), &session, &id, typed.base).await?;
    let mut rules = draft.rules.clone();
    let place = rules.rules.iter().position(|rule| rule.id == typed.was);
    if !typed.was.is_empty() && place.is_none() {
        return Err(PageError::not_found());
    }
    let kept = match typed.read(&page.text) {
        Ok(rule) => {
            match place.and_then(|place| rules.rules.get_mut(place)) {
                Some(former) => *former = rule,
                None => rules.rules.push(rule),
            }
            draft.keep(&app, &rules, &page.text).await?
        }
        Err(fault) => Err(fault),
    };
    let Err(fault) = kept else { return Ok(Redirect::to(&path_of_draft(&id)).into_response()) };
    let mut errors = FieldErrors::of_form(&[
        ("id", "rules-field-id"),
        ("roles", "rules-field-roles"),
        ("kinds", "rules-field-kinds"),
        ("facilities", "rules-field-facilities"),
        ("groups", "rules-field-groups"),
        ("prefectures", "rules-field-prefectures"),
        ("hours", "rules-field-hours"),
        ("minimum_acr", "rules-field-minimum-acr"),
        ("emergency", "rules-field-emergency"),
        ("release", "rules-field-release"),
    ]);
    let field = match fault.field {
        "rules" | "members" | "name" => "id",
        field => field,
    };
    errors.add(field, fault.words);
    Ok(shown(&app, &session, page, &draft, typed, errors))
}
