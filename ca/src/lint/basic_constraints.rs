//! basicConstraints as the profile says: an end entity is never an authority
//! (RFC 5280 §4.2.1.9).

use x509_cert::ext::pkix::BasicConstraints;

use super::{Subject, Verdict, ensure, extension};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let (critical, found) =
        extension::<BasicConstraints>(subject)?.ok_or("basicConstraints is missing")?;
    let rule = subject.context.approved.profile.authority();
    let expected = BasicConstraints {
        ca: rule.is_some(),
        path_len_constraint: rule.and_then(|rule| rule.path_length),
    };
    ensure(critical && found == expected, || {
        format!("{found:?}, critical {critical}, instead of {expected:?}")
    })
}

#[cfg(test)]
mod tests {
    use x509_cert::ext::pkix::BasicConstraints;

    use crate::lint::examples::Example;

    #[test]
    fn a_terminal_that_would_be_an_authority_is_refused() {
        Example::new("terminal").refuses("basic_constraints", |tbs| {
            Example::replace(tbs, &BasicConstraints { ca: true, path_len_constraint: None });
        });
    }

    #[test]
    fn an_issuing_authority_without_its_path_length_is_refused() {
        Example::new("issuing").refuses("basic_constraints", |tbs| {
            Example::replace(tbs, &BasicConstraints { ca: true, path_len_constraint: None });
        });
        Example::new("issuing").refuses("basic_constraints", |tbs| {
            Example::remove::<BasicConstraints>(tbs);
        });
    }
}
