//! A certificate taken apart for judging, over the octets that arrived.

use const_oid::db::rfc5280;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{
    PathError, Which,
    distinguished_name::DistinguishedName,
    distribution_point::DistributionPoint,
    extension::{self, Extension},
    general_name::GeneralName,
    name_constraints::NameConstraints,
    reading::{self, Bad, INTEGER, Item, SEQUENCE, Signed, constructed, primitive},
};

/// Everything that judging looks at, read once.
#[derive(Debug, Clone)]
pub(super) struct Parsed<'a> {
    pub(super) der: &'a [u8],
    pub(super) signed: Signed<'a>,
    pub(super) version: u8,
    /// Contents of the INTEGER: unlike [`crate::encoding::serial::Serial`], of either sign.
    pub(super) serial: &'a [u8],
    pub(super) issuer: DistinguishedName,
    pub(super) subject: DistinguishedName,
    pub(super) not_before: OffsetDateTime,
    pub(super) not_after: OffsetDateTime,
    pub(super) public_key_der: &'a [u8],
    pub(super) basic_constraints: Option<extension::BasicConstraints>,
    pub(super) key_usage: Option<extension::KeyUsage>,
    /// Contents of the object identifiers.
    pub(super) extended_key_usage: Option<Vec<&'a [u8]>>,
    pub(super) policies: Option<Vec<&'a [u8]>>,
    pub(super) policy_mappings: Vec<extension::PolicyMapping<'a>>,
    pub(super) policy_constraints: extension::PolicyConstraints,
    pub(super) inhibit_any_policy: Option<u32>,
    pub(super) name_constraints: Option<NameConstraints<'a>>,
    pub(super) alternative_names: Vec<GeneralName<'a>>,
    pub(super) distribution_points: Vec<DistributionPoint>,
    /// keyIdentifier of the authorityKeyIdentifier.
    pub(super) authority_key: Option<&'a [u8]>,
    pub(super) has_authority_key: bool,
    pub(super) subject_key: Option<&'a [u8]>,
    pub(super) ocsp_no_check: bool,
    /// The first critical extension that is not processed.
    pub(super) unsupported: Option<String>,
    pub(super) basic_constraints_is_critical: bool,
    /// The first extension that RFC 5280 wants critical and that is not.
    pub(super) not_critical: Option<&'static str>,
    pub(super) sha256: [u8; 32],
}

/// Longest serial number (RFC 5280 §4.1.2.2), its sign octet included.
const MOST_SERIAL_OCTETS: usize = 20;

/// id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1), 1.3.6.1.5.5.7.48.1.5.
const OCSP_NO_CHECK: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x05];

impl<'a> Parsed<'a> {
    /// Reads DER of at most `most_octets`.
    pub(super) fn parse(der: &'a [u8], most_octets: usize) -> Result<Self, PathError> {
        if der.len() > most_octets {
            return Err(PathError::TooLarge { what: "a certificate", most: most_octets });
        }
        Self::read(der).map_err(|bad| PathError::Malformed {
            which: Box::new(Which::unread(der)),
            what: bad.to_string(),
        })
    }

