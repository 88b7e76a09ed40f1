//! What the one live session is worth.

use sekisho_store::{Queries, sql};

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
