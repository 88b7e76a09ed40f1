//! Facilities' IPv6 prefixes: given with the activation, or by command to those that were active before
//! (docs/decisions/0048).

use sekisho_store::{
    StoreError, Tx,
    audit::{Actor, Entry},
    facility_prefix::{self, Assigned, Plan},
};
use time::OffsetDateTime;

/// In the audit trail.
const ACT: &str = "organisation.assign_prefix";

/// Gives a facility its prefix. Answers what came of it, and its record.
///
/// A plan that has no more leaves the facility without one, which the record says, and stops nothing else.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: another one took it at this moment.
pub async fn assign(
    tx: &mut Tx,
    organisation_id: &str,
    plan: &Plan,
    (by, actor): (&str, Actor),
    at: OffsetDateTime,
) -> Result<(Assigned, Entry), StoreError> {
    let assigned = facility_prefix::assign(tx, organisation_id, plan, by, at).await?;
    let entry = match assigned {
        Assigned::New(prefix) => Entry::done(ACT, actor, at).fact("prefix", prefix.to_string()),
        Assigned::Had(prefix) => {
            Entry::refused(ACT, actor, at, "has_prefix").fact("prefix", prefix.to_string())
        }
        Assigned::Full => {
            Entry::refused(ACT, actor, at, "plan_full").fact("plan", plan.block.to_string())
        }
    };
    let entry = entry.at_organisation(organisation_id).on("organisation", organisation_id);
    Ok((assigned, entry))
}
