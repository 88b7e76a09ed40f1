//! Why something was taken back, in words.

use sekisho_ca::revocation::RevocationReason;

use crate::revocation;

/// Message key of the cause of a terminal's end, as stored: a reason of the form, of the operator's
/// command ([`revocation::cause`]), or that the organisation was closed.
pub(super) fn words_of_cause(cause: &str) -> &'static str {
    match cause {
        "lost" => "terminals-reason-lost",
        "compromised" => "terminals-reason-compromised",
        "retired" => "terminals-reason-retired",
        "replaced" => "terminals-reason-replaced",
        "other" => "terminals-reason-other",
        "organisation_closed" => "terminals-reason-organisation-closed",
        "key_compromise" => "terminals-reason-key-compromise",
        "ca_compromise" => "terminals-reason-ca-compromise",
        "affiliation_changed" => "terminals-reason-affiliation",
        // Of what a newer one took the place of, the kind of event says that there was one.
        "superseded" => "terminals-reason-to-be-replaced",
        "cessation_of_operation" => "terminals-reason-cessation",
        "certificate_hold" => "terminals-reason-hold",
        "privilege_withdrawn" => "terminals-reason-privilege",
        // None was given, or it is one of a later version.
        _ => "terminals-reason-untold",
    }
}

/// Message key of a CRLReason.
pub(super) fn words_of_crl_reason(code: u8) -> &'static str {
    words_of_cause(RevocationReason::from_code(code).map_or("", revocation::cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_but_none_at_all_has_words_of_its_own() {
        let mut words: Vec<_> =
            RevocationReason::ALL.map(|reason| words_of_crl_reason(reason.code())).into();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), RevocationReason::ALL.len());
        assert_eq!(words_of_crl_reason(0), "terminals-reason-untold");
        assert_eq!(words_of_crl_reason(7), "terminals-reason-untold");
    }
}
