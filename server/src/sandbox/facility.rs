//! A facility in the register that nobody applied for, in operation at once: of a sandbox, or of what is
//! measured.

use sekisho_store::{
    StoreError, Tx,
    activation_code::{self, NewLetter, Redemption},
    application::{self, Decision, Particulars},
    organisation::{self, RegisteredAddress},
};
use time::{Duration, OffsetDateTime};

/// Enters it; `by` stands in its history.
///
/// `drawn` are 32 random octets, the hash of a code that nobody has: a letter with a code is how
/// facilities come into operation.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the identifier is taken.
pub async fn enter(
    tx: &mut Tx,
    id: &str,
    particulars: &Particulars,
    by: &str,
    drawn: &[u8; 32],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let application = application::create(tx, &hex::encode(drawn), particulars, None, now).await?;
    application::decide(tx, &application, Decision::Approved, by, "", now).await?;
    let address =
        RegisteredAddress { postal_code: &particulars.postal_code, address: &particulars.address };
    if !organisation::enter(tx, id, &application, particulars, address, by, now).await? {
        return Err(StoreError::AlreadyExists { constraint: format!("organisation {id}") });
    }
    let letter = NewLetter {
        organisation_id: id,
        code_hash: drawn,
        issued_by: by,
        reason: "",
        expires_at: now + Duration::DAY,
    };
    activation_code::issue(tx, letter, now).await?;
    match activation_code::redeem(tx, drawn, by, now).await? {
        Redemption::Redeemed { .. } => Ok(()),
        other => Err(StoreError::Corrupt {
            what: "activation code",
            detail: format!("one that was made in this transaction is {other:?}"),
        }),
    }
}
