//! Version 3, since extensions are present (RFC 5280 §4.1.2.1).

use x509_cert::certificate::Version;

use super::{Subject, Verdict, ensure};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let version = subject.certificate.tbs_certificate().version();
    ensure(version == Version::V3, || format!("version is {version:?}"))
}

#[cfg(test)]
mod tests {
    use x509_cert::certificate::Version;

    use crate::lint::examples::Example;

    #[test]
    fn version_2_is_refused() {
        Example::new("terminal").refuses("version", |tbs| tbs.version = Version::V2);
    }
}
