//! What rules ask for, as policies of Cedar: a condition, or all conditions of a rule.
//!
//! Rules of many services state the same: that is one [`Clause`], and a [`Question`](crate::Question) asks each but
//! once, however many services it is put to.

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

/// The clauses that any compiled rules hold, by the texts of their policies.
static KNOWN: LazyLock<Mutex<HashMap<String, Weak<Clause>>>> = LazyLock::new(Mutex::default);

/// Expressions over what is asked, all of which hold.
#[derive(Debug)]
pub(crate) struct Clause {
    /// No other clause of this process ever has it, so that what was found of one is never taken for another.
    pub(crate) number: u64,
    policy: PolicySet,
}

impl Clause {
    /// The clause of one expression in Cedar's JSON form.
    pub(crate) fn of(expression: &Json) -> Result<Arc<Self>, RulesError> {
        Self::of_all(std::slice::from_ref(expression))
    }

    /// The clause of several.
    pub(crate) fn of_all(expressions: &[Json]) -> Result<Arc<Self>, RulesError> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let conditions: Vec<Json> =
            expressions.iter().map(|body| json!({ "kind": "when", "body": body })).collect();
        let policy = json!({
            "effect": "permit",
            "principal": { "op": "All" },
            "action": { "op": "==", "entity": { "type": "Action", "id": "use" } },
            // Each service has its rules, and asks no others.
            "resource": { "op": "All" },
            "conditions": conditions,
        });
        let text = policy.to_string();
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(clause) = known.get(&text).and_then(Weak::upgrade) {
            return Ok(clause);
        }
        let policy = Policy::from_json(Some(PolicyId::new("clause")), policy);
        let policy = PolicySet::from_policies([policy.map_err(compilation)?]);
        let policy = policy.map_err(compilation)?;
        let result = VALIDATOR.validate(&policy, ValidationMode::Strict);
        if let Some(fault) = result.validation_errors().next() {
            return Err(compilation(fault));
        }
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let clause = Arc::new(Self { number, policy });
        known.retain(|_, clause| clause.strong_count() > 0);
        known.insert(text, Arc::downgrade(&clause));
        Ok(clause)
    }

    /// Whether all of it holds.
    pub(crate) fn holds(&self, asked: &Request, entities: &Entities) -> Result<bool, RulesError> {
        let response = Authorizer::new().is_authorized(asked, &self.policy, entities);
        // A policy that cannot be evaluated is skipped by Cedar; for us that is no ground to go on.
        match response.diagnostics().errors().next() {
            Some(error) => Err(compilation(error)),
            None => Ok(response.decision() == Decision::Allow),
        }
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
