//! `POST /console/terminals/{id}/code`: a new code, shown once as a line to paste and as a QR.

use askama::Template;
use axum::extract::State;
use http::StatusCode;
use qrcode::{EcLevel, QrCode, render::svg};
use sekisho_store::{
    Queries, StoreError, Tx,
    audit::Audited,
    enrolment_code, organisation, replacement,
    terminal::{self, Terminal, TerminalStatus},
    transaction,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::administered;
use crate::{
    app::App,
    error::page::PageError,
    form::{PathId, StrictForm},
    instance::fingerprint_groups,
    page::{Page, PageFrame},
    paper_code::PaperCode,
    people::session::ConsoleSession,
    portal::when,
};

/// The form has a button only.
#[derive(Debug, Deserialize)]
pub struct Form {}

/// A code that was drawn and may yet be kept.
pub(super) struct NewCode {
    code: PaperCode,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
}

impl NewCode {
    pub(super) fn draw(app: &App, now: OffsetDateTime) -> Result<Self, PageError> {
        let code =
            PaperCode::generate(app.random()).map_err(|error| PageError::internal(&error))?;
        let expires_at = now + app.config().enrolment().code_lifetime();
        Ok(Self { code, created_at: now, expires_at })
    }

    /// Keeps its hash in the transaction of the act that issues it.
    pub(super) async fn keep(
        &self,
        tx: &mut Tx,
        app: &App,
        terminal_id: &str,
        person_id: &str,
    ) -> Result<(), StoreError> {
        let kept = enrolment_code::NewCode {
            code_hash: &self.code.hash(),
            terminal_id,
            tries: i64::from(app.config().enrolment().code_tries()),
            person_id,
            created_at: self.created_at,
            expires_at: self.expires_at,
        };
        enrolment_code::issue(tx, kept).await
    }

    /// Makes it the code of a new PC, in the same transaction.
    pub(super) async fn replaces_pc(
        &self,
        tx: &mut Tx,
        terminal_id: &str,
        person_id: &str,
    ) -> Result<(), StoreError> {
        replacement::begin(tx, terminal_id, &self.code.hash(), person_id, self.created_at).await
    }
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
    StrictForm(Form {}): StrictForm<Form>,
) -> Result<Page<impl Template>, PageError> {
    let (terminal, acting) = administered(&mut app.store().read(), &session, &id).await?;
    let now = app.now();
    let code = NewCode::draw(&app, now)?;
    let refusal = transaction!(app.store(), StoreError, |tx| {
        let (_, refusal) = standing(tx, &terminal).await?;
        if let Some(refusal) = refusal {
            let entry = acting.refused("terminal.issue_code", now, refusal.as_str());
            return Ok(Audited::new(Some(refusal), entry.on("terminal", &id)));
        }
        code.keep(tx, &app, &id, acting.person_id()).await?;
        let entry = acting
            .done("terminal.issue_code", now)
            .on("terminal", &id)
            .fact("terminal_name", terminal.name.as_str());
        Ok(Audited::new(None, entry))
    })?;
    match refusal {
        None => self::page(&app, session.frame(page), &id, &terminal.name, &code),
        Some(refusal) => Err(refusal.page()),
    }
}

/// Where the terminal stands now, and why it gets no code, if it gets none.
pub(super) async fn standing(
    queries: &mut impl Queries,
    terminal: &Terminal,
) -> Result<(Option<TerminalStatus>, Option<Refusal>), StoreError> {
    let standing = terminal::find(queries, &terminal.id).await?.map(|found| found.status);
    let active = organisation::is_active(queries, &terminal.organisation_id).await?;
    let refusal = match (standing, active) {
        (None | Some(TerminalStatus::Revoked), _) => Some(Refusal::Revoked),
        // A suspended facility's terminals are on hold, too: what it says is the cause.
        (_, false) => Some(Refusal::FacilityNotActive),
        // The enrolment would be refused; nobody is to be sent to the PC for that.
        (Some(TerminalStatus::Held), true) => Some(Refusal::Held),
        (
            Some(
                TerminalStatus::Created
                | TerminalStatus::Enrolled
                | TerminalStatus::CertificateRevoked,
            ),
            true,
        ) => None,
    };
    Ok((standing, refusal))
}

/// Why a terminal gets no code.
#[derive(Clone, Copy)]
pub(super) enum Refusal {
    Revoked,
    FacilityNotActive,
    Held,
}

impl Refusal {
    /// As in the audit trail.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "terminal_revoked",
            Self::FacilityNotActive => "facility_not_active",
            Self::Held => "terminal_held",
        }
    }

    pub(super) fn page(self) -> PageError {
        match self {
            Self::Revoked => already_revoked(),
            Self::FacilityNotActive => facility_not_active(),
            Self::Held => PageError::new(
                StatusCode::CONFLICT,
                "terminals-held-title",
                "terminals-held-no-code",
                "terminals-held-help",
            ),
        }
    }
}

pub(super) fn already_revoked() -> PageError {
    PageError::new(
        StatusCode::CONFLICT,
        "terminals-revoked-title",
        "terminals-revoked-text",
        "terminals-revoked-help",
    )
}

pub(super) fn facility_not_active() -> PageError {
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
}

/// The page that shows a code for the only time.
pub(super) fn page(
    app: &App,
    page: PageFrame,
    id: &str,
    name: &str,
    code: &NewCode,
) -> Result<Page<impl Template + use<>>, PageError> {
    let root = hex::encode(Sha256::digest(app.authority().root_der(app.now())));
    let line = line(&app.names().enrol, &root, id, &code.code);
    let qr = qr(&line).map_err(|error| PageError::internal(&error))?;
    Ok(Page(CodePage {
        until: when::shown(code.expires_at, page.text.lang()),
        page,
        id: id.to_owned(),
        name: name.to_owned(),
        line,
        qr,
        root: fingerprint_groups(&root),
    }))
}

/// The one line to paste on the PC. It also fills the database in which Chromium looks for the key.
fn line(enrol: &str, root: &str, id: &str, code: &PaperCode) -> Zeroizing<String> {
    Zeroizing::new(format!(
        "sekisho-agent enroll --server {enrol} --root {root} --terminal {id} --code {} --nss ~/.pki/nssdb",
        *code.reveal()
    ))
}

fn qr(text: &str) -> Result<Zeroizing<String>, qrcode::types::QrError> {
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
