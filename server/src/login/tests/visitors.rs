//! Physicians who are no members here and come in an emergency, with real cards (what the session then is worth:
//! `oidc::tests::emergency::visitor`).

use sekisho_store::{Queries, sql};
use serde_json::json;
use time::Duration;

use super::{
    authenticator::Authenticator,
    desk::{
        Answered, Card, Desk, InReader, NOW, count, desk, furnished, live_sessions, physician,
        publish, told,
    },
    my_number::{MyNumberCard, trusting},
};
use crate::{
    config::{Settings, StatusSource},
    oidc::tests::scene::{CHALLENGE, declaring_file, register, service_file},
    testing::{self, TestApp},
};

const RULES: &str = r#"
[[rules]]
id = "reading"
roles = ["Medical Doctor"]
minimum_acr = "urn:oid:1.3.6.1.4.1.32473.3.2"
membership = true
emergency = true
"#;
const WORDS: &str = "reason=disaster&words=%E5%9C%B0%E9%9C%87%E3%81%AE%E3%81%9F%E3%82%81%E5%BF%85%E8%A6%81%E3%81%A7%E3%81%99%E3%80%82";
const PEOPLE: &str = "SELECT COUNT(*) FROM person";
const MEMBERS: &str = "SELECT COUNT(*) FROM membership";

fn settings(visitors: bool) -> Settings {
    let mut settings = Settings::default();
    settings.emergency.visitors = visitors;
    settings.card_login.passkeys = true;
    settings.card_login.day_passes = true;
    settings.jpki.status = StatusSource::Files;
    settings
}

async fn instance() -> TestApp {
    let test = trusting(furnished(testing::app_with(settings(true)).await).await).await;
    register(&test, &service_file("far", RULES)).await;
    test
}

fn card(role: &'static str) -> Card {
    Card { kanji: "佐藤　花子", serial_number: "DEMO00009", serial: 109, role, ..physician() }
}

impl Desk {
    /// A login whose way on is this.
    async fn come(&mut self, test: &TestApp, card: &impl InReader, return_to: &str) -> Answered {
        self.get(test, "/login").await;
        let challenge = self.ask(test, json!({ "return_to": return_to })).await;
        assert_eq!(challenge.status, 200, "{}", challenge.text);
        let submission = self.answer(&challenge.json(), card, |_| {}).await;
        self.submit(test, &submission).await
    }

    async fn come_by(&mut self, test: &TestApp, passkey: &mut Authenticator) -> Answered {
        self.get(test, "/login").await;
        let body = json!({ "return_to": "/emergency" }).to_string();
        let options = self.post_json(test, "/login/passkey/challenge", body).await;
        assert_eq!(options.status, 200, "{}", options.text);
        let answer = passkey.sign(&options.json());
        self.bring(test, &answer).await
    }

    /// Begins one, and answers where that leads.
    async fn say_why(&mut self, test: &TestApp) -> String {
        self.post_form(test, "/emergency", WORDS).await.location.unwrap_or_default()
    }

    /// Whether the service is open, by the one way in which it can be.
    async fn opens(&mut self, test: &TestApp) -> bool {
        self.get(test, "/").await.text.contains("緊急時アクセスにより使えます")
    }
}

#[tokio::test]
async fn a_physician_whom_nobody_here_ever_saw_comes_and_nothing_is_left_but_their_name() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let people = count(&test, PEOPLE).await;
    // Without asking for it: refused, nobody is entered, and they read where it is.
    let refused = desk.login(&test, &card("Medical Doctor"), false).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "no-member-licensed"));
    assert_eq!((count(&test, PEOPLE).await, live_sessions(&test).await), (people, 0));
    let page = desk.get(&test, "/login?return_to=/authorize/resume?request=x").await.text;
    let way = "/login?return_to=%2Femergency%3Freturn_to%3D%252Fauthorize%252Fresume";
    assert!(page.contains("id=\"login-in-emergency\"") && page.contains(way), "{page}");
    let page = desk.get(&test, "/login?return_to=/emergency").await.text;
    assert!(page.contains("id=\"login-for-emergency\""), "{page}");

    let came = desk.come(&test, &card("Medical Doctor"), "/emergency").await;
    assert_eq!(came.json()["redirect"], "/emergency", "{}", came.text);
    assert_eq!(desk.get(&test, "/").await.location.as_deref(), Some("/emergency"));
    assert_eq!(desk.say_why(&test).await, "/");
    assert!(desk.opens(&test).await);
    assert!(told(&test, "person.enter", None).await);
    assert_eq!(count(&test, PEOPLE).await, people + 1);
    assert_eq!(count(&test, MEMBERS).await, 0);
    // The same person, and no other row, the next time and elsewhere.
    desk.log_out(&test).await;
    let mut elsewhere = super::desk::desk(&test, 2).await;
    let came = elsewhere.come(&test, &card("Medical Doctor"), "/emergency").await;
    assert_eq!(came.status, 200, "{}", came.text);
    assert_eq!(count(&test, PEOPLE).await, people + 1);
    assert_eq!((elsewhere.say_why(&test).await, elsewhere.opens(&test).await), ("/".into(), true));
    // The third of the day, and no fourth, wherever.
    elsewhere.log_out(&test).await;
    for (led, opens) in [("/", true), ("/emergency", false)] {
        assert_eq!(desk.come(&test, &card("Medical Doctor"), "/emergency").await.status, 200);
        assert_eq!(desk.say_why(&test).await, led);
        assert_eq!(desk.opens(&test).await, opens);
        desk.log_out(&test).await;
    }
    assert_eq!(count(&test, "SELECT COUNT(*) FROM emergency_access").await, 3);
}

