//! `signer.toml`: what the signing process knows without asking whom it serves.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use sekisho_ca::revocation::CrlPartitions;
use serde::{Deserialize, Serialize};
use time::Duration;

use crate::config::{LOG_FILTER, LogFormat, TokenPlace, TokenSettings, is_log_filter};

/// The file's name within the folder.
const FILE_NAME: &str = "signer.toml";
/// The annotated example; what [`Settings::text`] writes has its form.
pub const EXAMPLE: &str = include_str!("signer.example.toml");

/// As written. Every key stands with its meaning in `signer.example.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// URL of the instance's database.
    pub database: String,
    /// Under which name refusals are recorded.
    pub node: String,
    /// Where it listens.
    pub socket: String,
    /// User numbers that may ask.
    pub users: Vec<u32>,
    /// `http://plain…`, where the instance publishes.
    pub publication_base: String,
    /// Into how many partitions the terminals' list is divided; 1 for not at all.
    pub crl_partitions: u16,
    /// Longest validity of a list, in hours.
    pub crl_hours: u32,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Filter of the log.
    pub log_filter: String,
    /// `[token]`; a file of before there were any has none.
    #[serde(default)]
    pub token: TokenSettings,
}

/// Validated.
#[derive(Debug, Clone)]
pub struct Config {
    pub(super) folder: PathBuf,
    pub(super) database: SecretString,
    pub(super) node: String,
    pub(super) socket: PathBuf,
    pub(super) users: Vec<u32>,
    pub(super) publication_base: String,
    pub(super) crl_partitions: Option<CrlPartitions>,
    pub(super) most_list_validity: Duration,
    pub(super) token: Option<TokenPlace>,
}

/// Why `signer.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not there.
    #[error("cannot read {}: make the folder with `sekisho signer split`", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, a key too many or too few, a value of another type.
    #[error("{} is not a configuration of the signing process", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value.
    #[error("signer.toml, key `{key}`: {fault}")]
    Invalid {
        /// Which.
        key: &'static str,
        /// What would be right.
        fault: &'static str,
    },
}

impl Config {
    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Settings {
    /// Where the settings of this folder are.
    #[must_use]
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(FILE_NAME)
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`SettingsError::Unreadable`], [`SettingsError::Malformed`].
    pub fn read(folder: &Path) -> Result<Self, SettingsError> {
        let path = Self::path(folder);
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .map_err(|error| SettingsError::Malformed { path, source: Box::new(error) }),
            Err(source) => Err(SettingsError::Unreadable { path, source }),
        }
    }

    /// The annotated file with these values.
    #[must_use]
    pub fn text(&self) -> String {
        crate::config::annotated(EXAMPLE, self)
    }

    /// Checks every value. Relative paths are below `folder`; `socket` takes the place of the
    /// configured one.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`].
    pub fn validate(
        &self,
        folder: &Path,
        socket: Option<PathBuf>,
    ) -> Result<Config, SettingsError> {
        let invalid = |key, fault| Err(SettingsError::Invalid { key, fault });
        if self.users.is_empty() {
            return invalid("users", "name the user of the process that asks, by number");
        }
        if !self.publication_base.starts_with("http://") {
            return invalid("publication_base", "begins with http://");
        }
        if !(1..=96).contains(&self.crl_hours) {
            return invalid("crl_hours", "1 to 96");
        }
        if self.crl_partitions != 1 && CrlPartitions::new(self.crl_partitions).is_none() {
            return invalid("crl_partitions", "give 1, 2, 4, 8, … or 256");
        }
        if !is_log_filter(&self.log_filter) {
            return invalid("log_filter", LOG_FILTER);
        }
        let database = match self.database.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => {
                let path = path.strip_prefix("//").unwrap_or(path);
                format!("sqlite://{}", folder.join(path).display())
            }
            Some(("postgres" | "postgresql", _)) => self.database.clone(),
            _ => return invalid("database", "begins with `sqlite:` or `postgres://`"),
        };
        Ok(Config {
            folder: folder.to_owned(),
            database: database.into(),
            node: self.node.clone(),
            socket: socket.unwrap_or_else(|| folder.join(&self.socket)),
            users: self.users.clone(),
            publication_base: self.publication_base.clone(),
            crl_partitions: CrlPartitions::new(self.crl_partitions),
            most_list_validity: Duration::hours(self.crl_hours.into()),
            token: self
                .token
                .validate(folder)
                .map_err(|fault| SettingsError::Invalid { key: "token", fault })?,
        })
    }
}
