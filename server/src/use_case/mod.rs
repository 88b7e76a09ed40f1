//! The demonstration's 17 use cases: who takes part in each, and rules for a service of it to begin from.
//!
//! They are data (`server/use-cases/`), built in. Nothing is in force by them: rules come into force by the
//! same road as any others, whatever they began from
//! (`docs/decisions/0029-use-cases-are-rules-to-begin-from.md`).

mod stakeholder;
mod words;

use std::{collections::BTreeSet, str::FromStr, sync::OnceLock};

use sekisho_authz::{Rule, Rules};
use sekisho_store::organisation_kind::OrganisationKind;
use serde::{Deserialize, Serialize};

use crate::{
    catalogue::{Lang, Text},
    oidc::{claims::SCOPES, client::InLanguages},
};

pub use stakeholder::Stakeholder;

/// As written. A test proves that each reads, and that they are the 17 in their order.
const FILES: [&str; 17] = [
    include_str!("../../use-cases/01-regional-networks.toml"),
    include_str!("../../use-cases/02-hpki.toml"),
    include_str!("../../use-cases/03-medical-id.toml"),
    include_str!("../../use-cases/04-claims.toml"),
    include_str!("../../use-cases/05-eligibility.toml"),
    include_str!("../../use-cases/06-referral.toml"),
    include_str!("../../use-cases/07-prescriptions.toml"),
    include_str!("../../use-cases/08-mail.toml"),
    include_str!("../../use-cases/09-care.toml"),
    include_str!("../../use-cases/10-remote-diagnosis.toml"),
    include_str!("../../use-cases/11-emergency.toml"),
    include_str!("../../use-cases/12-internet.toml"),
    include_str!("../../use-cases/13-database.toml"),
    include_str!("../../use-cases/14-secondary-use.toml"),
    include_str!("../../use-cases/15-ehr-phr.toml"),
    include_str!("../../use-cases/16-remote-maintenance.toml"),
    include_str!("../../use-cases/17-cloud.toml"),
];

/// A use case with rules for a service of it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UseCase {
    /// 1 to 17, as in the demonstration's report.
    pub number: u8,
    /// What it is called.
    pub title: InLanguages,
    /// What it is, in a sentence.
    pub description: InLanguages,
    /// Who takes part in it, by the demonstration's table.
    pub stakeholders: Vec<Stakeholder>,
    /// In the order in which they are explained: whom the case is about first.
    pub proposals: Vec<Proposal>,
}

/// A rule for one of the stakeholders, and why it is as it is.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// For whom.
    pub stakeholder: Stakeholder,
    /// Why it asks for what it asks.
    pub because: InLanguages,
    /// What of it the demonstration's table does not say, and is ours.
    #[serde(default)]
    pub assumed: BTreeSet<Assumption>,
    /// In the words of a service's file (`docs/services.md`).
    pub rule: Rule,
}

/// What of a rule may be an assumption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Assumption {
    /// That of the stakeholder's kinds of organisation it is these.
    Kinds,
    /// The professional roles.
    Roles,
    /// How strongly a person has to prove themself.
    Level,
    /// That an emergency access opens it.
    Emergency,
}

/// All, by number.
#[must_use]
pub fn all() -> &'static [UseCase] {
    static CASES: OnceLock<Vec<UseCase>> = OnceLock::new();
    CASES.get_or_init(|| FILES.iter().filter_map(|text| toml::from_str(text).ok()).collect())
}

impl UseCase {
    /// Its number as people write it, ① to ⑰.
    #[must_use]
    pub fn symbol(&self) -> char {
        let after = u32::from(self.number).saturating_sub(1);
        char::from_u32(u32::from('①') + after).unwrap_or('○')
    }

    /// Number and name.
    #[must_use]
    pub fn name(&self, lang: Lang) -> String {
        format!("{} {}", self.symbol(), self.title.of(lang))
    }

    /// Its rules.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let rules = self.proposals.iter().map(|proposal| proposal.rule.clone()).collect();
        Rules { rules, ..Rules::default() }
    }

    /// The scopes without which its rules would release something in vain.
    #[must_use]
    pub fn scopes(&self) -> Vec<&'static str> {
        let released = |claim: &&str| {
            self.proposals.iter().any(|proposal| proposal.rule.release.contains(*claim))
        };
        let needed = SCOPES
            .iter()
            .filter(|scope| scope.name == "openid" || scope.claims.iter().any(released));
        needed.map(|scope| scope.name).collect()
    }

    /// The same, releasing nothing that these scopes do not cover.
    #[must_use]
    pub fn within(&self, scopes: &[String]) -> Self {
        let covered = |claim: &String| {
            SCOPES.iter().any(|scope| {
                scope.claims.contains(&claim.as_str())
                    && scopes.iter().any(|approved| approved == scope.name)
            })
        };
        let mut narrowed = self.clone();
        for proposal in &mut narrowed.proposals {
            proposal.rule.release.retain(covered);
        }
        narrowed
    }

    /// Its rules in the words of a service's file, each with its reason as a comment.
    ///
    /// # Errors
    /// [`toml::ser::Error`]: a rule has no TOML form, which a test rules out.
    pub fn file(&self, text: &Text) -> Result<String, toml::ser::Error> {
        words::file(self, self, text)
    }

    /// The same for a service with these scopes, of this organisation and kind of organisation: what it is not
    /// told is said, and of the organisations of that kind its own alone is admitted.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn file_for(
        &self,
        scopes: &[String],
        own: Option<&(String, OrganisationKind)>,
        text: &Text,
    ) -> Result<String, toml::ser::Error> {
        let mut narrowed = self.within(scopes);
        for proposal in &mut narrowed.proposals {
            let Some((id, kind)) = own else { continue };
            let of_its_kind =
                proposal.rule.kinds.as_ref().is_some_and(|kinds| kinds.contains(kind.as_str()));
            if of_its_kind && proposal.stakeholder != Stakeholder::MedicalInstitution {
                proposal.rule.facilities = Some(BTreeSet::from([id.clone()]));
            }
        }
        words::file(&narrowed, self, text)
    }

    /// What somebody asks for who wants to offer it, in words to go on from.
    #[must_use]
    pub fn purpose(&self, lang: Lang) -> String {
        format!("{}\n{}\n", self.name(lang), self.description.of(lang))
    }
}

impl Proposal {
    /// For whom it is, and why it asks for what it asks.
    #[must_use]
    pub fn because(&self, text: &Text) -> String {
        words::because(self, text)
    }

    /// What of it is assumed, in words; `None` where nothing is.
    #[must_use]
    pub fn assumed(&self, text: &Text) -> Option<String> {
        words::assumed(self, text)
    }
}

/// One of them, by its number.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u8")]
pub struct Chosen(pub &'static UseCase);

/// A number that none of them has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no use case {0:?}; their numbers are 1 to 17")]
pub struct NoSuchCase(pub String);

impl TryFrom<u8> for Chosen {
    type Error = NoSuchCase;

    fn try_from(number: u8) -> Result<Self, NoSuchCase> {
        let found = all().iter().find(|case| case.number == number);
        found.map(Self).ok_or_else(|| NoSuchCase(number.to_string()))
    }
}

/// By its number, in digits or as ① to ⑰.
impl FromStr for Chosen {
    type Err = NoSuchCase;

    fn from_str(text: &str) -> Result<Self, NoSuchCase> {
        let called =
            |case: &&UseCase| case.number.to_string() == text || case.symbol().to_string() == text;
        all().iter().find(called).map(Self).ok_or_else(|| NoSuchCase(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