    fn read(der: &'a [u8]) -> Result<Self, Bad> {
        let (signed, rest) = Signed::read(der)?;
        rest.end()?;
        let mut tbs = Item::only_of(signed.to_be_signed, SEQUENCE)?.members()?;
        let version = match tbs.optional(constructed(0))? {
            None => 1,
            Some(item) => match reading::integer(Item::only_of(item.value, INTEGER)?)? {
                [1] => 2,
                [2] => 3,
                _ => return Err(Bad::new("a version that is neither 2 nor 3")),
            },
        };
        let serial = reading::integer(tbs.take(INTEGER)?)?;
        if serial.len() > MOST_SERIAL_OCTETS {
            return Err(Bad::new("a serial number of more than 20 octets"));
        }
        signed.agrees(tbs.next()?)?;
        let issuer = DistinguishedName::read(tbs.next()?)?;
        if issuer.is_empty() {
            return Err(Bad::new("an empty issuer"));
        }
        let mut validity = tbs.take(SEQUENCE)?.members()?;
        let (not_before, not_after) =
            (reading::time(validity.next()?)?, reading::time(validity.next()?)?);
        validity.end()?;
        let subject = DistinguishedName::read(tbs.next()?)?;
        let public_key_der = tbs.take(SEQUENCE)?.whole;
        let unique =
            [tbs.optional(primitive(1))?, tbs.optional(primitive(2))?].iter().any(Option::is_some);
        if unique && version == 1 {
            return Err(Bad::new("unique identifiers before version 2"));
        }
        let mut parsed = Self {
            der,
            version,
            serial,
            issuer,
            subject,
            not_before,
            not_after,
            public_key_der,
            basic_constraints: None,
            key_usage: None,
            extended_key_usage: None,
            policies: None,
            policy_mappings: Vec::new(),
            policy_constraints: extension::PolicyConstraints::default(),
            inhibit_any_policy: None,
            name_constraints: None,
            alternative_names: Vec::new(),
            distribution_points: Vec::new(),
            authority_key: None,
            has_authority_key: false,
            subject_key: None,
            ocsp_no_check: false,
            unsupported: None,
            basic_constraints_is_critical: false,
            not_critical: None,
            sha256: Sha256::digest(der).into(),
            signed,
        };
        let mut alternative_name_is_critical = false;
        if let Some(item) = tbs.optional(constructed(3))? {
            if version != 3 {
                return Err(Bad::new("extensions before version 3"));
            }
            for extension in extension::read_all(Item::only_of(item.value, SEQUENCE)?)? {
                alternative_name_is_critical |= extension.oid
                    == rfc5280::ID_CE_SUBJECT_ALT_NAME.as_bytes()
                    && extension.critical;
                parsed.take(&extension).map_err(|bad| {
                    Bad(format!("extension {}: {bad}", reading::oid_text(extension.oid)))
                })?;
            }
        }
        tbs.end()?;
        parsed.contradictions(alternative_name_is_critical)?;
        Ok(parsed)
    }

    /// One extension. Those not named here are ignored, or refused if critical.
    fn take(&mut self, extension: &Extension<'a>) -> Result<(), Bad> {
        let value = extension.value;
        let oid = extension.oid;
        if oid == rfc5280::ID_CE_BASIC_CONSTRAINTS.as_bytes() {
            self.basic_constraints = Some(extension::BasicConstraints::read(value)?);
            self.basic_constraints_is_critical = extension.critical;
        } else if oid == rfc5280::ID_CE_KEY_USAGE.as_bytes() {
            self.key_usage = Some(extension::KeyUsage::read(value)?);
        } else if oid == rfc5280::ID_CE_EXT_KEY_USAGE.as_bytes() {
            self.extended_key_usage = Some(extension::object_identifiers(value)?);
        } else if oid == rfc5280::ID_CE_CERTIFICATE_POLICIES.as_bytes() {
            self.policies = Some(extension::policies(value)?);
        } else if oid == rfc5280::ID_CE_POLICY_MAPPINGS.as_bytes() {
            self.policy_mappings = extension::policy_mappings(value)?;
        } else if oid == rfc5280::ID_CE_POLICY_CONSTRAINTS.as_bytes() {
            self.policy_constraints = extension::PolicyConstraints::read(value)?;
        } else if oid == rfc5280::ID_CE_INHIBIT_ANY_POLICY.as_bytes() {
            self.inhibit_any_policy = Some(reading::count(Item::only_of(value, INTEGER)?)?);
            self.must_be_critical(extension, "inhibitAnyPolicy is not critical (section 4.2.1.14)");
        } else if oid == rfc5280::ID_CE_NAME_CONSTRAINTS.as_bytes() {
            self.name_constraints = Some(NameConstraints::read(value)?);
            self.must_be_critical(extension, "nameConstraints is not critical (section 4.2.1.10)");
        } else if oid == rfc5280::ID_CE_SUBJECT_ALT_NAME.as_bytes() {
            let names = Item::only_of(value, SEQUENCE)?.members()?;
            self.alternative_names = GeneralName::read_all(names)?;
            for name in &self.alternative_names {
                if matches!(name, GeneralName::Ip(octets) if !matches!(octets.len(), 4 | 16)) {
                    return Err(Bad::new("an IP address of neither four nor sixteen octets"));
                }
            }
        } else if oid == rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS.as_bytes() {
            self.distribution_points = DistributionPoint::read_all(value)?;
        } else {
            // Hints for building or fetching; RFC 5280 §4.2.1.1, §4.2.1.2, §4.2.2: never critical.
            if oid == rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER.as_bytes() {
                self.authority_key = extension::authority_key(value)?;
                self.has_authority_key = true;
            } else if oid == rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER.as_bytes() {
                self.subject_key = Some(extension::subject_key(value)?);
            } else if oid == rfc5280::ID_PE_AUTHORITY_INFO_ACCESS.as_bytes()
                || oid == rfc5280::ID_PE_SUBJECT_INFO_ACCESS.as_bytes()
            {
                extension::access(value)?;
            } else if oid == OCSP_NO_CHECK {
                self.ocsp_no_check = true;
                return Ok(());
            }
            if extension.critical && self.unsupported.is_none() {
                self.unsupported = Some(reading::oid_text(oid));
            }
        }
        Ok(())
    }

