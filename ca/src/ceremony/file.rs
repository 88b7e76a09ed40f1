//! What a person writes in a plan's file.

use sekisho_pki::encoding::serial::Serial;
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use toml::Spanned;

use crate::revocation::RevocationReason;

/// Times are RFC 3339 in quotes, lifetimes are days, files lie beside the plan.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanFile {
    pub(super) title: String,
    pub(super) at: Moment,
    pub(super) organisation: String,
    pub(super) publication: String,
    #[serde(default)]
    pub(super) key: Vec<Spanned<KeyTable>>,
    #[serde(default)]
    pub(super) authority: Vec<Spanned<AuthorityTable>>,
    #[serde(default)]
    pub(super) certificate: Vec<Spanned<CertificateTable>>,
    #[serde(default)]
    pub(super) crl: Vec<Spanned<CrlTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyTable {
    pub(super) name: String,
    pub(super) kind: Option<KeyKind>,
    pub(super) file: Option<String>,
    pub(super) token: Option<TokenTable>,
    pub(super) request: Option<String>,
    pub(super) sha256: Option<String>,
}

/// As a plan calls the kinds of keys that a ceremony makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// P-256.
    P256,
    /// P-384.
    P384,
    /// RSA with 3,072 bits.
    Rsa3072,
    /// RSA with 4,096 bits.
    Rsa4096,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenTable {
    pub(super) module: String,
    pub(super) token: String,
    pub(super) label: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthorityTable {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) common_name: Option<String>,
    pub(super) certificate: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificateTable {
    pub(super) profile: String,
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) key: Option<String>,
    pub(super) days: Option<u32>,
    pub(super) until: Option<Moment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CrlTable {
    pub(super) issuer: String,
    pub(super) number: u64,
    pub(super) days: u32,
    #[serde(default)]
    pub(super) revoked: Vec<RevokedTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RevokedTable {
    pub(super) serial: HexSerial,
    pub(super) at: Moment,
    pub(super) reason: RevocationReason,
}

/// RFC 3339, to the second.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Moment(pub(super) OffsetDateTime);

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let at = OffsetDateTime::parse(&text, &Rfc3339)
            .map_err(|_| format!("`{text}` is no time: write it like 2026-11-21T09:00:00+09:00"))?;
        if at.nanosecond() != 0 {
            return Err(format!("`{text}` has parts of a second, which certificates have not"));
        }
        Ok(Self(at.to_offset(time::UtcOffset::UTC)))
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct HexSerial(pub(super) Serial);

impl TryFrom<String> for HexSerial {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Serial::from_hex(&text).map(Self).map_err(|error| format!("`{text}`: {error}"))
    }
}
