//! `GET /console/audit/{id}`: one record with the octets that are hashed, and its place in the chain;
//! `POST /console/audit/{id}/personal` shows its personal fields too.

use askama::Template;
use axum::extract::State;
use sekisho_store::{
    StoreError,
    audit::{self, Audited, PersonalField, Record},
    audit_page, transaction,
};

use super::{PATH, record_visit};
use crate::{
    app::App,
    error::page::PageError,
    form::{NoFields, PathId},
    page::{Page, PageFrame},
    people::{role::Role, session::ConsoleSession},
};

struct Field {
    name: String,
    /// `None` after erasure.
    value: Option<String>,
}

#[derive(Template)]
#[template(path = "console/audit-record.html")]
struct RecordPage {
    page: PageFrame,
    id: String,
    node: String,
    seq: Option<i64>,
    /// The octets that are hashed; they are JSON.
    canonical: String,
    leaf_hash: String,
    /// Whether the octets give the hash that is stored.
    holds: bool,
    link_hash: Option<String>,
    personal: Vec<Field>,
    /// Whether values are shown.
    open: bool,
}

impl RecordPage {
    fn new(page: PageFrame, record: Record, fields: Vec<PersonalField>, open: bool) -> Self {
        let personal = fields.into_iter().map(|f| Field { name: f.field, value: f.value });
        Self {
            page,
            holds: audit::leaf_hash(&record.canonical).as_slice() == record.leaf_hash,
            id: record.id,
            node: record.node,
            seq: record.seq,
            canonical: String::from_utf8_lossy(&record.canonical).into_owned(),
            leaf_hash: hex::encode(record.leaf_hash),
            link_hash: record.link_hash.map(hex::encode),
            personal: personal.collect(),
            open,
        }
    }
}

/// `GET /console/audit/{id}`: without the values of personal fields.
///
/// # Errors
/// [`PageError`]: no auditor, no such record, or the database does not answer.
pub async fn show(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
) -> Result<Page<impl Template>, PageError> {
    let acting = session.require(&Role::Auditor)?;
    record_visit(&app, &acting).await?;
    let mut reader = app.store().read();
    let record = audit_page::find(&mut reader, &id).await?.ok_or_else(PageError::not_found)?;
    let fields = audit::personal(&mut reader, &id).await?;
    Ok(Page(RecordPage::new(session.frame(page), record, fields, false)))
}

/// `POST /console/audit/{id}/personal`, no fields: with the values of personal fields, which is an act
/// of its own on the record's organisation.
///
/// # Errors
/// [`PageError`]: no auditor, no such record, or the database does not answer.
pub async fn personal(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    _: NoFields,
) -> Result<Page<impl Template>, PageError> {
    let acting = session.require(&Role::Auditor)?;
    let now = app.now();
    let mut reader = app.store().read();
    let record = audit_page::find(&mut reader, &id).await?.ok_or_else(PageError::not_found)?;
    let entry = acting.done("audit.read_personal", now).on("audit_record", &id);
    let entry = match &record.columns.organisation_id {
        Some(organisation) => entry.at_organisation(organisation),
        None => entry,
    };
    // What is shown is read in the transaction that tells of it.
    let fields = transaction!(app.store(), StoreError, |tx| {
        Ok(Audited::new(audit::personal(tx, &id).await?, entry.clone()))
    })?;
    let mut page = session.frame(page);
    page.path = format!("{PATH}/{id}");
    Ok(Page(RecordPage::new(page, record, fields, true)))
}
