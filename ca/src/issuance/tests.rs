//! Authorities of each kind of key, some of which only routers need.

use std::sync::Arc;

use sekisho_key::{RsaSize, SigningKey, SoftwareKey, SystemRandomness};
use sekisho_pki::{
    encoding::{
        name::{Part, name},
        request::to_be_signed,
        serial::Serial,
        signed_object::{SignedObject, assemble},
    },
    national::facility_identifier::FacilityIdentifier,
    signature,
};
use time::{Duration, OffsetDateTime};

use super::{ApprovedRequest, Draft, IssuanceError};
use crate::{
    authority::{Authority, Publication},
    ceremony::{CeremonyNames, MadeAuthorities, make_authority},
    profile::Profile,
    record::{MemoryRecord, Subscriber},
    registration::{
        Approval, RegisterEntry, approve_ocsp_responder, approve_router,
        terminal_identifier::TerminalIdentifier,
    },
    request::UnverifiedRequest,
};

const BASE: &str = "http://plain.example";

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap()
}

async fn ceremony() -> MadeAuthorities {
    let names = CeremonyNames {
        organisation: "Example".to_owned(),
        network: "Network".to_owned(),
        publication_base: BASE.to_owned(),
    };
    make_authority(now(), &SystemRandomness, &names, Duration::days(2)).await.unwrap()
}

/// An authority for routers with this key, under the root of the ceremony.
async fn authority(root: &Authority, key: SoftwareKey) -> Authority {
    let approved = ApprovedRequest {
        profile: Profile::shipped("issuing").unwrap(),
        subject: name(&[Part::Country("JP"), Part::CommonName("Router CA 2")]).unwrap(),
        alternative_names: Vec::new(),
        public_key_der: key.public_key_der().to_vec(),
        subscriber: Subscriber::default(),
    };
    let record = MemoryRecord::default();
    let issued = root.issue(&record, approved, now(), &SystemRandomness).await.unwrap();
    let publication = Publication::under(BASE, "routers-2", true);
    Authority::new("routers-2", &issued.der, Arc::new(key), publication).unwrap()
}

fn approved(family: &str) -> ApprovedRequest {
    let terminal = TerminalIdentifier::from_random(1);
    let register = RegisterEntry {
        organisation_id: "o1".to_owned(),
        facility: FacilityIdentifier::from_random(1),
        facility_active: true,
        terminal,
        terminal_active: true,
        approval: Some(Approval { by: "p1".to_owned(), at: now() }),
        key_compromised: false,
        key_used_by: None,
    };
    let key = SoftwareKey::generate_p256().unwrap();
    let info = to_be_signed(&x509_cert::name::Name::default(), key.public_key_der()).unwrap();
    let signed = key.sign_now(&info).unwrap();
    let der = assemble(&info, key.algorithm().identifier(), &signed).unwrap();
    let request = UnverifiedRequest::parse(&der).unwrap().verify().unwrap();
    let profile = Profile::shipped(family).unwrap();
    approve_router(&request, &register, &profile, &["r1.example"], &[]).unwrap()
}

#[tokio::test]
async fn an_authority_of_each_kind_of_key_certifies_routers_of_each_family() {
    let made = ceremony().await;
    for key in [
        SoftwareKey::generate_p256().unwrap(),
        SoftwareKey::generate_p384().unwrap(),
        SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap(),
        SoftwareKey::generate_rsa(RsaSize::Bits4096).unwrap(),
    ] {
        let authority = authority(&made.root.authority, key).await;
        for family in Profile::router_families() {
            let record = MemoryRecord::default();
            let issued = authority
                .issue(&record, approved(family), now(), &SystemRandomness)
                .await
                .unwrap_or_else(|error| panic!("{family}: {error:?}"));
            let signed = SignedObject::parse(&issued.der, false).unwrap();
            let key = authority.public_key_der();
            signature::verify(key, &signed.algorithm, signed.to_be_signed, &signed.signature)
                .unwrap();
        }
    }
}

#[tokio::test]
async fn an_authority_with_2048_bits_is_not_made() {
    let made = ceremony().await;
    let key = SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap();
    let approved = ApprovedRequest {
        profile: Profile::shipped("issuing").unwrap(),
        subject: name(&[Part::Country("JP"), Part::CommonName("Router CA 2")]).unwrap(),
        alternative_names: Vec::new(),
        public_key_der: key.public_key_der().to_vec(),
        subscriber: Subscriber::default(),
    };
    let record = MemoryRecord::default();
    let root = &made.root.authority;
    assert!(root.issue(&record, approved, now(), &SystemRandomness).await.is_err());
    assert!(record.intentions().is_empty());
}

#[tokio::test]
async fn a_draft_that_another_key_signs_is_no_certificate() {
    let made = ceremony().await;
    let terminals = &made.find("terminals").unwrap().authority;
    let draft = || {
        let issuer = terminals.issuer();
        let serial = Serial::from_octets(&[0x4b; 16]).unwrap();
        let responder = SoftwareKey::generate_p256().unwrap();
        let profile = Profile::shipped("ocsp_responder").unwrap();
        let approved = approve_ocsp_responder(terminals, &responder, &profile).unwrap();
        Draft::new(&issuer, approved, serial, (now(), now() + time::Duration::DAY)).unwrap()
    };
    let record = MemoryRecord::default();
    let stranger = SoftwareKey::generate_p256().unwrap();
    let refused = draft().sign(&stranger, &record, now()).await;
    assert!(matches!(refused, Err(IssuanceError::FaultySignature(_))));
    assert!(record.certificates().is_empty());
    draft().sign(&**terminals.key(), &record, now()).await.unwrap();
}
