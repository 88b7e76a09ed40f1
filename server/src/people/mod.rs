//! People without a card: their accounts, sessions and roles.

pub mod role;
pub mod session;
