use http::StatusCode;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    service::{self, AuthMethod, Service},
    sql, transaction,
};

use super::{ELSEWHERE, FACILITY, OFFICER, OPERATOR, links::used};
use crate::{
    app::App,
    console::scene::{acts, facility, form, send, signed_in},
    people::role::Role,
    testing,
};

fn registered(id: &str, organisation_id: Option<&str>, at: time::OffsetDateTime) -> Service {
    Service {
        id: id.to_owned(),
        organisation_id: organisation_id.map(str::to_owned),
        name_ja: format!("紹介{id}"),
        name_en: format!("Referral {id}"),
        description_ja: "紹介状".to_owned(),
        description_en: "Letters".to_owned(),
        home_url: format!("https://{id}.example/"),
        sector: format!("{id}.example"),
        auth_method: AuthMethod::PrivateKeyJwt,
        secret_hash: None,
        jwks: Some("{\"keys\":[]}".to_owned()),
        backchannel_logout_uri: None,
        metadata: "{}".into(),
        personal_data: None,
        scopes: vec!["openid".to_owned(), "hc_role".to_owned()],
        redirect_uris: vec![format!("https://{id}.example/callback")],
        logout_uris: vec![],
        created_at: at,
        live_at: Some(at),
        withdrawn_at: None,
    }
}

