//! Judges a whole audit trail: every leaf, every link, every commitment, every signed checkpoint.

use std::collections::BTreeMap;

use sekisho_protocol::{jwk::JwkSet, jws};
use sekisho_store::{Store, StoreError, audit};
use serde::{Deserialize, Serialize};

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Verdict {
    /// Records that are chained.
    pub records: u64,
    /// Records not chained yet; younger than a second or two on a running node.
    pub unchained: u64,
    /// Personal fields whose commitment holds.
    pub personal: u64,
    /// Personal fields that were erased; their commitments stay.
    pub erased: u64,
    /// Checkpoints whose signature and head hold.
    pub checkpoints: u64,
    /// What does not hold, in words. Empty for an untouched trail.
    pub faults: Vec<String>,
}

impl Verdict {
    /// Whether nothing was found wrong.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.faults.is_empty()
    }
}

#[derive(Deserialize)]
struct Canonical {
    id: String,
    node: String,
    personal: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct CheckpointClaims {
    node: String,
    seq: i64,
    link: String,
}

const PAGE: i64 = 1000;

/// Verifies every node's chain against `keys`, the public keys of the audit checkpoints.
///
/// # Errors
/// [`StoreError`]: the trail could not be read. What does not hold is in the verdict instead.
pub async fn verify(store: &Store, keys: &JwkSet) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::default();
    let mut reader = store.read();
    for node in audit::nodes(&mut reader).await? {
        let links = verify_chain(store, &node, &mut verdict).await?;
        let mut signed = 0;
        for checkpoint in audit::checkpoints(&mut reader, &node).await? {
            match verify_checkpoint(&checkpoint, &links, keys) {
                Ok(()) => {
                    verdict.checkpoints += 1;
                    signed = signed.max(checkpoint.seq);
                }
                Err(fault) => verdict.faults.push(fault),
            }
        }
        let last = i64::try_from(links.len()).unwrap_or(i64::MAX);
        if signed != last {
            verdict.faults.push(format!(
                "node {node}: links {} to {last} stand under no checkpoint that holds",
                signed + 1
            ));
        }
    }
    let mut after = String::new();
    loop {
        let records = audit::list(&mut reader, &after, None, PAGE).await?;
        let Some(last) = records.last() else { break };
        after.clone_from(&last.id);
        verdict.unchained +=
            records.iter().filter(|record| record.seq.is_none()).map(|_| 1).sum::<u64>();
    }
    Ok(verdict)
}

/// Walks one chain from its beginning; returns its links by position from 1.
async fn verify_chain(
    store: &Store,
    node: &str,
    verdict: &mut Verdict,
) -> Result<Vec<[u8; 32]>, StoreError> {
    let mut reader = store.read();
    let mut links: Vec<[u8; 32]> = Vec::new();
    let mut previous = [0; 32];
    loop {
        let expected = i64::try_from(links.len()).unwrap_or(i64::MAX) + 1;
        let records = audit::chain(&mut reader, node, expected, PAGE).await?;
        if records.is_empty() {
            return Ok(links);
        }
        for (expected, record) in (expected..).zip(records) {
            if record.seq != Some(expected) {
                verdict.faults.push(format!("node {node}: link {expected} is missing"));
                return Ok(links);
            }
            let leaf = audit::leaf_hash(&record.canonical);
            if leaf.as_slice() != record.leaf_hash {
                verdict.faults.push(format!("record {}: its octets were changed", record.id));
            }
            let link = audit::link_hash(&previous, node, expected, &leaf);
            if record.link_hash.as_deref() != Some(link.as_slice()) {
                verdict.faults.push(format!(
                    "node {node}: link {expected} (record {}) does not follow from what stands before it",
                    record.id
                ));
            }
            // Go on from the stored link, so that one change is one fault and not all that follow.
            previous = record
                .link_hash
                .as_deref()
                .and_then(|stored| stored.try_into().ok())
                .unwrap_or(link);
            links.push(previous);
            verdict.records += 1;
            verify_personal(&mut reader, node, &record, verdict).await?;
        }
    }
}

async fn verify_personal(
    reader: &mut sekisho_store::Reader,
    node: &str,
    record: &audit::Record,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let canonical: Canonical = match serde_json::from_slice(&record.canonical) {
        Ok(canonical) => canonical,
        Err(error) => {
            verdict.faults.push(format!("record {}: not in canonical form: {error}", record.id));
            return Ok(());
        }
    };
    if canonical.id != record.id || canonical.node != node {
        verdict.faults.push(format!("record {}: filed under another name", record.id));
    }
    let mut stored: BTreeMap<String, audit::PersonalField> = audit::personal(reader, &record.id)
        .await?
        .into_iter()
        .map(|field| (field.field.clone(), field))
        .collect();
    for (name, commitment) in &canonical.personal {
        match stored.remove(name) {
            Some(audit::PersonalField { salt: Some(salt), value: Some(value), .. }) => {
                if hex::encode(audit::commitment(&salt, name, &value)) == *commitment {
                    verdict.personal += 1;
                } else {
                    verdict.faults.push(format!("record {}: field {name} was changed", record.id));
                }
            }
            Some(audit::PersonalField { salt: None, value: None, .. }) => verdict.erased += 1,
            _ => verdict.faults.push(format!("record {}: field {name} is missing", record.id)),
        }
    }
    for name in stored.keys() {
        verdict.faults.push(format!("record {}: field {name} was added", record.id));
    }
    Ok(())
}

