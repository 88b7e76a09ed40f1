//! A facility's routers: list, enter, code, what setting up needs. What is a terminal's of them (code again, certificates,
//! history, revocation) stands on the page of the terminal, `/console/terminals/{id}`.

mod bundle;
mod code;
mod create;
mod list;
pub mod psk;
pub(super) mod text_standing;
mod untried;

#[cfg(test)]
mod psk_tests;
#[cfg(test)]
mod tests;

pub use bundle::{get as bundle, taken};
pub(super) use code::page as code_page;
pub use create::post;
pub use list::get;
