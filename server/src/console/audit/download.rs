//! `GET /console/audit-download`: what the list shows, as JSON lines in the form of `sekisho audit list`.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use sekisho_store::{
    StoreError,
    audit::Audited,
    audit_page::{self, Key},
    transaction,
};

use super::{PATH, filter::AuditQuery};
use crate::{
    app::App,
    audit::form,
    error::page::PageError,
    form::StrictQuery,
    page::PageFrame,
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
};

/// The most records of one file, about 6 MB: it is made in memory.
const MOST_RECORDS: usize = 10_000;

/// `GET /console/audit-download`, with the query of the list: one record a line, newest first, without
/// personal values. Where there are more than one file holds, `Link` names the next one (RFC 8288).
///
/// # Errors
/// [`PageError`]: no auditor, a time or facility that cannot be read, or the database does not answer.
pub async fn download(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictQuery(query): StrictQuery<AuditQuery>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::Auditor)?;
    let asked = query.read(&app, &page, &mut FieldErrors::default()).await?;
    let (filter, before) = asked.ok_or_else(PageError::unreadable_form)?;
    let limit = i64::try_from(MOST_RECORDS + 1).unwrap_or(i64::MAX);
    let mut reader = app.store().read();
    let mut found = audit_page::newest(&mut reader, &filter, before.as_ref(), limit).await?;
    let more = found.len() > MOST_RECORDS;
    found.truncate(MOST_RECORDS);
    let next = found.last().filter(|_| more).map(|last| query.after(&Key::of(last)));

    let mut entry = acting
        .done("audit.download", app.now())
        .fact("records", i64::try_from(found.len()).unwrap_or(i64::MAX))
        .fact("query", query.address());
    if let Some(organisation) = &filter.organisation_id {
        entry = entry.on("organisation", organisation);
    }
    transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())))?;

    let mut lines = String::new();
    for record in &found {
        lines.push_str(&form::of(record).to_string());
        lines.push('\n');
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"audit.jsonl\""),
        ),
    ];
    let mut response = (headers, lines).into_response();
    let link = next.map(|next| format!("<{PATH}-download?{next}>; rel=\"next\""));
    if let Some(link) = link.and_then(|link| HeaderValue::try_from(link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}
