//! The values of the extensions that a path depends on (RFC 5280 §4.2.1).

use std::collections::HashSet;

use super::{
    general_name::GeneralName,
    reading::{
        self, BIT_STRING, BOOLEAN, Bad, INTEGER, Item, OCTET_STRING, OID, SEQUENCE, primitive,
    },
};

/// One extension, its value not yet looked into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extension<'a> {
    /// Contents of the object identifier.
    pub(super) oid: &'a [u8],
    pub(super) critical: bool,
    /// DER of the value.
    pub(super) value: &'a [u8],
}

/// Extensions: each at most once (RFC 5280 §4.2).
pub(super) fn read_all(extensions: Item<'_>) -> Result<Vec<Extension<'_>>, Bad> {
    let mut members = extensions.members()?;
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    while !members.is_empty() {
        let mut one = members.take(SEQUENCE)?.members()?;
        let oid = one.take(OID)?.value;
        let critical = one.optional(BOOLEAN)?.map_or(Ok(false), reading::boolean)?;
        let value = one.take(OCTET_STRING)?.value;
        one.end()?;
        if !seen.insert(oid) {
            return Err(Bad(format!("extension {} stands twice", reading::oid_text(oid))));
        }
        found.push(Extension { oid, critical, value });
    }
    if found.is_empty() { Err(Bad::new("an empty list of extensions")) } else { Ok(found) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BasicConstraints {
    pub(super) authority: bool,
    pub(super) path_length: Option<u32>,
}

impl BasicConstraints {
    pub(super) fn read(value: &[u8]) -> Result<Self, Bad> {
        let mut members = Item::only_of(value, SEQUENCE)?.members()?;
        let authority = members.optional(BOOLEAN)?.map_or(Ok(false), reading::boolean)?;
        let path_length = members.optional(INTEGER)?.map(reading::count).transpose()?;
        members.end()?;
        Ok(Self { authority, path_length })
    }
}

/// keyUsage, bit 0 lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyUsage(u16);

impl KeyUsage {
    pub(super) fn read(value: &[u8]) -> Result<Self, Bad> {
        reading::named_bits(Item::only_of(value, BIT_STRING)?).map(Self)
    }

    pub(super) const fn digital_signature(self) -> bool {
        self.0 & 1 != 0
    }

    pub(super) const fn non_repudiation(self) -> bool {
        self.0 & 1 << 1 != 0
    }

    pub(super) const fn key_encipherment(self) -> bool {
        self.0 & 1 << 2 != 0
    }

    pub(super) const fn key_agreement(self) -> bool {
        self.0 & 1 << 4 != 0
    }

    pub(super) const fn key_cert_sign(self) -> bool {
        self.0 & 1 << 5 != 0
    }

    pub(super) const fn crl_sign(self) -> bool {
        self.0 & 1 << 6 != 0
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PolicyConstraints {
    pub(super) require_explicit_policy: Option<u32>,
    pub(super) inhibit_policy_mapping: Option<u32>,
}

impl PolicyConstraints {
    pub(super) fn read(value: &[u8]) -> Result<Self, Bad> {
        let mut members = Item::only_of(value, SEQUENCE)?.members()?;
        let require_explicit_policy =
            members.optional(primitive(0))?.map(reading::count).transpose()?;
        let inhibit_policy_mapping =
            members.optional(primitive(1))?.map(reading::count).transpose()?;
        members.end()?;
        // RFC 5280 §4.2.1.11: never empty.
        if require_explicit_policy.is_none() && inhibit_policy_mapping.is_none() {
            return Err(Bad::new("it constrains nothing"));
        }
        Ok(Self { require_explicit_policy, inhibit_policy_mapping })
    }
}

/// SEQUENCE SIZE (1..MAX) OF OBJECT IDENTIFIER; the contents.
pub(super) fn object_identifiers(value: &[u8]) -> Result<Vec<&[u8]>, Bad> {
    let mut members = Item::only_of(value, SEQUENCE)?.members()?;
    let mut found = Vec::new();
    while !members.is_empty() {
        found.push(members.take(OID)?.value);
    }
    if found.is_empty() { Err(Bad::new("an empty list")) } else { Ok(found) }
}

/// The policies; each at most once (RFC 5280 §4.2.1.4). Qualifiers are not looked at: none of them
/// changes whether a path is valid.
pub(super) fn policies(value: &[u8]) -> Result<Vec<&[u8]>, Bad> {
    let mut members = Item::only_of(value, SEQUENCE)?.members()?;
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    while !members.is_empty() {
        let mut one = members.take(SEQUENCE)?.members()?;
        let policy = one.take(OID)?.value;
        one.optional(SEQUENCE)?;
        one.end()?;
        if !seen.insert(policy) {
            return Err(Bad(format!("policy {} stands twice", reading::oid_text(policy))));
        }
        found.push(policy);
    }
    if found.is_empty() { Err(Bad::new("an empty list")) } else { Ok(found) }
}

/// issuerDomainPolicy and subjectDomainPolicy: contents of the object identifiers.
pub(super) type PolicyMapping<'a> = (&'a [u8], &'a [u8]);

pub(super) fn policy_mappings(value: &[u8]) -> Result<Vec<PolicyMapping<'_>>, Bad> {
    let mut members = Item::only_of(value, SEQUENCE)?.members()?;
    let mut found = Vec::new();
    while !members.is_empty() {
        let mut pair = members.take(SEQUENCE)?.members()?;
        found.push((pair.take(OID)?.value, pair.take(OID)?.value));
        pair.end()?;
    }
    if found.is_empty() { Err(Bad::new("an empty list")) } else { Ok(found) }
}

/// keyIdentifier of an authorityKeyIdentifier, if it has one.
pub(super) fn authority_key(value: &[u8]) -> Result<Option<&[u8]>, Bad> {
    let mut members = Item::only_of(value, SEQUENCE)?.members()?;
    let key = members.optional(primitive(0))?.map(|item| item.value);
    while !members.is_empty() {
        // authorityCertIssuer and authorityCertSerialNumber: no help that the key is not.
        members.next()?;
    }
    Ok(key)
}

/// authorityInfoAccess or subjectInfoAccess (RFC 5280 §4.2.2): nothing is fetched from there, but
/// it must be what it says it is.
pub(super) fn access(value: &[u8]) -> Result<(), Bad> {
    let mut members = Item::only_of(value, SEQUENCE)?.members()?;
    if members.is_empty() {
        return Err(Bad::new("an empty list"));
    }
    while !members.is_empty() {
        let mut one = members.take(SEQUENCE)?.members()?;
        one.take(OID)?;
        GeneralName::read(one.next()?)?;
        one.end()?;
    }
    Ok(())
}

/// A subjectKeyIdentifier.
pub(super) fn subject_key(value: &[u8]) -> Result<&[u8], Bad> {
    Ok(Item::only_of(value, OCTET_STRING)?.value)
}

/// ReasonFlags (RFC 5280 §4.2.1.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reasons(u16);

impl Reasons {
    /// keyCompromise to aACompromise; bit 0 is unused.
    pub(super) const ALL: Self = Self(0b1_1111_1110);
    pub(super) const NONE: Self = Self(0);

    pub(super) fn read(item: Item<'_>) -> Result<Self, Bad> {
        Ok(Self(reading::named_bits(item)? & Self::ALL.0))
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it has a reason that `other` lacks.
    pub(super) const fn adds_to(self, other: Self) -> bool {
        self.0 & !other.0 != 0
    }
}
