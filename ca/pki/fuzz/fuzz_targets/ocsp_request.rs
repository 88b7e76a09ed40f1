//! An OCSP request by POST and by GET.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::ocsp_request(octets));
