//! The audit trail's moving parts: the sequencer that chains and signs, and the judge that verifies.

pub mod sequencer;
pub mod verify;
