//! `GET /console/terminals/{id}`: one terminal, what it has and what happened to it.

use askama::Template;
use axum::extract::State;
use sekisho_store::{
    certificate, enrolment_code,
    replacement::{self, Replacement},
    revocation::Status,
    router::{self, Router},
    shared_terminal,
    terminal::{self, Device, TerminalEvent, TerminalStatus},
    waiting_enrolment,
};
use serde::Deserialize;

use super::{
    administered, approval,
    cause::{words_of_cause, words_of_crl_reason},
    facility_name, status_class, status_words,
};
use crate::{
    app::App,
    error::page::PageError,
    form::{PathId, StrictQuery},
    instance::fingerprint_groups,
    network::family,
    page::{Page, PageFrame},
    people::session::ConsoleSession,
    portal::when,
    revocation::{self, Standing},
};

/// Events and certificates shown.
const MOST_EVENTS: i64 = 50;

/// What has just been done.
#[derive(Debug, Default, Deserialize)]
pub struct Done {
    /// `revoked`, `replacement-cancelled`, `key-approved`, `key-refused`, `usage`.
    notice: Option<String>,
}

/// Where the terminal stands between two PCs.
enum Replacing {
    /// There is nothing to replace, or nothing may be done now.
    NotOffered,
    /// An administrator can begin it.
    Offered,
    /// The new PC is not enrolled yet. Since when, and what became of its code.
    Begun { at: String, code: String },
    /// The new PC is enrolled, since when, and the old one works until somebody logs in there.
    Waiting { at: String },
}

/// A request that waits for approval.
struct WaitingRow {
    asked: String,
    until: String,
    address: String,
    door: String,
    key_kind: String,
    /// In groups, to compare.
    fingerprint: String,
    /// As the form brings it back.
    key: String,
    other_key_came: bool,
}

struct CertificateRow {
    serial: String,
    /// Message key of the PC that has it, while there are two.
    pc: Option<&'static str>,
    from: String,
    until: String,
    status: String,
    good: bool,
}

struct EventRow {
    at: String,
    what: String,
    reason: String,
}

struct RouterFacts {
    family: String,
    basis: String,
    dns_name: String,
    address: Option<String>,
    /// Message key of whether the address stands in the certificate.
    certified: &'static str,
    network: String,
}

impl RouterFacts {
    fn of(router: Router, page: &PageFrame) -> Self {
        let family = family::find(&router.family);
        Self {
            basis: family.map(|family| page.t(family::basis_key(family.basis))).unwrap_or_default(),
            family: family.map_or(router.family, |family| family.name.clone()),
            dns_name: router.dns_name,
            address: router.address.map(|address| address.to_string()),
            certified: if router.address_certified {
                "routers-address-certified"
            } else {
                "routers-address-not-certified"
            },
            network: router.network.to_string(),
        }
    }
}

#[derive(Template)]
#[template(path = "terminals/show.html")]
struct ShowPage {
    page: PageFrame,
    id: String,
    name: String,
    /// What a router has and a PC has not.
    router: Option<RouterFacts>,
    facility: String,
    status: String,
    status_class: &'static str,
    /// While it is on hold: message key of what that means for it.
    held: Option<&'static str>,
    revoked: bool,
    created: String,
    misused_at: Option<String>,
    code: String,
    waiting: Option<WaitingRow>,
    longest_reason: usize,
    /// Whether the code in force needs approval: another one in its place will, too, unless the tick is taken
    /// away.
    approval_asked: bool,
    replacing: Replacing,
    certificates: Vec<CertificateRow>,
    events: Vec<EventRow>,
    just_revoked: bool,
    just_cancelled: bool,
    just_approved: bool,
    just_refused: bool,
    just_changed: bool,
    /// Whether one person alone uses it.
    personal: bool,
}

