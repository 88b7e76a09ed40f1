//! The self-check on a service's page: what it was seen to do, and the trials that its owner starts.

use axum::{extract::State, response::Redirect};
use sekisho_store::{
    Queries, StoreError,
    audit::Audited,
    service::{self, Service},
    service_check::{self, Line, Seen, State as Standing},
    transaction,
};

use super::{decision::Refusal, owned, path_of};
use crate::{
    app::App,
    catalogue::Text,
    error::page::PageError,
    form::{NoFields, PathId},
    oidc::{
        client::Metadata,
        self_check::{self, TRIAL},
    },
    people::session::ConsoleSession,
    portal::when,
};

/// A line as it is shown.
pub(super) struct CheckLine {
    /// Names it on the page.
    pub(super) id: &'static str,
    pub(super) title: String,
    pub(super) state: String,
    pub(super) class: &'static str,
    /// What was seen, and what to do.
    pub(super) text: String,
    /// When it was seen.
    pub(super) at: Option<String>,
    /// Words of the button that starts the trial, for the owner.
    pub(super) button: Option<String>,
}

/// The four lines of a service of the sandbox; none of one that is live.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn lines(
    queries: &mut impl Queries,
    session: &ConsoleSession,
    service: &Service,
    metadata: &Metadata,
    text: &Text,
) -> Result<Vec<CheckLine>, StoreError> {
    if service.live_at.is_some() {
        return Ok(Vec::new());
    }
    let owns = owned(session, service).is_ok();
    let mut lines = Vec::new();
    for line in Line::ALL {
        let id = line.as_str();
        let seen = service_check::find(queries, &service.id, line).await?;
        let (state, class) = match seen.as_ref().map(|seen| seen.state) {
            Some(Standing::Good) => ("service-check-good", "tag tag-good"),
            Some(Standing::Bad) => ("service-check-bad", "tag tag-error"),
            _ if !concerns(line, service, metadata) => ("service-check-without", "tag"),
            Some(Standing::Asked | Standing::Open) => ("service-check-open", "tag"),
            None => ("service-check-none", "tag"),
        };
        let button = match line {
            Line::Notice => "service-check-notice-button",
            Line::Signature => "service-check-signature-button",
            Line::Redirect | Line::Clock => "",
        };
        let offered = owns && !button.is_empty() && concerns(line, service, metadata);
        lines.push(CheckLine {
            id,
            title: text.t(&format!("service-check-{id}")),
            state: text.t(state),
            class,
            text: words(line, seen.as_ref(), concerns(line, service, metadata), text),
            at: seen.map(|seen| when::shown(seen.at, text.lang())),
            button: offered.then(|| text.t(button)),
        });
    }
    Ok(lines)
}

/// Whether a line is about something that the service does itself.
fn concerns(line: Line, service: &Service, metadata: &Metadata) -> bool {
    match line {
        Line::Notice => service.backchannel_logout_uri.is_some(),
        // The portal reads the ID token in the proxy's place.
        Line::Signature => !metadata.forward_auth,
        Line::Redirect | Line::Clock => true,
    }
}

fn words(line: Line, seen: Option<&Seen>, concerns: bool, text: &Text) -> String {
    let Some(seen) = seen else {
        return text.t(match (line, concerns) {
            (Line::Redirect, _) => "service-check-redirect-none",
            (Line::Clock, _) => "service-check-clock-none",
            (Line::Notice, true) => "service-check-notice-none",
            (Line::Notice, false) => "service-check-notice-without",
            (Line::Signature, true) => "service-check-signature-none",
            (Line::Signature, false) => "service-check-signature-without",
        });
    };
    let detail = seen.detail.as_str();
    let key = match (line, seen.state, detail) {
        (Line::Redirect, Standing::Bad, "wrong_verifier") => "service-check-redirect-verifier",
        (Line::Redirect, Standing::Bad, "other_redirect_uri") => "service-check-redirect-other",
        (Line::Redirect, Standing::Bad, _) => "service-check-redirect-late",
        (Line::Redirect, ..) => "service-check-redirect-good",
        (Line::Clock, Standing::Bad, ahead) => {
            return match ahead.strip_prefix('-') {
                Some(behind) => text.t1("service-check-clock-behind", "seconds", behind),
                None => text.t1("service-check-clock-ahead", "seconds", ahead),
            };
        }
        (Line::Clock, ..) => "service-check-clock-good",
        (Line::Notice, Standing::Asked | Standing::Open, _) => "service-check-notice-open",
        (Line::Notice, Standing::Good, _) => "service-check-notice-good",
        (Line::Notice, _, self_check::notice::UNREACHABLE) => "service-check-notice-unreachable",
        (Line::Notice, _, self_check::notice::BELIEVES) => "service-check-notice-believes",
        (Line::Notice, _, status) => {
            return text.t1("service-check-notice-status", "status", status);
        }
        (Line::Signature, Standing::Asked, _) => "service-check-signature-asked",
        (Line::Signature, Standing::Open, _) => "service-check-signature-open",
        (Line::Signature, Standing::Good, _) => "service-check-signature-good",
        (Line::Signature, Standing::Bad, _) => "service-check-signature-bad",
    };
    text.t1(key, "minutes", TRIAL.whole_minutes())
}

/// `POST /console/service/{id}/check/notice`: two logout tokens to the registered address, one right and
/// one wrong.
///
/// # Errors
/// [`PageError`]: another's service, a live one or one that is told of nothing; the database does not
/// answer.
pub async fn notice(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    NoFields: NoFields,
) -> Result<Redirect, PageError> {
    begin(&app, &session, &id, Line::Notice).await
}

/// `POST /console/service/{id}/check/signature`: the next login's ID token will be signed wrongly.
///
/// # Errors
/// As for [`notice`].
pub async fn signature(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    NoFields: NoFields,
) -> Result<Redirect, PageError> {
    begin(&app, &session, &id, Line::Signature).await
}

async fn begin(
    app: &App,
    session: &ConsoleSession,
    id: &str,
    line: Line,
) -> Result<Redirect, PageError> {
    let found = service::find(&mut app.store().read(), id).await?;
    let found = found.ok_or_else(PageError::not_found)?;
    let acting = owned(session, &found)?;
    if found.live_at.is_some() {
        return Err(super::decision::DecisionError::Refused(Refusal::Live).into());
    }
    if !concerns(line, &found, &Metadata::of(&found)?) {
        return Err(PageError::not_found());
    }
    let now = app.now();
    let asked = Seen { state: Standing::Asked, detail: String::new(), grant_id: None, at: now };
    transaction!(app.store(), StoreError, |tx| {
        let before = service_check::find(tx, id, line).await?;
        let waits = |seen: Seen| seen.state == Standing::Asked && seen.at + TRIAL > now;
        // Whoever presses twice gets one trial.
        if !before.is_some_and(waits) {
            service_check::put(tx, id, line, &asked).await?;
            if line == Line::Notice {
                self_check::notice::put(tx, id, now).await?;
            }
        }
        let entry = acting.done("service.check", now).on("service", id);
        Ok(Audited::new((), entry.fact("line", line.as_str()).fact("state", "asked")))
    })?;
    Ok(Redirect::to(&path_of(id)))
}
