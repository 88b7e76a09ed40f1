//! Login through the real router: the honest way, and each attack on it.

mod attacks;
mod console;
pub(crate) mod desk;
mod invitations;
mod navigation;
mod replacement;
mod sandbox;
mod sessions;
mod step_up;
