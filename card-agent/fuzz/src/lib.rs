//! What the fuzz targets of this folder and the property tests of `card-agent` and its `protocol`
//! both run.

pub mod card;
pub mod protocol;