fn verify_checkpoint(
    checkpoint: &audit::Checkpoint,
    links: &[[u8; 32]],
    keys: &JwkSet,
) -> Result<(), String> {
    let place = format!("node {}: checkpoint at {}", checkpoint.node, checkpoint.seq);
    let claims: CheckpointClaims =
        jws::verify(&checkpoint.jws, sekisho_wire::typ::AUDIT_CHECKPOINT, keys)
            .map_err(|error| format!("{place} does not verify: {error}"))?;
    if claims.node != checkpoint.node || claims.seq != checkpoint.seq {
        return Err(format!("{place} is filed under another position"));
    }
    let link = usize::try_from(claims.seq - 1).ok().and_then(|index| links.get(index));
    if link.map(hex::encode).as_deref() != Some(claims.link.as_str()) {
        return Err(format!("{place} signs another head: records were changed or removed"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sekisho_store::{
        audit::{Actor, Audited, Entry},
        sql, transaction,
    };

    use super::*;
    use crate::testing::TestApp;

    async fn trail() -> (TestApp, JwkSet) {
        let test = crate::testing::app().await;
        for act in ["a", "b", "c"] {
            let entry = Entry::done(act, Actor::System, test.app.now()).personal("name", "山田");
            transaction!(test.app.store(), StoreError, |_tx| {
                Ok(Audited::new((), entry.clone()))
            })
            .unwrap();
        }
        super::super::sequencer::run(test.app.clone()).await.unwrap();
        let keys = crate::keys::jwks([&test.app.keys().audit]).unwrap();
        (test, serde_json::from_value(keys).unwrap())
    }

    /// Changes rows behind the service's back, as somebody with the database in hand could.
    async fn tamper(test: &TestApp, statement: &'static str) {
        let now = test.app.now();
        transaction!(test.app.store(), StoreError, |tx| {
            tx.execute(sql(statement)).await?;
            Ok(Audited::new((), Entry::done("tamper", Actor::System, now)))
        })
        .unwrap();
    }

    #[tokio::test]
    async fn an_untouched_trail_holds() {
        let (test, keys) = trail().await;
        let verdict = verify(test.app.store(), &keys).await.unwrap();
        assert!(verdict.holds(), "{verdict:?}");
        // Three of this test, the others of the ceremony, which names nobody.
        assert!(verdict.records > 3);
        assert_eq!((verdict.personal, verdict.checkpoints), (3, 1));
    }

    #[tokio::test]
    async fn an_erased_personal_field_leaves_the_trail_verifiable() {
        let (test, keys) = trail().await;
        tamper(&test, "UPDATE audit_personal SET salt = NULL, value = NULL").await;
        let verdict = verify(test.app.store(), &keys).await.unwrap();
        assert!(verdict.holds(), "{verdict:?}");
        assert_eq!(verdict.erased, 3);
    }

    #[tokio::test]
    async fn every_change_behind_the_services_back_is_found() {
        for statement in [
            "UPDATE audit_personal SET value = '佐藤' WHERE record_id = (SELECT MIN(record_id) FROM audit_personal)",
            "DELETE FROM audit_personal WHERE record_id = (SELECT MIN(record_id) FROM audit_personal)",
            "UPDATE audit_record SET canonical = CAST(REPLACE(CAST(canonical AS TEXT), '\"a\"', '\"x\"') AS BLOB) WHERE act = 'a'",
            "UPDATE audit_link SET link_hash = zeroblob(32) WHERE seq = 2",
            "DELETE FROM audit_link WHERE seq = 3",
            "DELETE FROM audit_checkpoint",
            "UPDATE audit_checkpoint SET jws = REPLACE(jws, '.', 'A.')",
        ] {
            let (test, keys) = trail().await;
            tamper(&test, statement).await;
            let verdict = verify(test.app.store(), &keys).await.unwrap();
            assert!(!verdict.holds(), "not found: {statement}");
        }
    }

    #[tokio::test]
    async fn a_checkpoint_of_another_key_is_refused() {
        let (test, _) = trail().await;
        let other = crate::testing::app().await;
        let keys = crate::keys::jwks([&other.app.keys().audit]).unwrap();
        let keys = serde_json::from_value(keys).unwrap();
        assert!(!verify(test.app.store(), &keys).await.unwrap().holds());
    }
}
