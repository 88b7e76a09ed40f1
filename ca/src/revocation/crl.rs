//! CRLs (RFC 5280 §5): complete, partitioned and delta.
//!
//! Entries are encoded one by one ([`encode_entry`]) and kept encoded; a list is a [`CrlDraft`]
//! around them, filled piece by piece into one buffer that is signed where it stands. A list of
//! 600,000 entries costs its own size in memory and one pass of the hash.

use const_oid::{AssociatedOid, db::rfc5280::ID_CE_ISSUING_DISTRIBUTION_POINT};
use der::{
    Encode,
    asn1::{BitString, Ia5String, OctetString, Uint},
};
use sekisho_key::KeyError;
use sekisho_pki::{
    encoding::{instant, serial::Serial},
    signature::{self, SignatureError},
};
use time::{Duration, OffsetDateTime};
use x509_cert::{
    certificate::Version,
    ext::{
        Extension,
        pkix::{
            AuthorityKeyIdentifier, BaseCrlNumber, CrlNumber, FreshestCrl,
            IssuingDistributionPoint,
            crl::dp::DistributionPoint,
            name::{DistributionPointName, GeneralName},
        },
    },
};

use super::RevocationReason;
use crate::authority::Authority;

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedEntry {
    /// Which certificate.
    pub serial: Serial,
    /// Since when.
    pub at: OffsetDateTime,
    /// Why.
    pub reason: RevocationReason,
}

/// What an entry says of its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Taken back, or on hold.
    Revoked(RevocationReason),
    /// On hold no longer: removeFromCRL, in a delta only (RFC 5280 §5.3.1).
    Removed,
}

/// Why there is no new CRL.
#[derive(Debug, thiserror::Error)]
pub enum CrlError {
    /// nextUpdate not after thisUpdate, or further away than the policy allows.
    #[error(
        "a CRL of this authority is valid for more than nothing and at most {} hours",
        most.whole_hours()
    )]
    Window {
        /// The longest.
        most: Duration,
    },
    /// A certificate stands twice in the list.
    #[error("serial number {serial} stands twice in the list")]
    Repeated {
        /// Which.
        serial: Serial,
    },
    /// Not the octets that the draft was begun for.
    #[error("{given} octets of entries were given for a list of {expected}")]
    Length {
        /// Announced.
        expected: usize,
        /// Given.
        given: usize,
    },
    /// Encoding failed.
    #[error("the CRL could not be built")]
    Build(#[source] der::Error),
    /// The key did not sign.
    #[error("the authority's key did not sign the CRL")]
    Sign(#[from] KeyError),
    /// The key signed something that does not verify: a broken token.
    #[error("the authority's key made a signature that does not verify")]
    FaultySignature(#[source] SignatureError),
}

/// Certificate policy §4.9.7: an issuing authority's CRL lives for at most four days, as the HPKI's.
pub const MOST_VALIDITY: Duration = Duration::days(4);
/// Certificate policy §4.9.7: the root's key is fetched from its safe at least once a year.
pub const MOST_ROOT_VALIDITY: Duration = Duration::days(366);

/// Which certificates a list speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrlKind<'a> {
    /// All of the authority.
    Complete {
        /// Where the delta to it is found (RFC 5280 §5.2.6), if there is one.
        freshest_url: Option<&'a str>,
    },
    /// Those that name this address as their distribution point (§5.2.5).
    Partition {
        /// The address, as in their certificates.
        url: &'a str,
    },
    /// All of the authority: what changed since a complete list (§5.2.4).
    Delta {
        /// The complete list's number.
        base_number: u64,
    },
}

/// What stands around the entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrlSpec<'a> {
    /// Of which certificates.
    pub kind: CrlKind<'a>,
    /// Greater than that of every earlier list of this authority (RFC 5280 §5.2.3): the register
    /// keeps it. A complete list and a delta made at once share it (§5.2.4).
    pub number: u64,
    /// From when it is true.
    pub this_update: OffsetDateTime,
    /// By when there is a newer one.
    pub next_update: OffsetDateTime,
}

