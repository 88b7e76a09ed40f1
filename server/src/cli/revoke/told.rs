//! What an operator is told after a revocation.

use std::path::Path;

use serde_json::json;

use crate::revocation::{Measure, Outcome, Target};

/// The answer for machines.
pub(super) fn as_json(outcome: &Outcome) -> String {
    let certificates: Vec<_> = outcome
        .certificates
        .iter()
        .map(|(issuer, serial)| json!({ "issuer": issuer, "serial": hex::encode(serial) }))
        .collect();
    let answer = json!({
        "changed": outcome.changed,
        "certificates": certificates,
        "sessions_ended": outcome.sessions_ended,
    });
    format!("{answer}\n")
}

/// The answer for people.
pub(super) fn in_words(outcome: &Outcome, target: &Target, measure: Measure) -> String {
    if !outcome.changed {
        let why = match measure {
            Measure::Revoke(_) => "it was revoked before",
            Measure::Hold => "whatever is not revoked for good is held already",
            Measure::Release => {
                "it has no hold of its own; a facility's quarantine ends with the facility's release"
            }
        };
        return format!("Nothing to change: {why}.\n");
    }
    if matches!(target, Target::Key(_)) && outcome.certificates.is_empty() {
        return "The key is on record as compromised and will never be certified. No certificate for \
                it was in force here.\n"
            .to_owned();
    }
    let verb = match measure {
        Measure::Revoke(_) => "revoked",
        Measure::Hold => "held",
        Measure::Release => "released",
    };
    let mut text = format!(
        "{} certificates {verb}, {} sessions ended\n",
        outcome.certificates.len(),
        outcome.sessions_ended
    );
    for (issuer, serial) in &outcome.certificates {
        text.push_str(&format!("  {issuer}  {}\n", hex::encode(serial)));
    }
    text
}

/// What comes after the revocation of an authority, as `docs/ceremony.md` has it.
pub(super) fn after_issuer(id: &str, dir: &Path) -> String {
    let dir = dir.display();
    if id == "root" {
        return format!(
            "No list takes a root back: whoever trusts it has to stop. Make a new instance with a new \
             root, without cross-certificates; its fingerprint goes to every terminal by hand, as at \
             enrolment. Revoke each authority of this one: sekisho revoke issuer {dir} ID --reason \
             ca-compromise (docs/ceremony.md, \"When something goes wrong\")."
        );
    }
    format!(
        "Its own certificate is still to go on the root's list: `sekisho ceremony root-list {dir} OUT` \
         writes the plan, a ceremony signs it, `sekisho ceremony install` publishes it. A new \
         authority takes a new key and a ceremony, which may be the same one (docs/ceremony.md)."
    )
}
