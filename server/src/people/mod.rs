//! People without a card: their accounts, sessions and roles.

pub mod account_page;
pub mod activation;
pub mod administrator;
pub mod breach_list;
pub mod console;
pub mod factors;
pub mod field;
pub mod first_use;
pub mod hands;
pub mod likeness;
pub mod link;
pub mod mailbox;
pub mod password;
pub mod proof;
pub mod recovery;
pub mod role;
pub mod roles_page;
pub mod session;
pub mod sign_in;
pub mod totp;
pub mod tries;
mod written;

#[cfg(test)]
mod account_tests;
#[cfg(test)]
pub(crate) mod activation_tests;
#[cfg(test)]
pub(crate) mod tests;
