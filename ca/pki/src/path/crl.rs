//! CRLs: read once, looked up many times (RFC 5280 §5).

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use const_oid::{ObjectIdentifier, db::rfc5280};
use sha2::{Digest, Sha256};
use spki::AlgorithmIdentifierOwned;
use time::{Duration, OffsetDateTime};
use x509_cert::name::Name;

use super::{
    RevocationProblem,
    distinguished_name::DistinguishedName,
    distribution_point::{IssuingDistributionPoint, certificate_issuer},
    extension::{self, Extension},
    files,
    reading::{
        self, Bad, ENUMERATED, GENERALIZED_TIME, INTEGER, Item, SEQUENCE, Signed, UTC_TIME,
        constructed,
    },
};
use crate::signature;

/// A list of a million entries has about 40 MiB.
const MOST_OCTETS: usize = 64 * 1024 * 1024;

/// A CRL, read once and used for many judgements. Whether it is authentic is judged each time,
/// with the issuer of the path at hand; the digest over its octets is made once. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Crl(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    der: Vec<u8>,
    issuer: DistinguishedName,
    issuer_name: Name,
    /// Where the signed octets end; they begin behind the outer header.
    to_be_signed: std::ops::Range<usize>,
    algorithm: AlgorithmIdentifierOwned,
    signature: Option<Vec<u8>>,
    this_update: OffsetDateTime,
    next_update: Option<OffsetDateTime>,
    /// Contents of the INTEGERs.
    number: Option<Vec<u8>>,
    base_number: Option<Vec<u8>>,
    authority_key: Option<Vec<u8>>,
    scope: Option<IssuingDistributionPoint>,
    /// A critical extension, of the list or an entry, that we do not process.
    unsupported: Option<String>,
    /// By serial number.
    entries: Vec<Entry>,
    /// Issuers of certificates in an indirect list, each as its comparable names.
    issuers: Vec<Vec<Vec<u8>>>,
    sha256: [u8; 32],
    /// The key (SubjectPublicKeyInfo, DER) under which the signature was found good: it is again.
    signed_by: OnceLock<Box<[u8]>>,
}

/// Places in the DER: an entry costs twelve octets of memory however long it is.
#[derive(Debug, Clone, Copy)]
struct Entry {
    serial_at: u32,
    entry_at: u32,
    /// Place in `issuers`.
    issuer: u32,
}

/// What an entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Revoked {
    pub(super) at: OffsetDateTime,
    pub(super) reason: Option<u8>,
}

impl Revoked {
    /// removeFromCRL (8), which only delta CRLs have (RFC 5280 §5.3.1).
    pub(super) fn is_removal(self) -> bool {
        self.reason == Some(8)
    }
}

impl Crl {
    /// Reads DER.
    ///
    /// # Errors
    /// [`der::Error`]: not a CRL, or longer than 64 MiB.
    pub fn parse(der: &[u8]) -> der::Result<Self> {
        let refused = || der::Error::from(der::Tag::Sequence.value_error());
        if der.len() > MOST_OCTETS {
            return Err(refused());
        }
        let inner = Inner::read(der).map_err(|_| refused())?;
        Ok(Self(Arc::new(inner)))
    }

    /// Reads DER, or PEM with the label `X509 CRL`.
    ///
    /// # Errors
    /// [`der::Error`].
    pub fn parse_file(octets: &[u8]) -> der::Result<Self> {
        if octets.starts_with(b"-----BEGIN") {
            let refused = || der::Error::from(der::Tag::Sequence.value_error());
            let mut blocks = files::pem_blocks(octets).map_err(|_| refused())?;
            return match (blocks.pop(), blocks.is_empty()) {
                (Some(block), true) if block.label == "X509 CRL" => Self::parse(&block.der),
                _ => Err(refused()),
            };
        }
        Self::parse(octets)
    }