/// A list under way.
pub struct CrlDraft<'a> {
    authority: &'a Authority,
    /// The TBSCertList as far as it is known.
    tbs_der: Vec<u8>,
    entries_at: usize,
    entries_len: usize,
    extensions_der: Vec<u8>,
}

/// A signed list without its entries: they stand between the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlFrame {
    /// What stands before the entries.
    pub head: Vec<u8>,
    /// What stands after them.
    pub tail: Vec<u8>,
}

impl Authority {
    /// Signs a complete CRL with these entries, which are sorted by serial number.
    ///
    /// # Errors
    /// [`CrlError`].
    pub async fn sign_crl(
        &self,
        number: u64,
        entries: &[RevokedEntry],
        this_update: OffsetDateTime,
        next_update: OffsetDateTime,
    ) -> Result<Vec<u8>, CrlError> {
        let mut octets = Vec::new();
        for entry in sorted(entries)? {
            encode_entry(&entry.serial, entry.at, Listed::Revoked(entry.reason), None, &mut octets)
                .map_err(CrlError::Build)?;
        }
        let kind = CrlKind::Complete { freshest_url: None };
        let spec = CrlSpec { kind, number, this_update, next_update };
        let mut draft = self.draft_crl(&spec, octets.len())?;
        draft.push(&octets);
        let CrlFrame { head, tail } = draft.sign().await?;
        Ok([head, octets, tail].concat())
    }

    /// Begins a list whose encoded entries have `entries_len` octets altogether.
    ///
    /// # Errors
    /// [`CrlError::Window`], [`CrlError::Build`].
    pub fn draft_crl(
        &self,
        spec: &CrlSpec<'_>,
        entries_len: usize,
    ) -> Result<CrlDraft<'_>, CrlError> {
        let certificate = self.certificate().tbs_certificate();
        let most = if certificate.issuer() == certificate.subject() {
            MOST_ROOT_VALIDITY
        } else {
            MOST_VALIDITY
        };
        let window = spec.next_update - spec.this_update;
        if !window.is_positive() || window > most {
            return Err(CrlError::Window { most });
        }
        self.begin(spec, entries_len).map_err(CrlError::Build)
    }

    fn begin(&self, spec: &CrlSpec<'_>, entries_len: usize) -> der::Result<CrlDraft<'_>> {
        // TBSCertList (RFC 5280 §5.1.2) up to revokedCertificates.
        let mut before = Vec::new();
        before.extend(Version::V2.to_der()?);
        before.extend(self.algorithm().identifier().to_der()?);
        before.extend(self.subject().to_der()?);
        before.extend(instant::to_time(spec.this_update)?.to_der()?);
        before.extend(instant::to_time(spec.next_update)?.to_der()?);
        if entries_len > 0 {
            // §5.1.2.6: absent, not empty.
            header(SEQUENCE, entries_len, &mut before)?;
        }
        let mut extensions_der = Vec::new();
        let list = self.extensions(spec)?.to_der()?;
        header(EXTENSIONS, list.len(), &mut extensions_der)?;
        extensions_der.extend(list);
        let content = before.len() + entries_len + extensions_der.len();
        let mut tbs_der = Vec::with_capacity(content + 8);
        header(SEQUENCE, content, &mut tbs_der)?;
        tbs_der.extend(before);
        let entries_at = tbs_der.len();
        Ok(CrlDraft { authority: self, tbs_der, entries_at, entries_len, extensions_der })
    }

    fn extensions(&self, spec: &CrlSpec<'_>) -> der::Result<Vec<Extension>> {
        let mut extensions = vec![
            extension(
                false,
                &AuthorityKeyIdentifier {
                    key_identifier: Some(OctetString::new(self.key_identifier())?),
                    ..AuthorityKeyIdentifier::default()
                },
            )?,
            extension(false, &CrlNumber(Uint::try_from(spec.number)?))?,
        ];
        match spec.kind {
            CrlKind::Complete { freshest_url: None } => {}
            CrlKind::Complete { freshest_url: Some(url) } => {
                extensions.push(extension(
                    false,
                    &FreshestCrl(vec![DistributionPoint {
                        distribution_point: Some(full_name(url)?),
                        reasons: None,
                        crl_issuer: None,
                    }]),
                )?);
            }
            CrlKind::Partition { url } => {
                let scope = IssuingDistributionPoint {
                    distribution_point: Some(full_name(url)?),
                    only_contains_user_certs: false,
                    only_contains_ca_certs: false,
                    only_some_reasons: None,
                    indirect_crl: false,
                    only_contains_attribute_certs: false,
                };
                // Not by the type's own OID: x509-cert 0.3.0 gives it that of subjectInfoAccess.
                extensions.push(Extension {
                    extn_id: ID_CE_ISSUING_DISTRIBUTION_POINT,
                    critical: true,
                    extn_value: OctetString::new(scope.to_der()?)?,
                });
            }
            CrlKind::Delta { base_number } => {
                extensions.push(extension(true, &BaseCrlNumber(Uint::try_from(base_number)?))?);
            }
        }
        Ok(extensions)
    }
}

