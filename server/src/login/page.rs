//! `GET /login`: the card login page.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Uri, header};
use sekisho_store::invitation;
use serde::Deserialize;

use super::challenge::{BROWSER_COOKIE, browser_hash, local_path, random_octets};
use crate::{
    app::App,
    catalogue::Text,
    cookie::{self, SameSite},
    error::page::PageError,
    form,
    listener::FacilityConnection,
    login::refusal::LoginError,
    middleware::ContentPolicy,
    page::{Page, PageFrame},
};

/// The texts that the page's script chooses from, by `data-key`.
const MESSAGES: [(&str, &str); 50] = [
    ("state-starting", "login-state-starting"),
    ("state-reading", "login-state-reading"),
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    #[serde(default)]
    return_to: Option<String>,
    #[serde(default)]
    notice: Option<Notice>,
    #[serde(default)]
    invitation: bool,
    #[serde(default)]
    #[allow(dead_code, reason = "read by the language extractor; known so that it is not refused")]
    lang: Option<String>,
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
    return_to: String,
    start: &'static str,
    notice: Option<String>,
    invitation_for: Option<String>,
    messages: Vec<(&'static str, String)>,
}

/// `GET /login`.
///
/// # Errors
/// [`PageError`]: a query that this page does not know, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    facility: FacilityConnection,
    page: PageFrame,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let query: Query = form::parse(uri.query().unwrap_or_default().as_bytes())?;
    let return_to = query
        .return_to
        .map(local_path)
        .transpose()
        .map_err(|refusal| PageError::from(LoginError::from(refusal)))?;
    let mut reader = app.store().read();
    let invitation_for = match (query.invitation, browser_hash(&headers)) {
        (true, Some(browser)) => {
            invitation::held(&mut reader, &browser, &facility.organisation_id, app.now())
                .await?
                .map(|held| held.name)
        }
        _ => None,
    };
    // CSP has no form for an IPv6 literal (CSP Level 3 §2.3.1); the agent listens on both.
    let agent_origin = format!("http://127.0.0.1:{}", app.config().card_login().agent_port());
    let policy = ContentPolicy::strict().connect(&agent_origin).header();
    let messages = MESSAGES.iter().map(|(name, key)| (*name, page.text.t(key))).collect::<Vec<_>>();
    let body = LoginPage {
        facility_name: facility.organisation_name.clone(),
        terminal_name: facility.terminal_name.clone(),
        agent_origin,
        // A service is waiting: no click is needed to begin.
        start: if return_to.is_some() { "auto" } else { "click" },
        return_to: return_to.unwrap_or_default(),
        notice: query.notice.map(|notice| notice.words(&page.text)),
        invitation_for,
        messages,
        page,
    };
    let mut response = Page(body).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
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
