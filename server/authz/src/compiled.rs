//! From rules to a Cedar policy set, and from a request to a decision.
//!
//! Each rule becomes one `permit` policy, and a second one for emergencies if it says so; Cedar decides. For the explanation each *condition* is
//! a policy of its own in a second set, looked at only after a refusal: Cedar then names the
//! conditions that held, and so those that did not. No condition is evaluated by code of ours, so
//! decision and explanation cannot drift apart.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap, HashSet},
};

use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Policy, PolicyId,
    PolicySet, RestrictedExpression, Schema, ValidationMode, Validator,
};
use serde_json::{Value as Json, json};

use crate::{
    Request,
    condition::Condition,
    decision::Decision,
    hours::{Day, Hours, on_the_wall},
    rules::{Rule, Rules, RulesError, Vocabulary},
};

/// What policies may speak about. Every policy set is validated against it, strictly.
const SCHEMA: &str = r#"
    entity Group;
    entity Facility in [Group] { kind: String, prefecture: String };
    entity Person;
    entity Patient;
    entity Service;
    action "use" appliesTo {
        principal: [Person, Patient],
        resource: Service,
        context: {
            facility: Facility,
            roles: Set<String>,
            member: Bool,
            strength: Long,
            weekday: Long,
            minute: Long,
            emergency: Bool,
            visiting: Bool
        }
    };
"#;

/// Ends the name of the policy by which a rule admits in an emergency.
const IN_EMERGENCY: &str = ".emergency";

/// The rules of one service, ready to decide.
#[derive(Debug)]
pub struct CompiledRules {
    service: EntityUid,
    rules: Rules,
    vocabulary: Vocabulary,
    schema: Schema,
    /// One policy a rule, named by its position; for a rule that opens in an emergency another one, named
    /// with [`IN_EMERGENCY`], that asks for the emergency instead of what it lifts.
    deciding: PolicySet,
    /// One policy a condition of a rule, named `position.code`.
    explaining: PolicySet,
}

impl CompiledRules {
    /// Checks and compiles the rules of `service`.
    ///
    /// # Errors
    /// [`RulesError`]: nothing of them is in force.
    pub fn compile(
        service: &str,
        mut rules: Rules,
        vocabulary: &Vocabulary,
    ) -> Result<Self, RulesError> {
        rules.check(vocabulary)?;
        for rule in &mut rules.rules {
            rule.minimum_acr = rule.minimum_acr.take().or(vocabulary.strongest());
        }
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(compilation)?;
        let service = uid("Service", service)?;
        let mut deciding = PolicySet::new();
        let mut explaining = PolicySet::new();
        for (position, rule) in rules.rules.iter().enumerate() {
            // Whoever is let in for an emergency alone is admitted by it alone, whatever else a rule opens to.
            let mut clauses = vec![json!({ "!": { "arg": context("visiting") } })];
            let mut in_emergency = vec![context("emergency")];
            for condition in Condition::ALL {
                let Some(clause) = clause(rule, condition, vocabulary) else {
                    continue;
                };
                let name = format!("{position}.{}", condition.code());
                add(&mut explaining, &name, &service, vec![clause.clone()])?;
                if !condition.is_lifted_in_an_emergency() {
                    in_emergency.push(clause.clone());
                }
                clauses.push(clause);
            }
            add(&mut deciding, &position.to_string(), &service, clauses)?;
            if rule.emergency {
                let name = format!("{position}{IN_EMERGENCY}");
                add(&mut deciding, &name, &service, in_emergency)?;
            }
        }
        let validator = Validator::new(schema.clone());
        for set in [&deciding, &explaining] {
            let result = validator.validate(set, ValidationMode::Strict);
            if let Some(fault) = result.validation_errors().next() {
                return Err(compilation(fault));
            }
        }
        Ok(Self { service, rules, vocabulary: vocabulary.clone(), schema, deciding, explaining })
    }

    /// The rules this was compiled from, each with the level that it asks for.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Decides. Whatever cannot be evaluated refuses.
    #[must_use]
    pub fn decide(&self, request: &Request) -> Decision {
        if self.rules.rules.is_empty() {
            return Decision::no_rules();
        }
        self.evaluate(request).unwrap_or_else(|_| Decision::unusable())
    }

