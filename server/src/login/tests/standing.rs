//! What the one live session is worth, and what it stands on.

use sekisho_store::{
    Queries, StoreError,
    audit::{Actor, Audited, Entry},
    membership, sql, transaction,
};

use super::desk::Desk;
use crate::{oidc::liveness, testing::TestApp};

/// Level, methods and roles of the one live session, as they were stored.
pub async fn session(test: &TestApp) -> (String, String, String) {
    let statement = "SELECT acr, amr, hc_roles FROM session WHERE ended_at IS NULL";
    test.app.store().read().fetch_one(sql(statement)).await.unwrap()
}

/// The roles with which what the session gave out is used now.
pub async fn roles_now(test: &TestApp) -> Vec<String> {
    let mut reader = test.app.store().read();
    let statement = sql("SELECT id_hash FROM session WHERE ended_at IS NULL");
    let (hash,): (Vec<u8>,) = reader.fetch_one(statement).await.unwrap();
    let hash = hash.try_into().unwrap();
    let live = liveness::session(&test.app, &mut reader, &hash, test.app.now()).await.unwrap();
    live.unwrap().hc_roles
}

impl Desk {
    /// Ends all memberships at this desk's facility.
    pub async fn end_memberships(&self, test: &TestApp) {
        let (store, now) = (test.app.store(), test.app.now());
        let facility = &self.terminal.organisation_id;
        let outcome: Result<(), StoreError> = transaction!(store, StoreError, |tx| {
            let all = sql("SELECT id FROM membership WHERE organisation_id = $1").bind(facility);
            let all: Vec<(String,)> = tx.fetch_all(all).await?;
            for (id,) in all {
                membership::end(tx, &id, facility, "p", "left", now).await?;
            }
            Ok(Audited::new((), Entry::done("test", Actor::System, now)))
        });
        outcome.unwrap();
    }
}
