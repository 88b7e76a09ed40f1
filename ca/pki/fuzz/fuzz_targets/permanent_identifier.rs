//! permanentIdentifier and what its value may be.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::identifier(octets));
