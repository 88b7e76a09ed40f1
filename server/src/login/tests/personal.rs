//! A person's own pages: favourites, search and maintenance on the portal, sessions, history, the time of a login.

use sekisho_protocol::answer::LoginTimes;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    sql, transaction,
};
use time::Duration;

use super::{
    console::send,
    desk::{Card, Desk, count, desk, instance, live_sessions, physician, publish, told},
};
use crate::{
    oidc::tests::scene::{PHYSICIANS, register, service_file},
    people::session::NewSession,
    testing::TestApp,
};

async fn logged_in() -> (TestApp, Desk) {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    (test, desk)
}

/// Opens a console session of an administrator of the operating body; the cookie.
async fn operator(test: &TestApp) -> String {
    let drawn = NewSession::draw(test.app.random()).unwrap();
    let now = test.app.now();
    let done: Result<(), StoreError> = transaction!(test.app.store(), StoreError, |tx| {
        tx.execute(sql("INSERT INTO person (id, created_at) VALUES ('operator', 0)")).await?;
        tx.execute(
            sql("INSERT INTO role_grant (id, person_id, role, granted_at)
                 VALUES ('op', 'operator', 'operating_administrator', $1)")
            .bind(now),
        )
        .await?;
        drawn.open(tx, &test.app, "operator").await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    });
    done.unwrap();
    drawn.cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
}

/// Makes a colleague a member here and logs them in.
async fn admit_colleague(test: &TestApp, desk: &mut Desk) {
    let card =
        Card { kanji: "佐藤　花子", serial_number: "DEMO00002", serial: 101, ..physician() };
    let code = desk.invite(test, "佐藤 花子", "Medical Doctor").await;
    let answered = desk.redeem(test, &code, &card).await;
    assert_eq!(answered.status, 200, "{}", answered.text);
}

/// The part of a page from this heading's identifier on, to the end of its section.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let from = page.find(&format!("id=\"{heading}\"")).unwrap_or_else(|| panic!("{page}"));
    page[from..].split("</section>").next().unwrap()
}

#[tokio::test]
async fn a_favourite_stands_first_and_goes_back_and_is_nobody_elses() {
    let (test, mut desk) = logged_in().await;
    register(&test, &service_file("referral", PHYSICIANS)).await;
    let page = desk.get(&test, "/?lang=ja").await.text;
    assert!(!page.contains("id=\"favourites-title\""), "{page}");
    let chosen = desk.post_form(&test, "/favourites", "add=referral").await;
    assert_eq!((chosen.status, chosen.location.as_deref()), (303, Some("/")));
    let page = desk.get(&test, "/?lang=ja").await.text;
    assert!(section(&page, "favourites-title").contains("https://referral.example/"));
    assert!(!section(&page, "services-title").contains("https://referral.example/"));
    // Said twice, it stays what it is, and the trail says so.
    assert_eq!(desk.post_form(&test, "/favourites", "add=referral").await.status, 303);
    assert!(told(&test, "favourite.add", Some("nothing_to_change")).await);

    let mut other = desk.beside();
    admit_colleague(&test, &mut other).await;
    let page = other.get(&test, "/?lang=ja").await.text;
    assert!(!page.contains("id=\"favourites-title\""), "it is somebody else's favourite");

    assert_eq!(desk.post_form(&test, "/favourites", "remove=referral").await.status, 303);
    let page = desk.get(&test, "/?lang=ja").await.text;
    assert!(!page.contains("id=\"favourites-title\""));
    for (form, status) in
        [("add=nobody", 404), ("", 400), ("add=referral&remove=referral", 400), ("x=1", 400)]
    {
        assert_eq!(desk.post_form(&test, "/favourites", form).await.status, status, "{form}");
    }
    assert_eq!(count(&test, "SELECT COUNT(*) FROM favourite_service").await, 0);
}

#[tokio::test]
async fn a_service_is_found_by_a_part_of_its_name_however_it_is_written() {
    let (test, mut desk) = logged_in().await;
    register(&test, &service_file("referral", PHYSICIANS)).await;
    for (typed, found) in [
        ("%E7%B4%B9%E4%BB%8B", true), // 紹介
        ("REFERRAL", true),
        ("%EF%BC%B2%EF%BC%A5%EF%BC%A6", true), // ＲＥＦ
        ("%25", false),
        ("nothing", false),
    ] {
        let page = desk.get(&test, &format!("/?q={typed}&lang=ja")).await.text;
        assert_eq!(page.contains("https://referral.example/"), found, "{typed}");
        let told = format!("{}件のサービスが見つかりました", u8::from(found));
        assert!(page.contains(&told), "{typed}");
    }
    let shown = desk.get(&test, "/?q=%3Cscript%3E").await.text;
    assert!(!shown.contains("<script>") && shown.contains("&#60;script&#62;"), "{shown}");
    assert_eq!(desk.get(&test, &format!("/?q={}", "a".repeat(101))).await.status, 400);
    assert_eq!(desk.get(&test, "/?q=a&q=b").await.status, 400);
}

