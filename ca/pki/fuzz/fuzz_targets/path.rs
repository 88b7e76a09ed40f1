//! Certificates of a path under our root.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::path(octets, include_bytes!("../../../../tests/vectors/objects/root.cer")));
