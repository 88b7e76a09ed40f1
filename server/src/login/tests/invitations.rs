//! The first login of a person: code and card together, and neither alone.

use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    invitation::{self, ClaimDecision},
    membership, transaction,
};

use super::desk::{Card, count, desk, instance, live_sessions, physician, told};
use crate::{entitlement, login::session, paper_code::PaperCode};

#[tokio::test]
async fn code_and_card_together_start_the_membership_and_later_the_card_alone_is_enough() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    assert!(told(&test, "membership.start", None).await);
    assert!(told(&test, "login.card", None).await);
    let portal = desk.get(&test, "/?lang=ja").await;
    assert_eq!(portal.status, 200);
    for shown in ["山田　太郎", "医師", "Medical Doctor", "試験病院", "外来1号機"] {
        assert!(portal.text.contains(shown), "{shown} is missing: {}", portal.text);
    }
    desk.post_form(&test, "/logout", "").await;
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM person").await, 1);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM login_evidence").await, 2);
}

#[tokio::test]
async fn a_renewed_card_of_the_same_person_is_accepted_and_noted() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    let renewed = Card { serial: 101, ..physician() };
    assert_eq!(desk.login(&test, &renewed, false).await.status, 200);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM person").await, 1);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM card_certificate").await, 2);
}

#[tokio::test]
async fn a_name_that_changed_with_the_card_is_taken_on_and_told_to_the_administrators() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    let notices = "SELECT COUNT(*) FROM outbox WHERE payload LIKE '%member_renamed%'";
    let renewed = Card { serial: 101, ..physician() };
    assert_eq!(desk.login(&test, &renewed, false).await.status, 200);
    assert_eq!(count(&test, notices).await, 0, "the same name");
    let married = Card { serial: 102, kanji: "高橋　太郎", ..physician() };
    assert_eq!(desk.login(&test, &married, false).await.status, 200);
    let page = desk.get(&test, "/?lang=ja").await.text;
    assert!(page.contains("高橋　太郎") && !page.contains("山田　太郎"), "{page}");
    assert_eq!(count(&test, notices).await, 1);
    assert!(told(&test, "person.rename", None).await);
    assert_eq!(desk.login(&test, &married, false).await.status, 200);
    assert_eq!(count(&test, notices).await, 1, "once");
}

#[tokio::test]
async fn a_card_without_a_code_is_told_to_ask_for_an_invitation() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let answered = desk.login(&test, &physician(), false).await;
    assert_eq!((answered.status, answered.code().as_str()), (403, "not-a-member"));
    assert!(answered.json()["help"].as_str().unwrap().contains("招待"));
    assert_eq!(count(&test, "SELECT COUNT(*) FROM person").await, 0);
    assert!(told(&test, "login.card", Some("not-a-member")).await);
    // Nor may the page claim an invitation whose code was never entered.
    let body =
        serde_json::json!({"page_key": super::desk::jwk(&desk.page_key), "invitation": true});
    let answered = desk.post_json(&test, "/login/challenge", body.to_string()).await;
    assert_eq!(answered.code(), "invitation-closed");
}

#[tokio::test]
async fn another_persons_card_waits_for_the_administrator_and_opens_nothing() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let code = desk.invite(&test, "鈴木 花子", "Medical Doctor").await;
    let answered = desk.redeem(&test, &code, &physician()).await;
    assert_eq!(answered.code(), "invitation-mismatch");
    assert_eq!(live_sessions(&test).await, 0);
    assert_eq!(desk.session_cookie, None);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM membership").await, 0);
    assert!(told(&test, "login.card", Some("invitation-mismatch")).await);
    let organisation = desk.terminal.organisation_id.clone();
    let pending =
        invitation::pending_claims(&mut test.app.store().read(), &organisation, 9).await.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!((&*pending[0].seen_name, &*pending[0].expected_name), ("山田　太郎", "鈴木 花子"));
    let answered = desk.login(&test, &physician(), false).await;
    assert_eq!(answered.code(), "claim-waiting");
}

#[tokio::test]
async fn a_members_card_does_not_use_up_somebody_elses_invitation() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    let code = desk.invite(&test, "鈴木 花子", "Pharmacist").await;
    assert_eq!(desk.redeem(&test, &code, &physician()).await.code(), "already-member");
    let open = count(
        &test,
        "SELECT COUNT(*) FROM invitation WHERE redeemed_at IS NULL AND withdrawn_at IS NULL",
    )
    .await;
    assert_eq!(open, 1);
}

#[tokio::test]
async fn a_code_is_refused_at_another_facilitys_terminal() {
    let test = instance().await;
    let here = desk(&test, 1).await;
    let mut there = desk(&test, 2).await;
    let code = here.invite(&test, "山田 太郎", "Medical Doctor").await;
    there.get(&test, "/invitation").await;
    let answered = there.post_form(&test, "/invitation?lang=ja", &format!("code={code}")).await;
    assert_eq!(answered.status, 403);
    assert!(answered.text.contains("別の施設"), "{}", answered.text);
    assert!(told(&test, "invitation.enter", Some("code-other-facility")).await);
}

