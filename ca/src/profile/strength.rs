//! Until when a key of which strength may stand behind a certificate, as data
//! (`ca/profiles/strength.toml`, after CRYPTREC LS-0003).

use std::sync::OnceLock;

use sekisho_pki::signature::PublicKeyKind;
use serde::Deserialize;
use time::OffsetDateTime;

use super::{ProfileError, PublicKeyRule, config};

/// Bits of strength and the last moment of each kind of key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrengthLimits {
    source: String,
    limits: Vec<StrengthLimit>,
}

/// One kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrengthLimit {
    /// The kind.
    pub key: PublicKeyRule,
    /// Bits of strength.
    pub bits: u16,
    /// No certificate for it or signed by it is valid after this; `None` while no end is set.
    pub until: Option<OffsetDateTime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    source: String,
    limit: Vec<LimitConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitConfig {
    key: String,
    bits: u16,
    until: Option<String>,
}

/// Below this nothing is certified at all (certificate policy §6.1.5).
const LEAST_BITS: u16 = 112;

impl StrengthLimits {
    /// The limits of this build.
    ///
    /// # Errors
    /// [`ProfileError`]; a test proves that the shipped file is valid.
    pub fn shipped() -> Result<&'static Self, ProfileError> {
        static SHIPPED: OnceLock<StrengthLimits> = OnceLock::new();
        if let Some(limits) = SHIPPED.get() {
            return Ok(limits);
        }
        let limits = Self::from_toml(include_str!("../../profiles/strength.toml"))?;
        Ok(SHIPPED.get_or_init(|| limits))
    }

    /// Reads the file's TOML.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        let config: Config = toml::from_str(text)?;
        let mut limits: Vec<StrengthLimit> = Vec::new();
        for limit in config.limit {
            let key = config::public_key(&limit.key)?;
            if limits.iter().any(|other| other.key == key) || limit.bits < LEAST_BITS {
                return Err(ProfileError::Contradiction {
                    what: "strength: a key stands twice, or has fewer than 112 bits of strength",
                });
            }
            let until = limit
                .until
                .map(|text| {
                    OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339)
                        .map_err(|_| ProfileError::Word { key: "until", word: text })
                })
                .transpose()?;
            limits.push(StrengthLimit { key, bits: limit.bits, until });
        }
        Ok(Self { source: config.source, limits })
    }

    /// The document that the limits are from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The limit of this kind of key; `None`: too weak at any time, or unknown to us.
    #[must_use]
    pub fn of(&self, kind: PublicKeyKind) -> Option<&StrengthLimit> {
        self.limits.iter().find(|limit| limit.key.allows(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa(modulus_bits: usize) -> PublicKeyKind {
        PublicKeyKind::Rsa { modulus_bits, usual_exponent: true }
    }

    #[test]
    fn rsa_2048_ends_with_2030_in_japan_and_p384_has_no_end_yet() {
        let limits = StrengthLimits::shipped().unwrap();
        assert!(limits.source().contains("LS-0003"));
        let until = limits.of(rsa(2048)).unwrap().until.unwrap();
        // 2030-12-31T23:59:59+09:00
        assert_eq!(until.unix_timestamp(), 1_924_959_599);
        assert_eq!(limits.of(PublicKeyKind::P384).unwrap().until, None);
        let p256 = limits.of(PublicKeyKind::P256).unwrap();
        assert_eq!(p256.bits, 128);
        assert!(p256.until.unwrap().year() == 2050);
        assert_eq!(limits.of(rsa(3072)).unwrap().until, p256.until);
        assert_eq!(limits.of(rsa(1024)), None);
    }

    #[test]
    fn a_repeated_a_weak_and_an_undated_limit_are_refused() {
        for text in [
            "source = 's'\n[[limit]]\nkey = 'p256'\nbits = 128\n[[limit]]\nkey = 'p256'\nbits = 128",
            "source = 's'\n[[limit]]\nkey = 'rsa2048'\nbits = 80",
            "source = 's'\n[[limit]]\nkey = 'rsa2048'\nbits = 112\nuntil = 'some day'",
            "source = 's'\n[[limit]]\nkey = 'rsa1024'\nbits = 112",
            "source = 's'\nextra = 1\n[[limit]]\nkey = 'p256'\nbits = 128",
        ] {
            assert!(StrengthLimits::from_toml(text).is_err(), "{text}");
        }
    }
}
