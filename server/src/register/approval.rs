//! What an officer may decide, and what a decision does, in one transaction.

use sekisho_key::{Randomness, RandomnessError};
use sekisho_pki::national::facility_identifier::FacilityIdentifier;
use sekisho_store::{
    MayConflict, Queries, StoreError,
    application::{self, Application, Decision},
    audit::Audited,
    organisation::{self, RegisteredAddress},
    transaction,
};

use super::{
    letter::{Letter, LetterCode},
    separation,
};
use crate::{app::App, people::role::Acting};

/// How many identifiers are drawn before giving up. Of 9 × 10^10, with 10^6 taken, one draw meets a
/// taken one with probability 10^-5: eight in a row mean that the randomness is broken.
const DRAWS: usize = 8;

/// Why an act on an application or a letter is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such application or organisation.
    NotFound,
    /// The officer applied for it, or is the contact that it names.
    OwnApplication,
    /// The officer administers the organisation, or one that has or had one of its codes.
    Administered,
    /// The officer has the name of the applicant, the contact or an administrator.
    Namesake,
    /// Nobody recorded yet what was checked.
    Unchecked,
    /// Somebody decided before.
    Decided,
    /// One of its codes is another organisation's.
    CodeTaken,
    /// The organisation is suspended or closed, so it gets no letter.
    Inactive,
    /// The organisation has an administrator, so a letter to it is an act of its own.
    HasAdministrator,
}

impl Refusal {
    /// As in audit records.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::OwnApplication => "own_application",
            Self::Administered => "administered_by_officer",
            Self::Namesake => "namesake_of_officer",
            Self::Unchecked => "unchecked",
            Self::Decided => "decided_before",
            Self::CodeTaken => "code_taken",
            Self::Inactive => "organisation_inactive",
            Self::HasAdministrator => "has_administrator",
        }
    }
}

/// Why an act was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// A rule forbids it.
    #[error("the act is refused: {}", .0.code())]
    Refused(Refusal),
    /// No randomness for a code or an identifier.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for RegisterError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

async fn judge(
    queries: &mut impl Queries,
    id: &str,
    acting: &Acting,
) -> Result<Result<Application, Refusal>, StoreError> {
    let Some(application) = application::find(queries, id).await? else {
        return Ok(Err(Refusal::NotFound));
    };
    if let Some(refusal) =
        separation::of_application(queries, &application, acting.person_id()).await?
    {
        return Ok(Err(refusal));
    }
    if application.status.is_decided() {
        return Ok(Err(Refusal::Decided));
    }
    Ok(Ok(application))
}

/// Records what an officer checked, and where.
///
/// # Errors
/// [`RegisterError`]; a refusal is audited.
pub async fn record_check(
    app: &App,
    acting: &Acting,
    id: &str,
    note: &str,
) -> Result<(), RegisterError> {
    let (now, act) = (app.now(), "application.check");
    let outcome = transaction!(app.store(), StoreError, |tx| {
        let refusal = match judge(tx, id, acting).await? {
            Err(refusal) => refusal,
            Ok(_) if application::add_check(tx, id, acting.person_id(), note, now).await? => {
                return Ok(Audited::new(Ok(()), acting.done(act, now).on("application", id)));
            }
            Ok(_) => Refusal::Decided,
        };
        let entry = acting.refused(act, now, refusal.code()).on("application", id);
        Ok(Audited::new(Err(refusal), entry))
    })?;
    outcome.map_err(RegisterError::Refused)
}

/// Refuses an application for a reason that the applicant will read.
///
/// # Errors
/// [`RegisterError`]; a refusal is audited.
pub async fn reject(
    app: &App,
    acting: &Acting,
    id: &str,
    reason: &str,
) -> Result<(), RegisterError> {
    let (now, act) = (app.now(), "application.reject");
    let person = acting.person_id();
    let outcome = transaction!(app.store(), StoreError, |tx| {
        let refusal = match judge(tx, id, acting).await? {
            Err(refusal) => refusal,
            Ok(_)
                if application::decide(tx, id, Decision::Rejected, person, reason, now).await? =>
            {
                return Ok(Audited::new(Ok(()), acting.done(act, now).on("application", id)));
            }
            Ok(_) => Refusal::Decided,
        };
        let entry = acting.refused(act, now, refusal.code()).on("application", id);
        Ok(Audited::new(Err(refusal), entry))
    })?;
    outcome.map_err(RegisterError::Refused)
}

/// Approves an application: identifier, register, names, codes, event and the letter's code are
/// written together or not at all.
///
/// `address` is where the official register says that the organisation is: the letter goes there.
///
/// # Errors
/// [`RegisterError`]; a refusal is audited.
pub async fn approve(
    app: &App,
    acting: &Acting,
    id: &str,
    address: RegisteredAddress<'_>,
) -> Result<Letter, RegisterError> {
    let (now, act) = (app.now(), "application.approve");
    let letter = LetterCode::draw(app)?;
    let identifiers = draw(app.random())?;
    let outcome = transaction!(app.store(), StoreError, |tx| {
        let refused = |refusal: Refusal| {
            let entry = acting.refused(act, now, refusal.code()).on("application", id);
            Ok(Audited::new(Err(refusal), entry))
        };
        let application = match judge(tx, id, acting).await? {
            Ok(application) => application,
            Err(refusal) => return refused(refusal),
        };
        if application.status != application::ApplicationStatus::Checked {
            return refused(Refusal::Unchecked);
        }
        let particulars = &application.particulars;
        for code in &particulars.codes {
            if organisation::holder_of(tx, code).await?.is_some() {
                return refused(Refusal::CodeTaken);
            }
        }
        let person = acting.person_id();
        if !application::decide(tx, id, Decision::Approved, person, "", now).await? {
            return refused(Refusal::Decided);
        }
        let mut entered = None;
        for identifier in &identifiers {
            let free =
                organisation::enter(tx, identifier, id, particulars, address, person, now).await?;
            if free {
                entered = Some(identifier.clone());
                break;
            }
        }
        let Some(organisation_id) = entered else {
            return Err(StoreError::AlreadyExists {
                constraint: format!("{DRAWS} facility identifiers in a row"),
            });
        };
        letter.keep(tx, &organisation_id, person, "", now).await?;
        let as_applied = particulars.postal_code == address.postal_code
            && particulars.address == address.address;
        let entry = acting
            .done(act, now)
            .at_organisation(&organisation_id)
            .on("application", id)
            .on("organisation", &organisation_id)
            .fact("kind", particulars.kind.as_str())
            .fact("letter_address", if as_applied { "as applied" } else { "as registered" });
        Ok(Audited::new(Ok(organisation_id), entry))
    })?;
    let organisation_id = outcome.map_err(RegisterError::Refused)?;
    Ok(letter.to(organisation_id, false))
}

fn draw(random: &dyn Randomness) -> Result<Vec<String>, RandomnessError> {
    (0..DRAWS)
        .map(|_| {
            let mut octets = [0; 8];
            random.fill(&mut octets)?;
            Ok(FacilityIdentifier::from_random(u64::from_le_bytes(octets)).to_string())
        })
        .collect()
}
