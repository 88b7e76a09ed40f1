//! `/console/roles`: who acts in which role; for operating administrators.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_store::{
    MayConflict, StoreError, account,
    audit::Audited,
    organisation, person,
    role_grant::{self, NamedGrant},
    session::{self, Realm},
    transaction,
};
use serde::Deserialize;

use super::{
    field::FieldErrors,
    link::{self, Made, OneTimeLink, Purpose},
    mailbox,
    role::{Role, RoleMissing},
    session::ConsoleSession,
};
use crate::{
    app::App,
    error::page::PageError,
    form::{self, NoFields, PathId, StrictForm, StrictQuery, Sure},
    page::{Page, PageFrame},
    register::typed,
};

/// The longest name of a person, in characters.
pub const MOST_NAME: usize = 100;
/// Path of the list.
const PATH: &str = "/console/roles";
/// Token of the one grantable role that is for an organisation.
const SERVICE_OWNER: &str = "service_owner";
/// The most roles that one page lists.
const MOST_LISTED: i64 = 500;

/// Why a role was not granted or withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum RolesError {
    /// The person who asks may not.
    #[error(transparent)]
    RoleMissing(#[from] RoleMissing),
    /// The grant is unknown or was withdrawn before.
    #[error("the role is not in force any more")]
    NotInForce,
    /// Nobody withdraws their own role: the last administrator would lock everybody out.
    #[error("one's own role cannot be withdrawn")]
    OwnRole,
    /// Somebody has this login name.
    #[error("the login name is taken")]
    LoginNameTaken,
    /// No randomness for a link.
    #[error(transparent)]
    Randomness(#[from] sekisho_key::RandomnessError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for RolesError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

impl IntoResponse for RolesError {
    fn into_response(self) -> Response {
        PageError::from(self).into_response()
    }
}

/// The form for a new person with a role.
#[derive(Debug, Default, Clone, Deserialize)]
pub struct NewPersonForm {
    login_name: String,
    name: String,
    name_kana: String,
    email: String,
    role: String,
    /// Whose services, for a service owner; not looked at for a role that is for no organisation.
    #[serde(default)]
    organisation_id: String,
}

impl NewPersonForm {
    /// The organisation that the role is for, where it is for one.
    fn organisation(&self) -> Option<&str> {
        (self.role == SERVICE_OWNER).then_some(&self.organisation_id)
    }
}

#[derive(Template)]
#[template(path = "people/roles.html")]
struct RolesPage {
    page: PageFrame,
    grants: Vec<NamedGrant>,
    /// The organisation whose people are listed instead of the operating body's; else empty.
    organisation: String,
    own_person_id: String,
    form: NewPersonForm,
    errors: FieldErrors,
    /// The grant that was to end without the tick; else empty.
    unticked: String,
}

/// Whose roles are listed.
#[derive(Debug, Default, Deserialize)]
pub struct RolesQuery {
    /// An organisation's identifier; empty for the operating body's own.
    #[serde(default)]
    organisation: String,
}

/// `GET /console/roles?organisation=`.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictQuery(query): StrictQuery<RolesQuery>,
) -> Result<Response, RolesError> {
    session.require(&Role::OperatingAdministrator)?;
    let organisation = query.organisation.trim().to_owned();
    let grants = listed(&app, &organisation).await?;
    let page = RolesPage {
        own_person_id: session.person_id.clone(),
        page: session.frame(page),
        grants,
        organisation,
        form: NewPersonForm::default(),
        errors: FieldErrors::default(),
        unticked: String::new(),
    };
    Ok(Page(page).into_response())
}

/// The page again, with what is wrong in its form.
async fn correct(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    form: NewPersonForm,
    errors: FieldErrors,
) -> Result<Response, RolesError> {
    let grants = listed(app, "").await?;
    let own_person_id = session.person_id.clone();
    let page = session.frame(page.switching_at(PATH));
    let organisation = String::new();
    let unticked = String::new();
    let page = RolesPage { page, grants, organisation, own_person_id, form, errors, unticked };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response())
}

/// The list again that the grant `unticked` stands in, with its box marked.
async fn insist(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    organisation: String,
    unticked: String,
) -> Result<Response, RolesError> {
    let grants = listed(app, &organisation).await?;
    let mut errors = FieldErrors::default();
    errors.add("sure", page.t("error-not-ticked"));
    if let Some(grant) = grants.iter().find(|grant| grant.id == unticked) {
        errors.name("sure", page.t1("people-roles-withdraw-sure", "name", &grant.name));
    }
    let own_person_id = session.person_id.clone();
    let (page, form) = (session.frame(page.switching_at(PATH)), NewPersonForm::default());
    let page = RolesPage { page, grants, organisation, own_person_id, form, errors, unticked };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response())
}

/// The roles at an organisation; of the operating body, where none is named.
async fn listed(app: &App, organisation: &str) -> Result<Vec<NamedGrant>, StoreError> {
    let mut reader = app.store().read();
    if organisation.is_empty() {
        role_grant::of_operating_body(&mut reader, MOST_LISTED).await
    } else {
        role_grant::of_organisation(&mut reader, organisation, MOST_LISTED).await
    }
}

/// Letters, digits, `.`, `-` and `_`, three to 64, in lower case.
#[must_use]
pub fn login_name_fits(name: &str) -> bool {
    (3..=64).contains(&name.len())
        && name.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_')
        })
}

