//! `POST /console/simulator/show`: the answer, service by service.

use axum::{extract::State, response::Response};
use sekisho_pki::national::facility_identifier::FacilityIdentifier;
use sekisho_store::{
    Queries, StoreError,
    audit::{Actor, Audited, Entry},
    membership,
    offer::Offer,
    organisation::{self, OrganisationStatus},
    person, service, transaction,
};
use sekisho_wire::acr;
use time::OffsetDateTime;

use super::{Rights, SimulatorPage, asked::ShowForm};
use crate::{
    app::App,
    catalogue::{Lang, Text},
    console::service::rules::{claim_name, path_of},
    emergency,
    entitlement::{self, Explanation, Offered, Supposed, request_if},
    error::page::PageError,
    form::StrictForm,
    page::PageFrame,
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
    portal::when,
};

/// One service's answer.
pub(super) struct Answer {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) open: bool,
    pub(super) rule: String,
    pub(super) reasons: Vec<String>,
    pub(super) help: Vec<String>,
    /// What the service would be told.
    pub(super) told: String,
    pub(super) emergency_would_help: bool,
    /// Where its rules are, for who may see them.
    pub(super) path: Option<String>,
}

/// The answers, and of whom they are.
pub(super) struct Outcome {
    pub(super) facility: String,
    pub(super) kind: String,
    pub(super) member: bool,
    /// What counts of their profession in this login.
    pub(super) roles: String,
    pub(super) at: String,
    pub(super) open: usize,
    pub(super) answers: Vec<Answer>,
}

/// What is asked, read.
struct Question {
    person_id: Option<String>,
    facility: String,
    acr: &'static str,
    at: OffsetDateTime,
}

/// The page with the answers.
///
/// # Errors
/// [`PageError`]: nobody that the reader may ask about, whether or not there is such a person; the
/// database does not answer.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictForm(form): StrictForm<ShowForm>,
) -> Result<Response, PageError> {
    let rights = Rights::of(&session)?;
    let mut reader = app.store().read();
    let mut shown = SimulatorPage::new(&session, rights, page, form.clone());
    shown.errors = FieldErrors::of_form(&[
        ("facility", "simulator-facility"),
        ("roles", "rules-field-roles"),
        ("acr", "simulator-level"),
        ("at", "simulator-at"),
    ]);
    let person_id = may_ask(&mut reader, &session, rights, &form).await?;
    if let Some(id) = &person_id {
        let name = person::name(&mut reader, id).await?.map_or_else(String::new, |n| n.name);
        let facility = organisation::name(&mut reader, &form.facility).await?;
        shown.chosen = Some((name, facility.unwrap_or_default()));
    }
    let text = shown.page.text.clone();
    let question = read(&app, &mut reader, person_id, &form, &mut shown.errors, &text).await?;
    let Some(question) = question else { return Ok(shown.answer()) };
    let roles = match &question.person_id {
        Some(id) => membership::roles_shown(&mut reader, id).await?.unwrap_or_default(),
        None => form.roles.iter().cloned().collect(),
    };
    let outcome = answers(&app, &session, rights, &question, &roles, &form, &text).await?;
    let member = outcome.member;
    shown.outcome = Some(outcome);
    record(&app, &session, &question, member).await?;
    Ok(shown.answer())
}

/// Who is asked about, if the reader may: an administrator of a facility about its members alone. Who is no
/// member of it is not told from who does not exist.
async fn may_ask(
    queries: &mut impl Queries,
    session: &ConsoleSession,
    rights: Rights,
    form: &ShowForm,
) -> Result<Option<String>, PageError> {
    if form.person.is_empty() {
        return if rights.supposes() { Ok(None) } else { Err(PageError::not_found()) };
    }
    let known = if rights.runs {
        person::name(queries, &form.person).await?.is_some()
    } else {
        let own = session.facilities().any(|id| id == form.facility);
        own && membership::in_force(queries, &form.person, &form.facility).await?.is_some()
    };
    if known { Ok(Some(form.person.clone())) } else { Err(PageError::not_found()) }
}

