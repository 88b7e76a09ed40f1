//! Login by password at a terminal, attacked: one answer for whatever is wrong, each try paid for, and nobody
//! kept from their work by another's tries.

use axum::body::Body;
use http::{Request, header};
use sekisho_store::{
    StoreError, account,
    audit::{self, Actor, Audited, Entry},
    person, terminal_hold, transaction,
};
use sekisho_wire::acr;
use serde_json::Value as Json;
use time::Duration;
use tower::ServiceExt;

use super::{
    desk::{Desk, count, desk, instance_with, live_sessions, physician, told},
    passwords::{Clerk, clerk_of, instance, lenient, logged_in, passwords},
    standing::session,
};
use crate::{
    people::{
        tests::{PASSWORD, form},
        totp::TotpSecret,
    },
    router,
    testing::TestApp,
};

/// The reasons that the trail tells of refused passwords, sorted.
async fn whys(test: &TestApp) -> Vec<String> {
    let records = audit::list(&mut test.app.store().read(), "", None, 10_000).await.unwrap();
    let forms =
        records.iter().map(|record| serde_json::from_slice::<Json>(&record.canonical).unwrap());
    let refused = forms.filter(|form| form["reason"] == "password-wrong");
    let mut whys: Vec<_> = refused
        .map(|form| form["facts"]["why"].as_str().unwrap_or_else(|| panic!("{form}")).to_owned())
        .collect();
    whys.sort();
    whys
}

/// An account without factors: somebody who was entered and never used the link.
async fn enter_unfinished(test: &TestApp, login_name: &str) {
    let now = test.app.now();
    let entered: Result<(), StoreError> = transaction!(test.app.store(), StoreError, |tx| {
        let person_id = person::enter(tx, "未設定", "", now).await?;
        account::open(tx, &person_id, login_name, "").await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    });
    entered.unwrap();
}

#[tokio::test]
async fn one_answer_for_whatever_is_wrong() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let clerk = clerk_of(&test, &mut desk).await;
    let other = {
        let clerk = desk.join(&test, "田中 二郎", "tanaka").await;
        desk.log_out(&test).await;
        clerk
    };
    enter_unfinished(&test, "unfinished").await;
    let mut elsewhere = super::desk::desk(&test, 2).await;
    let stranger = elsewhere.join(&test, "高橋 三郎", "takahashi").await;
    test.clock.advance(Duration::minutes(1));
    let (recovery, nobodys) = (clerk.recovery_codes[0].clone(), TotpSecret::nobodys());
    for within in [None, Some(other.login_name)] {
        if within.is_some() {
            // Nor does a colleague's session tell more.
            logged_in(&desk.login_with(&test, &other).await);
        }
        let session = desk.session_cookie.clone();
        let mut answers = Vec::new();
        for which in 0..9 {
            test.clock.advance(Duration::seconds(30));
            let right = clerk.code(&test);
            let (login_name, password, code) = match which {
                0 => ("suzuki", "wrong-password", right),
                1 => ("suzuki", PASSWORD, "000000".to_owned()),
                2 => ("suzuki", PASSWORD, other.code(&test)),
                3 => ("nobody", PASSWORD, right),
                4 => ("nobody", PASSWORD, recovery.clone()),
                5 => ("nobody", PASSWORD, nobodys.code_at(test.app.now()).unwrap()),
                6 => ("unfinished", PASSWORD, right),
                7 => ("unfinished", PASSWORD, nobodys.code_at(test.app.now()).unwrap()),
                // A member of another facility, with both factors right.
                _ => (stranger.login_name, PASSWORD, stranger.code(&test)),
            };
            let answered = desk.type_in(&test, login_name, password, &code).await;
            assert_eq!((answered.status, answered.location), (401, None), "{which} {within:?}");
            answers.push(answered.text.replace(login_name, "NAME"));
            assert_eq!(desk.session_cookie, session);
        }
        for answer in &answers {
            assert_eq!(*answer, answers[0]);
        }
    }
    assert_eq!(whys(&test).await, [&["not_a_member"; 2][..], &["wrong_credentials"; 16]].concat());
    desk.log_out(&test).await;
    test.clock.advance(Duration::seconds(30));
    logged_in(&desk.login_with(&test, &clerk).await);
}

