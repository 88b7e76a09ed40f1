//! An OCSP responder (RFC 6960) at an address of the configuration: what a certificate names is never
//! asked.

use std::sync::Arc;

use async_trait::async_trait;
use http::header;
use sekisho_key::Randomness;
use sekisho_pki::{
    encoding::ocsp::OcspQuery,
    national::jpki::{ProviderError, StatusAnswer, StatusProvider, StatusQuery, StoredEvidence},
    path::OcspAnswer,
};
use time::{Duration, OffsetDateTime};
use url::Url;
use x509_cert::{
    Certificate,
    der::{Decode, Encode},
};

use super::status::{JpkiStatus, StatusError};
use crate::config::JpkiNonce as Nonce;

/// The largest answer, in octets: one about one certificate has about two thousand.
const MOST_OCTETS: usize = 64 * 1024;

/// The responder.
pub struct Responder {
    address: Url,
    client: reqwest::Client,
    nonce: Nonce,
    random: Arc<dyn Randomness>,
}

impl Responder {
    /// At this address, which answers within `patience`, with nonces or not.
    ///
    /// # Errors
    /// [`StatusError`].
    pub fn new(
        address: Url,
        patience: Duration,
        nonce: Nonce,
        random: Arc<dyn Randomness>,
    ) -> Result<Self, StatusError> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(patience.unsigned_abs())
            .tls_backend_preconfigured(tls())
            .build()?;
        Ok(Self { address, client, nonce, random })
    }

    async fn ask(&self, request: Vec<u8>) -> Result<Vec<u8>, reqwest::Error> {
        let posted = self
            .client
            .post(self.address.clone())
            .header(header::CONTENT_TYPE, "application/ocsp-request")
            .body(request);
        let mut response = posted.send().await?.error_for_status()?;
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            answer.extend_from_slice(&chunk);
            if answer.len() > MOST_OCTETS {
                break;
            }
        }
        Ok(answer)
    }
}

#[async_trait]
impl JpkiStatus for Responder {
    async fn status(
        &self,
        query: StatusQuery<'_>,
        now: OffsetDateTime,
    ) -> Result<StatusAnswer, ProviderError> {
        let mut nonce = [0; 32];
        self.random.fill(&mut nonce).map_err(|error| ProviderError(error.to_string()))?;
        let request = request(&query, Some(&nonce))
            .map_err(|error| ProviderError(format!("the question cannot be asked: {error}")))?;
        let answer = self.ask(request).await.map_err(|error| {
            // Without the address, which the operator knows, and which may hold a key.
            ProviderError(crate::error::page::Chain(&error.without_url()).to_string())
        })?;
        if answer.len() > MOST_OCTETS {
            return Err(ProviderError(format!("the answer has more than {MOST_OCTETS} octets")));
        }
        let answer =
            OcspAnswer::parse(&answer).map_err(|error| ProviderError(error.to_string()))?;
        match (answer.nonce(), self.nonce) {
            (Some(repeated), _) if repeated == nonce => {}
            (Some(_), _) => {
                return Err(ProviderError("the answer is to another question".to_owned()));
            }
            // Made ahead: how old it may be, the caller judges (RFC 9654 §1).
            (None, Nonce::Optional) => {}
            (None, Nonce::Required) => {
                return Err(ProviderError(
                    "the answer repeats no nonce; a responder that signs ahead needs \
                     `nonce = \"optional\"` in [jpki]"
                        .to_owned(),
                ));
            }
        }
        StoredEvidence { answers: vec![answer], ..StoredEvidence::default() }.status(&query, now)
    }
}

/// Never used: the configuration takes http only, and no redirect is followed.
fn tls() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_protocol_versions(&[&rustls::version::TLS13])
    .expect("aws-lc-rs has suites of TLS 1.3")
    .with_root_certificates(rustls::RootCertStore::empty())
    .with_no_client_auth()
}

/// A question about one certificate.
fn request(query: &StatusQuery<'_>, nonce: Option<&[u8; 32]>) -> der::Result<Vec<u8>> {
    let issuer_der = query.authorities_der.first().map_or(query.anchor_der, Vec::as_slice);
    let issuer = Certificate::from_der(issuer_der)?;
    let tbs = issuer.tbs_certificate();
    let spki_der = tbs.subject_public_key_info().to_der()?;
    OcspQuery::request(tbs.subject(), &spki_der, query.serial, nonce)
}

#[cfg(test)]
mod tests;
