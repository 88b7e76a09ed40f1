//! Times as stored: whole Unix seconds in a 64-bit integer.

use time::OffsetDateTime;

use crate::StoreError;

/// A stored time. `what` names the column for the error.
pub(crate) fn moment(what: &'static str, unix_secs: i64) -> Result<OffsetDateTime, StoreError> {
    OffsetDateTime::from_unix_timestamp(unix_secs)
        .map_err(|_| StoreError::Corrupt { what, detail: format!("{unix_secs} is no time") })
}

/// A stored time that may be absent.
pub(crate) fn moment_opt(
    what: &'static str,
    unix_secs: Option<i64>,
) -> Result<Option<OffsetDateTime>, StoreError> {
    unix_secs.map(|secs| moment(what, secs)).transpose()
}

/// A stored JSON list of text.
pub(crate) fn text_list(what: &'static str, json: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(json)
        .map_err(|error| StoreError::Corrupt { what, detail: error.to_string() })
}

/// A stored SHA-256.
pub(crate) fn digest(what: &'static str, octets: Vec<u8>) -> Result<[u8; 32], StoreError> {
    octets.try_into().map_err(|octets: Vec<u8>| StoreError::Corrupt {
        what,
        detail: format!("{} octets", octets.len()),
    })
}
