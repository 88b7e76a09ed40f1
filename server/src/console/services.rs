//! `/console/services`: the relying services, as they were registered and with their rules.

use askama::Template;
use axum::extract::State;
use sekisho_authz::{Rule, Rules};
use sekisho_store::{
    Queries, StoreError,
    service::{self, Service},
};
use serde::Deserialize;

use crate::{
    app::App,
    catalogue::{Lang, Text},
    entitlement,
    error::page::PageError,
    form::StrictQuery,
    page::{Page, PageFrame},
    people::{role::Role, session::ConsoleSession},
    portal::when,
};

/// Services a page.
const PAGE: i64 = 50;

/// Which part of a long list.
#[derive(Debug, Default, Deserialize)]
pub struct Part {
    /// Pages before this one.
    #[serde(default)]
    page: u16,
}

/// One condition or permission of a rule: what it is about, and what it says.
struct Condition {
    about: String,
    says: String,
}

struct RuleCard {
    id: String,
    conditions: Vec<Condition>,
}

/// What is in force.
enum InForce {
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

struct ServiceCard {
    id: String,
    name: String,
    other_name: String,
    description: String,
    organisation_id: Option<String>,
    home_url: String,
    redirect_uris: Vec<String>,
    logout_uris: Vec<String>,
    backchannel_logout_uri: Option<String>,
    scopes: Vec<String>,
    auth_method: &'static str,
    registered: String,
    withdrawn: Option<String>,
    live: bool,
    in_force: InForce,
}

#[derive(Template)]
#[template(path = "console/services.html")]
struct ServicesPage {
    page: PageFrame,
    /// Whether the reader may register one.
    registers: bool,
    services: Vec<ServiceCard>,
    back: Option<u16>,
    on: Option<u16>,
}

/// `GET /console/services?page=`: all for the operating body's administrator; for a service owner
/// those of the organisations that they answer for.
///
/// # Errors
/// [`PageError`]: neither role, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictQuery(part): StrictQuery<Part>,
) -> Result<Page<impl Template>, PageError> {
    if !session.sees_services() {
        session.require(&Role::OperatingAdministrator)?;
    }
    let mut reader = app.store().read();
    // One more than is shown tells whether there are more.
    let (offset, limit) = (PAGE * i64::from(part.page), PAGE + 1);
    let mut found = if session.roles.contains(&Role::OperatingAdministrator) {
        service::registered(&mut reader, None, offset, limit).await?
    } else {
        let mut found = Vec::new();
        for role in &session.roles {
            if let Role::ServiceOwner(id) = role {
                found.extend(service::registered(&mut reader, Some(id), offset, limit).await?);
            }
        }
        found
    };
    let shown = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let on = (found.len() > shown).then(|| part.page.saturating_add(1));
    found.truncate(shown);
    let mut services = Vec::with_capacity(found.len());
    for service in found {
        services.push(card(&mut reader, service, &page.text).await?);
    }
    let back = part.page.checked_sub(1);
    let registers = session.roles.iter().any(|role| matches!(role, Role::ServiceOwner(_)));
    Ok(Page(ServicesPage { page: session.frame(page), registers, services, back, on }))
}

async fn card(
    queries: &mut impl Queries,
    service: Service,
    text: &Text,
) -> Result<ServiceCard, StoreError> {
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
        organisation_id: service.organisation_id,
        home_url: service.home_url,
        redirect_uris: service.redirect_uris,
        logout_uris: service.logout_uris,
        backchannel_logout_uri: service.backchannel_logout_uri,
        scopes: service.scopes,
        auth_method: service.auth_method.as_str(),
        registered: when::shown(service.created_at, text.lang()),
        withdrawn: service.withdrawn_at.map(|at| when::shown(at, text.lang())),
        live: service.live_at.is_some(),
        in_force,
    })
}

/// A rule in words, condition by condition; one that it does not state is left out.
fn rule_card(rule: &Rule, rules: &Rules, text: &Text) -> RuleCard {
    let joint = text.t("authz-list-joint");
    let joined = |words: Vec<String>| words.join(&joint);
    let mut conditions = Vec::new();
    let mut add = |key: &str, says: String| conditions.push(Condition { about: text.t(key), says });
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
    if let Some(level) = &rule.minimum_acr {
        add("services-rule-level", entitlement::level_name(level, text));
    }
    add(
        "services-rule-membership",
        text.t(if rule.membership { "services-rule-member" } else { "services-rule-anybody" }),
    );
    let released: Vec<String> = rule.release.iter().cloned().collect();
    let released =
        if released.is_empty() { text.t("services-rule-nothing") } else { joined(released) };
    add("services-rule-release", released);
    RuleCard { id: rule.id.clone(), conditions }
}
