//! `GET /my-number-card`: what is linked and until when, and the way to link a card or to end it.

use askama::Template;
use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Redirect, Response},
};
use http::HeaderMap;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    jpki_link::{self, Link},
    session as sessions, transaction,
};
use sekisho_wire::acr;
use serde::Deserialize;

use crate::{
    app::App,
    catalogue::Text,
    error::page::PageError,
    form::{StrictForm, StrictQuery, Sure},
    listener::{FacilityConnection, Peer},
    login::{
        Least,
        exchange::{self, Asked, Exchange},
        page::give_browser_cookie,
        session::PortalSession,
        vouching,
    },
    page::{Page, PageFrame},
    portal::when,
};

/// Where the page is.
pub const PATH: &str = "/my-number-card";
/// Where a page goes that has linked a card.
pub(super) const LINKED: &str = "/my-number-card?notice=linked";
/// Why sessions end whose card is linked no longer.
pub const CARD_UNLINKED: &str = "card_unlinked";

/// The query of the page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    #[serde(default)]
    notice: Option<Notice>,
}

/// What was done just now.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Notice {
    Linked,
    Unlinked,
    Unticked,
}

struct Linked {
    since: String,
    /// Last day of the My Number card's certificate.
    until: String,
    /// Last day of the HPKI certificate that vouches.
    vouched_until: String,
    /// Why it vouches no more.
    lapsed: Option<String>,
}

/// What can be done about linking.
enum Way {
    /// No My Number card counts here.
    Closed,
    /// The HPKI card has to prove the person first, at this address.
    CardFirst(String),
    /// A card can be put in.
    Open(Box<Exchange>),
}

#[derive(Template)]
#[template(path = "my-number-card.html")]
struct MyNumberCardPage {
    page: PageFrame,
    notice: Option<String>,
    unticked: bool,
    linked: Option<Linked>,
    way: Way,
}

/// `GET /my-number-card`.
///
/// # Errors
/// [`PageError`]: nobody is logged in, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    facility: FacilityConnection,
    session: PortalSession,
    page: PageFrame,
    StrictQuery(query): StrictQuery<PageQuery>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let link = jpki_link::of_person(&mut app.store().read(), &session.person_id).await?;
    let linked = link.map(|link| linked(&app, &facility, &link, &page.text));
    let way = if app.card_trust().at(&facility.organisation_id).jpki().is_none() {
        Way::Closed
    } else if vouching::may_vouch(&session, app.now()) {
        Way::Open(Box::new(Exchange::new(&app, &page.text, Asked::Link)))
    } else {
        Way::CardFirst(Least::HPKI_CARD.address(PATH))
    };
    let notice = match query.notice {
        Some(Notice::Linked) => Some(page.text.t("jpki-notice-linked")),
        Some(Notice::Unlinked) => Some(page.text.t("jpki-notice-unlinked")),
        Some(Notice::Unticked) | None => None,
    };
    let body = MyNumberCardPage {
        notice,
        unticked: matches!(query.notice, Some(Notice::Unticked)),
        linked,
        way,
        page: session.frame(page, &facility),
    };
    let mut response = exchange::respond(&app, Page(body));
    give_browser_cookie(&app, &headers, &mut response)?;
    Ok(response)
}

fn linked(app: &App, facility: &FacilityConnection, link: &Link, text: &Text) -> Linked {
    let trust = app.card_trust().at(&facility.organisation_id);
    let lapsed = vouching::judge(&trust, &link.voucher.certificate_der, app.now()).err();
    Linked {
        since: when::shown(link.linked_at, text.lang()),
        until: when::day(link.not_after, text.lang()),
        vouched_until: when::day(link.voucher.not_after, text.lang()),
        lapsed: lapsed.map(|lapse| text.t(&lapse.key())),
    }
}

/// The form that ends the link.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unlink {
    #[serde(default)]
    sure: Option<Sure>,
}

/// `POST /my-number-card/unlink`: nobody is logged in by the card any more.
///
/// # Errors
/// [`PageError`]: nobody is logged in, or the database does not answer; then nothing has changed.
pub async fn unlink(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    session: PortalSession,
    StrictForm(form): StrictForm<Unlink>,
) -> Result<Response, PageError> {
    if form.sure.is_none() {
        return Ok(Redirect::to(&format!("{PATH}?notice=unticked")).into_response());
    }
    let (now, person_id) = (app.now(), &session.person_id);
    transaction!(app.store(), StoreError, |tx| {
        let ended = jpki_link::end(tx, person_id, "unlinked", now).await?;
        let person = Actor::Person(person_id.clone());
        let record = match ended {
            None => Entry::refused("card.unlink", person, now, "not-linked"),
            Some(link_id) => {
                let ended =
                    sessions::end_of_level(tx, person_id, acr::JPKI_CARD, CARD_UNLINKED, now)
                        .await?;
                Entry::done("card.unlink", person, now)
                    .on("jpki_link", link_id)
                    .fact("sessions_ended", ended.len())
            }
        };
        let record = record.on("session", hex::encode(session.id_hash));
        Ok(Audited::new((), facility.place(record, &peer)))
    })?;
    // By this card they are logged in no longer.
    let next = if session.acr == acr::JPKI_CARD {
        "/login?notice=unlinked".to_owned()
    } else {
        format!("{PATH}?notice=unlinked")
    };
    Ok(Redirect::to(&next).into_response())
}
