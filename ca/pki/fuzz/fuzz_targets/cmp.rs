//! A CMP message. Seeds: `tests/vectors/cmp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::cmp(octets));
