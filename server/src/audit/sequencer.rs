//! Chains this node's records within a second and signs the head.

use sekisho_store::{Store, audit::Head};
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    app::App,
    keys::{NamedKey, sign_jws},
};

/// Chains what is new and signs a checkpoint over the new head.
///
/// # Errors
/// The database or the audit key failed; the records wait, and the next run tries again.
pub async fn run(app: App) -> anyhow::Result<()> {
    chain(app.store(), &app.keys().audit, app.now()).await
}

/// The same without a running instance, as `sekisho init` needs it.
///
/// # Errors
/// As [`run`].
pub async fn chain(store: &Store, key: &NamedKey, now: OffsetDateTime) -> anyhow::Result<()> {
    while let Some(head) = store.chain_audit().await? {
        sign(store, key, head, now).await?;
    }
    // A process that was killed between the two left links that nothing vouches for.
    if let Some(head) = store.unsigned_head().await? {
        sign(store, key, head, now).await?;
    }
    Ok(())
}

async fn sign(
    store: &Store,
    key: &NamedKey,
    head: Head,
    now: OffsetDateTime,
) -> anyhow::Result<()> {
    let claims = json!({
        "node": store.node(),
        "seq": head.seq,
        "link": hex::encode(head.link_hash),
        "iat": now.unix_timestamp(),
    });
    let jws = sign_jws(key, sekisho_wire::typ::AUDIT_CHECKPOINT, &claims).await?;
    store.add_checkpoint(head, now, &jws).await?;
    Ok(())
}
