//! Trust anchors: whom we believe without a signature.

use der::{Decode, Encode};
use x509_cert::{Certificate, name::Name};

use super::MOST_CERTIFICATE_OCTETS;
use crate::encoding::key_identifier::fingerprint;

/// A trust anchor, from its self-signed certificate.
#[derive(Debug, Clone)]
pub struct TrustAnchor {
    pub(super) certificate: Certificate,
    pub(super) subject: Name,
    pub(super) public_key_der: Vec<u8>,
    fingerprint: [u8; 32],
}

/// Why a file is no set of anchors.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// Not PEM with certificates.
    #[error("the file holds no PEM certificate")]
    NotPem,
    /// One of them is not well formed.
    #[error("certificate {index} of the file is not well formed")]
    Certificate {
        /// Counted from 0.
        index: usize,
        /// What the decoder said.
        #[source]
        source: der::Error,
    },
}

impl TrustAnchor {
    /// From a DER certificate.
    ///
    /// # Errors
    /// [`der::Error`].
    pub fn from_der(der: &[u8]) -> der::Result<Self> {
        if der.len() > MOST_CERTIFICATE_OCTETS {
            return Err(der::Tag::Sequence.value_error().into());
        }
        let certificate = Certificate::from_der(der)?;
        let tbs = certificate.tbs_certificate();
        Ok(Self {
            subject: tbs.subject().clone(),
            public_key_der: tbs.subject_public_key_info().to_der()?,
            certificate,
            fingerprint: fingerprint(der),
        })
    }

    /// SHA-256 of its DER.
    #[must_use]
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Its name.
    #[must_use]
    pub fn subject(&self) -> &Name {
        &self.subject
    }
}

/// A set of trust anchors.
#[derive(Debug, Clone, Default)]
pub struct Anchors(Vec<TrustAnchor>);

impl Anchors {
    /// From anchors.
    #[must_use]
    pub fn new(anchors: Vec<TrustAnchor>) -> Self {
        Self(anchors)
    }

    /// From a PEM file with one or more certificates.
    ///
    /// # Errors
    /// [`AnchorError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, AnchorError> {
        let text = std::str::from_utf8(pem).map_err(|_| AnchorError::NotPem)?;
        let mut anchors = Vec::new();
        let mut rest = text;
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        const END: &str = "-----END CERTIFICATE-----";
        while let Some(start) = rest.find(BEGIN) {
            rest = &rest[start..];
            let end = rest.find(END).ok_or(AnchorError::NotPem)? + END.len();
            let (_, der) =
                der::pem::decode_vec(&rest.as_bytes()[..end]).map_err(|_| AnchorError::NotPem)?;
            let anchor = TrustAnchor::from_der(&der)
                .map_err(|source| AnchorError::Certificate { index: anchors.len(), source })?;
            anchors.push(anchor);
            rest = &rest[end..];
        }
        if anchors.is_empty() {
            return Err(AnchorError::NotPem);
        }
        Ok(Self(anchors))
    }

    /// Adds those of another set.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &TrustAnchor> {
        self.0.iter()
    }

    /// Whether there is none, so that nothing can be believed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
