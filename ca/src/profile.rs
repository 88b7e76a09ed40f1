//! Certificate profiles: data, one file each, made into a validated twin before use.
//!
//! The files in `ca/profiles/` quote the certificate policy (`docs/certificate-policy.md` §7.1).
//! Unknown keys are refused: a misspelt limit must not vanish. A file may inherit from a shipped
//! one and say only what is different: so the router families stand on the generic profile.

mod config;
mod shipped;
mod strength;
mod target;

use const_oid::{ObjectIdentifier, db::rfc5280};
use der::flagset::FlagSet;
use sekisho_pki::{encoding::pkcs12::seal::Protection, signature::PublicKeyKind};
use time::Duration;
use x509_cert::ext::pkix::KeyUsages;

pub use config::ProfileError;
pub use strength::{StrengthLimit, StrengthLimits};
pub use target::{Basis, NameForm, Target};

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
    most_octets: OctetLimits,
    pkcs12: Vec<Protection>,
    target: Option<Target>,
}

/// What makes a certificate one of an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthorityRule {
    /// pathLenConstraint; `None` leaves it out.
    pub path_length: Option<u8>,
}

/// A kind of key that a profile certifies or a target uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublicKeyRule {
    /// P-256.
    P256,
    /// P-384.
    P384,
    /// RSA with exactly so many bits: odd sizes are a sign of odd generators.
    Rsa {
        /// Bits of the modulus.
        bits: usize,
    },
}

impl PublicKeyRule {
    /// Whether a key is of this kind; RSA with the exponent 65537 only.
    #[must_use]
    pub fn allows(self, kind: PublicKeyKind) -> bool {
        match (self, kind) {
            (Self::P256, PublicKeyKind::P256) | (Self::P384, PublicKeyKind::P384) => true,
            (Self::Rsa { bits }, PublicKeyKind::Rsa { modulus_bits, usual_exponent }) => {
                usual_exponent && bits == modulus_bits
            }
            _ => false,
        }
    }
}

/// How long a certificate may be, in octets of DER.
///
/// The length follows from the key inside and from the issuer's signature, so one number would be
/// too wide for the small ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OctetLimits {
    by_key: Vec<(PublicKeyRule, usize)>,
    access: usize,
    rsa_issuer: usize,
}

impl OctetLimits {
    /// The limit for a key of this kind under an ECDSA issuer, without authorityInfoAccess.
    #[must_use]
    pub fn for_key(&self, kind: PublicKeyKind) -> Option<usize> {
        self.by_key.iter().find(|(key, _)| key.allows(kind)).map(|(_, most)| *most)
    }

    /// What authorityInfoAccess (OCSP and caIssuers) may add.
    #[must_use]
    pub fn access(&self) -> usize {
        self.access
    }

    /// What an issuer that signs by RSA may add.
    #[must_use]
    pub fn rsa_issuer(&self) -> usize {
        self.rsa_issuer
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

    /// How long the certificate may be.
    #[must_use]
    pub fn most_octets(&self) -> &OctetLimits {
        &self.most_octets
    }

    /// How a PKCS #12 file with a key for it may be protected, the one to begin with first. Empty: its keys
    /// are made nowhere but in the device.
    #[must_use]
    pub fn pkcs12(&self) -> &[Protection] {
        &self.pkcs12
    }

    /// The kinds of keys that are certified and that its target uses, in the profile's order.
    pub fn key_kinds(&self) -> impl Iterator<Item = PublicKeyRule> {
        let target = self.target.as_ref();
        let used = move |kind: &PublicKeyRule| {
            target.is_none_or(|target| target.public_keys().contains(kind))
        };
        self.public_keys.iter().copied().filter(used)
    }

    /// The family of devices that has to use the certificate, if it is written for one.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }
}

/// anyPolicy, which an issuing authority's certificate carries (RFC 5280 §4.2.1.4).
pub(crate) const ANY_POLICY: ObjectIdentifier = rfc5280::ANY_POLICY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shipped_profile_is_valid_and_says_its_own_name() {
        for name in Profile::shipped_names() {
            assert_eq!(Profile::shipped(name).unwrap().name(), name);
        }
        assert!(matches!(Profile::shipped("admin"), Err(ProfileError::Unknown { .. })));
    }