impl CrlDraft<'_> {
    /// Adds encoded entries.
    pub fn push(&mut self, entries: &[u8]) {
        self.tbs_der.extend_from_slice(entries);
    }

    /// Signs the list.
    ///
    /// # Errors
    /// [`CrlError::Length`]: other entries were pushed than announced; [`CrlError::Sign`],
    /// [`CrlError::FaultySignature`], [`CrlError::Build`].
    pub async fn sign(mut self) -> Result<CrlFrame, CrlError> {
        let given = self.tbs_der.len() - self.entries_at;
        if given != self.entries_len {
            return Err(CrlError::Length { expected: self.entries_len, given });
        }
        self.tbs_der.extend_from_slice(&self.extensions_der);
        let algorithm = self.authority.algorithm().identifier();
        let key = self.authority.key();
        let signed = key.sign(&self.tbs_der).await?;
        signature::verify(self.authority.public_key_der(), &algorithm, &self.tbs_der, &signed)
            .map_err(CrlError::FaultySignature)?;
        let frame = || {
            let mut tail = self.extensions_der.clone();
            tail.extend(algorithm.to_der()?);
            tail.extend(BitString::from_bytes(&signed)?.to_der()?);
            let content = self.tbs_der.len() - self.extensions_der.len() + tail.len();
            let mut head = Vec::with_capacity(self.entries_at + 8);
            header(SEQUENCE, content, &mut head)?;
            head.extend_from_slice(&self.tbs_der[..self.entries_at]);
            Ok(CrlFrame { head, tail })
        };
        frame().map_err(CrlError::Build)
    }
}

const SEQUENCE: u8 = 0x30;
/// crlExtensions `[0] EXPLICIT`.
const EXTENSIONS: u8 = 0xa0;

/// Tag and length (X.690 §8.1.3, the shortest form).
fn header(tag: u8, length: usize, out: &mut Vec<u8>) -> der::Result<()> {
    out.push(tag);
    der::Length::try_from(length)?.encode(out)
}

/// Appends a revokedCertificates entry (RFC 5280 §5.1.2.6): serial number, date, and reasonCode
/// unless it is unspecified, then invalidityDate where one is known.
///
/// # Errors
/// [`der::Error`]: a time before 1970 or after 9999.
pub fn encode_entry(
    serial: &Serial,
    at: OffsetDateTime,
    listed: Listed,
    invalidity_at: Option<OffsetDateTime>,
    out: &mut Vec<u8>,
) -> der::Result<()> {
    const REASON_CODE: [u8; 11] =
        [0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01];
    const INVALIDITY_DATE: [u8; 9] = [0x30, 0x18, 0x06, 0x03, 0x55, 0x1d, 0x18, 0x04, 0x11];
    const REMOVE_FROM_CRL: u8 = 8;
    let reason = match listed {
        Listed::Revoked(RevocationReason::Unspecified) => None,
        Listed::Revoked(reason) => Some(reason.code()),
        Listed::Removed => Some(REMOVE_FROM_CRL),
    };
    // At most 22 + 17 + 2 + 12 + 26 octets: each length fits into one octet.
    let start = out.len();
    out.extend([SEQUENCE, 0]);
    let serial = serial.as_octets();
    let sign = serial.first().is_some_and(|octet| octet & 0x80 != 0);
    out.extend([0x02, short(serial.len() + usize::from(sign))?]);
    if sign {
        out.push(0);
    }
    out.extend_from_slice(serial);
    instant::to_time(at)?.encode(out)?;
    let length = reason.map_or(0, |_| 12) + invalidity_at.map_or(0, |_| 26);
    if length > 0 {
        out.extend([SEQUENCE, short(length)?]);
        if let Some(reason) = reason {
            out.extend(REASON_CODE);
            out.push(reason);
        }
        if let Some(at) = invalidity_at {
            out.extend(INVALIDITY_DATE);
            instant::to_generalized(at)?.encode(out)?;
        }
    }
    out[start + 1] = short(out.len() - start - 2)?;
    Ok(())
}

