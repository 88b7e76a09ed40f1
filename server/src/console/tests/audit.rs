use http::StatusCode;
use sekisho_store::{
    StoreError, audit,
    audit::{Actor, Audited, Entry},
    transaction,
};
use time::Duration;

use super::{FACILITY, OFFICER, OPERATOR};
use crate::{
    app::App,
    console::scene::{acts, facility, send, signed_in},
    people::role::Role,
    testing,
};

const AUDITOR: &str = "auditor-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const THEIRS_COOKIE: &str = "namesake-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const THEIRS: &str = "234567890103";

async fn tell(app: &App, entry: Entry) {
    transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone()))).unwrap();
}

fn created(app: &App, by: &str) -> Entry {
    Entry::done("terminal.create", Actor::Person(by.to_owned()), app.now())
        .from_address("192.0.2.7")
}

async fn count(app: &App, act: &str) -> usize {
    acts(app).await.iter().filter(|found| found.starts_with(act)).count()
}

#[tokio::test]
async fn an_auditor_finds_records_by_who_what_where_and_when() {
    let test = testing::app().await;
    let app = &test.app;
    facility(app, THEIRS).await;
    let officer = signed_in(app, "認定", &[Role::AccreditationOfficer], OFFICER).await;
    tell(app, created(app, &officer).at_organisation(THEIRS).on("terminal", "T0000000001")).await;
    let refused = Entry::refused("login.card", Actor::Stranger, app.now(), "replayed");
    tell(app, refused.from_address("192.0.2.7")).await;
    test.clock.advance(Duration::hours(2));
    tell(app, created(app, "somebody")).await;
    signed_in(app, "監査", &[Role::Auditor], AUDITOR).await;

    let granted = Entry::done("role.grant", Actor::Person(officer.clone()), app.now());
    let granted = granted.from_address("192.0.2.7").on("person", "the-one-who-got-it");
    tell(app, granted).await;
    let granted = send(app, "GET", "/console/audit?act=role.grant&lang=en", AUDITOR, "").await;
    assert!(granted.text.contains(">To whom</th>"), "{}", granted.text);
    assert!(granted.text.contains("<td><code>the-one-who-got-it</code></td>"), "{}", granted.text);

    let home = send(app, "GET", "/console", AUDITOR, "").await;
    assert!(home.text.contains("href=\"/console/audit\""), "{}", home.text);
    let all = send(app, "GET", "/console/audit", AUDITOR, "").await;
    assert_eq!(all.status, StatusCode::OK, "{}", all.text);
    let at = |needle: &str| all.text.rfind(needle).unwrap_or_else(|| panic!("{needle}"));
    assert!(at("somebody") < at("replayed"), "newest first");
    for (query, shown, hidden) in [
        ("actor=officer-", officer.as_str(), "somebody"),
        ("actor=somebody", "somebody", "replayed"),
        ("act=login.card", "replayed", "somebody"),
        ("facility=234567890103", officer.as_str(), "somebody"),
        ("until=2026-11-21T19:00", "replayed", "somebody"),
        ("from=2026-11-21T19:00", "somebody", "replayed"),
        ("from=2026-11-21T18:00&until=2026-11-21T19:00&actor=officer-", &officer, "replayed"),
    ] {
        let page = send(app, "GET", &format!("/console/audit?{query}"), AUDITOR, "").await;
        assert_eq!(page.status, StatusCode::OK, "{query}");
        let (_, lines) = page.text.split_once("<tbody>").unwrap();
        assert!(lines.contains(shown), "{query}: {lines}");
        assert!(!lines.contains(hidden), "{query}: {lines}");
    }
    // Addresses that no page of ours linked to.
    for query in ["before=1", "before=x.y", "before=1.2&act=x", "lang=ja&lang=en"] {
        let path = format!("/console/audit?{query}");
        let wrong = send(app, "GET", &path, AUDITOR, "").await;
        assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "{query}: {}", wrong.text);
        assert!(wrong.text.contains("lang）") || wrong.text.contains("before）"), "{}", wrong.text);
    }
    let repeated = send(app, "GET", "/console?lang=en&lang=ja", AUDITOR, "").await;
    assert_eq!(repeated.status, StatusCode::BAD_REQUEST, "also where a page takes no query");
    let long = "a".repeat(201);
    for (field, value) in [
        ("from", "yesterday"),
        ("facility", "1"),
        ("facility", "234567890102"),
        ("actor", &long),
        ("act", &long),
    ] {
        let path = format!("/console/audit?{field}={value}");
        let wrong = send(app, "GET", &path, AUDITOR, "").await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        assert!(wrong.text.contains(&format!("{field}-error")), "{}", wrong.text);
    }
}

#[tokio::test]
async fn acts_are_called_by_a_phrase_and_people_by_their_names() {
    let test = testing::app().await;
    let app = &test.app;
    let one = signed_in(app, "佐藤　一郎", &[Role::OperatingAdministrator], OPERATOR).await;
    let officer = signed_in(app, "認定　花子", &[Role::AccreditationOfficer], OFFICER).await;
    signed_in(app, "監査", &[Role::Auditor], AUDITOR).await;
    let granted = Entry::done("role.grant", Actor::Person(one.clone()), app.now());
    tell(app, granted.from_address("192.0.2.7").on("person", &officer)).await;
    let page = async |lang: &str| {
        let path = format!("/console/audit?act=role.grant&lang={lang}");
        send(app, "GET", &path, AUDITOR, "").await.text
    };
    let japanese = page("ja").await;
    for part in [
        "<td>役割を付与 <code class=\"technical\">role.<wbr>grant<wbr></code></td>",
        &format!("<a href=\"/console/audit?actor={one}\" title=\"{one}\">佐藤　一郎</a></td>"),
        &format!("title=\"{officer}\">認定　花子</a></td>"),
        "selected>役割を付与 (role.grant)</option>",
    ] {
        assert!(japanese.contains(part), "{part} is not in {japanese}");
    }
    assert!(page("en").await.contains("<td>Granted a role <code"));
    // Two of one name are told apart by their identifiers.
    let namesake = signed_in(app, "佐藤　一郎", &[], THEIRS_COOKIE).await;
    let granted = Entry::done("role.grant", Actor::Person(namesake.clone()), app.now());
    tell(app, granted.from_address("192.0.2.7")).await;
    let both = page("ja").await;
    for id in [one, namesake] {
        let told = format!("佐藤　一郎</a> <code class=\"technical\">{id}</code></td>");
        assert!(both.contains(&told), "{told} is not in {both}");
    }
}

