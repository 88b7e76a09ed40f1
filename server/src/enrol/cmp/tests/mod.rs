//! The door through the router of its name, against a real register, with a client of the tests' own.

pub(crate) mod client;
mod enrolling;
mod refusals;
mod scene;
