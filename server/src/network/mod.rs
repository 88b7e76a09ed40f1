//! The network that a facility's routers make: what stands in the register of each, and what is told to
//! whoever sets one up.

pub mod bundle;
pub mod entry;
pub mod family;
pub mod groups;
pub mod models;
pub mod prefix;
pub mod psk;
pub mod setup;
pub mod tick;
pub mod typed;
pub mod whois;