#[tokio::test]
async fn maintenance_stands_on_the_tile_from_three_days_before_until_it_is_over() {
    let (test, mut desk) = logged_in().await;
    register(&test, &service_file("referral", PHYSICIANS)).await;
    let operator = operator(&test).await;
    let path = "/console/service/referral/maintenance";
    let form = |text: &str, from: &str, until: &str| {
        Some(format!("text_ja={text}&text_en=Works&from={from}&until={until}"))
    };
    // It is 18:00 on the 21st in Japan.
    for (text, from, until, fault) in [
        ("", "2026-11-25T22:00", "2026-11-26T02:00", "text_ja"),
        ("x", "2026-11-31T22:00", "2026-11-26T02:00", "from"),
        ("x", "2027-11-25T22:00", "2027-11-26T02:00", "from"),
        ("x", "2026-11-25T22:00", "2026-11-25T22:00", "until"),
        ("x", "2026-11-21T10:00", "2026-11-21T18:00", "until"),
        ("x", "2026-11-25T22:00", "2026-12-27T22:00", "until"),
    ] {
        let again = send(&test, &operator, path, form(text, from, until)).await;
        assert_eq!(again.status, 422, "{text} {from} {until}");
        assert!(again.text.contains(&format!("id=\"{fault}-error\"")), "{}", again.text);
        assert!(again.text.contains(&format!("value=\"{from}\"")), "what was typed stays");
    }
    let entered = form("%E7%82%B9%E6%A4%9C", "2026-11-25T22:00", "2026-11-26T02:00");
    assert_eq!(send(&test, &operator, path, entered.clone()).await.status, 303);
    let notice = "メンテナンスの予定があります";
    let shows = async |desk: &mut Desk| desk.get(&test, "/?lang=ja").await.text;
    assert!(!shows(&mut desk).await.contains(notice), "it is four days off");
    // The session would be over by then.
    test.clock.advance(Duration::hours(29));
    let log_in = async |desk: &mut Desk| {
        publish(&test, &[], test.app.now()).await;
        let answered = desk.login(&test, &physician(), false).await;
        assert_eq!(answered.status, 200, "{}", answered.text);
    };
    log_in(&mut desk).await;
    let page = shows(&mut desk).await;
    assert!(
        page.contains(notice) && page.contains("点検") && page.contains("2026年11月25日 22:00")
    );
    test.clock.advance(Duration::hours(71));
    log_in(&mut desk).await;
    assert!(shows(&mut desk).await.contains("メンテナンス中です"));
    let listed = send(&test, &operator, path, None).await;
    assert_eq!(listed.status, 303, "the console session is over by now");

    let signed_in = self::operator_again(&test).await;
    let listed = send(&test, &signed_in, path, None).await.text;
    let id = listed.split("name=\"notice\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let withdraw = format!("{path}/withdraw");
    let gone = send(&test, &signed_in, &withdraw, Some(format!("notice={id}"))).await;
    assert_eq!(gone.status, 303);
    assert!(!shows(&mut desk).await.contains("メンテナンス中です"));
    assert_eq!(send(&test, &signed_in, &withdraw, Some(format!("notice={id}"))).await.status, 404);
    for _ in 0..10 {
        let more = form("x", "2026-11-26T22:00", "2026-11-27T02:00");
        assert_eq!(send(&test, &signed_in, path, more).await.status, 303);
    }
    let more = form("x", "2026-11-26T22:00", "2026-11-27T02:00");
    assert_eq!(send(&test, &signed_in, path, more).await.status, 409);
    assert!(told(&test, "maintenance.enter", Some("too_many")).await);
}

/// The same administrator, signed in anew.
async fn operator_again(test: &TestApp) -> String {
    let drawn = NewSession::draw(test.app.random()).unwrap();
    let done: Result<(), StoreError> = transaction!(test.app.store(), StoreError, |tx| {
        drawn.open(tx, &test.app, "operator").await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, test.app.now())))
    });
    done.unwrap();
    drawn.cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_person_sees_where_they_are_logged_in_and_ends_it_from_elsewhere() {
    let (test, mut here) = logged_in().await;
    let mut there = here.beside();
    there.login(&test, &physician(), false).await;
    let mut third = here.beside();
    third.login(&test, &physician(), false).await;
    assert_eq!(live_sessions(&test).await, 3);
    let page = here.get(&test, "/sessions?lang=ja").await.text;
    let others: Vec<&str> = page
        .split("name=\"session\" value=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(others.len(), 2, "its own has no button here: {page}");
    assert!(page.contains("いま使っています"));
    let one = format!("session={}", others[0]);
    let ended = here.post_form(&test, "/sessions/end", &one).await;
    assert_eq!(ended.location.as_deref(), Some("/sessions?notice=ended"));
    assert_eq!(live_sessions(&test).await, 2);
    assert_eq!(here.post_form(&test, "/sessions/end", &one).await.status, 404, "it has ended");
    for spoilt in ["session=zz".to_owned(), format!("session={}", "0".repeat(64))] {
        assert_eq!(here.post_form(&test, "/sessions/end", &spoilt).await.status, 404);
    }
    let left = [there.get(&test, "/").await, third.get(&test, "/").await];
    let told_of: Vec<_> = left.iter().filter_map(|answered| answered.location.as_deref()).collect();
    assert_eq!(told_of, ["/login?notice=ended-from-elsewhere"], "one of the two");
    assert!(here.get(&test, told_of[0]).await.status == 200);

    // Nobody ends somebody else's, nor learns that there is one.
    let mut other = here.beside();
    admit_colleague(&test, &mut other).await;
    let page = other.get(&test, "/sessions").await.text;
    assert!(!page.contains("name=\"session\""), "{page}");
    let foreign = format!("session={}", others[1]);
    assert_eq!(other.post_form(&test, "/sessions/end", &foreign).await.status, 404);
    assert!(told(&test, "session.end", Some("none_of_theirs")).await);
    let others_end = here.post_form(&test, "/sessions/end-others", "").await;
    assert_eq!(others_end.location.as_deref(), Some("/sessions?notice=others-ended"));
    assert_eq!(live_sessions(&test).await, 2, "this one, and the colleague's");
    assert_eq!(here.get(&test, "/sessions?notice=others-ended").await.status, 200);
}

#[tokio::test]
async fn a_person_reads_what_was_done_in_their_name_and_nothing_of_others() {
    let (test, mut desk) = logged_in().await;
    let mut other = desk.beside();
    admit_colleague(&test, &mut other).await;
    let page = desk.get(&test, "/history?lang=ja").await.text;
    let rows = |page: &str| page.matches("<time datetime=").count();
    assert!(page.contains("カードでログイン") && page.contains("試験病院"), "{page}");
    let before = rows(&page);
    other.post_form(&test, "/sessions/end", &format!("session={}", "0".repeat(64))).await;
    assert_eq!(rows(&desk.get(&test, "/history").await.text), before, "that was the colleague");
    desk.post_form(&test, "/sessions/end", &format!("session={}", "0".repeat(64))).await;
    let page = desk.get(&test, "/history?lang=ja").await.text;
    assert_eq!(rows(&page), before + 1);
    assert!(page.contains("（拒否されました）"));

    for _ in 0..50 {
        desk.post_form(&test, "/sessions/end", &format!("session={}", "0".repeat(64))).await;
    }
    let newest = desk.get(&test, "/history").await.text;
    assert_eq!(rows(&newest), 50);
    let older = newest.split("href=\"/history?before=").nth(1).unwrap().split('"').next().unwrap();
    let older = desk.get(&test, &format!("/history?before={older}")).await.text;
    assert_eq!(rows(&older), before + 1);
    for spoilt in ["x", "1", "1.x", "1.01999999-0000-7000-8000-000000000000&before=2"] {
        assert_eq!(desk.get(&test, &format!("/history?before={spoilt}")).await.status, 400);
    }
}

#[tokio::test]
async fn the_time_of_a_login_is_told_to_its_person_and_by_its_code_to_the_help_desk() {
    let (test, mut desk) = logged_in().await;
    assert!(!desk.get(&test, "/login-times").await.text.contains("<meter"), "nothing was measured");
    let measured = async |desk: &mut Desk, pin: u32| {
        let challenge = desk.begin(&test, false).await;
        let mut submission = desk.answer(&challenge, &physician(), |_| {}).await;
        submission.times = Some(LoginTimes { agent: 60, card: 420, pin, sign: 510 });
        assert_eq!(desk.submit(&test, &submission).await.status, 200);
    };
    measured(&mut desk, 600_001).await;
    assert!(!desk.get(&test, "/login-times").await.text.contains("<meter"), "no login takes that");
    measured(&mut desk, 2_340).await;
    desk.get(&test, "/").await;
    let page = desk.get(&test, "/login-times?lang=en").await.text;
    let code = page.split("<code class=\"code\">").nth(1).unwrap().split('<').next().unwrap();
    assert!(page.contains("</meter> 2.3") && page.contains("</meter> 0.5"), "{page}");
    assert!(page.contains("not yet"), "no service was entered");

    let operator = operator(&test).await;
    let look_up = async |code: &str| {
        send(&test, &operator, &format!("/console/login-times?code={code}&lang=en"), None).await
    };
    let found = look_up(code).await;
    assert!(found.text.contains("</meter> 2.3"), "{}", found.text);
    assert!(!found.text.contains("山田"), "whose login it was is not said");
    assert!(told(&test, "login_time.look_up", None).await);
    assert_eq!(look_up("123").await.status, 422);
    assert!(look_up("0000000000").await.text.contains("There is nothing under this code"));
    assert!(told(&test, "login_time.look_up", Some("unknown_code")).await);
    let administrator = super::console::administrator(&test, &desk.terminal.organisation_id).await;
    let refused = send(&test, &administrator, "/console/login-times", None).await;
    assert_eq!(refused.status, 403);
}
