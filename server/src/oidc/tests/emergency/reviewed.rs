//! What administrators see of it, and who judges it.

use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    transaction,
};
use sekisho_store::{account, person, role_grant};
use time::Duration;

use super::Ward;
use crate::{
    console::scene::{Answer, facility, form, post_from_elsewhere, send, signed_in},
    emergency::upkeep,
    notice,
    oidc::tests::scene::FACILITY,
    outbox::{Deliverers, deliver_due},
    people::role::Role,
};

const ADMINISTRATOR: &str = "facilityAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const SECOND: &str = "colleaguAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const ELSEWHERE: &str = "elsewherAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const OPERATOR: &str = "operatorAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const OTHER_FACILITY: &str = "234567890101";
const LIST: &str = "/console/emergencies";
const VERDICT: [(&str, &str); 2] = [("verdict", "justified"), ("words", "救急の記録で確かめた。")];

/// The ward with an administrator of its facility, one of another, and one of the operating body.
async fn administered() -> Ward {
    let ward = Ward::new().await;
    sign_in(&ward).await;
    ward
}

/// Console sessions rest half an hour at most: they begin anew where a test lets time pass.
async fn sign_in(ward: &Ward) {
    let app = &ward.scene.test.app;
    let of = |id: &str| [Role::FacilityAdministrator(id.to_owned())];
    signed_in(app, "管理 花子", &of(FACILITY), ADMINISTRATOR).await;
    facility(app, OTHER_FACILITY).await;
    signed_in(app, "他所 次郎", &of(OTHER_FACILITY), ELSEWHERE).await;
    signed_in(app, "運営 三郎", &[Role::OperatingAdministrator], OPERATOR).await;
}

/// A person of the console goes on working.
async fn awake(ward: &Ward) {
    let app = &ward.scene.test.app;
    let (now, end) = (app.now().unix_timestamp(), app.now() + Duration::hours(8));
    transaction!(app.store(), StoreError, |tx| {
        tx.execute(
            sekisho_store::sql(
                "UPDATE session SET last_seen_at = $1, expires_at = $2 WHERE realm = 'console'",
            )
            .bind(now)
            .bind(end),
        )
        .await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, app.now())))
    })
    .unwrap();
}

async fn get(ward: &Ward, path: &str, cookie: &str) -> Answer {
    send(&ward.scene.test.app, "GET", path, cookie, "").await
}

async fn act(ward: &Ward, id: &str, act: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
    let path = format!("{LIST}/{id}/{act}");
    send(&ward.scene.test.app, "POST", &path, cookie, &form(fields)).await
}

async fn over(ward: &Ward) -> String {
    let id = ward.begun().await;
    ward.scene.post("/emergency/end", &[]).await;
    id
}

async fn reviews(ward: &Ward) -> i64 {
    ward.scene.count("SELECT COUNT(*) FROM emergency_access WHERE reviewed_at IS NOT NULL").await
}

