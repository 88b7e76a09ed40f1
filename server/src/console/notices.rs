//! `/console/notices` (お知らせ): what somebody who runs something here has to be told.

use askama::Template;
use axum::{extract::State, response::Redirect};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    notice, transaction,
};

use super::{
    resets,
    service::{path_of, rules},
};
use crate::{
    app::App,
    catalogue::Lang,
    error::page::PageError,
    form::{NoFields, PathId},
    notice::{Notice, ServiceNamed},
    page::{Page, PageFrame},
    people::{account_page, session::ConsoleSession},
    portal::when,
    revocation::Standing,
};

/// The most notices that the page lists.
const MOST_LISTED: i64 = 100;

struct Line {
    id: String,
    at: String,
    text: String,
    help: String,
    /// Where the reader can act on it: path and words.
    link: Option<(String, String)>,
    read: Option<String>,
}

#[derive(Template)]
#[template(path = "console/notices.html")]
struct NoticesPage {
    page: PageFrame,
    lines: Vec<Line>,
}

/// What happened, what to do, and where.
fn words(notice: &Notice, page: &PageFrame) -> (String, String, Option<(String, String)>) {
    let home = || Some(("/console".to_owned(), page.t("people-nav-home")));
    let staff = || Some(("/console/staff".to_owned(), page.t("console-nav-staff")));
    let terminal =
        |id: &str| Some((format!("/console/terminals/{id}"), page.t("notices-misused-link")));
    let emergencies = || Some((super::emergencies::PATH.to_owned(), page.t("emergencies-nav")));
    let reason = |key: &str, reason: &str| page.t1(key, "reason", reason);
    match notice {
        Notice::EnrolmentCodeMisused { terminal_id, terminal_name } => (
            page.t1("notices-misused-text", "terminal", terminal_name),
            page.t("notices-misused-help"),
            terminal(terminal_id),
        ),
        Notice::EnrolmentAwaitsApproval { terminal_id, terminal_name } => (
            page.t1("notices-awaits-approval-text", "terminal", terminal_name),
            page.t("notices-awaits-approval-help"),
            terminal(terminal_id),
        ),
        Notice::MemberRenamed { name, before } => (
            page.text.with(
                "notices-renamed-text",
                [("name", name.as_str()), ("before", before.as_str())].as_slice(),
            ),
            page.t("notices-renamed-help"),
            Some(("/console/members".to_owned(), page.t("notices-renamed-link"))),
        ),
        Notice::TerminalHeld { terminal_id, terminal_name, standing } => (
            page.t1("notices-terminal-held-text", "terminal", terminal_name),
            page.t(match standing {
                Standing::Certified => "notices-terminal-held-help",
                Standing::ToEnrolAnew => "notices-terminal-held-anew",
                Standing::NeverEnrolled => "notices-terminal-held-never",
            }),
            terminal(terminal_id),
        ),
        Notice::TerminalReleased { terminal_id, terminal_name, standing, still_held } => (
            page.t1("notices-terminal-released-text", "terminal", terminal_name),
            page.t(match standing {
                Standing::Certified if *still_held => "notices-terminal-released-held",
                Standing::Certified => "notices-terminal-released-help",
                Standing::ToEnrolAnew => "notices-terminal-released-anew",
                Standing::NeverEnrolled => "notices-terminal-released-never",
            }),
            terminal(terminal_id),
        ),
        Notice::FacilityHeld => {
            (page.t("notices-facility-held-text"), page.t("notices-facility-held-help"), home())
        }
        Notice::FacilityReleased => (
            page.t("notices-facility-released-text"),
            page.t("notices-facility-released-help"),
            home(),
        ),
        Notice::FacilityRevoked => (
            page.t("notices-facility-revoked-text"),
            page.t("notices-facility-revoked-help"),
            home(),
        ),
        Notice::KeyFileTakenBack { terminal_id, terminal_name } => (
            page.t1("notices-key-file-text", "terminal", terminal_name),
            page.t("notices-key-file-help"),
            Some((
                format!("/console/terminals/{terminal_id}/certify"),
                page.t("notices-key-file-link"),
            )),
        ),
        Notice::TerminalRevoked { terminal_id, terminal_name } => (
            page.t1("notices-terminal-revoked-text", "terminal", terminal_name),
            page.t("notices-terminal-revoked-help"),
            terminal(terminal_id),
        ),
        Notice::CertificateHeld { terminal_id, terminal_name } => (
            page.t1("notices-certificate-held-text", "terminal", terminal_name),
            page.t("notices-certificate-held-help"),
            terminal(terminal_id),
        ),
        Notice::CertificateReleased { terminal_id, terminal_name } => (
            page.t1("notices-certificate-released-text", "terminal", terminal_name),
            page.t("notices-certificate-released-help"),
            terminal(terminal_id),
        ),
        Notice::CertificateRevoked { terminal_id, terminal_name } => (
            page.t1("notices-certificate-revoked-text", "terminal", terminal_name),
            page.t("notices-certificate-revoked-help"),
            terminal(terminal_id),
        ),
        Notice::OrganisationSuspended { reason: why } => {
            (reason("notices-suspended-text", why), page.t("notices-suspended-help"), home())
        }
        Notice::OrganisationResumed { reason: why } => {
            (reason("notices-resumed-text", why), page.t("notices-resumed-help"), home())
        }
        Notice::OrganisationClosed { reason: why } => {
            (reason("notices-closed-text", why), page.t("notices-closed-help"), None)
        }
        Notice::LetterIssued { reason: why } => {
            (reason("notices-letter-text", why), page.t("notices-letter-help"), staff())
        }
        Notice::AdministratorAdded { name, login_name } => (
            page.text.with(
                "notices-administrator-text",
                [("name", name.as_str()), ("login", login_name.as_str())].as_slice(),
            ),
            page.t("notices-administrator-help"),
            staff(),
        ),
        Notice::OperatingAdministratorAdded { login_name, by } => (
            page.text.with(
                "notices-operating-administrator-text",
                &[("login", login_name.clone()), ("by", by.clone())],
            ),
            page.t("notices-operating-administrator-help"),
            Some(("/console/roles".to_owned(), page.t("people-nav-roles"))),
        ),
        Notice::OperatingAdministratorLink { login_name, by } => (
            page.text.with(
                "notices-operating-link-text",
                &[("login", login_name.clone()), ("by", by.clone())],
            ),
            page.t("notices-operating-link-help"),
            Some(("/console/roles".to_owned(), page.t("people-nav-roles"))),
        ),
        Notice::VpnGroup { id, name, facility_name, what } => {
            let (text, help) = what.keys();
            let named = [("group", name.as_str()), ("facility", facility_name.as_str())];
            (
                page.text.with(text, named.as_slice()),
                page.t(help),
                Some((super::groups::path_of(id), page.t("notices-group-link"))),
            )
        }
        Notice::LinkIssued { by } => {
            (page.t1("notices-link-text", "by", by), page.t("notices-link-help"), None)
        }
        Notice::ResetAsked { name, by } => (
            page.text.with(
                "notices-reset-text",
                [("name", name.as_str()), ("by", by.as_str())].as_slice(),
            ),
            page.t1("notices-reset-help", "by", by),
            Some((resets::PATH.to_owned(), page.t("resets-title"))),
        ),
        Notice::RecoveryCodeUsed { left } => (
            page.t1("notices-recovery-text", "left", left),
            page.t("notices-recovery-help"),
            Some((account_page::PATH.to_owned(), page.t("account-title"))),
        ),
        Notice::SecondFactorEnrolled { name } => (
            page.t1("notices-second-factor-text", "name", name),
            page.t("notices-second-factor-help"),
            Some((account_page::PATH.to_owned(), page.t("account-title"))),
        ),
        Notice::EmergencyBegun { name, terminal_name, visiting, .. } => (
            page.text.with(
                if *visiting { "notices-visitor-text" } else { "notices-emergency-text" },
                [("name", name.as_str()), ("terminal", terminal_name.as_str())].as_slice(),
            ),
            page.t("notices-emergency-help"),
            emergencies(),
        ),
        Notice::DayPassGiven { name, asked_by, given_by, terminal_name } => (
            page.text.with(
                "notices-day-pass-text",
                [
                    ("name", name.as_str()),
                    ("asked_by", asked_by.as_str()),
                    ("given_by", given_by.as_str()),
                    ("terminal", terminal_name.as_str()),
                ]
                .as_slice(),
            ),
            page.t("notices-day-pass-help"),
            Some(("/console/members".to_owned(), page.t("notices-renamed-link"))),
        ),
        Notice::EmergencyEscalated { facility_name, .. } => (
            page.t1("notices-emergency-escalated-text", "facility", facility_name),
            page.t("notices-emergency-escalated-help"),
            emergencies(),
        ),
        Notice::GoingLiveAsked { service } => {
            about(service, page, "notices-service-asked-text", "notices-service-asked-help", "")
        }
        Notice::ServiceApproved { service } => about(
            service,
            page,
            "notices-service-approved-text",
            "notices-service-approved-help",
            "",
        ),
        Notice::RulesProposed { service, proposal, by } => {
            about_rules(service, page, "notices-rules-proposed", Some(proposal), by)
        }
        Notice::RulesPublished { service, version } => {
            about_rules(service, page, "notices-rules-published", None, &version.to_string())
        }
        Notice::RulesRefused { service, proposal, reason: why } => {
            about_rules(service, page, "notices-rules-refused", Some(proposal), why)
        }
        Notice::RulesOvertaken { service, proposal } => {
            about_rules(service, page, "notices-rules-overtaken", Some(proposal), "")
        }
        Notice::ServiceRefused { service, reason: why } => about(
            service,
            page,
            "notices-service-refused-text",
            "notices-service-refused-help",
            why,
        ),
    }
}

