//! The facility administrator's page: for their own facility, and for no other.

use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    invitation, membership, sql, transaction,
};
use tower::ServiceExt;

use super::desk::{Answered, Desk, count, desk, instance, live_sessions, physician, told};
use crate::{
    names::NameRole,
    people::session::NewSession,
    router,
    testing::{self, TestApp},
};

/// A signed-in administrator of this desk's facility; the cookie.
pub(super) async fn administrator(test: &TestApp, organisation_id: &str) -> String {
    let drawn = NewSession::draw(test.app.random()).unwrap();
    let now = test.app.now();
    let done: Result<(), StoreError> = transaction!(test.app.store(), StoreError, |tx| {
        tx.execute(sql("INSERT INTO person (id, created_at) VALUES ('admin', 0)
                        ON CONFLICT (id) DO NOTHING"))
            .await?;
        tx.execute(
            sql("INSERT INTO role_grant (id, person_id, role, organisation_id, granted_at)
                 VALUES ($1, 'admin', 'facility_administrator', $1, $2)")
            .bind(organisation_id)
            .bind(now),
        )
        .await?;
        drawn.open(tx, &test.app, "admin").await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    });
    done.unwrap();
    drawn.cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
}

pub(super) async fn send(
    test: &TestApp,
    cookie: &str,
    path: &str,
    form: Option<String>,
) -> Answered {
    let method = if form.is_some() { "POST" } else { "GET" };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, test.app.names().authority(NameRole::Public))
        .header(header::ORIGIN, &test.app.names().public)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::COOKIE, cookie)
        .extension(testing::peer(NameRole::Public, &[]))
        .body(Body::from(form.unwrap_or_default()))
        .unwrap();
    let response = router::public(&test.app).oneshot(request).await.unwrap();
    let location = response.headers().get(header::LOCATION);
    let location = location.map(|value| value.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answered { status, location, text: String::from_utf8(body.to_vec()).unwrap() }
}

fn invite_form(desk: &Desk, name: &str) -> String {
    invite_form_with_kana(desk, name, "ヤマダ タロウ")
}

fn invite_form_with_kana(desk: &Desk, name: &str, name_kana: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("organisation", &desk.terminal.organisation_id)
        .append_pair("name", name)
        .append_pair("name_kana", name_kana)
        .append_pair("role", "Medical Doctor")
        .append_pair("licence_number", "")
        .finish()
}

/// The code on a slip.
pub(super) fn code_on(slip: &str) -> String {
    let is_code = |word: &&str| word.len() == 24 && word.matches('-').count() == 4;
    slip.split(['<', '>', ' ']).find(is_code).unwrap_or_else(|| panic!("{slip}")).to_owned()
}

#[tokio::test]
async fn an_invited_physician_logs_in_and_is_ended_with_their_sessions() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let admin = administrator(&test, &desk.terminal.organisation_id).await;
    let form = Some(invite_form(&desk, "山田 太郎"));
    let slip = send(&test, &admin, "/console/members/invitations", form).await;
    assert_eq!(slip.status, 200, "{}", slip.text);
    let code = code_on(&slip.text);
    assert_eq!(desk.redeem(&test, &code, &physician()).await.status, 200);
    let page = send(&test, &admin, "/console/members?lang=ja", None).await;
    assert!(page.text.contains("山田") && page.text.contains("医師"), "{}", page.text);
    assert!(!page.text.contains(&code), "the code is shown once");
    let mut reader = test.app.store().read();
    let members = membership::list(&mut reader, &desk.terminal.organisation_id, 9).await.unwrap();
    let path = format!("/console/members/{}/end", members[0].id);
    let unsure = Some(format!("organisation={}", desk.terminal.organisation_id));
    let unsure = send(&test, &admin, &path, unsure).await;
    assert_eq!(unsure.status, 422);
    for part in ["<details open>", "<a href=\"#sure\">山田", "id=\"sure\" type=\"checkbox\""] {
        assert!(unsure.text.contains(part), "{part}: {}", unsure.text);
    }
    assert_eq!(live_sessions(&test).await, 1, "nothing ended without the tick");
    let form = Some(format!("organisation={}&sure=yes", desk.terminal.organisation_id));
    assert_eq!(send(&test, &admin, &path, form.clone()).await.status, 303);
    assert_eq!(live_sessions(&test).await, 0);
    assert!(told(&test, "membership.end", None).await);
    let answered = desk.get(&test, "/").await;
    assert_eq!(answered.location.as_deref(), Some("/login?notice=membership-ended"));
    assert_eq!(desk.login(&test, &physician(), false).await.code(), "not-a-member");
    assert_eq!(send(&test, &admin, &path, form).await.status, 409);
    assert!(told(&test, "membership.end", Some("not_in_force")).await);
}

#[tokio::test]
async fn an_invitation_that_does_not_fit_comes_back_with_what_was_typed() {
    let test = instance().await;
    let desk = desk(&test, 1).await;
    let admin = administrator(&test, &desk.terminal.organisation_id).await;
    for hidden in ['\u{200b}', '\u{202e}', '\u{ad}', '\u{2060}', '\u{e0041}', '\u{ffa0}'] {
        let name = format!("山田{hidden}太郎");
        let form = Some(invite_form(&desk, &name));
        let page = send(&test, &admin, "/console/members/invitations?lang=ja", form).await;
        assert_eq!(page.status, 422, "{hidden:?}");
        assert!(page.text.contains("id=\"name-error\""), "{hidden:?}: {}", page.text);
        assert!(page.text.contains("目に見えない文字"), "{}", page.text);
        let typed = format!("value=\"{name}\"");
        assert!(page.text.contains(&typed) && page.text.contains("ヤマダ タロウ"), "{}", page.text);
        assert!(page.text.contains("value=\"Medical Doctor\" selected"), "{}", page.text);
    }
    for kana in ["abc", "山田", "ヤマ\u{202e}ダ", " "] {
        let form = Some(invite_form_with_kana(&desk, "山田 太郎", kana));
        let page = send(&test, &admin, "/console/members/invitations?lang=ja", form).await;
        assert_eq!(page.status, 422, "{kana}");
        assert!(page.text.contains("id=\"name_kana-error\""), "{kana}: {}", page.text);
        assert!(page.text.contains(&format!("value=\"{kana}\"")), "{kana}: {}", page.text);
        // The summary names the field as its label does.
        assert!(page.text.contains("<a href=\"#name_kana\">氏名（カナ）："), "{}", page.text);
    }
    assert_eq!(count(&test, "SELECT COUNT(*) FROM invitation").await, 0);
}

#[tokio::test]
async fn a_second_invitation_of_one_name_is_told_of_the_open_one() {
    let test = instance().await;
    let desk = desk(&test, 1).await;
    let admin = administrator(&test, &desk.terminal.organisation_id).await;
    let mut slips = Vec::new();
    for name in ["山田 太郎", "山田　太郎", "鈴木 花子"] {
        let form = Some(invite_form(&desk, name));
        let slip = send(&test, &admin, "/console/members/invitations?lang=ja", form).await;
        assert_eq!(slip.status, 200, "{}", slip.text);
        slips.push(slip.text.contains("id=\"also-open\""));
    }
    assert_eq!(slips, [false, true, false]);
}

#[tokio::test]
async fn a_claim_is_shown_side_by_side_and_accepting_it_starts_the_membership() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let admin = administrator(&test, &desk.terminal.organisation_id).await;
    let code = desk.invite(&test, "山田 太朗", "Medical Doctor").await;
    assert_eq!(desk.redeem(&test, &code, &physician()).await.code(), "invitation-mismatch");
    let page = send(&test, &admin, "/console/members?lang=ja", None).await;
    for shown in ["山田 太朗", "山田　太郎", "不一致", "外来1号機"] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    let mut reader = test.app.store().read();
    let organisation = desk.terminal.organisation_id.clone();
    let claims = invitation::pending_claims(&mut reader, &organisation, 9).await.unwrap();
    let path = format!("/console/members/claims/{}", claims[0].id);
    let form = Some(format!("organisation={organisation}&decision=accepted"));
    assert_eq!(send(&test, &admin, &path, form.clone()).await.status, 303);
    assert_eq!(send(&test, &admin, &path, form).await.status, 409);
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
}

