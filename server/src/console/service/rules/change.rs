//! The acts by which the rules of a live service change: written, proposed, taken back, refused, published.
//!
//! Who proposes and who publishes are held apart as owner and decider of a service's approval are, and by
//! whose factors they have ([`hands`]).

use sekisho_authz::{CompiledRules, Rules};
use sekisho_store::{
    MayConflict, Queries, StoreError, Tx,
    audit::Audited,
    person, role_grant,
    rules_draft::{self, Draft},
    rules_proposal::{self, NewProposal, Proposal, Publication},
    service::{self, Service},
    transaction,
};
use sha2::{Digest, Sha256};

use super::super::decision;
use crate::{
    app::App,
    notice::{self, Notice, ServiceNamed, To},
    oidc::client::{self, RegistrationError},
    people::{
        hands,
        role::{Acting, Role},
    },
};

/// Why an act is refused. It is audited, but for a service that is not live and for the loser of a race at the
/// database's own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The service is in the sandbox, where the approval brings the rules.
    NotLive,
    /// Nothing is written, or it is not what was shown.
    OtherDraft,
    /// What is written are the rules in force.
    NothingChanged,
    /// There would be no rule, and so nobody admitted.
    NoRules,
    /// Other rules came into force than those that were changed.
    Overtaken,
    /// It was decided, or taken back.
    NotOpen,
    /// Whoever decides proposed it, or answers for the organisation's services.
    Own,
    /// Whoever decides has the name of somebody who did or does.
    Namesake,
    /// Somebody may hold the factors of both.
    OneHand,
    /// Whoever decides is an administrator of the operating body no longer.
    RoleLost,
}

impl Refusal {
    /// As in audit records, and in the keys of its words.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotLive => "not_live",
            Self::OtherDraft => "changed_since_shown",
            Self::NothingChanged => "nothing_changed",
            Self::NoRules => "no_rules",
            Self::Overtaken => "overtaken",
            Self::NotOpen => "not_open",
            Self::Own => "own_proposal",
            Self::Namesake => "namesake_of_proposer",
            Self::OneHand => "one_hand",
            Self::RoleLost => "role_lost",
        }
    }
}

impl From<decision::Refusal> for Refusal {
    fn from(refusal: decision::Refusal) -> Self {
        match refusal {
            decision::Refusal::Namesake => Self::Namesake,
            // `kept_out` says no other.
            decision::Refusal::Own
            | decision::Refusal::Live
            | decision::Refusal::AskedBefore
            | decision::Refusal::NotAsked
            | decision::Refusal::Changed => Self::Own,
        }
    }
}

/// Why an act was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// A rule forbids it.
    #[error("the act is refused: {}", .0.code())]
    Refused(Refusal),
    /// The service was withdrawn, or there is no such proposal.
    #[error("the service or the proposal is not there")]
    Gone,
    /// The rules can be used no longer: an organisation is gone.
    #[error(transparent)]
    Rules(#[from] RegistrationError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for ChangeError {
    fn is_conflict(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Gone => false,
            Self::Rules(error) => error.is_conflict(),
            Self::Store(error) => error.is_conflict(),
        }
    }
}

/// Tells one text of rules from another: SHA-256, hexadecimal.
#[must_use]
pub fn fingerprint(rules_json: &str) -> String {
    hex::encode(Sha256::digest(rules_json))
}

/// Rules as they are stored.
///
/// # Errors
/// [`ChangeError`]: they have no JSON form.
pub fn json_of(rules: &Rules) -> Result<String, ChangeError> {
    let json = serde_json::to_string(rules);
    Ok(json
        .map_err(|error| RegistrationError::Rules(sekisho_authz::RulesError::Malformed(error)))?)
}

async fn live(queries: &mut impl Queries, id: &str) -> Result<Service, ChangeError> {
    let service = service::find(queries, id).await?.ok_or(ChangeError::Gone)?;
    if service.live_at.is_none() {
        return Err(ChangeError::Refused(Refusal::NotLive));
    }
    Ok(service)
}

/// Keeps what somebody writes, over the rules of the version `base`.
///
/// # Errors
/// [`ChangeError`].
pub async fn write(
    app: &App,
    acting: &Acting,
    service_id: &str,
    base: i64,
    rules: &Rules,
) -> Result<(), ChangeError> {
    let now = app.now();
    let draft = Draft { base_version: base, rules: json_of(rules)?, changed_at: now };
    transaction!(app.store(), ChangeError, |tx| {
        live(tx, service_id).await?;
        rules_draft::keep(tx, service_id, acting.person_id(), &draft).await?;
        let entry = acting.done("service.rules.write", now).on("service", service_id);
        let entry = entry.fact("rules_sha256", fingerprint(&draft.rules));
        Ok(Audited::new((), entry.fact("base_version", base)))
    })
}

