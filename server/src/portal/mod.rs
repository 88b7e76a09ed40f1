//! `GET /`: the services that this person may use at this facility, and who they are here; and the pages about what
//! is the person's own.

use std::collections::{HashMap, HashSet};

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use sekisho_pki::national::hc_role;
use sekisho_store::{
    StoreError, account_passkey, favourite,
    maintenance::{self, Maintenance},
    offer::Offer,
    passkey, password_login, search,
};
use sekisho_wire::{acr, amr};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use crate::{
    app::App,
    catalogue::{Lang, Text},
    emergency,
    entitlement::{self, Explanation, Offered, role_name},
    error::page::PageError,
    form::{FormError, StrictQuery},
    listener::FacilityConnection,
    login::{
        Least, day_pass,
        handover::Withheld,
        session::{PortalSession, Present},
        shared_terminal,
        vouching::Profession,
    },
    login_time,
    page::{Page, PageFrame},
    people::account_page,
};

pub mod expiry;
pub mod favourites;
pub mod help;
pub mod history;
pub mod landing;
pub mod sessions;
pub mod when;

use expiry::{Announcement, Voice};

/// Where the page is.
const PATH: &str = "/";
/// The longest text that is searched for, in characters.
const MOST_SEARCHED: usize = 100;
/// For how long before it begins a service's maintenance is told of.
const ANNOUNCED: Duration = Duration::days(3);

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// A part of a service's name or description.
    #[serde(default)]
    q: String,
}

/// The navigation of the portal's pages.
#[must_use]
pub fn with_nav(page: PageFrame) -> PageFrame {
    let items = [
        (PATH, page.t("portal-nav-services")),
        (history::PATH, page.t("history-title")),
        (sessions::PATH, page.t("sessions-title")),
        (login_time::page::PATH, page.t("login-time-title")),
        (help::PATH, page.t("help-title")),
    ];
    page.with_nav(&items)
}

/// What a service says about its maintenance.
struct MaintenanceNotice {
    text: String,
    from: String,
    until: String,
    /// Whether it has begun.
    now: bool,
}

struct Service {
    id: String,
    favourite: bool,
    maintenance: Vec<MaintenanceNotice>,
    name: String,
    description: String,
    home_url: String,
    reasons: Vec<String>,
    help: Vec<String>,
    /// The login that is all that is lacking.
    step_up: Option<String>,
    /// Where an emergency access is opened, if that would help.
    emergency: Option<&'static str>,
    /// Whether it is open only by the one in force.
    by_emergency: bool,
    /// Whether it is told of logouts.
    told: bool,
    /// Whether it says something about personal data.
    declares: bool,
}

struct Role {
    shown: String,
    verbatim: String,
    known: bool,
}

struct Who {
    name: String,
    name_romaji: String,
    roles: Vec<Role>,
    facility_name: String,
    facility_id: String,
    terminal_name: String,
    terminal_id: String,
    proof: String,
    /// Last day on which the HPKI certificate of a linked card or a passkey vouches.
    vouched_until: Option<String>,
    /// Why nobody vouches any more.
    lapsed: Option<String>,
    /// Key of what to do then.
    lapsed_help: &'static str,
    since: String,
    since_iso: String,
}

#[derive(Template)]
#[template(path = "portal.html")]
struct PortalPage {
    page: PageFrame,
    /// Whether the person is here for an emergency alone.
    visiting: bool,
    /// What was searched for.
    searched: String,
    longest: usize,
    favourites: Vec<Service>,
    allowed: Vec<Service>,
    refused: Vec<Service>,
    who: Who,
    /// Services that did not confirm the logout of the person before.
    withheld: Vec<String>,
    /// Where the page is.
    return_to: &'static str,
    /// What expires soon.
    expiring: Vec<Announcement>,
    /// Names of passkeys that log nobody in any more.
    held: Vec<String>,
    /// The same of those that stood for a one-time password.
    held_second: Vec<String>,
    /// Whether My Number cards count here.
    jpki: bool,
    /// Whether passkeys do.
    passkeys: bool,
    /// Whether colleagues give passes for a day.
    day_passes: bool,
    /// What is said of a pass that this person may give.
    to_confirm: Option<String>,
    /// When the pass of this login is over.
    pass_until: Option<String>,
    /// When a recovery code was used since the person's login before this one.
    recovery_used: Option<String>,
    /// Whether passkeys stand for the one-time password of somebody who logs in by password.
    second_factor: bool,
    /// Where somebody who logs in by password sees to their account.
    account: Option<String>,
}

