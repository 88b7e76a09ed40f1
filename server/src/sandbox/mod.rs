//! The sandbox's people: invented, with cards from trust anchors of their own, at a test facility of
//! their own.
//!
//! `sekisho sandbox make` makes all of it ([`make`]); whoever answers for a service gets cards and a PC
//! from the service's page ([`crate::console::service`]). That such a card counts at test facilities only
//! is decided in [`crate::login::trust_sources`].

pub mod cast;
pub mod facility;
pub mod hand_out;
pub mod make;
pub mod states;

pub use make::{MakeError, Order, Standing, configure, make};
