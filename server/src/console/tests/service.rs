use http::StatusCode;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    service::{self, Service},
    service_change, transaction,
};

use time::Duration;

use super::{ELSEWHERE, FACILITY, OFFICER, OPERATOR, registration};
use crate::{
    console::{
        scene::{Answer, acts, form, send, signed_in},
        service::path_of,
    },
    notice,
    outbox::{Deliverers, deliver_due},
    people::role::Role,
    testing::TestApp,
};

#[tokio::test]
async fn a_services_page_shows_its_configurations_to_its_owner_and_the_operating_body_only() {
    let test = registration::owners().await;
    let app = &test.app;
    let made = registration::made(app, &registration::filled()).await;
    let path = path_of(&made.client_id);
    for cookie in [FACILITY, OPERATOR] {
        let page = send(app, "GET", &path, cookie, "").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        for shown in [
            "<pre class=\"code\" id=\"ready-openid-client\">",
            "<pre class=\"code\" id=\"ready-spring\">",
            "https://referral.example/callback",
            "試験中（未承認）",
            &made.client_id,
        ] {
            assert!(page.text.contains(shown), "{shown} is not in {}", page.text);
        }
        assert!(!page.text.contains(&made.secret), "the secret is shown again");
        assert!(!page.text.contains("ready-nginx"));
    }
    signed_in(app, "認定", &[Role::AccreditationOfficer], OFFICER).await;
    for cookie in [ELSEWHERE, OFFICER] {
        let hidden = send(app, "GET", &path, cookie, "").await;
        assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{}", hidden.text);
        assert!(!hidden.text.contains("紹介状"));
    }
    let nothing = send(app, "GET", &path_of("nobody"), OPERATOR, "").await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_service_behind_a_proxy_is_registered_by_the_form_and_gets_the_proxys_lines() {
    let test = registration::owners().await;
    let app = &test.app;
    let mut fields = registration::filled();
    fields.push(("forward_auth", "yes"));
    let refused = send(app, "POST", "/console/services/new", FACILITY, &form(&fields)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("redirect_uris-error"), "{}", refused.text);
    fields.retain(|(name, _)| *name != "redirect_uris");
    fields.push(("redirect_uris", "https://referral.example/.sso/callback"));
    let made = registration::made(app, &fields).await;
    let page = send(app, "GET", &path_of(&made.client_id), FACILITY, "").await;
    assert!(page.text.contains("id=\"ready-nginx\""), "{}", page.text);
    assert!(!page.text.contains("ready-authlib"));
    fields.retain(|(name, _)| *name != "authentication");
    fields.push(("authentication", "none"));
    let refused = send(app, "POST", "/console/services/new", FACILITY, &form(&fields)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("authentication-error"), "{}", refused.text);
}

#[tokio::test]
async fn the_form_asks_for_refresh_tokens_and_the_configuration_uses_them() {
    let test = registration::owners().await;
    let app = &test.app;
    let mut fields = registration::filled();
    for (ticked, shown) in [(false, false), (true, true)] {
        if ticked {
            fields.push(("refreshes", "yes"));
        }
        let made = registration::made(app, &fields).await;
        let page = send(app, "GET", &path_of(&made.client_id), FACILITY, "").await;
        assert_eq!(page.text.contains("refreshTokenGrant"), shown, "{}", page.text);
        let stored = stored(&test, &path_of(&made.client_id)).await;
        assert_eq!(stored.metadata.contains(r#""refresh_token""#), shown, "{}", stored.metadata);
    }
}

const RULES: &str =
    "[[rules]]\nid = \"physicians\"\nroles = [\"Medical Doctor\"]\nrelease = [\"name\"]\n";

/// A service of ours that its owner asked for, with its page's path.
pub(super) async fn asked(test: &TestApp) -> String {
    let made = registration::made(&test.app, &registration::filled()).await;
    let path = path_of(&made.client_id);
    let purpose = form(&[("purpose", "紹介状を\n読むため。")]);
    let done = send(&test.app, "POST", &format!("{path}/ask"), FACILITY, &purpose).await;
    assert_eq!((done.status, done.location.as_str()), (StatusCode::SEE_OTHER, path.as_str()));
    path
}

pub(super) async fn seen(test: &TestApp, path: &str) -> String {
    let page = send(&test.app, "GET", path, OPERATOR, "").await;
    let (_, rest) = page.text.split_once("name=\"seen\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

pub(super) async fn approve(test: &TestApp, path: &str, rules: &str, seen: &str) -> Answer {
    let body = form(&[("rules", rules), ("seen", seen)]);
    send(&test.app, "POST", &format!("{path}/approve"), OPERATOR, &body).await
}

pub(super) async fn stored(test: &TestApp, path: &str) -> Service {
    let (_, id) = path.rsplit_once('/').unwrap();
    service::find(&mut test.app.store().read(), id).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_owner_asks_and_the_operating_body_lets_the_service_out_by_rules() {
    let test = registration::owners().await;
    let app = &test.app;
    let path = asked(&test).await;
    let waiting = send(app, "GET", "/console/services", OPERATOR, "").await;
    assert!(waiting.text.contains("waiting-title"), "{}", waiting.text);
    let own = send(app, "GET", &path, FACILITY, "").await;
    assert!(own.text.contains("紹介状を\n読むため。") && !own.text.contains("/approve"));
    let again = form(&[("purpose", "もう一度")]);
    let again = send(app, "POST", &format!("{path}/ask"), FACILITY, &again).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text);

    let page = send(app, "GET", &path, OPERATOR, "").await;
    assert!(page.text.contains("紹介状を\n読むため。"), "{}", page.text);
    let done = approve(&test, &path, RULES, &seen(&test, &path).await).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let service = stored(&test, &path).await;
    assert!(service.live_at.is_some());
    let rules = service::rules(&mut app.store().read(), &service.id).await.unwrap();
    assert!(rules.is_some_and(|(version, rules)| version == 1 && rules.contains("physicians")));
    let page = send(app, "GET", &path, FACILITY, "").await;
    assert!(page.text.contains("承認済み") && !page.text.contains("live-title"), "{}", page.text);
    let late = approve(&test, &path, RULES, "").await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    let waiting = send(app, "GET", "/console/services", OPERATOR, "").await;
    assert!(!waiting.text.contains("waiting-title"));
    let acts = acts(app).await;
    for act in [
        "service.ask done service_owner",
        "service.ask refused service_owner asked_before",
        "service.approve done operating_administrator",
        "service.approve refused operating_administrator live",
    ] {
        assert!(acts.iter().any(|other| other == act), "{act} is not in {acts:#?}");
    }
}

/// Of the service at `path` those who answer for it and the operating body are told this, and nobody else.
async fn told(test: &TestApp, path: &str, words: &str) {
    let app = &test.app;
    deliver_due(app, &Deliverers::new().with(notice::KIND, notice::deliver)).await.unwrap();
    for (cookie, reads) in [(FACILITY, true), (OPERATOR, true), (ELSEWHERE, false)] {
        let page = send(app, "GET", "/console/notices", cookie, "").await;
        let shown = page.text.contains(words) && page.text.contains(path);
        assert_eq!(shown, reads, "{words}: {}", page.text);
    }
}

#[tokio::test]
async fn owners_and_administrators_have_a_notice_of_the_request_and_of_each_decision() {
    let test = registration::owners().await;
    let path = asked(&test).await;
    told(&test, &path, "承認が申請されました").await;
    let reason = form(&[("reason", "氏名は要らないはずです。")]);
    send(&test.app, "POST", &format!("{path}/refuse"), OPERATOR, &reason).await;
    told(&test, &path, "認められませんでした（理由：氏名は要らないはずです。）").await;
    let purpose = form(&[("purpose", "氏名なしで。")]);
    send(&test.app, "POST", &format!("{path}/ask"), FACILITY, &purpose).await;
    approve(&test, &path, RULES, &seen(&test, &path).await).await;
    told(&test, &path, "本番で使えるようになりました").await;
    let page = send(&test.app, "GET", "/console/notices", OPERATOR, "").await;
    assert_eq!(page.text.matches("<article").count(), 4, "{}", page.text);
}

#[tokio::test]
async fn rules_that_cannot_be_used_are_told_at_their_field_and_approve_nothing() {
    let test = registration::owners().await;
    let path = asked(&test).await;
    let seen = seen(&test, &path).await;
    for (rules, told) in [
        ("[[rules", "この決まりは使えません"),
        ("# nobody", "決まりが1つもありません"),
        ("[[rules]]\nid = \"a\"\nroles = [\"Wizard\"]", "Wizard"),
        ("[[rules]]\nid = \"a\"\nfacilities = [\"999999999998\"]", "999999999998"),
        ("[[rules]]\nid = \"a\"\nrelease = [\"hc_role\"]", "scope hc_role"),
    ] {
        let again = approve(&test, &path, rules, &seen).await;
        assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "{rules}: {}", again.text);
        assert!(again.text.contains(told), "{rules}: {told} is not in {}", again.text);
        assert!(again.text.contains("rules-error"));
    }
    assert_eq!(stored(&test, &path).await.live_at, None);
}

#[tokio::test]
async fn what_changed_since_it_was_shown_is_not_approved() {
    let test = registration::owners().await;
    let path = asked(&test).await;
    let seen = seen(&test, &path).await;
    let mut changed = stored(&test, &path).await;
    changed.scopes.push("terminal".into());
    let at = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        service_change::replace(tx, &changed).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    let refused = approve(&test, &path, RULES, &seen).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert!(refused.text.contains("登録が変わりました"));
    assert_eq!(stored(&test, &path).await.live_at, None);
}

#[tokio::test]
async fn a_refusal_tells_the_owner_why_who_may_ask_again() {
    let test = registration::owners().await;
    let app = &test.app;
    let path = asked(&test).await;
    let empty = form(&[("reason", " ")]);
    let again = send(app, "POST", &format!("{path}/refuse"), OPERATOR, &empty).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    let reason = form(&[("reason", "氏名は要らないはずです。")]);
    let refused = send(app, "POST", &format!("{path}/refuse"), OPERATOR, &reason).await;
    assert_eq!(refused.status, StatusCode::SEE_OTHER, "{}", refused.text);
    let page = send(app, "GET", &path, FACILITY, "").await;
    assert!(page.text.contains("氏名は要らないはずです。"), "{}", page.text);
    assert!(page.text.contains(&format!("action=\"{path}/ask\"")));
    let late = send(app, "POST", &format!("{path}/refuse"), OPERATOR, &reason).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert_eq!(stored(&test, &path).await.live_at, None);
    let purpose = form(&[("purpose", "氏名なしで。")]);
    let asked = send(app, "POST", &format!("{path}/ask"), FACILITY, &purpose).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn nobody_decides_about_their_own_service_nor_asks_for_anothers() {
    let test = registration::owners().await;
    let app = &test.app;
    let path = asked(&test).await;
    let purpose = form(&[("purpose", "x")]);
    for cookie in [ELSEWHERE, OPERATOR] {
        let hidden = send(app, "POST", &format!("{path}/ask"), cookie, &purpose).await;
        assert_eq!(hidden.status, StatusCode::NOT_FOUND);
    }
    // One human being with two accounts: the same name as the owner's.
    signed_in(app, "責任", &[Role::OperatingAdministrator], OFFICER).await;
    let page = send(app, "GET", &path, OFFICER, "").await;
    assert!(
        page.text.contains("同じ氏名") && !page.text.contains("name=\"seen\""),
        "{}",
        page.text
    );
    let seen = seen(&test, &path).await;
    let approval = form(&[("rules", RULES), ("seen", &seen)]);
    let reason = form(&[("reason", "x")]);
    for (act, body) in [("approve", &approval), ("refuse", &reason)] {
        let refused = send(app, "POST", &format!("{path}/{act}"), OFFICER, body).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{act}: {}", refused.text);
        let denied = send(app, "POST", &format!("{path}/{act}"), FACILITY, body).await;
        assert_eq!(denied.status, StatusCode::FORBIDDEN, "{act}");
    }
    assert_eq!(stored(&test, &path).await.live_at, None);
    let refused = "service.approve refused operating_administrator namesake_of_owner";
    assert!(acts(app).await.iter().any(|act| act == refused));
}

#[tokio::test]
async fn the_self_check_shows_what_is_known_and_starts_trials_for_the_owner_alone() {
    let test = registration::owners().await;
    let app = &test.app;
    let made = registration::made(app, &registration::filled()).await;
    let path = path_of(&made.client_id);
    let page = send(app, "GET", &path, FACILITY, "").await;
    for shown in ["check-redirect", "check-clock", "/check/notice", "/check/signature"] {
        assert!(page.text.contains(shown), "{shown} is not in {}", page.text);
    }
    assert!(!page.text.contains("よい"), "nothing was seen");
    let page = send(app, "GET", &path, OPERATOR, "").await;
    assert!(page.text.contains("check-redirect") && !page.text.contains("/check/notice"));
    for act in ["notice", "signature"] {
        for cookie in [ELSEWHERE, OPERATOR] {
            let hidden = send(app, "POST", &format!("{path}/check/{act}"), cookie, "").await;
            assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{act}");
        }
        for _ in 0..2 {
            let begun = send(app, "POST", &format!("{path}/check/{act}"), FACILITY, "").await;
            assert_eq!((begun.status, &begun.location), (StatusCode::SEE_OTHER, &path), "{act}");
        }
    }
    let due = app.store().claim_outbox("service_check", app.now(), Duration::MINUTE, 9).await;
    assert_eq!(due.unwrap().len(), 1, "whoever presses twice gets one trial");
    let page = send(app, "GET", &path, FACILITY, "").await;
    assert!(page.text.contains("通知を送っています"), "{}", page.text);
    assert!(page.text.contains("10分以内に"), "{}", page.text);
}

#[tokio::test]
async fn a_live_service_has_no_self_check_and_no_trial() {
    let test = registration::owners().await;
    let path = asked(&test).await;
    approve(&test, &path, RULES, &seen(&test, &path).await).await;
    let page = send(&test.app, "GET", &path, FACILITY, "").await;
    assert!(!page.text.contains("check-title"), "{}", page.text);
    for act in ["notice", "signature"] {
        let refused = send(&test.app, "POST", &format!("{path}/check/{act}"), FACILITY, "").await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{act}: {}", refused.text);
    }
}
