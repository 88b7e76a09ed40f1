//! OpenID Connect for relying services: the authorization code, and what belongs to it.
//!
//! - [`authorize`]: the table of checks, on the terminal name, where the facility's certificate is;
//!   [`par`]: the same request sent ahead.
//! - [`client_authentication`], then [`token`]: codes, refresh tokens and a client's own proof for
//!   tokens, which [`dpop`] or a certificate binds ([`confirmation`]).
//! - [`userinfo`], [`introspect`], [`revoke`]: what becomes of [`access_token`]s.
//! - [`discovery`], [`jwks`]: what a client needs to know.
//! - [`logout`]: asked for by a service, and told to services; [`session_state`]: asked by an open page.
//! - [`forward_auth`]: services behind a proxy that asks about each request.
//! - [`client`]: what a service is registered as, with its rules; [`registration`]: by itself (RFC 7591,
//!   RFC 7592). [`self_check`]: what a service of the sandbox is seen to do right.
//!
//! What a token says was fixed when the code was issued ([`claims`]); whether it still counts is
//! asked anew each time ([`liveness`]).

pub mod access_token;
pub mod authorize;
pub mod claims;
pub mod client;
pub mod client_authentication;
pub mod confirmation;
pub mod discovery;
pub mod dpop;
pub mod forward_auth;
pub mod grant;
pub mod id_token_hint;
pub mod introspect;
pub mod jwks;
mod live_grant;
pub mod liveness;
pub mod logout;
pub mod par;
pub mod parameters;
mod presented_token;
pub mod registration;
pub mod resource;
pub mod revoke;
pub mod self_check;
pub mod session_state;
pub mod subject;
pub mod token;
pub mod ui_locales;
pub mod userinfo;

#[cfg(test)]
pub(crate) mod tests;
