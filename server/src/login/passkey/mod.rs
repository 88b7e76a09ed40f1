//! Login by passkey (WebAuthn Level 2) of people who proved themselves by HPKI card.
//!
//! A passkey names nobody and no profession. A person enrols one in a session that their HPKI card
//! proved within minutes ([`enrolment`], on the page of [`page`]); from then on it logs its person in
//! at the terminals of their facilities ([`login`], [`admission`]), at a level below both cards. The
//! profession is that of the HPKI certificate that vouched, as long as this is valid
//! ([`super::vouching`]).
//!
//! 1. [`relying_party`]: what browsers and authenticators are asked for, by the WebAuthn library.
//! 2. [`question`]: a challenge, given to one browser at one terminal, and consumed once.
//! 3. [`assertion`]: a passkey's answer at a login, verified against what was enrolled.
//!
//! Other passkeys stand for the one-time password of an account, and for nothing else ([`second_factor`]).

pub mod admission;
pub mod assertion;
pub mod enrolment;
pub mod login;
pub mod page;
mod question;
pub mod relying_party;
pub mod second_factor;

/// Why sessions end whose passkey was removed.
pub const REMOVED: &str = "passkey_removed";
/// Why sessions end whose passkey seems to exist twice.
pub const COPIED: &str = "passkey_copied";
