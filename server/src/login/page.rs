//! `GET /login`: the login page.

use askama::Template;
use axum::{
    extract::{Extension, State},
    response::Response,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sekisho_store::{
    StoreError,
    invitation::{self, Kind},
};
use sekisho_wire::acr;
use serde::Deserialize;

use super::{
    Least,
    challenge::{self, BROWSER_COOKIE, browser_hash, least, local_path, random_octets},
    day_pass,
    exchange::{self, Asked, Exchange},
    passkey,
    password::{self, login::Refused},
    session, visitor,
};
use crate::{
    app::App,
    catalogue::Text,
    cookie::{self, SameSite},
    entitlement::level_name,
    error::page::PageError,
    form::StrictQuery,
    listener::{FacilityConnection, Peer},
    page::{Page, PageFrame},
};

/// The query of the page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginQuery {
    #[serde(default)]
    return_to: Option<String>,
    /// What the login is to reach at least.
    #[serde(default)]
    level: Option<String>,
    #[serde(default)]
    notice: Option<Notice>,
    #[serde(default)]
    invitation: bool,
}

/// Why somebody comes to this page.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Notice {
    Expired,
    CardRemoved,
    CardRevoked,
    CardExpired,
    AgentSilent,
    MembershipEnded,
    VisitOver,
    LoggedOut,
    EndedFromElsewhere,
    Locked,
    TerminalRenewed,
    Unlinked,
    Relinked,
    PasskeyRemoved,
    PasskeyHeld,
    DayPassEnded,
    Ended,
}

impl Notice {
    fn words(self, text: &Text) -> String {
        match self {
            Self::Expired => text.t("login-notice-expired"),
            Self::CardRemoved => text.t("login-notice-card-removed"),
            Self::CardRevoked => text.t("login-notice-card-revoked"),
            Self::CardExpired => text.t("login-notice-card-expired"),
            Self::AgentSilent => text.t("login-notice-agent-silent"),
            Self::MembershipEnded => text.t("login-notice-membership-ended"),
            Self::VisitOver => text.t("login-notice-visit-over"),
            Self::LoggedOut => text.t("login-notice-logged-out"),
            Self::EndedFromElsewhere => text.t("login-notice-ended-from-elsewhere"),
            Self::Locked => text.t("login-notice-locked"),
            Self::TerminalRenewed => text.t("login-notice-terminal-renewed"),
            Self::Unlinked => text.t("login-notice-unlinked"),
            Self::Relinked => text.t("login-notice-relinked"),
            Self::PasskeyRemoved => text.t("login-notice-passkey-removed"),
            Self::PasskeyHeld => text.t("login-notice-passkey-held"),
            Self::DayPassEnded => text.t("login-notice-day-pass-ended"),
            Self::Ended => text.t("login-notice-ended"),
        }
    }
}

/// Where a page leads afterwards: a path of this very name.
///
/// # Errors
/// 400 under this title: another place.
pub(crate) fn return_to(
    asked: Option<String>,
    title: &'static str,
) -> Result<Option<String>, PageError> {
    asked.map(local_path).transpose().map_err(|_| {
        let (text, help) = ("login-return-to-text", "login-return-to-help");
        PageError::new(StatusCode::BAD_REQUEST, title, text, help)
    })
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    page: PageFrame,
    facility_name: String,
    terminal_name: String,
    exchange: Exchange,
    return_to: String,
    /// What the login is to reach at least; empty where any does.
    level: &'static str,
    /// The same in words, where a login may be too weak and whoever is at work proved less.
    level_needed: Option<String>,
    start: &'static str,
    notice: Option<String>,
    invitation_for: Option<String>,
    at_work: Option<String>,
    returned: Option<Returned>,
    /// Whether a passkey does, too.
    passkey: bool,
    /// Whether a passkey stands for the code beside a password.
    second_factor: bool,
    /// Whether a password does, and how.
    password: Option<Ways>,
    /// The form of a password that was refused.
    password_refused: Option<Refused>,
    /// Where a pass for a day does.
    day_pass: Option<String>,
    /// Where a licensed person logs in for an emergency who is no member here.
    emergency: Option<String>,
    /// Whether this is there.
    for_emergency: bool,
}

