//! A device that may have a certificate, for each rule to take something away from.

use sekisho_key::{SigningKey, SoftwareKey};
use sekisho_pki::{
    encoding::{
        name::{Part, name},
        request::to_be_signed,
        signed_object::assemble,
    },
    national::facility_identifier::FacilityIdentifier,
};
use time::OffsetDateTime;
use x509_cert::name::Name;

use super::{
    Approval, RegisterEntry, RegistrationError, approve_router, approve_terminal,
    terminal_identifier::TerminalIdentifier,
};
use crate::{
    issuance::ApprovedRequest,
    profile::Profile,
    request::{UnverifiedRequest, VerifiedRequest},
};

pub(super) struct Example {
    pub(super) register: RegisterEntry,
    pub(super) subject: Name,
    pub(super) key: SoftwareKey,
}

impl Example {
    pub(super) fn new() -> Self {
        let terminal = TerminalIdentifier::from_random(5);
        Self {
            register: RegisterEntry {
                organisation_id: "o1".to_owned(),
                facility: FacilityIdentifier::from_random(6),
                facility_active: true,
                terminal,
                terminal_active: true,
                approval: Some(Approval { by: "p1".to_owned(), at: OffsetDateTime::UNIX_EPOCH }),
                key_compromised: false,
                key_used_by: None,
            },
            subject: name(&[Part::CommonName(&terminal.to_string())]).unwrap(),
            key: SoftwareKey::generate_p256().unwrap(),
        }
    }

    pub(super) fn request(&self) -> VerifiedRequest {
        let info = to_be_signed(&self.subject, self.key.public_key_der()).unwrap();
        let signature = self.key.sign_now(&info).unwrap();
        let der = assemble(&info, self.key.algorithm().identifier(), &signature).unwrap();
        UnverifiedRequest::parse(&der).unwrap().verify().unwrap()
    }

    pub(super) fn approve(&self) -> Result<ApprovedRequest, RegistrationError> {
        let profile = Profile::shipped("terminal").unwrap();
        approve_terminal(&self.request(), &self.register, &profile)
    }
}

#[test]
fn what_is_approved_is_what_the_register_says() {
    let example = Example::new();
    let approved = example.approve().unwrap();
    assert_eq!(
        approved.subscriber.terminal_id.as_deref(),
        Some(example.register.terminal.to_string().as_str())
    );
    assert_eq!(approved.alternative_names.len(), 1);
    assert_eq!(approved.public_key_der, example.request().public_key_der());
}

#[test]
fn a_router_needs_a_name_by_which_its_peers_know_it() {
    let example = Example::new();
    let profile = Profile::shipped("router").unwrap();
    let approve = |names: &[&str], addresses: &[std::net::IpAddr]| {
        approve_router(&example.request(), &example.register, &profile, names, addresses)
    };
    assert_eq!(approve(&[], &[]).unwrap_err(), RegistrationError::NoNetworkName);
    assert!(approve(&["r1.example"], &[]).is_ok());
    assert!(approve(&[], &["2001:db8::1".parse().unwrap()]).is_ok());
    assert!(approve(&["*.example"], &[]).is_err());
}
