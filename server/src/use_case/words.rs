//! A use case as the text of a service's file, for a person to go on from.

use sekisho_authz::Rules;

use super::{Assumption, Proposal, UseCase};
use crate::{catalogue::Text, entitlement};

/// What stands before each line that is not of the file's own language.
const COMMENT: &str = "# ";

pub(super) fn file(case: &UseCase, text: &Text) -> Result<String, toml::ser::Error> {
    let stakeholders: Vec<String> =
        case.stakeholders.iter().map(|stakeholder| stakeholder.name(text)).collect();
    let scopes: Vec<String> = case.scopes().iter().map(|scope| format!("{scope:?}")).collect();
    let mut written = comments(&[
        case.name(text.lang()),
        case.description.of(text.lang()).to_owned(),
        text.t1("use-case-takes-part", "who", stakeholders.join(&text.t("authz-list-joint"))),
        text.t1("use-case-scopes", "scopes", scopes.join(", ")),
        text.t("use-case-to-begin-from"),
    ]);
    for proposal in &case.proposals {
        let proof = entitlement::proof_name(&proposal.rule, text);
        let mut lines = vec![because(proposal, text), text.t1("use-case-proof", "level", proof)];
        lines.extend(assumed(proposal, text));
        written.push('\n');
        written.push_str(&comments(&lines));
        let rule = Rules { rules: vec![proposal.rule.clone()], ..Rules::default() };
        written.push_str(&toml::to_string(&rule)?);
    }
    Ok(written)
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
            })
        })
        .collect();
    (!named.is_empty())
        .then(|| text.t1("use-case-assumed", "what", named.join(&text.t("authz-list-joint"))))
}

fn comments(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{COMMENT}{line}\n")).collect()
}
