use http::StatusCode;
use sekisho_store::service;

use super::{
    FACILITY, OFFICER, OPERATOR, registration,
    service::{approve, asked, seen, stored},
};
use crate::{
    catalogue::Lang,
    console::{
        scene::{send, signed_in},
        service::path_of,
    },
    people::role::Role,
    use_case,
};

/// What stands in the text area of this name.
fn field<'a>(page: &'a str, name: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("<textarea id=\"{name}\"")).unwrap();
    let (_, rest) = rest.split_once('>').unwrap();
    rest.split("</textarea>").next().unwrap()
}

/// As a browser reads it.
fn plain(html: &str) -> String {
    html.replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#38;", "&")
}

#[tokio::test]
async fn a_service_is_approved_by_the_rules_of_each_case_as_they_are_offered() {
    let test = registration::owners().await;
    for case in use_case::all() {
        let path = asked(&test).await;
        let shown = seen(&test, &path).await;
        let begun = format!("{path}?use_case={}&seen={shown}", case.number);
        let page = send(&test.app, "GET", &begun, OPERATOR, "").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert!(page.text.contains(&format!("{} の案を下の欄に入れました", case.name(Lang::Ja))));
        assert!(page.text.contains(&format!("<option value=\"{}\" selected>", case.number)));
        let rules = plain(field(&page.text, "rules"));
        let done = approve(&test, &path, &rules, &shown).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{rules}\n{}", done.text);
        let service = stored(&test, &path).await;
        assert!(service.live_at.is_some());
        let found = service::rules(&mut test.app.store().read(), &service.id).await.unwrap();
        let mut within = case.within(&service.scopes).rules();
        // The owner is a vendor: of all vendors its own staff alone.
        for rule in &mut within.rules {
            if rule.kinds.as_ref().is_some_and(|kinds| kinds.contains("vendor")) {
                rule.facilities = Some(service.organisation_id.clone().into_iter().collect());
            }
        }
        let in_force = found.map(|(_, json)| sekisho_authz::Rules::from_json(&json).unwrap());
        assert_eq!(in_force, Some(within), "{}", case.symbol());
    }
}

#[tokio::test]
async fn who_was_shown_another_registration_looks_at_this_one_before_they_begin() {
    let test = registration::owners().await;
    let path = asked(&test).await;
    let shown = seen(&test, &path).await;
    for other in ["", "&seen=", "&seen=0000"] {
        let page = send(&test.app, "GET", &format!("{path}?use_case=7{other}"), OPERATOR, "").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert!(page.text.contains("登録内容が変わりました"), "{other}: {}", page.text);
        assert_eq!(field(&page.text, "rules"), "", "{other}");
    }
    // Neither is what was shown renewed by rules that have to be put right.
    let again = approve(&test, &path, "no rules", "0000").await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", again.text);
    assert!(again.text.contains("name=\"seen\" value=\"0000\""), "{}", again.text);
    assert!(!again.text.contains(&shown), "{}", again.text);
}

#[tokio::test]
async fn who_asks_begins_from_the_cases_description_and_who_has_begun_from_none_from_nothing() {
    let test = registration::owners().await;
    let made = registration::made(&test.app, &registration::filled()).await;
    let path = path_of(&made.client_id);
    let page = send(&test.app, "GET", &path, FACILITY, "").await;
    assert_eq!(field(&page.text, "purpose"), "");
    assert!(page.text.contains("<option value=\"17\">⑰ 民間クラウドサービス"), "{}", page.text);
    let begun = send(&test.app, "GET", &format!("{path}?use_case=7"), FACILITY, "").await;
    assert!(field(&begun.text, "purpose").starts_with("⑦ 電子処方箋\n"), "{}", begun.text);
    let english = send(&test.app, "GET", &format!("{path}?use_case=7&lang=en"), FACILITY, "").await;
    assert!(field(&english.text, "purpose").starts_with("⑦ Electronic prescriptions\n"));
    for none in ["0", "18", "x", "7&use_case=8", "7&rules=x"] {
        let refused =
            send(&test.app, "GET", &format!("{path}?use_case={none}"), FACILITY, "").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{none}: {}", refused.text);
    }
    assert_eq!(stored(&test, &path).await.live_at, None);
}

#[tokio::test]
async fn the_cases_are_shown_to_who_sees_services_with_who_takes_part_and_the_rules() {
    let test = registration::owners().await;
    for cookie in [FACILITY, OPERATOR] {
        let page = send(&test.app, "GET", "/console/use-cases", cookie, "").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let rows: Vec<&str> =
            page.text.lines().filter(|line| line.starts_with("<tr><th scope=\"row\">")).collect();
        assert_eq!(rows.len(), 17);
        for (row, case) in rows.iter().zip(use_case::all()) {
            assert!(row.contains(&case.name(Lang::Ja)), "{row}");
            assert_eq!(row.matches("<td>").count(), 7, "{row}");
            assert_eq!(row.matches('○').count(), case.stakeholders.len(), "{row}");
        }
        for shown in [
            "歯科医師、医師",
            "患者ご本人",
            "HPKIカードと暗証番号",
            "実証の関係者表にない仮定：資格",
        ] {
            assert!(page.text.contains(shown), "{shown} is not in {}", page.text);
        }
    }
    signed_in(&test.app, "認定", &[Role::AccreditationOfficer], OFFICER).await;
    let hidden = send(&test.app, "GET", "/console/use-cases", OFFICER, "").await;
    assert_eq!(hidden.status, StatusCode::FORBIDDEN, "{}", hidden.text);
    assert!(!hidden.text.contains("電子処方箋"));
}
