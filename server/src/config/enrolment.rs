//! `[enrolment]`: one-time codes for terminals (`docs/card-login.md`, first contact).

use sekisho_store::terminal::Device;
use serde::{Deserialize, Serialize};
use time::Duration;

use super::{ConfigError, bounded};

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnrolmentSettings {
    /// Lifetime of an enrolment code, in minutes.
    pub code_minutes: u32,
    /// Wrong codes that a code survives; what cannot be a code uses up none.
    pub code_tries: u32,
    /// A used code with the same key gets the same certificate for this long, in minutes.
    pub same_key_minutes: u32,
    /// Whose keys a person approves before they are certified.
    pub approval: ApprovalPolicy,
    /// How long a request waits for that, and an approved key may take to fetch its certificate, in days.
    pub approval_days: u32,
    /// How often a waiting device is told to ask, in seconds.
    pub poll_seconds: u32,
    /// For which devices keys are made here: PKCS #12 files of the console, `serverkeygen` of EST.
    pub server_made_keys: ServerMadeKeys,
    /// How many RSA keys are made ahead, in memory.
    pub rsa_keys_ahead: u32,
    /// How long a file with a key can be fetched, in minutes.
    pub key_file_minutes: u32,
}

/// For which devices keys are made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerMadeKeys {
    /// For none: each makes its own.
    None,
    /// Routers.
    Routers,
    /// Every device.
    All,
}

/// Whose keys a person approves before they are certified, beside those whose code was issued so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalPolicy {
    /// Nobody's.
    OnRequest,
    /// Routers'.
    Routers,
    /// Every device's.
    All,
}

impl Default for EnrolmentSettings {
    fn default() -> Self {
        Self {
            code_minutes: 1_440,
            code_tries: 5,
            same_key_minutes: 15,
            approval: ApprovalPolicy::OnRequest,
            approval_days: 7,
            poll_seconds: 60,
            server_made_keys: ServerMadeKeys::Routers,
            rsa_keys_ahead: 2,
            key_file_minutes: 15,
        }
    }
}

impl EnrolmentSettings {
    pub(super) fn validate(&self) -> Result<Enrolment, ConfigError> {
        bounded("enrolment.code_minutes", self.code_minutes, 1..=10_080)?;
        bounded("enrolment.code_tries", self.code_tries, 1..=20)?;
        bounded("enrolment.same_key_minutes", self.same_key_minutes, 0..=60)?;
        bounded("enrolment.approval_days", self.approval_days, 1..=90)?;
        bounded("enrolment.poll_seconds", self.poll_seconds, 1..=3_600)?;
        bounded("enrolment.rsa_keys_ahead", self.rsa_keys_ahead, 0..=16)?;
        bounded("enrolment.key_file_minutes", self.key_file_minutes, 1..=60)?;
        Ok(Enrolment(self.clone()))
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct Enrolment(EnrolmentSettings);

impl Enrolment {
    /// Lifetime of a code.
    #[must_use]
    pub fn code_lifetime(&self) -> Duration {
        Duration::minutes(self.0.code_minutes.into())
    }

    /// Wrong codes that a code survives; what cannot be a code uses up none.
    #[must_use]
    pub fn code_tries(&self) -> u32 {
        self.0.code_tries
    }

    /// How long a used code answers the same key again.
    #[must_use]
    pub fn same_key_grace(&self) -> Duration {
        Duration::minutes(self.0.same_key_minutes.into())
    }

    /// Whether a code for this device is issued so that a person approves the key, asked for or not.
    #[must_use]
    pub fn needs_approval(&self, device: Device) -> bool {
        match self.0.approval {
            ApprovalPolicy::OnRequest => false,
            ApprovalPolicy::Routers => device == Device::Router,
            ApprovalPolicy::All => true,
        }
    }

    /// How long a request waits for approval, and an approved key for its certificate.
    #[must_use]
    pub fn approval_time(&self) -> Duration {
        Duration::days(self.0.approval_days.into())
    }

    /// How often a waiting device is told to ask.
    #[must_use]
    pub fn poll_interval_secs(&self) -> u32 {
        self.0.poll_seconds
    }

    /// Whether keys for this device are made here.
    #[must_use]
    pub fn makes_keys_for(&self, device: Device) -> bool {
        match self.0.server_made_keys {
            ServerMadeKeys::None => false,
            ServerMadeKeys::Routers => device == Device::Router,
            ServerMadeKeys::All => true,
        }
    }

    /// How many RSA keys are made ahead; none where no key is made here.
    #[must_use]
    pub fn rsa_keys_ahead(&self) -> usize {
        match self.0.server_made_keys {
            ServerMadeKeys::None => 0,
            ServerMadeKeys::Routers | ServerMadeKeys::All => {
                usize::try_from(self.0.rsa_keys_ahead).unwrap_or_default()
            }
        }
    }

    /// How long a file with a key can be fetched.
    #[must_use]
    pub fn key_file_time(&self) -> Duration {
        Duration::minutes(self.0.key_file_minutes.into())
    }
}
