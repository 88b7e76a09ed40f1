//! What an enrolled terminal pins: fetched over its own TLS key at enrolment, and anew by a running agent.
//!
//! The document is believed because of the connection it came over (server chain to the pinned
//! root, client key of this terminal), never because of where it is stored.

use serde::{Deserialize, Serialize};

use crate::jwk::JwkSet;
use crate::octets::{Base64Url, Sha256Digest};
use crate::request::AgentVersion;

/// Path of the trust document on the enrolment name.
pub const TRUST_PATH: &str = "/terminal/trust";

/// The longest trust document that an agent reads, in octets.
pub const MAX_OCTETS: usize = 64 * 1024;

/// An authority whose cards are of use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardIssuer {
    /// DER of the subject name, compared octet by octet with the issuer name of card certificates.
    #[serde(rename = "subject_der_b64")]
    pub subject_der: Base64Url,
    /// SHA-256 of the DER SubjectPublicKeyInfo.
    pub spki_sha256: Sha256Digest,
}

/// An identifier and the name that people know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The identifier, never reassigned.
    pub id: String,
    /// The name, as of now.
    pub name: String,
}

/// `GET` [`TRUST_PATH`]: whom this terminal's agent obeys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalTrust {
    /// Issuer identifier that login requests carry.
    pub issuer: String,
    /// Origins whose pages may call the agent, as browsers write them.
    pub portal_origins: Vec<String>,
    /// Keys under which login requests are signed.
    pub login_request_keys: JwkSet,
    /// This terminal.
    pub terminal: Named,
    /// Its facility.
    pub facility: Named,
    /// Authorities whose cards are read ahead and offered.
    pub card_issuers: Vec<CardIssuer>,
    /// Certificate policies of which a card's certificate must assert one; dotted decimal.
    pub accepted_policies: Vec<String>,
    /// Where the agent reports removal and its heartbeat.
    pub presence_url: String,
    /// Older agents are asked to update.
    pub minimum_agent_version: AgentVersion,
    /// Whether the navigation door is open (managed policy unavailable).
    #[serde(default)]
    pub navigation: bool,
}

/// A trust document that cannot be pinned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// No origin, key or issuer: such a terminal could not log anybody in.
    #[error("the terminal trust document has no {0}")]
    Missing(&'static str),
    /// Not an `https` origin in the form that browsers write.
    #[error("{0:?} is not an https origin")]
    NotAnOrigin(String),
    /// Not an `https` address.
    #[error("the presence address {0:?} is not an https address")]
    PresenceAddress(String),
    /// A login request key has no name, so no request could choose it.
    #[error("a login request key has no kid")]
    NamelessKey,
}

impl TerminalTrust {
    /// Refuses what could not be obeyed or would weaken the door.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn check(&self) -> Result<(), TrustError> {
        if self.issuer.is_empty() {
            return Err(TrustError::Missing("issuer"));
        }
        if self.portal_origins.is_empty() {
            return Err(TrustError::Missing("portal origin"));
        }
        if self.login_request_keys.keys().is_empty() {
            return Err(TrustError::Missing("login request key"));
        }
        if self.login_request_keys.keys().iter().any(|key| key.kid().is_none()) {
            return Err(TrustError::NamelessKey);
        }
        for origin in &self.portal_origins {
            let exact = url::Url::parse(origin).is_ok_and(|url| {
                url.scheme() == "https" && url.origin().ascii_serialization() == *origin
            });
            if !exact {
                return Err(TrustError::NotAnOrigin(origin.clone()));
            }
        }
        let presence = url::Url::parse(&self.presence_url);
        if !presence.is_ok_and(|url| url.scheme() == "https" && url.has_host()) {
            return Err(TrustError::PresenceAddress(self.presence_url.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jws::tests::TestKey;

    fn sample() -> TerminalTrust {
        let key = TestKey::generate().public().named_by_thumbprint();
        TerminalTrust {
            issuer: "https://login.example".into(),
            portal_origins: vec!["https://terminal.example:8443".into()],
            login_request_keys: JwkSet::new(vec![key]).unwrap(),
            terminal: Named { id: "T0123456789".into(), name: "外来1号機".into() },
            facility: Named { id: "123456789015".into(), name: "架空クリニック".into() },
            card_issuers: vec![],
            accepted_policies: vec![],
            presence_url: "https://enrol.example/terminal/presence".into(),
            minimum_agent_version: "0.1.0".parse().unwrap(),
            navigation: false,
        }
    }

    #[test]
    fn a_sound_document_survives_its_json() {
        let trust = sample();
        let text = serde_json::to_string(&trust).unwrap();
        assert_eq!(serde_json::from_str::<TerminalTrust>(&text).unwrap(), trust);
        assert_eq!(trust.check(), Ok(()));
    }

    #[test]
    fn only_exact_https_origins_are_pinned() {
        for origin in [
            "http://terminal.example",
            "https://terminal.example/",
            "https://Terminal.example",
            "https://terminal.example:443",
            "null",
            "*",
            "",
        ] {
            let trust = TerminalTrust { portal_origins: vec![origin.into()], ..sample() };
            assert_eq!(trust.check(), Err(TrustError::NotAnOrigin(origin.into())));
        }
    }

    #[test]
    fn presence_is_reported_over_tls_only() {
        let trust = TerminalTrust { presence_url: "http://enrol.example/".into(), ..sample() };
        assert!(matches!(trust.check(), Err(TrustError::PresenceAddress(_))));
    }

    #[test]
    fn a_document_without_keys_or_origins_is_refused() {
        let trust = TerminalTrust { portal_origins: vec![], ..sample() };
        assert_eq!(trust.check(), Err(TrustError::Missing("portal origin")));
        let trust = TerminalTrust { login_request_keys: JwkSet::default(), ..sample() };
        assert_eq!(trust.check(), Err(TrustError::Missing("login request key")));
    }
}
