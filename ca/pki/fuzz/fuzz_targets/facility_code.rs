//! Codes and identifiers as people type them.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::codes(octets));