    /// The issuer's name as DER.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        &self.0.issuer.der
    }

    /// Whose it is.
    #[must_use]
    pub fn issuer(&self) -> &Name {
        &self.0.issuer_name
    }

    /// thisUpdate.
    #[must_use]
    pub fn this_update(&self) -> OffsetDateTime {
        self.0.this_update
    }

    /// nextUpdate, if it says one.
    #[must_use]
    pub fn next_update(&self) -> Option<OffsetDateTime> {
        self.0.next_update
    }

    /// How many certificates it lists.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.0.entries.len()
    }

    /// Whether it is a delta CRL, which says nothing without its base (RFC 5280 §5.2.4).
    #[must_use]
    pub fn is_delta(&self) -> bool {
        self.0.base_number.is_some()
    }

    /// Verifies the signature by a key; says nothing about whose key that is.
    ///
    /// # Errors
    /// [`signature::SignatureError`].
    pub fn verify(&self, public_key_der: &[u8]) -> Result<(), signature::SignatureError> {
        let inner = &self.0;
        if inner.signed_by.get().is_some_and(|key| **key == *public_key_der) {
            return Ok(());
        }
        let signature = inner.signature.as_deref().ok_or(signature::SignatureError::Invalid)?;
        let to_be_signed = &inner.der[inner.to_be_signed.clone()];
        signature::verify(public_key_der, &inner.algorithm, to_be_signed, signature)?;
        // Two lists of one issuer's old and new key are two lists; another key is computed anew.
        inner.signed_by.get_or_init(|| public_key_der.into());
        Ok(())
    }

    pub(super) fn sha256(&self) -> [u8; 32] {
        self.0.sha256
    }

    pub(super) fn issuer_dn(&self) -> &DistinguishedName {
        &self.0.issuer
    }

    pub(super) fn scope(&self) -> Option<&IssuingDistributionPoint> {
        self.0.scope.as_ref()
    }

    pub(super) fn authority_key(&self) -> Option<&[u8]> {
        self.0.authority_key.as_deref()
    }

    pub(super) fn is_indirect(&self) -> bool {
        self.0.scope.as_ref().is_some_and(|scope| scope.indirect)
    }

    /// Newest first.
    pub(super) fn order(&self, other: &Self) -> std::cmp::Ordering {
        let number = |crl: &Self| crl.0.number.as_deref().map(magnitude).map(<[u8]>::to_vec);
        let key =
            |crl: &Self| (crl.0.this_update, number(crl).map(|number| (number.len(), number)));
        key(other).cmp(&key(self))
    }

    /// Whether it has a CRL number, as RFC 5280 §5.2.3 wants.
    pub(super) fn is_numbered(&self) -> bool {
        self.0.number.is_some()
    }

    pub(super) fn usable(&self) -> Result<(), RevocationProblem> {
        match &self.0.unsupported {
            Some(oid) => Err(RevocationProblem::Unsupported { oid: oid.clone() }),
            None => Ok(()),
        }
    }

    pub(super) fn in_force(
        &self,
        most_age: Duration,
        now: OffsetDateTime,
    ) -> Result<OffsetDateTime, RevocationProblem> {
        let this_update = self.0.this_update;
        if now < this_update {
            return Err(RevocationProblem::NotYetInForce { this_update });
        }
        match self.0.next_update {
            Some(next_update) if now < next_update && now - this_update <= most_age => {
                Ok(next_update)
            }
            _ => Err(RevocationProblem::Outdated { this_update }),
        }
    }

    /// The first instants at which [`Self::in_force`] answers otherwise.
    pub(super) fn turns(&self, most_age: Duration) -> impl Iterator<Item = OffsetDateTime> {
        let this_update = self.0.this_update;
        let too_old = this_update.checked_add(most_age + Duration::NANOSECOND);
        [Some(this_update), self.0.next_update, too_old].into_iter().flatten()
    }

    /// Whether this delta brings `base` up to date (RFC 5280 §5.2.4, §6.3.3 (c)).
    pub(super) fn updates(&self, base: &Self) -> bool {
        let (Some(from), Some(number), Some(base_number)) =
            (&self.0.base_number, &self.0.number, &base.0.number)
        else {
            return false;
        };
        self.0.issuer == base.0.issuer
            && self.0.scope == base.0.scope
            && self.0.authority_key == base.0.authority_key
            && at_most(from, base_number)
            && !at_most(number, base_number)
    }

    /// The entry about a certificate of `issuer` (its comparable form). A permanent revocation
    /// outweighs another entry about the same certificate.
    pub(super) fn entry(&self, issuer: &[u8], serial: &[u8]) -> Result<Option<Revoked>, Bad> {
        let inner = &self.0;
        let first =
            inner.entries.partition_point(|entry| inner.serial(entry) < (serial.len(), serial));
        let mut found: Option<Revoked> = None;
        for entry in &inner.entries[first..] {
            if inner.serial(entry) != (serial.len(), serial) {
                break;
            }
            let issuers = inner.issuers.get(entry.issuer as usize);
            if !issuers.is_some_and(|issuers| issuers.iter().any(|name| name == issuer)) {
                continue;
            }
            let revoked = inner.revoked(entry)?;
            if found.is_none_or(Revoked::is_removal) {
                found = Some(revoked);
            }
        }
        Ok(found)
    }
}