/// Forgets what somebody was writing.
///
/// # Errors
/// [`ChangeError`].
pub async fn discard(app: &App, acting: &Acting, service_id: &str) -> Result<(), ChangeError> {
    let now = app.now();
    transaction!(app.store(), ChangeError, |tx| {
        rules_draft::discard(tx, service_id, acting.person_id()).await?;
        Ok(Audited::new((), acting.done("service.rules.discard", now).on("service", service_id)))
    })
}

/// Proposes what somebody wrote and was shown under this fingerprint; answers the proposal.
///
/// # Errors
/// [`ChangeError`].
pub async fn propose(
    app: &App,
    acting: &Acting,
    service_id: &str,
    reason: &str,
    seen: &str,
) -> Result<String, ChangeError> {
    const ACT: &str = "service.rules.propose";
    let now = app.now();
    let proposer = acting.person_id();
    let outcome = transaction!(app.store(), ChangeError, |tx| {
        let service = live(tx, service_id).await?;
        let draft = rules_draft::find(tx, service_id, proposer).await?;
        let (version, in_force) = service::rules(tx, service_id).await?.unwrap_or_default();
        let draft = match fit(draft, version, &in_force, seen) {
            Ok(draft) => draft,
            Err(refusal) => {
                let entry = acting.refused(ACT, now, refusal.code()).on("service", service_id);
                return Ok(Audited::new(Err(refusal), entry));
            }
        };
        judge_rules(app, tx, &service, &draft.rules).await?;
        let new = NewProposal {
            service_id,
            base_version: draft.base_version,
            rules: &draft.rules,
            reason,
            proposed_by: proposer,
            at: now,
        };
        let id = rules_proposal::propose(tx, new).await?;
        rules_draft::discard(tx, service_id, proposer).await?;
        let by = person::name(tx, proposer).await?.map_or_else(String::new, |name| name.name);
        let named = ServiceNamed::from(&service);
        let told = Notice::RulesProposed { service: named, proposal: id.clone(), by };
        notice::put_about_service(tx, &service, told, now).await?;
        let entry = acting
            .done(ACT, now)
            .on("service", service_id)
            .on("rules_proposal", &id)
            .fact("base_version", draft.base_version)
            .fact("rules_sha256", fingerprint(&draft.rules))
            .personal("reason", reason);
        Ok(Audited::new(Ok(id), entry))
    });
    match outcome {
        Ok(outcome) => outcome.map_err(ChangeError::Refused),
        // The same person twice at once: the other one took the draft along.
        Err(ChangeError::Store(StoreError::AlreadyExists { .. })) => {
            Err(ChangeError::Refused(Refusal::OtherDraft))
        }
        Err(error) => Err(error),
    }
}

/// What is written, if it can be proposed now.
fn fit(draft: Option<Draft>, version: i64, in_force: &str, seen: &str) -> Result<Draft, Refusal> {
    let draft = draft.filter(|draft| fingerprint(&draft.rules) == seen);
    let draft = draft.ok_or(Refusal::OtherDraft)?;
    if draft.base_version != version {
        return Err(Refusal::Overtaken);
    }
    if draft.rules == in_force {
        return Err(Refusal::NothingChanged);
    }
    match Rules::from_json(&draft.rules) {
        Ok(rules) if rules.rules.is_empty() => Err(Refusal::NoRules),
        _ => Ok(draft),
    }
}

/// Whether rules compile, and everything that they name is there. The form told as much at its fields; this
/// is asked once more in the transaction that leans on it.
async fn judge_rules(
    app: &App,
    tx: &mut Tx,
    service: &Service,
    json: &str,
) -> Result<(), ChangeError> {
    let rules = Rules::from_json(json).map_err(RegistrationError::from)?;
    CompiledRules::compile(rules.clone(), app.entitlements().vocabulary())
        .map_err(RegistrationError::from)?;
    Ok(client::check_organisations(tx, service, &rules).await?)
}

/// Why somebody must leave the decision about a proposal to others.
///
/// # Errors
/// [`StoreError`].
pub async fn kept_out(
    queries: &mut impl Queries,
    service: &Service,
    proposal: &Proposal,
    person_id: &str,
) -> Result<Option<Refusal>, StoreError> {
    let by = &proposal.proposed_by;
    if let Some(refusal) = decision::kept_out(queries, service, by, person_id).await? {
        return Ok(Some(refusal.into()));
    }
    let shared = hands::are_shared(queries, by, &proposal.proposed_by_hands, person_id).await?;
    Ok(shared.then_some(Refusal::OneHand))
}

/// What forbids a decision by `acting`: the role is looked at once more, for the session knows it as it was
/// when the request came.
async fn judge(
    tx: &mut Tx,
    service: &Service,
    proposal: &Proposal,
    acting: &Acting,
) -> Result<Option<Refusal>, StoreError> {
    let grants = role_grant::of_person(tx, acting.person_id()).await?;
    let runs = grants.iter().any(|grant| Role::of_grant(grant).as_ref() == Some(acting.role()));
    if !runs {
        return Ok(Some(Refusal::RoleLost));
    }
    if proposal.outcome.is_some() {
        return Ok(Some(Refusal::NotOpen));
    }
    kept_out(tx, service, proposal, acting.person_id()).await
}