async fn add(app: &App, service: Service, rules: Option<&str>) {
    let at = app.now();
    transaction!(app.store(), StoreError, |tx| {
        service::add(tx, &service).await?;
        if let Some(rules) = rules {
            service::add_rules(tx, &service.id, rules, None, at).await?;
        }
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
}

#[tokio::test]
async fn the_operating_bodys_administrator_sees_every_service_with_its_rules_in_words() {
    let test = testing::app().await;
    let app = &test.app;
    let desk = testing::terminal(app, 1).await;
    let rules = r#"{"rules":[{"id":"physicians","roles":["Medical Doctor"],"kinds":["hospital"],
        "groups":["region"],"minimum_acr":"urn:oid:1.3.6.1.4.1.32473.3.4","release":["hc_role"]}],
        "groups":{"region":["123456789007"]}}"#;
    add(app, registered("own", Some(&desk.organisation_id), app.now()), Some(rules)).await;
    add(app, registered("bare", None, app.now()), None).await;
    add(app, registered("broken", None, app.now()), Some("{")).await;
    add(app, registered("gone", None, app.now()), Some("{\"rules\":[]}")).await;
    let tried = Service { live_at: None, ..registered("tried", None, app.now()) };
    add(app, tried, None).await;
    let at = app.now();
    transaction!(app.store(), StoreError, |tx| {
        tx.execute(sql("UPDATE service SET withdrawn_at = $1 WHERE id = 'gone'").bind(at)).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    signed_in(app, "運営", &[Role::OperatingAdministrator], OPERATOR).await;
    let owner = Role::ServiceOwner(desk.organisation_id.clone());
    signed_in(app, "責任", &[owner], FACILITY).await;
    facility(app, "234567890101").await;
    let other = Role::ServiceOwner("234567890101".to_owned());
    signed_in(app, "別", &[other], ELSEWHERE).await;
    signed_in(app, "認定", &[Role::AccreditationOfficer], OFFICER).await;

    let page = send(app, "GET", "/console/services?lang=ja", OPERATOR, "").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    for shown in [
        "紹介own",
        "https://own.example/callback",
        "<code>hc_role</code>",
        "private_key_jwt",
        "第1版",
        "physicians",
        "医師",
        "病院",
        "region（1施設）",
        "HPKIカードと暗証番号",
        "施設の職員に限る",
        "利用者の決まりがありません",
        "決まりに誤りがあり",
        "承認を取り消し",
        "試験中（未承認）",
        "試験用の施設の人だけが利用できます",
    ] {
        assert!(page.text.contains(shown), "{shown} is not in {}", page.text);
    }
    assert!(!page.text.contains("\"keys\""));
    let page = send(app, "GET", "/console/services?lang=en", OPERATOR, "").await;
    assert!(page.text.contains("Referral own") && page.text.contains("Members of the facility"));

    let owned = send(app, "GET", "/console/services", FACILITY, "").await;
    assert!(owned.text.contains("紹介own") && !owned.text.contains("紹介bare"), "{}", owned.text);
    let none = send(app, "GET", "/console/services", ELSEWHERE, "").await;
    assert!(none.text.contains("登録されていません"), "{}", none.text);
    let denied = send(app, "GET", "/console/services", OFFICER, "").await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_long_list_is_shown_in_parts() {
    let test = testing::app().await;
    let app = &test.app;
    for number in 0..51 {
        add(app, registered(&format!("s{number:02}"), None, app.now()), None).await;
    }
    signed_in(app, "運営", &[Role::OperatingAdministrator], OPERATOR).await;
    let first = send(app, "GET", "/console/services", OPERATOR, "").await;
    assert!(first.text.contains("紹介s49") && !first.text.contains("紹介s50"));
    assert!(first.text.contains("/console/services?page=1"));
    let second = send(app, "GET", "/console/services?page=1", OPERATOR, "").await;
    assert!(second.text.contains("紹介s50") && !second.text.contains("紹介s49"));
    assert!(second.text.contains("/console/services?page=0"));
}

#[tokio::test]
async fn an_appointed_service_owner_sees_the_services_of_their_organisation_and_no_others() {
    let test = testing::app().await;
    let app = &test.app;
    let (ours, theirs) = ("123456789007", "234567890101");
    for id in [ours, theirs] {
        facility(app, id).await;
    }
    add(app, registered("ours", Some(ours), app.now()), None).await;
    add(app, registered("theirs", Some(theirs), app.now()), None).await;
    signed_in(app, "運営", &[Role::OperatingAdministrator], OPERATOR).await;
    let appoint = |organisation: &str| {
        form(&[
            ("login_name", "tanaka"),
            ("name", "田中"),
            ("name_kana", ""),
            ("email", "t@example.jp"),
            ("role", "service_owner"),
            ("organisation_id", organisation),
        ])
    };
    for nowhere in ["", "999999999999", "x"] {
        let refused = send(app, "POST", "/console/roles", OPERATOR, &appoint(nowhere)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{nowhere}");
        assert!(refused.text.contains("organisation_id-error"), "{}", refused.text);
    }
    let made = send(app, "POST", "/console/roles", OPERATOR, &appoint(ours)).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let list = send(app, "GET", "/console/roles", OPERATOR, "").await;
    assert!(list.text.contains("田中") && list.text.contains(ours), "{}", list.text);
    let (_, token) = made.text.split_once("/first-use?token=").unwrap();
    let cookie = used(app, token.split('<').next().unwrap()).await.unwrap();

    let home = send(app, "GET", "/console", &cookie, "").await;
    assert!(home.text.contains("/console/services"), "{}", home.text);
    let page = send(app, "GET", "/console/services", &cookie, "").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("紹介ours") && !page.text.contains("紹介theirs"), "{}", page.text);
    for path in ["/console/roles", "/console/organisations", "/console/applications"] {
        let refused = send(app, "GET", path, &cookie, "").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert!(acts(app).await.iter().any(|act| act == "role.grant done operating_administrator"));
}

#[tokio::test]
async fn people_of_an_organisation_are_found_by_its_identifier() {
    let test = testing::app().await;
    let app = &test.app;
    facility(app, "123456789007").await;
    signed_in(app, "運営", &[Role::OperatingAdministrator], OPERATOR).await;
    let administrator = Role::FacilityAdministrator("123456789007".to_owned());
    signed_in(app, "施設長", &[administrator], FACILITY).await;
    let own = send(app, "GET", "/console/roles", OPERATOR, "").await;
    assert!(own.text.contains("運営") && !own.text.contains("施設長"), "{}", own.text);
    let theirs = "/console/roles?organisation=123456789007";
    let theirs = send(app, "GET", theirs, OPERATOR, "").await;
    assert!(theirs.text.contains("施設長") && theirs.text.contains("/withdraw"), "{}", theirs.text);
    assert!(!theirs.text.contains("/link\""), "their links are made at the facility");
}
