//! A use case as the text of a service's file, for a person to go on from.

use sekisho_authz::Rules;

use super::{Assumption, Proposal, Stakeholder, UseCase};
use crate::{catalogue::Text, entitlement};

/// What stands before each line that is not of the file's own language.
const COMMENT: &str = "# ";

/// With what is not released since `full` would have had it.
pub(super) fn file(
    case: &UseCase,
    full: &UseCase,
    text: &Text,
) -> Result<String, toml::ser::Error> {
    let stakeholders: Vec<String> =
        case.stakeholders.iter().map(|stakeholder| stakeholder.name(text)).collect();
    let scopes: Vec<String> = full.scopes().iter().map(|scope| format!("{scope:?}")).collect();
    let mut written = comments(&[
        case.name(text.lang()),
        case.description.of(text.lang()).to_owned(),
        text.t1("use-case-takes-part", "who", stakeholders.join(&text.t("authz-list-joint"))),
        text.t1("use-case-scopes", "scopes", scopes.join(", ")),
        text.t("use-case-to-begin-from"),
    ]);
    for (proposal, whole) in case.proposals.iter().zip(&full.proposals) {
        let proof = entitlement::proof_name(&proposal.rule, text);
        let mut lines = vec![because(proposal, text), text.t1("use-case-proof", "level", proof)];
        lines.extend(assumed(proposal, text));
        lines.extend(not_released(proposal, whole, text));
        if admits_every_organisation(proposal) {
            lines.push(text.t1(
                "use-case-every-organisation",
                "who",
                proposal.stakeholder.name(text),
            ));
        }
        written.push('\n');
        written.push_str(&comments(&lines));
        let rule = Rules { rules: vec![proposal.rule.clone()], ..Rules::default() };
        written.push_str(&toml::to_string(&rule)?);
    }
    Ok(written)
}

/// What the rule would release if the service had the scopes for it.
fn not_released(proposal: &Proposal, whole: &Proposal, text: &Text) -> Option<String> {
    let missing: Vec<_> = whole.rule.release.difference(&proposal.rule.release).cloned().collect();
    (!missing.is_empty()).then(|| {
        text.t1("use-case-not-released", "claims", missing.join(&text.t("authz-list-joint")))
    })
}

/// Whether staff of any organisation of its kind are admitted who work for no medical institution: one such
/// organisation is often meant.
fn admits_every_organisation(proposal: &Proposal) -> bool {
    let elsewhere =
        !matches!(proposal.stakeholder, Stakeholder::MedicalInstitution | Stakeholder::Patient);
    elsewhere && proposal.rule.facilities.is_none()
}

pub(super) fn because(proposal: &Proposal, text: &Text) -> String {
    let said = [
        ("who", proposal.stakeholder.name(text)),
        ("why", proposal.because.of(text.lang()).to_owned()),
    ];
    text.with("use-case-because", &said)
}

pub(super) fn assumed(proposal: &Proposal, text: &Text) -> Option<String> {
    let named: Vec<String> = proposal
        .assumed
        .iter()
        .map(|assumption| {
            text.t(match assumption {
                Assumption::Kinds => "use-case-assumed-kinds",
                Assumption::Roles => "use-case-assumed-roles",
                Assumption::Level => "use-case-assumed-level",
                Assumption::Emergency => "use-case-assumed-emergency",
            })
        })
        .collect();
    (!named.is_empty())
        .then(|| text.t1("use-case-assumed", "what", named.join(&text.t("authz-list-joint"))))
}

fn comments(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{COMMENT}{line}\n")).collect()
}
