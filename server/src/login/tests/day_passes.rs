//! Passes for a day, through the real router: the honest way, what it carries, and who gets none.

use sekisho_store::{Queries, sql};
use sekisho_wire::acr;
use serde_json::{Value as Json, json};
use time::Duration;

use super::{
    console::{administrator, code_on, send},
    desk::{
        Answered, Card, Desk, NOW, count, desk, instance_with, live_sessions, physician, publish,
        told,
    },
    passwords,
    standing::{roles_now, session},
    step_up::{self, AUTHORIZE},
};
use crate::{
    config::Settings,
    login,
    people::tests::{PASSWORD, between, form},
    testing::TestApp,
};

const PIN: &str = "271828";

fn settings() -> Settings {
    let mut settings = passwords::passwords();
    settings.card_login.day_passes = true;
    settings
}

/// Who asks.
fn nurse() -> Card {
    let role = "General Nurse";
    Card { kanji: "佐藤　花子", serial_number: "DEMO00002", serial: 101, role, ..physician() }
}

/// Who gives.
fn pharmacist() -> Card {
    let role = "Pharmacist";
    Card { kanji: "鈴木　一郎", serial_number: "DEMO00003", serial: 102, role, ..physician() }
}

/// An instance with passes and a desk where all three are members; nobody is logged in.
async fn ward() -> (TestApp, Desk) {
    ward_of(settings()).await
}

async fn ward_of(settings: Settings) -> (TestApp, Desk) {
    let test = instance_with(settings).await;
    let mut desk = desk(&test, 1).await;
    for card in [physician(), nurse(), pharmacist()] {
        let code = desk.invite(&test, card.kanji, card.role).await;
        let answered = desk.redeem(&test, &code, &card).await;
        assert_eq!(answered.status, 200, "{}", answered.text);
        desk.log_out(&test).await;
    }
    (test, desk)
}

async fn person_of(test: &TestApp, card: &Card) -> String {
    let statement = sql("SELECT person_id FROM card_identity WHERE serial_number = $1");
    let mut reader = test.app.store().read();
    let (id,): (String,) = reader.fetch_one(statement.bind(card.serial_number)).await.unwrap();
    id
}

impl Desk {
    async fn log_in(&mut self, test: &TestApp, card: &Card) {
        let answered = self.login(test, card, false).await;
        assert_eq!(answered.status, 200, "{}", answered.text);
    }

    /// Asks for a pass as whoever is at work.
    async fn ask_for(&mut self, test: &TestApp, card: &Card) -> Answered {
        let person = person_of(test, card).await;
        let fields = [("name", "山田"), ("person", person.as_str()), ("sure", "yes")];
        self.post_form(test, "/day-pass", &form(&fields)).await
    }

    /// Gives what waits here as whoever is at work, with this PIN.
    async fn give(&mut self, test: &TestApp, pin: &str) -> Answered {
        let waiting =
            sql("SELECT id FROM day_pass WHERE given_at IS NULL ORDER BY id DESC LIMIT 1");
        let (id,): (String,) = test.app.store().read().fetch_one(waiting).await.unwrap();
        let fields = [("pin", pin), ("pin_again", pin), ("sure", "yes")];
        self.post_form(test, &format!("/day-pass/{id}"), &form(&fields)).await
    }

    /// The slip that both colleagues get for the physician, one after the other at this desk.
    async fn slip(&mut self, test: &TestApp) -> String {
        self.log_in(test, &nurse()).await;
        let asked = self.ask_for(test, &physician()).await;
        assert_eq!(asked.location.as_deref(), Some("/day-pass?notice=asked"), "{}", asked.text);
        self.log_out(test).await;
        self.log_in(test, &pharmacist()).await;
        let slip = self.give(test, PIN).await;
        assert_eq!(slip.status, 200, "{}", slip.text);
        self.log_out(test).await;
        code_on(&slip.text)
    }

    /// Brings a slip.
    async fn bring_slip(&mut self, test: &TestApp, code: &str, pin: &str) -> Answered {
        self.get(test, "/login/day-pass").await;
        self.post_form(test, "/login/day-pass", &form(&[("code", code), ("pin", pin)])).await
    }
}

