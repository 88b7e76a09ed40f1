//! The one policy of the profile, without qualifiers (certificate policy §1.2, §7.1).

use x509_cert::ext::pkix::CertificatePolicies;

use super::{Subject, Verdict, ensure, extension};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let found = extension::<CertificatePolicies>(subject)?
        .map(|(_, policies)| policies.0)
        .unwrap_or_default();
    let expected = subject.context.approved.profile.policy();
    let fits = match (found.as_slice(), expected) {
        ([], None) => true,
        ([one], Some(oid)) => one.policy_identifier == oid && one.policy_qualifiers.is_none(),
        _ => false,
    };
    ensure(fits, || format!("{found:?} instead of {expected:?}"))
}

#[cfg(test)]
mod tests {
    use x509_cert::ext::pkix::{CertificatePolicies, certpolicy::PolicyInformation};

    use crate::lint::examples::Example;

    #[test]
    fn another_policy_or_none_is_refused() {
        Example::new("terminal").refuses("policy", |tbs| {
            Example::replace(
                tbs,
                &CertificatePolicies(vec![PolicyInformation {
                    policy_identifier: sekisho_wire::oid::POLICY_ROUTER,
                    policy_qualifiers: None,
                }]),
            );
        });
        Example::new("terminal").refuses("policy", |tbs| {
            Example::remove::<CertificatePolicies>(tbs);
        });
    }
}