async fn read(
    app: &App,
    queries: &mut impl Queries,
    person_id: Option<String>,
    form: &ShowForm,
    errors: &mut FieldErrors,
    text: &Text,
) -> Result<Option<Question>, StoreError> {
    let typed = form.facility.trim();
    let facility = FacilityIdentifier::parse(typed);
    let facility = facility.map_or_else(|_| typed.to_owned(), |id| id.to_string());
    match organisation::status(queries, &facility).await? {
        Some(OrganisationStatus::Active) => {}
        // Nobody logs in there.
        Some(_) => errors.add("facility", text.t("simulator-facility-rests")),
        None => errors.add("facility", text.t("simulator-no-facility")),
    }
    if let Some(role) =
        form.roles.iter().find(|role| entitlement::authorising_roles(&[(*role).clone()]).is_empty())
    {
        errors.add("roles", text.t1("simulator-no-role", "role", role));
    }
    let level = if form.acr.is_empty() { acr::HPKI_CARD } else { &form.acr };
    let acr = acr::LEVELS.into_iter().find(|known| *known == level);
    if acr.is_none() {
        errors.add("acr", text.t("simulator-no-level"));
    }
    let at = if form.at.is_empty() { Some(app.now()) } else { when::typed(&form.at) };
    if at.is_none() {
        errors.add("at", text.t("audit-error-time"));
    }
    let (Some(acr), Some(at), true) = (acr, at, errors.is_empty()) else { return Ok(None) };
    Ok(Some(Question { person_id, facility, acr, at }))
}

async fn answers(
    app: &App,
    session: &ConsoleSession,
    rights: Rights,
    question: &Question,
    roles: &[String],
    form: &ShowForm,
    text: &Text,
) -> Result<Outcome, StoreError> {
    let mut reader = app.store().read();
    let supposed = Supposed {
        person_id: question.person_id.as_deref(),
        organisation_id: &question.facility,
        roles,
        acr: question.acr,
        at: question.at,
        member: form.member.is_some(),
    };
    let request = request_if(&mut reader, supposed).await?;
    let asked = app.entitlements().question(&request);
    let of_person = question.person_id.is_some();
    let mut answers = Vec::new();
    for Offered { offer: found, judge } in &*app.entitlements().offered(&mut reader).await? {
        let owned = is_owned(&mut reader, session, found).await?;
        // Of a person: as the portal would show it there. Who answers for services sees those only, whatever
        // their stage.
        let seen = if rights.runs || (of_person && rights.administers) {
            owned || app.entitlements().is_offered_at(found, &question.facility)
        } else {
            owned
        };
        if !seen {
            continue;
        }
        let decision = app.entitlements().ask(judge, &asked);
        let emergency_would_help = emergency::offered(&request, &decision).is_some();
        let Explanation { reasons, help } = Explanation::of(&decision, text);
        let claims: Vec<_> = decision.release.iter().map(|claim| claim_name(claim, text)).collect();
        answers.push(Answer {
            name: match text.lang() {
                Lang::Ja => found.name_ja.clone(),
                Lang::En => found.name_en.clone(),
            },
            open: decision.allowed,
            rule: decision.rule,
            reasons,
            help,
            told: claims.join(&text.t("authz-list-joint")),
            emergency_would_help,
            path: (rights.runs || owned).then(|| path_of(&found.service_id)),
            id: found.service_id.clone(),
        });
    }
    let names = request.roles.iter().map(|role| entitlement::role_name(role, text));
    let facility = organisation::name(&mut reader, &question.facility).await?;
    Ok(Outcome {
        facility: facility.unwrap_or_default(),
        kind: entitlement::kind_name(&request.facility_kind, text),
        member: request.member,
        roles: names.collect::<Vec<_>>().join(&text.t("authz-list-joint")),
        at: when::shown(question.at, text.lang()),
        open: answers.iter().filter(|answer| answer.open).count(),
        answers,
    })
}

async fn is_owned(
    queries: &mut impl Queries,
    session: &ConsoleSession,
    offer: &Offer,
) -> Result<bool, StoreError> {
    if !session.roles.iter().any(|role| matches!(role, Role::ServiceOwner(_))) {
        return Ok(false);
    }
    let found = service::find(queries, &offer.service_id).await?;
    let owner = found.and_then(|found| found.organisation_id).map(Role::ServiceOwner);
    Ok(owner.is_some_and(|owner| session.roles.contains(&owner)))
}

/// That somebody was looked at, for whoever asks later who looked.
async fn record(
    app: &App,
    session: &ConsoleSession,
    question: &Question,
    member: bool,
) -> Result<(), StoreError> {
    let now = app.now();
    let actor = Actor::Person(session.person_id.clone());
    let entry = Entry::done("service.rules.simulate", actor, now)
        .from_address(&session.address)
        .on("organisation", &question.facility)
        .fact("acr", question.acr)
        .fact("at", question.at.unix_timestamp());
    // A facility's trail has what concerns its own people, and not what others suppose of it.
    let entry = match &question.person_id {
        Some(id) if member => entry.at_organisation(&question.facility).on("person", id),
        Some(id) => entry.on("person", id),
        None => entry,
    };
    transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())))
}
