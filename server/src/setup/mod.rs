//! `/setup`: what a router's technician follows on a telephone, with nothing to log in to: the steps for this
//! router, and a tick for each tunnel once it stands (docs/decisions/0052).
//!
//! The code opens this page and nothing else: no key, no other code and no text of a configuration is on it. It
//! comes once, in the address of the picture or typed into the form, and stands in a cookie from then on.

mod link;
mod page;
mod seen;
mod shown;
pub mod steps;

#[cfg(test)]
mod tests;

pub use link::post;
pub use page::get;
pub use seen::post as seen;
pub(crate) use shown::ShownTunnel;

/// The cookie that has the code of a link: no session of anybody's.
const COOKIE: &str = "__Host-setup";
