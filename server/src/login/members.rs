//! `/console/members`: a facility's administrator invites, accepts, and ends memberships.
//!
//! Every act names the facility it is for and holds the right to administer that very one.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_pki::national::hc_role;
use sekisho_store::{
    StoreError,
    audit::Audited,
    invitation::{self, ClaimDecision, Mismatch},
    membership,
    presence::{self as presences, CardRemoval},
    service, session as sessions, transaction,
};
use serde::Deserialize;

use super::{invite::InviteForm, logout, session};
use crate::{
    app::App,
    catalogue::Text,
    config::RemovalPolicy,
    entitlement::role_name,
    error::page::PageError,
    form::{self, PathId, StrictForm, StrictQuery, Sure},
    page::{Page, PageFrame},
    people::{
        field::FieldErrors,
        role::{Acting, Role},
        session::ConsoleSession,
    },
    portal::when,
};

/// The most rows of each list on the page.
pub(super) const MOST_ROWS: i64 = 1_000;

/// The query of the page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MembersQuery {
    #[serde(default)]
    organisation: Option<String>,
    #[serde(default)]
    notice: Option<Notice>,
}

/// What was done just before.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Notice {
    Accepted,
    Refused,
    Withdrawn,
    Ended,
    Removal,
}

impl Notice {
    fn words(self, text: &Text) -> String {
        match self {
            Self::Accepted => text.t("members-notice-accepted"),
            Self::Refused => text.t("members-notice-refused"),
            Self::Withdrawn => text.t("members-notice-withdrawn"),
            Self::Ended => text.t("members-notice-ended"),
            Self::Removal => text.t("members-notice-removal"),
        }
    }
}

struct ClaimRow {
    id: String,
    terminal_name: String,
    at: String,
    expected_name: String,
    expected_name_kana: String,
    expected_role: String,
    licence_number: String,
    seen_name: String,
    seen_roles: String,
    name_differs: bool,
    role_differs: bool,
}

struct InvitationRow {
    id: String,
    name: String,
    name_kana: String,
    role: String,
    expires_at: String,
    state: String,
}

struct MemberRow {
    id: String,
    name: String,
    name_kana: String,
    roles: String,
    changed_at: String,
    in_force: bool,
}

#[derive(Template)]
#[template(path = "members.html")]
struct MembersPage {
    page: PageFrame,
    facility_name: String,
    facility_id: String,
    notice: Option<String>,
    claims: Vec<ClaimRow>,
    roles: Vec<(String, String)>,
    invitations: Vec<InvitationRow>,
    members: Vec<MemberRow>,
    removal: Vec<(&'static str, String, bool)>,
    form: InviteForm,
    errors: FieldErrors,
}

/// The right to administer the facility that a request names, or the only one there is.
pub(super) fn acting(
    session: &ConsoleSession,
    named: Option<&str>,
) -> Result<(Acting, String), PageError> {
    let found = match named {
        Some(id) => session
            .require(&Role::FacilityAdministrator(id.to_owned()))
            .map(|acting| (acting, id.to_owned())),
        None => session.require_facility(),
    };
    Ok(found?)
}

pub(super) async fn facility_name(app: &App, organisation_id: &str) -> Result<String, StoreError> {
    let facts = service::facility_facts(&mut app.store().read(), organisation_id).await?;
    Ok(facts.map_or_else(|| organisation_id.to_owned(), |facts| facts.name))
}

fn role_names(roles: &[String], text: &Text) -> String {
    roles.iter().map(|role| role_name(role, text)).collect::<Vec<_>>().join(" / ")
}

/// `GET /console/members`.
///
/// # Errors
/// [`PageError`]: not an administrator of the facility, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictQuery(query): StrictQuery<MembersQuery>,
) -> Result<Response, PageError> {
    let (_, facility_id) = acting(&session, query.organisation.as_deref())?;
    let (form, errors) = (InviteForm::default(), FieldErrors::default());
    show(&app, session.frame(page), facility_id, query.notice, form, errors).await
}

