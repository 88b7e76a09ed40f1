//! Single certificates and CRLs with any contents. For demonstrations and tests: what it makes goes
//! past every rule of [`crate::lint`], and no key of an authority of ours is ever given to it.

use const_oid::AssociatedOid;
use der::{
    Decode, Encode,
    asn1::{OctetString, Uint},
};
use sekisho_key::{KeyError, SigningKey, SoftwareKey};
use sekisho_pki::encoding::{instant, key_identifier::key_identifier, signed_object::assemble};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use time::OffsetDateTime;
use x509_cert::{
    certificate::Version,
    crl::{RevokedCert, TbsCertList},
    ext::{
        Extension,
        pkix::{AuthorityKeyIdentifier, CrlNumber, SubjectKeyIdentifier},
    },
    name::Name,
    serial_number::SerialNumber,
    time::Validity,
};

use super::LookalikeError;
use crate::issuance::tbs::Tbs;

/// A certificate about to be forged.
#[derive(Debug, Clone)]
pub struct Forge {
    /// Whom it names as issuer.
    pub issuer: Name,
    /// Whom it names as subject.
    pub subject: Name,
    /// The certified key, DER `SubjectPublicKeyInfo`.
    pub public_key_der: Vec<u8>,
    /// First second.
    pub not_before: OffsetDateTime,
    /// Last second.
    pub not_after: OffsetDateTime,
    /// Small, as in the HPKI.
    pub serial: u32,
    /// In this order.
    pub extensions: Vec<Extension>,
    /// The algorithm written inside, if it is to differ from the key's own.
    pub inner_algorithm: Option<AlgorithmIdentifierOwned>,
}

impl Forge {
    /// With serial number 1 and no extensions.
    #[must_use]
    pub fn new(
        issuer: &Name,
        subject: &Name,
        key: &SoftwareKey,
        not_before: OffsetDateTime,
        not_after: OffsetDateTime,
    ) -> Self {
        Self {
            issuer: issuer.clone(),
            subject: subject.clone(),
            public_key_der: key.public_key_der().to_vec(),
            not_before,
            not_after,
            serial: 1,
            extensions: Vec::new(),
            inner_algorithm: None,
        }
    }

    /// Signs it; the answer is DER.
    ///
    /// # Errors
    /// [`LookalikeError`].
    pub fn sign(&self, issuer_key: &SoftwareKey) -> Result<Vec<u8>, LookalikeError> {
        let algorithm = issuer_key.algorithm().identifier();
        let tbs = Tbs {
            version: Version::V3,
            serial_number: SerialNumber::new(&self.serial.to_be_bytes())?,
            signature: self.inner_algorithm.clone().unwrap_or(algorithm.clone()),
            issuer: self.issuer.clone(),
            validity: Validity::new(
                instant::to_time(self.not_before)?,
                instant::to_time(self.not_after)?,
            ),
            subject: self.subject.clone(),
            subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(&self.public_key_der)?,
            extensions: self.extensions.clone(),
        }
        .to_der()?;
        Ok(assemble(&tbs, algorithm, &issuer_key.sign_now(&tbs)?)?)
    }

    /// Puts in the identifiers of its own key and of its issuer's (RFC 5280 §4.2.1.1, §4.2.1.2).
    ///
    /// # Errors
    /// [`LookalikeError`].
    pub fn identify(&mut self, issuer_key: &SoftwareKey) -> Result<(), LookalikeError> {
        let subject = OctetString::new(identifier(&self.public_key_der)?)?;
        let authority = AuthorityKeyIdentifier {
            key_identifier: Some(OctetString::new(identifier(issuer_key.public_key_der())?)?),
            authority_cert_issuer: None,
            authority_cert_serial_number: None,
        };
        self.put(false, &SubjectKeyIdentifier(subject))?;
        self.put(false, &authority)
    }

    /// Puts another value into the extension of this type, or appends it.
    ///
    /// # Errors
    /// [`LookalikeError`].
    pub fn put<T: AssociatedOid + Encode>(
        &mut self,
        critical: bool,
        value: &T,
    ) -> Result<(), LookalikeError> {
        self.drop_extension::<T>();
        self.extensions.push(extension(critical, value)?);
        Ok(())
    }

    /// Takes the extension of this type away.
    pub fn drop_extension<T: AssociatedOid>(&mut self) {
        self.extensions.retain(|extension| extension.extn_id != T::OID);
    }
}

/// A CRL about to be forged.
#[derive(Debug, Clone)]
pub struct ForgedCrl {
    /// Whom it names as issuer.
    pub issuer: Name,
    /// thisUpdate.
    pub this_update: OffsetDateTime,
    /// nextUpdate.
    pub next_update: Option<OffsetDateTime>,
    /// Serial numbers and dates.
    pub revoked: Vec<(u32, OffsetDateTime)>,
    /// Extensions of every entry.
    pub entry_extensions: Vec<Extension>,
    /// Extensions of the list.
    pub extensions: Vec<Extension>,
}

impl ForgedCrl {
    /// An empty list without extensions.
    #[must_use]
    pub fn new(issuer: &Name, this_update: OffsetDateTime, next_update: OffsetDateTime) -> Self {
        Self {
            issuer: issuer.clone(),
            this_update,
            next_update: Some(next_update),
            revoked: Vec::new(),
            entry_extensions: Vec::new(),
            extensions: Vec::new(),
        }
    }

    /// Signs it; the answer is DER.
    ///
    /// # Errors
    /// [`LookalikeError`].
    pub fn sign(&self, issuer_key: &SoftwareKey) -> Result<Vec<u8>, LookalikeError> {
        let algorithm = issuer_key.algorithm().identifier();
        let revoked = self
            .revoked
            .iter()
            .map(|(serial, at)| {
                Ok(RevokedCert {
                    serial_number: SerialNumber::new(&serial.to_be_bytes())?,
                    revocation_date: instant::to_time(*at)?,
                    crl_entry_extensions: (!self.entry_extensions.is_empty())
                        .then(|| self.entry_extensions.clone()),
                })
            })
            .collect::<der::Result<Vec<RevokedCert>>>()?;
        let tbs = TbsCertList::<x509_cert::certificate::Rfc5280> {
            version: Version::V2,
            signature: algorithm.clone(),
            issuer: self.issuer.clone(),
            this_update: instant::to_time(self.this_update)?,
            next_update: self.next_update.map(instant::to_time).transpose()?,
            revoked_certificates: (!revoked.is_empty()).then_some(revoked),
            crl_extensions: (!self.extensions.is_empty()).then(|| self.extensions.clone()),
        }
        .to_der()?;
        Ok(assemble(&tbs, algorithm, &issuer_key.sign_now(&tbs)?)?)
    }
}

/// An extension of this value.
///
/// # Errors
/// [`der::Error`].
pub fn extension<T: AssociatedOid + Encode>(critical: bool, value: &T) -> der::Result<Extension> {
    Ok(Extension { extn_id: T::OID, critical, extn_value: OctetString::new(value.to_der()?)? })
}

pub(super) fn crl_number(number: u32) -> der::Result<Extension> {
    extension(false, &CrlNumber(Uint::try_from(number)?))
}

pub(super) fn identifier(spki_der: &[u8]) -> Result<[u8; 20], LookalikeError> {
    key_identifier(spki_der).map_err(|error| LookalikeError::Key(KeyError::MalformedKey(error)))
}
