//! `POST /console/terminals/{id}/code`: a new code, shown once as a line to paste and as a QR.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use qrcode::{EcLevel, QrCode, render::svg};
use sekisho_store::{StoreError, audit::Audited, terminal::Device, transaction};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::administered;
use crate::{
    app::App,
    console::routers,
    enrol::new_code::{self, NewCode, NoCode},
    error::page::PageError,
    form::{PathId, StrictForm, Sure},
    instance::fingerprint_groups,
    page::{Page, PageFrame},
    paper_code::PaperCode,
    people::session::ConsoleSession,
    portal::when,
};

/// What the form holds, beside its button.
#[derive(Debug, Deserialize)]
pub struct Form {
    /// Whether a person is to approve the key before it is certified.
    pub(super) approval: Option<Sure>,
}

/// Draws a code.
pub(in crate::console) fn draw(app: &App, now: OffsetDateTime) -> Result<NewCode, PageError> {
    NewCode::draw(app.random(), &app.keys().sealing, app.config(), now)
        .map_err(|error| PageError::internal(&error))
}

/// Draws a code for a facility's own device.
pub(super) fn draw_for(
    app: &App,
    device: Device,
    approval: Option<Sure>,
    now: OffsetDateTime,
) -> Result<NewCode, PageError> {
    Ok(draw(app, now)?.for_device(app.config(), device, approval.is_some()))
}

/// Issues a code for a terminal that exists; earlier unused ones end.
///
/// # Errors
/// 404 for somebody else's terminal; 409 for one that is revoked or on hold, or of a facility that
/// is not active.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    let (terminal, acting) = administered(&mut app.store().read(), &session, &id).await?;
    let now = app.now();
    let code = draw_for(&app, terminal.device, form.approval, now)?;
    let refusal = transaction!(app.store(), StoreError, |tx| {
        let (_, refusal) = new_code::standing(tx, &terminal).await?;
        if let Some(refusal) = refusal {
            let entry = acting.refused("terminal.issue_code", now, refusal.as_str());
            return Ok(Audited::new(Some(refusal), entry.on("terminal", &id)));
        }
        code.keep(tx, &id, acting.person_id()).await?;
        let entry = acting
            .done("terminal.issue_code", now)
            .on("terminal", &id)
            .fact("terminal_name", terminal.name.as_str());
        Ok(Audited::new(None, entry))
    })?;
    match refusal {
        None => {
            let page = session.frame(page);
            Ok(match terminal.device {
                Device::Pc => {
                    let afterwards = Afterwards::at_terminal(&id);
                    self::page(&app, page, &id, &terminal.name, &code, afterwards)?.into_response()
                }
                Device::Router => {
                    routers::code_page(&app, page, &id, &terminal.name, &code).into_response()
                }
            })
        }
        Some(refusal) => Err(no_code(refusal)),
    }
}

/// Why a terminal gets no code, as a page.
pub(in crate::console) fn no_code(refusal: NoCode) -> PageError {
    match refusal {
        NoCode::Revoked => already_revoked(),
        NoCode::FacilityNotActive => facility_not_active(),
        NoCode::Held => PageError::new(
            StatusCode::CONFLICT,
            "terminals-held-title",
            "terminals-held-no-code",
            "terminals-held-help",
        ),
    }
}

pub(in crate::console) fn already_revoked() -> PageError {
    PageError::new(
        StatusCode::CONFLICT,
        "terminals-revoked-title",
        "terminals-revoked-text",
        "terminals-revoked-help",
    )
}

pub(in crate::console) fn facility_not_active() -> PageError {
    PageError::new(
        StatusCode::CONFLICT,
        "terminals-facility-title",
        "terminals-facility-text",
        "terminals-facility-help",
    )
}

#[derive(Template)]
#[template(path = "terminals/code.html")]
struct CodePage {
    page: PageFrame,
    id: String,
    name: String,
    line: Zeroizing<String>,
    qr: Zeroizing<String>,
    root: String,
    until: String,
    needs_approval: bool,
    afterwards: Afterwards,
}

/// What comes after the enrolment.
pub(in crate::console) struct Afterwards {
    /// Where the page leads back to.
    pub(in crate::console) back: String,
    /// How the agent is started.
    pub(in crate::console) run: &'static str,
}

impl Afterwards {
    /// Of a facility's own terminal: its page, and the agent with the readers of the PC.
    pub(super) fn at_terminal(id: &str) -> Self {
        Self { back: format!("/console/terminals/{id}"), run: "sekisho-agent run" }
    }
}

/// The page that shows a code for the only time.
pub(in crate::console) fn page(
    app: &App,
    page: PageFrame,
    id: &str,
    name: &str,
    code: &NewCode,
    afterwards: Afterwards,
) -> Result<Page<impl Template + use<>>, PageError> {
    let root = hex::encode(Sha256::digest(app.authority().root_der(app.now())));
    let line = line(&app.names().enrol, &root, id, code.code());
    let qr = qr(&line).map_err(|error| PageError::internal(&error))?;
    Ok(Page(CodePage {
        until: when::shown(code.expires_at(), page.text.lang()),
        needs_approval: code.needs_approval(),
        page,
        id: id.to_owned(),
        name: name.to_owned(),
        line,
        qr,
        root: fingerprint_groups(&root),
        afterwards,
    }))
}

/// The one line to paste on the PC. It also fills the database in which Chromium looks for the key.
fn line(enrol: &str, root: &str, id: &str, code: &PaperCode) -> Zeroizing<String> {
    Zeroizing::new(format!(
        "sekisho-agent enroll --server {enrol} --root {root} --terminal {id} --code {} --nss ~/.pki/nssdb",
        *code.reveal()
    ))
}

/// A picture of this text, as an element of a page.
pub(in crate::console) fn qr(text: &str) -> Result<Zeroizing<String>, qrcode::types::QrError> {
    // Level M survives a scratched or creased print-out.
    let code = QrCode::with_error_correction_level(text, EcLevel::M)?;
    let image = code.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
    // The XML declaration has no place inside a page.
    let start = image.find("<svg").unwrap_or_default();
    Ok(Zeroizing::new(image[start..].to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_an_svg_element_without_script_or_style() {
        let image = qr("sekisho-agent enroll").unwrap();
        assert!(image.starts_with("<svg"), "{}", &image[..40]);
        assert!(!image.contains("style=") && !image.contains("<script"));
    }
}
