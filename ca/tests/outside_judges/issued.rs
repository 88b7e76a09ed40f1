//! What is issued: short enough for its device, the facility in each, within its issuer's life.

use const_oid::db::rfc5280::ID_PE_AUTHORITY_INFO_ACCESS;
use der::{Decode, Encode};
use sekisho_ca::{
    profile::Profile,
    record::MemoryRecord,
    registration::{approve_router, approve_terminal},
};
use sekisho_key::{SoftwareKey, SystemRandomness};
use sekisho_pki::{
    encoding::permanent_identifier::facility_of, national::facility_identifier::FacilityIdentifier,
};
use time::Duration;
use x509_cert::Certificate;

use crate::world::{World, register, request};

/// Octets of the certificate and of its authorityInfoAccess.
fn octets(der: &[u8]) -> (usize, usize) {
    let certificate = Certificate::from_der(der).unwrap();
    let access = certificate
        .tbs_certificate()
        .extensions()
        .unwrap()
        .iter()
        .filter(|extension| extension.extn_id == ID_PE_AUTHORITY_INFO_ACCESS)
        .map(|extension| extension.to_der().unwrap().len())
        .sum();
    (der.len(), access)
}

#[tokio::test]
async fn every_device_certificate_says_its_facility_and_is_short() {
    let world = World::new().await;
    for one in world.every_certificate().await {
        let device = ["terminals", "routers"].contains(&one.issuer)
            && !["ocsp_responder", "scep_ra", "cmp_ra"].contains(&one.certificate.profile.as_str());
        if !device {
            continue;
        }
        let der = &one.certificate.der;
        let certificate = Certificate::from_der(der).unwrap();
        let seed = if one.issuer == "terminals" { 1 } else { 2 };
        let facility = FacilityIdentifier::from_random(seed);
        assert_eq!(facility_of(&certificate).unwrap(), facility, "{}", one.what);
        let (whole, access) = octets(der);
        println!("{}: {whole} octets, {access} of them addresses", one.what);
        let has_addresses =
            ["terminal", "router_windows"].contains(&one.certificate.profile.as_str());
        assert_eq!(access > 0, has_addresses, "{}", one.what);
        if one.what.ends_with("P-256") {
            assert!(whole <= 900 && whole - access <= 800, "{}: {whole}", one.what);
        }
        let encoded = one.certificate.encoded_validity().unwrap();
        assert_eq!(encoded, (one.certificate.not_before, one.certificate.not_after));
    }
}

#[tokio::test]
async fn a_router_certificate_too_long_for_its_family_is_refused_and_nothing_is_intended() {
    let world = World::new().await;
    let key = SoftwareKey::generate_p256().unwrap();
    let register = register(1);
    let profile = Profile::shipped("router_openiked").unwrap();
    let names: Vec<String> = (0..8).map(|n| format!("r{n}.{}.example", "x".repeat(40))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let request = request(&key, &register.terminal);
    let approved = approve_router(&request, &register, &profile, &names, &[]).unwrap();
    let record = MemoryRecord::default();
    let authority = &world.made.find("routers").unwrap().authority;
    let refused = authority.issue(&record, approved, world.now, &SystemRandomness).await;
    let mut said = String::new();
    let mut error: Option<&dyn std::error::Error> = refused.as_ref().err().map(|error| error as _);
    while let Some(cause) = error {
        said.push_str(&cause.to_string());
        error = cause.source();
    }
    assert!(said.contains("size") && said.contains("OpenIKED"), "{said}");
    assert!(record.intentions().is_empty() && record.certificates().is_empty());
}

#[tokio::test]
async fn an_authority_past_its_end_issues_nothing_and_records_nothing() {
    let world = World::new().await;
    let key = SoftwareKey::generate_p256().unwrap();
    let register = register(1);
    let profile = Profile::shipped("terminal").unwrap();
    let request = request(&key, &register.terminal);
    let approved = approve_terminal(&request, &register, &profile).unwrap();
    let record = MemoryRecord::default();
    let later = world.now + Duration::days(3653);
    let authority = &world.made.find("terminals").unwrap().authority;
    let issued = authority.issue(&record, approved, later, &SystemRandomness).await;
    assert!(issued.is_err());
    assert!(record.serials().is_empty() && record.intentions().is_empty());
}

#[tokio::test]
async fn a_certificate_does_not_outlive_its_issuer() {
    let world = World::new().await;
    let key = SoftwareKey::generate_p256().unwrap();
    let register = register(1);
    let profile = Profile::shipped("terminal").unwrap();
    let approved =
        approve_terminal(&request(&key, &register.terminal), &register, &profile).unwrap();
    let authority = &world.made.find("terminals").unwrap().authority;
    let late = world.now + Duration::days(3600);
    let issued =
        authority.issue(&MemoryRecord::default(), approved, late, &SystemRandomness).await.unwrap();
    assert_eq!(issued.not_after, authority.validity().1);
}
