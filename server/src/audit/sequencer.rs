//! Chains this node's records within a second and signs the head.

use anyhow::Context;
use sekisho_store::{Store, audit::Head, audit_chain::Look};
use serde_json::json;
use time::OffsetDateTime;

use super::witness::{self, HeadFile};
use crate::{
    app::App,
    instance::Folder,
    keys::{NamedKey, jwks, sign_jws},
};

/// Chains what is new and signs a checkpoint over the new head.
///
/// # Errors
/// The database or the audit key failed, or the trail does not stand on the last head that this node
/// signed; the records wait, and the next run tries again.
pub async fn run(app: App, look: Look) -> anyhow::Result<()> {
    let folder = Folder::new(app.config().folder());
    chain(app.store(), &folder, &app.keys().audit, app.now(), look).await
}

/// The same without a running instance, as `sekisho init` needs it.
///
/// # Errors
/// As [`run`].
pub async fn chain(
    store: &Store,
    folder: &Folder,
    key: &NamedKey,
    now: OffsetDateTime,
    look: Look,
) -> anyhow::Result<()> {
    let kept = HeadFile::new(&folder.audit_heads(), store.node());
    let last = kept.read().with_context(|| format!("cannot read {}", kept.path().display()))?;
    if let Some(last) = last {
        let keys = serde_json::from_value(jwks([key])?)?;
        // What somebody put in the place of chained records must not get our signature.
        witness::agrees(&mut store.read(), &last, &keys).await??;
    }
    // What is written meanwhile is the next run's: chasing it would never end under load.
    while let Some(chained) = store.chain_audit(look).await? {
        sign(store, &kept, key, chained.head, now).await?;
        if !chained.is_more {
            break;
        }
    }
    // A process that was killed between the two left links that nothing vouches for.
    if let Some(head) = store.unsigned_head().await? {
        sign(store, &kept, key, head, now).await?;
    }
    Ok(())
}

async fn sign(
    store: &Store,
    kept: &HeadFile,
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
    // Whoever collects the log elsewhere collects witnesses: each head speaks for all before it.
    tracing::info!(node = store.node(), seq = head.seq, jws, "audit trail signed");
    // After the database, so that the head never stands before what it vouches for.
    kept.write(&jws).with_context(|| format!("cannot write {}", kept.path().display()))
}

#[cfg(test)]
mod tests {
    use sekisho_store::{
        StoreError, audit,
        audit::{Actor, Audited, Entry},
        sql, transaction,
    };

    use super::*;
    use crate::testing::TestApp;

    async fn record(test: &TestApp, act: &'static str, behind: Option<&'static str>) {
        let now = test.app.now();
        transaction!(test.app.store(), StoreError, |tx| {
            if let Some(statement) = behind {
                tx.execute(sql(statement)).await?;
            }
            Ok(Audited::new((), Entry::done(act, Actor::System, now)))
        })
        .unwrap();
    }

    async fn unchained(test: &TestApp) -> usize {
        let records = audit::list(&mut test.app.store().read(), "", None, 1000).await.unwrap();
        records.iter().filter(|record| record.seq.is_none()).count()
    }

    #[tokio::test]
    async fn what_was_put_in_the_place_of_chained_records_is_not_signed() {
        let test = crate::testing::app().await;
        record(&test, "a", None).await;
        run(test.app.clone(), Look::Recent).await.unwrap();
        record(&test, "b", Some("DELETE FROM audit_checkpoint")).await;
        record(&test, "c", Some("DELETE FROM audit_link")).await;
        let waiting = unchained(&test).await;
        let error = run(test.app.clone(), Look::Recent).await.unwrap_err().to_string();
        assert!(error.contains("records were removed or written anew"), "{error}");
        assert_eq!(unchained(&test).await, waiting);
    }

    #[tokio::test]
    async fn a_lost_head_is_made_again_and_the_chain_goes_on() {
        let test = crate::testing::app().await;
        record(&test, "a", None).await;
        run(test.app.clone(), Look::Recent).await.unwrap();
        let folder = Folder::new(test.app.config().folder());
        std::fs::remove_dir_all(folder.audit_heads()).unwrap();
        record(&test, "b", None).await;
        run(test.app.clone(), Look::Recent).await.unwrap();
        assert_eq!(unchained(&test).await, 0);
        assert_eq!(witness::heads_in(&folder.audit_heads()).unwrap().len(), 1);
    }
}
