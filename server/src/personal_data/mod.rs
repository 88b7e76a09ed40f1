//! What people are told, and asked, where a service's use of their data leaves the purpose of the facility.
//!
//! A service says so when it is registered ([`PersonalData`]); one that says nothing stays within it. Joint use is told
//! ([`declarations`]); what is given to somebody else is asked ([`crate::oidc::authorize`]) and can be taken back
//! ([`consents`]). Whether a person agreed is looked up wherever something is given out in their name.

pub mod consents;
pub mod declarations;

use sekisho_store::{
    Queries, StoreError,
    consent::{self, Consent},
    service::Service,
};
use serde_json::{Map, Value};

use crate::{
    catalogue::{Lang, Text},
    oidc::{
        claims::SCOPES,
        client::{Ground, PersonalData},
    },
};

/// What a person has yet to agree to.
#[derive(Debug)]
pub struct Needed {
    /// What the service says.
    pub declared: PersonalData,
    /// The same as it is stored.
    pub column: String,
    /// The claims that it would be told, with those that it may be told already.
    pub claims: Vec<String>,
}

/// What a person has yet to agree to before a service is told these claims; `None` where nobody is asked, or where
/// they agreed to all of it. `again`: whoever agreed is asked as well.
///
/// A consent is for what was shown: for other words of the service, or a further claim, the person is asked anew.
///
/// # Errors
/// [`StoreError`]: not known, and not knowing refuses.
pub async fn needed(
    queries: &mut impl Queries,
    service: &Service,
    person_id: &str,
    told: &Map<String, Value>,
    again: bool,
) -> Result<Option<Needed>, StoreError> {
    let Some(column) = &service.personal_data else { return Ok(None) };
    let declared = PersonalData::from_column(column)?;
    if declared.ground != Ground::ThirdParty {
        return Ok(None);
    }
    let given = consent::in_force(queries, person_id, &service.id).await?;
    let given = given.filter(|given| given.declared == *column);
    let agreed = |claim: &str| {
        given.as_ref().is_some_and(|given| given.claims.iter().any(|agreed| agreed == claim))
    };
    let covered =
        given.is_some() && of_scopes().all(|claim| !told.contains_key(claim) || agreed(claim));
    if covered && !again {
        return Ok(None);
    }
    let claims = of_scopes().filter(|claim| told.contains_key(*claim) || agreed(claim));
    let claims = claims.map(str::to_owned).collect();
    Ok(Some(Needed { declared, column: column.clone(), claims }))
}

/// Whether nothing stands between a service and these claims of a person that the person has to agree to.
///
/// # Errors
/// [`StoreError`]: not known, and not knowing refuses.
pub async fn is_settled(
    queries: &mut impl Queries,
    service: &Service,
    person_id: &str,
    told: &Map<String, Value>,
) -> Result<bool, StoreError> {
    Ok(needed(queries, service, person_id, told, false).await?.is_none())
}

/// The same of a service that another one calls in the person's name: it is told no claim of a scope.
///
/// # Errors
/// [`StoreError`]: not known, and not knowing refuses.
pub async fn is_settled_for_calls(
    queries: &mut impl Queries,
    called: &Service,
    person_id: &str,
) -> Result<bool, StoreError> {
    is_settled(queries, called, person_id, &Map::new()).await
}

/// The claims that scopes stand for, in our order.
fn of_scopes() -> impl Iterator<Item = &'static str> {
    SCOPES.iter().flat_map(|scope| scope.claims.iter().copied())
}

/// The claims that a service may be told at most: those of the scopes that it was approved for.
#[must_use]
pub fn claims_of(service: &Service) -> Vec<String> {
    let scopes = SCOPES.iter().filter(|scope| service.scopes.iter().any(|own| own == scope.name));
    scopes.flat_map(|scope| scope.claims).map(|claim| (*claim).to_owned()).collect()
}

/// Claims in words.
#[must_use]
pub fn claim_words(claims: &[String], text: &Text) -> Vec<String> {
    let key = |claim: &String| format!("rules-claim-{}", claim.replace('_', "-"));
    claims.iter().map(|claim| text.t(&key(claim))).collect()
}

/// What a service says, in the words of one language, as pages show it.
#[derive(Debug, Clone)]
pub struct Notices {
    /// Key of the ground in words.
    pub ground: &'static str,
    /// Keys of what is said, each with what the service says.
    pub said: [(&'static str, String); 4],
}

impl Notices {
    /// In a language.
    #[must_use]
    pub fn of(declared: &PersonalData, lang: Lang) -> Self {
        let (ground, users) = match declared.ground {
            Ground::JointUse => ("personal-data-joint-use", "personal-data-users"),
            Ground::ThirdParty => ("personal-data-third-party", "personal-data-recipients"),
        };
        let keys =
            ["personal-data-items", users, "personal-data-purpose", "personal-data-responsible"];
        let mut texts = declared.texts().map(|(_, text)| text.of(lang).to_owned()).into_iter();
        Self { ground, said: keys.map(|key| (key, texts.next().unwrap_or_default())) }
    }

    /// Of a consent, as it was shown then.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]: it does not read back.
    pub fn of_consent(consent: &Consent, lang: Lang) -> Result<Self, StoreError> {
        Ok(Self::of(&PersonalData::from_column(&consent.declared)?, lang))
    }
}
