//! Judging a revocation list that was signed elsewhere: a root's, or the last one of an authority that
//! another system ran.

use const_oid::{
    AssociatedOid,
    db::rfc5280::{ID_CE_CRL_REASONS, ID_CE_INVALIDITY_DATE, ID_CE_ISSUING_DISTRIBUTION_POINT},
};
use der::{Decode, asn1::GeneralizedTime};
use sekisho_pki::{
    encoding::{instant, serial::Serial},
    path::Crl,
    signature::{SignatureError, object::public_key_of},
};
use time::OffsetDateTime;
use x509_cert::{
    Certificate,
    crl::{CertificateList, RevokedCert},
    ext::pkix::{CrlNumber, CrlReason},
};

/// A complete list of an authority, in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedList {
    /// CRL number (RFC 5280 §5.2.3).
    pub number: i64,
    /// thisUpdate.
    pub this_update: OffsetDateTime,
    /// nextUpdate.
    pub next_update: OffsetDateTime,
    /// What it names, in its order.
    pub entries: Vec<JudgedEntry>,
    /// `CertificateList`, DER.
    pub der: Vec<u8>,
}

/// A certificate that a list names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedEntry {
    /// Its serial number.
    pub serial: Serial,
    /// Since when it is taken back.
    pub at: OffsetDateTime,
    /// CRLReason (RFC 5280 §5.3.1): 0 where none is given; never removeFromCRL.
    pub reason: u8,
    /// Since when it was not to be relied on (RFC 5280 §5.3.2), if the entry says so.
    pub invalidity_at: Option<OffsetDateTime>,
}

/// Why a list is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ListFault {
    /// Not a CRL with number and nextUpdate, or a delta, or a number that no other can follow.
    #[error("it is no complete CRL with a nextUpdate and a number below 2^63")]
    Malformed,
    /// One of several that only together say everything.
    #[error("it has an issuingDistributionPoint: it speaks of a part of the certificates only")]
    Partial,
    /// Another's.
    #[error("it is not of this authority")]
    Issuer,
    /// Another's signature.
    #[error("it is not signed by the authority's key")]
    Signature(#[source] SignatureError),
    /// Over, or not yet true.
    #[error("it is not in force now: a newer one is missing, or a clock is wrong")]
    NotInForce,
    /// An entry that cannot be taken as it stands.
    #[error("its entry {position} cannot be read: {what}")]
    Entry {
        /// Counted from 1.
        position: usize,
        /// What is wrong.
        what: &'static str,
    },
}

impl JudgedList {
    /// Reads and judges a list of the authority of this certificate.
    ///
    /// # Errors
    /// [`ListFault`]: the first thing that does not hold.
    pub fn judge(der: &[u8], issuer_der: &[u8], now: OffsetDateTime) -> Result<Self, ListFault> {
        let parsed = Crl::parse(der).map_err(|_| ListFault::Malformed)?;
        let next_update = parsed.next_update().ok_or(ListFault::Malformed)?;
        if parsed.is_delta() {
            return Err(ListFault::Malformed);
        }
        let issuer = Certificate::from_der(issuer_der).map_err(|_| ListFault::Issuer)?;
        if parsed.issuer() != issuer.tbs_certificate().subject() {
            return Err(ListFault::Issuer);
        }
        let spki_der = public_key_of(issuer_der).ok_or(ListFault::Issuer)?;
        parsed.verify(&spki_der).map_err(ListFault::Signature)?;
        if now < parsed.this_update() || now >= next_update {
            return Err(ListFault::NotInForce);
        }
        let list: CertificateList = Decode::from_der(der).map_err(|_| ListFault::Malformed)?;
        let extensions = list.tbs_cert_list.crl_extensions.unwrap_or_default();
        if extensions.iter().any(|one| one.extn_id == ID_CE_ISSUING_DISTRIBUTION_POINT) {
            return Err(ListFault::Partial);
        }
        let number = extensions
            .iter()
            .find(|extension| extension.extn_id == CrlNumber::OID)
            .and_then(|extension| CrlNumber::from_der(extension.extn_value.as_bytes()).ok())
            .and_then(|number| {
                let octets = number.0.as_bytes();
                (octets.len() <= 8)
                    .then(|| octets.iter().fold(0_u64, |sum, octet| sum << 8 | u64::from(*octet)))
            })
            .and_then(|number| i64::try_from(number).ok())
            .filter(|number| *number < i64::MAX)
            .ok_or(ListFault::Malformed)?;
        let revoked = list.tbs_cert_list.revoked_certificates.unwrap_or_default();
        let entries = revoked
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                JudgedEntry::read(entry)
                    .map_err(|what| ListFault::Entry { position: index + 1, what })
            })
            .collect::<Result<_, _>>()?;
        let this_update = parsed.this_update();
        Ok(Self { number, this_update, next_update, entries, der: der.to_vec() })
    }
}

impl JudgedEntry {
    fn read(entry: &RevokedCert) -> Result<Self, &'static str> {
        let serial = Serial::from_x509(&entry.serial_number)
            .map_err(|_| "its serial number is not positive or has more than 20 octets")?;
        let (mut reason, mut invalidity_at) = (0, None);
        for extension in entry.crl_entry_extensions.iter().flatten() {
            let value = extension.extn_value.as_bytes();
            match extension.extn_id {
                ID_CE_CRL_REASONS => {
                    reason = match CrlReason::from_der(value).map_err(|_| "its reason")? {
                        CrlReason::RemoveFromCRL => return Err("removeFromCRL is for deltas"),
                        reason => reason as u8,
                    };
                }
                ID_CE_INVALIDITY_DATE => {
                    let at = GeneralizedTime::from_der(value).map_err(|_| "its invalidity date")?;
                    invalidity_at = Some(instant::from_generalized(&at));
                }
                _ if extension.critical => return Err("an unknown critical extension"),
                _ => {}
            }
        }
        Ok(Self { serial, at: instant::from_time(&entry.revocation_date), reason, invalidity_at })
    }
}
