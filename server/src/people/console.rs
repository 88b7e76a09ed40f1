//! `/console`: where somebody without a card begins; a facility's administrator sees its card.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use sekisho_store::{
    StoreError, facility_prefix,
    organisation::{self, OrganisationStatus},
};

use super::{role::Role, session::ConsoleSession};
use crate::{
    app::App,
    console::emergencies,
    error::page::PageError,
    page::{Page, PageFrame},
    portal::when,
    register::{apply::kind_name, officer::scheme_name},
};

struct CodeLine {
    scheme: String,
    value: String,
    from: String,
    until: Option<String>,
}

struct FacilityCard {
    id: String,
    name: String,
    kind: String,
    prefix: Option<String>,
    status: &'static str,
    /// Why it may not act.
    halted: Option<String>,
    codes: Vec<CodeLine>,
}

#[derive(Template)]
#[template(path = "people/console.html")]
struct HomePage {
    page: PageFrame,
    name: String,
    roles: Vec<Role>,
    facilities: Vec<FacilityCard>,
    /// How many emergency accesses wait for a review.
    emergencies: Option<String>,
    /// How many nobody reviewed in time.
    escalated: Option<String>,
}

/// Message key of a status.
fn status_key(status: OrganisationStatus) -> &'static str {
    match status {
        OrganisationStatus::Approved => "people-status-approved",
        OrganisationStatus::Active => "people-status-active",
        OrganisationStatus::Suspended => "people-status-suspended",
        OrganisationStatus::Closed => "people-status-closed",
    }
}

async fn card(
    app: &App,
    page: &PageFrame,
    id: &str,
    halted: Option<String>,
) -> Result<Option<FacilityCard>, StoreError> {
    let mut reader = app.store().read();
    let Some(found) = organisation::find(&mut reader, id).await? else { return Ok(None) };
    let lang = page.text.lang();
    let codes = organisation::codes(&mut reader, id)
        .await?
        .into_iter()
        .map(|code| CodeLine {
            scheme: scheme_name(code.value.scheme, &page.text),
            value: code.value.value,
            from: when::shown(code.from, lang),
            until: code.until.map(|until| when::shown(until, lang)),
        })
        .collect();
    let prefix = facility_prefix::of_facility(&mut reader, id).await?;
    Ok(Some(FacilityCard {
        prefix: prefix.map(|one| one.prefix.to_string()),
        id: found.id,
        name: found.name,
        kind: kind_name(found.kind, &page.text),
        status: status_key(found.status),
        halted,
        codes,
    }))
}

/// `GET /console`.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
) -> Result<Response, PageError> {
    let page = session.frame(page);
    let mut facilities = Vec::new();
    for id in session.facilities() {
        facilities.extend(card(&app, &page, id, None).await?);
    }
    for inactive in &session.inactive {
        let halted = match &inactive.reason {
            Some(reason) => page.t1("console-facility-halted", "reason", reason),
            None => page.t("console-facility-halted-untold"),
        };
        facilities.extend(card(&app, &page, &inactive.organisation_id, Some(halted)).await?);
    }
    let roles = session
        .roles
        .iter()
        .filter(|role| !matches!(role, Role::FacilityAdministrator(_)))
        .cloned()
        .collect();
    let (own, late) = emergencies::waiting(&mut app.store().read(), &session).await?;
    let counted = |key: &str, count: i64| {
        let count = usize::try_from(count).unwrap_or_default();
        (count > 0).then(|| page.text.counted(key, "count", count))
    };
    let emergencies = counted("emergencies-waiting", own);
    let escalated = counted("emergencies-waiting-escalated", late);
    let name = session.name;
    let page = HomePage { page, name, roles, facilities, emergencies, escalated };
    Ok(Page(page).into_response())
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, response::Response};
    use http::{Request, StatusCode, header};
    use http_body_util::BodyExt;
    use sekisho_pki::national::facility_identifier::FacilityIdentifier;
    use sekisho_store::{
        application::{self, Code, Particulars},
        audit::{Actor, Audited, Entry},
        organisation::RegisteredAddress,
        organisation_kind::{CodeScheme, OrganisationKind},
        person, role_grant, transaction,
    };
    use tower::ServiceExt;

    use super::*;
    use crate::{people::session::NewSession, router, testing};

    const FACILITY: &str = "179927398711";

    fn asked(value: &str) -> Particulars {
        Particulars {
            kind: OrganisationKind::Hospital,
            name: "青葉総合病院".into(),
            name_kana: "アオバソウゴウビョウイン".into(),
            prefecture: 13,
            postal_code: "100-0001".into(),
            address: "東京都千代田区千代田1-1".into(),
            contact_name: "中村".into(),
            contact_phone: "03-0000-0000".into(),
            contact_email: "n@example.jp".into(),
            codes: vec![Code { scheme: CodeScheme::MedicalInstitution, value: value.into() }],
        }
    }

    async fn home(app: &App, session: &NewSession) -> Response {
        let cookie = session.cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        let request = Request::builder()
            .uri("/console")
            .header(header::HOST, "login.sekisho.localhost:8443")
            .header(header::COOKIE, cookie);
        router::public(app).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_facility_administrator_sees_their_own_facility_with_the_history_of_its_codes() {
        let test = testing::app().await;
        let app = &test.app;
        let now = app.now();
        let session = NewSession::draw(app.random()).unwrap();
        let other = FacilityIdentifier::from_random(7).to_string();
        transaction!(app.store(), StoreError, |tx| {
            let address =
                RegisteredAddress { postal_code: "100-0001", address: "東京都千代田区" };
            for (id, receipt, code) in
                [(FACILITY, "r1", "1311000010"), (&*other, "r2", "1344000011")]
            {
                let asked = asked(code);
                let application = application::create(tx, receipt, &asked, None, now).await?;
                organisation::enter(tx, id, &application, &asked, address, "p", now).await?;
            }
            let old = &asked("1311000010").codes[0];
            let later = now + time::Duration::days(1);
            organisation::end_code(tx, FACILITY, old, later).await?;
            organisation::add_code(tx, FACILITY, &asked("1412345009").codes[0], later).await?;
            let person_id = person::enter(tx, "中村 一郎", "ナカムラ イチロウ", now).await?;
            let role = Role::FacilityAdministrator(FACILITY.to_owned());
            role_grant::grant(tx, &person_id, role.token(), role.organisation(), None, now).await?;
            session.open(tx, app, &person_id).await?;
            Ok(Audited::new((), Entry::done("test", Actor::System, now)))
        })
        .unwrap();
        let response = home(app, &session).await;
        assert_eq!(response.status(), StatusCode::OK);
        let octets = response.into_body().collect().await.unwrap().to_bytes();
        let page = String::from_utf8(octets.to_vec()).unwrap();
        for shown in
            [FACILITY, "青葉総合病院", "1311000010", "1412345009", "現在有効", "/console/terminals"]
        {
            assert!(page.contains(shown), "{shown} is not in {page}");
        }
        assert!(!page.contains(&other) && !page.contains("1344000011"), "another facility's card");
    }
}
