//! The family signs with the key: where keyUsage is present, one of the bits that it asks for is set
//! (RFC 4945 §5.1.3.2; certificate policy §7.1.17).

use x509_cert::ext::pkix::KeyUsage;

use super::{Subject, Verdict, ensure, extension, target};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let Some(target) = target(subject) else { return Ok(()) };
    let Some((_, found)) = extension::<KeyUsage>(subject)? else { return Ok(()) };
    ensure(!(found.0 & target.key_usage_one_of()).is_empty(), || {
        format!(
            "{} refuses a keyUsage of {:?}: it needs one of {:?}",
            target.family(),
            found.0,
            target.key_usage_one_of()
        )
    })
}

#[cfg(test)]
mod tests {
    use x509_cert::ext::pkix::{KeyUsage, KeyUsages};

    use crate::lint::examples::Example;

    #[test]
    fn key_encipherment_or_non_repudiation_alone_is_refused() {
        for alone in [KeyUsages::KeyEncipherment, KeyUsages::NonRepudiation] {
            for family in ["router", "router_strongswan", "router_libreswan"] {
                Example::new(family).refuses("target_key_usage", |tbs| {
                    Example::replace(tbs, &KeyUsage(alone.into()));
                });
            }
        }
    }
}
