//! What is registered for a service, in words, with its rules.

use sekisho_authz::{Rule, Rules};
use sekisho_store::{
    Queries, StoreError, organisation,
    service::{self, Service},
};

use crate::{
    catalogue::{Lang, Text},
    entitlement,
    oidc::client::PersonalData,
    personal_data::Notices,
    portal::when,
};

/// One condition or permission of a rule: what it is about, and what it says.
pub(in crate::console) struct Condition {
    pub(in crate::console) about: String,
    pub(in crate::console) says: String,
}

/// A rule in words.
pub(in crate::console) struct RuleCard {
    pub(in crate::console) id: String,
    pub(in crate::console) conditions: Vec<Condition>,
}

/// What is in force.
pub(in crate::console) enum InForce {
    /// Nobody is admitted.
    None,
    /// Stored, but not readable: nobody is admitted.
    Unusable {
        version: i64,
    },
    Rules {
        version: i64,
        rules: Vec<RuleCard>,
    },
}

/// What is registered for a service.
pub(in crate::console) struct ServiceCard {
    pub(in crate::console) id: String,
    pub(in crate::console) name: String,
    pub(in crate::console) other_name: String,
    pub(in crate::console) description: String,
    /// Identifier and name of the organisation that answers for it.
    pub(in crate::console) organisation: Option<(String, String)>,
    pub(in crate::console) home_url: String,
    pub(in crate::console) redirect_uris: Vec<String>,
    pub(in crate::console) logout_uris: Vec<String>,
    pub(in crate::console) backchannel_logout_uri: Option<String>,
    pub(in crate::console) scopes: Vec<String>,
    /// What it says about personal data, if they leave the purpose of the facility.
    pub(in crate::console) personal_data: Option<Notices>,
    pub(in crate::console) auth_method: &'static str,
    pub(in crate::console) registered: String,
    pub(in crate::console) withdrawn: Option<String>,
    pub(in crate::console) live: bool,
    pub(in crate::console) in_force: InForce,
}

/// A service as it stands now.
///
/// # Errors
/// [`StoreError`].
pub(in crate::console) async fn card(
    queries: &mut impl Queries,
    service: Service,
    text: &Text,
) -> Result<ServiceCard, StoreError> {
    let declared = PersonalData::of(&service)?;
    let personal_data = declared.map(|declared| Notices::of(&declared, text.lang()));
    let organisation = match service.organisation_id {
        None => None,
        Some(id) => Some((id.clone(), organisation::name(queries, &id).await?.unwrap_or_default())),
    };
    let in_force = match service::rules(queries, &service.id).await? {
        None => InForce::None,
        Some((version, json)) => match Rules::from_json(&json) {
            Err(_) => InForce::Unusable { version },
            Ok(rules) => InForce::Rules {
                version,
                rules: rules.rules.iter().map(|rule| rule_card(rule, &rules, text)).collect(),
            },
        },
    };
    let (name, other_name, description) = match text.lang() {
        Lang::Ja => (service.name_ja, service.name_en, service.description_ja),
        Lang::En => (service.name_en, service.name_ja, service.description_en),
    };
    Ok(ServiceCard {
        id: service.id,
        name,
        other_name,
        description,
        organisation,
        home_url: service.home_url,
        redirect_uris: service.redirect_uris,
        logout_uris: service.logout_uris,
        backchannel_logout_uri: service.backchannel_logout_uri,
        scopes: service.scopes,
        personal_data,
        auth_method: service.auth_method.as_str(),
        registered: when::shown(service.created_at, text.lang()),
        withdrawn: service.withdrawn_at.map(|at| when::shown(at, text.lang())),
        live: service.live_at.is_some(),
        in_force,
    })
}

/// A rule in words, condition by condition; one that it does not state is left out, but for the level.
pub(in crate::console) fn rule_card(rule: &Rule, rules: &Rules, text: &Text) -> RuleCard {
    let joint = text.t("authz-list-joint");
    let joined = |words: Vec<String>| words.join(&joint);
    let mut conditions = Vec::new();
    let mut add = |key: &str, says: String| conditions.push(Condition { about: text.t(key), says });
    if rule.patients {
        add("services-rule-person", text.t("services-rule-patients"));
    }
    if let Some(roles) = &rule.roles {
        let names = roles.iter().map(|role| entitlement::role_name(role, text)).collect();
        add("services-rule-roles", joined(names));
    }
    if let Some(kinds) = &rule.kinds {
        let names = kinds.iter().map(|kind| entitlement::kind_name(kind, text)).collect();
        add("services-rule-kinds", joined(names));
    }
    if let Some(facilities) = &rule.facilities {
        add("services-rule-facilities", joined(facilities.iter().cloned().collect()));
    }
    if let Some(groups) = &rule.groups {
        let named = groups.iter().map(|group| {
            let size = rules.groups.get(group).map_or(0, std::collections::BTreeSet::len);
            text.with("services-rule-group", &[("name", group.clone()), ("size", size.to_string())])
        });
        add("services-rule-groups", joined(named.collect()));
    }
    if let Some(prefectures) = &rule.prefectures {
        let names = prefectures.iter().map(|code| entitlement::prefecture_name(code, text));
        add("services-rule-prefectures", joined(names.collect()));
    }
    if let Some(hours) = &rule.hours {
        add("services-rule-hours", entitlement::hours_name(hours, text));
    }
    add("services-rule-level", entitlement::proof_name(rule, text));
    if !rule.patients {
        let membership =
            if rule.membership { "services-rule-member" } else { "services-rule-anybody" };
        add("services-rule-membership", text.t(membership));
    }
    if rule.emergency {
        add("services-rule-emergency", text.t("services-rule-emergency-opens"));
    }
    let released: Vec<String> = rule.release.iter().cloned().collect();
    let released =
        if released.is_empty() { text.t("services-rule-nothing") } else { joined(released) };
    add("services-rule-release", released);
    RuleCard { id: rule.id.clone(), conditions }
}
