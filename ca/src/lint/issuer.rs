//! The issuer is the authority's subject, octet by octet (RFC 5280 §4.1.2.4, §6.1.3 a 4), and is
//! not empty; a self-signed certificate has itself for issuer, any other does not.

use super::{Subject, Verdict, ensure};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let tbs = subject.certificate.tbs_certificate();
    ensure(!tbs.issuer().is_empty(), || "the issuer is empty".to_owned())?;
    ensure(tbs.issuer() == subject.context.issuer.subject, || {
        format!("{} instead of {}", tbs.issuer(), subject.context.issuer.subject)
    })?;
    let same = tbs.issuer() == tbs.subject();
    ensure(same == subject.context.self_signed(), || {
        "issuer and subject are equal only in a trust anchor".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use x509_cert::name::Name;

    use crate::lint::examples::Example;

    #[test]
    fn another_issuer_is_refused() {
        Example::new("terminal").refuses("issuer", |tbs| {
            tbs.issuer = Name::from_str("CN=Another").unwrap();
        });
        Example::new("terminal").refuses("issuer", |tbs| tbs.issuer = Name::default());
    }

    #[test]
    fn a_subject_equal_to_the_issuer_is_refused() {
        Example::new("issuing").refuses("issuer", |tbs| tbs.subject = tbs.issuer.clone());
    }
}
