//! A public key, and a signature by it.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::public_key(octets));