#[tokio::test]
async fn a_code_counts_once_also_for_two_at_once() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let clerk = clerk_of(&test, &mut desk).await;
    let mut other = desk.beside();
    let (one, two) = tokio::join!(desk.login_with(&test, &clerk), other.login_with(&test, &clerk));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 401], "{} {}", one.text, two.text);
    assert_eq!(live_sessions(&test).await, 1);
    let mut third = desk.beside();
    assert_eq!(third.login_with(&test, &clerk).await.status, 401, "and again later");
    assert_eq!(whys(&test).await, ["code_used_before", "code_used_before"]);
    // The code of the second before is no other one.
    test.clock.advance(Duration::seconds(30));
    logged_in(&third.login_with(&test, &clerk).await);
}

#[tokio::test]
async fn a_password_alone_is_never_enough_unless_the_operator_says_so() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let clerk = clerk_of(&test, &mut desk).await;
    for code in ["", " "] {
        let refused = desk.type_in(&test, clerk.login_name, PASSWORD, code).await;
        assert_eq!((refused.status, refused.location), (422, None), "{}", refused.text);
    }
    // It tells nothing of the password, which was not looked at.
    let right = desk.type_in(&test, clerk.login_name, PASSWORD, "").await;
    let wrong = desk.type_in(&test, clerk.login_name, "wrong-password", "").await;
    assert_eq!(right.text, wrong.text);
    assert_eq!(live_sessions(&test).await, 0);
    assert!(told(&test, "login.password", Some("code-needed")).await);

    // Where it is enough, a wrong code is not taken for none.
    let test = lenient().await;
    let mut desk = super::desk::desk(&test, 1).await;
    let clerk = clerk_of(&test, &mut desk).await;
    let refused = desk.type_in(&test, clerk.login_name, PASSWORD, "000000").await;
    assert_eq!((refused.status, live_sessions(&test).await), (401, 0));
    let refused = desk.type_in(&test, clerk.login_name, "wrong-password", "").await;
    assert_eq!((refused.status, live_sessions(&test).await), (401, 0));
}

#[tokio::test]
async fn many_failures_rest_a_name_at_this_facility_whether_or_not_anybody_has_it() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let clerk = clerk_of(&test, &mut desk).await;
    let other = desk.join(&test, "田中 二郎", "tanaka").await;
    desk.log_out(&test).await;
    desk.admit(&test, &physician()).await;
    desk.log_out(&test).await;
    test.clock.advance(Duration::minutes(1));
    for login_name in [clerk.login_name, "nobody"] {
        let mut statuses = Vec::new();
        for _ in 0..6 {
            let tried = desk.type_in(&test, login_name, "wrong-password", "000000").await;
            statuses.push(tried.status);
        }
        assert_eq!(statuses, [401, 401, 401, 401, 429, 429], "{login_name}");
    }
    assert!(told(&test, "login.password", Some("resting")).await);
    assert_eq!(desk.login_with(&test, &clerk).await.status, 429, "even with the right factors");
    // Neither a colleague nor any card is kept from work by it.
    logged_in(&desk.login_with(&test, &other).await);
    desk.log_out(&test).await;
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    desk.log_out(&test).await;
    test.clock.advance(Duration::minutes(1));
    logged_in(&desk.login_with(&test, &clerk).await);
}