/// The page; with the form of an invitation as it was typed where that has to be put right.
pub(super) async fn show(
    app: &App,
    page: PageFrame,
    facility_id: String,
    notice: Option<Notice>,
    form: InviteForm,
    errors: FieldErrors,
) -> Result<Response, PageError> {
    let text = page.text.clone();
    let lang = text.lang();
    let now = app.now();
    let mut reader = app.store().read();
    let claims = invitation::pending_claims(&mut reader, &facility_id, MOST_ROWS)
        .await?
        .into_iter()
        .map(|claim| ClaimRow {
            name_differs: matches!(claim.mismatch, Mismatch::Name | Mismatch::Both),
            role_differs: matches!(claim.mismatch, Mismatch::Role | Mismatch::Both),
            at: when::shown(claim.at, lang),
            expected_role: role_name(&claim.expected_role, &text),
            seen_roles: role_names(&claim.seen_roles, &text),
            licence_number: claim.licence_number.unwrap_or_default(),
            id: claim.id,
            terminal_name: claim.terminal_name,
            expected_name: claim.expected_name,
            expected_name_kana: claim.expected_name_kana,
            seen_name: claim.seen_name,
        })
        .collect();
    let invitations = invitation::open(&mut reader, &facility_id, MOST_ROWS)
        .await?
        .into_iter()
        .map(|open| InvitationRow {
            role: role_name(&open.expected_role, &text),
            expires_at: when::shown(open.expires_at, lang),
            state: if open.expires_at <= now {
                text.t("members-open-expired")
            } else if open.tries_left <= 0 {
                text.t("members-open-overused")
            } else {
                text.t("members-open-waiting")
            },
            id: open.id,
            name: open.name,
            name_kana: open.name_kana,
        })
        .collect();
    let members = membership::list(&mut reader, &facility_id, MOST_ROWS)
        .await?
        .into_iter()
        .map(|member| MemberRow {
            roles: role_names(&member.hc_roles, &text),
            changed_at: when::shown(member.changed_at, lang),
            id: member.id,
            name: member.name,
            name_kana: member.name_kana,
            in_force: member.in_force,
        })
        .collect();
    let chosen = session::card_removal(app, &mut reader, &facility_id).await?;
    let removal = vec![
        ("logout", text.t("members-removal-logout"), chosen == RemovalPolicy::Logout),
        ("lock", text.t("members-removal-lock"), chosen == RemovalPolicy::Lock),
        ("keep", text.t("members-removal-keep"), chosen == RemovalPolicy::Keep),
    ];
    let roles = hc_role::known_roles()
        .map(|role| (role.name.to_owned(), role_name(role.name, &text)))
        .collect();
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = MembersPage {
        facility_name: facility_name(app, &facility_id).await?,
        notice: notice.map(|notice| notice.words(&text)),
        page,
        facility_id,
        claims,
        roles,
        invitations,
        members,
        removal,
        form,
        errors,
    };
    Ok((status, Page(page)).into_response())
}

/// A form that only says for which facility.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FacilityForm {
    organisation: String,
}

/// `POST /console/members/invitations/{id}/withdraw`.
///
/// # Errors
/// [`PageError`].
pub async fn withdraw(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<FacilityForm>,
) -> Result<Response, PageError> {
    let (acting, facility_id) = acting(&session, Some(&form.organisation))?;
    let now = app.now();
    let done = transaction!(app.store(), StoreError, |tx| {
        let done = invitation::withdraw(tx, &id, &facility_id, now).await?;
        let act = "invitation.withdraw";
        let record =
            if done { acting.done(act, now) } else { acting.refused(act, now, "not_open") };
        Ok(Audited::new(done, record.on("invitation", &id)))
    })?;
    back(done, &facility_id, "withdrawn")
}

/// Form of [`decide`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionForm {
    organisation: String,
    decision: Decision,
}

/// What the administrator says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It is the expected person.
    Accepted,
    /// It is not.
    Refused,
}

