//! The whole exchange through the real routers, and what each check keeps out.

mod answers;
mod authorize;
mod bound;
mod bound_exchange;
mod browser_logout;
mod claimed_fields;
mod client;
mod crossed;
mod dynamic;
mod emergency;
mod exchange;
mod fapi;
mod forward_auth;
mod introspection;
mod logout;
mod outage;
mod own_keys;
mod pushed;
mod refresh;
mod refused;
mod registration;
mod renewal;
pub(crate) mod scene;
mod scripts;
mod self_check;
mod signed_request;
mod ui_locales;
