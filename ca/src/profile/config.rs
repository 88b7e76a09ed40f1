//! What a person writes in a profile's file, and the checks that make a [`Profile`] of it.

use std::collections::BTreeMap;

use const_oid::{ObjectIdentifier, db::rfc5280};
use der::flagset::FlagSet;
use sekisho_pki::encoding::pkcs12::seal::Protection;
use serde::Deserialize;
use time::Duration;
use x509_cert::ext::pkix::KeyUsages;

use super::{
    ANY_POLICY, AlternativeNames, AuthorityRule, Basis, NameForm, OctetLimits, Profile,
    PublicKeyRule, Target, shipped,
};

/// id-kp-ipsecIKE (RFC 4945 §5.1.3.12).
const ID_KP_IPSEC_IKE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.17");
/// iKEIntermediate: never standardised (draft-ietf-ipsec-pki-req), chosen by Windows and macOS.
const IKE_INTERMEDIATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.8.2.2");

/// id-kp-cmcRA (RFC 6402).
const ID_KP_CMC_RA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.28");

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
    /// A list that says something twice.
    #[error("`{word}` stands twice in a list")]
    Repeated {
        /// What.
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
    most_octets: BTreeMap<String, usize>,
    #[serde(default)]
    pkcs12: Vec<String>,
    target: Option<TargetConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorityConfig {
    path_length: Option<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetConfig {
    family: String,
    basis: String,
    source: String,
    ascii_subject: bool,
    names: Vec<String>,
    key_usage_one_of: Vec<String>,
    purposes_one_of: Vec<String>,
    purposes_all_of: Vec<String>,
    public_keys: Vec<String>,
    issuer_keys: Vec<String>,
}

/// Certificate policy §6.3.2: no authority lives longer than 25 years.
const MOST_DAYS: i64 = 9_132;
/// Certificate policy §6.3.2: no end entity lives longer than two years.
const MOST_END_ENTITY_DAYS: i64 = 731;

pub(super) fn read(text: &str) -> Result<Profile, ProfileError> {
    let config: Config = whole(text)?.try_into()?;
    let most_days = if config.authority.is_some() { MOST_DAYS } else { MOST_END_ENTITY_DAYS };
    if !(1..=most_days).contains(&config.lifetime_days) {
        return Err(ProfileError::Lifetime { most_days });
    }
    let public_keys = list(&config.public_keys, public_key)?;
    let profile = Profile {
        lifetime: Duration::days(config.lifetime_days),
        backdate: Duration::minutes(config.backdate_minutes),
        key_usage: usages(&config.key_usage)?,
        extended_key_usage: list(&config.extended_key_usage, purpose)?,
        policy: config.policy.as_deref().map(policy).transpose()?,
        authority: config
            .authority
            .map(|authority| AuthorityRule { path_length: authority.path_length }),
        alternative_names: alternative_names(&config.alternative_names)?,
        crl_distribution_point: config.crl_distribution_point,
        ocsp_access: config.ocsp_access,
        ca_issuers_access: config.ca_issuers_access,
        ocsp_no_check: config.ocsp_no_check,
        most_octets: octet_limits(&config.most_octets, &public_keys)?,
        pkcs12: list(&config.pkcs12, protection)?,
        public_keys,
        target: config.target.map(target).transpose()?,
        name: config.name,
    };
    usable(consistent(profile)?)
}

/// The file's table, laid over the shipped profile that it inherits from.
fn whole(text: &str) -> Result<toml::Table, ProfileError> {
    let mut own: toml::Table = toml::from_str(text)?;
    let base = match own.remove("inherits") {
        None => return Ok(own),
        Some(toml::Value::String(base)) => base,
        Some(other) => return Err(wrong("inherits", &other.to_string())),
    };
    let mut table: toml::Table = toml::from_str(shipped::text(&base)?)?;
    if table.contains_key("inherits") {
        return Err(ProfileError::Contradiction {
            what: "inherits: the profile inherited from inherits itself",
        });
    }
    for (key, value) in own {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => below.extend(above),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
    Ok(table)
}

fn list<T: PartialEq>(
    words: &[String],
    read: impl Fn(&str) -> Result<T, ProfileError>,
) -> Result<Vec<T>, ProfileError> {
    let mut values = Vec::with_capacity(words.len());
    for word in words {
        let value = read(word)?;
        if values.contains(&value) {
            return Err(ProfileError::Repeated { word: word.clone() });
        }
        values.push(value);
    }
    Ok(values)
}

fn octet_limits(
    limits: &BTreeMap<String, usize>,
    public_keys: &[PublicKeyRule],
) -> Result<OctetLimits, ProfileError> {
    let mut read = OctetLimits { by_key: Vec::new(), access: 0, rsa_issuer: 0 };
    for (word, &octets) in limits {
        match word.as_str() {
            "access" if octets <= 400 => read.access = octets,
            "rsa_issuer" if octets <= 600 => read.rsa_issuer = octets,
            "access" | "rsa_issuer" => return Err(wrong("most_octets", word)),
            key => {
                if !(256..=4096).contains(&octets) {
                    return Err(ProfileError::Contradiction {
                        what: "most_octets must be 256 to 4096",
                    });
                }
                read.by_key.push((public_key(key)?, octets));
            }
        }
    }
    let has = |key: &PublicKeyRule| read.by_key.iter().any(|(limited, _)| limited == key);
    if read.by_key.len() != public_keys.len() || !public_keys.iter().all(has) {
        return Err(ProfileError::Contradiction {
            what: "most_octets has one limit for each of public_keys and no other",
        });
    }
    Ok(read)
}

fn target(config: TargetConfig) -> Result<Target, ProfileError> {
    Ok(Target {
        basis: basis(&config.basis)?,
        ascii_subject: config.ascii_subject,
        names: list(&config.names, name_form)?,
        key_usage_one_of: usages(&config.key_usage_one_of)?,
        purposes_one_of: list(&config.purposes_one_of, purpose)?,
        purposes_all_of: list(&config.purposes_all_of, purpose)?,
        public_keys: list(&config.public_keys, public_key)?,
        issuer_keys: list(&config.issuer_keys, public_key)?,
        family: config.family,
        source: config.source,
    })
}

/// Whether the target can use what the profile writes.
fn usable(profile: Profile) -> Result<Profile, ProfileError> {
    let Some(target) = &profile.target else { return Ok(profile) };
    let purposes = &profile.extended_key_usage;
    let contradictions = [
        (
            target.family.is_empty() || target.source.is_empty(),
            "target: family and source are needed",
        ),
        (
            profile.authority.is_some() || target.names.is_empty(),
            "target: an end entity that is matched by at least one form of name",
        ),
        (
            profile.alternative_names != AlternativeNames::FacilityAndNetworkNames,
            "target: the profile writes no name by which the target matches its peer",
        ),
        (
            (profile.key_usage & target.key_usage_one_of).is_empty(),
            "target: the profile's key_usage has none of the bits that the target needs",
        ),
        (
            !purposes.is_empty()
                && !purposes.iter().any(|purpose| target.purposes_one_of.contains(purpose)),
            "target: the profile's extended_key_usage has none of the purposes that it accepts",
        ),
        (
            !target.purposes_all_of.iter().all(|purpose| purposes.contains(purpose)),
            "target: the profile's extended_key_usage lacks a purpose that the target needs",
        ),
        (
            !profile.public_keys.iter().all(|key| target.public_keys.contains(key)),
            "target: public_keys has a kind of key that the target cannot use",
        ),
        (target.issuer_keys.is_empty(), "target: issuer_keys is empty"),
    ];
    match contradictions.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, what)) => Err(ProfileError::Contradiction { what }),
        None => Ok(profile),
    }
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
            profile.authority.is_none() && !profile.key_usage.contains(KeyUsages::DigitalSignature),
            "an end entity signs: key_usage needs digital_signature (RFC 4945 §5.1.3.2)",
        ),
        (
            profile.authority.is_none() && !revocable,
            "an end entity needs crl_distribution_point, or ocsp_no_check for a responder",
        ),
        (
            profile.authority.is_some() && !profile.pkcs12.is_empty(),
            "an authority's key leaves in no PKCS #12 file",
        ),
        (
            profile.ocsp_no_check && profile.extended_key_usage != [rfc5280::ID_KP_OCSP_SIGNING],
            "ocsp_no_check is for OCSP responders only (RFC 6960 §4.2.2.2.1)",
        ),
    ];
    match contradictions.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, what)) => Err(ProfileError::Contradiction { what }),
        None => Ok(profile),
    }
}

