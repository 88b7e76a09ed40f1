//! The register of organisations: applications, their examination, and what they become.
//!
//! Anybody may apply ([`apply`]); an officer examines ([`officer`]) and decides ([`approval`]); the
//! decision, the new identifier, the names and codes and the letter's code are one transaction.
//! The letter ([`letter`]) goes to the address that the official register gives, so that typing somebody
//! else's name into the form gains nothing. Who applied or administers keeps out ([`separation`]).

pub mod apply;
pub mod approval;
pub mod code_change;
pub mod form;
pub mod letter;
mod letter_page;
pub mod officer;
pub mod organisation;
pub mod prefecture;
pub mod separation;
pub mod typed;

#[cfg(test)]
mod organisation_tests;
#[cfg(test)]
mod separation_tests;
#[cfg(test)]
mod tests;
