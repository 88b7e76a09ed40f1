//! The keychain, managed preferences (`/Library/Managed Preferences`), `NativeMessagingHosts` below
//! `~/Library/Application Support`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::platform::CertificateStore;

/// The keychain's place.
pub const CERTIFICATE_STORE: Option<CertificateStore> = None;

/// None: browsers read the keychain.
pub fn usual_browser_store() -> Option<PathBuf> {
    None
}

/// Managed preferences are not read.
pub fn browser_policies() -> Vec<(String, Value)> {
    Vec::new()
}

/// The policy as JSON; a configuration profile is made of it by hand.
pub fn policy_line(folder: &Path, _: Option<&str>) -> String {
    format!("sekisho-agent policy --dir {}", shell_word(&folder.display().to_string()))
}

/// As a shell reads it as one word (POSIX Shell Command Language, 2.2.2).
pub fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// No installer puts one anywhere.
pub fn native_messaging() -> PathBuf {
    PathBuf::new()
}
