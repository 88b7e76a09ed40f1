//! extendedKeyUsage exactly as the profile says (RFC 5280 §4.2.1.12).

use x509_cert::ext::pkix::ExtendedKeyUsage;

use super::{Subject, Verdict, ensure, extension};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let found =
        extension::<ExtendedKeyUsage>(subject)?.map(|(_, usage)| usage.0).unwrap_or_default();
    let expected = subject.context.approved.profile.extended_key_usage();
    ensure(found == expected, || format!("{found:?} instead of {expected:?}"))
}

#[cfg(test)]
mod tests {
    use const_oid::db::rfc5280;
    use x509_cert::ext::pkix::ExtendedKeyUsage;

    use crate::lint::examples::Example;

    #[test]
    fn a_terminal_that_would_be_a_server_is_refused() {
        Example::new("terminal").refuses("purpose", |tbs| {
            Example::replace(
                tbs,
                &ExtendedKeyUsage(vec![rfc5280::ID_KP_CLIENT_AUTH, rfc5280::ID_KP_SERVER_AUTH]),
            );
        });
        Example::new("terminal").refuses("purpose", |tbs| {
            Example::remove::<ExtendedKeyUsage>(tbs);
        });
    }
}