/// A length of one octet.
fn short(length: usize) -> der::Result<u8> {
    u8::try_from(length)
        .ok()
        .filter(|length| *length < 0x80)
        .ok_or_else(|| der::ErrorKind::Overflow.into())
}

fn sorted(entries: &[RevokedEntry]) -> Result<Vec<&RevokedEntry>, CrlError> {
    let mut sorted: Vec<_> = entries.iter().collect();
    // By number, so that the same status gives the same octets: a shorter one is smaller, since
    // no serial begins with zero.
    sorted.sort_by(|one, other| {
        let (one, other) = (one.serial.as_octets(), other.serial.as_octets());
        one.len().cmp(&other.len()).then_with(|| one.cmp(other))
    });
    match sorted.windows(2).find(|pair| pair[0].serial == pair[1].serial) {
        Some(pair) => Err(CrlError::Repeated { serial: pair[0].serial.clone() }),
        None => Ok(sorted),
    }
}

fn full_name(url: &str) -> der::Result<DistributionPointName> {
    let url = GeneralName::UniformResourceIdentifier(Ia5String::new(url)?);
    Ok(DistributionPointName::FullName(vec![url]))
}

fn extension<T: AssociatedOid + Encode>(critical: bool, value: &T) -> der::Result<Extension> {
    Ok(Extension { extn_id: T::OID, critical, extn_value: OctetString::new(value.to_der()?)? })
}

#[cfg(test)]
mod tests {
    use der::Decode;
    use proptest::prelude::*;
    use x509_cert::{crl::RevokedCert, ext::pkix::CrlReason};

    use super::*;

    proptest! {
        #[test]
        fn an_entry_is_what_another_encoder_reads_and_writes(
            octets in proptest::collection::vec(any::<u8>(), 1..20),
            secs in 0_i64..200_000_000_000,
            reason in 0_usize..RevocationReason::ALL.len(),
            since in proptest::option::of(0_i64..200_000_000_000),
            removed: bool,
        ) {
            let Ok(serial) = Serial::from_octets(&octets) else { return Ok(()) };
            let at = OffsetDateTime::from_unix_timestamp(secs).unwrap();
            let since = since.map(|secs| OffsetDateTime::from_unix_timestamp(secs).unwrap());
            let reason = RevocationReason::ALL[reason];
            let listed = if removed { Listed::Removed } else { Listed::Revoked(reason) };
            let mut encoded = Vec::new();
            encode_entry(&serial, at, listed, since, &mut encoded).unwrap();
            let read: RevokedCert = RevokedCert::from_der(&encoded).unwrap();
            prop_assert_eq!(Serial::from_x509(&read.serial_number).unwrap(), serial);
            prop_assert_eq!(instant::from_time(&read.revocation_date), at);
            prop_assert_eq!(read.to_der().unwrap(), encoded);
            let extensions = read.crl_entry_extensions.unwrap_or_default();
            let code = extensions.iter().find(|e| e.extn_id == CrlReason::OID);
            let code = code.map(|e| CrlReason::from_der(e.extn_value.as_bytes()).unwrap() as u8);
            let expected = if removed { 8 } else { reason.code() };
            prop_assert_eq!(code.unwrap_or(0), expected);
            prop_assert_eq!(
                extensions.len(),
                usize::from(expected != 0) + usize::from(since.is_some())
            );
        }
    }
}
