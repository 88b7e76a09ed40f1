//! A compact JWS from a stranger.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::protocol::token(octets));
