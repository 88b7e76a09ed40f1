//! `GET /console/terminals/{id}/certify`: both ways, the files that can still be fetched, and what the device has.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_store::{
    key_delivery, replacement,
    terminal::{Device, Terminal},
};
use serde::Deserialize;

use super::{
    file::{Choice, Once},
    held, refused,
};
use crate::{
    app::App,
    console::terminals::{administered, facility_name},
    enrol::{by_person::NoCertificate, device::CertifiedDevice, new_code, server_made::KeyKind},
    error::page::PageError,
    form::{PathId, StrictQuery},
    instance::fingerprint_groups,
    page::{Page, PageFrame},
    people::{field::FieldErrors, session::ConsoleSession},
    portal::when,
};

/// What has just been done.
#[derive(Debug, Default, Deserialize)]
pub struct Done {
    /// `issued`, `older-ended`.
    notice: Option<String>,
}

/// What a page is shown after.
pub(super) struct Shown {
    /// The request as it was typed.
    pub(super) typed: String,
    /// What is wrong with it.
    pub(super) errors: FieldErrors,
    /// Message key of what was done.
    pub(super) notice: Option<&'static str>,
}

struct Offer {
    value: &'static str,
    label: String,
}

struct FileRow {
    id: String,
    made: String,
    until: String,
    fetched: bool,
    /// Whether the person who looks had it made.
    own: bool,
}

struct Newest {
    /// SHA-256, as the form brings it back.
    fingerprint: String,
    key: String,
    serial: String,
    until: String,
    /// Whether there is an older one that is good, too.
    has_older: bool,
}

#[derive(Template)]
#[template(path = "terminals/certify.html")]
struct CertifyPage {
    page: PageFrame,
    id: String,
    name: String,
    facility: String,
    router: bool,
    notice: Option<&'static str>,
    typed: String,
    errors: FieldErrors,
    /// Where keys for it are made here.
    makes_keys: bool,
    once: String,
    kinds: Vec<Offer>,
    protections: Vec<Offer>,
    minutes: i64,
    files: Vec<FileRow>,
    newest: Option<Newest>,
}

/// Shows it.
///
/// # Errors
/// 404 for somebody else's device; 409 for one that may have no certificate now.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictQuery(done): StrictQuery<Done>,
    page: PageFrame,
) -> Result<Response, PageError> {
    let (terminal, _) = administered(&mut app.store().read(), &session, &id).await?;
    let notice = match done.notice.as_deref() {
        Some("issued") => Some("terminals-certify-just-issued"),
        Some("older-ended") => Some("terminals-older-just-ended"),
        _ => None,
    };
    let shown = Shown { typed: String::new(), errors: FieldErrors::default(), notice };
    show(&app, &session, page, &terminal, shown).await
}

pub(super) async fn show(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    terminal: &Terminal,
    shown: Shown,
) -> Result<Response, PageError> {
    let mut reader = app.store().read();
    let (now, id) = (app.now(), terminal.id.as_str());
    if let (_, Some(standing)) = new_code::standing(&mut reader, terminal).await? {
        return Err(refused(&NoCertificate::Standing(standing)));
    }
    if terminal.device == Device::Pc && replacement::open(&mut reader, id).await?.is_some() {
        return Err(refused(&NoCertificate::BeingReplaced));
    }
    let certified = CertifiedDevice::find(&mut reader, app.config(), terminal.device, id).await;
    let certified = certified.map_err(|error| PageError::internal(&error))?;
    let kinds = KeyKind::of_profile(certified.profile())
        .map(|kind| Offer { value: kind.as_str(), label: kind.label().to_owned() })
        .collect();
    let protections = certified.profile().pkcs12().iter().map(|protection| {
        let (value, key) = Choice::of(*protection).words();
        Offer { value, label: page.t(key) }
    });
    let protections: Vec<_> = protections.collect();
    let lang = page.text.lang();
    let files = key_delivery::of_terminal(&mut reader, id).await?.into_iter();
    let files = files.filter(|file| file.has_file && now < file.expires_at).map(|file| FileRow {
        made: when::shown(file.made_at, lang),
        until: when::shown(file.expires_at, lang),
        fetched: file.fetched_at.is_some(),
        own: file.made_by == session.person_id,
        id: file.id,
    });
    let good = held::good(app, &mut reader, id).await?;
    let newest = good.first().map(|newest| Newest {
        fingerprint: hex::encode(newest.fingerprint),
        key: fingerprint_groups(&hex::encode(newest.spki_sha256)),
        serial: hex::encode(&newest.serial),
        until: when::shown(newest.not_after, lang),
        has_older: good.len() > 1,
    });
    let enrolment = app.config().enrolment();
    let status =
        if shown.errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let certify = CertifyPage {
        id: id.to_owned(),
        name: terminal.name.clone(),
        facility: facility_name(&mut reader, &terminal.organisation_id).await?,
        router: terminal.device == Device::Router,
        notice: shown.notice,
        typed: shown.typed,
        errors: shown.errors,
        makes_keys: enrolment.makes_keys_for(terminal.device) && !protections.is_empty(),
        once: Once::draw(app)?,
        kinds,
        protections,
        minutes: enrolment.key_file_time().whole_minutes(),
        files: files.collect(),
        newest,
        page: session.frame(page),
    };
    Ok((status, Page(certify)).into_response())
}
