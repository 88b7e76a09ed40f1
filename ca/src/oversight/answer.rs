//! An OCSP answer: ResponseData (RFC 6960 §4.2.1) of the responder itself, of now.

use std::sync::Arc;

use const_oid::db::rfc6960::ID_PKIX_OCSP_NONCE;
use der::{Decode, Encode};
use sekisho_key::SigningKey;
use sekisho_pki::encoding::{
    instant,
    ocsp::{IssuerHashes, ResponderId, ResponseData},
};
use time::{Duration, OffsetDateTime};

use super::{OversightError, Refusal, is_near};
use crate::authority::Authority;

/// Certificate policy §4.9.9: an answer lives for at most an hour.
const MOST_VALIDITY: Duration = Duration::hours(1);

/// The key of an authority's delegated OCSP responder, which signs for another process.
#[derive(Debug, Clone)]
pub struct AnswerKey {
    issuer: IssuerHashes,
    responder_key_hash: [u8; 20],
    key: Arc<dyn SigningKey>,
}

impl AnswerKey {
    /// The key that answers for `authority`.
    ///
    /// # Errors
    /// [`der::Error`]: no key that can be hashed.
    pub fn new(authority: &Authority, key: Arc<dyn SigningKey>) -> der::Result<Self> {
        let hashes = |spki: &[u8]| IssuerHashes::of(authority.subject(), spki);
        Ok(Self {
            issuer: hashes(authority.public_key_der())?,
            responder_key_hash: *hashes(key.public_key_der())?.key_sha1(),
            key,
        })
    }

    /// Its public half, DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key_der(&self) -> &[u8] {
        self.key.public_key_der()
    }

    /// Signs a ResponseData that may be signed at `now`.
    ///
    /// # Errors
    /// [`OversightError`]: nothing was signed.
    pub async fn sign(
        &self,
        message: &[u8],
        now: OffsetDateTime,
    ) -> Result<Vec<u8>, OversightError> {
        self.check(message, now)?;
        Ok(self.key.sign(message).await?)
    }

    fn check(&self, message: &[u8], now: OffsetDateTime) -> Result<(), Refusal> {
        let data = ResponseData::from_der(message).map_err(|_| Refusal::Unknown)?;
        // DER has one form: a default that is written out, or a member that was passed over, is not
        // what we make.
        if data.to_der().ok().as_deref() != Some(message) {
            return Err(Refusal::Unknown);
        }
        let nonce_only = data
            .response_extensions
            .iter()
            .flatten()
            .all(|extension| extension.extn_id == ID_PKIX_OCSP_NONCE && !extension.critical);
        if !nonce_only || data.responses.is_empty() {
            return Err(Refusal::Unknown);
        }
        let ours = matches!(&data.responder_id,
            ResponderId::ByKey(hash) if hash.as_bytes() == self.responder_key_hash);
        let of_our_authority =
            data.responses.iter().all(|one| self.issuer.covers(&one.cert_id).is_some());
        if !ours || !of_our_authority {
            return Err(Refusal::OtherResponder);
        }
        let in_time = is_near(instant::from_generalized(&data.produced_at.0), now)
            && data.responses.iter().all(|one| {
                let begin = instant::from_generalized(&one.this_update.0);
                let end = one.next_update.as_ref().map(|end| instant::from_generalized(&end.0));
                is_near(begin, now)
                    && end.is_some_and(|end| begin < end && end - begin <= MOST_VALIDITY)
            });
        if in_time { Ok(()) } else { Err(Refusal::Times) }
    }
}
