//! Why a configuration cannot be used, told with its place.

use std::path::PathBuf;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is none.
    #[error(
        "there is no {}: name the folder of an instance, or make one with `sekisho init`",
        path.display()
    )]
    NoInstance {
        /// The file that would be there.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read {}; run this as the user who serves the instance", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, a value of another type, or a key that does not exist.
    #[error("{}, {place}: {fault}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        place: Place,
        /// What was found and what may stand there, in the parser's words.
        fault: String,
    },
    /// A value outside its bounds.
    #[error("configuration key `{key}`: {fault}")]
    Invalid {
        /// Section and key.
        key: &'static str,
        /// What is wrong and what would be right.
        fault: String,
    },
}

/// A place in the file, as a person looks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// The section's header, `[listen]`; none above the first.
    pub section: Option<String>,
}

impl Place {
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let headers = text.lines().take(line).map(str::trim).filter(|line| line.starts_with('['));
        // Of an array of tables, too, as of a table: `[[name]]`.
        let name = headers.last().and_then(|line| line.trim_start_matches('[').split(']').next());
        Self { line, section: name.map(|name| format!("[{}]", name.trim())) }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}", self.line)?;
        self.section.as_ref().map_or(Ok(()), |section| write!(f, ", in {section}"))
    }
}

pub(crate) fn invalid(key: &'static str, fault: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { key, fault: fault.into() }
}

/// A whole number within bounds.
pub(crate) fn bounded<N: PartialOrd + std::fmt::Display + Copy>(
    key: &'static str,
    value: N,
    bounds: std::ops::RangeInclusive<N>,
) -> Result<N, ConfigError> {
    if bounds.contains(&value) {
        Ok(value)
    } else {
        Err(invalid(key, format!("{value} is not within {} and {}", bounds.start(), bounds.end())))
    }
}
