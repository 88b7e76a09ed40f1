//! A CRL, DER or PEM.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| parsers::crl(octets));
