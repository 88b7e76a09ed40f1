//! `GET /console/emergencies`: what was opened in emergencies, each with the form for its review.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_store::{
    Queries, StoreError,
    emergency_access::{self, EmergencyAccess},
    organisation, person, terminal,
};
use time::OffsetDateTime;

use super::act::{self, MOST_WORDS, Refusal};
use crate::{
    app::App,
    emergency::{Verdict, reason_key, review_words},
    entitlement::level_name,
    error::page::PageError,
    page::{Page, PageFrame},
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
    portal::when,
};

/// The most that are listed of a facility, and of all together that were escalated.
const MOST_LISTED: i64 = 100;

/// What the form calls its fields.
pub(super) const LABELS: [(&str, &str); 2] =
    [("verdict", "emergencies-verdict"), ("words", "emergencies-words")];

/// What was typed about one, to be put right.
pub(super) struct Typed {
    pub(super) id: String,
    pub(super) verdict: Option<Verdict>,
    pub(super) words: String,
    pub(super) errors: FieldErrors,
}

struct Choice {
    value: &'static str,
    label: String,
    chosen: bool,
}

struct Card {
    id: String,
    person: String,
    /// Whether that person was no member of the facility.
    visiting: bool,
    terminal: String,
    proof: String,
    reason: String,
    words: String,
    from: String,
    until: String,
    runs: bool,
    due: String,
    overdue: bool,
    /// How its review stands.
    state: String,
    /// Who reviewed it and when, and in which words.
    reviewed: Option<(String, String)>,
    /// Why the reader does not review it.
    kept_out: Option<String>,
    choices: Vec<Choice>,
    typed: String,
    errors: FieldErrors,
}

struct Group {
    title: String,
    id: String,
    cards: Vec<Card>,
}

#[derive(Template)]
#[template(path = "console/emergencies.html")]
struct ListPage {
    page: PageFrame,
    facilities: Vec<Group>,
    /// For the operating body, by facility.
    escalated: Option<Vec<Group>>,
    most: usize,
}

/// `GET /console/emergencies`.
///
/// # Errors
/// [`PageError`]: for nobody but administrators of facilities and of the operating body; or the database
/// does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
) -> Result<Response, PageError> {
    show(&app, &session, page, None).await
}

pub(super) async fn show(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    mut typed: Option<Typed>,
) -> Result<Response, PageError> {
    let mut reader = app.store().read();
    let runs = session.roles.contains(&Role::OperatingAdministrator);
    let status = if typed.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let view = View { session, page: &page, now: app.now() };
    let mut facilities = Vec::new();
    for id in session.facilities() {
        let found = emergency_access::of_organisation(&mut reader, id, MOST_LISTED).await?;
        facilities.push(view.group(&mut reader, id, found, &mut typed).await?);
    }
    if facilities.is_empty() && !runs {
        return Err(session.no_facility().into());
    }
    let mut escalated = runs.then(Vec::new);
    if let Some(groups) = &mut escalated {
        let found = emergency_access::escalated(&mut reader, MOST_LISTED).await?;
        let own = |found: &EmergencyAccess| {
            session.facilities().any(|facility| facility == found.organisation_id)
        };
        // Once on a page, where somebody has both roles. The facility with the oldest stands first.
        let mut of_facilities: Vec<(String, Vec<EmergencyAccess>)> = Vec::new();
        for found in found.into_iter().filter(|found| !own(found)) {
            let id = &found.organisation_id;
            match of_facilities.iter_mut().find(|(facility, _)| facility == id) {
                Some((_, group)) => group.push(found),
                None => of_facilities.push((id.clone(), vec![found])),
            }
        }
        for (id, found) in of_facilities {
            groups.push(view.group(&mut reader, &id, found, &mut typed).await?);
        }
    }
    let page = session.frame(page);
    let page = ListPage { page, facilities, escalated, most: MOST_WORDS };
    Ok((status, Page(page)).into_response())
}

struct View<'a> {
    session: &'a ConsoleSession,
    page: &'a PageFrame,
    now: OffsetDateTime,
}

impl View<'_> {
    async fn group(
        &self,
        queries: &mut impl Queries,
        organisation_id: &str,
        found: Vec<EmergencyAccess>,
        typed: &mut Option<Typed>,
    ) -> Result<Group, StoreError> {
        let name = organisation::name(queries, organisation_id).await?.unwrap_or_default();
        let mut cards = Vec::new();
        for found in found {
            let typed = typed.take_if(|typed| typed.id == found.id);
            cards.push(self.card(queries, found, typed).await?);
        }
        Ok(Group { title: name, id: organisation_id.to_owned(), cards })
    }

    async fn card(
        &self,
        queries: &mut impl Queries,
        found: EmergencyAccess,
        typed: Option<Typed>,
    ) -> Result<Card, StoreError> {
        let (text, lang) = (&self.page.text, self.page.text.lang());
        let refusal = act::judge(queries, &found, &self.session.person_id, self.now).await?;
        let reviewed = match &found.review {
            Some(review) => {
                let name = name(queries, &review.reviewer_id).await?;
                let told = [("name", name), ("at", when::shown(review.at, lang))];
                Some((text.with("emergencies-reviewed", &told), review.words.clone()))
            }
            None => None,
        };
        let (verdict, words, errors) = match typed {
            Some(typed) => (typed.verdict, typed.words, typed.errors),
            None => (None, String::new(), FieldErrors::default()),
        };
        let terminal = terminal::find(queries, &found.terminal_id).await?;
        let choices = Verdict::ALL.into_iter().map(|one| Choice {
            value: one.code(),
            label: text.t(match one {
                Verdict::Justified => "emergencies-verdict-justified",
                Verdict::NotJustified => "emergencies-verdict-not-justified",
            }),
            chosen: verdict == Some(one),
        });
        Ok(Card {
            person: name(queries, &found.person_id).await?,
            visiting: found.visiting,
            terminal: terminal.map_or_else(|| found.terminal_id.clone(), |found| found.name),
            proof: level_name(&found.acr, text),
            reason: text.t(&reason_key(&found.reason)),
            from: when::shown(found.started_at, lang),
            until: when::shown(found.over_at(), lang),
            runs: found.runs(self.now),
            due: when::shown(found.due_at, lang),
            overdue: found.review.is_none() && found.due_at <= self.now,
            state: review_words(&found, text),
            reviewed,
            kept_out: refusal
                .filter(|refusal| *refusal != Refusal::Reviewed)
                .map(|refusal| text.t(refusal.key())),
            choices: choices.collect(),
            typed: words,
            errors,
            id: found.id,
            words: found.words,
        })
    }
}

async fn name(queries: &mut impl Queries, person_id: &str) -> Result<String, StoreError> {
    let found = person::name(queries, person_id).await?;
    Ok(found.map_or_else(|| person_id.to_owned(), |found| found.name))
}

/// What the start page says to somebody who has something to review: how many of their facilities, and how
/// many that were escalated to them.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn waiting(
    queries: &mut impl Queries,
    session: &ConsoleSession,
) -> Result<(i64, i64), StoreError> {
    let mut own = 0;
    for id in session.facilities() {
        own += emergency_access::count_unreviewed(queries, id, &session.person_id).await?;
    }
    let escalated = match session.roles.contains(&Role::OperatingAdministrator) {
        true => emergency_access::count_escalated(queries).await?,
        false => 0,
    };
    Ok((own, escalated))
}
