//! The register of organisations: applications, their examination, and what they become.
//!
//! Anybody may apply ([`apply`]); an officer examines ([`officer`]) and decides ([`approval`]); the
//! decision, the new identifier, the names and codes and the letter's code are one transaction.
//! The letter goes to the address that the official register gives, so that typing somebody
//! else's name into the form gains nothing.

pub mod apply;
pub mod approval;
pub mod form;
pub mod officer;
pub mod organisation;
pub mod prefecture;
pub mod typed;

#[cfg(test)]
mod tests;
