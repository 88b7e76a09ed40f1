//! Chromium, Chrome and Edge on Linux: their certificates, policies and native messaging hosts.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files::variable;
use crate::platform::CertificateStore;

/// Where Chromium, Chrome and Edge look for managed policies (Chrome Enterprise, "Linux quick start";
/// Microsoft Edge, "Configure on Linux").
const POLICIES: [&str; 3] = [
    "/etc/chromium/policies/managed",
    "/etc/opt/chrome/policies/managed",
    "/etc/opt/edge/policies/managed",
];

/// The file that a PC with Chromium is told to write.
const USUAL_POLICY: &str = "/etc/chromium/policies/managed/sekisho.json";

/// None: certificates are the browser's own affair.
pub const CERTIFICATE_STORE: Option<CertificateStore> = None;

/// The NSS database that Chromium reads for this user, whether it exists or not (Chromium, "Linux Cert
/// Management").
pub fn usual_browser_store() -> Option<PathBuf> {
    variable("HOME").map(|home| home.join(".pki/nssdb"))
}

/// The managed policies of this PC, each with the file that holds it.
pub fn browser_policies() -> Vec<(String, Value)> {
    policies_in(&POLICIES.map(Path::new))
}

fn policies_in(folders: &[&Path]) -> Vec<(String, Value)> {
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let mut files: Vec<PathBuf> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    files.sort();
    let policy = |path: PathBuf| {
        let value = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
        Some((path.display().to_string(), value))
    };
    files.into_iter().filter_map(policy).collect()
}

/// What root enters to write the policy for the enrolment in `folder`, in place of `old` if one is there.
/// Root has another home: the folder is named in full.
pub fn policy_line(folder: &Path, old: Option<&str>) -> String {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    format!(
        "sekisho-agent policy --dir {} --write {}",
        shell_word(&folder.display().to_string()),
        shell_word(old.unwrap_or(USUAL_POLICY))
    )
}

/// As a shell reads it as one word (POSIX Shell Command Language, 2.2.2).
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The program that browsers start, where the Debian package puts it.
pub fn native_messaging() -> PathBuf {
    "/usr/lib/sekisho-agent/native-host".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_no_json_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b.json"), "{\"b\":1}").unwrap();
        std::fs::write(folder.path().join("a.json"), "{").unwrap();
        let found = policies_in(&[folder.path(), &folder.path().join("nowhere")]);
        let file = folder.path().join("b.json").display().to_string();
        assert_eq!(found, [(file, serde_json::json!({ "b": 1 }))]);
    }
}
