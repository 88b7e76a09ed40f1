//! A certification request, as the authority reads and proves it.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    parsers::request(octets);
    if let Ok(request) = sekisho_ca::request::UnverifiedRequest::parse(octets) {
        let _ = request.verify();
    }
});