/// A code that is none of ours, and no slip of the keyboard.
fn another_of_the_same_selector(code: &str) -> String {
    "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
        .chars()
        .map(|check| format!("{}-0000-0000-0000-000{check}", &code[..4]))
        .find(|text| PaperCode::parse(text).is_ok())
        .unwrap()
}

#[tokio::test]
async fn a_slip_of_the_keyboard_costs_the_invitation_no_try() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let code = desk.invite(&test, "山田 太郎", "Medical Doctor").await;
    desk.get(&test, "/invitation").await;
    let last = if code.ends_with('0') { '1' } else { '0' };
    let mistyped = format!("{}{last}", &code[..code.len() - 1]);
    for _ in 0..6 {
        let answered = desk.post_form(&test, "/invitation", &format!("code={mistyped}")).await;
        assert_eq!(answered.status, 400);
    }
    assert!(told(&test, "invitation.enter", Some("not-a-code")).await);
    let answered = desk.post_form(&test, "/invitation", &format!("code={code}")).await;
    assert!(told(&test, "invitation.enter", None).await, "{}", answered.text);
}

#[tokio::test]
async fn a_wrong_code_is_refused_and_five_of_them_close_the_invitation() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let code = desk.invite(&test, "山田 太郎", "Medical Doctor").await;
    desk.get(&test, "/invitation").await;
    let wrong = another_of_the_same_selector(&code);
    for _ in 0..5 {
        let answered = desk.post_form(&test, "/invitation", &format!("code={wrong}")).await;
        assert_eq!(answered.status, 403);
    }
    assert!(told(&test, "invitation.enter", Some("code-unknown")).await);
    let answered = desk.post_form(&test, "/invitation", &format!("code={code}")).await;
    assert_eq!(answered.status, 403);
    assert!(told(&test, "invitation.enter", Some("code-overused")).await);
    let answered = desk.post_form(&test, "/invitation", "code=nonsense").await;
    assert_eq!(answered.status, 400);
    assert!(told(&test, "invitation.enter", Some("not-a-code")).await);
}

#[tokio::test]
async fn wrong_codes_do_not_end_an_invitation_that_this_desk_was_given() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let code = desk.invite(&test, "山田 太郎", "Medical Doctor").await;
    desk.get(&test, "/invitation").await;
    assert_eq!(desk.post_form(&test, "/invitation", &format!("code={code}")).await.status, 303);
    let wrong = another_of_the_same_selector(&code);
    for _ in 0..5 {
        let answered = desk.post_form(&test, "/invitation", &format!("code={wrong}")).await;
        assert_eq!(answered.status, 403);
    }
    assert_eq!(count(&test, "SELECT tries_left FROM invitation").await, 5);
    assert_eq!(desk.login(&test, &physician(), true).await.status, 200);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM membership").await, 1);
}

#[tokio::test]
async fn an_unknown_role_is_kept_verbatim_and_authorises_nothing() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let wizard = Card { role: "Wizard of Medicine", ..physician() };
    let code = desk.invite(&test, "山田 太郎", "Medical Doctor").await;
    assert_eq!(desk.redeem(&test, &code, &wizard).await.code(), "invitation-mismatch");
    let organisation = desk.terminal.organisation_id.clone();
    let pending =
        invitation::pending_claims(&mut test.app.store().read(), &organisation, 9).await.unwrap();
    assert_eq!(pending[0].seen_roles, ["Wizard of Medicine"]);
    let now = test.app.now();
    let accepted: Result<(), StoreError> = transaction!(test.app.store(), StoreError, |tx| {
        let decision = ClaimDecision::Accepted;
        let person = invitation::decide(tx, &pending[0].id, &organisation, decision, "admin", now)
            .await?
            .unwrap();
        membership::start(tx, &person, &organisation, Some("admin"), "claim", now).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    });
    accepted.unwrap();
    assert_eq!(desk.login(&test, &wizard, false).await.status, 200);
    let portal = desk.get(&test, "/").await;
    assert!(portal.text.contains("Wizard of Medicine"), "{}", portal.text);
    let mut headers = http::HeaderMap::new();
    let cookie = desk.session_cookie.as_deref().unwrap().parse().unwrap();
    headers.insert(http::header::COOKIE, cookie);
    let peer = &desk.terminal.peer;
    let facility = crate::listener::FacilityConnection::judge(&test.app, peer).await.unwrap();
    let session = session::current(&test.app, peer, &headers, &facility).await.unwrap().unwrap();
    assert_eq!(session.roles, ["Wizard of Medicine"]);
    let request = entitlement::request(&test.app, &session).await.unwrap().request;
    assert!(request.roles.is_empty());
    assert!(request.member);
}