#[tokio::test]
async fn tries_elsewhere_do_not_rest_a_name_here() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let clerk = clerk_of(&test, &mut desk).await;
    let mut elsewhere = super::desk::desk(&test, 2).await;
    for _ in 0..5 {
        elsewhere.type_in(&test, clerk.login_name, "wrong-password", "000000").await;
    }
    let resting = elsewhere.type_in(&test, clerk.login_name, PASSWORD, "000000").await;
    assert_eq!(resting.status, 429);
    logged_in(&desk.login_with(&test, &clerk).await);
}

#[tokio::test]
async fn a_network_that_sprays_over_many_names_rests_and_cards_go_on() {
    let mut settings = passwords();
    settings.people.network_factor = 2;
    let test = instance_with(settings).await;
    let mut desk = desk(&test, 1).await;
    let clerk = clerk_of(&test, &mut desk).await;
    desk.admit(&test, &physician()).await;
    desk.log_out(&test).await;
    test.clock.advance(Duration::minutes(1));
    let mut statuses = Vec::new();
    for number in 0..9 {
        let tried = desk.type_in(&test, &format!("name{number}"), "summer-2026", "000000").await;
        statuses.push(tried.status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 401, 429, 429]);
    assert_eq!(desk.login_with(&test, &clerk).await.status, 429, "from this network");
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200, "a card needs no tries");
    desk.log_out(&test).await;
    // The same terminal on another network rests as well: its certificate names it.
    let mut next_door = desk.beside();
    next_door.terminal.peer.addr = ([192, 0, 2, 7], 9).into();
    assert_eq!(next_door.login_with(&test, &clerk).await.status, 429);
}

#[tokio::test]
async fn a_terminal_that_sprays_keeps_no_other_one_of_its_network_from_work() {
    let mut settings = passwords();
    settings.people.network_factor = 2;
    let test = instance_with(settings).await;
    let mut sprayer = desk(&test, 1).await;
    let mut ward = super::desk::desk(&test, 2).await;
    let clerk = clerk_of(&test, &mut ward).await;
    assert_eq!(sprayer.terminal.peer.addr.ip(), ward.terminal.peer.addr.ip());
    // Whatever rests for thirty seconds only is waited for, until the terminal rests for longer.
    for number in 0.. {
        assert!(number < 100, "it never rests");
        let name = format!("name{number}");
        if sprayer.type_in(&test, &name, "summer-2026", "000000").await.status == 401 {
            continue;
        }
        test.clock.advance(Duration::seconds(31));
        if sprayer.type_in(&test, &name, "summer-2026", "000000").await.status == 429 {
            break;
        }
    }
    logged_in(&ward.login_with(&test, &clerk).await);
}

#[tokio::test]
async fn what_a_card_began_no_password_carries_on() {
    let test = lenient().await;
    let mut desk = desk(&test, 1).await;
    let clerk = clerk_of(&test, &mut desk).await;
    desk.admit(&test, &physician()).await;
    let page = desk.get(&test, "/login").await.text;
    assert!(!page.contains("/login/password"), "{page}");
    for code in [clerk.code(&test), String::new()] {
        let refused = desk.type_in(&test, clerk.login_name, PASSWORD, &code).await;
        assert_eq!((refused.status, refused.location), (403, None), "{}", refused.text);
    }
    assert!(told(&test, "login.password", Some("password-too-weak")).await);
    assert_eq!((session(&test).await.0.as_str(), live_sessions(&test).await), (acr::HPKI_CARD, 1));
    // Nor is one asked for where it would not do.
    desk.log_out(&test).await;
    let page = desk.get(&test, &format!("/login?level={}", acr::HPKI_CARD)).await.text;
    assert!(!page.contains("/login/password"), "{page}");
    let typed = form(&[
        ("login_name", clerk.login_name),
        ("password", PASSWORD),
        ("totp_code", &clerk.code(&test)),
        ("level", acr::HPKI_CARD),
    ]);
    assert_eq!(desk.post_form(&test, "/login/password", &typed).await.status, 403);
    assert_eq!(live_sessions(&test).await, 0);
}

