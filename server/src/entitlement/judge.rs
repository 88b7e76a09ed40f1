//! The rules of one service, looked up once and asked as often as needed: by a request, by the simulator,
//! and about everybody when rules are to change. There is no other way to a decision.

use std::sync::Arc;

use sekisho_authz::{CompiledRules, Decision, Question, Rules, RulesError};
use sekisho_store::offer::Offer;

use super::{Entitlements, SANDBOX_VERSION};

/// The rules of one service, ready to be asked.
#[derive(Debug)]
pub struct Judge {
    live: bool,
    /// Absent where there are none.
    rules: Result<Option<Arc<CompiledRules>>, RulesError>,
}

impl Judge {
    /// The rules, if there are any that can be used.
    pub(super) fn rules(&self) -> Option<&CompiledRules> {
        self.rules.as_ref().ok()?.as_deref()
    }
}

impl Entitlements {
    /// Of the rules in force.
    #[must_use]
    pub fn judge(&self, offer: &Offer) -> Judge {
        let live = offer.live_at.is_some();
        let (version, rules) = match (offer.version, &offer.rules) {
            (Some(version), Some(rules)) => (version, rules),
            _ if live => return Judge { live, rules: Ok(None) },
            _ => (SANDBOX_VERSION, &self.sandbox_rules),
        };
        let compiled = self.cache.get(&offer.service_id, rules, &self.vocabulary);
        let rules = compiled.map(Some).inspect_err(|error| {
            tracing::error!(service = offer.service_id, version, %error, "rules are unusable");
        });
        Judge { live, rules }
    }

    /// Of rules that a live service might have.
    ///
    /// # Errors
    /// [`RulesError`]: they cannot be used.
    pub fn judge_if(&self, rules: Rules) -> Result<Judge, RulesError> {
        let compiled = CompiledRules::compile(rules, &self.vocabulary)?;
        Ok(Judge { live: true, rules: Ok(Some(Arc::new(compiled))) })
    }

    /// Decides. Rules that are absent or cannot be used refuse.
    #[must_use]
    pub fn ask(&self, judge: &Judge, question: &Question<'_>) -> Decision {
        if !self.is_of_the_world(judge.live, &question.request().facility_id) {
            return if judge.live { Decision::test_facility() } else { Decision::not_live() };
        }
        match &judge.rules {
            Ok(Some(compiled)) => compiled.answer(question),
            Ok(None) => Decision::no_rules(),
            Err(_) => Decision::unusable(),
        }
    }
}
