//! The family can match this subject: OpenIKED, for one, fails on anything outside ASCII
//! (certificate policy §7.1.17).

use sekisho_pki::encoding::name;

use super::{Subject, Verdict, ensure, target};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let Some(target) = target(subject) else { return Ok(()) };
    for attribute in subject.certificate.tbs_certificate().subject().iter() {
        let ascii = name::text(&attribute.value).is_some_and(|text| text.is_ascii());
        ensure(ascii || !target.ascii_subject(), || {
            format!("{} cannot use a subject outside ASCII ({})", target.family(), attribute.oid)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sekisho_pki::encoding::name::{Part, name};

    use crate::lint::examples::Example;

    #[test]
    fn japanese_in_the_subject_is_refused_for_openiked_and_said_to_be() {
        let mut example = Example::new("router_openiked");
        example.passes();
        example.approved.subject = name(&[Part::CommonName("東京医院")]).unwrap();
        let said = example.refuses("target_subject", |_| ());
        assert!(said.contains("OpenIKED"), "{said}");
    }
}
