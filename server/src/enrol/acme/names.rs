//! Which names are a service's own: the hosts of the addresses that it is registered with, which the
//! operating body approved. What a client asks for adds nothing.

use std::collections::BTreeSet;

use der::Decode;
use sekisho_ca::registration::dns_name;
use sekisho_store::service::Service;
use serde::Deserialize;
use url::{Host, Url};
use x509_cert::{
    Certificate,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use crate::error::acme::{AcmeError, NameFault};

/// As the profile of servers has room for (certificate policy §7.1.16).
const MOST: usize = 10;
/// Of all names of an order together.
const MOST_CHARACTERS: usize = 600;

/// What an order names (RFC 8555 §9.7.7).
#[derive(Debug, Deserialize)]
pub(super) struct Identifier {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

/// The names of a service that can be certified.
#[must_use]
pub fn of(service: &Service) -> BTreeSet<String> {
    let addresses = service
        .redirect_uris
        .iter()
        .chain(&service.logout_uris)
        .chain(&service.backchannel_logout_uri)
        .chain([&service.home_url]);
    let hosts = addresses.filter_map(|address| match Url::parse(address).ok()?.host()? {
        Host::Domain(name) => Some(name.to_owned()),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    });
    hosts.filter(|name| dns_name::check(name).is_ok()).collect()
}

/// The names that an order is for, each once.
///
/// # Errors
/// `unsupportedIdentifier`, `rejectedIdentifier`, `malformed`: with a word on each name.
pub(super) fn ordered(
    identifiers: &[Identifier],
    service: &Service,
) -> Result<Vec<String>, AcmeError> {
    if identifiers.is_empty() || identifiers.len() > MOST {
        return Err(AcmeError::malformed(format!("an order is for 1 to {MOST} names")));
    }
    let own = of(service);
    let mut names = Vec::new();
    let mut refused = Vec::new();
    for Identifier { kind, value } in identifiers {
        // DNS names are compared without case (RFC 4343).
        let name = value.to_ascii_lowercase();
        let fault = if kind != "dns" {
            Some(("unsupportedIdentifier", "only DNS names are certified".to_owned()))
        } else if name.starts_with("*.") {
            Some(("rejectedIdentifier", "no wildcard is certified: order each name".to_owned()))
        } else if let Err(error) = dns_name::check(&name) {
            Some(("rejectedIdentifier", error.to_string()))
        } else if !own.contains(&name) {
            Some(("rejectedIdentifier", "the service is not registered with this host".to_owned()))
        } else if names.contains(&name) {
            Some(("malformed", "it is ordered twice".to_owned()))
        } else {
            None
        };
        match fault {
            Some((kind_of_fault, detail)) => refused.push(NameFault {
                identifier: (kind.clone(), value.clone()),
                kind: kind_of_fault,
                detail,
            }),
            None => names.push(name),
        }
    }
    let Some(kind) = refused.first().map(|fault| fault.kind) else {
        if names.iter().map(String::len).sum::<usize>() > MOST_CHARACTERS {
            let detail = format!(
                "the names have together more than {MOST_CHARACTERS} characters; order them apart"
            );
            return Err(AcmeError::bad_request("rejectedIdentifier", detail));
        }
        return Ok(names);
    };
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let detail = format!(
        "not every name can be certified; those of service {} are: {}",
        service.id,
        own.join(", ")
    );
    Err(AcmeError { of_names: refused, ..AcmeError::bad_request(kind, detail) })
}

/// The DNS names in a certificate.
pub(super) fn in_certificate(der: &[u8]) -> BTreeSet<String> {
    let certificate = Certificate::from_der(der).ok();
    let extension = certificate
        .and_then(|read| read.tbs_certificate().get_extension::<SubjectAltName>().ok().flatten());
    let names = extension.map_or_else(Vec::new, |(_, names)| names.0);
    let dns = names.into_iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
        _ => None,
    });
    dns.collect()
}
