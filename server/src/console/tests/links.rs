use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use sekisho_store::{
    StoreError, account,
    audit::{Actor, Audited, Entry},
    first_administrator::token_hash,
    notice, transaction,
};
use time::Duration;
use tower::ServiceExt;

use super::{COLLEAGUE, ELSEWHERE, FACILITY, OFFICER, OPERATOR};
use crate::{
    app::App,
    console::scene::{Answer, acts, facility, form, send, signed_in},
    names::NameRole,
    notice as notices,
    outbox::Delivery,
    people::{
        administrator::{self, AdministratorError, Host},
        link::OneTimeLink,
        role::Role,
        totp::TotpSecret,
    },
    router,
    testing::{self, TestApp},
};

const OURS: &str = "123456789007";
const THEIRS: &str = "234567890101";

fn administrator_of(id: &str) -> Role {
    Role::FacilityAdministrator(id.to_owned())
}

struct People {
    test: TestApp,
    operator: String,
    officer: String,
    ours: String,
    colleague: String,
    elsewhere: String,
}

async fn people() -> People {
    let test = testing::app().await;
    let app = &test.app;
    for id in [OURS, THEIRS] {
        facility(app, id).await;
    }
    People {
        operator: signed_in(app, "運営", &[Role::OperatingAdministrator], OPERATOR).await,
        officer: signed_in(app, "認定", &[Role::AccreditationOfficer], OFFICER).await,
        ours: signed_in(app, "管理", &[administrator_of(OURS)], FACILITY).await,
        colleague: signed_in(app, "同僚", &[administrator_of(OURS)], COLLEAGUE).await,
        elsewhere: signed_in(app, "他院", &[administrator_of(THEIRS)], ELSEWHERE).await,
        test,
    }
}

/// The operating body's administrator asks.
async fn by_operator(app: &App, cookie: &str, person: &str) -> Answer {
    send(app, "POST", &format!("/console/roles/{person}/link"), cookie, "").await
}

/// A facility's administrator asks.
async fn by_facility(app: &App, cookie: &str, person: &str, facility: &str) -> Answer {
    let path = format!("/console/staff/{person}/link");
    send(app, "POST", &path, cookie, &form(&[("facility", facility)])).await
}

pub(super) fn token(page: &Answer) -> String {
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let (_, rest) = page.text.split_once("/first-use?token=").unwrap();
    rest.split('<').next().unwrap().to_owned()
}

/// Both factors set by the link; the new session's cookie.
pub(super) async fn used(app: &App, token: &str) -> Option<String> {
    let page = send(app, "GET", &format!("/first-use?token={token}"), "", "").await;
    let (_, rest) = page.text.split_once("name=\"setup\" value=\"")?;
    let setup = rest.split('"').next()?.to_owned();
    let (_, rest) = page.text.split_once("id=\"totp-secret\">")?;
    let secret = TotpSecret::from_text(rest.split('<').next()?).unwrap();
    // Another one each time: the present one is refused.
    let password = format!("kawa-no-nagare-wa {}", &token[..8]);
    let body = form(&[
        ("token", token),
        ("setup", &setup),
        ("password", &password),
        ("password_again", &password),
        ("totp_code", &secret.code_at(app.now()).unwrap()),
    ]);
    let request = Request::builder()
        .method("POST")
        .uri("/first-use")
        .header(header::HOST, app.names().authority(NameRole::Public))
        .header(header::ORIGIN, app.names().origin(NameRole::Public))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .unwrap();
    let response = router::public(app).oneshot(request).await.unwrap();
    let cookie = response.headers().get(header::SET_COOKIE)?.to_str().unwrap().to_owned();
    response.into_body().collect().await.unwrap();
    let value = cookie.strip_prefix("__Host-console=")?.split(';').next()?;
    Some(value.to_owned())
}

