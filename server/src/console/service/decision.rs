//! A service leaves the sandbox: its owner asks, another human being of the operating body decides.
//!
//! Owner and decider are held apart as an applicant and an officer are
//! (`docs/decisions/0006-officer-and-applicant-are-two-people.md`).

use sekisho_authz::Rules;
use sekisho_store::{
    MayConflict, Queries, StoreError,
    audit::Audited,
    going_live::{self, Request},
    party,
    service::{self, Service},
    transaction,
};

use crate::{
    app::App,
    notice::{self, Notice, ServiceNamed},
    oidc::client::{self, ApprovalError, Registry},
    people::{
        likeness::{Identity, Likeness},
        role::Acting,
    },
};

/// Why an act is refused. It is audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is live.
    Live,
    /// What was asked before is not decided.
    AskedBefore,
    /// Nothing is to be decided: nobody asked, or somebody decided.
    NotAsked,
    /// The registration is another than what the decider was shown.
    Changed,
    /// The decider asked, or answers for the organisation's services.
    Own,
    /// The decider has the name of somebody who did or does.
    Namesake,
}

impl Refusal {
    /// As in audit records.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::AskedBefore => "asked_before",
            Self::NotAsked => "not_asked",
            Self::Changed => "changed_since_shown",
            Self::Own => "own_service",
            Self::Namesake => "namesake_of_owner",
        }
    }
}

/// Why an act was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// A rule forbids it.
    #[error("the act is refused: {}", .0.code())]
    Refused(Refusal),
    /// The service is gone, or the rules cannot be used.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for DecisionError {
    fn is_conflict(&self) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::Approval(error) => error.is_conflict(),
            Self::Store(error) => error.is_conflict(),
        }
    }
}

/// What is asked for a service and not decided.
///
/// # Errors
/// [`StoreError`].
pub async fn open(
    queries: &mut impl Queries,
    service_id: &str,
) -> Result<Option<Request>, StoreError> {
    let last = going_live::latest(queries, service_id).await?;
    Ok(last.filter(|request| request.decided_at.is_none()))
}

/// Whether somebody must leave the decision to others: they or somebody like them asked, or answer
/// for the services of the organisation.
///
/// # Errors
/// [`StoreError`].
pub async fn kept_out(
    queries: &mut impl Queries,
    service: &Service,
    asked_by: &str,
    person_id: &str,
) -> Result<Option<Refusal>, StoreError> {
    let decider = party::find(queries, person_id).await?.ok_or_else(|| StoreError::Corrupt {
        what: "administrator",
        detail: format!("{person_id} has no name"),
    })?;
    let mut owners: Vec<_> = party::find(queries, asked_by).await?.into_iter().collect();
    if let Some(organisation) = &service.organisation_id {
        owners.extend(party::service_owners(queries, organisation).await?);
    }
    let owners: Vec<_> = owners.iter().map(Identity::of).collect();
    Ok(Identity::of(&decider).like_any(&owners).map(|likeness| match likeness {
        Likeness::Person | Likeness::Mailbox => Refusal::Own,
        Likeness::Name => Refusal::Namesake,
    }))
}

/// What forbids a decision by `acting`, who was shown the registration of this fingerprint.
async fn judge(
    queries: &mut impl Queries,
    service: &Service,
    acting: &Acting,
    seen: Option<&str>,
) -> Result<Option<Refusal>, StoreError> {
    if service.live_at.is_some() {
        return Ok(Some(Refusal::Live));
    }
    let Some(request) = open(queries, &service.id).await? else {
        return Ok(Some(Refusal::NotAsked));
    };
    if seen.is_some_and(|seen| seen != client::fingerprint(service)) {
        return Ok(Some(Refusal::Changed));
    }
    kept_out(queries, service, &request.asked_by, acting.person_id()).await
}

/// The service, which is in the database still.
async fn found(queries: &mut impl Queries, id: &str) -> Result<Service, DecisionError> {
    let found = service::find(queries, id).await?;
    found.ok_or_else(|| ApprovalError::Unknown(id.to_owned()).into())
}