async fn found(tx: &mut Tx, id: &str) -> Result<(Service, Proposal), ChangeError> {
    let proposal = rules_proposal::find(tx, id).await?.ok_or(ChangeError::Gone)?;
    Ok((live(tx, &proposal.service_id).await?, proposal))
}

/// The proposer takes a proposal back.
///
/// # Errors
/// [`ChangeError`].
pub async fn withdraw(app: &App, acting: &Acting, id: &str) -> Result<(), ChangeError> {
    const ACT: &str = "service.rules.withdraw";
    let now = app.now();
    let done = transaction!(app.store(), ChangeError, |tx| {
        let proposal = rules_proposal::find(tx, id).await?.ok_or(ChangeError::Gone)?;
        let done = rules_proposal::withdraw(tx, id, acting.person_id(), now).await?;
        let entry = if done {
            acting.done(ACT, now)
        } else {
            acting.refused(ACT, now, Refusal::NotOpen.code())
        };
        let entry = entry.on("service", proposal.service_id).on("rules_proposal", id);
        Ok(Audited::new(done, entry))
    })?;
    if done { Ok(()) } else { Err(ChangeError::Refused(Refusal::NotOpen)) }
}

/// An administrator of the operating body refuses a proposal, with words for the proposer.
///
/// # Errors
/// [`ChangeError`].
pub async fn refuse(
    app: &App,
    acting: &Acting,
    id: &str,
    because: &str,
) -> Result<(), ChangeError> {
    const ACT: &str = "service.rules.refuse";
    let now = app.now();
    let outcome = transaction!(app.store(), ChangeError, |tx| {
        let (service, proposal) = found(tx, id).await?;
        let refusal = match judge(tx, &service, &proposal, acting).await? {
            None => {
                let by = acting.person_id();
                let done = rules_proposal::refuse(tx, id, by, because, now).await?;
                (!done).then_some(Refusal::NotOpen)
            }
            refusal => refusal,
        };
        if let Some(refusal) = refusal {
            let entry = acting.refused(ACT, now, refusal.code());
            let entry = entry.on("service", &service.id).on("rules_proposal", id);
            return Ok(Audited::new(Err(refusal), entry));
        }
        let told = Notice::RulesRefused {
            service: ServiceNamed::from(&service),
            proposal: id.to_owned(),
            reason: because.to_owned(),
        };
        notice::put(tx, To::Person(proposal.proposed_by), told, now).await?;
        let entry = acting.done(ACT, now).on("service", &service.id).on("rules_proposal", id);
        Ok(Audited::new(Ok(()), entry.personal("reason", because)))
    })?;
    outcome.map_err(ChangeError::Refused)
}

/// An administrator of the operating body puts a proposal in force; answers the version that it is. Who
/// proposed something else for the rules that are over by it is told.
///
/// # Errors
/// [`ChangeError`].
pub async fn publish(app: &App, acting: &Acting, id: &str) -> Result<i64, ChangeError> {
    const ACT: &str = "service.rules.publish";
    let now = app.now();
    let outcome = transaction!(app.store(), ChangeError, |tx| {
        let (service, proposal) = found(tx, id).await?;
        let published = match judge(tx, &service, &proposal, acting).await? {
            Some(refusal) => Err(refusal),
            None => {
                judge_rules(app, tx, &service, &proposal.rules).await?;
                match rules_proposal::publish(tx, id, acting.person_id(), now).await? {
                    Publication::InForce(version) => Ok(version),
                    Publication::NotOpen => Err(Refusal::NotOpen),
                    Publication::Overtaken(_) => Err(Refusal::Overtaken),
                }
            }
        };
        let version = match published {
            Ok(version) => version,
            Err(refusal) => {
                let entry = acting.refused(ACT, now, refusal.code());
                let entry = entry.on("service", &service.id).on("rules_proposal", id);
                return Ok(Audited::new(Err(refusal), entry));
            }
        };
        let told = Notice::RulesPublished { service: ServiceNamed::from(&service), version };
        notice::put_about_service(tx, &service, told, now).await?;
        for other in rules_proposal::open(tx, &service.id).await? {
            let told = Notice::RulesOvertaken {
                service: ServiceNamed::from(&service),
                proposal: other.id,
            };
            notice::put(tx, To::Person(other.proposed_by), told, now).await?;
        }
        let entry = acting
            .done(ACT, now)
            .on("service", &service.id)
            .on("rules_proposal", id)
            .on("person", &proposal.proposed_by)
            .fact("base_version", proposal.base_version)
            .fact("rules_version", version)
            .fact("rules_sha256", fingerprint(&proposal.rules));
        Ok(Audited::new(Ok(version), entry))
    });
    match outcome {
        Ok(outcome) => outcome.map_err(ChangeError::Refused),
        // Another version took the number in the same moment.
        Err(ChangeError::Store(StoreError::AlreadyExists { .. })) => {
            Err(ChangeError::Refused(Refusal::Overtaken))
        }
        Err(error) => Err(error),
    }
}
