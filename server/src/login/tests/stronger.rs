//! A stronger login within a session that a weaker one opened, where that is all that is lacking.

use sekisho_protocol::request::{LoginRequest, Purpose};
use sekisho_store::{Queries, sql};
use sekisho_wire::acr;
use serde_json::{Value as Json, json};

use super::{
    desk::{Answered, Desk, count, desk, live_sessions, physician, request_of, told},
    my_number::{MyNumberCard, instance_asking, linked_by},
    passkeys::enrolled_by,
    step_up::{AUTHORIZE, RULE, colleague, register_with},
};
use crate::{
    config::{Settings, StatusSource},
    testing::TestApp,
};

/// The physician, logged in by the linked card, and a service that wants the HPKI card.
async fn at_work(serial: u32, rule: &str) -> (TestApp, Desk, MyNumberCard) {
    let card = MyNumberCard::of_serial(serial);
    let (test, mut desk) = linked_by(&physician(), &card).await;
    register_with(&test, rule).await;
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    (test, desk, card)
}

async fn level(test: &TestApp) -> String {
    let statement = "SELECT acr FROM session WHERE ended_at IS NULL AND realm = 'portal'";
    let (level,): (String,) = test.app.store().read().fetch_one(sql(statement)).await.unwrap();
    level
}

/// Where the page's button leads that asks for a stronger login: the address, and what its login page
/// asks for.
fn button(page: &str) -> (String, Json) {
    let (_, rest) = page.split_once("href=\"/login?return_to=").expect(page);
    let address = format!("/login?return_to={}", rest.split('"').next().unwrap());
    let address = address.replace("&amp;", "&").replace("&#38;", "&");
    let (_, query) = address.split_once('?').unwrap();
    let asked: serde_json::Map<String, Json> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
        .collect();
    (address, asked.into())
}

/// Logs in as the page asks, and follows to where the service is answered.
async fn go_on(test: &TestApp, desk: &mut Desk, asked: Json) -> Answered {
    desk.get(test, "/login").await;
    let challenge = desk.ask(test, asked).await.json();
    let submission = desk.answer(&challenge, &physician(), |_| {}).await;
    let submitted = desk.submit(test, &submission).await;
    assert_eq!(submitted.status, 200, "{}", submitted.text);
    let next = submitted.json()["redirect"].as_str().unwrap().to_owned();
    desk.get(test, &next).await
}

fn of_the_hpki_card(request: &LoginRequest) {
    assert_eq!((request.purpose, request.card_issuers.len()), (Purpose::Stepup, 1));
    assert_eq!((request.acr.as_str(), request.expected_certificate), (acr::HPKI_CARD, None));
    assert_eq!(request.expected_subject.as_ref().unwrap().serial_number, "DEMO00001");
}

#[tokio::test]
async fn who_lacks_the_level_alone_gets_on_by_a_button_and_their_own_card() {
    let (test, mut desk, card) = at_work(520, RULE).await;
    let refused = desk.get(&test, &format!("{AUTHORIZE}&state=kept")).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("本人確認をして続ける"), "{}", refused.text);
    let (address, asked) = button(&refused.text);
    assert_eq!(asked["level"], acr::HPKI_CARD);

    let page = desk.get(&test, &address).await.text;
    assert!(
        page.contains(r#"id="login-level""#) && page.contains("HPKIカードと暗証番号"),
        "{page}"
    );
    assert!(!page.contains("紐付け済みのマイナンバーカードを"), "not asked for again: {page}");
    let challenge = desk.ask(&test, asked.clone()).await.json();
    of_the_hpki_card(&request_of(&challenge));
    // An agent that looks at nothing brings the weaker card, or somebody else's.
    let submission = desk.answer(&challenge, &card, |_| {}).await;
    assert_eq!(desk.submit(&test, &submission).await.status, 403);
    let challenge = desk.ask(&test, asked.clone()).await.json();
    let submission = desk.answer(&challenge, &colleague(), |_| {}).await;
    assert_eq!(desk.submit(&test, &submission).await.code(), "another-person");
    assert_eq!((level(&test).await.as_str(), live_sessions(&test).await), (acr::JPKI_CARD, 1));

    let arrived = go_on(&test, &mut desk, asked).await.location.unwrap();
    assert!(arrived.starts_with("https://referral.example/callback?code="), "{arrived}");
    assert!(arrived.contains("state=kept"), "{arrived}");
    assert_eq!((level(&test).await.as_str(), live_sessions(&test).await), (acr::HPKI_CARD, 1));
}

