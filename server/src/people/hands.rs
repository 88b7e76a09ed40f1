//! Whether two people may be one pair of eyes: one holds the other's factors, or somebody holds both's
//! (`docs/decisions/0037-a-password-carries-no-profession.md`).

use sekisho_store::{Queries, StoreError, account};

/// Whether somebody may hold the factors of both who asked for something and who decides about it.
///
/// `then` are the hands of who asked as they were when it was asked for. What they are now counts too:
/// whoever lets somebody in since takes no hand back.
///
/// # Errors
/// [`StoreError`].
pub async fn are_shared(
    queries: &mut impl Queries,
    asked_by: &str,
    then: &[String],
    decides: &str,
) -> Result<bool, StoreError> {
    let asking = account::hands_of(queries, asked_by).await?;
    let deciding = account::hands_of(queries, decides).await?;
    Ok(deciding.iter().any(|hand| asking.contains(hand) || then.contains(hand)))
}
