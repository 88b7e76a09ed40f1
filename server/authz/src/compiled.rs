//! From rules to Cedar policies, and from a request to a decision.
//!
//! Each *condition* of a rule is a [`Clause`], and each rule one of all its conditions together, with a second one for
//! emergencies if it says so; each is a `permit` policy of Cedar, shared by all services whose rules state the same and
//! asked once for all. The conditions tell which rule admits, or which came nearest and why; who is admitted was
//! permitted by that rule's policy as well, and where the two differ nobody is. No condition is evaluated by code of
//! ours, so decision and explanation cannot drift apart.

use std::{cmp::Reverse, collections::BTreeSet, sync::Arc};

use serde_json::{Value as Json, json};

use crate::{
    Request,
    clause::Clause,
    condition::Condition,
    decision::Decision,
    hours::{Day, Hours},
    question::{Asked, Question, principal},
    rules::{Rule, Rules, RulesError, Vocabulary, compilation},
};

/// The rules of one service, ready to decide.
#[derive(Debug)]
pub struct CompiledRules {
    rules: Rules,
    vocabulary: Vocabulary,
    /// Looked at one after the other until one admits. Those that need no emergency come first, so that access by
    /// them is never marked as one.
    deciding: Vec<Deciding>,
    /// What each rule asks for, in the order of explanation.
    stated: Vec<Vec<Stated>>,
}

/// By what a rule admits; a rule that opens in an emergency does so by another one as well, which asks for the
/// emergency instead of what it lifts.
#[derive(Debug)]
struct Deciding {
    /// Place of the rule.
    position: usize,
    by_emergency: bool,
    /// All of them hold of whom it admits.
    asked_for: Vec<AskedFor>,
    /// All of them together.
    together: AskedFor,
}

/// A clause, and whether it looks at the groups that the rules of its service name.
#[derive(Debug, Clone)]
struct AskedFor {
    clause: Arc<Clause>,
    of_groups: bool,
}

/// A condition that a rule states.
#[derive(Debug)]
struct Stated {
    condition: Condition,
    asked_for: AskedFor,
}