impl Inner {
    fn read(der: &[u8]) -> Result<Self, Bad> {
        let (signed, rest) = Signed::read(der)?;
        rest.end()?;
        let place = |part: &[u8]| -> Result<usize, Bad> {
            // `part` lies within `der`, as every reader here only takes slices of it.
            (part.as_ptr() as usize)
                .checked_sub(der.as_ptr() as usize)
                .filter(|at| at + part.len() <= der.len())
                .ok_or_else(|| Bad::new("a place"))
        };
        let start = place(signed.to_be_signed)?;
        let mut tbs = Item::only_of(signed.to_be_signed, SEQUENCE)?.members()?;
        let version = tbs.optional(INTEGER)?.map(reading::integer).transpose()?;
        if version.is_some_and(|version| version != [1]) {
            return Err(Bad::new("a version other than 2"));
        }
        signed.agrees(tbs.next()?)?;
        let issuer = DistinguishedName::read(tbs.next()?)?;
        if issuer.is_empty() {
            return Err(Bad::new("an empty issuer"));
        }
        let this_update = reading::time(tbs.next()?)?;
        let next_update = match tbs.optional(UTC_TIME)? {
            Some(item) => Some(item),
            None => tbs.optional(GENERALIZED_TIME)?,
        };
        let next_update = next_update.map(reading::time).transpose()?;
        let list = tbs.optional(SEQUENCE)?;
        let extensions = tbs.optional(constructed(0))?;
        tbs.end()?;
        if version.is_none() && extensions.is_some() {
            return Err(Bad::new("extensions before version 2"));
        }
        let mut inner = Self {
            der: der.to_vec(),
            issuer_name: issuer.to_name()?,
            to_be_signed: start..start + signed.to_be_signed.len(),
            algorithm: signed.algorithm.clone(),
            signature: signed.octets().map(<[u8]>::to_vec),
            this_update,
            next_update,
            number: None,
            base_number: None,
            authority_key: None,
            scope: None,
            unsupported: None,
            entries: Vec::new(),
            issuers: vec![vec![issuer.form().to_vec()]],
            issuer,
            sha256: Sha256::digest(der).into(),
            signed_by: OnceLock::new(),
        };
        if let Some(item) = extensions {
            for extension in extension::read_all(Item::only_of(item.value, SEQUENCE)?)? {
                inner.take(&extension)?;
            }
        }
        if let Some(list) = list {
            let mut entries = list.members()?;
            let mut issuer = 0;
            let mut known = HashMap::new();
            while !entries.is_empty() {
                let entry = entries.take(SEQUENCE)?;
                let (serial, extensions) = entry_parts(entry)?;
                for extension in extensions {
                    if extension.oid == rfc5280::ID_CE_CERTIFICATE_ISSUER.as_bytes() {
                        // It holds for the entries behind it, too (RFC 5280 §5.3.3).
                        let names = certificate_issuer(extension.value)?;
                        let next = known.len() + 1;
                        let place = *known.entry(names.clone()).or_insert(next);
                        if place == inner.issuers.len() {
                            inner.issuers.push(names);
                        }
                        issuer = u32::try_from(place).map_err(|_| Bad::new("issuers"))?;
                        let indirect = inner.scope.as_ref().is_some_and(|scope| scope.indirect);
                        if !indirect {
                            inner.refuse(extension.oid);
                        }
                    } else if extension.critical && !known_entry_extension(extension.oid) {
                        inner.refuse(extension.oid);
                    }
                }
                let at = |part: &[u8]| u32::try_from(place(part)?).map_err(|_| Bad::new("a place"));
                inner.entries.push(Entry {
                    serial_at: at(serial.whole)?,
                    entry_at: at(entry.whole)?,
                    issuer,
                });
            }
            if version.is_none() && inner.issuers.len() > 1 {
                return Err(Bad::new("entry extensions before version 2"));
            }
        }
        let mut sorted = std::mem::take(&mut inner.entries);
        sorted.sort_unstable_by(|left, right| inner.serial(left).cmp(&inner.serial(right)));
        inner.entries = sorted;
        Ok(inner)
    }

