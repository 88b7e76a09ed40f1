//! A certs-only message.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::certs_only(octets));
