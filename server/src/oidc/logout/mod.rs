//! The end of a session: asked for by a service ([`end_session`]), told to services from server to server
//! ([`backchannel`]) and by the browser ([`frontchannel`]).

pub mod backchannel;
pub mod end_session;
pub mod frontchannel;
