//! Which addresses of a client are acceptable.

use url::{Host, Url};

use crate::{config::Config, names::NameRole};

/// Why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Longer than 2,048 octets, not ASCII, or not a URL.
    #[error("not a URL of at most 2048 printable ASCII characters")]
    NotAUrl,
    /// Not written the way a browser writes it, so that a comparison by octets would fail.
    #[error("not in normal form; write it as {0:?}")]
    NotNormal(String),
    /// Not `https`.
    #[error("must begin with https://")]
    NotHttps,
    /// `user:password@`.
    #[error("must not hold a user name or a password")]
    UserInfo,
    /// `#…` (RFC 6749 §3.1.2).
    #[error("must not have a fragment")]
    Fragment,
    /// This machine; see `oidc.allow_loopback_clients`.
    #[error("leads to the loopback interface; `oidc.allow_loopback_clients` is off")]
    Loopback,
    /// One of our own names.
    #[error("is one of this service's own names")]
    OwnName,
}

/// Checks an address of a client.
///
/// # Errors
/// [`AddressError`].
pub fn check(config: &Config, text: &str) -> Result<Url, AddressError> {
    if text.len() > 2048 || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(AddressError::NotAUrl);
    }
    let url = Url::parse(text).map_err(|_| AddressError::NotAUrl)?;
    if url.as_str() != text {
        return Err(AddressError::NotNormal(url.into()));
    }
    if url.fragment().is_some() && !seeded!(FragmentRegistered) {
        return Err(AddressError::Fragment);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::UserInfo);
    }
    let loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => return Err(AddressError::NotAUrl),
    };
    if loopback && !config.oidc().allow_loopback_clients() {
        return Err(AddressError::Loopback);
    }
    if url.scheme() != "https" && !(loopback && url.scheme() == "http") {
        return Err(AddressError::NotHttps);
    }
    if is_ours(config, &url) {
        return Err(AddressError::OwnName);
    }
    Ok(url)
}

/// Whether an address has one of our names, whatever the port: no service has.
pub(super) fn is_ours(config: &Config, url: &Url) -> bool {
    let mut roles = NameRole::TLS.into_iter().chain([NameRole::Plain]);
    roles.any(|role| url.host_str() == Some(config.host_names().host(role)))
}