    fn evaluate(&self, request: &Request) -> Result<Decision, RulesError> {
        let (question, entities) = self.question(request)?;
        let authorizer = Authorizer::new();
        let response = authorizer.is_authorized(&question, &self.deciding, &entities);
        // A policy that cannot be evaluated is skipped by Cedar; for us that is no ground to admit.
        let erred = response.diagnostics().errors().next().is_some();
        if response.decision() == cedar_policy::Decision::Allow && !erred {
            return response
                .diagnostics()
                .reason()
                .filter_map(|id| admitting(id.as_ref()))
                .min()
                .and_then(|(by_emergency, position)| {
                    Some(Decision::admitted(self.rules.rules.get(position)?, by_emergency))
                })
                .ok_or_else(|| compilation("admitted by no rule"));
        }
        let explanation = authorizer.is_authorized(&question, &self.explaining, &entities);
        let held: HashSet<String> =
            explanation.diagnostics().reason().map(ToString::to_string).collect();
        let would_help = !request.emergency && self.opens_in_an_emergency(&held);
        if request.visiting {
            let lacking = self.nearest(&held, true, |rule| rule.emergency);
            let decision = match lacking.filter(|_| !would_help) {
                Some((rule, first, others)) => Decision::failed(rule, first, &others),
                None => Decision::visiting(),
            };
            return Ok(Decision { emergency_would_help: would_help, ..decision });
        }
        self.nearest(&held, request.emergency, |_| true)
            .map(|(rule, first, others)| Decision {
                emergency_would_help: would_help,
                ..Decision::failed(rule, first, &others)
            })
            .ok_or_else(|| compilation("refused without a reason"))
    }

    /// Whether a rule that opens in an emergency lacks nothing but what the emergency lifts.
    fn opens_in_an_emergency(&self, held: &HashSet<String>) -> bool {
        let mut opting = self.rules.rules.iter().enumerate().filter(|(_, rule)| rule.emergency);
        opting.any(|(position, rule)| {
            self.failed(position, rule, held, false).all(Condition::is_lifted_in_an_emergency)
        })
    }

    /// The conditions of a rule that are not among those that held; without what an emergency lifts, while
    /// one is in force.
    fn failed<'a>(
        &'a self,
        position: usize,
        rule: &'a Rule,
        held: &'a HashSet<String>,
        emergency: bool,
    ) -> impl Iterator<Item = Condition> + 'a {
        let lifted = move |condition: Condition| {
            emergency && rule.emergency && condition.is_lifted_in_an_emergency()
        };
        Condition::ALL.into_iter().filter(move |&condition| {
            !lifted(condition)
                && clause(rule, condition, &self.vocabulary).is_some()
                && !held.contains(&format!("{position}.{}", condition.code()))
        })
    }

    /// The rule that is nearest to admitting among those looked at, with its first failed condition and the
    /// others that failed.
    fn nearest(
        &self,
        held: &HashSet<String>,
        emergency: bool,
        looked_at: impl Fn(&Rule) -> bool,
    ) -> Option<(&Rule, Condition, Vec<Condition>)> {
        let mut nearest: Option<(&Rule, Condition, Vec<Condition>)> = None;
        let rules = self.rules.rules.iter().enumerate();
        for (position, rule) in rules.filter(|(_, rule)| looked_at(rule)) {
            let mut failed = self.failed(position, rule, held, emergency);
            let Some(first) = failed.next() else { continue };
            let others: Vec<_> = failed.collect();
            let nearer = nearest.as_ref().is_none_or(|(other, found, besides)| {
                nearness(rule, first, &others) > nearness(other, *found, besides)
            });
            if nearer {
                nearest = Some((rule, first, others));
            }
        }
        nearest
    }

    fn question(&self, request: &Request) -> Result<(cedar_policy::Request, Entities), RulesError> {
        let facility = uid("Facility", &request.facility_id)?;
        let groups = self
            .rules
            .groups_of(&request.facility_id)
            .map(|group| uid("Group", group))
            .collect::<Result<HashSet<_>, _>>()?;
        let string = |text: &str| RestrictedExpression::new_string(text.to_owned());
        // A role that nobody here knows authorises nothing, not even by a rule's mistake.
        let roles = request
            .roles
            .iter()
            .filter(|role| self.vocabulary.roles.contains(*role))
            .map(|role| string(role));
        let strength = self.vocabulary.strength(&request.acr).unwrap_or(0);
        let (weekday, minute) = on_the_wall(request.at);
        let context = Context::from_pairs([
            ("facility".to_owned(), RestrictedExpression::new_entity_uid(facility.clone())),
            ("roles".to_owned(), RestrictedExpression::new_set(roles)),
            ("member".to_owned(), RestrictedExpression::new_bool(request.member)),
            ("strength".to_owned(), RestrictedExpression::new_long(strength)),
            ("weekday".to_owned(), RestrictedExpression::new_long(weekday)),
            ("minute".to_owned(), RestrictedExpression::new_long(minute)),
            ("emergency".to_owned(), RestrictedExpression::new_bool(request.emergency)),
            ("visiting".to_owned(), RestrictedExpression::new_bool(request.visiting)),
        ])
        .map_err(compilation)?;
        let question = cedar_policy::Request::new(
            uid(principal(request.patient), &request.person_id)?,
            uid("Action", "use")?,
            self.service.clone(),
            context,
            Some(&self.schema),
        )
        .map_err(compilation)?;
        let attributes = HashMap::from([
            ("kind".to_owned(), string(&request.facility_kind)),
            ("prefecture".to_owned(), string(&request.facility_prefecture)),
        ]);
        let mut entities =
            vec![Entity::new(facility, attributes, groups.clone()).map_err(compilation)?];
        entities.extend(groups.into_iter().map(Entity::with_uid));
        let entities =
            Entities::from_entities(entities, Some(&self.schema)).map_err(compilation)?;
        Ok((question, entities))
    }
}

