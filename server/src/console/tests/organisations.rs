use http::StatusCode;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    organisation::{self, OrganisationStatus},
    revocation,
    session::{self, AtTerminal, Ground, Realm, Session},
    terminal::{self, TerminalStatus},
    transaction,
};
use time::Duration;

use super::{ELSEWHERE, FACILITY, OFFICER, OPERATOR};
use crate::{
    app::App,
    console::scene::{Answer, acts, form, open_at, send, signed_in},
    notice,
    outbox::{Deliverers, deliver_due},
    people::role::Role,
    testing::{self, TestApp, TestTerminal},
};

const SESSION: [u8; 32] = [7; 32];

/// A facility with a terminal, its administrator, and somebody logged in at the terminal.
async fn instance() -> (TestApp, TestTerminal) {
    let test = testing::app().await;
    let app = &test.app;
    let desk = testing::terminal(app, 1).await;
    signed_in(app, "運営", &[Role::OperatingAdministrator], OPERATOR).await;
    signed_in(app, "認定", &[Role::AccreditationOfficer], OFFICER).await;
    let role = Role::FacilityAdministrator(desk.organisation_id.clone());
    let person_id = signed_in(app, "管理", &[role], FACILITY).await;
    let fingerprint = sha2::Digest::finalize(sha2::Digest::chain_update(
        <sha2::Sha256 as sha2::Digest>::new(),
        &desk.certificate.der,
    ));
    let opened = Session {
        id_hash: SESSION,
        realm: Realm::Portal,
        person_id,
        at_terminal: Some(AtTerminal {
            organisation_id: desk.organisation_id.clone(),
            terminal_id: desk.terminal_id.clone(),
            fingerprint: fingerprint.into(),
            ground: Ground::Membership("m".to_owned()),
            evidence_id: "e".to_owned(),
            presence_id: None,
        }),
        hc_roles: vec![],
        acr: sekisho_wire::acr::HPKI_CARD.to_owned(),
        amr: vec![],
        auth_time: app.now(),
        created_at: app.now(),
        last_seen_at: app.now(),
        expires_at: app.now() + Duration::hours(8),
        locked_at: None,
        ended: None,
    };
    transaction!(app.store(), StoreError, |tx| {
        session::open(tx, &opened).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, opened.created_at)))
    })
    .unwrap();
    (test, desk)
}

const SURE: (&str, &str) = ("sure", "yes");

async fn change(app: &App, desk: &TestTerminal, cookie: &str, change: &str) -> Answer {
    let path = format!("/console/organisations/{}/status", desk.organisation_id);
    send(app, "POST", &path, cookie, &form(&[("change", change), ("reason", "定期点検"), SURE]))
        .await
}

async fn status(app: &App, desk: &TestTerminal) -> Option<OrganisationStatus> {
    organisation::status(&mut app.store().read(), &desk.organisation_id).await.unwrap()
}

async fn end_reason(app: &App) -> Option<String> {
    let found = session::find(&mut app.store().read(), Realm::Portal, &SESSION).await.unwrap();
    found.unwrap().ended.map(|(_, why)| why)
}

