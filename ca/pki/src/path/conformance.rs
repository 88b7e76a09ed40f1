//! What RFC 5280 §4 asks of who issues, where §6 does not look: a certificate that breaks it was
//! made carelessly or crookedly, and programs differ in how they take it.

use super::{PathError, certificate::Parsed};

/// Refuses what breaks a rule. `issuer_key` is the key that signed it, DER.
pub(super) fn check(certificate: &Parsed<'_>, issuer_key: &[u8]) -> Result<(), PathError> {
    // Negative ones are read: NIST's PKITS, 4.1.14 and 4.1.15, wants it, as §4.1.2.2 advises.
    if certificate.serial == [0] {
        return refuse(certificate, "the serial number is zero (section 4.1.2.2)");
    }
    // Only who signed itself may leave it out.
    let self_signed = certificate.is_self_issued() && certificate.public_key_der == issuer_key;
    if !certificate.has_authority_key && !self_signed {
        return refuse(certificate, "authorityKeyIdentifier is missing (section 4.2.1.1)");
    }
    extensions(certificate, self_signed)
}

/// The same for a trust anchor: roots in use have the serial number zero, and who signed one, if
/// not itself, is no concern of its path.
pub(super) fn check_anchor(anchor: &Parsed<'_>) -> Result<(), PathError> {
    // Intermediate authorities are let off: PKITS 4.6.4 wants it.
    if !anchor.basic_constraints_is_critical {
        return refuse(anchor, "basicConstraints is not critical (section 4.2.1.9)");
    }
    // What calls itself its own issuer is taken to have signed itself.
    extensions(anchor, anchor.is_self_issued())
}

fn extensions(certificate: &Parsed<'_>, self_signed: bool) -> Result<(), PathError> {
    if let Some(what) = certificate.not_critical {
        return refuse(certificate, what);
    }
    if certificate.is_authority() && certificate.subject_key.is_none() {
        return refuse(certificate, "subjectKeyIdentifier is missing (section 4.2.1.2)");
    }
    match (certificate.authority_key, certificate.subject_key) {
        (None, _) if certificate.has_authority_key => {
            refuse(certificate, "authorityKeyIdentifier names no key (section 4.2.1.1)")
        }
        (Some(authority), Some(subject)) if self_signed && authority != subject => refuse(
            certificate,
            "it signed itself, but its authorityKeyIdentifier names another key (section 4.2.1.1)",
        ),
        _ => Ok(()),
    }
}

fn refuse(certificate: &Parsed<'_>, what: &'static str) -> Result<(), PathError> {
    Err(PathError::NonConforming { which: certificate.which(), what })
}

#[cfg(test)]
mod tests {
    use super::{
        super::certificate::tests::{certificate, extension},
        *,
    };

    /// Why `change` makes a conforming certificate of an authority break a rule.
    fn fault(
        judge: impl Fn(&Parsed<'_>) -> Result<(), PathError>,
        change: impl FnOnce(&mut Parsed<'_>),
    ) -> Option<&'static str> {
        let der = certificate(
            2,
            &[
                &extension(19, true, b"\x30\x03\x01\x01\xff"),
                &extension(14, false, b"\x04\x03key"),
                &extension(35, false, b"\x30\x05\x80\x03key"),
            ],
        );
        let mut parsed = Parsed::parse(&der, usize::MAX).unwrap();
        change(&mut parsed);
        match judge(&parsed) {
            Ok(()) => None,
            Err(PathError::NonConforming { what, .. }) => Some(what),
            Err(other) => panic!("{other}"),
        }
    }

    fn by_another(one: &Parsed<'_>) -> Result<(), PathError> {
        check(one, b"another key")
    }

    fn by_itself(one: &Parsed<'_>) -> Result<(), PathError> {
        check(one, one.public_key_der)
    }

    #[test]
    fn each_rule_is_asked() {
        let of = |change: fn(&mut Parsed<'_>)| fault(by_another, change);
        assert_eq!(of(|_| ()), None);
        assert_eq!(of(|one| one.serial = &[0xff]), None, "PKITS 4.1.14");
        assert!(of(|one| one.serial = &[0]).unwrap().contains("zero"));
        assert!(of(|one| one.not_critical = Some("x")).unwrap().contains('x'));
        assert!(of(|one| one.subject_key = None).unwrap().contains("subjectKey"));
        assert!(of(|one| one.authority_key = None).unwrap().contains("names no key"));
    }

    #[test]
    fn what_must_be_critical_is_noticed() {
        for (last, value) in [(30, &b"\x30\x06\xa0\x04\x30\x02\x82\x00"[..]), (54, &[2, 1, 0])] {
            for critical in [false, true] {
                let authority = extension(19, true, b"\x30\x03\x01\x01\xff");
                let der = certificate(2, &[&authority, &extension(last, critical, value)]);
                let parsed = Parsed::parse(&der, usize::MAX).unwrap();
                assert_eq!(parsed.not_critical.is_none(), critical, "{last}");
            }
        }
    }

    #[test]
    fn who_signed_itself_need_not_name_its_key_but_must_not_name_another() {
        fn silent(one: &mut Parsed<'_>) {
            one.authority_key = None;
            one.has_authority_key = false;
        }
        assert_eq!(fault(by_itself, silent), None);
        assert!(fault(by_another, silent).is_some());
        let keyless = |one: &mut Parsed<'_>| one.authority_key = None;
        assert!(fault(by_itself, keyless).unwrap().contains("names no key"));
        let elsewhere = |one: &mut Parsed<'_>| one.authority_key = Some(b"another");
        assert!(fault(by_itself, elsewhere).unwrap().contains("another key"));
        assert_eq!(fault(by_another, elsewhere), None);
    }

    #[test]
    fn an_anchor_says_critically_that_it_is_an_authority() {
        assert_eq!(fault(check_anchor, |_| ()), None);
        let lax = |one: &mut Parsed<'_>| one.basic_constraints_is_critical = false;
        assert!(fault(check_anchor, lax).unwrap().contains("basicConstraints"));
        // Roots in use.
        assert_eq!(fault(check_anchor, |one| one.serial = &[0]), None);
    }
}