#[tokio::test]
async fn the_facility_s_administrator_is_told_at_once_ends_it_and_reviews_it() {
    let ward = administered().await;
    let home = get(&ward, "/console", ADMINISTRATOR).await;
    assert!(!home.text.contains("id=\"emergencies\""), "{}", home.text);
    let id = ward.begun().await;
    let home = get(&ward, "/console", ADMINISTRATOR).await;
    assert!(home.text.contains("緊急時アクセスが1件"), "{}", home.text);
    let app = &ward.scene.test.app;
    deliver_due(app, &Deliverers::new().with(notice::KIND, notice::deliver)).await.unwrap();
    let notices = get(&ward, "/console/notices", ADMINISTRATOR).await;
    assert!(
        notices.text.contains("山田　太郎") && notices.text.contains("外来1号機"),
        "{}",
        notices.text
    );

    let list = get(&ward, LIST, ADMINISTRATOR).await;
    for told in [&id, "山田　太郎", "外来1号機", "災害", "地震のため", "使用中"]
    {
        assert!(list.text.contains(told), "{told}: {}", list.text);
    }
    let early = act(&ward, &id, "review", ADMINISTRATOR, &VERDICT).await;
    assert_eq!(early.status, 409, "it is not over: {}", early.text);
    assert!(ward.is_open().await);
    let ended = act(&ward, &id, "end", ADMINISTRATOR, &[]).await;
    assert_eq!((ended.status.as_u16(), ended.location.as_str()), (303, LIST));
    assert!(!ward.is_open().await);

    let reviewed = act(&ward, &id, "review", ADMINISTRATOR, &VERDICT).await;
    assert_eq!((reviewed.status.as_u16(), reviewed.location.as_str()), (303, LIST));
    let list = get(&ward, LIST, ADMINISTRATOR).await;
    assert!(
        list.text.contains("救急の記録で確かめた。") && list.text.contains("管理 花子"),
        "{}",
        list.text
    );
    assert!(!list.text.contains("name=\"verdict\""), "{}", list.text);
    let again = [("verdict", "not_justified"), ("words", "やはり違う。")];
    assert_eq!(act(&ward, &id, "review", ADMINISTRATOR, &again).await.status, 409);
    let justified = "SELECT COUNT(*) FROM emergency_access WHERE verdict = 'justified'";
    assert_eq!(ward.scene.count(justified).await, 1);
    let home = get(&ward, "/console", ADMINISTRATOR).await;
    assert!(!home.text.contains("id=\"emergencies\""), "{}", home.text);
    // The person reads what became of it.
    let own = ward.scene.get("/emergency", true, &ward.scene.terminal).await;
    assert!(own.body.contains("適切な使用と確認されました"), "{}", own.body);
    let acts = ward.scene.acts().await;
    for told in [
        "emergency.review refused runs",
        "emergency.end done",
        "emergency.review done",
        "emergency.review refused reviewed_before",
    ] {
        assert!(acts.contains(&told.to_owned()), "{told}: {acts:?}");
    }
}

#[tokio::test]
async fn another_facility_s_administrator_sees_nothing_of_it_and_does_nothing_to_it() {
    let ward = administered().await;
    let id = ward.begun().await;
    let list = get(&ward, LIST, ELSEWHERE).await;
    assert_eq!(list.status, 200);
    assert!(!list.text.contains(&id) && !list.text.contains("山田"), "{}", list.text);
    assert!(!get(&ward, "/console", ELSEWHERE).await.text.contains("id=\"emergencies\""));
    for cookie in [ELSEWHERE, OPERATOR] {
        assert_eq!(act(&ward, &id, "end", cookie, &[]).await.status, 404);
        assert_eq!(act(&ward, &id, "review", cookie, &VERDICT).await.status, 404);
    }
    let nothing = "0199f0a0-7d2e-7000-8000-000000000000";
    assert_eq!(act(&ward, nothing, "review", ADMINISTRATOR, &VERDICT).await.status, 404);
    assert_eq!(act(&ward, nothing, "end", ADMINISTRATOR, &[]).await.status, 404);
    assert!(ward.is_open().await);
    ward.scene.post("/emergency/end", &[]).await;
    assert_eq!(act(&ward, &id, "review", ELSEWHERE, &VERDICT).await.status, 404);
    assert_eq!(reviews(&ward).await, 0);
}

#[tokio::test]
async fn nobody_reviews_their_own_nor_a_namesake_s() {
    let ward = administered().await;
    let app = &ward.scene.test.app;
    let id = over(&ward).await;
    // The physician administers the facility as well: under the same account, and under another one.
    transaction!(app.store(), StoreError, |tx| {
        account::open(tx, "p1", "yamada", "taro@example.jp").await?;
        let role = Role::FacilityAdministrator(FACILITY.to_owned());
        role_grant::grant(tx, "p1", role.token(), role.organisation(), None, app.now()).await?;
        tx.execute(sekisho_store::sql(
            "UPDATE session SET person_id = 'p1' WHERE person_id =
                 (SELECT person_id FROM account WHERE login_name = 'facility')",
        ))
        .await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, app.now())))
    })
    .unwrap();
    assert!(get(&ward, LIST, ADMINISTRATOR).await.text.contains("自分では確認できません"));
    let own = act(&ward, &id, "review", ADMINISTRATOR, &VERDICT).await;
    assert_eq!(own.status, 409, "{}", own.text);
    let roles = [Role::FacilityAdministrator(FACILITY.to_owned())];
    let namesake = signed_in(app, "山田 太郎", &roles, SECOND).await;
    let refused = act(&ward, &id, "review", SECOND, &VERDICT).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert_eq!(reviews(&ward).await, 0);
    let acts = ward.scene.acts().await;
    for told in ["emergency.review refused own", "emergency.review refused namesake"] {
        assert!(acts.contains(&told.to_owned()), "{told}: {acts:?}");
    }
    let name = person::name(&mut app.store().read(), &namesake).await.unwrap().unwrap();
    assert_eq!(name.name, "山田 太郎");
}

