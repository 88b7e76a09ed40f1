//! `GET /console/terminals/{id}/chain` and `POST /console/terminals/{id}/older/end`: the certificate that a device
//! has, for whoever carries it there, and the end of what it took the place of.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use der::pem::LineEnding;
use http::{HeaderValue, StatusCode, header};
use sekisho_store::{
    Queries, StoreError,
    audit::Audited,
    certificate::{self, Certificate},
    current_certificate, issuer, key_delivery,
    revocation::Status,
    session,
    terminal::Device,
    transaction,
};
use serde::Deserialize;

use crate::{
    app::App,
    console::terminals::administered,
    error::page::PageError,
    form::{PathId, StrictForm},
    login::session::TERMINAL_RENEWED,
    people::session::ConsoleSession,
};

/// The certificates of a device that are good now, the newest first; not those of files that nobody has saved:
/// their keys are nowhere yet.
pub(super) async fn good(
    app: &App,
    queries: &mut impl Queries,
    terminal_id: &str,
) -> Result<Vec<Certificate>, StoreError> {
    let now = app.now();
    let files = key_delivery::of_terminal(queries, terminal_id).await?;
    let unsaved = |spki_sha256: &[u8; 32]| {
        files.iter().any(|file| file.spki_sha256 == *spki_sha256 && file.fetched_at.is_none())
    };
    let all = certificate::of_terminal(queries, terminal_id).await?.into_iter();
    let good = all.filter(|one| one.status == Status::Good && now <= one.not_after);
    Ok(good.filter(|one| !unsaved(&one.spki_sha256)).collect())
}

/// The newest certificate with its authority and the root, PEM, the device's first (RFC 8555 §9.1).
///
/// # Errors
/// 404 for somebody else's device, and for one without a certificate.
pub async fn chain(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
) -> Result<Response, PageError> {
    let mut reader = app.store().read();
    let (terminal, _) = administered(&mut reader, &session, &id).await?;
    let good = good(&app, &mut reader, &id).await?;
    let newest = good.into_iter().next().ok_or_else(PageError::not_found)?;
    let issuers = issuer::list(&mut reader).await?;
    let issuer = issuers.into_iter().find(|issuer| issuer.id == newest.issuer_id);
    let root = app.authority().root_der(app.now()).to_vec();
    let all = [Some(newest.der), issuer.map(|issuer| issuer.certificate_der), Some(root)];
    let mut pem = String::new();
    for der in all.into_iter().flatten() {
        let block = der::pem::encode_string("CERTIFICATE", LineEnding::LF, &der);
        pem.push_str(&block.map_err(|error| PageError::internal(&error))?);
    }
    let name = format!("attachment; filename=\"{}.pem\"", terminal.id);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/pem-certificate-chain")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::try_from(name).map_err(|error| PageError::internal(&error))?,
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, pem).into_response())
}

/// What the form holds.
#[derive(Debug, Deserialize)]
pub struct Form {
    /// SHA-256 of the newest certificate, in hexadecimal, as the page showed it.
    newest: String,
}

/// Ends what the newest certificate took the place of: it works at the device.
///
/// # Errors
/// 404 for somebody else's device; 409 where the newest is another one by now, or there is nothing older.
pub async fn end_older(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    const ACT: &str = "terminal.end_older";
    let (terminal, acting) = administered(&mut app.store().read(), &session, &id).await?;
    let now = app.now();
    let ended = transaction!(app.store(), StoreError, |tx| {
        let good = good(&app, tx, &id).await?;
        let shown = good.first().filter(|newest| hex::encode(newest.fingerprint) == form.newest);
        let ended = match shown {
            Some(newest) => {
                let (issuer_id, serial) = (&newest.issuer_id, &newest.serial);
                let ended =
                    current_certificate::supersede_older(tx, issuer_id, serial, now).await?;
                // As with a PC's own first use of a new certificate.
                if terminal.device == Device::Pc {
                    let new = &newest.fingerprint;
                    session::end_of_other_certificates(tx, &id, new, TERMINAL_RENEWED, now).await?;
                }
                ended
            }
            None => Vec::new(),
        };
        let entry = match ended.is_empty() {
            true => acting.refused(ACT, now, "nothing_older"),
            false => acting.done(ACT, now).ending(&ended),
        };
        let entry = entry.on("terminal", &id).fact("terminal_name", terminal.name.as_str());
        Ok(Audited::new(!ended.is_empty(), entry))
    })?;
    if !ended {
        return Err(PageError::new(
            StatusCode::CONFLICT,
            "terminals-older-title",
            "terminals-older-text",
            "terminals-older-help",
        ));
    }
    Ok(Redirect::to(&format!("/console/terminals/{id}/certify?notice=older-ended")).into_response())
}
