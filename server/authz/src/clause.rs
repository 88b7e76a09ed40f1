//! A condition of a rule as a policy of its own, which tells whether it holds.
//!
//! Rules of many services state the same conditions: these are one [`Clause`], and a
//! [`Question`](crate::Question) asks each but once, however many services it is put to.

use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use cedar_policy::{
    Authorizer, Decision, Entities, Policy, PolicyId, PolicySet, Request, ValidationMode, Validator,
};
use serde_json::{Value as Json, json};

use crate::{
    question::SCHEMA,
    rules::{RulesError, compilation},
};

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| Validator::new(SCHEMA.clone()));

/// The clauses that any compiled rules hold, by their expressions.
static KNOWN: LazyLock<Mutex<HashMap<String, Weak<Clause>>>> = LazyLock::new(Mutex::default);

/// One expression over what is asked.
#[derive(Debug)]
pub(crate) struct Clause {
    /// No other clause of this process ever has it, so that what was found of one is never taken for another.
    pub(crate) number: u64,
    policy: PolicySet,
}

impl Clause {
    /// The clause of an expression in Cedar's JSON form.
    pub(crate) fn of(expression: &Json) -> Result<Arc<Self>, RulesError> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let text = expression.to_string();
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(clause) = known.get(&text).and_then(Weak::upgrade) {
            return Ok(clause);
        }
        let everything = json!({ "op": "All" });
        let policy = permit("clause", &everything, std::slice::from_ref(expression))?;
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let clause = Arc::new(Self { number, policy });
        known.retain(|_, clause| clause.strong_count() > 0);
        known.insert(text, Arc::downgrade(&clause));
        Ok(clause)
    }

    /// Whether it holds.
    pub(crate) fn holds(&self, asked: &Request, entities: &Entities) -> Result<bool, RulesError> {
        permits(&self.policy, asked, entities)
    }
}

/// A policy that permits `resource` where every expression holds, judged by the schema.
pub(crate) fn permit(
    name: &str,
    resource: &Json,
    expressions: &[Json],
) -> Result<PolicySet, RulesError> {
    let conditions: Vec<Json> =
        expressions.iter().map(|body| json!({ "kind": "when", "body": body })).collect();
    let policy = json!({
        "effect": "permit",
        "principal": { "op": "All" },
        "action": { "op": "==", "entity": { "type": "Action", "id": "use" } },
        "resource": resource,
        "conditions": conditions,
    });
    let policy = Policy::from_json(Some(PolicyId::new(name)), policy).map_err(compilation)?;
    let set = PolicySet::from_policies([policy]).map_err(compilation)?;
    let result = VALIDATOR.validate(&set, ValidationMode::Strict);
    match result.validation_errors().next() {
        Some(fault) => Err(compilation(fault)),
        None => Ok(set),
    }
}

/// What Cedar says. A policy that cannot be evaluated is skipped by it; for us that is no ground to go on.
pub(crate) fn permits(
    policy: &PolicySet,
    asked: &Request,
    entities: &Entities,
) -> Result<bool, RulesError> {
    let response = Authorizer::new().is_authorized(asked, policy, entities);
    match response.diagnostics().errors().next() {
        Some(error) => Err(compilation(error)),
        None => Ok(response.decision() == Decision::Allow),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_expressions_are_one_clause_for_as_long_as_anybody_holds_it() {
        let member = json!({ ".": { "left": { "Var": "context" }, "attr": "member" } });
        let visiting = json!({ ".": { "left": { "Var": "context" }, "attr": "visiting" } });
        let (first, other) = (Clause::of(&member).unwrap(), Clause::of(&visiting).unwrap());
        assert!(Arc::ptr_eq(&first, &Clause::of(&member).unwrap()));
        assert_ne!(first.number, other.number);
        let number = first.number;
        drop(first);
        // Other tests may hold one of the same expression.
        let again = Clause::of(&member).unwrap();
        assert!(again.number == number || again.number > other.number);
    }

    #[test]
    fn what_the_schema_does_not_know_is_no_clause() {
        let unknown = json!({ ".": { "left": { "Var": "context" }, "attr": "wealth" } });
        assert!(matches!(Clause::of(&unknown), Err(RulesError::Compilation(_))));
    }
}
