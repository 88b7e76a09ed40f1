//! Keys that nobody should certify, from their request to the refusal.
#![allow(clippy::unwrap_used, missing_docs)]

use der::{DecodePem, Encode};
use sekisho_ca::{
    profile::Profile,
    registration::{
        Approval, RegisterEntry, RegistrationError, approve_router, approve_terminal, key::KeyFlaw,
        terminal_identifier::TerminalIdentifier,
    },
    request::{RequestError, UnverifiedRequest},
};
use sekisho_pki::national::facility_identifier::FacilityIdentifier;
use time::OffsetDateTime;
use x509_cert::request::CertReq;

/// How they were made says `ca/tests/keys/README.md`.
macro_rules! request {
    ($name:literal) => {
        ($name, include_str!(concat!("keys/", $name, ".csr.pem")))
    };
}

fn parse(pem: &str) -> UnverifiedRequest {
    let der = CertReq::from_pem(pem).unwrap().to_der().unwrap();
    UnverifiedRequest::parse(&der).unwrap()
}

fn register() -> RegisterEntry {
    RegisterEntry {
        organisation_id: "o1".to_owned(),
        facility: FacilityIdentifier::from_random(1),
        facility_active: true,
        terminal: TerminalIdentifier::from_random(1),
        terminal_active: true,
        approval: Some(Approval { by: "p1".to_owned(), at: OffsetDateTime::UNIX_EPOCH }),
        key_compromised: false,
        key_used_by: None,
    }
}

#[test]
fn a_key_that_others_can_compute_is_refused_with_its_flaw() {
    for ((name, pem), flaw) in [
        (request!("roca_3072"), KeyFlaw::Roca),
        (request!("roca_4096"), KeyFlaw::Roca),
        (request!("close_primes_3072"), KeyFlaw::ClosePrimes),
        (request!("small_factor_3072"), KeyFlaw::SmallFactor { factor: 7919 }),
        (request!("debian_p256"), KeyFlaw::DebianWeak),
        (request!("debian_p384"), KeyFlaw::DebianWeak),
    ] {
        // Its holder has the private key: possession alone proves nothing here.
        let request = parse(pem).verify().unwrap();
        let expected = RegistrationError::KeyFlaw(flaw);
        let terminal = Profile::shipped("terminal").unwrap();
        let refused = approve_terminal(&request, &register(), &terminal).unwrap_err();
        assert_eq!(refused, expected, "{name}");
        for family in Profile::router_families() {
            let profile = Profile::shipped(family).unwrap();
            let refused = approve_router(&request, &register(), &profile, &["r.example"], &[]);
            assert_eq!(refused.unwrap_err(), expected, "{name} {family}");
        }
    }
}

#[test]
fn a_small_exponent_is_refused_before_its_signature_is_looked_at() {
    let (_, pem) = request!("exponent_3_3072");
    assert!(matches!(parse(pem).verify(), Err(RequestError::RsaExponent)));
}
