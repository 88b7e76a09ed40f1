//! `[jpki]`: login by My Number card, and who tells whether its certificate was revoked.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::Duration;
use url::Url;

use super::{ConfigError, bounded, invalid};

/// Who is asked for the status of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusSource {
    /// Nobody: no My Number card logs anybody in.
    None,
    /// OCSP answers and revocation lists in a folder.
    Files,
    /// An OCSP responder.
    Ocsp,
}

/// Whether an OCSP answer has to repeat the nonce of its question (RFC 9654). One that does not can be
/// shown again by anybody on the way, for as long as it is young enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nonce {
    /// It has to.
    Required,
    /// It need not: the responder signs its answers ahead (RFC 5019).
    Optional,
}

/// As written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JpkiSettings {
    /// Folder of the JPKI's certificates for user authentication (PEM or DER).
    pub anchors: PathBuf,
    /// `none`, `files` or `ocsp`.
    pub status: StatusSource,
    /// Folder of OCSP answers (`.ors`) and revocation lists (`.crl`), for `files`.
    pub evidence: PathBuf,
    /// Address of the responder, for `ocsp`.
    pub responder: String,
    /// How long its answer may take, in seconds.
    pub responder_seconds: u32,
    /// Whether it answers with nonces: `required`, or `optional` for one that answers ahead.
    pub nonce: Nonce,
    /// Oldest status that counts, in minutes.
    pub status_minutes: u32,
}

impl Default for JpkiSettings {
    /// Off. The JPKI publishes its lists daily.
    fn default() -> Self {
        Self {
            anchors: "anchors/jpki".into(),
            status: StatusSource::None,
            evidence: "crls/jpki".into(),
            responder: String::new(),
            responder_seconds: 5,
            nonce: Nonce::Required,
            status_minutes: 1_440,
        }
    }
}

impl JpkiSettings {
    pub(super) fn validate(&self, folder: &Path) -> Result<Jpki, ConfigError> {
        bounded("jpki.responder_seconds", self.responder_seconds, 1..=20)?;
        bounded("jpki.status_minutes", self.status_minutes, 5..=10_080)?;
        let source = match self.status {
            StatusSource::None => Source::Nobody,
            StatusSource::Files => Source::Files(folder.join(&self.evidence)),
            StatusSource::Ocsp => Source::Responder {
                address: responder(&self.responder)?,
                patience: Duration::seconds(self.responder_seconds.into()),
                nonce: self.nonce,
            },
        };
        Ok(Jpki {
            anchors: folder.join(&self.anchors),
            source,
            most_status_age: Duration::minutes(self.status_minutes.into()),
        })
    }
}

/// An address that is asked as it stands. Plain HTTP, as RFC 6960 appendix A has it: the answer is signed.
fn responder(text: &str) -> Result<Url, ConfigError> {
    let fault = "the address of the OCSP responder, such as http://ocsp.example/jpki";
    let url = Url::parse(text).map_err(|_| invalid("jpki.responder", fault))?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if url.scheme() != "http" || url.host_str().is_none() || !plain {
        return Err(invalid("jpki.responder", fault));
    }
    Ok(url)
}

/// Who is asked, validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody.
    Nobody,
    /// This folder.
    Files(PathBuf),
    /// This responder.
    Responder {
        /// Where.
        address: Url,
        /// How long its answer may take.
        patience: Duration,
        /// Whether an answer without one counts.
        nonce: Nonce,
    },
}

/// Validated.
#[derive(Debug, Clone)]
pub struct Jpki {
    anchors: PathBuf,
    source: Source,
    most_status_age: Duration,
}

impl Jpki {
    /// Folder of the JPKI's certificates for user authentication.
    #[must_use]
    pub fn anchors(&self) -> &Path {
        &self.anchors
    }

    /// Who tells whether a certificate was revoked.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Oldest status that counts.
    #[must_use]
    pub fn most_status_age(&self) -> Duration {
        self.most_status_age
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_address_is_taken_for_a_responder() {
        let settings = |responder: &str| JpkiSettings {
            status: StatusSource::Ocsp,
            responder: responder.to_owned(),
            ..JpkiSettings::default()
        };
        let folder = Path::new("/srv/sekisho");
        assert!(settings("http://ocsp.example:2560/jpki").validate(folder).is_ok());
        for bad in [
            "",
            "ocsp.example",
            "https://ocsp.example/",
            "file:///etc/passwd",
            "http://user:secret@ocsp.example/",
            "http://ocsp.example/#jpki",
        ] {
            assert!(settings(bad).validate(folder).is_err(), "{bad}");
        }
        // Where nobody is asked the address does not matter.
        let off = JpkiSettings { status: StatusSource::None, ..settings("") };
        assert_eq!(off.validate(folder).unwrap().source(), &Source::Nobody);
    }
}
