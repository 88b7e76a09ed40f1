//! The door through the router of its name, against a real register, with a client of the tests' own.

pub(crate) mod client;
mod scene;

mod enrolling;
mod refusals;
mod renewing;
mod repeated;
mod waiting;
