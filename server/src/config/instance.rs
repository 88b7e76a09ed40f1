//! `[instance]`: this process, its database and its log.

use std::{
    path::{Component, Path},
    str::FromStr,
};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::LevelFilter;

use super::{ConfigError, invalid};

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InstanceSettings {
    /// Name of this process among those that share the database.
    pub node: String,
    /// `sqlite:PATH` or `postgres://…`.
    pub database: String,
    /// `text` or `json`.
    pub log_format: LogFormat,
    /// Filter of the log, as in `info,sqlx=warn`.
    pub log_filter: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for InstanceSettings {
    fn default() -> Self {
        Self {
            node: "node-1".into(),
            database: "sqlite:sekisho.db".into(),
            log_format: LogFormat::Text,
            log_filter: "info".into(),
        }
    }
}

impl InstanceSettings {
    pub(super) fn validate(&self, folder: &Path) -> Result<Instance, ConfigError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if self.node.is_empty() || self.node.len() > 64 || !self.node.bytes().all(plain) {
            return Err(invalid("instance.node", "1 to 64 letters, digits, `-`, `_` or `.`"));
        }
        let database = match self.database.split_once(':') {
            Some(("sqlite", path)) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                if path.is_empty() || path.contains('?') {
                    return Err(invalid("instance.database", "`sqlite:` wants a path"));
                }
                if Path::new(path).components().any(|part| part == Component::ParentDir) {
                    return Err(invalid(
                        "instance.database",
                        "`sqlite:` wants a path within the instance folder, or an absolute one, \
                         without `..`",
                    ));
                }
                format!("sqlite://{}", folder.join(path).display())
            }
            Some(("postgres" | "postgresql", _)) => self.database.clone(),
            _ => {
                return Err(invalid("instance.database", "begins with `sqlite:` or `postgres://`"));
            }
        };
        if !is_log_filter(&self.log_filter) {
            return Err(invalid("instance.log_filter", LOG_FILTER));
        }
        Ok(Instance {
            node: self.node.clone(),
            database: database.into(),
            log_format: self.log_format,
            log_filter: self.log_filter.clone(),
        })
    }
}

/// What a filter of the log may be.
pub(crate) const LOG_FILTER: &str = "a level, and with commas between TARGET=LEVEL, such as `info,sqlx=warn`; levels are off, \
     error, warn, info, debug and trace";

/// Whether a filter says what it looks like. The library also takes empty parts, and takes a level that is
/// misspelt for the name of a target, of which everything is then logged and nothing else.
pub(crate) fn is_log_filter(text: &str) -> bool {
    let is_level = |level: &str| !level.is_empty() && LevelFilter::from_str(level).is_ok();
    let is_target = |target: &str| !target.is_empty() && !target.contains(char::is_whitespace);
    text.split(',').all(|part| match part.split_once('=') {
        Some((target, level)) => is_target(target) && is_level(level),
        None => is_level(part),
    })
}

/// Validated.
#[derive(Debug, Clone)]
pub struct Instance {
    node: String,
    database: SecretString,
    log_format: LogFormat,
    log_filter: String,
}

impl Instance {
    /// Name of this process.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// URL of the database, paths absolute. May hold a password.
    #[must_use]
    pub fn database(&self) -> &SecretString {
        &self.database
    }

    /// How log lines look.
    #[must_use]
    pub fn log_format(&self) -> LogFormat {
        self.log_format
    }

    /// Filter of the log.
    #[must_use]
    pub fn log_filter(&self) -> &str {
        &self.log_filter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_filter_is_what_it_looks_like() {
        for fit in ["info", "off", "info,sqlx=warn", "warn,sekisho::login=debug,sqlx=off"] {
            assert!(is_log_filter(fit), "{fit}");
        }
        for unfit in
            ["", "info,=,,", "info,", ",info", "=info", "sqlx=", "inof", "info sqlx=warn", "a=b=c"]
        {
            assert!(!is_log_filter(unfit), "{unfit}");
        }
    }
}
