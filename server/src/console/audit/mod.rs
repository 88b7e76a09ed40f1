//! `/console/audit` (監査記録): the audit trail for auditors, who read everything and change nothing.
//!
//! Records name people by identifier. The list shows beside it how the register calls that person
//! today. What a record itself keeps of names and addresses stands apart from it, is shown for one
//! record at a time, and each showing is a record of its own, as at the command line.

mod download;
mod filter;
mod list;
mod record;

pub use download::download;
pub use list::list;
pub use record::{personal, show};
use sekisho_store::{
    StoreError,
    audit::Audited,
    audit_page::{self, Filter},
    transaction,
};
use time::Duration;

use crate::{app::App, people::role::Acting};

/// Path of the list.
const PATH: &str = "/console/audit";
/// Somebody who turns pages for an hour makes one record of it: the trail is to tell who looked, not to
/// grow by being looked at.
const VISIT: Duration = Duration::hours(1);

/// Records that an auditor reads the trail, once a visit.
async fn record_visit(app: &App, acting: &Acting) -> Result<(), StoreError> {
    const ACT: &str = "audit.read";
    let now = app.now();
    let lately = Filter {
        from: Some(now - VISIT),
        actor_id: Some(acting.person_id().to_owned()),
        act: Some(ACT.to_owned()),
        ..Filter::default()
    };
    if !audit_page::newest(&mut app.store().read(), &lately, None, 1).await?.is_empty() {
        return Ok(());
    }
    let entry = acting.done(ACT, now);
    transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())))
}