#[tokio::test]
async fn an_administrator_of_another_facility_can_do_nothing_here() {
    let test = instance().await;
    let mut here = desk(&test, 1).await;
    let there = desk(&test, 2).await;
    here.admit(&test, &physician()).await;
    let stranger = administrator(&test, &there.terminal.organisation_id).await;
    let organisation = here.terminal.organisation_id.clone();
    let form = Some(invite_form(&here, "山田 太郎"));
    assert_eq!(send(&test, &stranger, "/console/members/invitations", form).await.status, 403);
    let path = format!("/console/members?organisation={organisation}");
    assert_eq!(send(&test, &stranger, &path, None).await.status, 403);
    let mut reader = test.app.store().read();
    let members = membership::list(&mut reader, &organisation, 9).await.unwrap();
    let path = format!("/console/members/{}/end", members[0].id);
    for (named, status) in [(&organisation, 403), (&there.terminal.organisation_id, 409)] {
        let form = Some(format!("organisation={named}&sure=yes"));
        assert_eq!(send(&test, &stranger, &path, form).await.status, status);
    }
    assert_eq!(live_sessions(&test).await, 1);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM invitation").await, 1);
    // And nobody at all without a session.
    let answered = send(&test, "x=y", "/console/members", None).await;
    assert!(answered.location.unwrap().starts_with("/console/login"));
}

#[tokio::test]
async fn names_roles_and_policies_out_of_bounds_are_refused() {
    let test = instance().await;
    let desk = desk(&test, 1).await;
    let admin = administrator(&test, &desk.terminal.organisation_id).await;
    for name in ["", "　", &"山".repeat(61)] {
        let form = Some(invite_form(&desk, name));
        let answered = send(&test, &admin, "/console/members/invitations", form).await;
        assert_eq!(answered.status, 422, "{name}");
    }
    let form = invite_form(&desk, "山田 太郎").replace("Medical+Doctor", "Wizard");
    let answered = send(&test, &admin, "/console/members/invitations", Some(form)).await;
    assert_eq!(answered.status, 422);
    let organisation = &desk.terminal.organisation_id;
    for (policy, status) in [("never", 400), ("keep", 303)] {
        let form = Some(format!("organisation={organisation}&policy={policy}"));
        let answered = send(&test, &admin, "/console/members/card-removal", form).await;
        assert_eq!(answered.status, status);
    }
    assert_eq!(count(&test, "SELECT COUNT(*) FROM invitation").await, 0);
}
