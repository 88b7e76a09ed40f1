//! Full CRLs (RFC 5280 §5).

use const_oid::AssociatedOid;
use der::{
    Encode,
    asn1::{OctetString, Uint},
};
use sekisho_key::KeyError;
use sekisho_pki::{
    encoding::{instant, serial::Serial, signed_object::assemble},
    signature::{self, SignatureError},
};
use time::{Duration, OffsetDateTime};
use x509_cert::{
    certificate::Version,
    crl::{RevokedCert, TbsCertList},
    ext::{
        Extension,
        pkix::{AuthorityKeyIdentifier, CrlNumber},
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

impl Authority {
    /// Signs a full CRL with these entries, which are sorted by serial number.
    ///
    /// `number` must be greater than that of every earlier CRL of this authority
    /// (RFC 5280 §5.2.3): the register keeps it.
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
        let certificate = self.certificate().tbs_certificate();
        let most = if certificate.issuer() == certificate.subject() {
            MOST_ROOT_VALIDITY
        } else {
            MOST_VALIDITY
        };
        let window = next_update - this_update;
        if !window.is_positive() || window > most {
            return Err(CrlError::Window { most });
        }
        let tbs_der = self.build(number, sorted(entries)?, this_update, next_update)?;
        let algorithm = self.algorithm().identifier();
        let signed = self.key().sign(&tbs_der).await?;
        signature::verify(self.public_key_der(), &algorithm, &tbs_der, &signed)
            .map_err(CrlError::FaultySignature)?;
        assemble(&tbs_der, algorithm, &signed).map_err(CrlError::Build)
    }

    fn build(
        &self,
        number: u64,
        entries: Vec<&RevokedEntry>,
        this_update: OffsetDateTime,
        next_update: OffsetDateTime,
    ) -> Result<Vec<u8>, CrlError> {
        let revoked = entries
            .into_iter()
            .map(revoked_cert)
            .collect::<der::Result<Vec<_>>>()
            .map_err(CrlError::Build)?;
        let extensions = || -> der::Result<Vec<Extension>> {
            Ok(vec![
                extension(&AuthorityKeyIdentifier {
                    key_identifier: Some(OctetString::new(self.key_identifier())?),
                    ..AuthorityKeyIdentifier::default()
                })?,
                extension(&CrlNumber(Uint::try_from(number)?))?,
            ])
        };
        let list = || -> der::Result<Vec<u8>> {
            TbsCertList::<x509_cert::certificate::Rfc5280> {
                version: Version::V2,
                signature: self.algorithm().identifier(),
                issuer: self.subject().clone(),
                this_update: instant::to_time(this_update)?,
                next_update: Some(instant::to_time(next_update)?),
                // RFC 5280 §5.1.2.6: absent, not empty.
                revoked_certificates: (!revoked.is_empty()).then_some(revoked),
                crl_extensions: Some(extensions()?),
            }
            .to_der()
        };
        list().map_err(CrlError::Build)
    }
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

fn revoked_cert(entry: &RevokedEntry) -> der::Result<RevokedCert> {
    let reason = entry
        .reason
        .x509()
        .map(|reason| extension(&reason).map(|extension| vec![extension]))
        .transpose()?;
    Ok(RevokedCert {
        serial_number: entry.serial.to_x509()?,
        revocation_date: instant::to_time(entry.at)?,
        crl_entry_extensions: reason,
    })
}

fn extension<T: AssociatedOid + Encode>(value: &T) -> der::Result<Extension> {
    Ok(Extension {
        extn_id: T::OID,
        critical: false,
        extn_value: OctetString::new(value.to_der()?)?,
    })
}
