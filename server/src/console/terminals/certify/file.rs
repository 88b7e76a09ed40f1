//! `POST /console/terminals/{id}/key-file` and `POST /console/key-files/{id}`: key and certificate in a PKCS #12
//! file, its passphrase shown once and apart from it.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use sekisho_pki::encoding::pkcs12::seal::Protection;
use sekisho_store::{StoreError, audit::Audited, key_delivery, transaction};
use serde::Deserialize;

use super::{failed, refused};
use crate::{
    app::App,
    console::terminals::administered,
    enrol::{
        by_person::{self, ByPerson},
        device::CertifiedDevice,
        key_file::KeyFile,
        server_made::{KeyKind, ServerMadeError, ServerMadeKey},
    },
    error::page::PageError,
    form::{PathId, StrictForm},
    page::{Page, PageFrame},
    people::session::ConsoleSession,
    portal::when,
};

/// Characters of the passphrase that are shown together.
const GROUP: usize = 4;

/// What the form holds.
#[derive(Debug, Deserialize)]
pub struct Form {
    /// Drawn with the form.
    once: Once,
    /// Which key.
    key: KeyKind,
    /// How the file is encrypted.
    protection: Choice,
}

/// 16 random octets in hexadecimal: what is sent twice is made once.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Once(String);

impl TryFrom<String> for Once {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let hexadecimal = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if text.len() == 32 && text.bytes().all(hexadecimal) {
            Ok(Self(text))
        } else {
            Err("32 hexadecimal digits, as the page wrote them")
        }
    }
}

impl Once {
    pub(super) fn draw(app: &App) -> Result<String, PageError> {
        let mut octets = [0; 16];
        app.random().fill(&mut octets).map_err(|error| PageError::internal(&error))?;
        Ok(hex::encode(octets))
    }
}

/// A protection as the form has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Choice {
    Aes256,
    Aes128,
    TripleDes,
}

impl Choice {
    pub(super) const fn of(protection: Protection) -> Self {
        match protection {
            Protection::Aes256 => Self::Aes256,
            Protection::Aes128 => Self::Aes128,
            Protection::TripleDes => Self::TripleDes,
        }
    }

    const fn protection(self) -> Protection {
        match self {
            Self::Aes256 => Protection::Aes256,
            Self::Aes128 => Protection::Aes128,
            Self::TripleDes => Protection::TripleDes,
        }
    }

    /// As the form has it, and the message key of what it is called.
    pub(super) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Aes256 => ("aes256", "terminals-file-aes256"),
            Self::Aes128 => ("aes128", "terminals-file-aes128"),
            Self::TripleDes => ("triple_des", "terminals-file-triple-des"),
        }
    }
}

#[derive(Template)]
#[template(path = "terminals/key-file.html")]
struct FilePage {
    page: PageFrame,
    id: String,
    name: String,
    file_id: String,
    /// In groups, without anything between them that a copy would take along.
    passphrase: zeroize::Zeroizing<Vec<String>>,
    until: String,
}

/// Makes key, certificate and file, and shows the passphrase, once.
///
/// # Errors
/// 404 for somebody else's device; 403 where keys for it are not made here; 409 where this form made one before,
/// or the device may have none now; 422 for a kind of key or a protection that its profile does not have; 503
/// where too many wait for keys.
pub async fn make(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    let (terminal, acting) = administered(&mut app.store().read(), &session, &id).await?;
    if !app.config().enrolment().makes_keys_for(terminal.device) {
        return Err(PageError::new(
            StatusCode::FORBIDDEN,
            "terminals-file-off-title",
            "terminals-file-off-text",
            "terminals-file-off-help",
        ));
    }
    let mut reader = app.store().read();
    let certified = CertifiedDevice::find(&mut reader, app.config(), terminal.device, &id).await;
    let certified = certified.map_err(|error| PageError::internal(&error))?;
    let (profile, protection) = (certified.profile(), form.protection.protection());
    if !profile.pkcs12().contains(&protection)
        || !KeyKind::of_profile(profile).any(|kind| kind == form.key)
    {
        return Err(PageError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "terminals-file-choice-title",
            "terminals-file-choice-text",
            "terminals-file-choice-help",
        ));
    }
    by_person::ask_for_file(&app, &acting, &terminal, &form.once.0)
        .await?
        .map_err(|refusal| refused(&refusal))?;
    let key = ServerMadeKey::make(&app, form.key).await.map_err(|error| match error {
        ServerMadeError::Busy => PageError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "terminals-file-busy-title",
            "terminals-file-busy-text",
            "terminals-file-busy-help",
        ),
        error => PageError::internal(&error),
    })?;
    let file = KeyFile::new(&app, form.once.0, key, &terminal, protection)
        .map_err(|error| PageError::internal(&error))?;
    let at = app.now();
    let by_person = ByPerson {
        app: &app,
        acting: &acting,
        terminal: &terminal,
        request: file.key().request(),
        file: Some(&file),
        at,
    };
    by_person
        .certify()
        .await
        .map_err(|error| failed(&error))?
        .map_err(|refusal| refused(&refusal))?;
    let until = at + app.config().enrolment().key_file_time();
    let shown = FilePage {
        until: when::shown(until, page.text.lang()),
        page: session.frame(page),
        id,
        name: terminal.name,
        file_id: file.id().to_owned(),
        passphrase: zeroize::Zeroizing::new(in_groups(file.passphrase())),
    };
    Ok(Page(shown).into_response())
}

fn in_groups(passphrase: &str) -> Vec<String> {
    // All of it is ASCII.
    let place = |begin: usize| &passphrase[begin..passphrase.len().min(begin + GROUP)];
    (0..passphrase.len()).step_by(GROUP).map(|begin| place(begin).to_owned()).collect()
}

/// Hands the file out, to the person who had it made, until its time is over.
///
/// # Errors
/// 404 for a file of somebody else, or none; 409 for one that is over, or whose certificate is good no longer.
pub async fn fetch(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(file_id): PathId,
    _: crate::form::NoFields,
) -> Result<Response, PageError> {
    let mut reader = app.store().read();
    let delivery = key_delivery::find(&mut reader, &file_id).await?;
    let delivery = delivery.ok_or_else(PageError::not_found)?;
    let (terminal, acting) = administered(&mut reader, &session, &delivery.terminal_id).await?;
    let (now, own) = (app.now(), delivery.made_by == acting.person_id());
    let file = transaction!(app.store(), StoreError, |tx| {
        let file = key_delivery::fetch(tx, &file_id, acting.person_id(), now).await?;
        let entry = match &file {
            Some(_) => acting.done("terminal.fetch_key_file", now),
            None if own => acting.refused("terminal.fetch_key_file", now, "over"),
            None => acting.refused("terminal.fetch_key_file", now, "of_somebody_else"),
        };
        let entry = entry
            .on("terminal", &terminal.id)
            .fact("terminal_name", terminal.name.as_str())
            .fact("key_sha256", hex::encode(delivery.spki_sha256));
        Ok(Audited::new(file, entry))
    })?;
    let file = file.ok_or_else(|| match own {
        true => PageError::new(
            StatusCode::CONFLICT,
            "terminals-file-over-title",
            "terminals-file-over-text",
            "terminals-file-over-help",
        ),
        false => PageError::not_found(),
    })?;
    let name = format!("attachment; filename=\"{}.p12\"", terminal.id);
    let headers = [
        // RFC 7292 names none; this is what browsers and Windows know.
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-pkcs12")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::try_from(name).map_err(|error| PageError::internal(&error))?,
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, file).into_response())
}
