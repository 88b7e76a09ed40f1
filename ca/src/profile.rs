//! Certificate profiles: data, one file each, made into a validated twin before use.
//!
//! The files in `ca/profiles/` quote the certificate policy (`docs/certificate-policy.md` §7.1).
//! Unknown keys are refused: a misspelt limit must not vanish.

mod config;

use const_oid::{ObjectIdentifier, db::rfc5280};
use der::flagset::FlagSet;
use sekisho_pki::signature::PublicKeyKind;
use time::Duration;
use x509_cert::ext::pkix::KeyUsages;

pub use config::ProfileError;

/// A validated profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    name: String,
    lifetime: Duration,
    backdate: Duration,
    public_keys: Vec<PublicKeyRule>,
    key_usage: FlagSet<KeyUsages>,
    extended_key_usage: Vec<ObjectIdentifier>,
    policy: Option<ObjectIdentifier>,
    authority: Option<AuthorityRule>,
    alternative_names: AlternativeNames,
    crl_distribution_point: bool,
    ocsp_access: bool,
    ca_issuers_access: bool,
    ocsp_no_check: bool,
    most_octets: usize,
}

/// What makes a certificate one of an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthorityRule {
    /// pathLenConstraint; `None` leaves it out.
    pub path_length: Option<u8>,
}

/// A kind of key that a profile certifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicKeyRule {
    /// P-256.
    P256,
    /// P-384.
    P384,
    /// RSA with at least so many bits.
    Rsa {
        /// Bits of the modulus.
        least_bits: usize,
    },
}

impl PublicKeyRule {
    fn allows(self, kind: PublicKeyKind) -> bool {
        match (self, kind) {
            (Self::P256, PublicKeyKind::P256) | (Self::P384, PublicKeyKind::P384) => true,
            (Self::Rsa { least_bits }, PublicKeyKind::Rsa { modulus_bits, usual_exponent }) => {
                usual_exponent && (least_bits..=8192).contains(&modulus_bits)
            }
            _ => false,
        }
    }
}

/// What stands in the subject alternative name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlternativeNames {
    /// No extension.
    None,
    /// The facility as permanentIdentifier (RFC 4043), and nothing else.
    Facility,
    /// The facility, and at least one DNS name or address (RFC 4945 §3.1).
    FacilityAndNetworkNames,
    /// At least one DNS name.
    DnsNames,
}

