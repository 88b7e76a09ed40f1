//! Login by card, and the session that belongs to a terminal (`docs/card-login.md`).
//!
//! 1. [`page`]: the login page, which talks to the agent on loopback.
//! 2. [`challenge`]: the request that this portal signs for one page at one terminal.
//! 3. [`card`]: the submission: the nonce is consumed first, in a commit of its own; then [`hpki`]
//!    verifies everything from our own side; then [`admission`] decides about the membership.
//!    Where the browser keeps the page's script from the agent, [`navigation`] brings the answer home.
//! 4. [`session`]: every later request is judged against the terminal certificate of its own
//!    connection.
//! 5. [`presence`] and [`logout`]: how it ends.

pub mod admission;
pub mod card;
pub mod challenge;
pub mod evidence;
pub mod hpki;
pub mod invitation;
pub mod invite;
pub mod logout;
pub mod member_acts;
pub mod members;
pub mod name;
pub mod navigation;
mod new_pc;
pub mod page;
pub mod presence;
pub mod refusal;
pub mod session;
mod trust_folder;
pub mod trust_sources;

#[cfg(test)]
pub(crate) mod tests;
