//! A rule in sentences, for people who read no tables.

use std::collections::BTreeSet;

use sekisho_authz::{Rule, Rules};

use crate::{catalogue::Text, entitlement};

/// More facilities than a sentence names one by one.
const MOST_NAMED: usize = 20;

/// A rule with its sentences.
pub(super) struct Told {
    pub(super) id: String,
    pub(super) sentences: Vec<String>,
}

/// Each rule in sentences.
pub(super) fn told(rules: &Rules, text: &Text) -> Vec<Told> {
    let told = |rule: &Rule| Told { id: rule.id.clone(), sentences: sentences(rule, rules, text) };
    rules.rules.iter().map(told).collect()
}

/// Facilities by identifier; the first of many.
pub(super) fn facilities(ids: &BTreeSet<String>, text: &Text) -> String {
    let shown: Vec<_> = ids.iter().take(MOST_NAMED).cloned().collect();
    let shown = shown.join(&text.t("authz-list-joint"));
    match ids.len().checked_sub(MOST_NAMED) {
        None | Some(0) => shown,
        Some(others) => {
            text.with("rules-say-and-others", &[("shown", shown), ("others", others.to_string())])
        }
    }
}

/// Facilities by identifier, all of them: what somebody is to approve.
pub(super) fn every_facility(ids: &BTreeSet<String>, text: &Text) -> String {
    let shown: Vec<_> = ids.iter().cloned().collect();
    shown.join(&text.t("authz-list-joint"))
}

/// A rule in sentences, in the order of a reader's questions: who, where, when, how, and what is told.
pub(super) fn sentences(rule: &Rule, rules: &Rules, text: &Text) -> Vec<String> {
    let joint = text.t("authz-list-joint");
    let joined = |words: Vec<String>| words.join(&joint);
    let names = |set: &BTreeSet<String>, name: fn(&str, &Text) -> String| {
        joined(set.iter().map(|word| name(word, text)).collect())
    };
    let mut said = Vec::new();
    match &rule.roles {
        _ if rule.patients => said.push(text.t("rules-say-patients")),
        Some(roles) => {
            said.push(text.t1("rules-say-roles", "roles", names(roles, entitlement::role_name)));
        }
        None => said.push(text.t("rules-say-any-role")),
    }
    if let Some(kinds) = &rule.kinds {
        said.push(text.t1("rules-say-kinds", "kinds", names(kinds, entitlement::kind_name)));
    }
    if let Some(ids) = &rule.facilities {
        said.push(text.t1("rules-say-facilities", "facilities", facilities(ids, text)));
    }
    if let Some(groups) = &rule.groups {
        let named = groups.iter().map(|group| {
            let size = rules.groups.get(group).map_or(0, BTreeSet::len);
            text.with("services-rule-group", &[("name", group.clone()), ("size", size.to_string())])
        });
        said.push(text.t1("rules-say-groups", "groups", joined(named.collect())));
    }
    if let Some(prefectures) = &rule.prefectures {
        let named = names(prefectures, entitlement::prefecture_name);
        said.push(text.t1("rules-say-prefectures", "prefectures", named));
    }
    if !rule.patients {
        let member = if rule.membership { "rules-say-members" } else { "rules-say-not-members" };
        said.push(text.t(member));
    }
    if let Some(hours) = &rule.hours {
        said.push(text.t1("rules-say-hours", "hours", entitlement::hours_name(hours, text)));
    }
    said.push(text.t1("rules-say-level", "level", entitlement::proof_name(rule, text)));
    if rule.emergency {
        said.push(text.t("rules-say-emergency"));
    }
    if rule.release.is_empty() {
        said.push(text.t("rules-say-told-nothing"));
    } else {
        let claims = rule.release.iter().map(|claim| claim_name(claim, text));
        said.push(text.t1("rules-say-told", "claims", joined(claims.collect())));
    }
    said
}

/// A claim as people call it.
pub(in crate::console) fn claim_name(claim: &str, text: &Text) -> String {
    text.t(&format!("rules-claim-{}", claim.replace('_', "-")))
}
