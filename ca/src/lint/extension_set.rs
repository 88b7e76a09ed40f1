//! Only known extensions, each once; critical are basicConstraints and keyUsage and no other
//! (certificate policy §7.1: IKE daemons refuse what they do not know when it is critical).

use const_oid::db::{rfc5280, rfc6960::ID_PKIX_OCSP_NOCHECK};

use super::{Subject, Verdict, ensure};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    const KNOWN: [const_oid::ObjectIdentifier; 10] = [
        rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER,
        rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER,
        rfc5280::ID_CE_KEY_USAGE,
        rfc5280::ID_CE_EXT_KEY_USAGE,
        rfc5280::ID_CE_CERTIFICATE_POLICIES,
        rfc5280::ID_CE_SUBJECT_ALT_NAME,
        rfc5280::ID_CE_BASIC_CONSTRAINTS,
        rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS,
        rfc5280::ID_PE_AUTHORITY_INFO_ACCESS,
        ID_PKIX_OCSP_NOCHECK,
    ];
    let mut seen = Vec::new();
    for extension in subject.certificate.tbs_certificate().extensions().into_iter().flatten() {
        let oid = extension.extn_id;
        ensure(KNOWN.contains(&oid), || format!("unknown extension {oid}"))?;
        ensure(!seen.contains(&oid), || format!("extension {oid} stands twice"))?;
        seen.push(oid);
        let should = [rfc5280::ID_CE_BASIC_CONSTRAINTS, rfc5280::ID_CE_KEY_USAGE].contains(&oid);
        ensure(extension.critical == should, || {
            format!("extension {oid}: critical is {}", extension.critical)
        })?;
    }
    let no_check = seen.contains(&ID_PKIX_OCSP_NOCHECK);
    ensure(no_check == subject.context.approved.profile.ocsp_no_check(), || {
        "id-pkix-ocsp-nocheck is not as the profile says".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use const_oid::ObjectIdentifier;

    use crate::lint::examples::Example;

    #[test]
    fn an_unknown_extension_is_refused() {
        Example::new("terminal").refuses("extension_set", |tbs| {
            let mut stranger = tbs.extensions[0].clone();
            stranger.extn_id = ObjectIdentifier::new_unwrap("1.2.3.4");
            tbs.extensions.push(stranger);
        });
    }

    #[test]
    fn a_repeated_or_wrongly_critical_extension_is_refused() {
        Example::new("terminal").refuses("extension_set", |tbs| {
            tbs.extensions.push(tbs.extensions[0].clone());
        });
        for place in 0..9 {
            Example::new("terminal").refuses("extension_set", |tbs| {
                tbs.extensions[place].critical ^= true;
            });
        }
    }

    #[test]
    fn a_responder_without_nocheck_is_refused() {
        Example::new("ocsp_responder").refuses("extension_set", |tbs| {
            tbs.extensions.pop();
        });
    }
}
