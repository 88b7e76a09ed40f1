//! Chains this node's records within a second and signs the head.

use serde_json::json;

use crate::{app::App, keys::sign_jws};

/// Chains what is new and signs a checkpoint over the new head.
///
/// # Errors
/// The database or the audit key failed; the records wait, and the next run tries again.
pub async fn run(app: App) -> anyhow::Result<()> {
    while let Some(head) = app.store().chain_audit().await? {
        let now = app.now();
        let claims = json!({
            "node": app.store().node(),
            "seq": head.seq,
            "link": hex::encode(head.link_hash),
            "iat": now.unix_timestamp(),
        });
        let jws = sign_jws(&app.keys().audit, sekisho_wire::typ::AUDIT_CHECKPOINT, &claims).await?;
        app.store().add_checkpoint(head, now, &jws).await?;
    }
    Ok(())
}
