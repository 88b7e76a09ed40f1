//! `/console/service/{id}/rules/draft`: rules in the making. A form for each rule and the text lead to the
//! same draft, and the draft to one proposal.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_authz::Rules;
use sekisho_store::{Queries, rules_draft, rules_proposal, rules_version, service::Service};
use serde::Deserialize;

use super::{
    change::{self, ChangeError, Refusal},
    check,
    compare::{Compared, Fate},
    in_force, name_of, path_of, path_of_proposal, proposing,
    sentence::{self, Told},
};
use crate::{
    app::App,
    catalogue::Text,
    error::page::PageError,
    form::{self, NoFields, PathId, StrictForm},
    page::{Page, PageFrame},
    people::{field::FieldErrors, role::Acting, session::ConsoleSession},
};

/// The longest reason of a proposal, in characters.
const LONGEST: usize = 2_000;

/// Where a draft is.
pub(super) fn path_of_draft(service_id: &str) -> String {
    format!("{}/draft", path_of(service_id))
}

/// What somebody writes, or would begin to write from.
pub(super) struct Draft {
    pub(super) service: Service,
    pub(super) acting: Acting,
    /// The version that it changes.
    pub(super) base: i64,
    pub(super) rules: Rules,
    /// The version in force.
    pub(super) version: i64,
    pub(super) in_force: Rules,
    /// Something is stored.
    pub(super) begun: bool,
}

impl Draft {
    /// The reader's draft; the rules in force where they have none.
    ///
    /// # Errors
    /// [`PageError`]: nothing of theirs, or the database does not answer.
    pub(super) async fn find(
        queries: &mut impl Queries,
        session: &ConsoleSession,
        id: &str,
    ) -> Result<Self, PageError> {
        let (service, acting) = proposing(queries, session, id).await?;
        let (version, in_force) = in_force(queries, id).await?;
        let stored = rules_draft::find(queries, id, &session.person_id).await?;
        let begun = stored.is_some();
        let (base, rules) = match stored {
            Some(draft) => (draft.base_version, Rules::from_json(&draft.rules).unwrap_or_default()),
            None => (version, in_force.clone()),
        };
        Ok(Self { service, acting, base, rules, version, in_force, begun })
    }

    /// The same as a page showed it that was made for the version `base`: other rules may have come into force
    /// since, and what is sent from there changes those of then.
    ///
    /// # Errors
    /// [`PageError`]: as for [`Self::find`]; no such version, or the draft was begun anew elsewhere.
    pub(super) async fn shown_at(
        queries: &mut impl Queries,
        session: &ConsoleSession,
        id: &str,
        base: u32,
    ) -> Result<Self, PageError> {
        let mut draft = Self::find(queries, session, id).await?;
        let base = i64::from(base);
        if draft.base == base {
            return Ok(draft);
        }
        if draft.begun {
            return Err(ChangeError::Refused(Refusal::OtherDraft).into());
        }
        let former = rules_version::find(queries, id, base).await?;
        let former = former.ok_or_else(PageError::not_found)?;
        draft.rules = Rules::from_json(&former.rules).unwrap_or_default();
        draft.base = base;
        Ok(draft)
    }

    /// Keeps other rules in its place, if they can be used. What cannot is told, and nothing is kept.
    ///
    /// # Errors
    /// [`PageError`]: the database does not answer.
    pub(super) async fn keep(
        &self,
        app: &App,
        rules: &Rules,
        text: &Text,
    ) -> Result<Result<(), check::Fault>, PageError> {
        let mut reader = app.store().read();
        if let Err(fault) = check::usable(app, &mut reader, &self.service, rules, text).await? {
            return Ok(Err(fault));
        }
        change::write(app, &self.acting, &self.service.id, self.base, rules).await?;
        Ok(Ok(()))
    }
}

struct GroupLine {
    name: String,
    size: usize,
    members: String,
}

/// What was typed, to be put right.
#[derive(Default)]
pub(super) struct Typed {
    pub(super) rules: Option<String>,
    pub(super) reason: String,
    pub(super) group_was: String,
    pub(super) group: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "console/rules-draft.html")]
struct DraftPage {
    page: PageFrame,
    name: String,
    rules_path: String,
    path: String,
    /// Other rules came into force than those that were changed.
    overtaken: bool,
    base: i64,
    version: i64,
    begun: bool,
    told: Vec<Told>,
    groups: Vec<GroupLine>,
    compared: Compared,
    text: String,
    seen: String,
    typed: Typed,
    longest: usize,
    errors: FieldErrors,
}

/// The page.
///
/// # Errors
/// [`PageError`]: no such service, or another's; the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
) -> Result<Response, PageError> {
    let draft = Draft::find(&mut app.store().read(), &session, &id).await?;
    shown(&session, page, &draft, Typed::default(), FieldErrors::default())
}

/// The page, with what was typed and what is wrong with it.
///
/// # Errors
/// [`PageError`]: the rules have no text.
pub(super) fn shown(
    session: &ConsoleSession,
    page: PageFrame,
    draft: &Draft,
    typed: Typed,
    errors: FieldErrors,
) -> Result<Response, PageError> {
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let text = toml::to_string(&draft.rules).map_err(|error| PageError::internal(&error))?;
    let groups = draft.rules.groups.iter().map(|(name, members)| GroupLine {
        name: name.clone(),
        size: members.len(),
        members: members.iter().cloned().collect::<Vec<_>>().join("\n"),
    });
    let path = path_of_draft(&draft.service.id);
    let page = session.frame(page.switching_at(&path));
    let shown = DraftPage {
        name: name_of(&draft.service, &page.text),
        rules_path: path_of(&draft.service.id),
        path,
        overtaken: draft.base != draft.version,
        base: draft.base,
        version: draft.version,
        begun: draft.begun,
        told: sentence::told(&draft.rules, &page.text),
        groups: groups.collect(),
        compared: Compared::between(&draft.in_force, &draft.rules, &page.text),
        text,
        seen: change::fingerprint(&change::json_of(&draft.rules)?),
        typed,
        longest: LONGEST,
        errors,
        page,
    };
    Ok((status, Page(shown)).into_response())
}

