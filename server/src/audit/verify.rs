//! Judges a whole audit trail: every leaf, every link, every commitment, every signed checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use sekisho_protocol::jwk::JwkSet;
use sekisho_store::{Store, StoreError, audit};
use serde::{Deserialize, Serialize};

use super::witness;

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
    /// Heads kept outside the database with which the trail agrees.
    pub witnesses: u64,
    /// Nodes of whose chain no head was given: that its end was not cut off is told by the database
    /// alone.
    pub unwitnessed: Vec<String>,
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
    at: i64,
    act: String,
    outcome: String,
    actor: CanonicalActor,
    organisation: Option<String>,
    personal: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct CanonicalActor {
    kind: String,
    id: Option<String>,
}

const PAGE: i64 = 1000;

/// Verifies every node's chain against `keys`, the public keys of the audit checkpoints, and against
/// `witnesses`: signed heads that were kept outside the database. Without a witness nobody can tell a
/// trail whose end was cut off, checkpoints and all, from one that never went on.
///
/// # Errors
/// [`StoreError`]: the trail could not be read. What does not hold is in the verdict instead.
pub async fn verify(
    store: &Store,
    keys: &JwkSet,
    witnesses: &[String],
) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::default();
    let mut witnessed = BTreeSet::new();
    let mut reader = store.read();
    for jws in witnesses {
        match witness::agrees(&mut reader, jws, keys).await? {
            Ok(()) => {
                verdict.witnesses += 1;
                witnessed.extend(witness::read(jws, keys).map(|claims| claims.node));
            }
            Err(fault) => verdict.faults.push(fault.to_string()),
        }
    }
    for node in audit::nodes(&mut reader).await? {
        let known = audit::checkpoints(&mut reader, &node).await?.len();
        let links = verify_chain(store, &node, &mut verdict).await?;
        let last = i64::try_from(links.len()).unwrap_or(i64::MAX);
        let mut signed = 0;
        let checkpoints = audit::checkpoints(&mut reader, &node).await?;
        for (index, checkpoint) in checkpoints.into_iter().enumerate() {
            // Signed while the chain was read, over links that were added since.
            if index >= known && checkpoint.seq > last {
                continue;
            }
            match verify_checkpoint(&checkpoint, &links, keys) {
                Ok(()) => {
                    verdict.checkpoints += 1;
                    signed = signed.max(checkpoint.seq);
                }
                Err(fault) => verdict.faults.push(fault),
            }
        }
        if !links.is_empty() && !witnessed.contains(&node) {
            verdict.unwitnessed.push(node.clone());
        }
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
        for record in records.iter().filter(|record| record.seq.is_none()) {
            verdict.unchained += 1;
            verify_leaf(record, &mut verdict);
            verify_content(&mut reader, &record.node, record, &mut verdict).await?;
        }
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
            let leaf = verify_leaf(&record, verdict);
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
            verify_content(&mut reader, node, &record, verdict).await?;
        }
    }
}

/// The hash of the record's octets, which must be the stored one.
fn verify_leaf(record: &audit::Record, verdict: &mut Verdict) -> [u8; 32] {
    let leaf = audit::leaf_hash(&record.canonical);
    if leaf.as_slice() != record.leaf_hash {
        verdict.faults.push(format!("record {}: its octets were changed", record.id));
    }
    leaf
}

