//! Enrolment through the router of its name, against a real register.

#[macro_use]
pub(in crate::enrol) mod scene;

mod enrolling;
mod refusals;
mod renewal;
mod replacement;
pub(in crate::enrol) mod routers;
mod server_keygen;
mod waiting;
