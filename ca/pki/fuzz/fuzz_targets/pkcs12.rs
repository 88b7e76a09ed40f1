//! A PKCS #12 file, its MAC and its parts.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::pkcs12(octets));