/// `POST /console/members/claims/{id}`.
///
/// # Errors
/// [`PageError`].
pub async fn decide(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<DecisionForm>,
) -> Result<Response, PageError> {
    let (acting, facility_id) = acting(&session, Some(&form.organisation))?;
    let now = app.now();
    let (decision, notice) = match form.decision {
        Decision::Accepted => (ClaimDecision::Accepted, "accepted"),
        Decision::Refused => (ClaimDecision::Refused, "refused"),
    };
    let done = transaction!(app.store(), StoreError, |tx| {
        let by = acting.person_id();
        let person = invitation::decide(tx, &id, &facility_id, decision, by, now).await?;
        let Some(person) = person else {
            let record = acting.refused("invitation.decide", now, "not_pending").on("claim", &id);
            return Ok(Audited::new(false, record));
        };
        let record = acting
            .done("invitation.decide", now)
            .on("claim", &id)
            .on("person", &person)
            .fact("decision", decision.as_str());
        if decision == ClaimDecision::Refused {
            return Ok(Audited::new(true, record));
        }
        let reason = "claim accepted by the administrator";
        let started = membership::start(tx, &person, &facility_id, Some(by), reason, now).await?;
        let start =
            acting.done("membership.start", now).on("membership", started).on("person", &person);
        Ok(Audited::new(true, record).and(start))
    })?;
    back(done, &facility_id, notice)
}

/// Form of [`end`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndForm {
    organisation: String,
    #[serde(rename = "sure")]
    _sure: Sure,
}

/// `POST /console/members/{id}/end`: ends a membership and its sessions.
///
/// # Errors
/// [`PageError`].
pub async fn end(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<EndForm>,
) -> Result<Response, PageError> {
    let (acting, facility_id) = acting(&session, Some(&form.organisation))?;
    let now = app.now();
    let done = transaction!(app.store(), StoreError, |tx| {
        let by = acting.person_id();
        let reason = "ended by the administrator";
        let person = membership::end(tx, &id, &facility_id, by, reason, now).await?;
        let Some(person) = person else {
            let record = acting.refused("membership.end", now, "not_in_force");
            return Ok(Audited::new(false, record.on("membership", &id)));
        };
        let ended = sessions::end_of_membership(tx, &id, "membership_ended", now).await?;
        logout::fan_out(tx, &ended, now).await?;
        let record = acting
            .done("membership.end", now)
            .on("membership", &id)
            .on("person", person)
            .fact("sessions_ended", ended.len());
        Ok(Audited::new(true, record))
    })?;
    back(done, &facility_id, "ended")
}

/// Form of [`card_removal`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovalForm {
    organisation: String,
    policy: String,
}

/// `POST /console/members/card-removal`.
///
/// # Errors
/// [`PageError`].
pub async fn card_removal(
    State(app): State<App>,
    session: ConsoleSession,
    StrictForm(form): StrictForm<RemovalForm>,
) -> Result<Response, PageError> {
    let (acting, facility_id) = acting(&session, Some(&form.organisation))?;
    let Some(policy) = CardRemoval::parse(&form.policy) else {
        let unfit = form::FormError::Unfit {
            field: "policy".to_owned(),
            detail: "logout, lock or keep".to_owned(),
        };
        return Err(unfit.into());
    };
    let now = app.now();
    transaction!(app.store(), StoreError, |tx| {
        presences::set_card_removal(tx, &facility_id, policy, acting.person_id(), now).await?;
        let record = acting.done("facility.card_removal", now).fact("policy", policy.as_str());
        Ok(Audited::new((), record))
    })?;
    back(true, &facility_id, "removal")
}

/// Back to the list with a notice, or a page that says that nothing was done.
fn back(done: bool, facility_id: &str, notice: &str) -> Result<Response, PageError> {
    if !done {
        return Err(PageError::new(
            StatusCode::CONFLICT,
            "members-gone-title",
            "members-gone-text",
            "members-gone-help",
        ));
    }
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("organisation", facility_id)
        .append_pair("notice", notice)
        .finish();
    Ok(Redirect::to(&format!("/console/members?{query}")).into_response())
}
