//! What an administrator is told of an enrolment: that it goes wrong, or waits for them.

use sekisho_store::{StoreError, Tx, enrolment_code::Holder, terminal};
use time::OffsetDateTime;

use crate::notice::{self, Notice, To};

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
    let to = To::FacilityAdministrators(holder.organisation_id.clone());
    let misused = Notice::EnrolmentCodeMisused {
        terminal_id: holder.terminal_id.clone(),
        terminal_name: holder.terminal_name.clone(),
    };
    notice::put(tx, to, misused, at).await
}

/// A device's request waits for somebody to approve its key.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub(super) async fn awaits_approval(
    tx: &mut Tx,
    holder: &Holder,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let to = To::FacilityAdministrators(holder.organisation_id.clone());
    let waits = Notice::EnrolmentAwaitsApproval {
        terminal_id: holder.terminal_id.clone(),
        terminal_name: holder.terminal_name.clone(),
    };
    notice::put(tx, to, waits, at).await
}
