//! The octets of a record, and the hashes over them.

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

/// Commitment to a personal field: SHA-256 over domain tag, salt, field and value, length-framed.
#[must_use]
pub fn commitment(salt: &[u8], field: &str, value: &str) -> [u8; 32] {
    framed_hash(sekisho_wire::domain::AUDIT_PERSONAL, &[salt, field.as_bytes(), value.as_bytes()])
}

/// Hash of a record: SHA-256 over domain tag and canonical octets, length-framed.
#[must_use]
pub fn leaf_hash(canonical: &[u8]) -> [u8; 32] {
    framed_hash(sekisho_wire::domain::AUDIT_LEAF, &[canonical])
}

/// Link of a node's chain: previous link (zeros before the first), position and leaf.
#[must_use]
pub fn link_hash(previous: &[u8; 32], node: &str, seq: i64, leaf: &[u8]) -> [u8; 32] {
    framed_hash(
        sekisho_wire::domain::AUDIT_LINK,
        &[previous, node.as_bytes(), &seq.to_be_bytes(), leaf],
    )
}

fn framed_hash(tag: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in std::iter::once(&tag).chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// JSON text with members sorted by name, whatever order the map type keeps.
pub(super) fn canonical(value: &Json) -> String {
    let mut text = String::with_capacity(512);
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Json, text: &mut String) {
    match value {
        Json::Object(members) => {
            let mut members: Vec<(&String, &Json)> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (n, (name, value)) in members.into_iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                text.push_str(&Json::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(value, text);
            }
            text.push('}');
        }
        Json::Array(items) => {
            text.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}