#[tokio::test]
async fn another_clerk_logs_out_the_first_before_working() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let clerk = clerk_of(&test, &mut desk).await;
    let other = desk.join(&test, "田中 二郎", "tanaka").await;
    test.clock.advance(Duration::minutes(1));
    // However often, it is no guess.
    for _ in 0..6 {
        let refused = desk.login_with(&test, &clerk).await;
        assert_eq!((refused.status, refused.location), (403, None), "{}", refused.text);
    }
    assert!(told(&test, "login.password", Some("another-person")).await);
    assert!(desk.get(&test, "/").await.text.contains("田中"), "the session stays");
    desk.log_out(&test).await;
    // The code was not spent by it.
    logged_in(&desk.login_with(&test, &clerk).await);
    desk.log_out(&test).await;
    logged_in(&desk.login_with(&test, &other).await);
}

#[tokio::test]
async fn who_is_no_member_any_more_is_no_longer_let_in() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let clerk = clerk_of(&test, &mut desk).await;
    desk.end_memberships(&test).await;
    assert_eq!(desk.login_with(&test, &clerk).await.status, 401);
    assert_eq!(whys(&test).await, ["not_a_member"]);
}

/// The form as a page at `origin` sends it.
async fn from_page(test: &TestApp, desk: &Desk, clerk: &Clerk, origin: &str, site: &str) -> u16 {
    let typed = [
        ("login_name", clerk.login_name),
        ("password", PASSWORD),
        ("totp_code", &clerk.code(test)),
    ];
    let peer = desk.terminal.peer.clone();
    let request = Request::post("/login/password")
        .header(header::HOST, test.app.names().authority(peer.role))
        .header(header::ORIGIN, origin)
        .header("sec-fetch-site", site)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::COOKIE, desk.browser_cookie.as_deref().unwrap())
        .extension(peer)
        .body(Body::from(form(&typed)))
        .unwrap();
    router::terminal(&test.app).oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_form_of_another_site_logs_nobody_in() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let clerk = clerk_of(&test, &mut desk).await;
    desk.get(&test, "/login").await;
    let own = test.app.names().terminal.clone();
    assert_eq!(from_page(&test, &desk, &clerk, "https://evil.example", "cross-site").await, 403);
    assert_eq!(from_page(&test, &desk, &clerk, &test.app.names().public, "same-site").await, 403);
    assert_eq!(live_sessions(&test).await, 0);
    assert_eq!(from_page(&test, &desk, &clerk, &own, "same-origin").await, 303);
}

#[tokio::test]
async fn a_terminal_whose_certificate_does_not_hold_is_asked_for_no_password() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let clerk = clerk_of(&test, &mut desk).await;
    desk.get(&test, "/login").await;
    let mut strange = desk.beside();
    strange.browser_cookie.clone_from(&desk.browser_cookie);
    strange.terminal.peer.chain = std::sync::Arc::new([]);
    let typed = form(&[
        ("login_name", clerk.login_name),
        ("password", PASSWORD),
        ("totp_code", &clerk.code(&test)),
    ]);
    let refused = strange.post_form(&test, "/login/password", &typed).await;
    assert!((400..500).contains(&refused.status), "{}", refused.status);
    let (id, now) = (desk.terminal.terminal_id.clone(), test.app.now());
    let held: Result<bool, StoreError> = transaction!(test.app.store(), StoreError, |tx| {
        let begun = terminal_hold::begin(tx, &id, "lost", now).await?;
        Ok(Audited::new(begun, Entry::done("test", Actor::System, now)))
    });
    assert!(held.unwrap());
    let refused = desk.post_form(&test, "/login/password", &typed).await;
    assert!((400..500).contains(&refused.status) && refused.status != 401, "{}", refused.status);
    assert_eq!(live_sessions(&test).await, 0);
    assert_eq!(
        count(&test, "SELECT COUNT(*) FROM password_login").await,
        1,
        "when the account was opened"
    );
}
