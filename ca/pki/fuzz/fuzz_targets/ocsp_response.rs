//! An OCSP response and the basic response inside.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::ocsp_response(octets));
