//! What every page has that asks the agent for a card: where it calls, what its script says, and the
//! headers that let it.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use sekisho_protocol::door::NAVIGATE_PATH;

use crate::{app::App, catalogue::Text, middleware::ContentPolicy, page::Page};

/// The texts that the page's script chooses from, by `data-key`.
const MESSAGES: [(&str, &str); 70] = [
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
    ("error-card-unknown", "login-error-card-unknown"),
    ("help-card-unknown", "login-error-card-unknown-help"),
    ("error-card-not-supported", "login-error-card-not-supported"),
    ("help-card-not-supported", "login-error-card-not-supported-help"),
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
    ("error-card-refused", "login-error-card-refused"),
    ("help-card-refused", "login-error-card-refused-help"),
    ("error-card-held", "login-error-card-held"),
    ("help-card-held", "login-error-card-held-help"),
    ("error-reader-failed", "login-error-reader-failed"),
    ("help-reader-failed", "login-error-reader-failed-help"),
    ("error-no-window", "login-error-no-window"),
];

/// The same where a My Number card is to be linked: no help there sends somebody for another card.
const MESSAGES_OF_LINK: [(&str, &str); 12] = [
    ("state-waiting-for-card", "jpki-state-waiting-for-card"),
    ("state-welcome", "jpki-state-linked"),
    ("error-card-not-accepted", "jpki-error-card-not-accepted"),
    ("help-card-not-accepted", "jpki-error-card-not-accepted-help"),
    ("help-card-unknown", "jpki-error-card-unknown-help"),
    ("error-card-not-supported", "jpki-error-card-not-supported"),
    ("help-card-not-supported", "jpki-error-card-not-supported-help"),
    ("help-certificate-expired", "jpki-error-certificate-expired-help"),
    ("help-pin-guarded", "jpki-error-pin-guarded-help"),
    ("help-pin-blocked", "jpki-error-pin-blocked-help"),
    ("help-expired", "jpki-error-expired-help"),
    ("help-cancelled", "jpki-error-cancelled-help"),
];

/// What a page asks for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    /// A card to log in with.
    Login {
        /// Whether a My Number card does as well.
        jpki: bool,
    },
    /// A My Number card to be linked.
    Link,
}

/// The part of a page that speaks with the agent (`templates/card-exchange.html`).
pub(super) struct Exchange {
    pub(super) agent_origin: String,
    /// This name, for which a browser may be told to allow script.
    pub(super) origin: String,
    /// Where the agent's door for top-level navigation is, if it is open.
    pub(super) navigation: Option<String>,
    /// Where the page gets its request.
    pub(super) challenge: &'static str,
    /// Where the page brings the answer.
    pub(super) submit: &'static str,
    /// What to do, above the button.
    pub(super) lead: String,
    /// On the button.
    pub(super) start: String,
    /// On the button once something failed.
    pub(super) again: String,
    pub(super) messages: Vec<(&'static str, String)>,
}

impl Exchange {
    pub(super) fn new(app: &App, text: &Text, asked: Asked) -> Self {
        let agent_origin = agent_origin(app);
        let open = app.config().card_login().navigation();
        let (challenge, submit) = match asked {
            Asked::Login { .. } => ("/login/challenge", "/login/card"),
            Asked::Link => ("/my-number-card/challenge", "/my-number-card/link"),
        };
        let [lead, start, again] = match asked {
            Asked::Login { jpki: false } => {
                ["login-page-text", "login-page-start", "login-page-again"]
            }
            Asked::Login { jpki: true } => {
                ["login-page-text-either", "login-page-start", "login-page-again"]
            }
            Asked::Link => ["jpki-link-text", "jpki-link-start", "jpki-link-again"],
        }
        .map(|key| text.t(key));
        let of_link = |name: &str| {
            let own = MESSAGES_OF_LINK.iter().filter(|_| matches!(asked, Asked::Link));
            own.into_iter().find(|(other, _)| *other == name).map(|(_, key)| *key)
        };
        let messages = MESSAGES
            .iter()
            .map(|(name, key)| (*name, text.t(of_link(name).unwrap_or(key))))
            .collect();
        Self {
            navigation: open.then(|| format!("{agent_origin}{NAVIGATE_PATH}")),
            agent_origin,
            origin: app.names().terminal.clone(),
            challenge,
            submit,
            lead,
            start,
            again,
            messages,
        }
    }
}

/// Answers with the page and the headers that let its script reach the agent.
pub(super) fn respond(app: &App, page: Page<impl Template>) -> Response {
    let agent_origin = agent_origin(app);
    let navigation = app.config().card_login().navigation();
    let mut policy = ContentPolicy::strict().connect(&agent_origin);
    if navigation {
        policy = policy.form_action(&agent_origin);
    }
    let mut response = page.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.header());
    if navigation {
        // The agent must see our origin with the form. Every policy that forgets it across sites or
        // from https to http would make it `null` (Fetch, "append a request Origin header").
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("origin"));
    }
    response
}

/// The agent's door on this very PC. CSP has no form for an IPv6 literal (CSP Level 3 §2.3.1); the
/// agent listens on both.
pub(super) fn agent_origin(app: &App) -> String {
    format!("http://127.0.0.1:{}", app.config().card_login().agent_port())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalogue::{Catalogue, Lang};

    #[test]
    fn a_page_that_links_has_words_of_its_own_where_a_help_names_a_family() {
        let catalogue = Arc::new(Catalogue::load().unwrap());
        for lang in Lang::ALL {
            let text = Text::new(Arc::clone(&catalogue), lang);
            let names_a_family = |key| {
                let told = text.t(key);
                ["HPKI", "My Number", "マイナンバー"].iter().any(|family| told.contains(family))
            };
            for (name, key) in MESSAGES {
                let of_link = MESSAGES_OF_LINK.iter().any(|(other, _)| *other == name);
                assert!(of_link || !name.starts_with("help-") || !names_a_family(key), "{name}");
            }
            for (name, key) in MESSAGES_OF_LINK {
                assert!(MESSAGES.iter().any(|(other, _)| *other == name), "{name}");
                assert!(text.t_if_any(key).is_some(), "{key}");
            }
        }
    }
}
