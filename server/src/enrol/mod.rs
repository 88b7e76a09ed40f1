//! The doors through which a device gets its certificate, or a router its pre-shared keys.
//!
//! Each door proves who asks in its own protocol; what may be certified is decided in
//! `sekisho_ca::registration` from what the register says, never from what the request asks. By code or
//! by certificate, all doors go the same way from there ([`by_code`], [`by_certificate`]), and what they
//! refuse is said in the same words ([`refusal`]). The console is a door, too, where an administrator stands
//! up for the key ([`by_person`]).

pub mod acme;
mod by_certificate;
mod by_code;
pub mod by_person;
pub mod cmp;
mod credentials;
pub(crate) mod device;
pub mod est;
pub mod key_file;
pub mod new_code;
mod notice;
mod plain;
pub mod psk;
pub mod ra;
mod refusal;
mod registration;
pub mod scep;
pub mod server_made;
pub mod trust;
pub mod tunnels;

use sekisho_store::audit::Entry;

/// What a door adds to each record of an enrolment, by its name.
type Fact = (&'static str, String);

fn with_facts(entry: Entry, facts: &[Fact]) -> Entry {
    facts.iter().fold(entry, |entry, (name, value)| entry.fact(name, value.clone()))
}