#[tokio::test]
async fn pages_follow_one_another_by_key() {
    let test = testing::app().await;
    let app = &test.app;
    signed_in(app, "監査", &[Role::Auditor], AUDITOR).await;
    for number in 0..60 {
        tell(app, created(app, &format!("person-{number:02}."))).await;
    }
    let first = send(app, "GET", "/console/audit?act=terminal.create", AUDITOR, "").await;
    assert!(first.text.contains("person-59.") && !first.text.contains("person-09."));
    let (_, rest) = first.text.split_once("before=").unwrap();
    let before = rest.split('"').next().unwrap();
    // What is written meanwhile moves nothing.
    tell(app, created(app, "person-60.")).await;
    let path = format!("/console/audit?act=terminal.create&before={before}");
    let second = send(app, "GET", &path, AUDITOR, "").await;
    for number in 0..10 {
        assert!(second.text.contains(&format!("person-{number:02}.")), "{path} {}", second.text);
    }
    assert!(!second.text.contains("person-10.") && !second.text.contains("person-60."));
    assert!(!second.text.contains("rel=\"next\""), "it is the last");
}

#[tokio::test]
async fn a_record_shows_what_is_hashed_and_personal_fields_only_for_a_record_of_their_own() {
    let test = testing::app().await;
    let app = &test.app;
    signed_in(app, "監査", &[Role::Auditor], AUDITOR).await;
    tell(app, created(app, "p").personal("name", "山田　太郎")).await;
    let records = audit::list(&mut app.store().read(), "", None, 100).await.unwrap();
    let record = records.into_iter().find(|record| record.columns.act == "terminal.create");
    let record = record.unwrap();
    let path = format!("/console/audit/{}", record.id);
    let page = send(app, "GET", &path, AUDITOR, "").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(
        page.text.contains(&hex::encode(&record.leaf_hash))
            && page.text.contains("terminal.create")
    );
    assert!(!page.text.contains("山田"), "{}", page.text);
    assert_eq!(count(app, "audit.read_personal").await, 0);
    let open = send(app, "POST", &format!("{path}/personal"), AUDITOR, "").await;
    assert!(open.text.contains("山田　太郎"), "{}", open.text);
    assert_eq!(count(app, "audit.read_personal done auditor").await, 1);
    let nothing = send(app, "GET", "/console/audit/nothing", AUDITOR, "").await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_visit_of_an_hour_is_recorded_once_and_each_file() {
    let test = testing::app().await;
    let app = &test.app;
    signed_in(app, "監査", &[Role::Auditor], AUDITOR).await;
    for (minutes, records) in
        [(0, 1), (10, 1), (20, 1), (30, 1), (40, 1), (50, 1), (60, 1), (70, 2)]
    {
        let page = send(app, "GET", "/console/audit", AUDITOR, "").await;
        assert_eq!(page.status, StatusCode::OK, "after {minutes} minutes");
        assert_eq!(count(app, "audit.read done auditor").await, records, "after {minutes} minutes");
        test.clock.advance(Duration::minutes(10));
    }

    let file = send(app, "GET", "/console/audit-download?act=audit.read", AUDITOR, "").await;
    assert_eq!(file.status, StatusCode::OK);
    let lines: Vec<serde_json::Value> =
        file.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line["act"] == "audit.read" && line["role"] == "auditor"));
    assert!(lines[0]["at"].as_i64() > lines[1]["at"].as_i64(), "newest first");
    assert_eq!(count(app, "audit.download done auditor").await, 1);
    let wrong = send(app, "GET", "/console/audit-download?until=x", AUDITOR, "").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert_eq!(count(app, "audit.download done auditor").await, 1);
}

#[tokio::test]
async fn nobody_but_an_auditor_reads_the_trail() {
    let test = testing::app().await;
    let app = &test.app;
    facility(app, THEIRS).await;
    signed_in(app, "運営", &[Role::OperatingAdministrator], OPERATOR).await;
    signed_in(app, "認定", &[Role::AccreditationOfficer], OFFICER).await;
    let others =
        [Role::FacilityAdministrator(THEIRS.to_owned()), Role::ServiceOwner(THEIRS.to_owned())];
    signed_in(app, "施設", &others, FACILITY).await;
    tell(app, created(app, "p").personal("name", "山田　太郎")).await;
    let records = audit::list(&mut app.store().read(), "", None, 100).await.unwrap();
    let id = &records.last().unwrap().id;
    for cookie in [OPERATOR, OFFICER, FACILITY] {
        for path in ["/console/audit", "/console/audit-download", &format!("/console/audit/{id}")] {
            let refused = send(app, "GET", path, cookie, "").await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
            assert!(!refused.text.contains("terminal.create"));
        }
        let refused = send(app, "POST", &format!("/console/audit/{id}/personal"), cookie, "").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(count(app, "audit.").await, 0, "and none of it counts as read");
}