/// The same of a service.
fn about(
    service: &ServiceNamed,
    page: &PageFrame,
    text: &str,
    help: &str,
    reason: &str,
) -> (String, String, Option<(String, String)>) {
    let name = match page.text.lang() {
        Lang::Ja => &service.ja,
        Lang::En => &service.en,
    };
    let named = [("service", name.as_str()), ("reason", reason)];
    let link = (path_of(&service.id), page.t("notices-service-link"));
    (page.text.with(text, named.as_slice()), page.t(help), Some(link))
}

/// The same of a service's rules, with one further fact; it leads to the proposal or to the rules.
fn about_rules(
    service: &ServiceNamed,
    page: &PageFrame,
    key: &str,
    proposal: Option<&str>,
    fact: &str,
) -> (String, String, Option<(String, String)>) {
    let (text, help) = (format!("{key}-text"), format!("{key}-help"));
    let (text, help, _) = about(service, page, &text, &help, fact);
    let path = match proposal {
        Some(id) => rules::path_of_proposal(id),
        None => rules::path_of(&service.id),
    };
    (text, help, Some((path, page.t("notices-rules-link"))))
}

/// `GET /console/notices`: for whoever is signed in, what is for them.
///
/// # Errors
/// [`PageError`]: the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
) -> Result<Page<impl Template>, PageError> {
    let found = notice::list(&mut app.store().read(), &session.person_id, MOST_LISTED).await?;
    let lang = page.text.lang();
    let lines = found
        .into_iter()
        .map(|found| {
            let (text, help, link) = match serde_json::from_str(&found.facts) {
                Ok(notice) => words(&notice, &page),
                // Written by a later version of the service than this process.
                Err(_) => (page.t("notices-other-text"), page.t("notices-other-help"), None),
            };
            Line {
                id: found.id,
                at: when::shown(found.at, lang),
                text,
                help,
                link,
                read: found.read_at.map(|at| when::shown(at, lang)),
            }
        })
        .collect();
    Ok(Page(NoticesPage { page: session.frame(page), lines }))
}

/// `POST /console/notices/{id}/read`, no fields: the reader says that they know. Audited, so that
/// nobody can say later that the administrator was not told.
///
/// # Errors
/// [`PageError`]: no such notice for this person, or the database does not answer. One that was
/// read before stays as it was.
pub async fn read(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    _: NoFields,
) -> Result<Redirect, PageError> {
    let now = app.now();
    let person = session.person_id.as_str();
    let outcome = transaction!(app.store(), StoreError, |tx| {
        let marked = notice::mark_read(tx, &id, person, now).await?;
        let known = marked || notice::is_for(tx, &id, person).await?;
        let actor = Actor::Person(person.to_owned());
        let entry = match (marked, known) {
            (true, _) => Entry::done("notice.read", actor, now).on("notice", &id),
            (false, true) => Entry::refused("notice.read", actor, now, "read_before"),
            (false, false) => Entry::refused("notice.read", actor, now, "not_found"),
        };
        Ok(Audited::new(known, entry.from_address(&session.address)))
    })?;
    if !outcome {
        return Err(PageError::not_found());
    }
    Ok(Redirect::to("/console/notices"))
}
