//! The first login at a PC that is to take the place of another (docs/decisions/0020).

use sekisho_store::{StoreError, Tx, audit::Entry, replacement, session};
use time::OffsetDateTime;

use super::session::PC_REPLACED;
use crate::listener::FacilityConnection;

/// The first login at a new PC makes it the terminal's: what the other PC has ends with the transaction
/// that opens this session. The record of it, unless somebody called the replacement off meanwhile.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn take_over(
    tx: &mut Tx,
    facility: &FacilityConnection,
    now: OffsetDateTime,
) -> Result<Option<Entry>, StoreError> {
    let certificate = (facility.issuer_id.as_str(), facility.serial.as_slice());
    let terminal_id = &facility.terminal_id;
    let Some(taken) = replacement::complete(tx, terminal_id, certificate, now).await? else {
        return Ok(None);
    };
    let ended = session::end_of_other_certificates(
        tx,
        terminal_id,
        &facility.fingerprint,
        PC_REPLACED,
        now,
    )
    .await?;
    let record = Entry::done("terminal.replace", facility.actor(), now)
        .on("terminal", terminal_id)
        .fact("sessions_ended", ended.len());
    Ok(Some(record.ending(&taken)))
}
