//! A facility's routers: list, enter, code, what setting up needs, the link of the technician. What is a terminal's of them (code again, certificates,
//! history, revocation) stands on the page of the terminal, `/console/terminals/{id}`.

mod bundle;
mod code;
mod create;
mod list;
pub mod psk;
pub mod setup;
pub(super) mod text_standing;

#[cfg(test)]
mod psk_tests;
#[cfg(test)]
mod setup_tests;
#[cfg(test)]
pub(crate) mod tests;

pub use bundle::{get as bundle, taken};
pub(super) use code::page as code_page;
pub use create::post;
pub use list::get;
