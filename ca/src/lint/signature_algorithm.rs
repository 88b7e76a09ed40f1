//! The algorithm inside is the issuer key's own, and the one outside is equal
//! (RFC 5280 §4.1.1.2).

use super::{Subject, Verdict, ensure};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let expected = subject.context.issuer.algorithm.identifier();
    let inside = subject.certificate.tbs_certificate().signature();
    let outside = subject.certificate.signature_algorithm();
    ensure(*inside == expected && inside == outside, || {
        format!("{} instead of {}", inside.oid, expected.oid)
    })
}

#[cfg(test)]
mod tests {
    use sekisho_key::SignatureAlgorithm;

    use crate::lint::examples::Example;

    #[test]
    fn another_algorithm_is_refused() {
        Example::new("terminal").refuses("signature_algorithm", |tbs| {
            tbs.signature = SignatureAlgorithm::RsaPkcs1Sha256.identifier();
        });
    }
}