#[tokio::test]
async fn off_by_default_and_without_a_licence_nobody_comes() {
    let test = furnished(testing::app_with(settings(false)).await).await;
    let mut off = desk(&test, 1).await;
    let people = count(&test, PEOPLE).await;
    assert!(!off.get(&test, "/login").await.text.contains("login-in-emergency"));
    let refused = off.come(&test, &card("Medical Doctor"), "/emergency").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "not-a-member"));
    assert_eq!((count(&test, PEOPLE).await, live_sessions(&test).await), (people, 0));

    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let people = count(&test, PEOPLE).await;
    for role in ["Director of Hospital", "Wizard"] {
        let refused = desk.come(&test, &card(role), "/emergency").await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "no-member-unlicensed"));
        // Nor is it offered to them.
        let refused = desk.come(&test, &card(role), "/").await;
        assert_eq!(refused.code(), "not-a-member", "{role}");
    }
    publish(&test, &[109], NOW).await;
    let revoked = desk.come(&test, &card("Medical Doctor"), "/emergency").await;
    assert_eq!(revoked.code(), "certificate-revoked");
    assert_eq!((count(&test, PEOPLE).await, live_sessions(&test).await), (people, 0));
    for elsewhere in ["/emergency/end", "/emergency/", "/?return_to=/emergency", "/emergencyx"] {
        publish(&test, &[], NOW).await;
        let refused = desk.come(&test, &card("Medical Doctor"), elsewhere).await;
        assert_eq!(refused.code(), "no-member-licensed", "{elsewhere}");
    }
}

#[tokio::test]
async fn the_session_goes_on_with_its_hour_only_and_for_its_person_only() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let doctor = card("Medical Doctor");
    assert_eq!(desk.come(&test, &doctor, "/emergency").await.status, 200);
    assert_eq!(desk.say_why(&test).await, "/");
    let ends = async || -> i64 {
        let statement = "SELECT expires_at FROM session WHERE ended_at IS NULL";
        let row: (i64,) = test.app.store().read().fetch_one(sql(statement)).await.unwrap();
        row.0
    };
    let end = (test.app.now() + Duration::HOUR).unix_timestamp();
    assert_eq!(ends().await, end);
    // Proven again, it is the same session, and no longer: for whatever the page asked.
    test.clock.advance(Duration::minutes(30));
    assert_eq!(desk.come(&test, &doctor, "/").await.status, 200);
    assert_eq!((ends().await, live_sessions(&test).await), (end, 1));
    assert!(desk.opens(&test).await);
    // Another's card is refused within it, a locked one is gone on with by its own.
    let other = Card { serial_number: "DEMO00010", serial: 110, ..doctor };
    let refused = desk.come(&test, &other, "/emergency").await;
    assert_eq!(refused.code(), "another-person");
    lock(&test).await;
    assert!(!desk.opens(&test).await);
    assert_eq!(desk.come(&test, &doctor, "/").await.status, 200);
    assert_eq!((ends().await, live_sessions(&test).await), (end, 1));
    assert!(desk.opens(&test).await);
    // A locked one is replaced by another's, who has nothing of it.
    lock(&test).await;
    assert_eq!(desk.come(&test, &other, "/").await.code(), "no-member-licensed");
    assert_eq!(desk.come(&test, &other, "/emergency").await.status, 200);
    assert_eq!(live_sessions(&test).await, 1);
    assert!(!desk.opens(&test).await);
    // An hour, and no minute more.
    assert_eq!(desk.say_why(&test).await, "/");
    test.clock.advance(Duration::HOUR);
    assert!(!desk.opens(&test).await);
    assert_eq!(desk.say_why(&test).await, "/login?notice=visit-over");
}

async fn lock(test: &TestApp) {
    use sekisho_store::{
        StoreError,
        audit::{Actor, Audited, Entry},
        transaction,
    };
    let now = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        let lock = sql("UPDATE session SET locked_at = $1 WHERE ended_at IS NULL");
        tx.execute(lock.bind(now)).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
}

