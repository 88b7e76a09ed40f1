//! Ending and reviewing an emergency access. Who broke the glass does not judge it: neither under this account
//! nor under another of theirs (`docs/decisions/0006-officer-and-applicant-are-two-people.md`).

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_store::{
    Queries, StoreError,
    audit::Audited,
    emergency_access::{self, EmergencyAccess, Review},
    party, transaction,
};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{PATH, answered_for, list};
use crate::{
    app::App,
    emergency::{Verdict, end as ending, end::ACT as END},
    error::page::PageError,
    form::{self, NoFields, PathId, StrictForm},
    page::PageFrame,
    people::{
        field::FieldErrors,
        likeness::{Identity, Likeness},
        session::ConsoleSession,
    },
};

/// Most characters of the reviewer's words.
pub(super) const MOST_WORDS: usize = 500;

/// Why a review is refused. It is audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The reviewer broke the glass.
    Own,
    /// The reviewer has the name of who did: somebody else decides whether it is the same person.
    Namesake,
    /// It is not over.
    Runs,
    /// Somebody reviewed it before.
    Reviewed,
}

impl Refusal {
    const fn code(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Namesake => "namesake",
            Self::Runs => "runs",
            Self::Reviewed => "reviewed_before",
        }
    }

    /// Message key of why.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Own => "emergencies-own",
            Self::Namesake => "emergencies-namesake",
            Self::Runs => "emergencies-running",
            Self::Reviewed => "emergencies-refused-reviewed",
        }
    }
}

/// What forbids a review by `reviewer_id`.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn judge(
    queries: &mut impl Queries,
    found: &EmergencyAccess,
    reviewer_id: &str,
    now: OffsetDateTime,
) -> Result<Option<Refusal>, StoreError> {
    if found.review.is_some() {
        return Ok(Some(Refusal::Reviewed));
    }
    let unnamed = |id: &str| StoreError::Corrupt {
        what: "emergency access",
        detail: format!("{id} has no name"),
    };
    let by = party::find(queries, &found.person_id).await?;
    let by = by.ok_or_else(|| unnamed(&found.person_id))?;
    let reviewer = party::find(queries, reviewer_id).await?;
    let reviewer = reviewer.ok_or_else(|| unnamed(reviewer_id))?;
    Ok(match Identity::of(&reviewer).like(&Identity::of(&by)) {
        Some(Likeness::Person | Likeness::Mailbox) => Some(Refusal::Own),
        Some(Likeness::Name) => Some(Refusal::Namesake),
        None => found.runs(now).then_some(Refusal::Runs),
    })
}

/// The form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewForm {
    #[serde(default)]
    verdict: Option<Verdict>,
    words: String,
}

/// `POST /console/emergencies/{id}/review`, fields `verdict` (`justified`, `not_justified`) and `words`.
///
/// # Errors
/// [`PageError`]: it is none of the reviewer's, or their own, or not over, or reviewed before; or the
/// database does not answer. A field that does not fit is the list again, with what was typed.
pub async fn review(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<ReviewForm>,
) -> Result<Response, PageError> {
    const ACT: &str = "emergency.review";
    let (_, acting) = answered_for(&mut app.store().read(), &session, &id).await?;
    let mut errors = FieldErrors::of_form(&list::LABELS);
    if form.verdict.is_none() {
        errors.add("verdict", page.t("error-choose-one"));
    }
    let words = errors.keep("words", form::lines(&form.words, MOST_WORDS), &page.text);
    let (Some(verdict), Some(words), true) = (form.verdict, words, errors.is_empty()) else {
        let typed = list::Typed { id, verdict: form.verdict, words: form.words, errors };
        return list::show(&app, &session, page.switching_at(PATH), Some(typed)).await;
    };
    let now = app.now();
    let outcome = transaction!(app.store(), StoreError, |tx| {
        let found = emergency_access::find(tx, &id).await?.ok_or_else(|| StoreError::Corrupt {
            what: "emergency access",
            detail: format!("{id} is gone"),
        })?;
        let mut refusal = judge(tx, &found, acting.person_id(), now).await?;
        if refusal.is_none() {
            let said = Review {
                reviewer_id: acting.person_id().to_owned(),
                at: now,
                verdict: verdict.code().to_owned(),
                words: words.clone(),
            };
            let kept = emergency_access::review(tx, &id, &said).await?;
            refusal = (!kept).then_some(Refusal::Reviewed);
        }
        let entry = match refusal {
            None => acting.done(ACT, now).fact("verdict", verdict.code()).personal("words", &words),
            Some(refusal) => acting.refused(ACT, now, refusal.code()),
        };
        let entry = entry
            .at_organisation(&found.organisation_id)
            .on("emergency_access", &id)
            .on("person", &found.person_id);
        Ok(Audited::new(refusal, entry))
    })?;
    match outcome {
        None => Ok(Redirect::to(PATH).into_response()),
        Some(refusal) => Err(PageError::new(
            StatusCode::CONFLICT,
            "emergencies-refused-title",
            refusal.key(),
            "emergencies-refused-help",
        )),
    }
}

/// `POST /console/emergencies/{id}/end`, no fields: nothing is open by it from now. One that is over stays as
/// it is.
///
/// # Errors
/// [`PageError`]: it is none of theirs, or the database does not answer.
pub async fn end(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    _: NoFields,
) -> Result<Response, PageError> {
    let (found, acting) = answered_for(&mut app.store().read(), &session, &id).await?;
    let now = app.now();
    transaction!(app.store(), StoreError, |tx| {
        let by = ("administrator", Some(acting.person_id()));
        let ended = match emergency_access::find(tx, &id).await?.filter(|found| found.runs(now)) {
            Some(running) => ending::close(tx, &running, by, now).await?,
            None => None,
        };
        let entry = if ended.is_some() {
            acting.done(END, now).fact("reason", "administrator")
        } else {
            acting.refused(END, now, "none_runs")
        };
        let entry = entry
            .at_organisation(&found.organisation_id)
            .on("emergency_access", &id)
            .on("person", &found.person_id);
        let visit = ended.and_then(|closed| closed.visit).map(|ended| {
            let record = acting.done("session.end", now).fact("reason", ending::VISIT_OVER);
            let record = record.at_organisation(&found.organisation_id);
            record.on("session", hex::encode(ended.id_hash)).on("person", &found.person_id)
        });
        Ok(visit.into_iter().fold(Audited::new((), entry), Audited::and))
    })?;
    Ok(Redirect::to(PATH).into_response())
}
