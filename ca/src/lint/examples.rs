//! One good certificate of each profile, for each rule to spoil in its own way.

use const_oid::AssociatedOid;
use der::{
    Decode, Encode,
    asn1::{Ia5String, OctetString},
};
use sekisho_key::{RsaSize, SigningKey, SoftwareKey};
use sekisho_pki::{
    encoding::{
        key_identifier::key_identifier,
        name::{Part, name},
        permanent_identifier::facility_name,
        serial::Serial,
    },
    national::facility_identifier::FacilityIdentifier,
    signature::PublicKeyKind,
};
use time::{Duration, OffsetDateTime};
use x509_cert::{ext::pkix::name::GeneralName, name::Name};

use super::{Context, LintError, lint};
use crate::{
    authority::Publication,
    issuance::{
        ApprovedRequest, Issuer,
        tbs::{self, Tbs},
    },
    profile::{AlternativeNames, Profile},
    record::Subscriber,
};

pub(super) struct Example {
    pub(super) approved: ApprovedRequest,
    pub(super) issuer_key: SoftwareKey,
    pub(super) publication: Publication,
    issuer_subject: Name,
    serial: Serial,
    validity: (OffsetDateTime, OffsetDateTime),
}

impl Example {
    pub(super) fn new(profile: &str) -> Self {
        Self::of(Profile::shipped(profile).unwrap(), Self::now())
    }

    pub(super) fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap()
    }

    pub(super) fn of(profile: Profile, now: OffsetDateTime) -> Self {
        let facility = FacilityIdentifier::from_random(1);
        let dns = || GeneralName::DnsName(Ia5String::new("login.example").unwrap());
        let alternative_names = match profile.alternative_names() {
            AlternativeNames::None => vec![],
            AlternativeNames::Facility => vec![facility_name(facility).unwrap()],
            AlternativeNames::FacilityAndNetworkNames => {
                vec![facility_name(facility).unwrap(), dns()]
            }
            AlternativeNames::DnsNames => vec![dns()],
        };
        let key = if profile.allows_key(PublicKeyKind::P256) {
            SoftwareKey::generate_p256().unwrap()
        } else if profile.allows_key(PublicKeyKind::P384) {
            SoftwareKey::generate_p384().unwrap()
        } else {
            SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap()
        };
        let validity = (now - profile.backdate(), now + profile.lifetime() - Duration::SECOND);
        Self {
            approved: ApprovedRequest {
                profile,
                subject: name(&[
                    Part::Country("JP"),
                    Part::CommonName("T0123456789"),
                    Part::SerialNumber(&facility.to_string()),
                ])
                .unwrap(),
                alternative_names,
                public_key_der: key.public_key_der().to_vec(),
                subscriber: Subscriber::default(),
            },
            issuer_key: SoftwareKey::generate_p256().unwrap(),
            publication: Publication::under("http://plain.example", "terminals", true),
            issuer_subject: name(&[Part::Country("JP"), Part::CommonName("Issuing")]).unwrap(),
            serial: Serial::from_octets(&[0x4b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
                .unwrap(),
            validity,
        }
    }

    pub(super) fn tbs_der(&self) -> Vec<u8> {
        self.with_issuer(|issuer| {
            tbs::build(issuer, &self.approved, &self.serial, self.validity).unwrap()
        })
    }

    pub(super) fn tbs(&self) -> Tbs {
        Tbs::from_der(&self.tbs_der()).unwrap()
    }

    pub(super) fn passes(&self) {
        let linted = self.lint(self.tbs_der()).unwrap();
        assert_eq!(linted, self.tbs_der());
    }

    /// Spoils the good one and expects this rule among the broken ones; answers what it says.
    pub(super) fn refuses(&self, rule: &str, spoil: impl FnOnce(&mut Tbs)) -> String {
        let mut tbs = self.tbs();
        spoil(&mut tbs);
        self.refuses_octets(rule, tbs.to_der().unwrap())
    }

    pub(super) fn refuses_octets(&self, rule: &str, octets: Vec<u8>) -> String {
        match self.lint(octets) {
            Err(LintError::Broken(findings)) => {
                let spoken = findings.iter().find(|finding| finding.rule == rule);
                spoken.unwrap_or_else(|| panic!("{findings:?}")).what.clone()
            }
            other => panic!("{rule} did not speak: {other:?}"),
        }
    }

    pub(super) fn replace<T: AssociatedOid + Encode>(tbs: &mut Tbs, value: &T) {
        for extension in &mut tbs.extensions {
            if extension.extn_id == T::OID {
                extension.extn_value = OctetString::new(value.to_der().unwrap()).unwrap();
            }
        }
    }

    pub(super) fn remove<T: AssociatedOid>(tbs: &mut Tbs) {
        tbs.extensions.retain(|extension| extension.extn_id != T::OID);
    }

    fn lint(&self, octets: Vec<u8>) -> Result<Vec<u8>, LintError> {
        self.with_issuer(|issuer| {
            lint(octets, &Context { issuer, approved: &self.approved, serial: &self.serial })
                .map(|linted| linted.tbs_der().to_vec())
        })
    }

    fn with_issuer<T>(&self, act: impl FnOnce(&Issuer<'_>) -> T) -> T {
        let identifier = key_identifier(self.issuer_key.public_key_der()).unwrap();
        act(&Issuer {
            id: "terminals",
            subject: &self.issuer_subject,
            public_key_der: self.issuer_key.public_key_der(),
            algorithm: self.issuer_key.algorithm(),
            key_identifier: &identifier,
            validity: Some((self.validity.0 - Duration::HOUR, self.validity.1 + Duration::HOUR)),
            publication: &self.publication,
        })
    }
}

#[test]
fn the_good_example_of_each_profile_passes() {
    for profile in Profile::shipped_names().filter(|name| *name != "root") {
        Example::new(profile).passes();
    }
}
