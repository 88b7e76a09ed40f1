//! Letters to an organisation's registered address, each with a code that makes one administrator.

use sekisho_key::RandomnessError;
use sekisho_store::{
    Queries, StoreError, Tx,
    activation_code::{self, NewLetter},
    audit::Audited,
    organisation::{self, OrganisationStatus},
    party, transaction,
};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{
    approval::{Refusal, RegisterError},
    separation,
};
use crate::{
    app::App,
    notice::{self, Notice, To},
    paper_code::PaperCode,
    people::role::Acting,
};

/// What the letter says. The code is in no other place.
#[derive(Debug)]
pub struct Letter {
    /// The identifier.
    pub organisation_id: String,
    /// The code, in groups.
    pub code: Zeroizing<String>,
    /// Until when it is good.
    pub expires_at: OffsetDateTime,
    /// Whether the organisation has had an administrator before.
    pub further: bool,
}

/// A code drawn for a letter that is about to be made.
pub(super) struct LetterCode {
    code: PaperCode,
    expires_at: OffsetDateTime,
}

impl LetterCode {
    /// A random one, good for as long as the configuration says.
    pub(super) fn draw(app: &App) -> Result<Self, RandomnessError> {
        Ok(Self {
            code: PaperCode::generate(app.random())?,
            expires_at: app.now() + app.config().register().activation_lifetime(),
        })
    }

    /// Keeps its hash; codes of earlier letters end.
    pub(super) async fn keep(
        &self,
        tx: &mut Tx,
        organisation_id: &str,
        issued_by: &str,
        reason: &str,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let code_hash = &self.code.hash();
        let expires_at = self.expires_at;
        let letter = NewLetter { organisation_id, code_hash, issued_by, reason, expires_at };
        activation_code::issue(tx, letter, at).await
    }

    /// The letter, to be printed.
    pub(super) fn to(&self, organisation_id: String, further: bool) -> Letter {
        let (code, expires_at) = (self.code.reveal(), self.expires_at);
        Letter { organisation_id, code, expires_at, further }
    }
}

/// What a letter is made for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose<'a> {
    /// The organisation has no administrator: the earlier letter went astray, or its last
    /// administrator left.
    First,
    /// A further administrator, or a new one instead of those whom nobody reaches.
    Further {
        /// Why, in the officer's words. Its administrators read it.
        reason: &'a str,
    },
}

impl<'a> Purpose<'a> {
    const fn act(self) -> &'static str {
        match self {
            Self::First => "organisation.issue_letter",
            Self::Further { .. } => "organisation.issue_further_letter",
        }
    }

    const fn reason(self) -> &'a str {
        match self {
            Self::First => "",
            Self::Further { reason } => reason,
        }
    }
}

/// Makes a letter to the registered address. Codes of earlier letters end; whoever administers the
/// organisation finds a notice of it.
///
/// # Errors
/// [`RegisterError`]; a refusal is audited.
pub async fn issue(
    app: &App,
    acting: &Acting,
    organisation_id: &str,
    purpose: Purpose<'_>,
) -> Result<Letter, RegisterError> {
    let (now, act) = (app.now(), purpose.act());
    let letter = LetterCode::draw(app)?;
    let outcome = transaction!(app.store(), StoreError, |tx| {
        let officer = acting.person_id();
        if let Some(refusal) = refusal(tx, officer, organisation_id, purpose).await? {
            let entry =
                acting.refused(act, now, refusal.code()).on("organisation", organisation_id);
            // Among the acts at the organisation as well, if there is one.
            let entry = match refusal {
                Refusal::NotFound => entry,
                _ => entry.at_organisation(organisation_id),
            };
            return Ok(Audited::new(Err(refusal), entry));
        }
        let reason = purpose.reason();
        letter.keep(tx, organisation_id, acting.person_id(), reason, now).await?;
        let mut entry = acting
            .done(act, now)
            .at_organisation(organisation_id)
            .on("organisation", organisation_id);
        if let Purpose::Further { reason } = purpose {
            let to = To::FacilityAdministrators(organisation_id.to_owned());
            let told = Notice::LetterIssued { reason: reason.to_owned() };
            notice::put(tx, to, told, now).await?;
            // In words of a person, which might name one.
            entry = entry.personal("reason", reason);
        }
        Ok(Audited::new(Ok(()), entry))
    })?;
    outcome.map_err(RegisterError::Refused)?;
    let further = matches!(purpose, Purpose::Further { .. });
    Ok(letter.to(organisation_id.to_owned(), further))
}

/// Why an officer gets no letter to an organisation; `None` where one would be made.
///
/// # Errors
/// [`StoreError`].
pub async fn refusal(
    queries: &mut impl Queries,
    officer: &str,
    organisation_id: &str,
    purpose: Purpose<'_>,
) -> Result<Option<Refusal>, StoreError> {
    let Some(found) = organisation::find(queries, organisation_id).await? else {
        return Ok(Some(Refusal::NotFound));
    };
    if !matches!(found.status, OrganisationStatus::Approved | OrganisationStatus::Active) {
        return Ok(Some(Refusal::Inactive));
    }
    if let Some(refusal) = separation::of_letter(queries, organisation_id, officer).await? {
        return Ok(Some(refusal));
    }
    let administered = !party::administrators(queries, organisation_id).await?.is_empty();
    Ok(match (purpose, administered) {
        (Purpose::First, true) => Some(Refusal::HasAdministrator),
        // The last one left since the page was shown: a first letter needs no reason.
        (Purpose::Further { .. }, false) => Some(Refusal::Decided),
        (Purpose::First, false) | (Purpose::Further { .. }, true) => None,
    })
}
