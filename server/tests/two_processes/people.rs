//! People without a card: links, one-time passwords, approvals, letters.

use reqwest::StatusCode;
use sekisho::{
    demo::{
        browser::{Answer, Browser},
        cast::FACILITIES,
        console::{ConsoleUser, PASSWORD},
        walk::{self, AccreditedFacility},
    },
    people::totp::TotpSecret,
};
use sekisho_store::{application, organisation, role_grant};
use time::{Duration, OffsetDateTime};

use crate::pair::{Both, Pair, RACERS, at_once, only, submit_at_once};

const ADMINISTRATOR: &str = "admin";

/// The code of the authenticator app, `steps` time steps from now.
fn totp(secret: &TotpSecret, steps: i64) -> String {
    secret.code_at(OffsetDateTime::now_utc() + Duration::seconds(30 * steps)).unwrap()
}

fn secret_on(page: &Answer) -> TotpSecret {
    TotpSecret::from_text(&page.text_of("totp-secret").unwrap()).unwrap()
}

/// Each of the two knows the session, whichever began it.
async fn is_signed_in(pair: &Pair, both: &Both) {
    for browser in [&both.one, &both.two] {
        let url = format!("{}/console", pair.stage.origins.public);
        assert_eq!(browser.open_once(&url).await.unwrap().status, StatusCode::OK);
    }
}

pub async fn a_one_time_link_is_used_once(pair: &Pair) -> ConsoleUser {
    let (public, link) = (&pair.stage.origins.public, &pair.stage.first_use_link);
    let both = pair.browser();
    // The page comes from the second; its form is raced at both.
    let page = both.two.open(link).await.unwrap().expect_success().unwrap();
    let secret = secret_on(&page);
    let fields = [
        ("token", &page.value_of("token").unwrap()),
        ("setup", &page.value_of("setup").unwrap()),
        ("password", &PASSWORD.to_owned()),
        ("password_again", &PASSWORD.to_owned()),
        ("totp_code", &totp(&secret, 0)),
    ];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answers = submit_at_once(&both, &format!("{public}/first-use"), &fields).await;
    only(answers, StatusCode::OK);
    is_signed_in(pair, &both).await;
    // The next code of the generator signs in once, wherever it is brought.
    let again = pair.browser();
    let code = totp(&secret, 1);
    let fields = [("login_name", ADMINISTRATOR), ("password", PASSWORD), ("totp_code", &code)];
    let answers = submit_at_once(&again, &format!("{public}/console/login"), &fields).await;
    only(answers, StatusCode::SEE_OTHER);
    is_signed_in(pair, &again).await;
    ConsoleUser::known(both.one, public, ADMINISTRATOR, secret)
}

/// What the one approval gave.
pub struct Letter {
    identifier: String,
    code: String,
}

async fn approve(pair: &Pair, officer: &Browser, application: &str) -> reqwest::RequestBuilder {
    let public = &pair.stage.origins.public;
    let facility = &FACILITIES[0];
    officer
        .client()
        .post(format!("{public}{application}/approve"))
        .header("Origin", public)
        .form(&[("letter_postal_code", facility.postal_code), ("letter_address", facility.address)])
}

pub async fn of_two_officers_one_approves(pair: &Pair, administrator: &ConsoleUser) -> Letter {
    let (stage, public) = (&pair.stage, &pair.stage.origins.public);
    let role = "accreditation_officer";
    let mut officers = Vec::new();
    for (login_name, name) in [("officer1", ("高橋", "タカハシ")), ("officer2", ("伊藤", "イトウ"))]
    {
        officers.push(walk::appoint(stage, administrator, login_name, name, role).await.unwrap());
    }
    let facility = &FACILITIES[0];
    walk::apply(&pair.browser().one, public, facility, "n@example.jp").await.unwrap();
    let application = walk::find_application(&officers[0], facility.name).await.unwrap();
    officers[0]
        .submit(&format!("{application}/checks"), &[("source", "厚生局"), ("note", "一致")])
        .await
        .unwrap()
        .expect_success()
        .unwrap();
    // The one officer at the first process, the other at the second.
    let [first, second] = officers.try_into().map_err(|_| "two officers").unwrap();
    let both = [first.browser, Both::of(second.browser).two];
    let mut requests = Vec::new();
    for number in 0..RACERS {
        requests.push(approve(pair, &both[number % 2], &application).await);
    }
    let letter = only(at_once(requests).await, StatusCode::OK);
    let id = application.rsplit('/').next().unwrap();
    let mut reader = pair.store.read();
    let entered = organisation::of_application(&mut reader, id).await.unwrap().unwrap();
    let identifier = letter.text_of("facility-identifier").unwrap();
    assert_eq!(entered.id, identifier);
    let events = application::events(&mut reader, id).await.unwrap();
    assert_eq!(events.len(), 3, "applied, checked, and approved once: {events:?}");
    Letter { identifier, code: letter.text_of("activation-code").unwrap() }
}

pub async fn an_activation_code_makes_one_account(
    pair: &Pair,
    letter: Letter,
) -> AccreditedFacility {
    let public = &pair.stage.origins.public;
    let facility = FACILITIES[0];
    let both = pair.browser();
    let url = format!("{public}/activate");
    let page = both.two.submit(&url, &[("code", &letter.code)]).await.unwrap();
    let page = page.expect_success().unwrap();
    let secret = secret_on(&page);
    let (setup, totp_code) = (page.value_of("setup").unwrap(), totp(&secret, 0));
    let fields = [
        ("code", letter.code.as_str()),
        ("setup", &setup),
        ("login_name", facility.administrator),
        ("name", facility.administrator_name),
        ("name_kana", facility.administrator_kana),
        ("email", "admin@example.jp"),
        ("password", PASSWORD),
        ("password_again", PASSWORD),
        ("totp_code", &totp_code),
    ];
    let answers = submit_at_once(&both, &format!("{public}/activate/account"), &fields).await;
    only(answers, StatusCode::OK);
    is_signed_in(pair, &both).await;
    let mut reader = pair.store.read();
    let grants = role_grant::of_organisation(&mut reader, &letter.identifier, 9).await.unwrap();
    assert_eq!(grants.len(), 1, "{grants:?}");
    assert!(organisation::is_active(&mut reader, &letter.identifier).await.unwrap());
    let administrator = ConsoleUser::known(both.one, public, facility.administrator, secret);
    AccreditedFacility { facility, identifier: letter.identifier, administrator }
}