/// How near a rule is to admitting: the later its first failed condition comes the nearer, among equals the
/// one in which fewer failed.
///
/// Farthest are rules for another kind of person. A rule that wants another kind of facility and no profession is
/// as near as one that wants another profession: a pharmacist at a hospital may walk to a pharmacy, a nurse whose
/// prescription is refused is to hear who may prescribe and not that the service's own staff may enter. Which
/// says more is for who wrote the rules to say, by their order.
fn nearness(rule: &Rule, first: Condition, others: &[Condition]) -> impl Ord + use<> {
    let of_another_place = first == Condition::Kind && rule.roles.is_none();
    let first = if of_another_place { Condition::Role } else { first };
    (first != Condition::Person, first, Reverse(others.len()))
}

/// What a policy's name says: whether it is for emergencies, and of which rule. Ordinary ones sort first, so
/// that access which needs no emergency is never marked as one.
fn admitting(name: &str) -> Option<(bool, usize)> {
    let (position, by_emergency) = match name.strip_suffix(IN_EMERGENCY) {
        Some(position) => (position, true),
        None => (name, false),
    };
    Some((by_emergency, position.parse().ok()?))
}

/// Compiles and decides at once, for a single question such as a simulation.
///
/// Rules that do not compile refuse.
#[must_use]
pub fn decide(rules: &Rules, vocabulary: &Vocabulary, request: &Request) -> Decision {
    match CompiledRules::compile("simulated", rules.clone(), vocabulary) {
        Ok(compiled) => compiled.decide(request),
        Err(_) => Decision::unusable(),
    }
}

/// What somebody is to the policies, as whom they ask.
const fn principal(patient: bool) -> &'static str {
    if patient { "Patient" } else { "Person" }
}

/// A member of the request's context.
fn context(name: &str) -> Json {
    json!({ ".": { "left": { "Var": "context" }, "attr": name } })
}

