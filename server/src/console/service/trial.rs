//! What an owner tries a service out with: cards of invented people, and a PC at the test facility.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use sekisho_ca::registration::terminal_identifier::TerminalIdentifier;
use sekisho_store::{
    Queries, StoreError,
    audit::Audited,
    sandbox::{self, Hierarchy},
    service::{self, Service},
    terminal::{self, TerminalStatus},
    transaction,
    world::World,
};
use serde::Deserialize;

use super::{
    decision::{DecisionError, Refusal},
    owned, path_of,
};
use crate::{
    app::App,
    catalogue::Text,
    console::terminals::code::{self, Afterwards},
    enrol::new_code::{self, NoCode},
    entitlement,
    error::page::PageError,
    form::{NoFields, PathId, StrictForm},
    page::PageFrame,
    people::{role::Acting, session::ConsoleSession},
    portal::when,
    sandbox::{cast::PIN, hand_out},
};

/// A card that can be had.
pub(super) struct TrialCard {
    /// Of its folder and its file.
    pub(super) card: String,
    pub(super) name: String,
    pub(super) kana: String,
    pub(super) role: String,
}

/// What the page offers.
pub(super) struct Trial {
    pub(super) cards: Vec<TrialCard>,
    pub(super) pin: &'static str,
    pub(super) until: String,
    /// The folders of the first person's cards in other states; none in a sandbox that was made before.
    pub(super) states: Option<String>,
    /// The owner's own PC, if it has a code or a certificate.
    pub(super) pc: Option<String>,
}

/// How the sandbox stands for a service's owner.
pub(super) enum Offered {
    /// The operating body has made no people, or theirs is over.
    Nothing,
    /// This.
    Trial(Trial),
}

impl Offered {
    /// To the owner of a service of the sandbox; nobody else is offered anything.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn of(
        app: &App,
        session: &ConsoleSession,
        service: &Service,
        text: &Text,
    ) -> Result<Option<Self>, StoreError> {
        if service.live_at.is_some() || service.withdrawn_at.is_some() {
            return Ok(None);
        }
        let Ok(acting) = owned(session, service) else { return Ok(None) };
        let mut reader = app.store().read();
        let Some(hierarchy) = in_force(app, &mut reader).await? else {
            return Ok(Some(Self::Nothing));
        };
        let cards = sandbox::cards(&mut reader).await?;
        let mut states = Vec::new();
        if let Some(first) = cards.first() {
            let archive = sandbox::archive(&mut reader, &first.name).await?.unwrap_or_default();
            // What does not read is not offered; the card itself is handed out as it is.
            let folders = hand_out::folders(&archive).unwrap_or_default();
            states.extend(folders.into_iter().filter(|folder| *folder != first.name));
        }
        let cards = cards.into_iter().map(|card| TrialCard {
            role: entitlement::role_name(&card.role, text),
            card: card.name,
            name: card.person_name,
            kana: card.person_kana,
        });
        Ok(Some(Self::Trial(Trial {
            cards: cards.collect(),
            pin: PIN,
            states: (!states.is_empty()).then(|| states.join(", ")),
            until: when::shown(hierarchy.expires_at, text.lang()),
            pc: sandbox::pc(&mut reader, &service.id, acting.person_id()).await?,
        })))
    }
}

/// The sandbox, if its cards count now: they last, and the configuration says that its facility is for
/// tests.
async fn in_force(app: &App, queries: &mut impl Queries) -> Result<Option<Hierarchy>, StoreError> {
    let hierarchy = sandbox::hierarchy(queries).await?;
    Ok(hierarchy.filter(|held| {
        held.expires_at > app.now()
            && app.config().sandbox().world_of(&held.organisation_id) == World::Sandbox
    }))
}

/// The right to try a service out, and with what.
///
/// # Errors
/// 404: no such service, another's, or one that was withdrawn; 409: it is live, or there is no sandbox.
async fn tried(
    app: &App,
    session: &ConsoleSession,
    id: &str,
) -> Result<(Acting, Hierarchy), PageError> {
    let mut reader = app.store().read();
    let found = service::find(&mut reader, id).await?.ok_or_else(PageError::not_found)?;
    let acting = owned(session, &found)?;
    if found.withdrawn_at.is_some() {
        return Err(PageError::not_found());
    }
    if found.live_at.is_some() {
        return Err(DecisionError::Refused(Refusal::Live).into());
    }
    let hierarchy = in_force(app, &mut reader).await?;
    hierarchy.map(|hierarchy| (acting, hierarchy)).ok_or_else(|| {
        PageError::new(
            StatusCode::CONFLICT,
            "service-trial-title",
            "service-trial-nothing",
            "service-trial-nothing-help",
        )
    })
}

