//! A certificate, and what is read from it: facility, profession, names.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::certificate(octets));
