//! What an operator is told after a revocation.

use std::path::Path;

use sekisho_store::revocation::CertificateKey;
use serde_json::{Value, json};

use crate::{
    authority::is_root,
    revocation::{HeldBy, Measure, Outcome, Target},
};

/// The answer for machines.
pub(super) fn as_json(outcome: &Outcome) -> String {
    let certificates = listed(&outcome.certificates);
    let answer = json!({
        "changed": outcome.changed,
        "certificates": certificates,
        "sessions_ended": outcome.sessions_ended,
        "held_by": outcome.held_by.as_ref().map(|held_by| match held_by {
            HeldBy::Facility(id) => json!({ "facility": id }),
            HeldBy::Terminal(id) => json!({ "terminal": id }),
            HeldBy::Certificates(held) => json!({ "certificates": listed(held) }),
        }),
    });
    format!("{answer}\n")
}

fn listed(certificates: &[CertificateKey]) -> Vec<Value> {
    let one = |(issuer, serial): &CertificateKey| json!({ "issuer": issuer, "serial": hex::encode(serial) });
    certificates.iter().map(one).collect()
}

/// The answer for people.
pub(super) fn in_words(outcome: &Outcome, target: &Target, measure: Measure) -> String {
    if !outcome.changed {
        let why = match measure {
            Measure::Revoke(_) => "it was revoked before",
            Measure::Hold => "whatever is not revoked for good is held already",
            Measure::Release => "it has no hold of its own",
        };
        return format!("Nothing to change: {why}.\n{}", still_held(outcome));
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
        "{} {verb}, {} ended\n",
        counted(outcome.certificates.len(), "certificate"),
        counted(outcome.sessions_ended, "session"),
    );
    if outcome.certificates.is_empty() && measure == Measure::Hold {
        text.push_str("It is on hold itself: nothing is issued to it until it is released.\n");
    }
    for (issuer, serial) in &outcome.certificates {
        text.push_str(&format!("  {issuer}  {}\n", hex::encode(serial)));
    }
    text.push_str(&still_held(outcome));
    text
}

/// `1 session`, `2 sessions`, for nouns whose plural is made by an s.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// What holds a target that was released, and which command ends that.
fn still_held(outcome: &Outcome) -> String {
    match &outcome.held_by {
        None => String::new(),
        Some(HeldBy::Facility(id)) => format!(
            "Its facility {id} is suspended, and nothing of it is released before that ends:\n  \
             sekisho revoke facility DIR {id} --release\n"
        ),
        Some(HeldBy::Terminal(id)) => format!(
            "It is on hold with its terminal:\n  sekisho revoke terminal DIR {id} --release\n"
        ),
        Some(HeldBy::Certificates(certificates)) => {
            let mut text = "Still on hold by themselves, certificates of it:\n".to_owned();
            for (issuer, serial) in certificates {
                text.push_str(&format!(
                    "  sekisho revoke certificate DIR --issuer {issuer} --serial {} --release\n",
                    hex::encode(serial)
                ));
            }
            text
        }
    }
}

/// What comes after the revocation of an authority, as `docs/ceremony.md` has it.
pub(super) fn after_issuer(id: &str, dir: &Path) -> String {
    let dir = dir.display();
    if is_root(id) {
        return format!(
            "No list takes a root back: whoever trusts it has to stop. Make a new instance with a new \
             root, without cross-certificates; its fingerprint goes to every terminal by hand, as at \
             enrolment. Revoke each authority of this one: sekisho revoke issuer {dir} ID --reason \
             ca-compromise (docs/ceremony.md, \"When something goes wrong\")."
        );
    }
    format!(
        "Its own certificate is still to go on its root's list: `sekisho ceremony root-list {dir} OUT` \
         (with --of ID where two roots are in force) writes the plan, a ceremony signs it, `sekisho ceremony install` publishes it. A new \
         authority takes a new key and a ceremony, which may be the same one (docs/ceremony.md)."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_told_in_the_singular_and_none_in_the_plural() {
        let terminal = Target::Terminal("T0123456789".to_owned());
        let certificates = vec![("terminals".to_owned(), vec![0x4b, 0x01])];
        let outcome = Outcome { changed: true, certificates, ..Outcome::default() };
        let said = in_words(&outcome, &terminal, Measure::Hold);
        assert!(said.starts_with("1 certificate held, 0 sessions ended\n"), "{said}");
        let outcome = Outcome { sessions_ended: 1, certificates: Vec::new(), ..outcome };
        let said = in_words(&outcome, &terminal, Measure::Hold);
        assert!(said.starts_with("0 certificates held, 1 session ended\n"), "{said}");
    }

    #[test]
    fn a_release_that_changes_nothing_names_the_command_that_would() {
        let terminal = Target::Terminal("T0123456789".to_owned());
        let certificates = vec![("terminals".to_owned(), vec![0x4b, 0x01])];
        for (held_by, command) in [
            (
                HeldBy::Certificates(certificates),
                "revoke certificate DIR --issuer terminals --serial 4b01 --release",
            ),
            (
                HeldBy::Facility("123456789007".to_owned()),
                "revoke facility DIR 123456789007 --release",
            ),
            (HeldBy::Terminal("T1".to_owned()), "revoke terminal DIR T1 --release"),
        ] {
            let outcome = Outcome { held_by: Some(held_by.clone()), ..Outcome::default() };
            let answer: Value = serde_json::from_str(&as_json(&outcome)).unwrap();
            let expected = match held_by {
                HeldBy::Facility(id) => json!({ "facility": id }),
                HeldBy::Terminal(id) => json!({ "terminal": id }),
                HeldBy::Certificates(_) => {
                    json!({ "certificates": [{ "issuer": "terminals", "serial": "4b01" }] })
                }
            };
            assert_eq!(answer["held_by"], expected);
            let said = in_words(&outcome, &terminal, Measure::Release);
            assert!(said.starts_with("Nothing to change") && said.contains(command), "{said}");
            assert_eq!(said.matches("--release").count(), 1, "{said}");
        }
    }
}