/// Which card.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    card: String,
}

/// `POST /console/service/{id}/card`: a software card as a file; each is told of in the trail.
///
/// # Errors
/// [`PageError`]: another's service or a live one, no such card, no sandbox; the database does not
/// answer.
pub async fn card(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Which>,
) -> Result<Response, PageError> {
    let (acting, _) = tried(&app, &session, &id).await?;
    let archive = sandbox::archive(&mut app.store().read(), &form.card).await?;
    let archive = archive.ok_or_else(PageError::not_found)?;
    let now = app.now();
    transaction!(app.store(), StoreError, |tx| {
        let entry = acting.done("sandbox.hand_out", now).on("service", &id);
        Ok(Audited::new((), entry.fact("card", form.card.as_str())))
    })?;
    let file = format!("attachment; filename=\"{}.tar\"", form.card);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::try_from(file).map_err(|error| PageError::internal(&error))?,
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, archive).into_response())
}

/// What came of asking for a code.
enum Outcome {
    /// The code is this terminal's.
    Issued {
        id: String,
        name: String,
    },
    Refused(NoCode),
}

/// `POST /console/service/{id}/pc`: an enrolment code for the owner's PC at the test facility, shown
/// once. The first time the PC is entered; later it is a code for the same one.
///
/// # Errors
/// As for [`card`]; 409 while the PC is on hold or the test facility not in operation.
pub async fn pc(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    _: NoFields,
) -> Result<Response, PageError> {
    let (acting, hierarchy) = tried(&app, &session, &id).await?;
    let now = app.now();
    let mut random = [0; 8];
    app.random().fill(&mut random).map_err(|error| PageError::internal(&error))?;
    let drawn = TerminalIdentifier::from_random(u64::from_be_bytes(random)).to_string();
    let code = code::draw(&app, now)?;
    let (facility, person) = (hierarchy.organisation_id.as_str(), acting.person_id());
    let outcome = transaction!(app.store(), StoreError, |tx| {
        let held = match sandbox::pc(tx, &id, person).await? {
            Some(held) => terminal::find(tx, &held).await?,
            None => None,
        };
        // One that was revoked never comes back.
        let held = held.filter(|held| {
            held.status != TerminalStatus::Revoked && held.organisation_id == facility
        });
        let (terminal_id, name) = match held {
            Some(held) => (held.id, held.name),
            None => {
                let name = format!("試験用PC {drawn}");
                terminal::create(tx, &drawn, facility, &name, person, now).await?;
                sandbox::set_pc(tx, &id, person, &drawn).await?;
                (drawn.clone(), name)
            }
        };
        let entry = |entry: sekisho_store::audit::Entry| {
            entry.on("service", &id).on("terminal", &terminal_id)
        };
        let refusal = match terminal::find(tx, &terminal_id).await? {
            Some(terminal) => new_code::standing(tx, &terminal).await?.1,
            None => Some(NoCode::Revoked),
        };
        if let Some(refusal) = refusal {
            let refused = acting.refused("sandbox.issue_code", now, refusal.as_str());
            return Ok(Audited::new(Outcome::Refused(refusal), entry(refused)));
        }
        code.keep(tx, &terminal_id, person).await?;
        let done = entry(acting.done("sandbox.issue_code", now));
        Ok(Audited::new(Outcome::Issued { id: terminal_id, name }, done))
    })?;
    match outcome {
        Outcome::Issued { id: terminal_id, name } => {
            let afterwards = Afterwards {
                back: path_of(&id),
                run: "sekisho-agent run --software-card physician",
            };
            let page = session.frame(page);
            Ok(code::page(&app, page, &terminal_id, &name, &code, afterwards)?.into_response())
        }
        Outcome::Refused(refusal) => Err(code::no_code(refusal)),
    }
}
