//! Edge and Chrome on Windows: policies and native messaging hosts are found by the registry.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use winsafe::HKEY;

use super::registry;
use crate::terminal::policy::{BROWSER_KEYS, LOOPBACK, SELECT};

/// None: Edge and Chrome read the system's store.
pub fn usual_browser_store() -> Option<PathBuf> {
    None
}

/// The managed policies of this PC and this user, each with the key that holds them.
pub fn browser_policies() -> Vec<(String, Value)> {
    let roots = [("HKLM", HKEY::LOCAL_MACHINE), ("HKCU", HKEY::CURRENT_USER)];
    let places = roots.iter().flat_map(|place| BROWSER_KEYS.map(|(_, key)| (place, key)));
    let policy = |((name, root), key): (&(&str, HKEY), &str)| {
        let list = |policy: &str| registry::list(root, &format!(r"{key}\{policy}"));
        let (loopback, select) = (list(LOOPBACK), list(SELECT));
        let found = !(loopback.is_empty() && select.is_empty());
        found.then(|| (format!(r"{name}\{key}"), json!({ (LOOPBACK): loopback, (SELECT): select })))
    };
    places.filter_map(policy).collect()
}

/// What an administrator enters to write the policy for the enrolment in `folder`. The old one is in the
/// registry too, and is written over.
pub fn policy_line(folder: &Path, _: Option<&str>) -> String {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let folder = shell_word(&folder.display().to_string());
    format!(
        "sekisho-agent policy --dir {folder} --form reg --write sekisho.reg && reg import sekisho.reg"
    )
}

/// As the command prompt hands it on as one word; no path holds a quotation mark.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || r"\:/._-".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("\"{text}\"") }
}

/// The program that browsers start, where `sekisho-agent install` puts it.
pub fn native_messaging() -> PathBuf {
    super::data_folder().join("sekisho-agent").join(super::service::NATIVE_HOST)
}