/// In what ways a password does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ways {
    /// Whether a one-time password has to be typed with it.
    pub(super) code_needed: bool,
}

/// What the agent sent the browser back with; nothing of it is believed here.
pub(super) struct Returned {
    /// SHA-256 of the request that it answers: under it the browser keeps the page's key.
    pub(super) request: String,
    /// The agent's proof; empty where it failed before.
    pub(super) terminal_proof: String,
    /// The card's answer; empty where there is none.
    pub(super) answer: String,
    /// Why there is none, as the page's messages name it; else empty.
    pub(super) error: String,
    /// Tries left, where the agent tells; else empty.
    pub(super) tries_left: String,
    /// Last or first day of a card's certificate that is not in force, `2026-10-09`; else empty.
    pub(super) day: String,
}

/// Whose living session asks again.
pub(super) struct AtWork {
    /// Their name.
    pub(super) name: String,
    /// By what they proved themself (`sekisho_wire::acr`).
    pub(super) acr: String,
}

/// What differs from one visit of the page to another.
#[derive(Default)]
pub(super) struct Visit {
    pub(super) return_to: Option<String>,
    pub(super) least: Option<Least>,
    /// Whether a My Number card does.
    pub(super) takes_jpki: bool,
    /// Whether a person, and no page by itself, opened this page ([`opened_by_person`]).
    pub(super) by_person: bool,
    pub(super) notice: Option<String>,
    /// Name on the invitation whose code was entered.
    pub(super) invitation_for: Option<String>,
    /// The living session that asks for its person again.
    pub(super) at_work: Option<AtWork>,
    pub(super) returned: Option<Returned>,
    /// A password that was refused.
    pub(super) password_refused: Option<Refused>,
}

/// The page, with the headers that let its script reach the agent.
pub(super) fn show(
    app: &App,
    facility: &FacilityConnection,
    page: PageFrame,
    visit: Visit,
) -> Response {
    let admits = |level| visit.least.is_none_or(|least| least.admits(level));
    let jpki = visit.takes_jpki && app.card_trust().at(&facility.organisation_id).jpki().is_some();
    // Whoever misses the way in that they know is told why.
    let needed = visit.least.filter(|least| {
        let weaker = |at_work: &AtWork| !least.admits(&at_work.acr);
        least.excludes_any(app.config()) && visit.at_work.as_ref().is_none_or(weaker)
    });
    let exchange = Exchange::new(app, &page.text, Asked::Login { jpki });
    // Neither a card's invitation nor what a card answered says anything of a password.
    let for_card_only = visit.invitation_for.is_some() || visit.returned.is_some();
    let acr_at_work = visit.at_work.as_ref().map(|at_work| at_work.acr.as_str());
    let password = password::login::asked(app, visit.least, acr_at_work);
    let day_pass = day_pass::login::asked(app, visit.least, acr_at_work);
    let day_pass = day_pass.ok().filter(|()| !for_card_only);
    let day_pass =
        day_pass.map(|()| day_pass::login::address(visit.return_to.as_deref(), visit.least));
    let policy = app.config().emergency();
    let for_emergency = policy.visitors()
        && visit.at_work.is_none()
        && visitor::leads_to_emergency(visit.return_to.as_deref());
    // Where nobody is at work, and nothing else was come for.
    let elsewhere = visit.at_work.is_none() && visit.invitation_for.is_none() && !for_emergency;
    let emergency = visitor::address(policy, visit.return_to.as_deref()).filter(|_| elsewhere);
    let body = LoginPage {
        facility_name: facility.organisation_name.clone(),
        terminal_name: facility.terminal_name.clone(),
        exchange,
        // A service is waiting, and the person asked for it: no further click is needed to begin.
        start: if visit.return_to.is_some() && visit.by_person { "auto" } else { "click" },
        return_to: visit.return_to.unwrap_or_default(),
        notice: visit.notice,
        // What a card proved no passkey proves again.
        passkey: app.config().card_login().passkeys()
            && admits(acr::PASSKEY)
            && visit.invitation_for.is_none()
            // What comes back was asked of a card, and says nothing of what a passkey may do.
            && visit.returned.is_none()
            && visit.at_work.as_ref().is_none_or(|at_work| at_work.acr == acr::PASSKEY),
        second_factor: passkey::second_factor::allowed(app.config())
            && password.is_ok()
            && !for_card_only,
        password: password.ok().filter(|_| !for_card_only),
        password_refused: visit.password_refused,
        day_pass,
        emergency,
        for_emergency,
        level: visit.least.map_or("", Least::level),
        level_needed: needed.map(|least| {
            let level = if jpki { least.level() } else { acr::HPKI_CARD };
            level_name(level, &page.text)
        }),
        at_work: visit.at_work.map(|at_work| at_work.name),
        invitation_for: visit.invitation_for,
        returned: visit.returned,
        page,
    };
    exchange::respond(app, Page(body))
}

