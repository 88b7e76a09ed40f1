//! Claims of a login request under a good signature.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::protocol::login_request(octets));
