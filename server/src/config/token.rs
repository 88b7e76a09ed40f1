//! `[authority.token]`, and `[token]` of the signing process: where keys of authorities are that
//! lie in no file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// As written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenSettings {
    /// Path of the PKCS #11 library; empty while there is no token.
    pub module: String,
    /// Label of the token.
    pub label: String,
    /// File whose first line is the PIN of the token's user.
    pub pin_file: String,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            module: String::new(),
            label: String::new(),
            pin_file: "secrets/token.pin".to_owned(),
        }
    }
}

/// Validated: a token behind PKCS #11.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPlace {
    /// Path of the library.
    pub module: PathBuf,
    /// Label of the token.
    pub label: String,
    /// File whose first line is the PIN.
    pub pin_file: PathBuf,
}

impl TokenSettings {
    /// The token, if there is one. A relative `pin_file` is below `folder`.
    ///
    /// # Errors
    /// What would be right.
    pub(crate) fn validate(&self, folder: &Path) -> Result<Option<TokenPlace>, &'static str> {
        if self.module.is_empty() && self.label.is_empty() {
            return Ok(None);
        }
        // A bare name would be looked for wherever the environment says, and be run as this process.
        if !Path::new(&self.module).is_absolute() {
            return Err("`module` wants the whole path of the PKCS #11 library, from `/` on");
        }
        // CK_TOKEN_INFO (PKCS #11 v2.40 §3.2) has room for 32 octets, padded with blanks.
        if self.label.is_empty() || self.label.len() > 32 || self.label.trim() != self.label {
            return Err("`label` is the token's, 1 to 32 octets without blanks around them");
        }
        if self.pin_file.is_empty() {
            return Err("`pin_file` names the file whose first line is the token's PIN");
        }
        Ok(Some(TokenPlace {
            module: PathBuf::from(&self.module),
            label: self.label.clone(),
            pin_file: folder.join(&self.pin_file),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_whole_or_absent() {
        let settings = |module: &str, label: &str, pin_file: &str| TokenSettings {
            module: module.to_owned(),
            label: label.to_owned(),
            pin_file: pin_file.to_owned(),
        };
        let folder = Path::new("/srv/sekisho");
        assert_eq!(TokenSettings::default().validate(folder), Ok(None));
        let place = settings("/usr/lib/p11.so", "hsm", "secrets/token.pin").validate(folder);
        let place = place.unwrap().unwrap();
        assert_eq!(place.pin_file, Path::new("/srv/sekisho/secrets/token.pin"));
        for (module, label, pin_file) in [
            ("", "hsm", "pin"),
            ("p11.so", "hsm", "pin"),
            ("/usr/lib/p11.so", "", "pin"),
            ("/usr/lib/p11.so", "hsm ", "pin"),
            ("/usr/lib/p11.so", "a label that is longer than thirty-two", "pin"),
            ("/usr/lib/p11.so", "hsm", ""),
        ] {
            let refused = settings(module, label, pin_file).validate(folder);
            assert!(refused.is_err(), "{module} {label} {pin_file}");
        }
    }
}
