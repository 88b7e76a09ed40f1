//! CRLs (RFC 5280 §5): complete, partitioned and delta.
//!
//! Entries are encoded one by one ([`encode_entry`]) and kept encoded; a list is a [`CrlDraft`]
//! around them, filled piece by piece into one buffer that is signed where it stands. A list of
//! 600,000 entries costs its own size in memory and one pass of the hash.

mod entry;

use const_oid::{AssociatedOid, db::rfc5280::ID_CE_ISSUING_DISTRIBUTION_POINT};
use der::{
    Encode,
    asn1::{BitString, Ia5String, OctetString, Uint},
};
use sekisho_key::{KeyError, SignatureAlgorithm, SigningKey};
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

pub(crate) use entry::encode_entries;
pub use entry::{Listed, RevokedEntry, encode_entry};

use crate::{authority::Authority, issuance::Issuer};

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
    key: &'a dyn SigningKey,
    list: ListToSign,
}

/// A TBSCertList under way, by whichever key it will be signed.
#[derive(Debug)]
pub(crate) struct ListToSign {
    algorithm: SignatureAlgorithm,
    /// As far as it is known.
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
    /// Signs a complete CRL with these entries.
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
        let octets = encode_entries(entries)?;
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
        let is_root = certificate.issuer() == certificate.subject();
        let list = ListToSign::begin(&self.issuer(), is_root, spec, entries_len)?;
        Ok(CrlDraft { key: &**self.key(), list })
    }
}

impl CrlDraft<'_> {
    /// Adds encoded entries.
    pub fn push(&mut self, entries: &[u8]) {
        self.list.push(entries);
    }

    /// Signs the list.
    ///
    /// # Errors
    /// [`CrlError::Length`]: other entries were pushed than announced; [`CrlError::Sign`],
    /// [`CrlError::FaultySignature`], [`CrlError::Build`].
    pub async fn sign(self) -> Result<CrlFrame, CrlError> {
        self.list.finish()?.sign(self.key).await
    }
}

/// Every octet of a TBSCertList, to be signed.
#[derive(Debug)]
pub(crate) struct WholeList(ListToSign);

impl ListToSign {
    /// Begins a list of this issuer whose encoded entries have `entries_len` octets altogether.
    pub(crate) fn begin(
        issuer: &Issuer<'_>,
        is_root: bool,
        spec: &CrlSpec<'_>,
        entries_len: usize,
    ) -> Result<Self, CrlError> {
        let most = if is_root { MOST_ROOT_VALIDITY } else { MOST_VALIDITY };
        let window = spec.next_update - spec.this_update;
        if !window.is_positive() || window > most {
            return Err(CrlError::Window { most });
        }
        Self::encode(issuer, spec, entries_len).map_err(CrlError::Build)
    }

    fn encode(issuer: &Issuer<'_>, spec: &CrlSpec<'_>, entries_len: usize) -> der::Result<Self> {
        // TBSCertList (RFC 5280 §5.1.2) up to revokedCertificates.
        let mut before = Vec::new();
        before.extend(Version::V2.to_der()?);
        before.extend(issuer.algorithm.identifier().to_der()?);
        before.extend(issuer.subject.to_der()?);
        before.extend(instant::to_time(spec.this_update)?.to_der()?);
        before.extend(instant::to_time(spec.next_update)?.to_der()?);
        if entries_len > 0 {
            // §5.1.2.6: absent, not empty.
            header(SEQUENCE, entries_len, &mut before)?;
        }
        let mut extensions_der = Vec::new();
        let list = extensions(issuer, spec)?.to_der()?;
        header(EXTENSIONS, list.len(), &mut extensions_der)?;
        extensions_der.extend(list);
        let content = before.len() + entries_len + extensions_der.len();
        let mut tbs_der = Vec::with_capacity(content + 8);
        header(SEQUENCE, content, &mut tbs_der)?;
        tbs_der.extend(before);
        let entries_at = tbs_der.len();
        Ok(Self { algorithm: issuer.algorithm, tbs_der, entries_at, entries_len, extensions_der })
    }

    /// Adds encoded entries.
    pub(crate) fn push(&mut self, entries: &[u8]) {
        self.tbs_der.extend_from_slice(entries);
    }

    /// Closes the list.
    pub(crate) fn finish(mut self) -> Result<WholeList, CrlError> {
        let given = self.tbs_der.len() - self.entries_at;
        if given != self.entries_len {
            return Err(CrlError::Length { expected: self.entries_len, given });
        }
        self.tbs_der.extend_from_slice(&self.extensions_der);
        Ok(WholeList(self))
    }
}

impl WholeList {
    /// The octets to sign.
    pub(crate) fn tbs_der(&self) -> &[u8] {
        &self.0.tbs_der
    }

    /// The signed list in one piece.
    pub(crate) fn whole(&self, CrlFrame { head, tail }: CrlFrame) -> Vec<u8> {
        let Self(list) = self;
        let entries = &list.tbs_der[list.entries_at..list.entries_at + list.entries_len];
        [&head, entries, &tail].concat()
    }

    /// Signs them.
    pub(crate) async fn sign(&self, key: &dyn SigningKey) -> Result<CrlFrame, CrlError> {
        let Self(list) = self;
        let algorithm = list.algorithm.identifier();
        let signed = key.sign(&list.tbs_der).await?;
        signature::verify(key.public_key_der(), &algorithm, &list.tbs_der, &signed)
            .map_err(CrlError::FaultySignature)?;
        let frame = || {
            let mut tail = list.extensions_der.clone();
            tail.extend(algorithm.to_der()?);
            tail.extend(BitString::from_bytes(&signed)?.to_der()?);
            let content = list.tbs_der.len() - list.extensions_der.len() + tail.len();
            let mut head = Vec::with_capacity(list.entries_at + 8);
            header(SEQUENCE, content, &mut head)?;
            head.extend_from_slice(&list.tbs_der[..list.entries_at]);
            Ok(CrlFrame { head, tail })
        };
        frame().map_err(CrlError::Build)
    }
}

fn extensions(issuer: &Issuer<'_>, spec: &CrlSpec<'_>) -> der::Result<Vec<Extension>> {
    let mut extensions = vec![
        extension(
            false,
            &AuthorityKeyIdentifier {
                key_identifier: Some(OctetString::new(issuer.key_identifier)?),
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

const SEQUENCE: u8 = 0x30;
/// crlExtensions `[0] EXPLICIT`.
const EXTENSIONS: u8 = 0xa0;

/// Tag and length (X.690 §8.1.3, the shortest form).
fn header(tag: u8, length: usize, out: &mut Vec<u8>) -> der::Result<()> {
    out.push(tag);
    der::Length::try_from(length)?.encode(out)
}

fn full_name(url: &str) -> der::Result<DistributionPointName> {
    let url = GeneralName::UniformResourceIdentifier(Ia5String::new(url)?);
    Ok(DistributionPointName::FullName(vec![url]))
}

fn extension<T: AssociatedOid + Encode>(critical: bool, value: &T) -> der::Result<Extension> {
    Ok(Extension { extn_id: T::OID, critical, extn_value: OctetString::new(value.to_der()?)? })
}