async fn set_factors(app: &App, person: &str) {
    let at = app.now();
    let factors = account::Factors { password_phc: "old", totp_sealed: &[1], totp_step: 1 };
    transaction!(app.store(), StoreError, |tx| {
        account::set_factors(tx, person, factors, at).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
}

async fn password(app: &App, person: &str) -> Option<String> {
    account::of_person(&mut app.store().read(), person).await.unwrap().unwrap().password_phc
}

#[tokio::test]
async fn an_officers_new_link_replaces_both_factors_and_ends_sessions_when_it_is_used() {
    let people = people().await;
    let app = &people.test.app;
    set_factors(app, &people.officer).await;
    let first = token(&by_operator(app, OPERATOR, &people.officer).await);
    let page = by_operator(app, OPERATOR, &people.officer).await;
    assert!(page.text.contains("認定") && page.text.contains("30分間"), "{}", page.text);
    let second = token(&page);
    // Until it is used nothing changed.
    assert_eq!(password(app, &people.officer).await.as_deref(), Some("old"));
    assert_eq!(send(app, "GET", "/console", OFFICER, "").await.status, StatusCode::OK);
    assert_eq!(used(app, &first).await, None, "a newer link ended it");

    let cookie = used(app, &second).await.unwrap();
    assert_eq!(send(app, "GET", "/console", &cookie, "").await.status, StatusCode::OK);
    let old = send(app, "GET", "/console", OFFICER, "").await;
    assert_eq!(old.status, StatusCode::SEE_OTHER, "sessions under the old factors ended");
    assert!(password(app, &people.officer).await.unwrap().starts_with("$argon2id$"));
    assert_eq!(used(app, &second).await, None, "once");
    let acts = acts(app).await;
    for act in ["account.issue_link done operating_administrator", "account.first_use done person"]
    {
        assert!(acts.iter().any(|found| found == act), "{act} in {acts:?}");
    }
    let told = app.store().claim_outbox("notice", app.now(), Duration::MINUTE, 9).await.unwrap();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|message| message.payload.contains(&people.officer)));
    assert!(told.iter().all(|message| !message.payload.contains(&second)));
    assert_eq!(notice::count_unread(&mut app.store().read(), &people.ours).await.unwrap(), 0);
}

#[tokio::test]
async fn a_link_ends_after_thirty_minutes() {
    let people = people().await;
    let app = &people.test.app;
    let token = token(&by_operator(app, OPERATOR, &people.officer).await);
    people.test.clock.advance(Duration::minutes(30));
    assert_eq!(used(app, &token).await, None);
    let found = account::find_link(&mut app.store().read(), &token_hash(&token), app.now()).await;
    assert_eq!(found.unwrap(), None);
}

#[tokio::test]
async fn a_facilitys_administrator_makes_one_for_a_colleague_only() {
    let people = people().await;
    let app = &people.test.app;
    let list = send(app, "GET", "/console/staff", FACILITY, "").await;
    assert!(list.text.contains("同僚") && !list.text.contains("他院"), "{}", list.text);
    assert!(!list.text.contains(&format!("/console/staff/{}/link", people.ours)), "{}", list.text);
    let link = token(&by_facility(app, FACILITY, &people.colleague, OURS).await);
    assert!(used(app, &link).await.is_some());

    for (person, facility, status) in [
        (&people.ours, OURS, StatusCode::FORBIDDEN),
        (&people.elsewhere, OURS, StatusCode::NOT_FOUND),
        (&people.officer, OURS, StatusCode::NOT_FOUND),
        (&people.elsewhere, THEIRS, StatusCode::FORBIDDEN),
        (&"nobody".to_owned(), OURS, StatusCode::NOT_FOUND),
    ] {
        let refused = by_facility(app, FACILITY, person, facility).await;
        assert_eq!(refused.status, status, "{person} {facility}");
        assert!(!refused.text.contains("token="));
    }
    let refused: Vec<_> = acts(app).await;
    let refused: Vec<_> =
        refused.iter().filter(|act| act.starts_with("account.issue_link refused")).collect();
    assert_eq!(
        refused,
        [
            "account.issue_link refused facility_administrator own_account",
            "account.issue_link refused facility_administrator not_found",
            "account.issue_link refused facility_administrator not_found",
            "account.issue_link refused facility_administrator not_found",
        ]
    );
}

#[tokio::test]
async fn nobody_gets_into_an_account_by_the_lesser_of_its_roles() {
    let people = people().await;
    let app = &people.test.app;
    let both = "both----AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let roles = [Role::OperatingAdministrator, administrator_of(OURS)];
    let both = signed_in(app, "両方", &roles, both).await;
    for refused in
        [by_facility(app, FACILITY, &both, OURS).await, by_operator(app, OPERATOR, &both).await]
    {
        assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    }
    // Nor does the operating body's administrator get into a facility's account, or an officer
    // into anybody's, or anybody into their own.
    for (cookie, person, status) in [
        (OPERATOR, &people.ours, StatusCode::NOT_FOUND),
        (OFFICER, &people.operator, StatusCode::FORBIDDEN),
        (FACILITY, &people.officer, StatusCode::FORBIDDEN),
        (OPERATOR, &people.operator, StatusCode::FORBIDDEN),
    ] {
        let refused = by_operator(app, cookie, person).await;
        assert_eq!(refused.status, status, "{cookie}: {}", refused.text);
    }
    let told = app.store().claim_outbox("notice", app.now(), Duration::MINUTE, 9).await.unwrap();
    assert!(told.is_empty());
}

