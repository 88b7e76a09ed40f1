//! What an administrator is told when an enrolment goes wrong.

use sekisho_store::{StoreError, Tx, enrolment_code::Holder, outbox, terminal};
use serde_json::json;
use time::OffsetDateTime;

/// Somebody brought a used code with another key: a mark at the terminal's page and a notice to
/// the facility's administrators, in the transaction that found it.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub(super) async fn misused_code(
    tx: &mut Tx,
    holder: &Holder,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    terminal::note_misused_code(tx, &holder.terminal_id, at).await?;
    let payload = json!({
        "notice": "enrolment_code_misused",
        "organisation_id": holder.organisation_id,
        "role": "facility_administrator",
        "terminal_id": holder.terminal_id,
        "terminal_name": holder.terminal_name,
        "at": at.unix_timestamp(),
    });
    outbox::put(tx, "notice", &payload, at).await
}
