//! Records as they are written.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use super::{
    Entry,
    canonical::{canonical, commitment, leaf_hash},
};
use crate::{StoreError, Tx, db::sql_rows};

/// Rows of one statement; more records take another one.
const MOST_ROWS: usize = 64;

/// Inserts the records, which no change commits without. One that does not say from where is a
/// defect of whoever wrote it, and its change is not committed either.
pub(crate) async fn append(tx: &mut Tx, node: &str, entries: &[Entry]) -> Result<(), StoreError> {
    if let Some(entry) = entries.iter().find(|entry| !entry.is_placed()) {
        return Err(StoreError::Unplaced { act: entry.act });
    }
    for entries in entries.chunks(MOST_ROWS) {
        let rows: Vec<Row<'_>> = entries.iter().map(|entry| Row::of(node, entry)).collect();
        let mut insert = sql_rows(
            "INSERT INTO audit_record (id, node, at, act, outcome, actor_kind, actor_id,
                 organisation_id, address, canonical, leaf_hash)
             VALUES ",
            rows.len(),
            11,
            "",
        );
        let mut personal = Vec::new();
        for (row, entry) in rows.into_iter().zip(entries) {
            insert = insert
                .bind(&row.id)
                .bind(node)
                .bind(entry.at)
                .bind(entry.act)
                .bind(entry.outcome())
                .bind(entry.actor.kind())
                .bind(entry.actor.id())
                .bind(entry.organisation_id.as_ref())
                .bind(entry.address.as_ref())
                .bind(row.canonical)
                .bind(row.leaf);
            personal.extend(row.personal);
        }
        tx.execute(insert).await?;
        write_personal(tx, &personal).await?;
    }
    Ok(())
}

/// A personal field as it is kept: record, field, salt, value.
type Personal<'a> = (String, &'static str, Vec<u8>, &'a str);

async fn write_personal(tx: &mut Tx, personal: &[Personal<'_>]) -> Result<(), StoreError> {
    for personal in personal.chunks(MOST_ROWS) {
        let mut insert = sql_rows(
            "INSERT INTO audit_personal (record_id, field, salt, value) VALUES ",
            personal.len(),
            4,
            "",
        );
        for (id, field, salt, value) in personal {
            insert = insert.bind(id).bind(*field).bind(salt).bind(*value);
        }
        tx.execute(insert).await?;
    }
    Ok(())
}

/// A record as it is written.
struct Row<'a> {
    id: String,
    canonical: Vec<u8>,
    leaf: [u8; 32],
    personal: Vec<Personal<'a>>,
}

impl<'a> Row<'a> {
    fn of(node: &str, entry: &'a Entry) -> Self {
        let id = Uuid::now_v7().to_string();
        let mut commitments = BTreeMap::new();
        let mut personal = Vec::new();
        for (field, value) in &entry.personal {
            // Two version 4 UUIDs: 244 random bits, far beyond guessing a name or an address.
            let salt = [*Uuid::new_v4().as_bytes(), *Uuid::new_v4().as_bytes()].concat();
            commitments.insert(*field, hex::encode(commitment(&salt, field, value)));
            personal.push((id.clone(), *field, salt, value.as_str()));
        }
        let mut form = json!({
            "v": 1,
            "id": id,
            "node": node,
            "at": entry.at.unix_timestamp(),
            "act": entry.act,
            "outcome": entry.outcome(),
            "actor": { "kind": entry.actor.kind() },
            "role": entry.role(),
            "on": entry.objects,
            "facts": entry.facts,
            "personal": commitments,
        });
        let optional = [
            ("reason", entry.refused.as_deref()),
            ("organisation", entry.organisation_id.as_deref()),
            ("address", entry.address.as_deref()),
            ("terminal", entry.terminal_id.as_deref()),
            ("host", entry.host()),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                form[name] = value.into();
            }
        }
        if let Some(actor_id) = entry.actor.id() {
            form["actor"]["id"] = actor_id.into();
        }
        let canonical = canonical(&form).into_bytes();
        let leaf = leaf_hash(&canonical);
        Self { id, canonical, leaf, personal }
    }
}