#[tokio::test]
async fn the_operator_of_the_host_opens_a_way_in_for_an_administrator_who_missed_theirs() {
    let test = testing::app().await;
    let app = &test.app;
    let first = signed_in(app, "最初", &[Role::OperatingAdministrator], OPERATOR).await;
    let host = Host {
        store: app.store(),
        config: app.config(),
        random: app.random(),
        now: app.now(),
        user: "root(0)",
        machine: "pki-1",
    };
    let token_of = |link: &OneTimeLink| {
        let address = link.address("").to_string();
        address.strip_prefix("/first-use?token=").unwrap().to_owned()
    };
    let shown = std::cell::RefCell::new(Vec::new());
    let show: administrator::Show<'_> = &|link, login_name| {
        shown.borrow_mut().push((token_of(link), login_name.to_owned()));
        Ok(())
    };
    administrator::issue_link(&host, None, show).await.unwrap();
    administrator::issue_link(&host, Some("operator"), show).await.unwrap();
    let (two, name) = shown.borrow_mut().pop().unwrap();
    assert_eq!(name, "operator");
    let (one, name) = shown.borrow_mut().pop().unwrap();
    assert_eq!(name, "operator");
    assert_eq!(used(app, &one).await, None, "the later link ended it");
    assert_eq!(password(app, &first).await, None);
    assert!(used(app, &two).await.is_some());
    assert!(password(app, &first).await.is_some());

    administrator::add(&host, "emergency", "緊急用", show).await.unwrap();
    let (added, _) = shown.borrow_mut().pop().unwrap();
    let cookie = used(app, &added).await.unwrap();
    let roles = send(app, "GET", "/console/roles", &cookie, "").await;
    assert_eq!(roles.status, StatusCode::OK, "{}", roles.text);
    let acts = acts(app).await;
    for act in [
        "account.issue_link done operator_at_host",
        "person.add_administrator done operator_at_host",
    ] {
        assert!(acts.iter().any(|found| found == act), "{act} in {acts:?}");
    }
    let told = app.store().claim_outbox("notice", app.now(), Duration::MINUTE, 9).await.unwrap();
    assert_eq!(told.len(), 3, "two links and a further administrator");
    for message in told {
        assert!(!message.payload.contains(&added), "no notice holds a link");
        assert!(matches!(notices::deliver(app.clone(), message).await, Delivery::Delivered));
    }
    let page = send(app, "GET", "/console/notices", &cookie, "").await;
    assert!(page.text.contains("emergency") && page.text.contains("root(0)"), "{}", page.text);
    // Of the links for somebody else, too.
    let links = page.text.matches("運営管理者「operator」の再設定用リンク").count();
    assert_eq!(links, 2, "{}", page.text);
}

#[tokio::test]
async fn the_operator_of_the_host_must_name_an_administrator_that_there_is() {
    let test = testing::app().await;
    let app = &test.app;
    let host = Host {
        store: app.store(),
        config: app.config(),
        random: app.random(),
        now: app.now(),
        user: "root(0)",
        machine: "pki-1",
    };
    let show: administrator::Show<'_> = &|_, login_name| panic!("shown for {login_name}");
    assert!(matches!(
        administrator::issue_link(&host, None, show).await,
        Err(AdministratorError::Unknown { .. })
    ));
    facility(app, OURS).await;
    signed_in(app, "最初", &[Role::OperatingAdministrator], OPERATOR).await;
    signed_in(app, "認定", &[Role::AccreditationOfficer], OFFICER).await;
    let both = [Role::OperatingAdministrator, administrator_of(OURS)];
    signed_in(app, "兼任", &both, COLLEAGUE).await;
    let before = acts(app).await.len();
    for (login_name, reason) in [
        (None, "several"),
        (Some("officer-"), "no administrator"),
        (Some("nobody"), "no administrator"),
        (Some("colleagu"), "also has a role"),
    ] {
        let Err(refused) = administrator::issue_link(&host, login_name, show).await else {
            panic!("{login_name:?}");
        };
        assert!(refused.to_string().contains(reason), "{refused}");
    }
    for (login_name, reason) in [("operator", "taken"), ("Ab", "no login name")] {
        let Err(refused) = administrator::add(&host, login_name, "x", show).await else {
            panic!("{login_name}");
        };
        assert!(refused.to_string().contains(reason), "{refused}");
    }
    for (name, reason) in
        [("", "is empty"), ("緊\u{202e}急", "invisible"), (&"緊".repeat(101), "100")]
    {
        let Err(refused) = administrator::add(&host, "emergency", name, show).await else {
            panic!("{name}");
        };
        let causes = crate::error::page::Chain(&refused).to_string();
        assert!(causes.contains(reason), "{causes}");
    }
    assert_eq!(acts(app).await.len(), before, "nothing was changed");
}