#[tokio::test]
async fn a_suspended_facility_is_refused_at_once_is_told_why_and_may_act_again() {
    let (test, desk) = instance().await;
    let app = &test.app;
    assert_eq!(open_at(app, &desk.peer, "/login").await.status, StatusCode::OK);
    let path = format!("/console/organisations/{}/status", desk.organisation_id);
    let asked = send(app, "GET", &path, OPERATOR, "").await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.text);
    assert!(asked.text.contains("value=\"suspend\"") && !asked.text.contains("value=\"resume\""));

    let done = change(app, &desk, OPERATOR, "suspend").await;
    assert_eq!((done.status, done.location.as_str()), (StatusCode::SEE_OTHER, path.as_str()));
    assert_eq!(status(app, &desk).await, Some(OrganisationStatus::Suspended));
    // The terminal's next request, and whoever was logged in there.
    let refused = open_at(app, &desk.peer, "/login").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("利用を停止されている"), "{}", refused.text);
    assert_eq!(end_reason(app).await.as_deref(), Some("organisation_suspended"));
    // Its administrator reads why, and can do nothing.
    let home = send(app, "GET", "/console", FACILITY, "").await;
    assert_eq!(home.status, StatusCode::OK);
    assert!(home.text.contains("停止中") && home.text.contains("定期点検"), "{}", home.text);
    assert!(!home.text.contains("href=\"/console/terminals\""), "{}", home.text);
    let terminal = format!("/console/terminals/{}", desk.terminal_id);
    for (method, path, form) in [
        ("GET", "/console/terminals", String::new()),
        ("GET", "/console/members", String::new()),
        ("GET", "/console/staff", String::new()),
        ("GET", &terminal, String::new()),
        ("POST", "/console/terminals", form(&[("facility", &desk.organisation_id), ("name", "x")])),
    ] {
        let refused = send(app, method, path, FACILITY, &form).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert!(refused.text.contains("定期点検"), "{path}: {}", refused.text);
        for kept in ["action=\"/console/logout\"", "href=\"/console/notices\"", "who-name"] {
            assert!(refused.text.contains(kept), "{path} without {kept}: {}", refused.text);
        }
    }
    deliver_due(app, &Deliverers::new().with(notice::KIND, notice::deliver)).await.unwrap();
    let told = send(app, "GET", "/console/notices", FACILITY, "").await;
    assert!(told.text.contains("施設の利用が停止されました"), "{}", told.text);

    assert_eq!(change(app, &desk, OPERATOR, "suspend").await.status, StatusCode::CONFLICT);
    assert_eq!(change(app, &desk, OPERATOR, "resume").await.status, StatusCode::SEE_OTHER);
    assert_eq!(open_at(app, &desk.peer, "/login").await.status, StatusCode::OK);
    assert_eq!(send(app, "GET", "/console/terminals", FACILITY, "").await.status, StatusCode::OK);
    assert_eq!(end_reason(app).await.as_deref(), Some("organisation_suspended"), "it stays ended");
    let shown = send(app, "GET", &path, OPERATOR, "").await;
    assert_eq!(shown.text.matches("定期点検").count(), 2, "{}", shown.text);
    let acts = acts(app).await;
    for act in [
        "organisation.suspend done operating_administrator",
        "organisation.suspend refused operating_administrator decided_before",
        "organisation.resume done operating_administrator",
    ] {
        assert!(acts.iter().any(|found| found == act), "{act} in {acts:?}");
    }
}

#[tokio::test]
async fn closing_revokes_every_terminal_and_cannot_be_undone() {
    let (test, desk) = instance().await;
    let app = &test.app;
    assert_eq!(change(app, &desk, OPERATOR, "close").await.status, StatusCode::SEE_OTHER);
    assert_eq!(status(app, &desk).await, Some(OrganisationStatus::Closed));
    let mut reader = app.store().read();
    let found = terminal::find(&mut reader, &desk.terminal_id).await.unwrap().unwrap();
    assert_eq!(found.status, TerminalStatus::Revoked);
    let serial = desk.certificate.serial.as_octets();
    let revoked = revocation::status(&mut reader, "terminals", serial).await.unwrap();
    // RFC 5280 §5.3.1: cessationOfOperation.
    assert_eq!(revoked, Some(revocation::Status::Revoked { reason: 5, at: app.now() }));
    let list = sekisho_store::crl::latest(&mut reader, "terminals").await.unwrap().unwrap();
    assert!(list.der.windows(serial.len()).any(|window| window == serial));
    assert_eq!(end_reason(app).await.as_deref(), Some("organisation_closed"));
    for again in ["resume", "suspend", "close"] {
        assert_eq!(change(app, &desk, OPERATOR, again).await.status, StatusCode::CONFLICT);
    }
    assert_eq!(status(app, &desk).await, Some(OrganisationStatus::Closed));
    let path = format!("/console/organisations/{}/status", desk.organisation_id);
    let page = send(app, "GET", &path, OPERATOR, "").await;
    assert!(page.text.contains("廃止した組織は元に戻せません"), "{}", page.text);
    let home = send(app, "GET", "/console", FACILITY, "").await;
    assert!(home.text.contains("廃止"), "{}", home.text);
}

