//! Directory files of ISO/IEC 7816-15.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::card::directories(octets));
