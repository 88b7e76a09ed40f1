//! The subject is the approved one: not empty, printable ASCII of at most 64 characters a part,
//! one attribute an RDN, each type once but for OU (certificate policy §3.1; routers were seen to
//! refuse Japanese in a DN).

use const_oid::db::rfc4519;
use der::Tag;
use sekisho_pki::encoding::name::{self, MOST_CHARACTERS};

use super::{Subject, Verdict, ensure};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let found = subject.certificate.tbs_certificate().subject();
    let approved = &subject.context.approved.subject;
    ensure(!found.is_empty(), || "the subject is empty".to_owned())?;
    ensure(found == approved, || format!("{found} instead of the approved {approved}"))?;
    let mut seen = Vec::new();
    for rdn in found.iter_rdn() {
        ensure(rdn.len() == 1, || "an RDN with several attributes".to_owned())?;
        for attribute in rdn.iter() {
            let oid = attribute.oid;
            let text = name::text(&attribute.value)
                .ok_or_else(|| format!("{oid} is no UTF8String or PrintableString"))?;
            ensure(
                !text.is_empty()
                    && text.len() <= MOST_CHARACTERS
                    && text.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
                || format!("{oid} is empty, longer than {MOST_CHARACTERS} or not ASCII"),
            )?;
            let printable = [rfc4519::COUNTRY_NAME, rfc4519::SERIAL_NUMBER].contains(&oid);
            let tag = der::Tagged::tag(&attribute.value);
            ensure(!printable || tag == Tag::PrintableString, || {
                format!("{oid} must be a PrintableString (RFC 5280 appendix A.1)")
            })?;
            ensure(oid == rfc4519::ORGANIZATIONAL_UNIT_NAME || !seen.contains(&oid), || {
                format!("{oid} stands twice")
            })?;
            seen.push(oid);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sekisho_pki::encoding::name::{Part, name};
    use x509_cert::name::Name;

    use crate::lint::examples::Example;

    #[test]
    fn a_subject_that_was_not_approved_is_refused() {
        Example::new("terminal").refuses("subject", |tbs| tbs.subject = Name::default());
        Example::new("terminal").refuses("subject", |tbs| {
            tbs.subject = name(&[Part::CommonName("T0000000000")]).unwrap();
        });
    }

    #[test]
    fn japanese_and_repeated_parts_are_refused_even_if_approved() {
        for parts in
            [&[Part::CommonName("外来1号機")][..], &[Part::CommonName("a"), Part::CommonName("b")]]
        {
            let mut example = Example::new("terminal");
            example.approved.subject = name(parts).unwrap();
            example.refuses("subject", |_| ());
        }
    }
}
