//! A SCEP message. Seeds: `tests/vectors/scep`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::scep(octets));