/// The hours as a Cedar expression: on a day that they begin, and past midnight on the day after.
fn within(hours: &Hours) -> Json {
    let value = |number: i64| json!({ "Value": number });
    let on = |days: Vec<Day>| {
        let days: Vec<Json> = days.into_iter().map(|day| value(day.number())).collect();
        json!({ "contains": { "left": { "Set": days }, "right": context("weekday") } })
    };
    let both = |left: Json, right: Json| json!({ "&&": { "left": left, "right": right } });
    let minute = |operator: &str, bound: u16| json!({ operator: { "left": context("minute"), "right": value(bound.into()) } });
    let (from, to) = (hours.from.minute(), hours.to.minute());
    let begun = both(on(hours.days().collect()), minute(">=", from));
    let not_over = minute("<", to);
    if hours.wraps() {
        let next_day = both(on(hours.days().map(Day::next).collect()), not_over);
        json!({ "||": { "left": begun, "right": next_day } })
    } else {
        both(begun, not_over)
    }
}

/// The condition as a Cedar expression in JSON form, if the rule states it.
///
/// Built as a tree and never as text, so that no name in a rule can become policy.
fn clause(rule: &Rule, condition: Condition, vocabulary: &Vocabulary) -> Option<Json> {
    let strings = |set: &BTreeSet<String>| {
        let members: Vec<Json> = set.iter().map(|text| json!({ "Value": text })).collect();
        json!({ "Set": members })
    };
    let uids = |kind: &str, set: &BTreeSet<String>| {
        let members: Vec<Json> = set
            .iter()
            .map(|id| json!({ "Value": { "__entity": { "type": kind, "id": id } } }))
            .collect();
        json!({ "Set": members })
    };
    match condition {
        Condition::Person => Some(json!({
            "is": { "left": { "Var": "principal" }, "entity_type": principal(rule.patients) }
        })),
        Condition::Kind => rule.kinds.as_ref().map(|kinds| {
            let kind = json!({ ".": { "left": context("facility"), "attr": "kind" } });
            json!({ "contains": { "left": strings(kinds), "right": kind } })
        }),
        Condition::Facility => rule.facilities.as_ref().map(|facilities| {
            json!({ "contains": { "left": uids("Facility", facilities), "right": context("facility") } })
        }),
        Condition::Group => rule.groups.as_ref().map(|groups| {
            json!({ "in": { "left": context("facility"), "right": uids("Group", groups) } })
        }),
        Condition::Prefecture => rule.prefectures.as_ref().map(|prefectures| {
            let own = json!({ ".": { "left": context("facility"), "attr": "prefecture" } });
            json!({ "contains": { "left": strings(prefectures), "right": own } })
        }),
        Condition::Hours => rule.hours.as_ref().and_then(|hours| {
            let any = |left: Json, right: Json| json!({ "||": { "left": left, "right": right } });
            hours.iter().map(within).reduce(any)
        }),
        Condition::Membership => {
            (rule.membership && !rule.patients).then(|| context("member"))
        }
        Condition::Role => rule.roles.as_ref().map(|roles| {
            json!({ "containsAny": { "left": context("roles"), "right": strings(roles) } })
        }),
        Condition::Level => {
            // `check` refused an unknown level; were it not so, no level would suffice.
            let least = rule.minimum_acr.as_deref().and_then(|acr| vocabulary.strength(acr));
            let least = least.unwrap_or(i64::MAX);
            Some(json!({ ">=": { "left": context("strength"), "right": { "Value": least } } }))
        }
    }
}

fn add(
    set: &mut PolicySet,
    name: &str,
    service: &EntityUid,
    clauses: Vec<Json>,
) -> Result<(), RulesError> {
    let conditions: Vec<Json> =
        clauses.into_iter().map(|body| json!({ "kind": "when", "body": body })).collect();
    let policy = json!({
        "effect": "permit",
        "principal": { "op": "All" },
        "action": { "op": "==", "entity": { "type": "Action", "id": "use" } },
        "resource": {
            "op": "==",
            "entity": { "type": "Service", "id": service.id().unescaped() }
        },
        "conditions": conditions,
    });
    let policy = Policy::from_json(Some(PolicyId::new(name)), policy).map_err(compilation)?;
    set.add(policy).map_err(compilation)
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, RulesError> {
    let kind: EntityTypeName = kind.parse().map_err(compilation)?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

fn compilation(fault: impl std::fmt::Display) -> RulesError {
    RulesError::Compilation(fault.to_string())
}

#[cfg(test)]
#[path = "compiled_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "circumstance_tests.rs"]
mod circumstance_tests;
