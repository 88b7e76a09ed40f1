//! Whose My Number cards count: the configured certificates of the JPKI for user authentication.

use sekisho_pki::national::jpki::{
    JpkiError, JpkiRules, POLICY_AUTHENTICATION, UnjudgedJpkiCertificate,
};
use sekisho_protocol::trust::CardIssuer;
use time::{Duration, OffsetDateTime};

use crate::login::trust_folder::Issuers;

/// What a My Number card's certificate is judged against, but for revocation.
#[derive(Debug, Clone)]
pub struct JpkiTrust {
    issuers: Issuers,
    rules: JpkiRules,
}

impl JpkiTrust {
    /// Of configured certificates; `None` where there is none.
    pub(in crate::login) fn of(issuers: Issuers, most_status_age: Duration) -> Option<Self> {
        let rules = JpkiRules { most_status_age, ..JpkiRules::default() };
        (!issuers.card_issuers.is_empty()).then_some(Self { issuers, rules })
    }

    /// Authorities whose cards are of use.
    #[must_use]
    pub fn card_issuers(&self) -> &[CardIssuer] {
        &self.issuers.card_issuers
    }

    /// The policy that a certificate must assert, dotted decimal.
    #[must_use]
    pub fn accepted_policy() -> String {
        POLICY_AUTHENTICATION.to_string()
    }

    /// Judges everything but revocation. Issuers are the configured ones, found by their keys.
    ///
    /// # Errors
    /// [`JpkiError`].
    pub fn examine(
        &self,
        certificate_der: &[u8],
        now: OffsetDateTime,
    ) -> Result<UnjudgedJpkiCertificate, JpkiError> {
        let candidates: Vec<&[u8]> = self.issuers.authorities.iter().map(Vec::as_slice).collect();
        self.rules.examine(certificate_der, &candidates, &self.issuers.anchors, now)
    }
}
