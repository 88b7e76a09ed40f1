//! What the devices of a family can use: the other side of a profile.
//!
//! A profile says what we write; its target says what the family's implementation accepts, learnt
//! from its manual or seen on a bench. The two are compared when the profile is read, and once
//! more on the octets about to be signed, so that a certificate which its device could not use is
//! refused with the reason instead of being carried to a pharmacy on a memory stick.

use const_oid::ObjectIdentifier;
use der::flagset::FlagSet;
use x509_cert::ext::pkix::KeyUsages;

use super::PublicKeyRule;

/// A family of devices and what it accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(super) family: String,
    pub(super) basis: Basis,
    pub(super) source: String,
    pub(super) ascii_subject: bool,
    pub(super) names: Vec<NameForm>,
    pub(super) key_usage_one_of: FlagSet<KeyUsages>,
    pub(super) purposes_one_of: Vec<ObjectIdentifier>,
    pub(super) purposes_all_of: Vec<ObjectIdentifier>,
    pub(super) public_keys: Vec<PublicKeyRule>,
    pub(super) issuer_keys: Vec<PublicKeyRule>,
}

/// How we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Basis {
    /// A standard says so; nobody tried.
    Standard,
    /// Seen to work, and to fail, with the real program.
    Bench,
    /// The vendor's documents were read.
    Manual,
    /// The manual is not known to us: everything is inherited from the generic profile, and a
    /// device of the family has to be tried before it is relied on.
    Unknown,
}

/// A form of name in the subject alternative name by which a peer is matched (RFC 4945 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameForm {
    /// dNSName, for ID_FQDN.
    DnsName,
    /// iPAddress, for ID_IPV4_ADDR and ID_IPV6_ADDR.
    IpAddress,
}

impl Target {
    /// The family's name, for people.
    #[must_use]
    pub fn family(&self) -> &str {
        &self.family
    }

    /// How we know.
    #[must_use]
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// Where it is written, or which program was tried.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether a subject outside ASCII breaks it.
    #[must_use]
    pub fn ascii_subject(&self) -> bool {
        self.ascii_subject
    }

    /// At least one name of these forms must be there: the commonName is never used.
    #[must_use]
    pub fn names(&self) -> &[NameForm] {
        &self.names
    }

    /// At least one of these bits must be set where keyUsage is present.
    #[must_use]
    pub fn key_usage_one_of(&self) -> FlagSet<KeyUsages> {
        self.key_usage_one_of
    }

    /// At least one of these must be there where extendedKeyUsage is present.
    #[must_use]
    pub fn purposes_one_of(&self) -> &[ObjectIdentifier] {
        &self.purposes_one_of
    }

    /// All of these must be in extendedKeyUsage.
    #[must_use]
    pub fn purposes_all_of(&self) -> &[ObjectIdentifier] {
        &self.purposes_all_of
    }

    /// The keys that it signs and verifies with.
    #[must_use]
    pub fn public_keys(&self) -> &[PublicKeyRule] {
        &self.public_keys
    }

    /// The keys of issuers whose signature it verifies.
    #[must_use]
    pub fn issuer_keys(&self) -> &[PublicKeyRule] {
        &self.issuer_keys
    }
}