impl Profile {
    /// Reads a profile's TOML.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        config::read(text)
    }

    /// The profile that this build ships under `name`: `root`, `issuing`, `terminal`, `router`,
    /// `server` or `ocsp_responder`.
    ///
    /// # Errors
    /// [`ProfileError::Unknown`]; a test proves that each shipped file is valid.
    pub fn shipped(name: &str) -> Result<Self, ProfileError> {
        let text = match name {
            "root" => include_str!("../profiles/root.toml"),
            "issuing" => include_str!("../profiles/issuing.toml"),
            "terminal" => include_str!("../profiles/terminal.toml"),
            "router" => include_str!("../profiles/router.toml"),
            "server" => include_str!("../profiles/server.toml"),
            "ocsp_responder" => include_str!("../profiles/ocsp_responder.toml"),
            other => {
                return Err(ProfileError::Unknown { name: other.to_owned() });
            }
        };
        Self::from_toml(text)
    }

    /// The same profile with another lifetime, at most the policy's.
    ///
    /// # Errors
    /// [`ProfileError::Lifetime`]: longer than the profile allows, or not positive.
    pub fn with_lifetime(mut self, lifetime: Duration) -> Result<Self, ProfileError> {
        if lifetime > self.lifetime || !lifetime.is_positive() {
            return Err(ProfileError::Lifetime { most_days: self.lifetime.whole_days() });
        }
        self.lifetime = lifetime;
        Ok(self)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// From now to the end of validity, at most.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// How far before now validity begins, for clocks that are behind.
    #[must_use]
    pub fn backdate(&self) -> Duration {
        self.backdate
    }

    /// Whether keys of this kind are certified.
    #[must_use]
    pub fn allows_key(&self, kind: PublicKeyKind) -> bool {
        self.public_keys.iter().any(|rule| rule.allows(kind))
    }

    /// keyUsage, always critical.
    #[must_use]
    pub fn key_usage(&self) -> FlagSet<KeyUsages> {
        self.key_usage
    }

    /// extendedKeyUsage; empty leaves it out.
    #[must_use]
    pub fn extended_key_usage(&self) -> &[ObjectIdentifier] {
        &self.extended_key_usage
    }

    /// The one certificate policy; for authorities anyPolicy or none.
    #[must_use]
    pub fn policy(&self) -> Option<ObjectIdentifier> {
        self.policy
    }

    /// basicConstraints of an authority; `None` for end entities, which get `CA:FALSE`.
    #[must_use]
    pub fn authority(&self) -> Option<AuthorityRule> {
        self.authority
    }

    /// What the subject alternative name holds.
    #[must_use]
    pub fn alternative_names(&self) -> AlternativeNames {
        self.alternative_names
    }

    /// Whether a CRL distribution point is given.
    #[must_use]
    pub fn crl_distribution_point(&self) -> bool {
        self.crl_distribution_point
    }

    /// Whether the OCSP address is given.
    #[must_use]
    pub fn ocsp_access(&self) -> bool {
        self.ocsp_access
    }

    /// Whether the issuer certificate's address is given.
    #[must_use]
    pub fn ca_issuers_access(&self) -> bool {
        self.ca_issuers_access
    }

    /// Whether id-pkix-ocsp-nocheck is set (RFC 6960 §4.2.2.2.1).
    #[must_use]
    pub fn ocsp_no_check(&self) -> bool {
        self.ocsp_no_check
    }

    /// Longest certificate.
    #[must_use]
    pub fn most_octets(&self) -> usize {
        self.most_octets
    }
}

/// anyPolicy, which an issuing authority's certificate carries (RFC 5280 §4.2.1.4).
pub(crate) const ANY_POLICY: ObjectIdentifier = rfc5280::ANY_POLICY;

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 6] = ["root", "issuing", "terminal", "router", "server", "ocsp_responder"];

    #[test]
    fn each_shipped_profile_is_valid_and_says_its_own_name() {
        for name in NAMES {
            assert_eq!(Profile::shipped(name).unwrap().name(), name);
        }
        assert!(matches!(Profile::shipped("admin"), Err(ProfileError::Unknown { .. })));
    }

    #[test]
    fn unknown_keys_are_refused() {
        let text = include_str!("../profiles/terminal.toml");
        assert!(matches!(
            Profile::from_toml(&format!("life_time_days = 3\n{text}")),
            Err(ProfileError::Toml(_))
        ));
    }

    #[test]
    fn contradictions_are_refused() {
        let text = include_str!("../profiles/terminal.toml");
        for (from, to) in [
            ("\"digital_signature\"", "\"key_cert_sign\""),
            ("\"digital_signature\"", "\"sign_everything\""),
            ("\"digital_signature\"", ""),
            ("lifetime_days = 366", "lifetime_days = 0"),
            ("lifetime_days = 366", "lifetime_days = 20000"),
            ("\"client_auth\"", "\"any\""),
            ("\"p256\"", "\"p192\""),
            ("\"terminal\"\n", "\"\"\n"),
            ("alternative_names = \"facility\"", "alternative_names = \"all\""),
            ("policy = \"terminal\"", "policy = \"1.2.3.x\""),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(Profile::from_toml(&changed).is_err(), "{to}");
        }
    }

    #[test]
    fn a_lifetime_may_be_shortened_only() {
        let terminal = Profile::shipped("terminal").unwrap();
        let short = terminal.clone().with_lifetime(Duration::days(30)).unwrap();
        assert_eq!(short.lifetime(), Duration::days(30));
        assert!(terminal.clone().with_lifetime(Duration::days(400)).is_err());
        assert!(terminal.with_lifetime(Duration::ZERO).is_err());
    }
}
