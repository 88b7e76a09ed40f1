//! Compiled rules, kept by service and text.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    compiled::CompiledRules,
    rules::{RulesError, Vocabulary},
};

/// Compiled rules of many services, each beside its text: not beside a number that a transaction gave
/// which came to nothing. A text is compiled once, and forgotten when another is asked for.
#[derive(Debug, Default)]
pub struct Cache {
    compiled: Mutex<HashMap<String, Kept>>,
}

/// A text, and what it was compiled to.
type Kept = (Box<str>, Arc<CompiledRules>);

impl Cache {
    /// Empty.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The compiled form of `rules_json`, the rules of `service`.
    ///
    /// The caller reads the rules in force from the database each time, so that a change on one
    /// host is in force on all with the next request.
    ///
    /// # Errors
    /// [`RulesError`]: the rules cannot be used. Refuse with
    /// [`Decision::unusable`](crate::Decision::unusable).
    pub fn get(
        &self,
        service: &str,
        rules_json: &str,
        vocabulary: &Vocabulary,
    ) -> Result<Arc<CompiledRules>, RulesError> {
        {
            let compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((found, rules)) = compiled.get(service)
                && **found == *rules_json
            {
                return Ok(Arc::clone(rules));
            }
        }
        // Compiled outside the lock: another service's request must not wait for this one.
        let rules = crate::Rules::from_json(rules_json)?;
        let rules = Arc::new(CompiledRules::compile(rules, vocabulary)?);
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        compiled.insert(service.to_owned(), (rules_json.into(), Arc::clone(&rules)));
        Ok(rules)
    }
}
