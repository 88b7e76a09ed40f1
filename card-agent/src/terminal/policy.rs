//! The managed policy of Chromium, Chrome and Edge: no certificate chooser, no prompt for loopback.

use sekisho_protocol::trust::TerminalTrust;
use serde_json::{Value, json};

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
        "LoopbackNetworkAllowedForUrls": trust.portal_origins,
    })
}
