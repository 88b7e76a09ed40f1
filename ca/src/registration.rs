//! May this device have this certificate: one rule a file.
//!
//! What the register says comes in as a [`RegisterEntry`]; what comes out is an
//! [`ApprovedRequest`], which nothing else outside the first ceremony makes.

mod approval_is_present;
pub mod dns_name;
mod facility_is_active;
pub mod key;
mod key_fits_profile;
mod key_is_its_own;
mod key_is_not_compromised;
mod key_is_sound;
mod subject_is_own;
pub mod terminal_identifier;
mod terminal_is_active;

use std::{fmt, net::IpAddr};

use der::asn1::Ia5String;
use sekisho_key::SigningKey;
use sekisho_pki::{
    encoding::{
        name::{Part, name},
        permanent_identifier::facility_name,
    },
    national::facility_identifier::FacilityIdentifier,
    signature::PublicKeyKind,
};
use time::OffsetDateTime;
use x509_cert::ext::pkix::name::GeneralName;

use self::{key::KeyFlaw, terminal_identifier::TerminalIdentifier};
use crate::{
    authority::Authority, issuance::ApprovedRequest, profile::Profile, record::Subscriber,
    request::VerifiedRequest,
};

/// What the register says about the device that asks, read in the transaction that decides.
#[derive(Debug, Clone)]
pub struct RegisterEntry {
    /// The register's key of the organisation.
    pub organisation_id: String,
    /// The facility's identifier.
    pub facility: FacilityIdentifier,
    /// Accredited and neither suspended nor closed.
    pub facility_active: bool,
    /// The terminal or router.
    pub terminal: TerminalIdentifier,
    /// Created and not revoked.
    pub terminal_active: bool,
    /// Who allowed this device a certificate: the administrator who made the enrolment code, or
    /// the certificate that is being renewed.
    pub approval: Option<Approval>,
    /// The key was reported or found compromised.
    pub key_compromised: bool,
    /// Who has a certificate, valid or not, for the same key.
    pub key_used_by: Option<KeyHolder>,
}

/// Whose key it is already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHolder {
    /// A PC or a router.
    Terminal(TerminalIdentifier),
    /// A server of a service.
    Server,
}

impl fmt::Display for KeyHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminal(terminal) => write!(f, "terminal {terminal}"),
            Self::Server => f.write_str("a server of a service"),
        }
    }
}

/// What the register says about the key for which the server of a service asks.
#[derive(Debug, Clone)]
pub struct ServerEntry {
    /// The register's key of the organisation that runs the service, if it names one.
    pub organisation_id: Option<String>,
    /// The key was reported or found compromised.
    pub key_compromised: bool,
    /// Who else has the key: a device, or the server of another service.
    pub key_used_by: Option<KeyHolder>,
}

/// An approval on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Who, by the register's key of the person, or `renewal`.
    pub by: String,
    /// When.
    pub at: OffsetDateTime,
}

fn in_words(kind: Option<PublicKeyKind>) -> String {
    kind.map_or_else(|| "an unknown one".to_owned(), |kind| kind.to_string())
}

