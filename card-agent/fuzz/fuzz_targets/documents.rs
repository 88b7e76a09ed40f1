//! Bodies at the agent's door, trust document, presence, keys.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::protocol::documents(octets));