/// `GET /`.
///
/// # Errors
/// [`PageError`]: nobody is logged in, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    facility: FacilityConnection,
    Present(session): Present,
    page: PageFrame,
    StrictQuery(query): StrictQuery<PageQuery>,
) -> Result<Response, PageError> {
    if query.q.chars().count() > MOST_SEARCHED {
        let detail = format!("at most {MOST_SEARCHED} characters");
        return Err(FormError::Unfit { field: "q".to_owned(), detail }.in_address());
    }
    let visiting = session.ground.is_visit();
    if visiting && session.emergency.is_none() {
        // Nothing is open to a visitor before.
        return Ok(Redirect::to(emergency::PATH).into_response());
    }
    let asked = entitlement::request(&app, &session).await?;
    let request = &asked.request;
    let mut reader = app.store().read();
    let used = password_login::recovery_code_since_last(&mut reader, &session.evidence_id).await?;
    let recovery_used = used.map(|at| when::shown(at, page.text.lang()));
    let pass = day_pass::of_session(&mut reader, &session).await?;
    let pass_until = pass.map(|pass| when::shown(pass.valid_until, page.text.lang()));
    // A visitor stands up for nobody, and reads of nobody who waits.
    let to_confirm = match visiting {
        true => None,
        false => day_pass::asking::to_confirm(&app, &session, &page.text).await?,
    };
    let has_card = session.profession != Profession::None && !visiting;
    let withheld = Withheld::from(&app, &session).await?;
    let untold_closed = shared_terminal::closes_untold(&app, &mut reader, &session).await?;
    let now = app.now();
    let chosen = match visiting {
        true => Vec::new(),
        false => favourite::of_person(&mut reader, &session.person_id).await?,
    };
    let chosen: HashSet<String> = chosen.into_iter().collect();
    let mut announced = announced(&app, now, &page.text).await?;
    let (mut favourites, mut allowed, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    let wanted = search::key(&query.q);
    let question = app.entitlements().question(request);
    for Offered { offer, judge } in &*app.entitlements().offered(&mut reader).await? {
        let offered = app.entitlements().is_offered_at(offer, &request.facility_id);
        if !offered || !is_wanted(offer, &wanted) {
            continue;
        }
        let decision = app.entitlements().ask(judge, &question);
        let told = offer.backchannel_logout_uri.is_some();
        let why = withheld
            .why(&offer.service_id, &page.text)
            .or_else(|| (untold_closed && !told).then(|| shared_terminal::why(&page.text)))
            .filter(|_| decision.allowed);
        let open = decision.allowed && why.is_none();
        let Explanation { reasons, help } =
            why.unwrap_or_else(|| Explanation::of(&decision, &page.text));
        let (name, description) = match page.text.lang() {
            Lang::Ja => (&offer.name_ja, &offer.description_ja),
            Lang::En => (&offer.name_en, &offer.description_en),
        };
        let step_up = Least::lacking(app.config(), &decision).map(|least| least.address(PATH));
        let favourite = chosen.contains(&offer.service_id);
        let service = Service {
            maintenance: announced.remove(&offer.service_id).unwrap_or_default(),
            id: offer.service_id.clone(),
            favourite,
            name: name.clone(),
            description: description.clone(),
            home_url: offer.home_url.clone(),
            reasons,
            help,
            step_up,
            emergency: emergency::offered(request, &decision),
            by_emergency: decision.by_emergency,
            told,
            declares: offer.personal_data.is_some(),
        };
        if open && favourite {
            favourites.push(service);
        } else if open {
            allowed.push(service);
        } else if !visiting {
            refused.push(service);
        }
    }
    let (enrolled, expiring) = match visiting {
        // What of a person is to be seen to is shown where they work.
        true => (Vec::new(), Vec::new()),
        false => {
            let enrolled = passkey::of_person(&mut app.store().read(), &session.person_id).await?;
            let expiring = expiry::of(&app, &session, &facility, &enrolled, &page.text).await?;
            (enrolled, expiring)
        }
    };
    let held = enrolled.into_iter().filter(|passkey| passkey.held_at.is_some());
    // Their page is for sessions by password; a card's leads elsewhere.
    let own = match session.profession {
        Profession::None if !visiting => {
            account_passkey::of_person(&mut app.store().read(), &session.person_id).await?
        }
        _ => Vec::new(),
    };
    let own = own.into_iter().filter(|passkey| passkey.held_at.is_some());
    let held_second: Vec<String> = own.map(|passkey| passkey.name).collect();
    let who = who(&session, &facility, &page.text);
    let page = session.frame(page, &facility);
    if now - session.auth_time < Duration::MINUTE {
        app.store().note_portal_shown(&session.id_hash, now).await?;
    }
    Ok(Page(PortalPage {
        visiting,
        searched: query.q.trim().to_owned(),
        longest: MOST_SEARCHED,
        favourites,
        withheld: withheld.names(&page.text),
        page,
        allowed,
        refused,
        who,
        return_to: PATH,
        expiring,
        held: held.map(|passkey| passkey.name).collect(),
        held_second,
        jpki: has_card && app.card_trust().at(&facility.organisation_id).jpki().is_some(),
        passkeys: has_card && app.config().card_login().passkeys(),
        day_passes: has_card && app.config().card_login().day_passes(),
        to_confirm,
        pass_until,
        recovery_used,
        second_factor: session.profession == Profession::None
            && app.config().card_login().passkeys(),
        account: (session.profession == Profession::None)
            .then(|| format!("{}{}", app.names().public, account_page::PATH)),
    })
    .into_response())
}

/// Whether a service's name or description holds what is searched for, in either language.
fn is_wanted(offer: &Offer, wanted: &str) -> bool {
    let told = [&offer.name_ja, &offer.name_en, &offer.description_ja, &offer.description_en];
    wanted.is_empty() || told.into_iter().any(|text| search::key(text).contains(wanted))
}

/// What services say about maintenance that is near or under way, by their identifiers.
async fn announced(
    app: &App,
    now: OffsetDateTime,
    text: &Text,
) -> Result<HashMap<String, Vec<MaintenanceNotice>>, StoreError> {
    let shown = |at| when::shown(at, text.lang());
    let mut of_services: HashMap<String, Vec<MaintenanceNotice>> = HashMap::new();
    for notice in maintenance::announced(&mut app.store().read(), now, now + ANNOUNCED).await? {
        let Maintenance { service_id, text_ja, text_en, begins_at, ends_at, .. } = notice;
        of_services.entry(service_id).or_default().push(MaintenanceNotice {
            text: match text.lang() {
                Lang::Ja => text_ja,
                Lang::En => text_en,
            },
            from: shown(begins_at),
            until: shown(ends_at),
            now: begins_at <= now,
        });
    }
    Ok(of_services)
}

/// How somebody proved who they are, in words.
fn proof(acr: &str, amr: &[String], text: &Text) -> String {
    match acr {
        acr::HPKI_CARD => text.t("portal-proof-hpki"),
        acr::JPKI_CARD => text.t("portal-proof-jpki"),
        acr::PASSKEY => text.t("portal-proof-passkey"),
        acr::DAY_PASS => text.t("portal-proof-day-pass"),
        acr::PASSWORD_TOTP if amr.iter().any(|method| method == amr::PASSKEY) => {
            text.t("portal-proof-password-passkey")
        }
        acr::PASSWORD_TOTP => text.t("portal-proof-password"),
        acr::PASSWORD_AT_FACILITY => text.t("portal-proof-password-alone"),
        other => text.t1("portal-proof-other", "acr", other),
    }
}

fn who(session: &PortalSession, facility: &FacilityConnection, text: &Text) -> Who {
    Who {
        name: session.names.name.clone(),
        name_romaji: session.names.name_romaji.clone(),
        roles: session
            .roles
            .iter()
            .map(|role| Role {
                shown: role_name(role, text),
                verbatim: role.clone(),
                known: hc_role::known(role).is_some(),
            })
            .collect(),
        facility_name: facility.organisation_name.clone(),
        facility_id: facility.organisation_id.clone(),
        terminal_name: facility.terminal_name.clone(),
        terminal_id: facility.terminal_id.clone(),
        proof: proof(&session.acr, &session.amr, text),
        vouched_until: match session.profession {
            Profession::Vouched { until } => Some(when::day(until, text.lang())),
            Profession::OfCard | Profession::Lapsed(_) | Profession::None => None,
        },
        lapsed: match session.profession {
            Profession::Lapsed(lapse) => Some(text.t(&lapse.key())),
            Profession::OfCard | Profession::Vouched { .. } | Profession::None => None,
        },
        // Of one's own card it is not known just now; of another, what vouched is over.
        lapsed_help: match session.acr.as_str() {
            acr::HPKI_CARD => "vouching-lapsed-own-help",
            _ => "vouching-lapsed-help",
        },
        since: when::shown(session.auth_time, text.lang()),
        since_iso: when::iso(session.auth_time),
    }
}
