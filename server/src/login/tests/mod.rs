//! Login through the real router: the honest way, and each attack on it.

mod attacks;
mod authenticator;
mod console;
mod day_passes;
pub(crate) mod desk;
mod emergency;
mod handover;
mod invitations;
mod levels;
mod my_number;
mod my_number_attacks;
mod my_number_kept;
mod navigation;
mod passkey_attacks;
mod passkeys;
mod password_attacks;
mod password_joining;
pub(crate) mod passwords;
mod replacement;
mod room;
mod sandbox;
mod second_factors;
mod sessions;
mod standing;
mod step_up;
mod stronger;
mod visitors;
