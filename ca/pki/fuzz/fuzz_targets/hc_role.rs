//! hcRole: the extension and a single actor.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::hc_role_parts(octets));
