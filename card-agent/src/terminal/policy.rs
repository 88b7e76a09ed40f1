//! The managed policy of Chromium, Chrome and Edge: no certificate chooser, no prompt for loopback.

use std::path::Path;

use sekisho_protocol::trust::TerminalTrust;
use serde_json::{Value, json};

/// The policy by which a page reaches a program on this PC without a prompt.
const LOOPBACK: &str = "LoopbackNetworkAllowedForUrls";

/// Where Chromium, Chrome and Edge on Linux look for managed policies (Chrome Enterprise, "Linux
/// quick start"; Microsoft Edge, "Configure on Linux").
pub const FOLDERS: [&str; 3] = [
    "/etc/chromium/policies/managed",
    "/etc/opt/chrome/policies/managed",
    "/etc/opt/edge/policies/managed",
];

/// Whether a policy in one of these folders lets the portals' pages reach the agent.
pub fn is_in_place(folders: &[&Path], trust: &TerminalTrust) -> bool {
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let texts = files.filter_map(|file| std::fs::read(file.ok()?.path()).ok());
    let policies = texts.filter_map(|text| serde_json::from_slice::<Value>(&text).ok());
    policies.into_iter().any(|policy| {
        let allowed = policy[LOOPBACK].as_array();
        trust.portal_origins.iter().all(|origin| {
            allowed.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(origin)))
        })
    })
}

/// Policy JSON for these portals. `issuer` is the common name of the authority that issues terminal
/// certificates: other certificates of the user stay out of the choice.
pub fn chromium(trust: &TerminalTrust, issuer: Option<&str>) -> Value {
    let filter = match issuer {
        Some(name) => json!({ "ISSUER": { "CN": name } }),
        None => json!({}),
    };
    // The policy's items are JSON in a string (Chrome Enterprise, AutoSelectCertificateForUrls).
    let select: Vec<String> = trust
        .portal_origins
        .iter()
        .map(|origin| json!({ "pattern": origin, "filter": filter }).to_string())
        .collect();
    json!({
        "AutoSelectCertificateForUrls": select,
        (LOOPBACK): trust.portal_origins,
    })
}
