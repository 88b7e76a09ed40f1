//! An authority: a certificate, the key behind it, and where it publishes.

use std::sync::Arc;

use der::{Decode, Encode};
use sekisho_key::{SignatureAlgorithm, SigningKey};
use sekisho_pki::encoding::{instant, key_identifier::key_identifier, serial::Serial};
use time::OffsetDateTime;
use x509_cert::{
    Certificate,
    ext::pkix::{BasicConstraints, SubjectKeyIdentifier},
    name::Name,
};

use crate::{
    issuance::Issuer,
    revocation::{CrlPartition, CrlPartitions},
};

/// Where an authority's certificate, CRL and OCSP answers are found: plain HTTP, because a client
/// cannot check the TLS certificate of the place that tells it about revocation
/// (RFC 5280 §8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The complete CRL.
    pub crl_url: String,
    /// Into how many more the CRL is divided; certificates name theirs.
    pub crl_partitions: Option<CrlPartitions>,
    /// The OCSP responder (§4.2.2.1); the root has none.
    pub ocsp_url: Option<String>,
    /// The authority's own certificate, DER (§4.2.2.1).
    pub ca_issuers_url: String,
}

impl Publication {
    /// `{base}/crl/{id}.crl`, `{base}/ocsp`, `{base}/ca/{id}.crt` under a base such as
    /// `http://plain.example`.
    #[must_use]
    pub fn under(base: &str, issuer_id: &str, ocsp: bool) -> Self {
        let base = base.trim_end_matches('/');
        Self {
            crl_url: format!("{base}/crl/{issuer_id}.crl"),
            crl_partitions: None,
            ocsp_url: ocsp.then(|| format!("{base}/ocsp")),
            ca_issuers_url: format!("{base}/ca/{issuer_id}.crt"),
        }
    }

    /// The same with the CRL divided, too, or not.
    #[must_use]
    pub fn divided(self, crl_partitions: Option<CrlPartitions>) -> Self {
        Self { crl_partitions, ..self }
    }

    /// The CRL that speaks of the certificate of this serial number (RFC 5280 §4.2.1.13): the
    /// partition that the number falls into, for ever, or the complete one.
    #[must_use]
    pub fn crl_url_of(&self, serial: &Serial) -> String {
        match self.crl_partitions {
            Some(partitions) => self.partition_url(partitions.of(serial)),
            None => self.crl_url.clone(),
        }
    }

    /// Where a partition is published: `{base}/crl/{id}-{partition}.crl`.
    #[must_use]
    pub fn partition_url(&self, partition: CrlPartition) -> String {
        self.beside(&partition.to_string())
    }

    /// Where the delta to the complete CRL is published: `{base}/crl/{id}-delta.crl`.
    #[must_use]
    pub fn delta_url(&self) -> String {
        self.beside("delta")
    }

    fn beside(&self, name: &str) -> String {
        let stem = self.crl_url.strip_suffix(".crl").unwrap_or(&self.crl_url);
        format!("{stem}-{name}.crl")
    }
}

/// An authority that can sign.
///
/// Its key is reachable for certificates through [`Authority::issue`] only, for CRLs and OCSP
/// answers through [`crate::revocation`] only.
#[derive(Debug, Clone)]
pub struct Authority {
    id: String,
    certificate_der: Vec<u8>,
    certificate: Certificate,
    key: Arc<dyn SigningKey>,
    key_identifier: Vec<u8>,
    publication: Publication,
}

/// Why a certificate and a key make no authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate is not well formed.
    #[error("the certificate of authority `{id}` is not well formed")]
    Certificate {
        /// Identifier of the authority.
        id: String,
        /// What the decoder said.
        #[source]
        source: der::Error,
    },
    /// The key is another's.
    #[error("the key of authority `{id}` does not belong to its certificate")]
    OtherKey {
        /// Identifier of the authority.
        id: String,
    },
    /// Not a CA certificate.
    #[error("the certificate of `{id}` is not one of an authority")]
    NotAnAuthority {
        /// Identifier of the authority.
        id: String,
    },
}

impl Authority {
    /// Joins a certificate with its key.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn new(
        id: &str,
        certificate_der: &[u8],
        key: Arc<dyn SigningKey>,
        publication: Publication,
    ) -> Result<Self, AuthorityError> {
        let malformed = |source| AuthorityError::Certificate { id: id.to_owned(), source };
        let certificate = Certificate::from_der(certificate_der).map_err(malformed)?;
        let tbs = certificate.tbs_certificate();
        let spki = tbs.subject_public_key_info().to_der().map_err(malformed)?;
        if spki != key.public_key_der() {
            return Err(AuthorityError::OtherKey { id: id.to_owned() });
        }
        let constraints = tbs
            .get_extension::<BasicConstraints>()
            .map_err(malformed)?
            .is_some_and(|(critical, constraints)| critical && constraints.ca);
        if !constraints {
            return Err(AuthorityError::NotAnAuthority { id: id.to_owned() });
        }
        let key_identifier = match tbs.get_extension::<SubjectKeyIdentifier>().map_err(malformed)? {
            Some((_, identifier)) => identifier.0.as_bytes().to_vec(),
            None => key_identifier(&spki)
                .map_err(|_| AuthorityError::NotAnAuthority { id: id.to_owned() })?
                .to_vec(),
        };
        Ok(Self {
            id: id.to_owned(),
            certificate_der: certificate_der.to_vec(),
            certificate,
            key,
            key_identifier,
            publication,
        })
    }

    /// Its identifier in the register: `root`, `terminals`, ...
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its certificate, DER.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate_der
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its name as issuer.
    #[must_use]
    pub fn subject(&self) -> &Name {
        self.certificate.tbs_certificate().subject()
    }

    /// Its public key, DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key_der(&self) -> &[u8] {
        self.key.public_key_der()
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }

    /// Its subjectKeyIdentifier.
    #[must_use]
    pub fn key_identifier(&self) -> &[u8] {
        &self.key_identifier
    }

    /// First and last second of its certificate.
    #[must_use]
    pub fn validity(&self) -> (OffsetDateTime, OffsetDateTime) {
        let validity = self.certificate.tbs_certificate().validity();
        (instant::from_time(&validity.not_before), instant::from_time(&validity.not_after))
    }

    /// The same, publishing elsewhere.
    #[must_use]
    pub fn with_publication(self, publication: Publication) -> Self {
        Self { publication, ..self }
    }

    /// Where it publishes.
    #[must_use]
    pub fn publication(&self) -> &Publication {
        &self.publication
    }

    /// What a certificate or list says of its issuer.
    pub(crate) fn issuer(&self) -> Issuer<'_> {
        Issuer {
            id: &self.id,
            subject: self.subject(),
            public_key_der: self.public_key_der(),
            algorithm: self.algorithm(),
            key_identifier: &self.key_identifier,
            validity: Some(self.validity()),
            publication: &self.publication,
        }
    }

    pub(crate) fn key(&self) -> &Arc<dyn SigningKey> {
        &self.key
    }
}