    fn refuse(&mut self, oid: &[u8]) {
        self.unsupported.get_or_insert_with(|| reading::oid_text(oid));
    }

    /// An extension of the list.
    fn take(&mut self, extension: &Extension<'_>) -> Result<(), Bad> {
        let is = |oid: ObjectIdentifier| extension.oid == oid.as_bytes();
        let number = || -> Result<Vec<u8>, Bad> {
            let octets = reading::integer(Item::only_of(extension.value, INTEGER)?)?;
            // RFC 5280 §5.2.3: not negative.
            if octets.first().is_some_and(|octet| octet & 0x80 != 0) {
                return Err(Bad::new("a negative CRL number"));
            }
            Ok(octets.to_vec())
        };
        if is(rfc5280::ID_CE_ISSUING_DISTRIBUTION_POINT) {
            self.scope = Some(IssuingDistributionPoint::read(extension.value)?);
        } else if is(rfc5280::ID_CE_DELTA_CRL_INDICATOR) {
            self.base_number = Some(number()?);
        } else {
            if is(rfc5280::ID_CE_CRL_NUMBER) {
                self.number = Some(number()?);
            } else if is(rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER) {
                self.authority_key = extension::authority_key(extension.value)?.map(<[u8]>::to_vec);
                // Processed, hence also if critical: it only helps to find the key.
                return Ok(());
            }
            if extension.critical {
                self.refuse(extension.oid);
            }
        }
        Ok(())
    }

    /// The contents of an entry's serial number, in an order of their own.
    fn serial(&self, entry: &Entry) -> (usize, &[u8]) {
        // The length was read once already; `INTEGER` of more than 127 octets was refused.
        let at = entry.serial_at as usize;
        let octets = self
            .der
            .get(at + 1)
            .and_then(|length| self.der.get(at + 2..at + 2 + usize::from(*length)))
            .unwrap_or_default();
        (octets.len(), octets)
    }

    fn revoked(&self, entry: &Entry) -> Result<Revoked, Bad> {
        let rest = self.der.get(entry.entry_at as usize..).unwrap_or_default();
        let entry = reading::Members::of(rest)?.next()?;
        let mut members = entry.members()?;
        members.next()?;
        let at = reading::time(members.next()?)?;
        let mut reason = None;
        for extension in entry_parts(entry)?.1 {
            if extension.oid == rfc5280::ID_CE_CRL_REASONS.as_bytes() {
                match Item::only_of(extension.value, ENUMERATED)?.value {
                    [code @ 0..=10] if *code != 7 => reason = Some(*code),
                    _ => return Err(Bad::new("a reason")),
                }
            }
        }
        Ok(Revoked { at, reason })
    }
}

/// Those of RFC 5280 §5.3.
fn known_entry_extension(oid: &[u8]) -> bool {
    [rfc5280::ID_CE_CRL_REASONS, rfc5280::ID_CE_INVALIDITY_DATE]
        .iter()
        .any(|known| known.as_bytes() == oid)
}

/// Serial number and extensions of an entry, its date and reason checked.
fn entry_parts(entry: Item<'_>) -> Result<(Item<'_>, Vec<Extension<'_>>), Bad> {
    let mut members = entry.members()?;
    let serial = members.take(INTEGER)?;
    reading::integer(serial)?;
    if serial.value.len() > 127 {
        return Err(Bad::new("a serial number of more than 127 octets"));
    }
    reading::time(members.next()?)?;
    let extensions = members.optional(SEQUENCE)?.map_or(Ok(Vec::new()), extension::read_all)?;
    members.end()?;
    Ok((serial, extensions))
}

/// Without the sign octet.
fn magnitude(number: &[u8]) -> &[u8] {
    match number {
        [0, rest @ ..] if !rest.is_empty() => rest,
        octets => octets,
    }
}

/// Whether one CRL number is at most another; both are not negative.
fn at_most(left: &[u8], right: &[u8]) -> bool {
    let (left, right) = (magnitude(left), magnitude(right));
    (left.len(), left) <= (right.len(), right)
}

impl PartialEq for Crl {
    fn eq(&self, other: &Self) -> bool {
        self.0.sha256 == other.0.sha256
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert!(at_most(&[5], &[5]));
        assert!(at_most(&[0, 0x80], &[1, 0]));
        assert!(!at_most(&[1, 0], &[0, 0xff]));
        assert!(at_most(&[0], &[1]));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Crl::parse(&bytes);
            let _ = Crl::parse_file(&bytes);
        }
    }
}
