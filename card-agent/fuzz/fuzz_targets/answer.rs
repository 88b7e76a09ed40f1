//! The card's answer and what else a page submits.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::protocol::answer(octets));
