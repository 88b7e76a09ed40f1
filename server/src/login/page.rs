//! `GET /login`: the card login page.

use askama::Template;
use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sekisho_protocol::door::NAVIGATE_PATH;
use sekisho_store::invitation;
use serde::Deserialize;

use super::{
    challenge::{BROWSER_COOKIE, browser_hash, local_path, random_octets},
    session,
};
use crate::{
    app::App,
    catalogue::Text,
    cookie::{self, SameSite},
    error::page::PageError,
    form::StrictQuery,
    listener::{FacilityConnection, Peer},
    middleware::ContentPolicy,
    page::{Page, PageFrame},
};

/// The texts that the page's script chooses from, by `data-key`.
const MESSAGES: [(&str, &str); 60] = [
    ("state-starting", "login-state-starting"),
    ("state-leaving", "login-state-leaving"),
    ("state-reading", "login-state-reading"),
    ("state-waiting-for-reader", "login-state-waiting-for-reader"),
    ("state-waiting-for-card", "login-state-waiting-for-card"),
    ("state-choosing-card", "login-state-choosing-card"),
    ("state-waiting-for-pin", "login-state-waiting-for-pin"),
    ("state-signing", "login-state-signing"),
    ("state-done", "login-state-done"),
    ("state-verifying", "login-state-verifying"),
    ("state-welcome", "login-state-welcome"),
    ("error-portal", "login-error-portal"),
    ("help-portal", "login-error-portal-help"),
    ("error-page", "login-error-page"),
    ("help-page", "login-error-page-help"),
    ("error-agent-absent", "login-error-agent-absent"),
    ("help-agent-absent", "login-error-agent-absent-help"),
    ("error-agent-no-answer", "login-error-agent-no-answer"),
    ("help-agent-no-answer", "login-error-agent-no-answer-help"),
    ("error-not-begun-here", "login-error-not-begun-here"),
    ("help-not-begun-here", "login-error-not-begun-here-help"),
    ("error-agent-stranger", "login-error-agent-stranger"),
    ("help-agent-stranger", "login-error-agent-stranger-help"),
    ("error-agent-foreign", "login-error-agent-foreign"),
    ("help-agent-foreign", "login-error-agent-foreign-help"),
    ("error-agent-failed", "login-error-agent-failed"),
    ("help-agent-failed", "login-error-agent-failed-help"),
    ("error-clock-or-expired", "login-error-clock"),
    ("help-clock-or-expired", "login-error-clock-help"),
    ("error-agent-too-old", "login-error-agent-too-old"),
    ("help-agent-too-old", "login-error-agent-too-old-help"),
    ("error-another-terminal", "login-error-another-terminal"),
    ("help-another-terminal", "login-error-another-terminal-help"),
    ("error-busy", "login-error-busy"),
    ("help-busy", "login-error-busy-help"),
    ("error-expired", "login-error-expired"),
    ("help-expired", "login-error-expired-help"),
    ("error-cancelled", "login-error-cancelled"),
    ("help-cancelled", "login-error-cancelled-help"),
    ("error-no-reader", "login-error-no-reader"),
    ("help-no-reader", "login-error-no-reader-help"),
    ("error-card-removed", "login-error-card-removed"),
    ("help-card-removed", "login-error-card-removed-help"),
    ("error-card-not-accepted", "login-error-card-not-accepted"),
    ("help-card-not-accepted", "login-error-card-not-accepted-help"),
    ("error-certificate-expired", "login-error-certificate-expired"),
    ("help-certificate-expired", "login-error-certificate-expired-help"),
    ("error-certificate-not-yet-valid", "login-error-certificate-not-yet-valid"),
    ("help-certificate-not-yet-valid", "login-error-certificate-not-yet-valid-help"),
    ("error-another-person", "login-error-another-person"),
    ("help-another-person", "login-error-another-person-help"),
    ("error-pin-wrong", "login-error-pin-wrong"),
    ("help-pin-wrong", "login-error-pin-wrong-help"),
    ("error-pin-guarded", "login-error-pin-guarded"),
    ("help-pin-guarded", "login-error-pin-guarded-help"),
    ("error-pin-blocked", "login-error-pin-blocked"),
    ("help-pin-blocked", "login-error-pin-blocked-help"),
    ("error-card-failed", "login-error-card-failed"),
    ("help-card-failed", "login-error-card-failed-help"),
    ("error-no-window", "login-error-no-window"),
];

/// The query of the page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginQuery {
    #[serde(default)]
    return_to: Option<String>,
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
    AgentSilent,
    MembershipEnded,
    LoggedOut,
    Locked,
    TerminalRenewed,
    Ended,
}

