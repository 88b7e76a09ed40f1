//! The forms by which an owner asks to leave the sandbox and the operating body answers.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use sekisho_authz::Rules;
use sekisho_store::{
    Queries, StoreError, going_live, organisation,
    organisation_kind::OrganisationKind,
    person,
    service::{self, Service},
};
use serde::Deserialize;

use super::{decision, owned, path_of, rules, show};
use crate::{
    app::App,
    catalogue::Text,
    error::{going_live::words, page::PageError},
    form::{self, PathId, StrictForm},
    oidc::client::{self, ApprovalError, Registry},
    page::PageFrame,
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
    portal::when,
    use_case::{self, UseCase},
};

/// The longest text of a request or of its refusal, in characters.
const LONGEST: usize = 2_000;

/// What was asked last.
pub(super) struct Asked {
    pub(super) purpose: String,
    pub(super) by: String,
    pub(super) at: String,
}

/// What was typed, to be put right.
#[derive(Default)]
pub(super) struct Typed {
    pub(super) purpose: String,
    pub(super) rules: String,
    pub(super) reason: String,
    /// What the typist had been shown.
    pub(super) seen: Option<String>,
}

/// How a service of the sandbox stands on its way out.
pub(super) struct GoingLive {
    /// The reader may ask.
    pub(super) owns: bool,
    /// The reader may decide, but for what keeps them out.
    pub(super) runs: bool,
    /// Waits for a decision.
    pub(super) open: Option<Asked>,
    /// When the last request was refused, and why.
    pub(super) refused: Option<(String, String)>,
    /// What the reader is shown, for the decision to be about that.
    pub(super) seen: String,
    /// Message keys of why the reader must leave the decision to another.
    pub(super) kept_out: Option<(&'static str, &'static str)>,
    pub(super) longest: usize,
    pub(super) typed: Typed,
    /// What could be begun from: number, name, and whether the reader chose it.
    pub(super) cases: Vec<(u8, String, bool)>,
    /// What the reader chose.
    pub(super) begun: Option<String>,
    /// The registration is another than what the reader was shown when they chose.
    pub(super) changed: bool,
    /// Whose service it is.
    own: Option<(String, OrganisationKind)>,
}

impl GoingLive {
    /// Of a service; `None` for one that is live.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn of(
        queries: &mut impl Queries,
        session: &ConsoleSession,
        service: &Service,
        text: &Text,
    ) -> Result<Option<Self>, StoreError> {
        if service.live_at.is_some() {
            return Ok(None);
        }
        let owner = service.organisation_id.clone().map(Role::ServiceOwner);
        let runs = session.roles.contains(&Role::OperatingAdministrator);
        let own = match &service.organisation_id {
            Some(id) => organisation::find(queries, id).await?,
            None => None,
        };
        let own = own.map(|organisation| (organisation.id, organisation.kind));
        let (mut open, mut refused, mut kept_out) = (None, None, None);
        if let Some(request) = going_live::latest(queries, &service.id).await? {
            let at = |at| when::shown(at, text.lang());
            match (request.decided_at, &request.refused_because) {
                (Some(decided_at), Some(because)) => {
                    refused = Some((at(decided_at), because.clone()));
                }
                (Some(_), None) => {}
                (None, _) => {
                    let id = &session.person_id;
                    kept_out = decision::kept_out(queries, service, &request.asked_by, id).await?;
                    let by = person::name(queries, &request.asked_by).await?;
                    open = Some(Asked {
                        by: by.map_or_else(String::new, |by| by.name),
                        at: at(request.asked_at),
                        purpose: request.purpose,
                    });
                }
            }
        }
        Ok(Some(Self {
            owns: owner.is_some_and(|owner| session.roles.contains(&owner)),
            runs,
            open,
            refused,
            seen: client::fingerprint(service),
            kept_out: kept_out.filter(|_| runs).map(words),
            longest: LONGEST,
            typed: Typed::default(),
            cases: use_case::all()
                .iter()
                .map(|case| (case.number, case.name(text.lang()), false))
                .collect(),
            begun: None,
            changed: false,
            own,
        }))
    }

    /// Has what is written begin from a use case: the request from its description, the decision from its
    /// rules, which release nothing that is outside the service's scopes. Who was shown another registration
    /// (`seen`) looks at this one first: a decision is never about what nobody saw.
    ///
    /// # Errors
    /// [`toml::ser::Error`]: its rules have no text.
    pub(super) fn begin(
        &mut self,
        case: &UseCase,
        scopes: &[String],
        seen: &str,
        text: &Text,
    ) -> Result<(), toml::ser::Error> {
        if self.runs && seen != self.seen {
            self.changed = true;
            return Ok(());
        }
        self.typed.rules = case.file_for(scopes, self.own.as_ref(), text)?;
        self.typed.purpose = case.purpose(text.lang());
        for (number, name, chosen) in &mut self.cases {
            *chosen = *number == case.number;
            if *chosen {
                self.begun = Some(name.clone());
            }
        }
        Ok(())
    }
}