/// The owner asks, in words that say what for and for whom.
///
/// # Errors
/// [`DecisionError`].
pub async fn ask(app: &App, acting: &Acting, id: &str, purpose: &str) -> Result<(), DecisionError> {
    const ACT: &str = "service.ask";
    let now = app.now();
    let outcome = transaction!(app.store(), DecisionError, |tx| {
        let service = found(tx, id).await?;
        let refusal = if service.live_at.is_some() {
            Some(Refusal::Live)
        } else {
            open(tx, id).await?.map(|_| Refusal::AskedBefore)
        };
        if let Some(refusal) = refusal {
            let entry = acting.refused(ACT, now, refusal.code()).on("service", id);
            return Ok(Audited::new(Err(refusal), entry));
        }
        going_live::ask(tx, id, purpose, acting.person_id(), now).await?;
        let told = Notice::GoingLiveAsked { service: ServiceNamed::from(&service) };
        notice::put_about_service(tx, &service, told, now).await?;
        let entry = acting.done(ACT, now).on("service", id);
        Ok(Audited::new(Ok(()), entry.fact("registration_sha256", client::fingerprint(&service))))
    });
    match outcome {
        Ok(outcome) => outcome.map_err(DecisionError::Refused),
        // Two at once: one of them was first.
        Err(DecisionError::Store(StoreError::AlreadyExists { .. })) => {
            Err(DecisionError::Refused(Refusal::AskedBefore))
        }
        Err(error) => Err(error),
    }
}

/// The operating body's administrator lets it out, for whom `rules` admit: what the registration of
/// the fingerprint `seen` asks for, and nothing that came since.
///
/// # Errors
/// [`DecisionError`].
pub async fn approve(
    app: &App,
    acting: &Acting,
    id: &str,
    rules: &Rules,
    seen: &str,
) -> Result<(), DecisionError> {
    const ACT: &str = "service.approve";
    let registry = Registry::of(app);
    let now = registry.now;
    let outcome = transaction!(app.store(), DecisionError, |tx| {
        let service = found(tx, id).await?;
        if let Some(refusal) = judge(tx, &service, acting, Some(seen)).await? {
            let entry = acting.refused(ACT, now, refusal.code()).on("service", id);
            return Ok(Audited::new(Err(refusal), entry));
        }
        let by = Some(acting.person_id());
        let entry = acting.done(ACT, now);
        let (_, entry) = client::approve_within(tx, &registry, id, rules, by, entry).await?;
        Ok(Audited::new(Ok(()), entry))
    })?;
    outcome.map_err(DecisionError::Refused)
}

/// The operating body's administrator refuses, with words for the owner. The service stays in the
/// sandbox, and its owner may ask again.
///
/// # Errors
/// [`DecisionError`].
pub async fn refuse(
    app: &App,
    acting: &Acting,
    id: &str,
    because: &str,
) -> Result<(), DecisionError> {
    const ACT: &str = "service.refuse";
    let now = app.now();
    let outcome = transaction!(app.store(), DecisionError, |tx| {
        let service = found(tx, id).await?;
        let refusal = match judge(tx, &service, acting, None).await? {
            None => {
                let by = Some(acting.person_id());
                let decided = going_live::decide(tx, id, by, Some(because), now).await?;
                (!decided).then_some(Refusal::NotAsked)
            }
            refusal => refusal,
        };
        if let Some(refusal) = refusal {
            let entry = acting.refused(ACT, now, refusal.code()).on("service", id);
            return Ok(Audited::new(Err(refusal), entry));
        }
        let told = Notice::ServiceRefused {
            service: ServiceNamed::from(&service),
            reason: because.to_owned(),
        };
        notice::put_about_service(tx, &service, told, now).await?;
        Ok(Audited::new(Ok(()), acting.done(ACT, now).on("service", id)))
    })?;
    outcome.map_err(DecisionError::Refused)
}