#[tokio::test]
async fn who_is_not_logged_in_is_asked_at_once_for_what_the_service_admits() {
    for (serial, minimum, asked_for) in
        [(526, None, Some(acr::HPKI_CARD)), (527, Some(acr::PASSKEY), None)]
    {
        let rule = minimum.map(|level| format!("{RULE}\nminimum_acr = \"{level}\""));
        let (test, mut desk, _) = at_work(serial, &rule.unwrap_or(RULE.to_owned())).await;
        desk.log_out(&test).await;
        let parked = desk.get(&test, AUTHORIZE).await.location.unwrap();
        let (address, asked) = button(&format!("href=\"{parked}\""));
        assert_eq!(asked["level"].as_str(), asked_for);
        let page = desk.get(&test, &address).await.text;
        assert_eq!(page.contains("HPKIカードと暗証番号で本人確認"), asked_for.is_some(), "{page}");
        let request = request_of(&desk.ask(&test, asked).await.json());
        let issuers = if asked_for.is_some() { 1 } else { 2 };
        assert_eq!((request.purpose, request.card_issuers.len()), (Purpose::Login, issuers));
    }
}

#[tokio::test]
async fn where_more_is_lacking_or_no_page_may_be_shown_no_button_leads_round() {
    let (test, mut desk, _) = at_work(521, "id = \"pharmacists\"\nroles = [\"Pharmacist\"]").await;
    let refused = desk.get(&test, AUTHORIZE).await;
    assert!(
        refused.text.contains("薬剤師") && !refused.text.contains("/login?"),
        "{}",
        refused.text
    );
    let portal = desk.get(&test, "/").await.text;
    assert!(portal.contains("薬剤師") && !portal.contains("level="), "{portal}");
    assert!(told(&test, "service.authorize", Some("role")).await);

    let (test, mut desk, _) = at_work(522, RULE).await;
    let silent = desk.get(&test, &format!("{AUTHORIZE}&prompt=none")).await.location.unwrap();
    assert!(silent.contains("error=access_denied"), "{silent}");
    assert_eq!(count(&test, "SELECT COUNT(*) FROM parked_request").await, 0);
}

#[tokio::test]
async fn the_portal_offers_the_stronger_login_beside_the_service() {
    let (test, mut desk, _) = at_work(523, RULE).await;
    let portal = desk.get(&test, "/?lang=en").await.text;
    assert!(portal.contains("Prove who you are to use Referral letters"), "{portal}");
    let (address, asked) = button(&portal);
    assert_eq!(asked, json!({ "return_to": "/", "level": acr::HPKI_CARD }));
    assert!(desk.get(&test, &address).await.text.contains("いまのログインでは足りません"));
    let portal = go_on(&test, &mut desk, asked).await.text;
    assert!(portal.contains("https://referral.example/") && !portal.contains("level="), "{portal}");
}

#[tokio::test]
async fn a_level_that_a_service_demands_is_asked_for_and_then_reached() {
    let (test, mut desk, _) =
        at_work(524, &format!("{RULE}\nminimum_acr = \"{}\"", acr::PASSKEY)).await;
    let demanding = |demands: Json| {
        let claims: String =
            url::form_urlencoded::byte_serialize(demands.to_string().as_bytes()).collect();
        format!("{AUTHORIZE}&claims={claims}")
    };
    let one_of = |levels: &[&str]| json!({ "acr": { "essential": true, "values": levels } });
    let either = demanding(json!({ "id_token": one_of(&[acr::JPKI_CARD, acr::HPKI_CARD]) }));
    let arrived = desk.get(&test, &either).await.location.unwrap();
    assert!(arrived.starts_with("https://referral.example/callback?code="), "{arrived}");

    let strong = demanding(json!({ "id_token": one_of(&[acr::HPKI_CARD]) }));
    let parked = desk.get(&test, &strong).await.location.unwrap();
    let (address, asked) = button(&format!("href=\"{parked}\""));
    assert_eq!((address.as_str(), asked["level"].as_str()), (&*parked, Some(acr::HPKI_CARD)));
    desk.get(&test, &address).await;
    of_the_hpki_card(&request_of(&desk.ask(&test, asked.clone()).await.json()));
    let arrived = go_on(&test, &mut desk, asked).await.location.unwrap();
    assert!(arrived.starts_with("https://referral.example/callback?code="), "{arrived}");

    // Each demand could be met, and both by no login.
    let both = json!({
        "id_token": one_of(&[acr::HPKI_CARD]), "userinfo": one_of(&[acr::JPKI_CARD]),
    });
    let unmet = desk.get(&test, &demanding(both)).await.location.unwrap();
    assert!(unmet.contains("error=unmet_authentication_requirements"), "{unmet}");
}