/// What the owner writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    purpose: String,
}

/// `POST /console/service/{id}/ask`: the owner asks to go live.
///
/// # Errors
/// [`PageError`]: another's service, one that is live or asked for already, or the database does not
/// answer.
pub async fn ask(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Ask>,
) -> Result<Response, PageError> {
    let found = service::find(&mut app.store().read(), &id).await?;
    let found = found.ok_or_else(PageError::not_found)?;
    let acting = owned(&session, &found)?;
    let mut errors = FieldErrors::of_form(&[("purpose", "service-ask-purpose")]);
    let Some(purpose) = errors.keep("purpose", form::lines(&form.purpose, LONGEST), &page.text)
    else {
        let typed = Typed { purpose: form.purpose, ..Typed::default() };
        return show::again(&app, &session, page, &id, typed, errors).await;
    };
    decision::ask(&app, &acting, &id, &purpose).await?;
    Ok(Redirect::to(&path_of(&id)).into_response())
}

/// What the operating body's administrator gives.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    rules: String,
    seen: String,
}

/// `POST /console/service/{id}/approve`: the operating body lets the service out of the sandbox.
///
/// # Errors
/// [`PageError`]: not its administrator, or somebody like the owner; nothing is asked for, or what was
/// shown has changed; the database does not answer.
pub async fn approve(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Approve>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::OperatingAdministrator)?;
    let mut errors = FieldErrors::of_form(&[("rules", "service-approve-rules")]);
    let Some(rules) = usable(&app, &id, &form.rules, &page.text, &mut errors).await? else {
        let typed = Typed { rules: form.rules, seen: Some(form.seen), ..Typed::default() };
        return show::again(&app, &session, page, &id, typed, errors).await;
    };
    decision::approve(&app, &acting, &id, &rules, &form.seen).await?;
    Ok(Redirect::to(&path_of(&id)).into_response())
}

/// The rules that were typed, if they can be used for this service; else what is wrong with them is
/// among the errors.
async fn usable(
    app: &App,
    id: &str,
    typed: &str,
    text: &Text,
    errors: &mut FieldErrors,
) -> Result<Option<Rules>, PageError> {
    let registry = Registry::of(app);
    let fault = |fault: &dyn std::fmt::Display| {
        text.t1("service-approve-fault", "fault", fault.to_string().trim())
    };
    let rules = match client::read_rules(&registry, id, typed).await {
        Ok(rules) => rules,
        Err(ApprovalError::Malformed(error)) => {
            errors.add("rules", fault(&error));
            return Ok(None);
        }
        Err(error) => return Err(decision::DecisionError::from(error).into()),
    };
    if rules.rules.is_empty() {
        errors.add("rules", text.t("service-approve-nobody"));
        return Ok(None);
    }
    let mut reader = app.store().read();
    if let Some(found) = service::find(&mut reader, id).await?
        && let Err(fault) = rules::usable(app, &mut reader, &found, &rules, text).await?
    {
        errors.add("rules", fault.words);
        return Ok(None);
    }
    Ok(Some(rules))
}

/// Why the operating body refuses.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refuse {
    reason: String,
}

/// `POST /console/service/{id}/refuse`: the operating body says no, and why.
///
/// # Errors
/// As for [`approve`].
pub async fn refuse(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Refuse>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::OperatingAdministrator)?;
    let mut errors = FieldErrors::of_form(&[("reason", "service-refuse-reason")]);
    let Some(because) = errors.keep("reason", form::lines(&form.reason, LONGEST), &page.text)
    else {
        let typed = Typed { reason: form.reason, ..Typed::default() };
        return show::again(&app, &session, page, &id, typed, errors).await;
    };
    decision::refuse(&app, &acting, &id, &because).await?;
    Ok(Redirect::to(&path_of(&id)).into_response())
}