#[tokio::test]
async fn two_colleagues_stand_in_for_the_card_until_it_is_back() {
    let (test, mut desk) = ward().await;
    // The first finds the person by name, and asks.
    desk.log_in(&test, &nurse()).await;
    assert!(desk.get(&test, "/").await.text.contains("href=\"/day-pass\""));
    let page = desk.get(&test, "/day-pass?name=%E5%B1%B1%E7%94%B0&lang=ja").await;
    assert_eq!(page.status, 200);
    let chosen = between(&page.text, r#"name="person" value=""#, "\"");
    assert_eq!(chosen, person_of(&test, &physician()).await);
    let asked = desk.ask_for(&test, &physician()).await;
    assert_eq!(asked.location.as_deref(), Some("/day-pass?notice=asked"), "{}", asked.text);
    let page = desk.get(&test, "/day-pass?notice=asked&lang=ja").await.text;
    assert!(page.contains("もう1人の同僚に") && !page.contains("name=\"pin\""), "{page}");
    assert!(!desk.get(&test, "/").await.text.contains("day-pass-waiting"));
    desk.log_out(&test).await;
    // The second is told by the portal, and gives it.
    desk.log_in(&test, &pharmacist()).await;
    let portal = desk.get(&test, "/?lang=ja").await.text;
    assert!(portal.contains("佐藤　花子さんが、山田　太郎さんの通行証"), "{portal}");
    assert!(desk.get(&test, "/day-pass").await.text.contains("name=\"pin\""));
    let slip = desk.give(&test, PIN).await;
    assert_eq!(slip.status, 200, "{}", slip.text);
    for part in ["山田　太郎", "佐藤　花子 / 鈴木　一郎"] {
        assert!(slip.text.contains(part), "{part}: {}", slip.text);
    }
    assert!(!slip.text.contains(PIN));
    let code = code_on(&slip.text);
    assert!(!desk.get(&test, "/day-pass").await.text.contains(&code), "shown once");
    assert!(told(&test, "day_pass.ask", None).await && told(&test, "day_pass.give", None).await);
    let notices = "SELECT COUNT(*) FROM outbox WHERE payload LIKE '%day_pass_given%'";
    assert_eq!(count(&test, notices).await, 1, "the administrators are told");
    desk.log_out(&test).await;
    // The person comes with slip and PIN.
    let login = desk.get(&test, "/login").await.text;
    assert!(login.contains("href=\"/login/day-pass\""), "{login}");
    let answered = desk.bring_slip(&test, &code.to_lowercase(), "２７１８２８").await;
    assert_eq!(answered.location.as_deref(), Some("/"), "{}", answered.text);
    let (level, methods, roles) = session(&test).await;
    assert_eq!(level, acr::DAY_PASS);
    assert_eq!(methods, r#"["daypass","mfa","pin"]"#);
    assert_eq!(roles, r#"["Medical Doctor"]"#);
    assert_eq!(roles_now(&test).await, ["Medical Doctor"]);
    assert!(told(&test, "login.day_pass", None).await);
    let portal = desk.get(&test, "/?lang=ja").await.text;
    for part in ["day-pass-until", "医師", "当日の通行証と暗証番号（同僚2人が確認）"]
    {
        assert!(portal.contains(part), "{part}: {portal}");
    }
    // At any terminal of the facility, and again: it is theirs for a day.
    let mut beside = desk.beside();
    assert_eq!(beside.bring_slip(&test, &code, PIN).await.location.as_deref(), Some("/"));
    assert_eq!(live_sessions(&test).await, 2);
    // Their own card raises the session here and ends the pass everywhere.
    desk.log_in(&test, &physician()).await;
    assert_eq!((session(&test).await.0.as_str(), live_sessions(&test).await), (acr::HPKI_CARD, 1));
    assert_eq!(
        beside.get(&test, "/").await.location.as_deref(),
        Some("/login?notice=day-pass-ended")
    );
    let over = beside.bring_slip(&test, &code, PIN).await;
    assert_eq!(over.status, 403);
    assert!(over.text.contains("この通行証は、もう使えません"), "{}", over.text);
    assert!(told(&test, "day_pass.end", None).await);
    assert!(told(&test, "login.day_pass", Some("day-pass-over")).await);
}

#[tokio::test]
async fn a_service_is_told_the_level_and_who_vouches_where_its_rules_take_it() {
    let (test, mut desk) = ward().await;
    let rule = format!("{}\nminimum_acr = \"{}\"", step_up::RULE, acr::DAY_PASS);
    step_up::register_with(&test, &rule).await;
    let code = desk.slip(&test).await;
    desk.bring_slip(&test, &code, PIN).await;
    let arrived = desk.get(&test, AUTHORIZE).await.location.unwrap();
    assert!(arrived.starts_with("https://referral.example/callback?code="), "{arrived}");
    let statement = "SELECT claims FROM authorization_code";
    let (claims,): (String,) = test.app.store().read().fetch_one(sql(statement)).await.unwrap();
    let claims: Json = serde_json::from_str(&claims).unwrap();
    assert_eq!(claims["acr"], acr::DAY_PASS);
    assert_eq!(claims["amr"], json!(["daypass", "mfa", "pin"]));
    assert_eq!(claims["vouched_by"]["sub"], "colleagues");
}

#[tokio::test]
async fn rules_that_name_no_level_or_one_time_passwords_refuse_it() {
    for level in [None, Some(acr::PASSWORD_TOTP), Some(acr::PASSKEY)] {
        let (test, mut desk) = ward().await;
        let level = level.map_or(String::new(), |level| format!("\nminimum_acr = \"{level}\""));
        step_up::register_with(&test, &format!("{}{level}", step_up::RULE)).await;
        let code = desk.slip(&test).await;
        desk.bring_slip(&test, &code, PIN).await;
        let refused = desk.get(&test, AUTHORIZE).await;
        assert_eq!((refused.status, refused.location), (403, None), "{level}");
        assert!(told(&test, "service.authorize", Some("level")).await, "{level}");
    }
}

#[tokio::test]
async fn its_sessions_end_with_its_day_whatever_the_portal_allows() {
    let mut settings = settings();
    settings.card_login.day_pass_hours = 2;
    let (test, mut desk) = ward_of(settings).await;
    let code = desk.slip(&test).await;
    test.clock.advance(Duration::minutes(90));
    assert_eq!(desk.bring_slip(&test, &code, PIN).await.location.as_deref(), Some("/"));
    test.clock.advance(Duration::minutes(29));
    assert_eq!(desk.get(&test, "/").await.status, 200);
    test.clock.advance(Duration::minutes(1));
    let ended = desk.get(&test, "/").await;
    assert_eq!(ended.location.as_deref(), Some("/login?notice=expired"));
    assert_eq!(desk.bring_slip(&test, &code, PIN).await.status, 403);
}

#[tokio::test]
async fn the_profession_falls_away_when_the_card_at_home_is_revoked() {
    let (test, mut desk) = ward().await;
    let code = desk.slip(&test).await;
    desk.bring_slip(&test, &code, PIN).await;
    assert_eq!(roles_now(&test).await, ["Medical Doctor"]);
    publish(&test, &[physician().serial], NOW).await;
    assert!(roles_now(&test).await.is_empty());
    assert!(desk.get(&test, "/").await.text.contains("profession-lapsed"));
    // And nobody is given a new one on it.
    desk.log_out(&test).await;
    desk.log_in(&test, &nurse()).await;
    let refused = desk.ask_for(&test, &physician()).await;
    assert_eq!(refused.status, 422);
    assert!(told(&test, "day_pass.ask", Some("card-lapsed")).await);
}

#[tokio::test]
async fn nobody_stands_up_for_themself_nor_twice_nor_for_strangers() {
    let (test, mut desk) = ward().await;
    desk.log_in(&test, &nurse()).await;
    let refused = desk.ask_for(&test, &nurse()).await;
    assert_eq!(refused.status, 422);
    assert!(told(&test, "day_pass.ask", Some("oneself")).await);
    // Without a card there is none at home; without a membership there is nobody.
    let mut clerks = desk.beside();
    clerks.join(&test, "田中 次郎", "tanaka").await;
    let statement = sql("SELECT person_id FROM account WHERE login_name = 'tanaka'");
    let (clerk,): (String,) = test.app.store().read().fetch_one(statement).await.unwrap();
    for (person, reason) in [(clerk.as_str(), "no-card"), ("none", "alike")] {
        let fields = [("name", "x"), ("person", person), ("sure", "yes")];
        assert_eq!(desk.post_form(&test, "/day-pass", &form(&fields)).await.status, 422);
        assert!(told(&test, "day_pass.ask", Some(reason)).await, "{reason}");
    }
    // Half a form asks for nothing.
    for fields in [[("name", "x"), ("sure", "yes")], [("name", "x"), ("person", "none")]] {
        assert_eq!(desk.post_form(&test, "/day-pass", &form(&fields)).await.status, 422);
    }
    assert_eq!(count(&test, "SELECT COUNT(*) FROM day_pass").await, 0);
    // Who asked does not give; nor does whom it is for.
    desk.ask_for(&test, &physician()).await;
    assert_eq!(desk.give(&test, PIN).await.status, 422);
    desk.log_out(&test).await;
    desk.log_in(&test, &physician()).await;
    assert!(!desk.get(&test, "/").await.text.contains("day-pass-waiting"));
    assert_eq!(desk.give(&test, PIN).await.status, 422);
    assert!(told(&test, "day_pass.give", Some("alike")).await);
    // A clerk's password is nothing that a card stands behind: whoever invents clerks gets no pass by them.
    let page = clerks.get(&test, "/day-pass").await.text;
    assert!(!page.contains("name=\"name\"") && page.contains("/login?return_to="), "{page}");
    for answered in [clerks.ask_for(&test, &physician()).await, clerks.give(&test, PIN).await] {
        assert_eq!(answered.location.as_deref(), Some("/day-pass"));
    }
    assert_eq!(count(&test, "SELECT COUNT(*) FROM day_pass WHERE given_at > 0").await, 0);
}

#[tokio::test]
async fn a_namesake_under_another_card_is_no_second_colleague() {
    let (test, mut desk) = ward().await;
    let namesake = Card { serial_number: "DEMO00004", serial: 103, ..nurse() };
    let code = desk.invite(&test, namesake.kanji, namesake.role).await;
    assert_eq!(desk.redeem(&test, &code, &namesake).await.status, 200);
    desk.ask_for(&test, &physician()).await;
    desk.log_out(&test).await;
    desk.log_in(&test, &nurse()).await;
    assert_eq!(desk.give(&test, PIN).await.status, 422);
    assert!(told(&test, "day_pass.give", Some("alike")).await);
    desk.log_out(&test).await;
    desk.log_in(&test, &pharmacist()).await;
    assert_eq!(desk.give(&test, PIN).await.status, 200);
}

#[tokio::test]
async fn both_colleagues_logged_in_lately_at_one_terminal() {
    let (test, mut desk) = ward().await;
    desk.log_in(&test, &nurse()).await;
    test.clock.advance(Duration::minutes(6));
    let answered = desk.ask_for(&test, &physician()).await;
    assert_eq!(answered.location.as_deref(), Some("/day-pass"));
    let page = desk.get(&test, "/day-pass").await.text;
    assert!(page.contains("/login?return_to=%2Fday-pass"), "{page}");
    desk.log_in(&test, &nurse()).await;
    desk.ask_for(&test, &physician()).await;
    desk.log_out(&test).await;
    // At another facility's terminal nothing waits, though its id is known.
    let mut there = super::desk::desk(&test, 2).await;
    let code = there.invite(&test, pharmacist().kanji, "Pharmacist").await;
    assert_eq!(there.redeem(&test, &code, &pharmacist()).await.status, 200);
    assert!(!there.get(&test, "/").await.text.contains("day-pass-waiting"));
    assert_eq!(there.give(&test, PIN).await.status, 422);
    assert!(told(&test, "day_pass.give", Some("not-waiting")).await);
    // After ten minutes it waits no longer.
    test.clock.advance(Duration::minutes(10));
    desk.log_in(&test, &pharmacist()).await;
    assert!(!desk.get(&test, "/").await.text.contains("day-pass-waiting"));
    assert_eq!(desk.give(&test, PIN).await.status, 422);
}

#[tokio::test]
async fn a_pin_that_is_guessed_first_or_typed_twice_differently_gives_nothing() {
    let (test, mut desk) = ward().await;
    desk.log_in(&test, &nurse()).await;
    desk.ask_for(&test, &physician()).await;
    desk.log_out(&test).await;
    desk.log_in(&test, &pharmacist()).await;
    for pin in ["", "12345", "123456", "000000", "abcdef", &"9".repeat(500)] {
        let refused = desk.give(&test, pin).await;
        assert_eq!(refused.status, 422, "{pin}");
        assert!(refused.text.contains("id=\"pin-error\""), "{}", refused.text);
    }
    let (id,): (String,) =
        test.app.store().read().fetch_one(sql("SELECT id FROM day_pass")).await.unwrap();
    for fields in [
        [("pin", PIN), ("pin_again", "271829"), ("sure", "yes")].as_slice(),
        &[("pin", PIN), ("pin_again", PIN)],
    ] {
        let refused = desk.post_form(&test, &format!("/day-pass/{id}"), &form(fields)).await;
        assert_eq!(refused.status, 422);
    }
    assert_eq!(count(&test, "SELECT COUNT(*) FROM day_pass WHERE given_at > 0").await, 0);
    assert_eq!(desk.give(&test, PIN).await.status, 200);
    // Sent once more, the form gives no second slip.
    assert_eq!(count(&test, "SELECT COUNT(*) FROM day_pass").await, 1);
    let again = [("pin", PIN), ("pin_again", PIN), ("sure", "yes")];
    let again = desk.post_form(&test, &format!("/day-pass/{id}"), &form(&again)).await;
    assert_eq!(again.status, 422);
}

#[tokio::test]
async fn five_wrong_pins_close_it_and_a_right_one_gives_the_tries_back() {
    let (test, mut desk) = ward().await;
    let code = desk.slip(&test).await;
    for _ in 0..2 {
        for _ in 0..4 {
            let refused = desk.bring_slip(&test, &code, "314159").await;
            assert_eq!(refused.status, 401, "{}", refused.text);
            assert!(refused.text.contains("day-pass-error") && !refused.text.contains(&code));
        }
        assert_eq!(desk.bring_slip(&test, &code, PIN).await.location.as_deref(), Some("/"));
        desk.log_out(&test).await;
    }
    for _ in 0..5 {
        assert_eq!(desk.bring_slip(&test, &code, "314159").await.status, 401);
    }
    assert_eq!(desk.bring_slip(&test, &code, PIN).await.status, 403);
    assert!(told(&test, "login.day_pass", Some("day-pass-wrong")).await);
    assert_eq!(live_sessions(&test).await, 0);
}

#[tokio::test]
async fn a_slip_opens_nothing_elsewhere_and_tells_nothing_there() {
    let (test, mut desk) = ward().await;
    let code = desk.slip(&test).await;
    let mut there = super::desk::desk(&test, 2).await;
    let invited = there.invite(&test, physician().kanji, physician().role).await;
    assert_eq!(there.redeem(&test, &invited, &nurse()).await.status, 403, "not this card");
    let tried = there.bring_slip(&test, &code, PIN).await;
    let unknown = there.bring_slip(&test, "0000-0000-0000-0000-0000", PIN).await;
    assert_eq!((tried.status, unknown.status), (401, 401));
    let no_code = there.bring_slip(&test, "0000-0000-0000-0000-0001", PIN).await;
    assert_eq!(no_code.status, 400, "{}", no_code.text);
    // A member no more is logged in by it no more.
    desk.bring_slip(&test, &code, PIN).await;
    assert_eq!(live_sessions(&test).await, 1);
    desk.end_memberships(&test).await;
    desk.session_cookie = None;
    assert_eq!(desk.bring_slip(&test, &code, PIN).await.status, 403);
    assert!(told(&test, "login.day_pass", Some("not-a-member")).await);
}

#[tokio::test]
async fn it_carries_on_nothing_stronger() {
    let (test, mut desk) = ward().await;
    let code = desk.slip(&test).await;
    desk.log_in(&test, &physician()).await;
    // That login ended it, and in its session the form is not offered either.
    assert!(!desk.get(&test, "/login").await.text.contains("/login/day-pass"));
    let refused = desk.bring_slip(&test, &code, PIN).await;
    assert_eq!(refused.status, 403);
    assert!(told(&test, "login.day_pass", Some("day-pass-too-weak")).await);
    desk.log_out(&test).await;
    // Where more is asked for, a pass is not offered and does not do.
    let asked = format!("/login/day-pass?level={}", acr::HPKI_CARD);
    assert_eq!(desk.get(&test, &asked).await.status, 403);
    let code = desk.slip(&test).await;
    desk.get(&test, "/login/day-pass").await;
    let fields = [("code", code.as_str()), ("pin", PIN), ("level", acr::HPKI_CARD)];
    assert_eq!(desk.post_form(&test, "/login/day-pass", &form(&fields)).await.status, 403);
    // With a pass nobody stands up for anybody.
    desk.bring_slip(&test, &code, PIN).await;
    let answered = desk.ask_for(&test, &nurse()).await;
    assert_eq!(answered.location.as_deref(), Some("/day-pass"));
}

#[tokio::test]
async fn nobodys_slip_counts_in_anothers_session() {
    let mut settings = settings();
    settings.card_login.password_with_facility_certificate = true;
    let (test, mut desk) = ward_of(settings).await;
    let code = desk.slip(&test).await;
    let clerk = desk.join(&test, "田中 次郎", "tanaka").await;
    desk.log_out(&test).await;
    let weak = desk.type_in(&test, clerk.login_name, PASSWORD, "").await;
    assert_eq!(weak.location.as_deref(), Some("/"), "{}", weak.text);
    let refused = desk.bring_slip(&test, &code, PIN).await;
    assert_eq!(refused.status, 403);
    assert!(told(&test, "login.day_pass", Some("another-person")).await);
    assert_eq!(session(&test).await.0, acr::PASSWORD_AT_FACILITY, "theirs goes on");
}

#[tokio::test]
async fn a_person_is_given_only_so_many_and_the_latest_counts() {
    let mut settings = settings();
    settings.card_login.day_passes_in_30_days = 2;
    let (test, mut desk) = ward_of(settings).await;
    let first = desk.slip(&test).await;
    desk.bring_slip(&test, &first, PIN).await;
    desk.session_cookie = None;
    let mut beside = desk.beside();
    let second = beside.slip(&test).await;
    assert_eq!(live_sessions(&test).await, 0, "the first one's login ended with it");
    assert_eq!(desk.bring_slip(&test, &first, PIN).await.status, 403);
    assert_eq!(desk.bring_slip(&test, &second, PIN).await.location.as_deref(), Some("/"));
    beside.log_in(&test, &nurse()).await;
    let refused = beside.ask_for(&test, &physician()).await;
    assert_eq!(refused.status, 422);
    assert!(told(&test, "day_pass.ask", Some("too-many")).await);
    test.clock.advance(Duration::days(30));
    publish(&test, &[], test.app.now()).await;
    beside.log_in(&test, &nurse()).await;
    let asked = beside.ask_for(&test, &physician()).await;
    assert_eq!(asked.location.as_deref(), Some("/day-pass?notice=asked"), "{}", asked.text);
}

#[tokio::test]
async fn an_administrator_sees_who_was_given_one_and_takes_it_back() {
    let (test, mut desk) = ward().await;
    let code = desk.slip(&test).await;
    desk.bring_slip(&test, &code, PIN).await;
    let facility = desk.terminal.organisation_id.clone();
    let admin = administrator(&test, &facility).await;
    let page = send(&test, &admin, "/console/members?lang=ja", None).await.text;
    for part in ["当日の通行証", "佐藤　花子 / 鈴木　一郎", "まで有効"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let path = format!("/console/members/day-passes/{}/end", {
        between(&page, "/console/members/day-passes/", "/end")
    });
    let there = super::desk::desk(&test, 2).await;
    let other = Some(format!("organisation={}", there.terminal.organisation_id));
    assert_eq!(send(&test, &admin, &path, other).await.status, 403);
    assert_eq!(live_sessions(&test).await, 1);
    let own = Some(format!("organisation={facility}"));
    assert_eq!(send(&test, &admin, &path, own.clone()).await.status, 303);
    assert_eq!(live_sessions(&test).await, 0);
    assert!(told(&test, "day_pass.end", None).await);
    let ended = desk.get(&test, "/").await;
    assert_eq!(ended.location.as_deref(), Some("/login?notice=day-pass-ended"));
    assert_eq!(send(&test, &admin, &path, own).await.status, 409);
    assert_eq!(desk.bring_slip(&test, &code, PIN).await.status, 403);
    let page = send(&test, &admin, "/console/members?lang=ja", None).await.text;
    assert!(page.contains("取り消し済み"), "{page}");
}

#[tokio::test]
async fn where_they_are_off_nobody_gets_one_and_none_counts() {
    let test = instance_with(Settings::default()).await;
    assert_eq!(login::levels(test.app.config()), [acr::HPKI_CARD]);
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    let portal = desk.get(&test, "/").await.text;
    assert!(!portal.contains("/day-pass"), "{portal}");
    let page = desk.get(&test, "/day-pass?lang=ja").await.text;
    assert!(page.contains("通行証を使っていません"), "{page}");
    assert_eq!(desk.ask_for(&test, &physician()).await.location.as_deref(), Some("/day-pass"));
    desk.log_out(&test).await;
    assert!(!desk.get(&test, "/login").await.text.contains("/login/day-pass"));
    let off = desk.get(&test, "/login/day-pass").await;
    assert!(
        off.status == 403 && !off.text.contains("<form method=\"post\" action=\"/login/day-pass\"")
    );
    assert_eq!(desk.bring_slip(&test, "0000-0000-0000-0000-0000", PIN).await.status, 403);
    assert!(told(&test, "login.day_pass", Some("day-passes-off")).await);
}