#[tokio::test]
async fn a_passkey_is_not_offered_where_it_is_too_weak() {
    let (test, mut desk, mut passkey) = enrolled_by(&physician()).await;
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
    let at = |level: &str| format!("/login?level={level}");
    let page = desk.get(&test, &at(acr::PASSKEY)).await.text;
    assert!(page.contains(r#"id="passkey""#) && !page.contains("login-level"), "{page}");
    let page = desk.get(&test, &at(acr::JPKI_CARD)).await.text;
    assert!(!page.contains(r#"id="passkey""#) && page.contains("login-level"), "{page}");
    // The way to enrol another one asks for what may vouch.
    let page = desk.get(&test, "/passkeys").await.text;
    let (_, asked) = button(&page);
    assert_eq!(asked, json!({ "return_to": "/passkeys", "level": acr::HPKI_CARD }));
}

#[tokio::test]
async fn the_page_speaks_of_a_my_number_card_where_one_does() {
    let either = |page: &Answered| page.text.contains("または紐付け済みのマイナンバーカード");
    let card = MyNumberCard::of_serial(528);
    let mut settings = Settings::default();
    settings.card_login.passkeys = true;
    settings.jpki.status = StatusSource::Files;
    let test = instance_asking(settings).await;
    let mut desk = desk(&test, 1).await;
    let code = desk.invite(&test, "山田 太郎", "Medical Doctor").await;
    desk.get(&test, "/invitation").await;
    desk.post_form(&test, "/invitation", &format!("code={code}")).await;
    assert!(!either(&desk.get(&test, "/login?invitation=true").await));
    assert_eq!(desk.login(&test, &physician(), true).await.status, 200);
    assert!(!either(&desk.get(&test, "/login").await), "what this card proved no other proves");
    let mut passkey = desk.enrol(&test, "青い鍵").await;
    desk.log_out(&test).await;
    // Nothing is linked yet: the card of nobody raises no session.
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
    assert!(!either(&desk.get(&test, "/login").await));
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    assert_eq!(desk.link(&test, &card).await.status, 200);
    desk.log_out(&test).await;
    assert!(either(&desk.get(&test, "/login").await));
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
    assert!(either(&desk.get(&test, "/login").await));
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    assert_eq!((level(&test).await.as_str(), live_sessions(&test).await), (acr::JPKI_CARD, 1));
}

#[tokio::test]
async fn a_level_that_nobody_knows_is_refused_by_page_and_challenge() {
    let (test, mut desk, _) = at_work(525, RULE).await;
    for level in ["hpki", "urn:oid:1.3.6.1.4.1.32473.3.9"] {
        let page = desk.get(&test, &format!("/login?level={level}")).await;
        assert_eq!(page.status, 400, "{level}");
        assert!(page.text.contains("使えないログイン方法"), "{}", page.text);
        let refused = desk.ask(&test, json!({ "level": level })).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "malformed"), "{level}");
    }
    // The weakest that is reached here and no weaker does for one that is not.
    desk.get(&test, &format!("/login?level={}", acr::PASSWORD_TOTP)).await;
    let request = request_of(&desk.ask(&test, json!({ "level": acr::PASSWORD_TOTP })).await.json());
    assert_eq!(request.acr, acr::JPKI_CARD);
}
