//! `GET /console/members`: who is invited, who waits for the administrator, who works at a facility.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_pki::national::hc_role;
use sekisho_store::{
    StoreError,
    facility_policy::{FacilityPolicy, UntoldServices},
    invitation::{self, Kind, Mismatch},
    membership, service,
};
use serde::Deserialize;

use super::{
    day_pass::ending,
    invite::{InviteForm, NO_CARD},
    session, shared_terminal,
};
use crate::{
    app::App,
    catalogue::Text,
    config::RemovalPolicy,
    entitlement::role_name,
    error::page::PageError,
    form::StrictQuery,
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
    Policy,
    Pass,
}

impl Notice {
    fn words(self, text: &Text) -> String {
        match self {
            Self::Accepted => text.t("members-notice-accepted"),
            Self::Refused => text.t("members-notice-refused"),
            Self::Withdrawn => text.t("members-notice-withdrawn"),
            Self::Ended => text.t("members-notice-ended"),
            Self::Policy => text.t("members-notice-removal"),
            Self::Pass => text.t("day-pass-notice-taken-back"),
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
    /// Whether it was to end, and the tick is missing.
    unticked: bool,
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
    /// What holds for services that are not told of logouts.
    untold: Vec<(&'static str, String, bool)>,
    /// Passes for a day that were given to members.
    passes: Vec<ending::Row>,
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
    let (typed, errors) = (Typed::default(), FieldErrors::default());
    show(&app, session.frame(page), facility_id, query.notice, typed, errors).await
}

/// What was sent, to be put right.
#[derive(Default)]
pub(super) struct Typed<'a> {
    /// The form of an invitation.
    pub(super) form: InviteForm,
    /// The membership that was to end without the tick; else empty.
    pub(super) unticked: &'a str,
}

/// The page; with what was typed where that has to be put right.
pub(super) async fn show(
    app: &App,
    page: PageFrame,
    facility_id: String,
    notice: Option<Notice>,
    Typed { form, unticked }: Typed<'_>,
    mut errors: FieldErrors,
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
            role: match open.kind {
                Kind::Card => role_name(&open.expected_role, &text),
                Kind::Account => text.t("members-role-none"),
            },
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
    let members: Vec<_> = membership::list(&mut reader, &facility_id, MOST_ROWS)
        .await?
        .into_iter()
        .map(|member| MemberRow {
            roles: role_names(&member.hc_roles, &text),
            changed_at: when::shown(member.changed_at, lang),
            unticked: member.in_force && member.id == unticked,
            id: member.id,
            name: member.name,
            name_kana: member.name_kana,
            in_force: member.in_force,
        })
        .collect();
    if let Some(member) = members.iter().find(|member| member.unticked) {
        errors.name("sure", text.t1("members-end-sure", "name", &member.name));
    }
    let chosen = session::card_removal(app, &mut reader, &facility_id).await?;
    let removal = vec![
        ("logout", text.t("members-removal-logout"), chosen == RemovalPolicy::Logout),
        ("lock", text.t("members-removal-lock"), chosen == RemovalPolicy::Lock),
        ("keep", text.t("members-removal-keep"), chosen == RemovalPolicy::Keep),
    ];
    let chosen = shared_terminal::policy(app, &mut reader, &facility_id).await?;
    let untold = UntoldServices::ALL.iter().map(|&policy| {
        let word = policy.as_str();
        (word, text.t(&format!("members-untold-{word}")), policy == chosen)
    });
    let passes = ending::rows(app, &mut reader, &facility_id, &text).await?;
    let without_card = (NO_CARD.to_owned(), text.t("members-role-none"));
    let passwords = app.config().card_login().passwords();
    let roles = hc_role::known_roles()
        .map(|role| (role.name.to_owned(), role_name(role.name, &text)))
        .chain(passwords.then_some(without_card))
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
        untold: untold.collect(),
        passes,
        form,
        errors,
    };
    Ok((status, Page(page)).into_response())
}