#[tokio::test]
async fn what_a_member_may_at_home_no_visitor_may() {
    let test = instance().await;
    let mut home = desk(&test, 1).await;
    home.admit(&test, &physician()).await;
    home.log_out(&test).await;
    let mut away = super::desk::desk(&test, 2).await;
    assert_eq!(away.come(&test, &physician(), "/emergency").await.status, 200);
    for began in [false, true] {
        if began {
            assert_eq!(away.say_why(&test).await, "/");
        }
        let passkey = away.begin_passkey(&test, "鍵").await;
        assert_eq!(passkey.code(), "other-session", "{began}");
        let link = away.ask_at(&test, "/my-number-card/challenge", json!({})).await;
        assert_eq!(link.code(), "other-session", "{began}");
        for page in ["/my-number-card", "/passkeys", "/day-pass"] {
            assert_eq!(away.get(&test, page).await.status, 403, "{page} {began}");
        }
        let pass = away.post_form(&test, "/day-pass", "person=x").await;
        assert!(pass.status >= 400, "{}", pass.text);
    }
    for nothing in [
        "SELECT COUNT(*) FROM passkey",
        "SELECT COUNT(*) FROM jpki_link",
        "SELECT COUNT(*) FROM day_pass",
    ] {
        assert_eq!(count(&test, nothing).await, 0, "{nothing}");
    }
    assert_eq!(count(&test, MEMBERS).await, 1, "at home, and nowhere else");
    // Asking for it makes no visitor of a member.
    assert_eq!(home.come(&test, &physician(), "/emergency").await.status, 200);
    assert!(home.get(&test, "/passkeys").await.status == 200);
}

#[tokio::test]
async fn a_visitor_is_asked_for_consent_as_anybody() {
    let test = instance().await;
    let given_away = declaring_file("lent", "third_party")
        .replace("https://lent.example/callback", "https://lent.example/visit");
    let (before, _) = given_away.split_once("\n[[rules]]").unwrap();
    register(&test, &format!("{before}\n{RULES}")).await;
    let mut desk = desk(&test, 1).await;
    desk.come(&test, &card("Medical Doctor"), "/emergency").await;
    desk.say_why(&test).await;
    let asked = desk
        .get(
            &test,
            &format!(
                "/authorize?response_type=code&client_id=lent&scope=openid&state=s\
                 &redirect_uri=https%3A%2F%2Flent.example%2Fvisit\
                 &code_challenge={CHALLENGE}&code_challenge_method=S256"
            ),
        )
        .await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    let field = |name: &str| {
        let (_, rest) = asked.text.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let form = ["request", "claims", "seen"].map(|name| format!("{name}={}&", field(name)));
    let form = format!("{}decision=agree", form.concat());
    let agreed = desk.post_form(&test, "/authorize/consent", &form).await;
    let location = agreed.location.unwrap();
    assert!(location.starts_with("https://lent.example/visit?code="), "{location}");
}

#[tokio::test]
async fn a_visitor_who_is_invited_becomes_a_member_by_the_card_and_not_before() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    assert_eq!(desk.come(&test, &physician(), "/emergency").await.status, 200);
    assert_eq!(desk.say_why(&test).await, "/");
    let code = desk.invite(&test, "山田 太郎", "Medical Doctor").await;
    assert_eq!(desk.get(&test, "/passkeys").await.status, 403);
    let answered = desk.redeem(&test, &code, &physician()).await;
    assert_eq!(answered.status, 200, "{}", answered.text);
    assert_eq!(desk.get(&test, "/passkeys").await.status, 200);
    assert_eq!((live_sessions(&test).await, count(&test, MEMBERS).await), (1, 1));
    // The visit, and what was open by it, are over.
    let over = "SELECT COUNT(*) FROM session WHERE visiting = 1 AND end_reason = 'replaced'";
    assert_eq!(count(&test, over).await, 1);
    assert!(!desk.get(&test, "/").await.text.contains("action=\"/emergency/end\""));
    // No card told how the name is read; the invitation does, and nobody's word is written over.
    let kana = "SELECT COUNT(*) FROM person_name WHERE name_kana = 'ヤマダ タロウ'";
    assert_eq!(count(&test, kana).await, 1);
}

#[tokio::test]
async fn a_passkey_or_a_my_number_card_does_while_an_hpki_card_vouches_for_it() {
    let test = instance().await;
    let mut home = desk(&test, 1).await;
    home.admit(&test, &physician()).await;
    let mut passkey = home.enrol(&test, "青い鍵").await;
    let my_number = MyNumberCard::of_serial(561);
    assert_eq!(home.link(&test, &my_number).await.status, 200);
    home.log_out(&test).await;
    let mut away = super::desk::desk(&test, 2).await;
    for by_passkey in [true, false] {
        let came = match by_passkey {
            true => away.come_by(&test, &mut passkey).await,
            false => away.come(&test, &my_number, "/emergency").await,
        };
        assert_eq!(came.status, 200, "{}", came.text);
        assert_eq!(away.say_why(&test).await, "/");
        assert!(away.opens(&test).await, "{by_passkey}");
        // In the middle of the hour the certificate that vouches is revoked.
        publish(&test, &[physician().serial], NOW).await;
        assert!(!away.opens(&test).await, "{by_passkey}");
        away.log_out(&test).await;
        let refused = match by_passkey {
            true => away.come_by(&test, &mut passkey).await,
            false => away.come(&test, &my_number, "/emergency").await,
        };
        assert_eq!(refused.code(), "no-member-unlicensed", "{by_passkey}");
        publish(&test, &[], NOW).await;
    }
    assert_eq!(count(&test, MEMBERS).await, 1);
}
