//! The subject key identifier is that of the key, the authority key identifier that of the issuer
//! (RFC 5280 §4.2.1.1, §4.2.1.2).

use sekisho_pki::encoding::key_identifier::key_identifier;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectKeyIdentifier};

use super::{Subject, Verdict, ensure, extension};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let expected = key_identifier(&subject.context.approved.public_key_der)
        .map_err(|error| error.to_string())?;
    let (_, found) =
        extension::<SubjectKeyIdentifier>(subject)?.ok_or("the subject's is missing")?;
    ensure(found.0.as_bytes() == expected, || "the subject's is not that of the key".to_owned())?;
    let authority = extension::<AuthorityKeyIdentifier>(subject)?;
    if subject.context.self_signed() {
        return ensure(authority.is_none(), || {
            "a trust anchor does not point at itself".to_owned()
        });
    }
    let (_, authority) = authority.ok_or("the issuer's is missing")?;
    let fits = authority
        .key_identifier
        .is_some_and(|found| found.as_bytes() == subject.context.issuer.key_identifier);
    ensure(
        fits && authority.authority_cert_issuer.is_none()
            && authority.authority_cert_serial_number.is_none(),
        || "the issuer's is not that of its certificate".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use der::asn1::OctetString;
    use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectKeyIdentifier};

    use crate::lint::examples::Example;

    #[test]
    fn identifiers_of_other_keys_are_refused() {
        let other = OctetString::new([7; 20]).unwrap();
        Example::new("terminal").refuses("key_identifiers", |tbs| {
            Example::replace(tbs, &SubjectKeyIdentifier(other.clone()));
        });
        Example::new("terminal").refuses("key_identifiers", |tbs| {
            Example::replace(
                tbs,
                &AuthorityKeyIdentifier {
                    key_identifier: Some(other.clone()),
                    ..AuthorityKeyIdentifier::default()
                },
            );
        });
        Example::new("terminal").refuses("key_identifiers", |tbs| {
            Example::remove::<AuthorityKeyIdentifier>(tbs);
        });
    }
}