/// `POST /console/roles`: a new person with a role; the link is shown once.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictForm(form): StrictForm<NewPersonForm>,
) -> Result<Response, RolesError> {
    let acting = session.require(&Role::OperatingAdministrator)?;
    let mut form = NewPersonForm {
        login_name: form.login_name.trim().to_lowercase(),
        name: form.name,
        name_kana: form.name_kana,
        email: form.email.trim().to_owned(),
        role: form.role,
        organisation_id: form.organisation_id.trim().to_owned(),
    };
    let mut errors = FieldErrors::of_form(&[
        ("name", "people-field-name"),
        ("name_kana", "people-field-name-kana"),
    ]);
    if !login_name_fits(&form.login_name) {
        errors.add("login_name", page.t("people-error-login-name"));
    }
    if let Some(name) = errors.keep("name", form::line(&form.name, MOST_NAME), &page.text) {
        form.name = name;
    }
    let kana = typed::kana_if_any(&form.name_kana, MOST_NAME);
    if let Some(name_kana) = errors.keep("name_kana", kana, &page.text) {
        form.name_kana = name_kana;
    }
    match mailbox::read(&form.email) {
        Ok(email) => form.email = email,
        Err(error) => errors.add("email", page.t(error.key())),
    }
    if !Role::is_grantable(&form.role) {
        errors.add("role", page.t("people-error-role"));
    }
    if form.organisation().is_none() && !form.organisation_id.is_empty() {
        errors.add("organisation_id", page.t("people-error-organisation-unasked"));
    }
    if let Some(id) = form.organisation() {
        match organisation::find(&mut app.store().read(), id).await? {
            Some(found) if !found.status.is_halted() => {}
            _ => errors.add("organisation_id", page.t("people-error-organisation")),
        }
    }
    if !errors.is_empty() {
        return correct(&app, &session, page, form, errors).await;
    }
    let link = OneTimeLink::draw(app.random(), app.config(), app.now())?;
    let now = app.now();
    let outcome = transaction!(app.store(), RolesError, |tx| {
        if account::find(tx, &form.login_name).await?.is_some() {
            return Err(RolesError::LoginNameTaken);
        }
        let person_id = person::enter(tx, &form.name, &form.name_kana, now).await?;
        let opened = account::open(tx, &person_id, &form.login_name, &form.email).await;
        opened.map_err(|error| match error {
            StoreError::AlreadyExists { .. } => RolesError::LoginNameTaken,
            error => error.into(),
        })?;
        let (at, by) = (form.organisation(), Some(acting.person_id()));
        let grant = role_grant::grant(tx, &person_id, &form.role, at, by, now).await?;
        link.keep(tx, &person_id, by, now).await?;
        let entry = acting
            .done("role.grant", now)
            .on("person", &person_id)
            .on("role_grant", grant)
            .fact("role", form.role.clone())
            .fact("link_expires_at", link.expires_at().unix_timestamp())
            .personal("login_name", &form.login_name)
            .personal("name", &form.name);
        let entry = match at {
            Some(id) => entry.at_organisation(id).on("organisation", id),
            None => entry,
        };
        Ok(Audited::new((), entry))
    });
    match outcome {
        Err(RolesError::LoginNameTaken) => {
            errors.add("login_name", page.t("people-error-login-name-taken"));
            correct(&app, &session, page, form, errors).await
        }
        Err(error) => Err(error),
        Ok(()) => {
            let made = Made {
                name: form.name,
                login_name: form.login_name,
                purpose: Purpose::NewAccount,
                back: PATH,
            };
            Ok(Page(link.page(&app, session.frame(page), &made)).into_response())
        }
    }
}

/// `POST /console/roles/{person}/link`, no fields: a new link for somebody of the operating body,
/// shown once.
///
/// # Errors
/// [`PageError`]: not the operating body's administrator, one's own account, nobody of the operating
/// body, or somebody with a role that another answers for.
pub async fn issue_link(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(person_id): PathId,
    _: NoFields,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::OperatingAdministrator)?;
    let (link, made) = link::issue(&app, &acting, &person_id, PATH).await?;
    Ok(Page(link.page(&app, session.frame(page), &made)).into_response())
}

/// The form of [`withdraw`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawForm {
    /// The organisation whose list the button stands in; empty for the operating body's.
    #[serde(default)]
    organisation: String,
    sure: Option<Sure>,
}

/// `POST /console/roles/{id}/withdraw`: the role ends, and with it the person's sessions. Without the
/// tick it is the list again.
pub async fn withdraw(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<WithdrawForm>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::OperatingAdministrator)?;
    if form.sure.is_none() {
        return Ok(insist(&app, &session, page, form.organisation, id).await?);
    }
    let now = app.now();
    let outcome = transaction!(app.store(), RolesError, |tx| {
        let Some(grant) = role_grant::withdraw(tx, &id, acting.person_id(), now).await? else {
            return Err(RolesError::NotInForce);
        };
        if grant.person_id == acting.person_id() {
            return Err(RolesError::OwnRole);
        }
        session::end_of_person(tx, Realm::Console, &grant.person_id, "role_withdrawn", now).await?;
        let entry = acting
            .done("role.withdraw", now)
            .on("person", grant.person_id)
            .on("role_grant", grant.id)
            .fact("role", grant.role);
        let entry = match grant.organisation_id {
            Some(id) => entry.at_organisation(id),
            None => entry,
        };
        Ok(Audited::new((), entry))
    });
    if let Err(error @ (RolesError::NotInForce | RolesError::OwnRole)) = outcome {
        let reason = if matches!(error, RolesError::OwnRole) { "own_role" } else { "not_in_force" };
        let entry = acting.refused("role.withdraw", now, reason);
        transaction!(app.store(), RolesError, |tx| Ok(Audited::new((), entry.clone())))?;
        return Err(error.into());
    }
    outcome?;
    Ok(Redirect::to(PATH).into_response())
}
