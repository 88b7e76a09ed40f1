//! What a person writes in a profile's file, and the checks that make a [`Profile`] of it.

use const_oid::{ObjectIdentifier, db::rfc5280};
use der::flagset::FlagSet;
use serde::Deserialize;
use time::Duration;
use x509_cert::ext::pkix::KeyUsages;

use super::{ANY_POLICY, AlternativeNames, AuthorityRule, Profile, PublicKeyRule};

/// id-kp-ipsecIKE (RFC 4945 §5.1.3.12).
const ID_KP_IPSEC_IKE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.17");

/// Why a profile's file is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Not TOML, a missing key or an unknown one.
    #[error("the profile is not readable")]
    Toml(#[from] toml::de::Error),
    /// No such profile in this build.
    #[error("there is no profile `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// A word that the key does not know.
    #[error("`{word}` is no value of {key}")]
    Word {
        /// The key.
        key: &'static str,
        /// The value.
        word: String,
    },
    /// Out of the policy's bounds.
    #[error("lifetime_days must be 1 to {most_days}")]
    Lifetime {
        /// The bound.
        most_days: i64,
    },
    /// Keys that do not go together.
    #[error("{what}")]
    Contradiction {
        /// Which.
        what: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    name: String,
    lifetime_days: i64,
    backdate_minutes: i64,
    public_keys: Vec<String>,
    key_usage: Vec<String>,
    extended_key_usage: Vec<String>,
    policy: Option<String>,
    authority: Option<AuthorityConfig>,
    alternative_names: String,
    crl_distribution_point: bool,
    ocsp_access: bool,
    ca_issuers_access: bool,
    ocsp_no_check: bool,
    most_octets: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorityConfig {
    path_length: Option<u8>,
}

/// Certificate policy §6.3.2: no authority lives longer than 25 years.
const MOST_DAYS: i64 = 9_132;
/// Certificate policy §6.3.2: no end entity lives longer than two years.
const MOST_END_ENTITY_DAYS: i64 = 731;

pub(super) fn read(text: &str) -> Result<Profile, ProfileError> {
    let config: Config = toml::from_str(text)?;
    let most_days = if config.authority.is_some() { MOST_DAYS } else { MOST_END_ENTITY_DAYS };
    if !(1..=most_days).contains(&config.lifetime_days) {
        return Err(ProfileError::Lifetime { most_days });
    }
    let mut key_usage = FlagSet::<KeyUsages>::default();
    for word in &config.key_usage {
        key_usage |= usage(word)?;
    }
    let profile = Profile {
        lifetime: Duration::days(config.lifetime_days),
        backdate: Duration::minutes(config.backdate_minutes),
        public_keys: config
            .public_keys
            .iter()
            .map(|word| public_key(word))
            .collect::<Result<_, _>>()?,
        key_usage,
        extended_key_usage: config
            .extended_key_usage
            .iter()
            .map(|word| purpose(word))
            .collect::<Result<_, _>>()?,
        policy: config.policy.as_deref().map(policy).transpose()?,
        authority: config
            .authority
            .map(|authority| AuthorityRule { path_length: authority.path_length }),
        alternative_names: alternative_names(&config.alternative_names)?,
        crl_distribution_point: config.crl_distribution_point,
        ocsp_access: config.ocsp_access,
        ca_issuers_access: config.ca_issuers_access,
        ocsp_no_check: config.ocsp_no_check,
        most_octets: config.most_octets,
        name: config.name,
    };
    consistent(profile)
}

fn consistent(profile: Profile) -> Result<Profile, ProfileError> {
    let signs_certificates = profile.key_usage.contains(KeyUsages::KeyCertSign);
    let revocable = profile.crl_distribution_point || profile.ocsp_no_check;
    let contradictions = [
        (profile.name.is_empty(), "name is empty"),
        (profile.public_keys.is_empty(), "public_keys names no kind of key"),
        (profile.key_usage.is_empty(), "key_usage is empty"),
        (
            signs_certificates != profile.authority.is_some(),
            "key_cert_sign and [authority] go together (RFC 5280 §4.2.1.9)",
        ),
        (
            !(0..=1440).contains(&profile.backdate.whole_minutes()),
            "backdate_minutes must be 0 to 1440",
        ),
        (
            profile.authority.is_some() && !profile.extended_key_usage.is_empty(),
            "an authority's certificate has no extended_key_usage here",
        ),
        (
            profile.authority.is_none() && profile.policy.is_none_or(|oid| oid == ANY_POLICY),
            "an end entity has exactly one policy of ours",
        ),
        (
            profile.authority.is_none() && profile.extended_key_usage.is_empty(),
            "an end entity says its purpose in extended_key_usage",
        ),
        (
            profile.authority.is_none() && !revocable,
            "an end entity needs crl_distribution_point, or ocsp_no_check for a responder",
        ),
        (
            profile.ocsp_no_check && profile.extended_key_usage != [rfc5280::ID_KP_OCSP_SIGNING],
            "ocsp_no_check is for OCSP responders only (RFC 6960 §4.2.2.2.1)",
        ),
        (!(256..=4096).contains(&profile.most_octets), "most_octets must be 256 to 4096"),
    ];
    match contradictions.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, what)) => Err(ProfileError::Contradiction { what }),
        None => Ok(profile),
    }
}

fn usage(word: &str) -> Result<KeyUsages, ProfileError> {
    match word {
        "digital_signature" => Ok(KeyUsages::DigitalSignature),
        "key_cert_sign" => Ok(KeyUsages::KeyCertSign),
        "crl_sign" => Ok(KeyUsages::CRLSign),
        _ => Err(wrong("key_usage", word)),
    }
}

fn purpose(word: &str) -> Result<ObjectIdentifier, ProfileError> {
    match word {
        "client_auth" => Ok(rfc5280::ID_KP_CLIENT_AUTH),
        "server_auth" => Ok(rfc5280::ID_KP_SERVER_AUTH),
        "ipsec_ike" => Ok(ID_KP_IPSEC_IKE),
        "ocsp_signing" => Ok(rfc5280::ID_KP_OCSP_SIGNING),
        _ => Err(wrong("extended_key_usage", word)),
    }
}

fn public_key(word: &str) -> Result<PublicKeyRule, ProfileError> {
    match word {
        "p256" => Ok(PublicKeyRule::P256),
        "p384" => Ok(PublicKeyRule::P384),
        "rsa3072" => Ok(PublicKeyRule::Rsa { least_bits: 3072 }),
        _ => Err(wrong("public_keys", word)),
    }
}

fn policy(word: &str) -> Result<ObjectIdentifier, ProfileError> {
    match word {
        "any" => Ok(ANY_POLICY),
        "terminal" => Ok(sekisho_wire::oid::POLICY_TERMINAL),
        "router" => Ok(sekisho_wire::oid::POLICY_ROUTER),
        "server" => Ok(sekisho_wire::oid::POLICY_SERVER),
        _ => Err(wrong("policy", word)),
    }
}

fn alternative_names(word: &str) -> Result<AlternativeNames, ProfileError> {
    match word {
        "none" => Ok(AlternativeNames::None),
        "facility" => Ok(AlternativeNames::Facility),
        "facility_and_network_names" => Ok(AlternativeNames::FacilityAndNetworkNames),
        "dns_names" => Ok(AlternativeNames::DnsNames),
        _ => Err(wrong("alternative_names", word)),
    }
}

fn wrong(key: &'static str, word: &str) -> ProfileError {
    ProfileError::Word { key, word: word.to_owned() }
}
