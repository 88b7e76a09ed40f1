//! Login by My Number card (マイナンバーカード): the certificate for user authentication of the JPKI.
//!
//! That certificate names nobody and no profession. A person links it from a login by HPKI card
//! ([`linking`], on the page of [`page`]): both cards sign in one session, and the second signature
//! answers for the first. From then on the card logs its person in ([`admission`]); the profession is
//! that of the HPKI certificate that vouched, as long as this is valid ([`super::vouching`]).
//!
//! 1. [`trust`]: whose certificates count.
//! 2. [`status`]: who tells whether one was revoked; a folder, or an OCSP [`responder`].
//! 3. [`holder`]: a card's proof, verified to the end.

pub mod admission;
pub mod holder;
pub mod linking;
pub mod page;
pub mod responder;
pub mod status;
pub mod trust;
