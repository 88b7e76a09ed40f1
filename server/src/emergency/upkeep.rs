//! Scheduled: the end of emergency accesses is noted, and what nobody reviewed in time goes to the operating body.

use sekisho_store::{
    StoreError, Tx,
    audit::{Actor, Audited, Entry},
    emergency_access::{self, EmergencyAccess},
    organisation, transaction,
};
use time::OffsetDateTime;

use super::end;
use crate::{
    app::App,
    notice::{self, Notice, To},
    schedule::{UpkeepError, unless_overtaken},
};

/// Records a turn; what is left waits for the next.
const BATCH: i64 = 100;

/// One turn.
///
/// # Errors
/// [`StoreError`]: the rest waits for the next turn.
pub async fn run(app: &App) -> Result<(), StoreError> {
    let now = app.now();
    for over in emergency_access::over(&mut app.store().read(), now, BATCH).await? {
        unless_overtaken(transaction!(app.store(), UpkeepError, |tx| {
            let mut records = end::note(tx, &over, now).await?.into_iter();
            let record = records.next().ok_or(UpkeepError::Overtaken)?;
            Ok(records.fold(Audited::new((), record), Audited::and))
        }))?;
    }
    for overdue in emergency_access::overdue(&mut app.store().read(), now, BATCH).await? {
        unless_overtaken(transaction!(app.store(), UpkeepError, |tx| {
            let record = escalate(tx, &overdue, now).await?.ok_or(UpkeepError::Overtaken)?;
            Ok(Audited::new((), record))
        }))?;
    }
    Ok(())
}

/// Shows one to the operating body; its record, or `None` where it is shown already or was reviewed.
async fn escalate(
    tx: &mut Tx,
    overdue: &EmergencyAccess,
    now: OffsetDateTime,
) -> Result<Option<Entry>, StoreError> {
    if !emergency_access::escalate(tx, &overdue.id, now).await? {
        return Ok(None);
    }
    let organisation_id = &overdue.organisation_id;
    let told = Notice::EmergencyEscalated {
        id: overdue.id.clone(),
        facility_name: organisation::name(tx, organisation_id).await?.unwrap_or_default(),
    };
    notice::put(tx, To::OperatingAdministrators, told.clone(), now).await?;
    notice::put(tx, To::FacilityAdministrators(organisation_id.clone()), told, now).await?;
    Ok(Some(
        Entry::done("emergency.escalate", Actor::System, now)
            .at_organisation(organisation_id)
            .on("emergency_access", &overdue.id)
            .on("person", &overdue.person_id),
    ))
}
