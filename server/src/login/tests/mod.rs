//! Login through the real router: the honest way, and each attack on it.

mod attacks;
mod console;
mod desk;
mod invitations;
mod navigation;
mod sessions;
mod step_up;
