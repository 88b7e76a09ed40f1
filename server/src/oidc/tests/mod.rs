//! The whole exchange through the real routers, and what each check keeps out.

mod authorize;
mod exchange;
mod logout;
mod refused;
mod registration;
mod renewal;
pub(crate) mod scene;
mod scripts;