impl CompiledRules {
    /// Checks and compiles the rules of a service.
    ///
    /// # Errors
    /// [`RulesError`]: nothing of them is in force.
    pub fn compile(mut rules: Rules, vocabulary: &Vocabulary) -> Result<Self, RulesError> {
        rules.check(vocabulary)?;
        for rule in &mut rules.rules {
            rule.minimum_acr = rule.minimum_acr.take().or(vocabulary.strongest());
        }
        let not_visiting = json!({ "!": { "arg": context("visiting") } });
        let (mut ordinary, mut by_emergency) = (Vec::new(), Vec::new());
        let mut stated = Vec::with_capacity(rules.rules.len());
        for (position, rule) in rules.rules.iter().enumerate() {
            // Whoever is let in for an emergency alone is admitted by it alone, whatever else a rule opens to.
            let mut always = Asking::of(&not_visiting)?;
            let mut in_emergency = Asking::of(&context("emergency"))?;
            let mut of_rule = Vec::new();
            for condition in Condition::ALL {
                let Some(expression) = expression(rule, condition, vocabulary) else {
                    continue;
                };
                let of_groups = condition == Condition::Group;
                let asked_for = AskedFor { clause: Clause::of(&expression)?, of_groups };
                if !condition.is_lifted_in_an_emergency() {
                    in_emergency.add(expression.clone(), asked_for.clone());
                }
                always.add(expression, asked_for.clone());
                of_rule.push(Stated { condition, asked_for });
            }
            ordinary.push(always.deciding(position, false)?);
            if rule.emergency {
                by_emergency.push(in_emergency.deciding(position, true)?);
            }
            stated.push(of_rule);
        }
        let deciding = ordinary.into_iter().chain(by_emergency).collect();
        let vocabulary = vocabulary.clone();
        Ok(Self { rules, vocabulary, deciding, stated })
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

    fn evaluate(&self, question: &Question<'_>) -> Result<Decision, RulesError> {
        let request = question.request();
        let asked = question.where_facility_is_in(self.rules.groups_of(&request.facility_id))?;
        for deciding in &self.deciding {
            if deciding.admits(&asked)? {
                let rule = self.rules.rules.get(deciding.position);
                return rule
                    .map(|rule| Decision::admitted(rule, deciding.by_emergency))
                    .ok_or_else(|| compilation("admitted by no rule"));
            }
        }
        let failed = self.failed(&asked)?;
        let would_help = !request.emergency && self.opens_in_an_emergency(&failed);
        if request.visiting {
            let lacking = self.nearest(&failed, true, |rule| rule.emergency);
            let decision = match lacking.filter(|_| !would_help) {
                Some((rule, first, others)) => Decision::failed(rule, first, &others),
                None => Decision::visiting(),
            };
            return Ok(Decision { emergency_would_help: would_help, ..decision });
        }
        self.nearest(&failed, request.emergency, |_| true)
            .map(|(rule, first, others)| Decision {
                emergency_would_help: would_help,
                ..Decision::failed(rule, first, &others)
            })
            .ok_or_else(|| compilation("refused without a reason"))
    }

    /// The conditions of each rule that do not hold, in the order of explanation.
    fn failed(&self, asked: &Asked<'_>) -> Result<Vec<Vec<Condition>>, RulesError> {
        let of_rule = |stated: &Vec<Stated>| {
            let failed =
                |stated: &Stated| Ok((!stated.asked_for.holds(asked)?).then_some(stated.condition));
            stated.iter().filter_map(|stated| failed(stated).transpose()).collect()
        };
        self.stated.iter().map(of_rule).collect()
    }

    /// Whether a rule that opens in an emergency lacks nothing but what the emergency lifts.
    fn opens_in_an_emergency(&self, failed: &[Vec<Condition>]) -> bool {
        let mut opting = self.rules.rules.iter().zip(failed).filter(|(rule, _)| rule.emergency);
        opting.any(|(_, failed)| failed.iter().all(|failed| failed.is_lifted_in_an_emergency()))
    }

    /// The rule that is nearest to admitting among those looked at, with its first failed condition and the
    /// others that failed; without what an emergency lifts, while one is in force.
    fn nearest(
        &self,
        failed: &[Vec<Condition>],
        emergency: bool,
        looked_at: impl Fn(&Rule) -> bool,
    ) -> Option<(&Rule, Condition, Vec<Condition>)> {
        let mut nearest: Option<(&Rule, Condition, Vec<Condition>)> = None;
        let rules = self.rules.rules.iter().zip(failed);
        for (rule, failed) in rules.filter(|(rule, _)| looked_at(rule)) {
            let lifts = emergency && rule.emergency;
            let mut failed = failed
                .iter()
                .copied()
                .filter(|condition| !(lifts && condition.is_lifted_in_an_emergency()));
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

impl AskedFor {
    fn holds(&self, asked: &Asked<'_>) -> Result<bool, RulesError> {
        if self.of_groups { asked.holds_here(&self.clause) } else { asked.holds(&self.clause) }
    }
}

/// What a policy is made of.
struct Asking {
    expressions: Vec<Json>,
    asked_for: Vec<AskedFor>,
}

impl Asking {
    /// One expression, which looks at no group.
    fn of(expression: &Json) -> Result<Self, RulesError> {
        let first = AskedFor { clause: Clause::of(expression)?, of_groups: false };
        Ok(Self { expressions: vec![expression.clone()], asked_for: vec![first] })
    }

    fn add(&mut self, expression: Json, asked_for: AskedFor) {
        self.expressions.push(expression);
        self.asked_for.push(asked_for);
    }

    fn deciding(self, position: usize, by_emergency: bool) -> Result<Deciding, RulesError> {
        let Self { expressions, asked_for } = self;
        let together = AskedFor {
            clause: Clause::of_all(&expressions)?,
            of_groups: asked_for.iter().any(|asked_for| asked_for.of_groups),
        };
        Ok(Deciding { position, by_emergency, asked_for, together })
    }
}

impl Deciding {
    /// Whether each of what it asks for holds, and the policy of them together says so, too.
    fn admits(&self, asked: &Asked<'_>) -> Result<bool, RulesError> {
        for asked_for in &self.asked_for {
            if !asked_for.holds(asked)? {
                return Ok(false);
            }
        }
        if self.together.holds(asked)? {
            Ok(true)
        } else {
            Err(compilation("its conditions hold, and its policy does not permit"))
        }
    }
}

/// Compiles and decides at once, for a single question such as a simulation.
///
/// Rules that do not compile refuse.
#[must_use]
pub fn decide(rules: &Rules, vocabulary: &Vocabulary, request: &Request) -> Decision {
    match CompiledRules::compile(rules.clone(), vocabulary) {
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
fn expression(rule: &Rule, condition: Condition, vocabulary: &Vocabulary) -> Option<Json> {
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

#[cfg(test)]
#[path = "compiled_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "circumstance_tests.rs"]
mod circumstance_tests;