/// What stands beside the canonical octets: columns and personal fields.
async fn verify_content(
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
    if canonical.id != record.id || canonical.node != node || record.node != node {
        verdict.faults.push(format!("record {}: filed under another name", record.id));
    }
    let columns = audit::Columns {
        at: canonical.at,
        act: canonical.act,
        outcome: canonical.outcome,
        actor_kind: canonical.actor.kind,
        actor_id: canonical.actor.id,
        organisation_id: canonical.organisation,
    };
    if columns != record.columns {
        verdict.faults.push(format!("record {}: its columns do not say what it says", record.id));
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
    let claims = witness::read(&checkpoint.jws, keys)
        .map_err(|error| format!("{place} does not verify: {error}"))?;
    if claims.node != checkpoint.node || claims.seq != checkpoint.seq {
        return Err(format!("{place} is filed under another position"));
    }
    if claims.iat != checkpoint.at {
        return Err(format!("{place} is filed under another time than it was signed at"));
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
        audit_chain::Look,
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
        super::super::sequencer::run(test.app.clone(), Look::Thorough).await.unwrap();
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
        let verdict = verify(test.app.store(), &keys, &[]).await.unwrap();
        assert!(verdict.holds(), "{verdict:?}");
        // Three of this test, the others of the ceremony, which names nobody.
        assert!(verdict.records > 3);
        assert_eq!((verdict.personal, verdict.checkpoints), (3, 1));
        assert_eq!(verdict.unwitnessed, ["node-1"]);
        let mut reader = test.app.store().read();
        let head = audit::checkpoints(&mut reader, "node-1").await.unwrap().pop().unwrap().jws;
        let verdict = verify(test.app.store(), &keys, &[head]).await.unwrap();
        assert!(verdict.holds() && verdict.unwitnessed.is_empty(), "{verdict:?}");
    }

    #[tokio::test]
    async fn an_erased_personal_field_leaves_the_trail_verifiable() {
        let (test, keys) = trail().await;
        tamper(&test, "UPDATE audit_personal SET salt = NULL, value = NULL").await;
        let verdict = verify(test.app.store(), &keys, &[]).await.unwrap();
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
            "UPDATE audit_record SET organisation_id = '999' WHERE act = 'b'",
            "UPDATE audit_record SET act = 'x' WHERE act = 'b'",
            "UPDATE audit_record SET node = 'x' WHERE act = 'b'",
            "UPDATE audit_record SET at = at + 1 WHERE act = 'b'",
            "UPDATE audit_checkpoint SET jws = REPLACE(jws, '.', 'A.')",
            "UPDATE audit_checkpoint SET at = at - 86400",
            "INSERT INTO audit_checkpoint (node, seq, at, jws)
             SELECT 'other', seq, at, jws FROM audit_checkpoint",
        ] {
            let (test, keys) = trail().await;
            tamper(&test, statement).await;
            let verdict = verify(test.app.store(), &keys, &[]).await.unwrap();
            assert!(!verdict.holds(), "not found: {statement}");
        }
    }

    #[tokio::test]
    async fn a_trail_that_was_cut_or_written_anew_disagrees_with_a_head_kept_elsewhere() {
        for statement in [
            "DELETE FROM audit_link",
            "DELETE FROM audit_link WHERE seq = (SELECT MAX(seq) FROM audit_link)",
            "UPDATE audit_link SET link_hash = zeroblob(32)
             WHERE seq = (SELECT MAX(seq) FROM audit_link)",
        ] {
            let (test, keys) = trail().await;
            let mut reader = test.app.store().read();
            let head = audit::checkpoints(&mut reader, "node-1").await.unwrap().pop().unwrap().jws;
            let held = verify(test.app.store(), &keys, std::slice::from_ref(&head)).await.unwrap();
            assert!(held.holds() && held.witnesses == 1, "{held:?}");
            tamper(&test, "DELETE FROM audit_checkpoint").await;
            tamper(&test, statement).await;
            let verdict = verify(test.app.store(), &keys, &[head]).await.unwrap();
            let told = verdict.faults.iter().any(|fault| fault.contains("kept outside"));
            assert!(told, "{statement}: {verdict:?}");
        }
    }

    #[tokio::test]
    async fn a_checkpoint_of_another_key_is_refused() {
        let (test, _) = trail().await;
        let other = crate::testing::app().await;
        let keys = crate::keys::jwks([&other.app.keys().audit]).unwrap();
        let keys = serde_json::from_value(keys).unwrap();
        assert!(!verify(test.app.store(), &keys, &[]).await.unwrap().holds());
    }
}
