//! The family finds its peer's identity in the subject alternative name: the commonName is never
//! used (RFC 4945 §3.1; certificate policy §7.1.17).

use x509_cert::ext::pkix::{SubjectAltName, name::GeneralName};

use super::{Subject, Verdict, ensure, extension, target};
use crate::profile::NameForm;

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let Some(target) = target(subject) else { return Ok(()) };
    let found = extension::<SubjectAltName>(subject)?.map(|(_, names)| names.0).unwrap_or_default();
    let usable = found.iter().any(|name| match name {
        GeneralName::DnsName(_) => target.names().contains(&NameForm::DnsName),
        GeneralName::IpAddress(_) => target.names().contains(&NameForm::IpAddress),
        _ => false,
    });
    ensure(usable, || {
        format!("{} matches its peer by {:?} and finds none", target.family(), target.names())
    })
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use x509_cert::ext::pkix::{SubjectAltName, name::GeneralName};

    use crate::lint::examples::Example;

    #[test]
    fn without_an_alternative_name_no_peer_could_be_matched() {
        for family in ["router", "router_strongswan", "router_libreswan", "router_openiked"] {
            Example::new(family).refuses("target_names", |tbs| {
                Example::remove::<SubjectAltName>(tbs);
            });
            let mut example = Example::new(family);
            example.approved.alternative_names.truncate(1);
            example.refuses("target_names", |_| ());
        }
    }

    #[test]
    fn windows_needs_a_host_name_and_an_address_does_not_help() {
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let mut example = Example::new("router_windows");
        example.approved.alternative_names.push(GeneralName::from(address));
        example.passes();
        example.approved.alternative_names.remove(1);
        example.refuses("target_names", |_| ());
    }
}
