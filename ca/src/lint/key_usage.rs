//! keyUsage exactly as the profile says (RFC 5280 §4.2.1.3).

use x509_cert::ext::pkix::KeyUsage;

use super::{Subject, Verdict, ensure, extension};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let (_, found) = extension::<KeyUsage>(subject)?.ok_or("keyUsage is missing")?;
    let expected = subject.context.approved.profile.key_usage();
    ensure(found.0 == expected, || format!("{:?} instead of {expected:?}", found.0))
}

#[cfg(test)]
mod tests {
    use x509_cert::ext::pkix::{KeyUsage, KeyUsages};

    use crate::lint::examples::Example;

    #[test]
    fn more_less_and_no_usage_are_refused() {
        Example::new("terminal").refuses("key_usage", |tbs| {
            Example::replace(tbs, &KeyUsage(KeyUsages::DigitalSignature | KeyUsages::KeyCertSign));
        });
        Example::new("issuing").refuses("key_usage", |tbs| {
            Example::replace(tbs, &KeyUsage(KeyUsages::CRLSign.into()));
        });
        Example::new("terminal").refuses("key_usage", Example::remove::<KeyUsage>);
    }
}