/// Shows the terminal.
///
/// # Errors
/// 404 for somebody else's terminal.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictQuery(done): StrictQuery<Done>,
    page: PageFrame,
) -> Result<Page<impl Template>, PageError> {
    let mut reader = app.store().read();
    let (terminal, _) = administered(&mut reader, &session, &id).await?;
    let now = app.now();
    let lang = page.text.lang();
    let shown = |at| when::shown(at, lang);
    let replacement = replacement::open(&mut reader, &id).await?;
    let new_pc = replacement.as_ref().and_then(|open| open.new_pc.as_ref());
    let certificates = certificate::of_terminal(&mut reader, &id)
        .await?
        .into_iter()
        .map(|certificate| {
            let status = match certificate.status {
                Status::Revoked { at, .. } if certificate.status.is_hold() => {
                    page.t1("terminals-certificate-held", "at", shown(at))
                }
                Status::Revoked { at, .. } => {
                    page.t1("terminals-certificate-revoked", "at", shown(at))
                }
                Status::Good if certificate.not_after < now => {
                    page.t("terminals-certificate-expired")
                }
                Status::Good => page.t("terminals-certificate-good"),
            };
            let good = certificate.status == Status::Good && certificate.not_after >= now;
            CertificateRow {
                pc: new_pc.and_then(|new_pc| {
                    let (issuer_id, serial) = &new_pc.certificate;
                    match (certificate.issuer_id == *issuer_id, certificate.serial == *serial) {
                        (true, true) => Some("terminals-pc-new"),
                        _ if good => Some("terminals-pc-old"),
                        _ => None,
                    }
                }),
                serial: hex::encode(&certificate.serial),
                from: shown(certificate.not_before),
                until: shown(certificate.not_after),
                good,
                status,
            }
        })
        .collect();
    let waiting = waiting_enrolment::of_terminal(&mut reader, &id, now).await?.map(|waiting| {
        let key = hex::encode(waiting.spki_sha256);
        WaitingRow {
            asked: shown(waiting.asked_at),
            until: shown(waiting.until),
            address: waiting.address,
            door: waiting.door.to_ascii_uppercase(),
            key_kind: waiting.key_kind,
            fingerprint: fingerprint_groups(&key),
            key,
            other_key_came: waiting.other_key_came,
        }
    });
    let latest = enrolment_code::latest(&mut reader, &id).await?;
    let approval_asked = latest.as_ref().is_some_and(|code| {
        code.needs_approval && code.used_at.is_none() && code.withdrawn_at.is_none()
    });
    let code = match latest {
        None => page.t("terminals-code-none"),
        Some(code) => match (code.used_at, code.withdrawn_at) {
            (Some(at), _) => page.t1("terminals-code-used", "at", shown(at)),
            (None, Some(_)) => page.t("terminals-code-none"),
            (None, None) if code.expires_at <= now => {
                page.t1("terminals-code-expired", "at", shown(code.expires_at))
            }
            (None, None) if code.tries_left <= 0 => page.t("terminals-code-blocked"),
            (None, None) if code.approved => {
                page.t1("terminals-code-approved", "until", shown(code.expires_at))
            }
            (None, None) if waiting.is_some() => {
                page.t1("terminals-code-awaits-approval", "until", shown(code.expires_at))
            }
            (None, None) => page.t1("terminals-code-waiting", "until", shown(code.expires_at)),
        },
    };
    let replacing = match replacement {
        Some(Replacement { new_pc: Some(new_pc), .. }) => {
            Replacing::Waiting { at: shown(new_pc.enrolled_at) }
        }
        Some(Replacement { begun_at, new_pc: None }) => {
            Replacing::Begun { at: shown(begun_at), code: code.clone() }
        }
        None if terminal.status == TerminalStatus::Enrolled && terminal.device == Device::Pc => {
            Replacing::Offered
        }
        None => Replacing::NotOffered,
    };
    let events = terminal::events(&mut reader, &id, MOST_EVENTS)
        .await?
        .into_iter()
        .map(|event| EventRow {
            at: shown(event.at),
            what: page.t(event_key(&event.kind)),
            reason: why(&page, &event),
        })
        .collect();
    let held = match terminal.status {
        TerminalStatus::Held => Some(match Standing::find(&mut reader, &id, now).await? {
            Standing::Certified => "terminals-held-text",
            Standing::ToEnrolAnew => "terminals-held-anew",
            Standing::NeverEnrolled => "terminals-held-never",
        }),
        _ => None,
    };
    let router = router::find(&mut reader, &id).await?;
    let personal = shared_terminal::is_personal(&mut reader, &id).await?;
    let facility = facility_name(&mut reader, &terminal.organisation_id).await?;
    Ok(Page(ShowPage {
        status: status_words(&page, terminal.status),
        status_class: status_class(terminal.status),
        held,
        revoked: terminal.status == TerminalStatus::Revoked,
        created: shown(terminal.created_at),
        misused_at: terminal.code_misused_at.map(shown),
        router: router.map(|router| RouterFacts::of(router, &page)),
        page: session.frame(page),
        name: terminal.name,
        id: terminal.id,
        facility,
        code,
        waiting,
        longest_reason: approval::MOST_REASON,
        approval_asked,
        replacing,
        certificates,
        events,
        just_revoked: done.notice.as_deref() == Some("revoked"),
        just_cancelled: done.notice.as_deref() == Some("replacement-cancelled"),
        just_approved: done.notice.as_deref() == Some("key-approved"),
        just_refused: done.notice.as_deref() == Some("key-refused"),
        just_changed: done.notice.as_deref() == Some("usage"),
        personal,
    }))
}

/// Why, as far as the facility reads it: what was chosen, and what a person wrote beside it.
fn why(page: &PageFrame, event: &TerminalEvent) -> String {
    let chosen = match (&event.cause, event.kind.as_str(), event.crl_reason) {
        (Some(cause), ..) => Some(words_of_cause(cause)),
        (None, "certificate_superseded", _) => Some("terminals-reason-superseded"),
        (None, "certificate_revoked", Some(code)) => Some(words_of_crl_reason(code)),
        (None, ..) => None,
    };
    let chosen = chosen.map(|key| page.t(key));
    let note = revocation::told(event.person_id.as_deref(), event.reason.clone());
    let parts: Vec<String> = chosen.into_iter().chain(note).collect();
    parts.join(" — ")
}

fn event_key(kind: &str) -> &'static str {
    match kind {
        "created" => "terminals-event-created",
        "enrolled" => "terminals-event-enrolled",
        "renewed" => "terminals-event-renewed",
        "code_misused" => "terminals-event-code-misused",
        "held" => "terminals-event-held",
        "released" => "terminals-event-released",
        "replacement_begun" => "terminals-event-replacement-begun",
        "replacement_cancelled" => "terminals-event-replacement-cancelled",
        "replaced" => "terminals-event-replaced",
        "revoked" => "terminals-event-revoked",
        "certificate_held" => "terminals-event-certificate-held",
        "certificate_released" => "terminals-event-certificate-released",
        "certificate_superseded" => "terminals-event-certificate-superseded",
        "certificate_revoked" => "terminals-event-certificate-revoked",
        _ => "terminals-event-other",
    }
}
