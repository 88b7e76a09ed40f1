//! From rules to a Cedar policy set, and from a request to a decision.
//!
//! Each rule becomes one `permit` policy, and a second one for emergencies if it says so; Cedar decides by
//! each in turn, and the first that permits admits; one that cannot be evaluated ends the matter. For the
//! explanation each *condition* is a policy of its own, in one set that is looked at
//! only after a refusal: Cedar then names the conditions that held, and so those that did not. No condition
//! is evaluated by code of ours, so decision and explanation cannot drift apart.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashSet},
};

use cedar_policy::{Authorizer, EntityUid, Policy, PolicyId, PolicySet, ValidationMode, Validator};
use serde_json::{Value as Json, json};

use crate::{
    Request,
    condition::Condition,
    decision::Decision,
    hours::{Day, Hours},
    question::{self, Question, SCHEMA, principal},
    rules::{Rule, Rules, RulesError, Vocabulary, compilation},
};

/// The rules of one service, ready to decide.
#[derive(Debug)]
pub struct CompiledRules {
    service: EntityUid,
    rules: Rules,
    vocabulary: Vocabulary,
    /// Asked one after the other until one admits. Those that need no emergency come first, so that access by
    /// them is never marked as one.
    deciding: Vec<Deciding>,
    /// One policy a condition, however many rules state it.
    explaining: PolicySet,
    /// What each rule asks for, in the order of explanation.
    stated: Vec<Vec<Stated>>,
}

/// By what a rule admits: one policy, and for a rule that opens in an emergency another one, which asks for the
/// emergency instead of what it lifts.
#[derive(Debug)]
struct Deciding {
    /// Place of the rule.
    position: usize,
    by_emergency: bool,
    policy: PolicySet,
}

/// A condition that a rule states, with the name of the policy which tells whether it holds.
#[derive(Debug)]
struct Stated {
    condition: Condition,
    policy: PolicyId,
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
        let service = question::service(service);
        let (mut ordinary, mut by_emergency) = (Vec::new(), Vec::new());
        let mut explaining = Explaining::default();
        let mut stated = Vec::with_capacity(rules.rules.len());
        for (position, rule) in rules.rules.iter().enumerate() {
            // Whoever is let in for an emergency alone is admitted by it alone, whatever else a rule opens to.
            let mut clauses = vec![json!({ "!": { "arg": context("visiting") } })];
            let mut in_emergency = vec![context("emergency")];
            let mut of_rule = Vec::new();
            for condition in Condition::ALL {
                let Some(clause) = clause(rule, condition, vocabulary) else {
                    continue;
                };
                let policy = explaining.policy(&service, &clause)?;
                of_rule.push(Stated { condition, policy });
                if !condition.is_lifted_in_an_emergency() {
                    in_emergency.push(clause.clone());
                }
                clauses.push(clause);
            }
            ordinary.push(Deciding::of(position, false, &service, clauses)?);
            if rule.emergency {
                by_emergency.push(Deciding::of(position, true, &service, in_emergency)?);
            }
            stated.push(of_rule);
        }
        let deciding: Vec<Deciding> = ordinary.into_iter().chain(by_emergency).collect();
        let explaining = explaining.set;
        let validator = Validator::new(SCHEMA.clone());
        for set in deciding.iter().map(|deciding| &deciding.policy).chain([&explaining]) {
            let result = validator.validate(set, ValidationMode::Strict);
            if let Some(fault) = result.validation_errors().next() {
                return Err(compilation(fault));
            }
        }
        let vocabulary = vocabulary.clone();
        Ok(Self { service, rules, vocabulary, deciding, explaining, stated })
    }

    /// The rules this was compiled from, each with the level that it asks for.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Decides. Whatever cannot be evaluated refuses.
    #[must_use]
    pub fn decide(&self, request: &Request) -> Decision {
        self.answer(&Question::new(request, &self.vocabulary))
    }

    /// The same of a question that other services are asked, too, in the words of the same vocabulary.
    #[must_use]
    pub fn answer(&self, question: &Question<'_>) -> Decision {
        if self.rules.rules.is_empty() {
            return Decision::no_rules();
        }
        if !question.is_in(&self.vocabulary) {
            return Decision::unusable();
        }
        self.evaluate(question).unwrap_or_else(|_| Decision::unusable())
    }

    fn evaluate(&self, asked: &Question<'_>) -> Result<Decision, RulesError> {
        let request = asked.request();
        let groups = self.rules.groups_of(&request.facility_id);
        let (question, entities) = asked.to(&self.service, groups)?;
        let authorizer = Authorizer::new();
        for deciding in &self.deciding {
            let response = authorizer.is_authorized(&question, &deciding.policy, &entities);
            // A policy that cannot be evaluated is skipped by Cedar; for us that is no ground to go on.
            if let Some(error) = response.diagnostics().errors().next() {
                return Err(compilation(error));
            }
            if response.decision() == cedar_policy::Decision::Allow {
                let rule = self.rules.rules.get(deciding.position);
                return rule
                    .map(|rule| Decision::admitted(rule, deciding.by_emergency))
                    .ok_or_else(|| compilation("admitted by no rule"));
            }
        }
        let explanation = authorizer.is_authorized(&question, &self.explaining, &entities);
        let held: HashSet<&PolicyId> = explanation.diagnostics().reason().collect();
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
    fn opens_in_an_emergency(&self, held: &HashSet<&PolicyId>) -> bool {
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
        held: &'a HashSet<&'a PolicyId>,
        emergency: bool,
    ) -> impl Iterator<Item = Condition> + 'a {
        let lifted = move |condition: Condition| {
            emergency && rule.emergency && condition.is_lifted_in_an_emergency()
        };
        let stated = self.stated.get(position).into_iter().flatten();
        stated
            .filter(move |stated| !lifted(stated.condition) && !held.contains(&stated.policy))
            .map(|stated| stated.condition)
    }

    /// The rule that is nearest to admitting among those looked at, with its first failed condition and the
    /// others that failed.
    fn nearest(
        &self,
        held: &HashSet<&PolicyId>,
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

/// The conditions of all rules of a service.
#[derive(Default)]
struct Explaining {
    set: PolicySet,
    names: Vec<(Json, PolicyId)>,
}

impl Explaining {
    /// The policy that tells whether a clause holds: the one of an equal clause where there is one.
    fn policy(&mut self, service: &EntityUid, clause: &Json) -> Result<PolicyId, RulesError> {
        if let Some((_, policy)) = self.names.iter().find(|(known, _)| known == clause) {
            return Ok(policy.clone());
        }
        let name = self.names.len().to_string();
        add(&mut self.set, &name, service, vec![clause.clone()])?;
        let policy = PolicyId::new(name);
        self.names.push((clause.clone(), policy.clone()));
        Ok(policy)
    }
}

impl Deciding {
    fn of(
        position: usize,
        by_emergency: bool,
        service: &EntityUid,
        clauses: Vec<Json>,
    ) -> Result<Self, RulesError> {
        let mut policy = PolicySet::new();
        add(&mut policy, &position.to_string(), service, clauses)?;
        Ok(Self { position, by_emergency, policy })
    }
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

#[cfg(test)]
#[path = "compiled_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "circumstance_tests.rs"]
mod circumstance_tests;