    fn must_be_critical(&mut self, extension: &Extension<'_>, what: &'static str) {
        if !extension.critical {
            self.not_critical.get_or_insert(what);
        }
    }

    fn contradictions(&self, alternative_name_is_critical: bool) -> Result<(), Bad> {
        // RFC 5280 §4.2.1.6: with an empty subject the name is in subjectAltName, critical.
        if self.subject.is_empty() && !alternative_name_is_critical {
            return Err(Bad::new("an empty subject without a critical subjectAltName"));
        }
        // RFC 5280 §4.2.1.10: only in an authority's certificate.
        if self.name_constraints.is_some() && !self.is_authority() {
            return Err(Bad::new("nameConstraints in a certificate of no authority"));
        }
        if self.is_authority() && self.subject.is_empty() {
            return Err(Bad::new("an authority without a name"));
        }
        Ok(())
    }

    pub(super) fn is_authority(&self) -> bool {
        self.basic_constraints.is_some_and(|constraints| constraints.authority)
    }

    /// RFC 5280 §6.1: subject and issuer are the same.
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    pub(super) fn in_time(&self, now: OffsetDateTime) -> Result<(), PathError> {
        if now < self.not_before {
            return Err(PathError::NotYetValid {
                which: self.which(),
                not_before: self.not_before,
            });
        }
        // Through notAfter, inclusive (RFC 5280 §4.1.2.5): the whole of its last second.
        if now >= self.not_after + time::Duration::SECOND {
            return Err(PathError::Expired { which: self.which(), not_after: self.not_after });
        }
        Ok(())
    }

    /// The first instants at which [`Self::in_time`] answers otherwise.
    pub(super) fn turns(&self) -> [OffsetDateTime; 2] {
        [self.not_before, self.not_after + time::Duration::SECOND]
    }

    pub(super) fn supported(&self) -> Result<(), PathError> {
        match &self.unsupported {
            Some(oid) => {
                Err(PathError::UnsupportedExtension { which: self.which(), oid: oid.clone() })
            }
            None => Ok(()),
        }
    }

    /// RFC 5280 §6.1.4 (k), (n): an authority that may sign certificates.
    pub(super) fn may_issue(&self) -> Result<(), PathError> {
        let refuse = |what| Err(PathError::NotAnAuthority { which: self.which(), what });
        if self.version != 3 {
            return refuse("it is of version 1 or 2");
        }
        match self.basic_constraints {
            None => return refuse("basicConstraints is missing"),
            Some(constraints) if !constraints.authority => {
                return refuse("basicConstraints does not say CA");
            }
            Some(_) => {}
        }
        if self.key_usage.is_some_and(|usage| !usage.key_cert_sign()) {
            return refuse("keyUsage does not say keyCertSign");
        }
        Ok(())
    }

    /// RFC 5280 §6.3.3 (f): only if present.
    pub(super) fn may_sign_crls(&self) -> bool {
        self.key_usage.is_none_or(extension::KeyUsage::crl_sign)
    }

    pub(super) fn which(&self) -> Box<Which> {
        Box::new(Which {
            subject: self.subject.to_string(),
            serial: hex::encode(self.serial),
            sha256: self.sha256,
        })
    }
}

