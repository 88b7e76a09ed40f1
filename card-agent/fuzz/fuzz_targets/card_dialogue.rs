//! A card that answers whatever it likes.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::card::dialogue(octets));
