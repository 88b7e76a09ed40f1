//! Enrolment through the router of its name, against a real register.

#[macro_use]
mod scene;

mod enrolling;
mod refusals;
mod renewal;
mod replacement;
mod routers;
