//! A record as lists and files give it out.

use sekisho_store::audit::Record;
use serde_json::{Value as Json, json};

/// The canonical form with the position in its node's chain as `seq`, which is `null` until it has
/// one. A record that somebody has made unreadable is given out as that, with its identifier.
#[must_use]
pub fn of(record: &Record) -> Json {
    let mut form = serde_json::from_slice::<Json>(&record.canonical)
        .ok()
        .filter(Json::is_object)
        .unwrap_or_else(|| json!({ "id": record.id, "unreadable": true }));
    form["seq"] = json!(record.seq);
    form
}
