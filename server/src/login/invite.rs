//! `POST /console/members/invitations`: a facility's administrator invites somebody.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use sekisho_pki::national::hc_role;
use sekisho_store::{
    StoreError,
    audit::Audited,
    invitation::{self, Kind, NewInvitation},
    transaction,
};
use serde::Deserialize;
use time::Duration;

use super::{
    members,
    name::{normalised, same_name},
};
use crate::{
    app::App,
    error::page::PageError,
    form::{self, LineError, StrictForm},
    page::{Page, PageFrame},
    paper_code::PaperCode,
    people::{field::FieldErrors, session::ConsoleSession},
    portal::when,
    register::typed::{self, FieldError},
};

/// How long a code can be entered.
const LIFETIME: Duration = Duration::days(7);
/// Wrong entries that a code survives.
const TRIES: i64 = 5;
/// What the fields are called on the page of members.
const LABELS: &[(&str, &str)] = &[
    ("name", "members-name-kanji"),
    ("name_kana", "members-name-kana"),
    ("role", "members-role-expected"),
    ("licence_number", "members-licence-optional"),
];
/// The longest name, in characters.
const MOST_NAME: usize = 60;
/// The longest licence number, in characters.
const MOST_LICENCE_NUMBER: usize = 20;

#[derive(Template)]
#[template(path = "invitation-slip.html")]
struct SlipPage {
    page: PageFrame,
    facility_name: String,
    facility_id: String,
    name: String,
    code: String,
    /// Whether a card has to follow the code; an account is opened otherwise.
    by_card: bool,
    portal_origin: String,
    expires_at: String,
    /// Another invitation of this name is open: sent twice, or two people.
    also_open: bool,
}

/// Form of [`post`].
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InviteForm {
    organisation: String,
    pub(super) name: String,
    pub(super) name_kana: String,
    pub(super) role: String,
    #[serde(default)]
    pub(super) licence_number: String,
}

/// What the form holds as a profession for somebody without a card.
pub(super) const NO_CARD: &str = "none";

/// What the form amounts to.
struct Invitee {
    kind: Kind,
    name: String,
    name_kana: String,
    licence_number: Option<String>,
}

impl InviteForm {
    fn read(&self, page: &PageFrame, passwords: bool) -> Result<Invitee, FieldErrors> {
        let mut errors = FieldErrors::of_form(LABELS);
        let kind = match (self.role.as_str(), passwords) {
            (NO_CARD, true) => Ok(Kind::Account),
            (role, _) => hc_role::known(role).map(|_| Kind::Card).ok_or(FieldError::Choice),
        };
        let number = form::line_if_any(&normalised(&self.licence_number), MOST_LICENCE_NUMBER);
        let read = (
            errors.keep("name", name(&self.name), &page.text),
            errors.keep("name_kana", kana(&self.name_kana), &page.text),
            errors.keep("role", kind, &page.text),
            errors.keep("licence_number", number, &page.text),
        );
        let (Some(name), Some(name_kana), Some(kind), Some(number)) = read else {
            return Err(errors);
        };
        // Who has no card has no number that one would say.
        let licence_number = (kind == Kind::Card && !number.is_empty()).then_some(number);
        Ok(Invitee { kind, name, name_kana, licence_number })
    }
}

/// A name as it is compared with the one on the card. Judged as typed too: the normal form turns some
/// invisible characters into others.
fn name(typed: &str) -> Result<String, LineError> {
    form::line(&normalised(&form::line(typed, MOST_NAME)?), MOST_NAME)
}

/// The same name in katakana.
fn kana(typed: &str) -> Result<String, FieldError> {
    Ok(form::line(&normalised(&typed::kana(typed, MOST_NAME)?), MOST_NAME)?)
}

/// `POST /console/members/invitations`: the code is shown once, on a slip to be printed. A form that
/// does not fit is the page again, with what was typed and what is wrong with it.
///
/// # Errors
/// [`PageError`]: not an administrator of the facility, or the database does not answer.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictForm(form): StrictForm<InviteForm>,
) -> Result<Response, PageError> {
    let (acting, facility_id) = members::acting(&session, Some(&form.organisation))?;
    let invitee = match form.read(&page, app.config().card_login().passwords()) {
        Ok(invitee) => invitee,
        Err(errors) => {
            let page = session.frame(page.switching_at("/console/members"));
            let typed = members::Typed { form, unticked: "" };
            return members::show(&app, page, facility_id, None, typed, errors).await;
        }
    };
    let code = PaperCode::generate(app.random()).map_err(|error| PageError::internal(&error))?;
    let now = app.now();
    let expires_at = now + LIFETIME;
    let also_open = transaction!(app.store(), StoreError, |tx| {
        let open = invitation::open(tx, &facility_id, members::MOST_ROWS).await?;
        let also_open =
            open.iter().any(|open| open.expires_at > now && same_name(&invitee.name, &open.name));
        let new = NewInvitation {
            organisation_id: &facility_id,
            kind: invitee.kind,
            code_hash: &code.hash(),
            selector: &code.selector(),
            name: &invitee.name,
            name_kana: &invitee.name_kana,
            expected_role: match invitee.kind {
                Kind::Card => &form.role,
                Kind::Account => "",
            },
            licence_number: invitee.licence_number.as_deref(),
            created_by: acting.person_id(),
            created_at: now,
            expires_at,
            tries: TRIES,
        };
        let id = invitation::create(tx, new).await?;
        let record = acting
            .done("invitation.create", now)
            .on("invitation", id)
            .fact("expected_role", form.role.as_str())
            .personal("name", &invitee.name);
        Ok(Audited::new(also_open, record))
    })?;
    let slip = SlipPage {
        facility_name: members::facility_name(&app, &facility_id).await?,
        expires_at: when::shown(expires_at, page.text.lang()),
        page: session.frame(page),
        facility_id,
        name: invitee.name,
        code: code.reveal().to_string(),
        by_card: invitee.kind == Kind::Card,
        portal_origin: app.names().terminal.clone(),
        also_open,
    };
    Ok(Page(slip).into_response())
}
