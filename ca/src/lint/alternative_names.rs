//! subjectAltName as approved and as the profile says; a facility's identifier is the one of the
//! subject's serialNumber, DNS names are plain (certificate policy §3.1, §7.1.12 to §7.1.14).

use const_oid::db::rfc4519;
use sekisho_pki::encoding::{
    name::only_text,
    permanent_identifier::{ID_ON_PERMANENT_IDENTIFIER, facility_of},
};
use x509_cert::ext::pkix::{SubjectAltName, name::GeneralName};

use super::{Subject, Verdict, ensure, extension};
use crate::profile::AlternativeNames;
use crate::registration::dns_name;

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let found = extension::<SubjectAltName>(subject)?.map(|(_, names)| names.0).unwrap_or_default();
    ensure(found == subject.context.approved.alternative_names, || {
        "not the approved names".to_owned()
    })?;
    let (mut facilities, mut networks) = (0, 0);
    for name in &found {
        match name {
            GeneralName::OtherName(other) if other.type_id == ID_ON_PERMANENT_IDENTIFIER => {
                facilities += 1;
            }
            GeneralName::DnsName(name) => {
                dns_name::check(name.as_str()).map_err(|error| error.to_string())?;
                networks += 1;
            }
            GeneralName::IpAddress(octets) => {
                ensure([4, 16].contains(&octets.as_bytes().len()), || {
                    "an address of neither IPv4 nor IPv6".to_owned()
                })?;
                networks += 1;
            }
            _ => return Err("a form of name that no profile has".to_owned()),
        }
    }
    let rule = subject.context.approved.profile.alternative_names();
    let fits = match rule {
        AlternativeNames::None => facilities == 0 && networks == 0,
        AlternativeNames::Facility => facilities == 1 && networks == 0,
        AlternativeNames::FacilityAndNetworkNames => facilities == 1 && networks > 0,
        AlternativeNames::DnsNames => facilities == 0 && networks > 0,
    };
    ensure(fits, || {
        format!("{facilities} facilities and {networks} network names under {rule:?}")
    })?;
    if facilities == 1 {
        let facility = facility_of(subject.certificate).map_err(|error| error.to_string())?;
        let serial_number =
            only_text(subject.certificate.tbs_certificate().subject(), rfc4519::SERIAL_NUMBER);
        ensure(serial_number == Some(facility.to_string()), || {
            "the subject's serialNumber is not the facility identifier".to_owned()
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use der::asn1::Ia5String;
    use sekisho_pki::{
        encoding::permanent_identifier::facility_name,
        national::facility_identifier::FacilityIdentifier,
    };
    use x509_cert::ext::pkix::{SubjectAltName, name::GeneralName};

    use crate::lint::examples::Example;

    #[test]
    fn names_that_were_not_approved_are_refused() {
        Example::new("terminal").refuses("alternative_names", |tbs| {
            Example::remove::<SubjectAltName>(tbs);
        });
        Example::new("server").refuses("alternative_names", |tbs| {
            let name = Ia5String::new("other.example").unwrap();
            Example::replace(tbs, &SubjectAltName(vec![GeneralName::DnsName(name)]));
        });
    }

    #[test]
    fn another_facility_than_the_subjects_is_refused() {
        let mut example = Example::new("terminal");
        let other = FacilityIdentifier::from_random(99);
        example.approved.alternative_names = vec![facility_name(other).unwrap()];
        example.refuses("alternative_names", |_| ());
    }

    #[test]
    fn a_wildcard_and_an_unknown_form_are_refused() {
        for name in ["*.example", "a_b.example", "", "a..b"] {
            let mut example = Example::new("server");
            let name = GeneralName::DnsName(Ia5String::new(name).unwrap());
            example.approved.alternative_names = vec![name];
            example.refuses("alternative_names", |_| ());
        }
        let mut example = Example::new("server");
        let mail = GeneralName::Rfc822Name(Ia5String::new("a@example").unwrap());
        example.approved.alternative_names = vec![mail];
        example.refuses("alternative_names", |_| ());
    }
}
