//! The transcript of a take-over, signed by the key that was taken over.

use sekisho_key::SigningKey;
use sekisho_pki::signature::object::public_key_of;
use sekisho_wire::typ;
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    super::{
        jws,
        statement::FORMAT,
        transcript::{TranscriptError, sha256_hex},
    },
    Import,
};

/// The one key that signs the transcript, as its header names it.
const SIGNER: &str = "authority";

/// What a take-over's signature covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportTranscript {
    format: u32,
    /// The authority's identifier from now on.
    pub authority: String,
    /// SHA-256 of its certificate, hexadecimal.
    pub certificate_sha256: String,
    /// The hash that was reviewed, hexadecimal.
    pub import_sha256: String,
    /// How many certificates it had issued.
    pub certificates: usize,
    /// How many of them its last list names.
    pub revoked: usize,
    /// The number of its last list.
    pub crl_number: i64,
    /// Who sat at the keyboard, as far as the system tells.
    pub operator: String,
    /// When, RFC 3339, by the host's clock.
    pub at: String,
    /// The program that took it over.
    pub program: String,
}

impl Import {
    /// Tells of the take-over, signed by the authority's own key.
    ///
    /// # Errors
    /// [`TranscriptError`].
    pub async fn transcript(
        &self,
        key: &dyn SigningKey,
        operator: &str,
        at: OffsetDateTime,
    ) -> Result<String, TranscriptError> {
        let transcript = ImportTranscript {
            format: FORMAT,
            authority: self.id.clone(),
            certificate_sha256: sha256_hex(&self.certificate_der),
            import_sha256: hex::encode(self.hash()),
            certificates: self.issued.len(),
            revoked: self.list.entries.len(),
            crl_number: self.list.number,
            operator: operator.to_owned(),
            at: at.format(&Rfc3339).map_err(|_| TranscriptError::Time)?,
            program: concat!("sekisho-ca ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        jws::sign(&transcript, typ::CEREMONY_IMPORT, [(SIGNER, key)]).await
    }
}

/// Verifies the transcript of a take-over by the authority's certificate. Whether its hash is the one that
/// was reviewed is for the caller to compare.
///
/// # Errors
/// [`TranscriptError`]: the first thing that does not fit.
pub fn verify_import_transcript(
    transcript: &[u8],
    certificate_der: &[u8],
) -> Result<ImportTranscript, TranscriptError> {
    let unreadable = || TranscriptError::Malformed("the authority's certificate cannot be read");
    let spki_der = public_key_of(certificate_der).ok_or_else(unreadable)?;
    let signers = vec![(SIGNER, spki_der.as_slice())];
    let transcript: ImportTranscript = jws::verify(transcript, typ::CEREMONY_IMPORT, signers)?;
    if transcript.certificate_sha256 == sha256_hex(certificate_der) {
        Ok(transcript)
    } else {
        Err(TranscriptError::OtherStatement)
    }
}
