//! `[operator]`: the body that runs this instance (事業主体), as people see it.

use serde::{Deserialize, Serialize};

use super::{ConfigError, invalid};
use crate::catalogue::Lang;

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperatorSettings {
    /// Name in Japanese, on every page.
    pub name_ja: String,
    /// Name in English.
    pub name_en: String,
    /// How to reach the help desk, in Japanese.
    pub help_desk_ja: String,
    /// How to reach the help desk, in English.
    pub help_desk_en: String,
}

impl Default for OperatorSettings {
    fn default() -> Self {
        Self {
            name_ja: "医療ネットワーク認証基盤".into(),
            name_en: "Healthcare Network Authentication".into(),
            help_desk_ja: "ヘルプデスク（平日 9:00–17:00）".into(),
            help_desk_en: "Help desk (weekdays 9:00–17:00)".into(),
        }
    }
}

impl OperatorSettings {
    pub(super) fn validate(&self) -> Result<Operator, ConfigError> {
        for (key, value) in [
            ("operator.name_ja", &self.name_ja),
            ("operator.name_en", &self.name_en),
            ("operator.help_desk_ja", &self.help_desk_ja),
            ("operator.help_desk_en", &self.help_desk_en),
        ] {
            if value.trim().is_empty() || value.chars().count() > 200 {
                return Err(invalid(key, "1 to 200 characters"));
            }
        }
        Ok(Operator(self.clone()))
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct Operator(OperatorSettings);

impl Operator {
    /// The name.
    #[must_use]
    pub fn name(&self, lang: Lang) -> &str {
        match lang {
            Lang::Ja => &self.0.name_ja,
            Lang::En => &self.0.name_en,
        }
    }

    /// How to reach the help desk.
    #[must_use]
    pub fn help_desk(&self, lang: Lang) -> &str {
        match lang {
            Lang::Ja => &self.0.help_desk_ja,
            Lang::En => &self.0.help_desk_en,
        }
    }
}