impl Notice {
    fn words(self, text: &Text) -> String {
        match self {
            Self::Expired => text.t("login-notice-expired"),
            Self::CardRemoved => text.t("login-notice-card-removed"),
            Self::AgentSilent => text.t("login-notice-agent-silent"),
            Self::MembershipEnded => text.t("login-notice-membership-ended"),
            Self::LoggedOut => text.t("login-notice-logged-out"),
            Self::Locked => text.t("login-notice-locked"),
            Self::TerminalRenewed => text.t("login-notice-terminal-renewed"),
            Self::Ended => text.t("login-notice-ended"),
        }
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    page: PageFrame,
    facility_name: String,
    terminal_name: String,
    agent_origin: String,
    /// This name, for which a browser may be told to allow script.
    origin: String,
    return_to: String,
    /// Where the agent's door for top-level navigation is, if it is open.
    navigation: Option<String>,
    start: &'static str,
    notice: Option<String>,
    invitation_for: Option<String>,
    at_work: Option<String>,
    returned: Option<Returned>,
    messages: Vec<(&'static str, String)>,
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

/// What differs from one visit of the page to another.
#[derive(Default)]
pub(super) struct Visit {
    pub(super) return_to: Option<String>,
    /// Whether a person, and no page by itself, opened this page ([`opened_by_person`]).
    pub(super) by_person: bool,
    pub(super) notice: Option<String>,
    /// Name on the invitation whose code was entered.
    pub(super) invitation_for: Option<String>,
    /// Name of the person whose living session asks for the card again.
    pub(super) at_work: Option<String>,
    pub(super) returned: Option<Returned>,
}

/// The page, with the headers that let its script reach the agent.
pub(super) fn show(
    app: &App,
    facility: &FacilityConnection,
    page: PageFrame,
    visit: Visit,
) -> Response {
    let settings = app.config().card_login();
    let agent_origin = agent_origin(app);
    let mut policy = ContentPolicy::strict().connect(&agent_origin);
    if settings.navigation() {
        policy = policy.form_action(&agent_origin);
    }
    let messages = MESSAGES.iter().map(|(name, key)| (*name, page.text.t(key))).collect::<Vec<_>>();
    let body = LoginPage {
        facility_name: facility.organisation_name.clone(),
        terminal_name: facility.terminal_name.clone(),
        navigation: settings.navigation().then(|| format!("{agent_origin}{NAVIGATE_PATH}")),
        agent_origin,
        origin: app.names().terminal.clone(),
        // A service is waiting, and the person asked for it: no further click is needed to begin.
        start: if visit.return_to.is_some() && visit.by_person { "auto" } else { "click" },
        return_to: visit.return_to.unwrap_or_default(),
        notice: visit.notice,
        invitation_for: visit.invitation_for,
        at_work: visit.at_work,
        returned: visit.returned,
        messages,
        page,
    };
    let mut response = Page(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.header());
    if settings.navigation() {
        // The agent must see our origin with the form. Every policy that forgets it across sites or
        // from https to http would make it `null` (Fetch, "append a request Origin header").
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("origin"));
    }
    response
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

/// The agent's door on this very PC. CSP has no form for an IPv6 literal (CSP Level 3 §2.3.1); the
/// agent listens on both.
pub(super) fn agent_origin(app: &App) -> String {
    format!("http://127.0.0.1:{}", app.config().card_login().agent_port())
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
    let return_to = query.return_to.map(local_path).transpose().map_err(|_| {
        let (text, help) = ("login-return-to-text", "login-return-to-help");
        PageError::new(StatusCode::BAD_REQUEST, "login-refused-title", text, help)
    })?;
    let mut reader = app.store().read();
    let invitation_for = match (query.invitation, browser_hash(&headers)) {
        (true, Some(browser)) => {
            invitation::held(&mut reader, &browser, &facility.organisation_id, app.now())
                .await?
                .map(|held| held.name)
        }
        _ => None,
    };
    let at_work = match &invitation_for {
        None => session::current(&app, &peer, &headers, &facility).await?,
        Some(_) => None,
    };
    let visit = Visit {
        return_to,
        by_person: opened_by_person(&headers),
        notice: query.notice.map(|notice| notice.words(&page.text)),
        invitation_for,
        at_work: at_work.map(|session| session.names.name),
        returned: None,
    };
    let mut response = show(&app, &facility, page, visit);
    give_browser_cookie(&app, &headers, &mut response)?;
    Ok(response)
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