impl Which {
    /// Of octets that are no certificate.
    fn unread(der: &[u8]) -> Self {
        Self {
            subject: "(unreadable)".to_owned(),
            serial: String::new(),
            sha256: Sha256::digest(der).into(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use aws_lc_rs::{
        encoding::{AsDer, PublicKeyX509Der},
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
    };
    use proptest::prelude::*;

    use super::*;

    /// TLV of at most 65,535 octets.
    fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let value = parts.concat();
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        match value.len() {
            0..=127 => [&[tag, length[1]][..], &value].concat(),
            128..=255 => [&[tag, 0x81, length[1]][..], &value].concat(),
            _ => [&[tag, 0x82][..], &length, &value].concat(),
        }
    }

    /// A certificate with these extensions (each `SEQUENCE`), signed by itself.
    pub(in crate::path) fn certificate(version: u8, extensions: &[&[u8]]) -> Vec<u8> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let algorithm = tlv(0x30, &[&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]]);
        let attribute = tlv(0x30, &[&[6, 3, 0x55, 4, 3], b"\x0c\x01a"]);
        let name = tlv(0x30, &[&tlv(0x31, &[&attribute])]);
        let validity = tlv(0x30, &[b"\x17\x0d260101000000Z", b"\x17\x0d270101000000Z"]);
        let extensions = match extensions {
            [] => Vec::new(),
            some => tlv(0xa3, &[&tlv(0x30, some)]),
        };
        let tbs = tlv(
            0x30,
            &[
                &[0xa0, 3, 2, 1, version],
                &[2, 1, 1],
                &algorithm,
                &name,
                &validity,
                &name,
                spki.as_ref(),
                &extensions,
            ],
        );
        let signature = pair.sign(&SystemRandom::new(), &tbs).unwrap();
        tlv(0x30, &[&tbs, &algorithm, &tlv(3, &[&[0], signature.as_ref()])])
    }

    /// An extension of the arc id-ce.
    pub(in crate::path) fn extension(last: u8, critical: bool, value: &[u8]) -> Vec<u8> {
        let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
        tlv(0x30, &[&[6, 3, 0x55, 0x1d, last], critical, &tlv(4, &[value])])
    }

    fn parsed(version: u8, extensions: &[&[u8]]) -> Result<(), String> {
        Parsed::read(&certificate(version, extensions)).map(drop).map_err(|bad| bad.to_string())
    }

    #[test]
    fn what_contradicts_itself_is_no_certificate() {
        let authority = extension(19, true, &[0x30, 3, 1, 1, 0xff]);
        assert_eq!(parsed(2, &[&authority]), Ok(()));
        assert_eq!(parsed(2, &[]), Ok(()));
        let access = |value: &[u8]| {
            tlv(0x30, &[b"\x06\x08+\x06\x01\x05\x05\x07\x01\x01", &tlv(4, &[value])])
        };
        let good = b"\x30\x0e\x30\x0c\x06\x08+\x06\x01\x05\x05\x07\x30\x01\x86\x00";
        assert_eq!(parsed(2, &[&access(good)]), Ok(()));
        let refused = [
            parsed(1, &[&authority]),
            parsed(0, &[]),
            parsed(3, &[&authority]),
            parsed(2, &[&authority, &authority]),
            // Empty lists: extKeyUsage, certificatePolicies, policyConstraints, nameConstraints.
            parsed(2, &[&extension(37, false, &[0x30, 0])]),
            parsed(2, &[&extension(32, false, &[0x30, 0])]),
            parsed(2, &[&extension(36, true, &[0x30, 0])]),
            parsed(2, &[&authority, &extension(30, true, &[0x30, 0])]),
            // nameConstraints without cA; an address of five octets; TRUE that is not FF.
            parsed(2, &[&extension(30, true, b"\x30\x06\xa0\x04\x30\x02\x82\x00")]),
            parsed(2, &[&extension(17, false, b"\x30\x07\x87\x05\x01\x02\x03\x04\x05")]),
            parsed(2, &[&extension(19, true, &[0x30, 3, 1, 1, 1])]),
            // authorityInfoAccess: empty, and with text where a name is due.
            parsed(2, &[&access(&[0x30, 0])]),
            parsed(2, &[&access(b"\x30\x0e\x30\x0c\x06\x08+\x06\x01\x05\x05\x07\x30\x01\x0c\x00")]),
        ];
        for (place, outcome) in refused.iter().enumerate() {
            assert!(outcome.is_err(), "{place}");
        }
    }

    #[test]
    fn no_flipped_octet_of_a_certificate_panics_or_verifies() {
        let good = certificate(2, &[]);
        let key = Parsed::read(&good).unwrap().public_key_der.to_vec();
        for place in 0..good.len() {
            for bit in 0..8 {
                let mut flipped = good.clone();
                flipped[place] ^= 1 << bit;
                if let Ok(parsed) = Parsed::read(&flipped) {
                    assert!(parsed.signed.verify(&key).is_err(), "octet {place}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets: Vec<u8>) {
            let _ = Parsed::parse(&octets, usize::MAX);
        }
    }
}
