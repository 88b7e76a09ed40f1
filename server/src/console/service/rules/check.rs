//! Whether rules that somebody wrote can be used for a service, and what is wrong with them, in words at
//! the field where it is put right.

use std::collections::BTreeSet;

use sekisho_authz::{CompiledRules, Request, Rule, Rules, RulesError, Vocabulary};
use sekisho_store::{
    Queries, StoreError,
    service::{self, FacilityFacts, Service},
};
use time::OffsetDateTime;

use crate::{
    app::App,
    catalogue::Text,
    entitlement,
    oidc::client::{self, RegistrationError},
};

/// What is wrong with rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console::service) struct Fault {
    /// The field of a rule's form.
    pub(in crate::console::service) field: &'static str,
    /// What it is, and what to do.
    pub(in crate::console::service) words: String,
}

/// Whether these rules can be put in force for a service.
///
/// # Errors
/// [`StoreError`].
pub(in crate::console::service) async fn usable(
    app: &App,
    queries: &mut impl Queries,
    service: &Service,
    rules: &Rules,
    text: &Text,
) -> Result<Result<(), Fault>, StoreError> {
    let vocabulary = app.entitlements().vocabulary();
    if let Err(error) = CompiledRules::compile(rules.clone(), vocabulary) {
        return Ok(Err(of_rules(&error, text)));
    }
    if let Some(in_vain) = client::released_in_vain(&service.scopes, rules).first() {
        let told = [
            ("rule", in_vain.rule.to_owned()),
            ("claim", in_vain.claim.to_owned()),
            ("scope", in_vain.scope.to_owned()),
        ];
        return Ok(Err(Fault { field: "release", words: text.with("rules-fault-in-vain", &told) }));
    }
    match client::check_organisations(queries, service, rules).await {
        Ok(()) => {}
        Err(RegistrationError::Store(error)) => return Err(error),
        Err(RegistrationError::UnknownOrganisation { key, id }) => {
            let field = if key == "groups" { "members" } else { "facilities" };
            return Ok(Err(Fault { field, words: text.t1("rules-fault-organisation", "id", id) }));
        }
        Err(error) => {
            let words = text.t1("service-approve-fault", "fault", error);
            return Ok(Err(Fault { field: "rules", words }));
        }
    }
    for rule in &rules.rules {
        if contradicts_itself(queries, rule, rules, vocabulary).await? {
            let words = text.t1("rules-fault-contradiction", "rule", &rule.id);
            return Ok(Err(Fault { field: "facilities", words }));
        }
    }
    Ok(Ok(()))
}

