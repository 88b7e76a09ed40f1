//! Scheduled ends of sessions that nobody is using this moment, so that their services hear of it.

use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    card,
    session::{self as sessions, Realm, SessionOf},
    transaction,
};
use sekisho_wire::acr;
use time::OffsetDateTime;

use super::{
    session,
    vouching::{self, Lapse},
};
use crate::{
    app::App,
    schedule::{UpkeepError, unless_overtaken},
};

/// How many overdue sessions one run ends; the rest waits for the next run.
const BATCH: i64 = 500;

/// Ends sessions past their absolute or idle limit.
///
/// # Errors
/// [`StoreError`].
pub async fn end_overdue(app: &App) -> Result<(), StoreError> {
    let now = app.now();
    let idle_since = now - app.config().session().portal_idle();
    let overdue =
        sessions::overdue(&mut app.store().read(), Realm::Portal, idle_since, now, BATCH).await?;
    for over in overdue {
        let reason = session::EXPIRED;
        let ended = transaction!(app.store(), UpkeepError, |tx| {
            let ended = sessions::end(tx, &over.id_hash, reason, now).await?;
            Ok(Audited::new((), record(&ended.ok_or(UpkeepError::Overtaken)?, reason, now)))
        });
        unless_overtaken(ended)?;
    }
    Ok(())
}

/// Ends the sessions of HPKI cards that were revoked or expired. Every certificate in use is judged when the trust
/// or a list changed (`all`), else only those whose time is over.
///
/// # Errors
/// [`StoreError`].
pub async fn end_of_lapsed_cards(app: &App, all: bool) -> Result<(), StoreError> {
    let now = app.now();
    let over_by = (!all).then_some(now);
    let mut reader = app.store().read();
    let in_use = sessions::proved_by_card(&mut reader, acr::HPKI_CARD, over_by).await?;
    for of_card in in_use.chunk_by(|one, next| one.card_fingerprint == next.card_fingerprint) {
        let fingerprint = &of_card[0].card_fingerprint;
        let Some(der) = card::certificate_der(&mut reader, fingerprint).await? else { continue };
        for proved in of_card {
            let facility_id = proved.session.organisation_id.as_deref().unwrap_or_default();
            let judged = vouching::judge(&app.card_trust().at(facility_id), &der, now);
            let Some(reason) = judged.err().and_then(Lapse::ends_session) else { continue };
            let ended = transaction!(app.store(), UpkeepError, |tx| {
                // Another card may have proved the person since it was judged.
                let ended = sessions::end_of_card(tx, proved, reason, now).await?;
                Ok(Audited::new((), record(&ended.ok_or(UpkeepError::Overtaken)?, reason, now)))
            });
            unless_overtaken(ended)?;
        }
    }
    Ok(())
}

fn record(ended: &SessionOf, reason: &'static str, now: OffsetDateTime) -> Entry {
    job_record("session.end", ended, now)
        .on("session", hex::encode(ended.id_hash))
        .on("person", &ended.person_id)
        .fact("reason", reason)
}

/// The record of what a job did to a session, without its names.
pub(super) fn job_record(act: &'static str, of: &SessionOf, now: OffsetDateTime) -> Entry {
    let mut record = Entry::done(act, Actor::System, now);
    if let Some(organisation_id) = &of.organisation_id {
        record = record.at_organisation(organisation_id);
    }
    if let Some(terminal_id) = &of.terminal_id {
        record = record.from_terminal(terminal_id);
    }
    record
}
