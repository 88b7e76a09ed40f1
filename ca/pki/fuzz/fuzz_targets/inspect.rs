//! Any file in words: nothing of it may reach a terminal, and the JSON is JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::look(octets));
