//! The audit trail's moving parts: the sequencer that chains and signs, the heads that are kept outside
//! the database, and the judge that verifies.

pub mod act;
pub mod form;
pub mod sequencer;
pub mod verify;
pub mod witness;
