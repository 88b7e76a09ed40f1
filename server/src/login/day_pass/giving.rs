//! `POST /day-pass/{id}`: the second colleague gives the pass, and the slip is shown once.

use askama::Template;
use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Redirect, Response},
};
use sekisho_store::{
    StoreError, Tx,
    audit::{Actor, Audited, Entry},
    day_pass::{self, Given, REPLACED, Waiting},
    membership, transaction,
};
use serde::Deserialize;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{
    PATH, Unfit, alike,
    asking::{self, Shown, field_errors},
    end_all, fitness, may_stand_up,
    pin::{self, PinError},
};
use crate::{
    app::App,
    error::page::PageError,
    form::{self, PathId, StrictForm, Sure},
    listener::{FacilityConnection, Peer},
    login::session::PortalSession,
    notice::{self, Notice, To},
    oidc::liveness,
    page::{Page, PageFrame},
    paper_code::PaperCode,
    people::password,
    portal::when,
};

#[derive(Template)]
#[template(path = "day-pass-slip.html")]
struct SlipPage {
    page: PageFrame,
    facility_name: String,
    name: String,
    code: Zeroizing<String>,
    portal_origin: String,
    valid_until: String,
    asked_by: String,
    given_by: String,
}

/// The form that gives.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GiveForm {
    #[serde(deserialize_with = "form::secret")]
    pin: Zeroizing<String>,
    #[serde(deserialize_with = "form::secret")]
    pin_again: Zeroizing<String>,
    sure: Option<Sure>,
}

/// `POST /day-pass/{id}`, fields `pin`, `pin_again` and `sure`.
///
/// # Errors
/// [`PageError`]: nobody is logged in, or the database does not answer. What does not fit is the page again.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    session: PortalSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<GiveForm>,
) -> Result<Response, PageError> {
    let card_login = app.config().card_login();
    if !card_login.day_passes() || !may_stand_up(&session, app.now()) {
        return Ok(Redirect::to(PATH).into_response());
    }
    let page = page.switching_at(PATH);
    let pin = match read(&form, &page) {
        Ok(pin) => pin,
        Err(errors) => {
            let shown = Shown::unfit_fields(errors);
            return asking::show(&app, &facility, &session, page, shown).await;
        }
    };
    let hashed = password::hash(pin, app.random()).await;
    let pin_phc = hashed.map_err(|error| PageError::internal(&error))?;
    let code = PaperCode::generate(app.random()).map_err(|error| PageError::internal(&error))?;
    let now = app.now();
    let valid_until = now + card_login.day_pass_length();
    let code_hash = code.hash();
    let given = Given {
        id: &id,
        terminal_id: &facility.terminal_id,
        given_by: &session.person_id,
        code_hash: &code_hash,
        pin_phc: &pin_phc,
        at: now,
        valid_until,
    };
    let done: Result<Waiting, Unfit> = transaction!(app.store(), StoreError, |tx| {
        let giver = || Actor::Person(session.person_id.clone());
        let place = |record: Entry| {
            let record = record.on("session", hex::encode(session.id_hash));
            facility.place(record, &peer)
        };
        let waiting = match judge(&app, tx, &session, &facility, given).await? {
            Ok(waiting) => waiting,
            Err(unfit) => {
                let record = Entry::refused("day_pass.give", giver(), now, unfit.code());
                return Ok(Audited::new(Err(unfit), place(record.on("day_pass", &id))));
            }
        };
        // The slip before this one is in some pocket.
        let replaced = end_all(tx, &waiting.person_id, &id, REPLACED, now).await?;
        let told = Notice::DayPassGiven {
            name: waiting.name.clone(),
            asked_by: waiting.asked_by_name.clone(),
            given_by: session.names.name.clone(),
            terminal_name: facility.terminal_name.clone(),
        };
        let to = To::FacilityAdministrators(facility.organisation_id.clone());
        notice::put(tx, to, told, now).await?;
        let record = Entry::done("day_pass.give", giver(), now)
            .on("day_pass", &id)
            .on("person", &waiting.person_id)
            .on("asked_by", &waiting.asked_by)
            .fact("acr", session.acr.clone())
            .fact("valid_until", when::iso(valid_until));
        let audited = Audited::new(Ok(waiting), place(record));
        Ok(replaced.into_iter().map(place).fold(audited, Audited::and))
    })?;
    let waiting = match done {
        Ok(waiting) => waiting,
        Err(unfit) => {
            let shown = Shown::unfit(unfit, None);
            return asking::show(&app, &facility, &session, page, shown).await;
        }
    };
    let slip = SlipPage {
        facility_name: facility.organisation_name.clone(),
        name: waiting.name,
        code: code.reveal(),
        portal_origin: app.names().terminal.clone(),
        valid_until: when::shown(valid_until, page.text.lang()),
        asked_by: waiting.asked_by_name,
        given_by: session.names.name.clone(),
        page: session.frame(page, &facility),
    };
    Ok(Page(slip).into_response())
}

/// The PIN of a form that fits.
fn read(
    form: &GiveForm,
    page: &PageFrame,
) -> Result<Zeroizing<String>, crate::people::field::FieldErrors> {
    let mut errors = field_errors();
    let pin = pin::new(&form.pin).map_err(|error| match error {
        PinError::Form => errors.add(
            "pin",
            page.text.with(
                "day-pass-pin-form",
                [("least", pin::LEAST.to_string()), ("most", pin::MOST.to_string())].as_slice(),
            ),
        ),
        PinError::Simple => errors.add("pin", page.t("day-pass-pin-simple")),
    });
    if let Ok(pin) = &pin
        && *pin != pin::digits(&form.pin_again)
    {
        errors.add("pin_again", page.t("day-pass-pin-differs"));
    }
    if form.sure.is_none() {
        errors.add("sure", page.t("error-not-ticked"));
    }
    match pin {
        Ok(pin) if errors.is_empty() => Ok(pin),
        _ => Err(errors),
    }
}

/// Gives what waits here, if everything about it still holds.
async fn judge(
    app: &App,
    tx: &mut Tx,
    session: &PortalSession,
    facility: &FacilityConnection,
    given: Given<'_>,
) -> Result<Result<Waiting, Unfit>, StoreError> {
    let now: OffsetDateTime = given.at;
    if liveness::session(app, tx, &session.id_hash, now).await?.is_none() {
        return Ok(Err(Unfit::SessionOver));
    }
    let waiting = day_pass::waiting_at(tx, given.terminal_id, now).await?;
    let Some(waiting) = waiting.into_iter().find(|waiting| waiting.id == given.id) else {
        return Ok(Err(Unfit::NotWaiting));
    };
    let here = facility.organisation_id.as_str();
    if membership::in_force(tx, &waiting.asked_by, here).await?.is_none() {
        return Ok(Err(Unfit::NotWaiting));
    }
    if alike(tx, &[&waiting.asked_by, &waiting.person_id, given.given_by]).await? {
        return Ok(Err(Unfit::Alike));
    }
    if let Err(unfit) = fitness(app, tx, &waiting.person_id, here, now).await? {
        return Ok(Err(unfit));
    }
    // Neither who asked nor whom it is for: the statement looks at that.
    Ok(if day_pass::give(tx, given).await? { Ok(waiting) } else { Err(Unfit::NotWaiting) })
}