/// Whether none of the facilities that a rule names is of its kinds, in its prefectures and in its groups, so
/// that it admits nobody. The rules themselves are asked, about each facility until one does.
async fn contradicts_itself(
    queries: &mut impl Queries,
    rule: &Rule,
    rules: &Rules,
    vocabulary: &Vocabulary,
) -> Result<bool, StoreError> {
    let of_groups = || {
        let named = rule.groups.iter().flatten().filter_map(|group| rules.groups.get(group));
        named.flatten().collect::<BTreeSet<_>>()
    };
    let candidates: BTreeSet<&String> = match &rule.facilities {
        Some(facilities) => facilities.iter().collect(),
        None if rule.groups.is_some() => of_groups(),
        None => return Ok(false),
    };
    let whereabouts = Rule {
        roles: None,
        hours: None,
        minimum_acr: vocabulary.acr_levels.first().cloned(),
        membership: false,
        emergency: false,
        ..rule.clone()
    };
    let alone = Rules { rules: vec![whereabouts], groups: rules.groups.clone() };
    let Ok(compiled) = CompiledRules::compile(alone, vocabulary) else {
        return Ok(false);
    };
    for id in candidates {
        let facts = service::facility_facts(queries, id).await?;
        let request = Request {
            person_id: "anybody".to_owned(),
            roles: Vec::new(),
            facility_id: id.clone(),
            facility_prefecture: facts
                .as_ref()
                .map(FacilityFacts::prefecture_code)
                .unwrap_or_default(),
            facility_kind: facts.map(|facts| facts.kind).unwrap_or_default(),
            member: true,
            acr: vocabulary.acr_levels.last().cloned().unwrap_or_default(),
            at: OffsetDateTime::UNIX_EPOCH,
            emergency: false,
            visiting: false,
            patient: false,
        };
        if compiled.decide(&request).allowed {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What the rules' own check found, in words.
pub(in crate::console::service) fn of_rules(error: &RulesError, text: &Text) -> Fault {
    let fault =
        |field, key: &str, told: &[(&str, String)]| Fault { field, words: text.with(key, told) };
    match error {
        RulesError::TooMany { what, actual, limit } => fault(
            field_of(what),
            "rules-fault-too-many",
            &[
                ("what", text.t(&name_of(what))),
                ("actual", actual.to_string()),
                ("limit", limit.to_string()),
            ],
        ),
        RulesError::UnfitName { what: "group", name } => {
            fault("name", "rules-fault-unfit-group", &[("name", name.clone())])
        }
        RulesError::UnfitName { what: "facility", name } => {
            fault("facilities", "rules-fault-unfit-facility", &[("name", name.clone())])
        }
        RulesError::UnfitName { name, .. } => {
            fault("id", "rules-fault-unfit-rule", &[("name", name.clone())])
        }
        RulesError::NameTwice(name) => fault("id", "rules-fault-twice", &[("name", name.clone())]),
        RulesError::Empty { rule, what } => fault(
            field_of(what),
            "rules-fault-empty",
            &[("rule", rule.clone()), ("what", text.t(&name_of(what)))],
        ),
        RulesError::Unknown { rule, what, word } => {
            let known = match *what {
                "acr" => app_levels(text),
                "prefecture" => text.t("rules-fault-known-prefectures"),
                "kind" => entitlement::KINDS.join(" "),
                "group" => text.t("rules-fault-known-groups"),
                "claim" => text.t("rules-fault-known-claims"),
                _ => text.t("rules-fault-known-roles"),
            };
            let told = [
                ("rule", rule.clone()),
                ("what", text.t(&name_of(what))),
                ("word", word.clone()),
                ("known", known),
            ];
            fault(field_of(what), "rules-fault-unknown", &told)
        }
        RulesError::NoHours { rule, from, to, .. } => fault(
            "hours",
            "rules-fault-no-hours",
            &[("rule", rule.clone()), ("from", from.clone()), ("to", to.clone())],
        ),
        RulesError::OfNoPatient { rule, what } => fault(
            field_of(what),
            "rules-fault-patients",
            &[("rule", rule.clone()), ("what", text.t(&name_of(what)))],
        ),
        RulesError::Malformed(error) => {
            fault("rules", "service-approve-fault", &[("fault", error.to_string())])
        }
        RulesError::Compilation(detail) => {
            fault("rules", "service-approve-fault", &[("fault", detail.clone())])
        }
    }
}

fn app_levels(text: &Text) -> String {
    let levels = sekisho_wire::acr::LEVELS
        .map(|level| format!("{level} ({})", entitlement::level_name(level, text)));
    levels.join("; ")
}

/// The field of the form where a condition stands, by its name in a file or by what its words are.
fn field_of(what: &str) -> &'static str {
    match what {
        "roles" | "role" => "roles",
        "kinds" | "kind" => "kinds",
        "groups" | "group" => "groups",
        "facilities" | "facility" => "facilities",
        "members of a group" => "members",
        "prefectures" | "prefecture" => "prefectures",
        "hours" => "hours",
        "acr" => "minimum_acr",
        "claim" => "release",
        "emergency" => "emergency",
        _ => "rules",
    }
}

/// Message key of what a condition is called.
fn name_of(what: &str) -> String {
    format!("rules-field-{}", field_of(what).replace('_', "-"))
}
