//! Command APDUs.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::card::command(octets));