/// Why registration refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// Not accredited, suspended or closed.
    #[error("facility {facility} is not active")]
    FacilityNotActive {
        /// Which.
        facility: FacilityIdentifier,
    },
    /// Revoked, or never created.
    #[error("terminal {terminal} is not active")]
    TerminalNotActive {
        /// Which.
        terminal: TerminalIdentifier,
    },
    /// Nobody allowed it.
    #[error("nobody approved a certificate for terminal {terminal}")]
    NotApproved {
        /// Which.
        terminal: TerminalIdentifier,
    },
    /// The key is burnt.
    #[error("the key was compromised; make a new one on the device")]
    KeyCompromised,
    /// The key was copied from another device.
    #[error("the key belongs to {owner}; each device makes its own")]
    KeyOfAnother {
        /// Whose it is.
        owner: KeyHolder,
    },
    /// Others can compute the private key, or it is no key at all.
    #[error(transparent)]
    KeyFlaw(#[from] KeyFlaw),
    /// The profile certifies other kinds.
    #[error("profile {profile} does not certify this kind of key: {}", in_words(*kind))]
    KeyKind {
        /// The profile.
        profile: String,
        /// The key.
        kind: Option<PublicKeyKind>,
    },
    /// The request names another device.
    #[error("the request asks for the name `{asked}`, but this is terminal {terminal}")]
    OtherSubject {
        /// The commonName in the request.
        asked: String,
        /// The device.
        terminal: TerminalIdentifier,
    },
    /// No usable DNS name.
    #[error("`{name}` is no DNS name that we certify: {reason}")]
    DnsName {
        /// The name.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// None given where one is needed.
    #[error("at least one DNS name or address is needed")]
    NoNetworkName,
    /// A name does not fit X.509.
    #[error("a name cannot be encoded: {reason}")]
    Encoding {
        /// What the encoder said.
        reason: String,
    },
}

type Rule = fn(&VerifiedRequest, &RegisterEntry, &Profile) -> Result<(), RegistrationError>;

/// In the order in which a person would want to hear of them.
const RULES: [Rule; 8] = [
    facility_is_active::check,
    terminal_is_active::check,
    approval_is_present::check,
    subject_is_own::check,
    key_fits_profile::check,
    key_is_sound::check,
    key_is_not_compromised::check,
    key_is_its_own::check,
];

/// Approves a certificate for a facility's PC: `C=JP, CN=<terminal>, serialNumber=<facility>`.
///
/// # Errors
/// [`RegistrationError`]: the first broken rule.
pub fn approve_terminal(
    request: &VerifiedRequest,
    register: &RegisterEntry,
    profile: &Profile,
) -> Result<ApprovedRequest, RegistrationError> {
    approve_device(request, register, profile, Vec::new())
}

/// Approves a certificate for a facility's router, with the names by which its peers know it
/// (RFC 4945 §3.1).
///
/// # Errors
/// [`RegistrationError`].
pub fn approve_router(
    request: &VerifiedRequest,
    register: &RegisterEntry,
    profile: &Profile,
    dns_names: &[&str],
    addresses: &[IpAddr],
) -> Result<ApprovedRequest, RegistrationError> {
    let mut names = encode_dns_names(dns_names)?;
    names.extend(addresses.iter().copied().map(GeneralName::from));
    if names.is_empty() {
        return Err(RegistrationError::NoNetworkName);
    }
    approve_device(request, register, profile, names)
}

/// Approves a certificate for one of the network's own servers, whose key is in our hands.
///
/// # Errors
/// [`RegistrationError`].
pub fn approve_server(
    signing_key: &dyn SigningKey,
    dns_names: &[&str],
    profile: &Profile,
) -> Result<ApprovedRequest, RegistrationError> {
    approve_host(signing_key.public_key_der(), dns_names, profile, Subscriber::default())
}

/// Approves a certificate for a server of a registered service. Which names are its own, and that whoever
/// asks holds them, was decided before.
///
/// # Errors
/// [`RegistrationError`]: the first broken rule.
pub fn approve_server_of_service(
    request: &VerifiedRequest,
    register: &ServerEntry,
    dns_names: &[&str],
    profile: &Profile,
) -> Result<ApprovedRequest, RegistrationError> {
    if register.key_compromised {
        return Err(RegistrationError::KeyCompromised);
    }
    if let Some(owner) = register.key_used_by {
        return Err(RegistrationError::KeyOfAnother { owner });
    }
    let subscriber =
        Subscriber { organisation_id: register.organisation_id.clone(), terminal_id: None };
    approve_host(request.public_key_der(), dns_names, profile, subscriber)
}

fn approve_host(
    public_key_der: &[u8],
    dns_names: &[&str],
    profile: &Profile,
    subscriber: Subscriber,
) -> Result<ApprovedRequest, RegistrationError> {
    key_fits_profile::check_key(public_key_der, profile)?;
    key::check(public_key_der)?;
    let first = dns_names.first().ok_or(RegistrationError::NoNetworkName)?;
    let alternative_names = encode_dns_names(dns_names)?;
    // The name people read; clients look at the alternative names only. Longer ones than X.520
    // allows are cut to the host.
    let common_name: String = first.chars().take(64).collect();
    Ok(ApprovedRequest {
        profile: profile.clone(),
        subject: name(&[Part::Country("JP"), Part::CommonName(&common_name)]).map_err(encoding)?,
        alternative_names,
        public_key_der: public_key_der.to_vec(),
        subscriber,
    })
}

/// Approves a delegated OCSP responder of `authority` (RFC 6960 §4.2.2.2), whose key is in our
/// hands.
///
/// # Errors
/// [`RegistrationError`].
pub fn approve_ocsp_responder(
    authority: &Authority,
    signing_key: &dyn SigningKey,
    profile: &Profile,
) -> Result<ApprovedRequest, RegistrationError> {
    approve_own(signing_key, &format!("OCSP {}", authority.id()), profile)
}

/// Approves the registration authority of a protocol whose answers are signed and whose requests are
/// encrypted (RFC 8894 §2.2), whose key is in our hands.
///
/// # Errors
/// [`RegistrationError`].
pub fn approve_registration_authority(
    signing_key: &dyn SigningKey,
    common_name: &str,
    profile: &Profile,
) -> Result<ApprovedRequest, RegistrationError> {
    approve_own(signing_key, common_name, profile)
}

/// One of our own keys under a plain name.
fn approve_own(
    signing_key: &dyn SigningKey,
    common_name: &str,
    profile: &Profile,
) -> Result<ApprovedRequest, RegistrationError> {
    key_fits_profile::check_key(signing_key.public_key_der(), profile)?;
    key::check(signing_key.public_key_der())?;
    Ok(ApprovedRequest {
        profile: profile.clone(),
        subject: name(&[Part::Country("JP"), Part::CommonName(common_name)]).map_err(encoding)?,
        alternative_names: Vec::new(),
        public_key_der: signing_key.public_key_der().to_vec(),
        subscriber: Subscriber::default(),
    })
}

fn approve_device(
    request: &VerifiedRequest,
    register: &RegisterEntry,
    profile: &Profile,
    network_names: Vec<GeneralName>,
) -> Result<ApprovedRequest, RegistrationError> {
    for rule in RULES {
        rule(request, register, profile)?;
    }
    let subject = name(&[
        Part::Country("JP"),
        Part::CommonName(&register.terminal.to_string()),
        Part::SerialNumber(&register.facility.to_string()),
    ])
    .map_err(encoding)?;
    let mut alternative_names = vec![facility_name(register.facility).map_err(encoding)?];
    alternative_names.extend(network_names);
    Ok(ApprovedRequest {
        profile: profile.clone(),
        subject,
        alternative_names,
        public_key_der: request.public_key_der().to_vec(),
        subscriber: Subscriber {
            organisation_id: Some(register.organisation_id.clone()),
            terminal_id: Some(register.terminal.to_string()),
        },
    })
}

fn encode_dns_names(names: &[&str]) -> Result<Vec<GeneralName>, RegistrationError> {
    names
        .iter()
        .map(|name| {
            dns_name::check(name)?;
            Ok(GeneralName::DnsName(Ia5String::new(name).map_err(encoding)?))
        })
        .collect()
}

fn encoding(error: der::Error) -> RegistrationError {
    RegistrationError::Encoding { reason: error.to_string() }
}

#[cfg(test)]
mod examples;