fn usages(words: &[String]) -> Result<FlagSet<KeyUsages>, ProfileError> {
    Ok(list(words, usage)?.into_iter().fold(FlagSet::default(), |all, usage| all | usage))
}

fn usage(word: &str) -> Result<KeyUsages, ProfileError> {
    match word {
        "digital_signature" => Ok(KeyUsages::DigitalSignature),
        "non_repudiation" => Ok(KeyUsages::NonRepudiation),
        "key_encipherment" => Ok(KeyUsages::KeyEncipherment),
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
        "ike_intermediate" => Ok(IKE_INTERMEDIATE),
        "cmc_ra" => Ok(ID_KP_CMC_RA),
        "ocsp_signing" => Ok(rfc5280::ID_KP_OCSP_SIGNING),
        _ => Err(wrong("extended_key_usage", word)),
    }
}

fn protection(word: &str) -> Result<Protection, ProfileError> {
    match word {
        "aes256" => Ok(Protection::Aes256),
        "aes128" => Ok(Protection::Aes128),
        "triple_des" => Ok(Protection::TripleDes),
        other => Err(wrong("pkcs12", other)),
    }
}

pub(super) fn public_key(word: &str) -> Result<PublicKeyRule, ProfileError> {
    match word {
        "p256" => Ok(PublicKeyRule::P256),
        "p384" => Ok(PublicKeyRule::P384),
        "rsa2048" => Ok(PublicKeyRule::Rsa { bits: 2048 }),
        "rsa3072" => Ok(PublicKeyRule::Rsa { bits: 3072 }),
        "rsa4096" => Ok(PublicKeyRule::Rsa { bits: 4096 }),
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

fn basis(word: &str) -> Result<Basis, ProfileError> {
    match word {
        "standard" => Ok(Basis::Standard),
        "bench" => Ok(Basis::Bench),
        "manual" => Ok(Basis::Manual),
        "unknown" => Ok(Basis::Unknown),
        _ => Err(wrong("basis", word)),
    }
}

fn name_form(word: &str) -> Result<NameForm, ProfileError> {
    match word {
        "dns_name" => Ok(NameForm::DnsName),
        "ip_address" => Ok(NameForm::IpAddress),
        _ => Err(wrong("names", word)),
    }
}

fn wrong(key: &'static str, word: &str) -> ProfileError {
    ProfileError::Word { key, word: word.to_owned() }
}
