//! Trust anchors: whom we believe without a signature.

use x509_cert::name::Name;

use super::{PathError, certificate::Parsed, files};
use crate::encoding::key_identifier::fingerprint;

/// Longest anchor's certificate.
const MOST_OCTETS: usize = 1024 * 1024;

/// A trust anchor, from its certificate.
#[derive(Debug, Clone)]
pub struct TrustAnchor {
    pub(super) der: Vec<u8>,
    subject: Name,
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
        /// What is wrong.
        #[source]
        source: PathError,
    },
}

impl TrustAnchor {
    /// From a DER certificate.
    ///
    /// # Errors
    /// [`PathError::Malformed`], [`PathError::TooLarge`].
    pub fn from_der(der: &[u8]) -> Result<Self, PathError> {
        let parsed = Parsed::parse(der, MOST_OCTETS)?;
        let subject = parsed.subject.to_name().map_err(|error| PathError::Malformed {
            which: parsed.which(),
            what: error.to_string(),
        })?;
        Ok(Self { der: der.to_vec(), subject, fingerprint: fingerprint(der) })
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

/// A set of trust anchors. Several may have one name: they are told apart by their keys.
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
        let blocks = files::pem_blocks(pem).map_err(|_| AnchorError::NotPem)?;
        let anchors = blocks
            .iter()
            .filter(|block| block.label == "CERTIFICATE")
            .enumerate()
            .map(|(index, block)| {
                TrustAnchor::from_der(&block.der)
                    .map_err(|source| AnchorError::Certificate { index, source })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if anchors.is_empty() { Err(AnchorError::NotPem) } else { Ok(Self(anchors)) }
    }

    /// Adds those of another set.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &TrustAnchor> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none, so that nothing can be believed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
