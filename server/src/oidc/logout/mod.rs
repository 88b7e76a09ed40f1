//! The end of a session: asked for by a service ([`end_session`]), told to services
//! ([`backchannel`]).

pub mod backchannel;
pub mod end_session;