/// Whether a person opened the page: they typed an address or clicked, or come from a page of ours. What
/// any page can do by itself, opening or sending the browser here, does not raise the agent's window. A
/// browser that says nothing (Fetch Metadata, W3C) gets a button.
fn opened_by_person(headers: &HeaderMap) -> bool {
    let says = |name: &str, values: &[&str]| {
        headers.get(name).and_then(|v| v.to_str().ok()).is_some_and(|v| values.contains(&v))
    };
    says("sec-fetch-site", &["same-origin", "none"]) || says("sec-fetch-user", &["?1"])
}

/// `GET /login`.
///
/// # Errors
/// [`PageError`]: a query that this page does not know, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    page: PageFrame,
    StrictQuery(query): StrictQuery<LoginQuery>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let return_to = return_to(query.return_to, "login-refused-title")?;
    let least = least_asked(&app, query.level.as_deref())?;
    let mut reader = app.store().read();
    let invitation_for = match (query.invitation, browser_hash(&headers)) {
        (true, Some(browser)) => {
            invitation::held(&mut reader, &browser, &facility.organisation_id, app.now())
                .await?
                .filter(|held| held.kind == Kind::Card)
                .map(|held| held.name)
        }
        _ => None,
    };
    let visit = match invitation_for {
        Some(_) => Visit { return_to, least, invitation_for, ..Visit::default() },
        None => visit(&app, &peer, &facility, &headers, return_to, least).await?,
    };
    let visit = Visit {
        by_person: opened_by_person(&headers),
        notice: query.notice.map(|notice| notice.words(&page.text)),
        ..visit
    };
    let mut response = show(&app, &facility, page, visit);
    give_browser_cookie(&app, &headers, &mut response)?;
    Ok(response)
}

/// What a login is to reach at least, of a query or form.
///
/// # Errors
/// 400: no level, or one that no login here reaches.
pub(super) fn least_asked(app: &App, level: Option<&str>) -> Result<Option<Least>, PageError> {
    level.map(|level| least(app, level)).transpose().map_err(|_| {
        let (text, help) = ("login-level-text", "login-return-to-help");
        PageError::new(StatusCode::BAD_REQUEST, "login-refused-title", text, help)
    })
}

/// A visit without an invitation: of nobody, or of whoever is at work in this browser.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn visit(
    app: &App,
    peer: &Peer,
    facility: &FacilityConnection,
    headers: &HeaderMap,
    return_to: Option<String>,
    least: Option<Least>,
) -> Result<Visit, StoreError> {
    let at_work = session::present(app, peer, headers, facility).await?;
    let linked = match &at_work {
        Some(session) => Some(challenge::linked_card(app, session).await?),
        None => None,
    };
    Ok(Visit {
        return_to,
        least,
        takes_jpki: challenge::takes_jpki(least, false, linked.as_ref()),
        at_work: at_work.map(|session| AtWork { acr: session.acr, name: session.names.name }),
        ..Visit::default()
    })
}

/// Names the browser, unless it has a name already.
pub(super) fn give_browser_cookie(
    app: &App,
    headers: &HeaderMap,
    response: &mut Response,
) -> Result<(), PageError> {
    if browser_hash(headers).is_some() {
        return Ok(());
    }
    let identifier: [u8; 32] =
        random_octets(app.random()).map_err(|error| PageError::internal(&error))?;
    let text = sekisho_protocol::octets::encode(identifier);
    let cookie: Option<HeaderValue> = cookie::set(BROWSER_COOKIE, &text, None, SameSite::Lax);
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(())
}
