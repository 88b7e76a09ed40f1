//! The program on the physician's desk: reads the card, asks for the PIN, holds the terminal's key.
//!
//! | room | what it does |
//! |---|---|
//! | [`door`] | answers the portal's page on the loopback interface, after an ordered table of checks |
//! | [`card`] | readers, the HPKI application, reading ahead |
//! | [`pin`] | asks for the PIN in a window of its own |
//! | [`terminal`] | enrolment, renewal, the key, the browser's store and policy |
//! | [`presence`] | tells the portal that a card is there or gone |
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod card;
pub mod command;
pub mod door;
pub mod pin;
pub mod platform;
pub mod presence;
pub mod terminal;

/// Random octets of the operating system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    aws_lc_rs::rand::fill(&mut octets)
        .expect("aws-lc ends the process itself where the system gives no randomness");
    octets
}