    #[test]
    fn a_key_leaves_in_a_file_for_devices_only_and_under_old_ciphers_where_nothing_better_is_known()
    {
        for name in Profile::shipped_names() {
            let profile = Profile::shipped(name).unwrap();
            let of_device = name == "terminal" || name.starts_with("router");
            assert_eq!(
                profile.pkcs12().first(),
                of_device.then_some(&Protection::Aes256),
                "{name}"
            );
            let unknown = profile.target().is_some_and(|target| target.basis() == Basis::Unknown);
            let old = profile.pkcs12().contains(&Protection::TripleDes);
            assert_eq!(old, unknown || name == "router_windows", "{name}");
        }
        let text = include_str!("../profiles/terminal.toml");
        for (hostile, word) in [("[\"rc2\"]", "rc2"), ("[\"aes256\", \"aes256\"]", "aes256")] {
            let text = text.replace("pkcs12 = [\"aes256\"]", &format!("pkcs12 = {hostile}"));
            let refused = Profile::from_toml(&text).unwrap_err().to_string();
            assert!(refused.contains(word), "{refused}");
        }
        let text = include_str!("../profiles/issuing.toml");
        let refused = Profile::from_toml(&format!("pkcs12 = [\"aes256\"]\n{text}"));
        assert!(matches!(refused, Err(ProfileError::Contradiction { .. })), "{refused:?}");
    }

    #[test]
    fn the_kinds_of_keys_are_those_that_the_target_uses() {
        let kinds = |name| Profile::shipped(name).unwrap().key_kinds().collect::<Vec<_>>();
        assert_eq!(kinds("terminal")[0], PublicKeyRule::P256);
        assert!(kinds("router").contains(&PublicKeyRule::Rsa { bits: 4096 }));
        assert!(!kinds("router").contains(&PublicKeyRule::Rsa { bits: 2048 }));
    }

    #[test]
    fn unknown_keys_are_refused() {
        let text = include_str!("../profiles/terminal.toml");
        assert!(matches!(
            Profile::from_toml(&format!("life_time_days = 3\n{text}")),
            Err(ProfileError::Toml(_))
        ));
        assert!(Profile::from_toml(&format!("inherits = 3\n{text}")).is_err());
        let text = include_str!("../profiles/router_strongswan.toml");
        assert!(Profile::from_toml(&format!("{text}\ncolour = 'blue'")).is_err());
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
            ("\"p256\"", "\"p256\", \"p256\""),
            ("\"terminal\"\n", "\"\"\n"),
            ("alternative_names = \"facility\"", "alternative_names = \"all\""),
            ("policy = \"terminal\"", "policy = \"1.2.3.x\""),
            ("\np256 = 800", "\n"),
            ("\np256 = 800", "\np256 = 100"),
            ("\np256 = 800", "\np521 = 800"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(Profile::from_toml(&changed).is_err(), "{to}");
        }
    }

    #[test]
    fn a_profile_that_its_target_could_not_use_is_refused_when_it_is_read() {
        let text = include_str!("../profiles/router_openiked.toml");
        assert!(Profile::from_toml(text).is_ok());
        for (before, why) in [
            // Nothing to match the peer by.
            ("alternative_names = \"facility\"", "name"),
            ("key_usage = [\"key_encipherment\"]", "key_usage"),
            ("extended_key_usage = [\"ocsp_signing\"]", "extended_key_usage"),
            ("public_keys = [\"rsa2048\"]", "public_keys"),
        ] {
            let refused = Profile::from_toml(&format!("{before}\n{text}")).unwrap_err();
            assert!(refused.to_string().contains(why), "{refused}");
        }
    }

    #[test]
    fn inheritance_has_one_step_and_a_known_beginning() {
        let child = |base: &str| format!("name = 'x'\ninherits = '{base}'\nlifetime_days = 30");
        let router = Profile::shipped("router").unwrap();
        let made = Profile::from_toml(&child("router")).unwrap();
        assert_eq!(made.lifetime(), Duration::days(30));
        assert_eq!(made.key_usage(), router.key_usage());
        assert_eq!(made.target(), router.target());
        for base in ["router_strongswan", "nobody"] {
            assert!(Profile::from_toml(&child(base)).is_err(), "{base}");
        }
    }

    #[test]
    fn every_family_is_told_apart_and_says_how_it_is_known() {
        let mut families = Vec::new();
        for name in Profile::router_families() {
            let profile = Profile::shipped(name).unwrap();
            let target = profile.target().unwrap();
            assert!(!families.contains(&target.family().to_owned()), "{name}");
            families.push(target.family().to_owned());
            assert!(!target.source().is_empty(), "{name}");
            assert_eq!(profile.alternative_names(), AlternativeNames::FacilityAndNetworkNames);
            assert_eq!(profile.policy(), Some(sekisho_wire::oid::POLICY_ROUTER));
            if target.basis() == Basis::Unknown {
                // Nothing is known, so nothing may differ from the generic one but the name.
                let generic = Profile::shipped("router").unwrap();
                assert_eq!(profile.extended_key_usage(), generic.extended_key_usage());
                assert_eq!(profile.public_keys, generic.public_keys);
                assert_eq!(profile.most_octets, generic.most_octets);
                assert_eq!(target.names(), generic.target().unwrap().names());
            }
        }
        assert_eq!(families.len(), 10);
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