#[tokio::test]
async fn a_verdict_and_words_are_asked_for_and_another_site_records_none() {
    let ward = administered().await;
    let id = over(&ward).await;
    let long = "あ".repeat(501);
    for (fields, status) in [
        (vec![("words", "よし。")], 422),
        (vec![("verdict", "splendid"), ("words", "よし。")], 400),
        (vec![("verdict", "justified"), ("words", " ")], 422),
        (vec![("verdict", "justified"), ("words", &long)], 422),
        (vec![("verdict", "justified")], 400),
    ] {
        let answer = act(&ward, &id, "review", ADMINISTRATOR, &fields).await;
        assert_eq!(answer.status, status, "{fields:?}: {}", answer.text);
    }
    let told = act(&ward, &id, "review", ADMINISTRATOR, &[("words", "よし。")]).await;
    assert!(told.text.contains(">よし。</textarea>"), "{}", told.text);
    let app = &ward.scene.test.app;
    let foreign = post_from_elsewhere(app, &format!("{LIST}/{id}/review"), ADMINISTRATOR).await;
    assert_eq!(foreign.status, 403);
    assert_eq!(reviews(&ward).await, 0);
}

#[tokio::test]
async fn what_nobody_reviewed_within_72_hours_goes_to_the_operating_body_once() {
    let ward = administered().await;
    let app = &ward.scene.test.app;
    let id = over(&ward).await;
    ward.scene.test.clock.advance(Duration::hours(72) - Duration::SECOND);
    awake(&ward).await;
    upkeep::run(app).await.unwrap();
    assert_eq!(act(&ward, &id, "review", OPERATOR, &VERDICT).await.status, 404);
    ward.scene.test.clock.advance(Duration::SECOND);
    // Two processes at the same time, and one once more.
    let (one, two) = tokio::join!(upkeep::run(app), upkeep::run(app));
    one.and(two).unwrap();
    upkeep::run(app).await.unwrap();
    let acts = ward.scene.acts().await;
    let escalated = acts.iter().filter(|act| *act == "emergency.escalate done").count();
    assert_eq!(escalated, 1, "{acts:?}");
    deliver_due(app, &Deliverers::new().with(notice::KIND, notice::deliver)).await.unwrap();
    for cookie in [OPERATOR, ADMINISTRATOR] {
        let notices = get(&ward, "/console/notices", cookie).await;
        assert_eq!(
            notices.text.matches("期限までに確認されませんでした").count(),
            1,
            "{}",
            notices.text
        );
    }
    let home = get(&ward, "/console", OPERATOR).await;
    assert!(home.text.contains("id=\"emergencies-escalated\""), "{}", home.text);
    assert!(get(&ward, LIST, OPERATOR).await.text.contains(&id));
    assert_eq!(act(&ward, &id, "review", ELSEWHERE, &VERDICT).await.status, 404);
    let reviewed = act(&ward, &id, "review", OPERATOR, &VERDICT).await;
    assert_eq!(reviewed.status, 303, "{}", reviewed.text);
    let list = get(&ward, LIST, OPERATOR).await.text;
    assert!(!list.contains(&id) && list.contains("確認されなかったものはありません"), "{list}");
    assert!(get(&ward, LIST, ADMINISTRATOR).await.text.contains("運営 三郎"));
}
