//! Login by card, passkey, password or pass for a day, and the session that belongs to a terminal (`docs/card-login.md`).
//!
//! 1. [`page`]: the login page, which talks to the agent on loopback ([`exchange`]), and offers what is
//!    strong enough ([`Least`]).
//! 2. [`challenge`]: the request that this portal signs for one page at one terminal, by [`asking`].
//! 3. [`card`]: the submission: the nonce is consumed first, in a commit of its own; then [`hpki`]
//!    verifies everything from our own side; then [`admission`] decides about the membership, or about
//!    who has none in an emergency ([`visitor`]).
//!    Where the browser keeps the page's script from the agent, [`navigation`] brings the answer home.
//!    A linked My Number card's answer takes the same way and turns off at [`jpki`]. A passkey's has its
//!    own way ([`passkey`]) up to the decision, and so have a password's form ([`password`]) and that of a pass for
//!    a day ([`day_pass`]). A session is opened or renewed by [`opening`], whatever
//!    proved it. Where that names no profession, an HPKI card vouches for it ([`vouching`]).
//!    What their scripts call has one form ([`call`]).
//! 4. [`session`]: every later request is judged against the terminal certificate of its own
//!    connection.
//! 5. [`presence`] and [`logout`]: how it ends.

pub mod admission;
mod asking;
mod call;
pub mod card;
pub mod challenge;
pub mod day_pass;
pub mod evidence;
mod exchange;
pub mod handover;
pub mod hpki;
pub mod invitation;
pub mod invite;
pub mod jpki;
mod level;
pub mod logout;
pub mod member_acts;
pub mod members;
pub mod name;
pub mod navigation;
mod new_pc;
mod opening;
pub mod page;
pub mod passkey;
pub mod password;
pub mod presence;
pub mod refusal;
pub mod session;
pub mod shared_terminal;
mod trust_folder;
pub mod trust_sources;
pub mod upkeep;
mod visitor;
pub mod vouching;

pub use level::{Least, levels, login_address};
pub use visitor::TIME_TO_SAY_WHY;

#[cfg(test)]
pub(crate) mod tests;