/// The rules as a text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextForm {
    base: u32,
    rules: String,
}

/// Rules from TOML, or from JSON, which begins with a brace.
fn read(typed: &str, text: &Text) -> Result<Rules, check::Fault> {
    let fault = |fault: &dyn std::fmt::Display| check::Fault {
        field: "rules",
        words: text.t1("service-approve-fault", "fault", fault.to_string().trim()),
    };
    if typed.trim_start().starts_with('{') {
        return Rules::from_json(typed).map_err(|error| check::of_rules(&error, text));
    }
    toml::from_str(typed).map_err(|error: toml::de::Error| fault(&error))
}

/// `POST …/draft/text`: the text replaces what was written.
///
/// # Errors
/// As for [`get`].
pub async fn text(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<TextForm>,
) -> Result<Response, PageError> {
    let draft = Draft::shown_at(&mut app.store().read(), &session, &id, form.base).await?;
    let kept = match read(&form.rules, &page.text) {
        Ok(rules) if rules.rules.is_empty() => {
            Err(check::Fault { field: "rules", words: page.text.t("service-approve-nobody") })
        }
        Ok(rules) => draft.keep(&app, &rules, &page.text).await?,
        Err(fault) => Err(fault),
    };
    let Err(fault) = kept else { return Ok(Redirect::to(&path_of_draft(&id)).into_response()) };
    let mut errors = FieldErrors::of_form(&[("rules", "rules-text")]);
    errors.add("rules", fault.words);
    let typed = Typed { rules: Some(form.rules), ..Typed::default() };
    shown(&session, page, &draft, typed, errors)
}

/// Which rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    base: u32,
    rule: String,
}

/// `POST …/draft/remove`: a rule less.
///
/// # Errors
/// As for [`get`]; no such rule.
pub async fn remove(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Which>,
) -> Result<Redirect, PageError> {
    let draft = Draft::shown_at(&mut app.store().read(), &session, &id, form.base).await?;
    let mut rules = draft.rules.clone();
    rules.rules.retain(|rule| rule.id != form.rule);
    if rules.rules.len() == draft.rules.rules.len() {
        return Err(PageError::not_found());
    }
    change::write(&app, &draft.acting, &id, draft.base, &rules).await?;
    Ok(Redirect::to(&path_of_draft(&id)))
}

/// From what to go on: `own`, what the reader wrote; the number of a version; or a proposal.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    from: String,
}

/// `POST …/draft/begin`: what is written begins anew over the rules in force, from a text that is there. So
/// nobody's work is lost when other rules came first, and an earlier version is proposed again.
///
/// # Errors
/// As for [`get`]; nothing to begin from.
pub async fn begin(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<From>,
) -> Result<Redirect, PageError> {
    let mut reader = app.store().read();
    let draft = Draft::find(&mut reader, &session, &id).await?;
    let rules = if form.from == "own" {
        draft.rules.clone()
    } else if let Ok(version) = form.from.parse::<u32>() {
        let found = rules_version::find(&mut reader, &id, version.into()).await?;
        Rules::from_json(&found.ok_or_else(PageError::not_found)?.rules).unwrap_or_default()
    } else {
        let found = rules_proposal::find(&mut reader, &form.from).await?;
        let found = found.filter(|proposal| proposal.service_id == id);
        Rules::from_json(&found.ok_or_else(PageError::not_found)?.rules).unwrap_or_default()
    };
    change::write(&app, &draft.acting, &id, draft.version, &rules).await?;
    Ok(Redirect::to(&path_of_draft(&id)))
}

/// `POST …/draft/discard`: what is written is forgotten.
///
/// # Errors
/// As for [`get`].
pub async fn discard(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    _: NoFields,
) -> Result<Redirect, PageError> {
    let (_, acting) = proposing(&mut app.store().read(), &session, &id).await?;
    change::discard(&app, &acting, &id).await?;
    Ok(Redirect::to(&path_of(&id)))
}

/// Why other rules are proposed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Propose {
    reason: String,
    seen: String,
}

/// `POST …/propose`: what is written and was shown is proposed.
///
/// # Errors
/// As for [`get`]; other rules came first, or nothing is changed.
pub async fn propose(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Propose>,
) -> Result<Response, PageError> {
    let draft = Draft::find(&mut app.store().read(), &session, &id).await?;
    let mut errors = FieldErrors::of_form(&[
        ("reason", "rules-reason"),
        ("rules", "rules-text"),
        ("facilities", "rules-text"),
        ("release", "rules-text"),
        ("members", "rules-text"),
    ]);
    let reason = errors.keep("reason", form::lines(&form.reason, LONGEST), &page.text);
    let mut reader = app.store().read();
    let usable = check::usable(&app, &mut reader, &draft.service, &draft.rules, &page.text);
    if let Err(fault) = usable.await? {
        errors.add("rules", fault.words);
    }
    let Some(reason) = reason.filter(|_| errors.is_empty()) else {
        let typed = Typed { reason: form.reason, ..Typed::default() };
        return shown(&session, page, &draft, typed, errors);
    };
    let proposal = change::propose(&app, &draft.acting, &id, &reason, &form.seen).await?;
    Ok(Redirect::to(&path_of_proposal(&proposal)).into_response())
}