#[tokio::test]
async fn nobody_but_the_operating_bodys_administrator_changes_a_status_and_never_at_their_own() {
    let (test, desk) = instance().await;
    let app = &test.app;
    for cookie in [OFFICER, FACILITY] {
        assert_eq!(change(app, &desk, cookie, "suspend").await.status, StatusCode::FORBIDDEN);
    }
    let both =
        [Role::OperatingAdministrator, Role::FacilityAdministrator(desk.organisation_id.clone())];
    signed_in(app, "両方", &both, ELSEWHERE).await;
    assert_eq!(change(app, &desk, ELSEWHERE, "suspend").await.status, StatusCode::FORBIDDEN);
    let path = format!("/console/organisations/{}/status", desk.organisation_id);
    let page = send(app, "GET", &path, ELSEWHERE, "").await;
    assert!(page.text.contains("ほかの運営管理者に依頼"), "{}", page.text);
    // What does not fit comes back with the reason at its field, and nothing typed is lost.
    let long = "あ".repeat(201);
    for (body, field, kept) in [
        (
            form(&[("change", "suspend"), ("reason", " "), SURE]),
            "reason",
            "value=\"suspend\" checked",
        ),
        (form(&[("change", "suspend"), ("reason", &long), SURE]), "reason", long.as_str()),
        (
            form(&[("change", "suspend"), ("reason", "点\u{202e}検"), SURE]),
            "reason",
            "点\u{202e}検",
        ),
        (form(&[("change", "suspend"), ("reason", "点検")]), "sure", "点検</textarea>"),
        (form(&[("reason", "点検"), SURE]), "change", "点検</textarea>"),
    ] {
        let refused = send(app, "POST", &path, OPERATOR, &body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(refused.text.contains(&format!("id=\"{field}-error\"")), "{body}");
        assert!(refused.text.contains(kept), "{kept} is not in {}", refused.text);
        // The summary calls what is to be ticked by the text beside it, and says how to choose.
        let named = match field {
            "sure" => "<a href=\"#sure\">「試験病院」について",
            "change" => "どれか1つを選んでください",
            _ => "href=\"#reason\"",
        };
        assert!(refused.text.contains(named), "{named} is not in {}", refused.text);
    }
    for body in [
        form(&[("change", "delete"), ("reason", "x"), SURE]),
        form(&[("change", "suspend"), SURE]),
        form(&[("change", "suspend"), ("reason", "x"), ("sure", "no")]),
        form(&[("change", "suspend"), ("reason", "x"), SURE, ("force", "1")]),
    ] {
        let refused = send(app, "POST", &path, OPERATOR, &body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body}");
    }
    let body = form(&[("change", "suspend"), ("reason", "x"), SURE]);
    let path = "/console/organisations/000000000000/status";
    let unknown = send(app, "POST", path, OPERATOR, &body).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(status(app, &desk).await, Some(OrganisationStatus::Active));
    assert_eq!(end_reason(app).await, None);
    assert_eq!(open_at(app, &desk.peer, "/login").await.status, StatusCode::OK);
}

#[tokio::test]
async fn two_suspensions_at_once_are_one() {
    let (test, desk) = instance().await;
    let other = testing::second_process(&test, "node-2").await;
    let (one, two) = tokio::join!(
        change(&test.app, &desk, OPERATOR, "suspend"),
        change(&other, &desk, OPERATOR, "suspend"),
    );
    let mut statuses = [one.status, two.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::SEE_OTHER, StatusCode::CONFLICT]);
    let mut reader = test.app.store().read();
    let events = organisation::events(&mut reader, &desk.organisation_id, 9).await.unwrap();
    assert_eq!(events.len(), 2);
}

#[tokio::test]
async fn an_organisation_is_found_by_officers_and_administrators_of_the_operating_body() {
    let (test, desk) = instance().await;
    let app = &test.app;
    for cookie in [OPERATOR, OFFICER] {
        for asked in ["", "試験", &desk.organisation_id] {
            let path = format!("/console/organisations?{}", form(&[("q", asked)]));
            let page = send(app, "GET", &path, cookie, "").await;
            assert!(page.text.contains("試験病院"), "{asked}: {}", page.text);
        }
    }
    let page = send(app, "GET", "/console/organisations?q=%25", OPERATOR, "").await;
    assert!(page.text.contains("見つかりません"), "{}", page.text);
    let page = send(app, "GET", "/console/organisations?page=1", OPERATOR, "").await;
    assert!(page.text.contains("page=0") && !page.text.contains("試験病院"), "{}", page.text);
    let denied = send(app, "GET", "/console/organisations", FACILITY, "").await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_register_stands_in_the_menu_of_officers_and_operating_administrators_once() {
    let (test, _) = instance().await;
    for (cookie, times) in [(OFFICER, 1), (OPERATOR, 1), (FACILITY, 0)] {
        let page = send(&test.app, "GET", "/console/notices", cookie, "").await;
        let (_, menu) = page.text.split_once("<nav").unwrap();
        let (menu, _) = menu.split_once("</nav>").unwrap();
        assert_eq!(menu.matches("href=\"/console/organisations\"").count(), times, "{menu}");
    }
}
