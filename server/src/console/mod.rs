//! Pages by which people without a card run what is theirs.
//!
//! Each act names the role that permits it and is audited through [`crate::people::role::Acting`].

pub mod audit;
pub mod emergencies;
pub mod groups;
pub mod notices;
pub mod organisations;
pub mod registration;
pub mod resets;
pub mod router_models;
pub mod routers;
pub mod service;
pub mod services;
pub mod simulator;
pub mod staff;
pub mod status;
pub mod terminals;
pub mod use_cases;
pub mod whois;

#[cfg(test)]
pub(crate) mod scene;
#[cfg(test)]
mod tests;
