//! A distinguished name.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::names(octets));
