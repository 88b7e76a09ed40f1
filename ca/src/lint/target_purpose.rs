//! The family accepts the extendedKeyUsage: one of the purposes that it takes, and all that it needs
//! (RFC 4945 §5.1.3.12; certificate policy §7.1.17).

use x509_cert::ext::pkix::ExtendedKeyUsage;

use super::{Subject, Verdict, ensure, extension, target};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let Some(target) = target(subject) else { return Ok(()) };
    let found = extension::<ExtendedKeyUsage>(subject)?.map(|(_, usage)| usage.0);
    let purposes = found.as_deref().unwrap_or_default();
    ensure(
        found.is_none() || purposes.iter().any(|oid| target.purposes_one_of().contains(oid)),
        || format!("{} refuses the purposes {purposes:?}", target.family()),
    )?;
    match target.purposes_all_of().iter().find(|oid| !purposes.contains(oid)) {
        Some(missing) => Err(format!("{} needs the purpose {missing}", target.family())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use const_oid::db::rfc5280;
    use x509_cert::ext::pkix::ExtendedKeyUsage;

    use crate::lint::examples::Example;

    #[test]
    fn code_signing_alone_is_refused_for_libreswan() {
        Example::new("router_libreswan").passes();
        Example::new("router_libreswan").refuses("target_purpose", |tbs| {
            Example::replace(tbs, &ExtendedKeyUsage(vec![rfc5280::ID_KP_CODE_SIGNING]));
        });
    }

    #[test]
    fn windows_needs_server_auth() {
        for purposes in [vec![rfc5280::ID_KP_CLIENT_AUTH], vec![]] {
            Example::new("router_windows").refuses("target_purpose", |tbs| {
                Example::replace(tbs, &ExtendedKeyUsage(purposes));
            });
        }
        Example::new("router_windows").refuses("target_purpose", |tbs| {
            Example::remove::<ExtendedKeyUsage>(tbs);
        });
    }
}
