//! Whose certificate it should be (RFC 9525 for servers, RFC 5280 §4.2.1.6 for mailboxes).

use std::net::IpAddr;

use super::{
    PathError,
    certificate::Parsed,
    general_name::{GeneralName, ip},
    name_constraints::{mailbox, valid_host},
};

/// A name that the end entity must have in subjectAltName. The subject's commonName is not looked
/// at (RFC 9525 §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerName {
    /// A host, in ASCII.
    Dns(String),
    /// An address.
    Ip(IpAddr),
    /// A mailbox.
    Email(String),
}

/// Why a text is no name that could be looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a {1}")]
pub struct PeerNameError(String, &'static str);

impl PeerName {
    /// A host name in A-labels; a dot at the end means nothing.
    ///
    /// # Errors
    /// [`PeerNameError`].
    pub fn dns(text: &str) -> Result<Self, PeerNameError> {
        let host = text.strip_suffix('.').unwrap_or(text);
        let address = host.parse::<IpAddr>().is_ok();
        match valid_host(host).filter(|_| !address) {
            Some(host) => Ok(Self::Dns(host.to_ascii_lowercase())),
            None => Err(PeerNameError(text.to_owned(), "host name in ASCII (A-labels)")),
        }
    }

    /// A mailbox: local part, `@`, host.
    ///
    /// # Errors
    /// [`PeerNameError`].
    pub fn email(text: &str) -> Result<Self, PeerNameError> {
        match mailbox(text) {
            Some(_) => Ok(Self::Email(text.to_owned())),
            None => Err(PeerNameError(text.to_owned(), "mailbox")),
        }
    }

    fn is(&self, name: &GeneralName<'_>) -> bool {
        match (self, name) {
            (Self::Dns(host), GeneralName::Dns(pattern)) => host_matches(host, pattern),
            (Self::Ip(address), GeneralName::Ip(octets)) => ip(octets) == Some(*address),
            (Self::Email(wanted), GeneralName::Rfc822(found)) => {
                match (mailbox(wanted), mailbox(found)) {
                    // The local part is the mailbox's host's affair, hence exact.
                    (Some((left, at)), Some((right, host))) => {
                        left == right && at.eq_ignore_ascii_case(host)
                    }
                    _ => false,
                }
            }
            _ => false,
        }
    }

    pub(super) fn check(&self, certificate: &Parsed<'_>) -> Result<(), PathError> {
        if certificate.alternative_names.iter().any(|name| self.is(name)) {
            return Ok(());
        }
        Err(PathError::NameMismatch {
            which: certificate.which(),
            wanted: self.to_string(),
            found: certificate.alternative_names.iter().take(8).map(ToString::to_string).collect(),
        })
    }
}

impl std::fmt::Display for PeerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(host) => write!(f, "the host {host}"),
            Self::Ip(address) => write!(f, "the address {address}"),
            Self::Email(mailbox) => write!(f, "the mailbox {mailbox}"),
        }
    }
}

/// RFC 1123 §2.1 knows no underscore in the name of a host, so none is matched.
fn host_matches(host: &str, pattern: &str) -> bool {
    !host.contains('_') && labels_match(host, pattern)
}

/// RFC 9525 §6.3: a wildcard is the whole leftmost label, and stands for one label. It needs two
/// labels beside it, so that it does not stand for all of a top-level domain.
fn labels_match(host: &str, pattern: &str) -> bool {
    if let Some(parent) = pattern.strip_prefix("*.") {
        return parent.contains('.')
            && valid_host(parent).is_some()
            && host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent));
    }
    valid_host(pattern).is_some() && host.eq_ignore_ascii_case(pattern)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_match_whole_and_wildcards_one_label() {
        for (host, pattern, good) in [
            ("a.example.jp", "A.EXAMPLE.jp", true),
            ("a.example.jp", "*.example.jp", true),
            ("b.a.example.jp", "*.example.jp", false),
            ("example.jp", "*.example.jp", false),
            ("example.jp", "*.jp", false),
            ("abc.example.jp", "a*.example.jp", false),
            ("a.b.example.jp", "a.*.example.jp", false),
            ("example.jp", "example.jp.", false),
            ("jp", "*", false),
            ("a_b.example.jp", "a_b.example.jp", false),
        ] {
            assert_eq!(host_matches(host, pattern), good, "{host} {pattern}");
        }
    }

    #[test]
    fn texts_that_are_no_name_are_refused() {
        assert_eq!(PeerName::dns("Host.example.jp."), Ok(PeerName::Dns("host.example.jp".into())));
        for wrong in ["", "192.0.2.1", "*.example.jp", "日本.jp", "a b", "a..b"] {
            assert!(PeerName::dns(wrong).is_err(), "{wrong}");
        }
        assert!(PeerName::email("a@example.jp").is_ok());
        assert!(PeerName::email("example.jp").is_err());
    }

    proptest! {
        #[test]
        fn no_texts_panic(host: String, pattern: String) {
            let _ = (host_matches(&host, &pattern), PeerName::dns(&host), PeerName::email(&host));
        }
    }
}
