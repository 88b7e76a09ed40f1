//! OpenID Connect for relying services: authorization code with PKCE, and nothing else.
//!
//! - [`authorize`]: the table of checks, on the terminal name, where the facility's certificate is.
//! - [`token`]: client authentication, then the code for tokens, on the public name.
//! - [`userinfo`], [`discovery`], [`jwks`]: on the public name.
//! - [`logout`]: asked for by a service, and told to services.
//! - [`client`]: registration of a service with its rules.
//!
//! What a token says was fixed when the code was issued ([`claims`]); whether it still counts is
//! asked anew each time ([`liveness`]).

pub mod authorize;
pub mod claims;
pub mod client;
pub mod discovery;
pub mod jwks;
pub mod liveness;
pub mod logout;
pub mod parameters;
pub mod subject;
pub mod token;
pub mod userinfo;

#[cfg(test)]
pub(crate) mod tests;
