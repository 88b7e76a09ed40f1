//! Which names are a service's own: the hosts of the addresses that it is registered with, which the
//! operating body approved. What a client asks for adds nothing.

use std::collections::BTreeSet;

use sekisho_ca::registration::dns_name;
use sekisho_store::service::Service;
use serde::Deserialize;
use url::{Host, Url};

use crate::error::acme::AcmeError;

/// As the profile of servers has room for (certificate policy §7.1.16).
const MOST: usize = 10;

/// What an order names (RFC 8555 §9.7.7).
#[derive(Debug, Deserialize)]
pub(super) struct Identifier {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

/// The names of a service that can be certified.
pub(super) fn of(service: &Service) -> BTreeSet<String> {
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
            Some((kind, detail)) => refused.push((value.clone(), kind, detail)),
            None => names.push(name),
        }
    }
    let Some((_, kind, _)) = refused.first() else { return Ok(names) };
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let detail = format!(
        "not every name can be certified; those of service {} are: {}",
        service.id,
        own.join(", ")
    );
    Err(AcmeError { of_names: refused.clone(), ..AcmeError::bad_request(kind, detail) })
}
