//! Officer and applicant are two people: who must keep out of which matter.
//!
//! Held at every act that leads to an administrator: check, approval, rejection, letter, activation
//! (`docs/decisions/0006-officer-and-applicant-are-two-people.md`).

use sekisho_store::{
    Queries, StoreError,
    application::{self, Application},
    party,
};

use super::approval::Refusal;
use crate::people::likeness::{Identity, Likeness};

/// Whether an officer must keep out of an application, and why: they or somebody like them applied,
/// are the contact, or administer an organisation that has or had one of its codes.
///
/// # Errors
/// [`StoreError`].
pub async fn of_application(
    queries: &mut impl Queries,
    application: &Application,
    officer: &str,
) -> Result<Option<Refusal>, StoreError> {
    let mut administrators = Vec::new();
    for code in &application.particulars.codes {
        administrators.extend(party::administrators_of_code(queries, code).await?);
    }
    let administrators: Vec<_> = administrators.iter().map(Identity::of).collect();
    judge(queries, application, &administrators, officer).await
}

/// Whether an officer must keep out of the letters of an organisation: also somebody who administers
/// it now. A letter's code makes an administrator, so who may not approve may not send one either.
///
/// # Errors
/// [`StoreError`].
pub async fn of_letter(
    queries: &mut impl Queries,
    organisation_id: &str,
    officer: &str,
) -> Result<Option<Refusal>, StoreError> {
    let Some(application) = application::of_organisation(queries, organisation_id).await? else {
        return Ok(Some(Refusal::NotFound));
    };
    let administrators = party::administrators(queries, organisation_id).await?;
    let administrators: Vec<_> = administrators.iter().map(Identity::of).collect();
    match judge(queries, &application, &administrators, officer).await? {
        None => of_application(queries, &application, officer).await,
        refusal => Ok(refusal),
    }
}

async fn judge(
    queries: &mut impl Queries,
    application: &Application,
    administrators: &[Identity],
    officer: &str,
) -> Result<Option<Refusal>, StoreError> {
    let officer = party::find(queries, officer).await?.ok_or_else(|| StoreError::Corrupt {
        what: "officer",
        detail: format!("{officer} has no name"),
    })?;
    let officer = Identity::of(&officer);
    let asked = &application.particulars;
    let mut applicants = vec![Identity::told(&asked.contact_name, "", &asked.contact_email)];
    if let Some(applicant) = &application.applicant_person_id {
        applicants.extend(party::find(queries, applicant).await?.as_ref().map(Identity::of));
    }
    let applied = officer.like_any(&applicants);
    let administers = officer.like_any(administrators);
    Ok(match (applied, administers) {
        (Some(Likeness::Person | Likeness::Mailbox), _) => Some(Refusal::OwnApplication),
        (_, Some(Likeness::Person | Likeness::Mailbox)) => Some(Refusal::Administered),
        (Some(Likeness::Name), _) | (_, Some(Likeness::Name)) => Some(Refusal::Namesake),
        (None, None) => None,
    })
}

/// How whoever brings a letter's code stands to the officers of the organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    /// Like none of them.
    Apart,
    /// Has the name of an officer, and another officer made this letter knowing so.
    VouchedNamesake,
    /// One of them, or not to be told from one.
    Officer(Likeness),
}

/// Judges whoever brings the code of a letter that `issued_by` made.
///
/// A mailbox is held against every officer who checked, approved or made a letter, ever. A name is
/// held against the one who made this letter only, or against all where that is not known: otherwise
/// an administrator who happens to be a namesake of the officer could never be admitted, and so
/// another officer tells the two apart.
///
/// # Errors
/// [`StoreError`].
pub async fn of_bearer(
    queries: &mut impl Queries,
    organisation_id: &str,
    issued_by: Option<&str>,
    bearer: &Identity,
) -> Result<Bearer, StoreError> {
    let mut stands = Bearer::Apart;
    for officer in party::officers(queries, organisation_id).await? {
        match bearer.like(&Identity::of(&officer)) {
            Some(likeness @ (Likeness::Person | Likeness::Mailbox)) => {
                return Ok(Bearer::Officer(likeness));
            }
            Some(Likeness::Name) if issued_by.is_none_or(|by| by == officer.person_id) => {
                stands = Bearer::Officer(Likeness::Name);
            }
            Some(Likeness::Name) if stands == Bearer::Apart => stands = Bearer::VouchedNamesake,
            Some(Likeness::Name) | None => {}
        }
    }
    Ok(stands)
}
