//! Passkeys enrolled and used, through the real router: the honest way, and what it carries.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use sekisho_protocol::octets::decode;
use sekisho_store::{Queries, sql};
use sekisho_wire::acr;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use time::Duration;

use super::{
    authenticator::Authenticator,
    desk::{
        Answered, Card, Desk, NOW, count, desk, instance_with, live_sessions, physician, publish,
        request_of, told,
    },
    standing::{roles_now, session},
    step_up,
};
use crate::{config::Settings, login, testing::TestApp};

/// An instance whose operator allows passkeys.
pub async fn instance() -> TestApp {
    let mut settings = Settings::default();
    settings.card_login.passkeys = true;
    instance_with(settings).await
}

impl Desk {
    /// Opens the page and asks for a passkey to enrol.
    pub async fn begin_passkey(&mut self, test: &TestApp, name: &str) -> Answered {
        self.get(test, "/passkeys").await;
        self.post_json(test, "/passkeys/challenge", json!({"name": name}).to_string()).await
    }

    /// Enrols a passkey, honestly from end to end.
    pub async fn enrol(&mut self, test: &TestApp, name: &str) -> Authenticator {
        let mut passkey = Authenticator::at(&test.app.names().terminal);
        let options = self.begin_passkey(test, name).await;
        assert_eq!(options.status, 200, "{}", options.text);
        let answer = passkey.enrol(&options.json());
        let answered = self.post_json(test, "/passkeys/enrol", answer.to_string()).await;
        assert_eq!(answered.status, 200, "{}", answered.text);
        assert_eq!(answered.json()["redirect"], "/passkeys?notice=enrolled");
        passkey
    }

    /// Opens the login page and asks for a passkey.
    pub async fn ask_for_passkey(&mut self, test: &TestApp) -> Answered {
        self.get(test, "/login").await;
        self.post_json(test, "/login/passkey/challenge", r#"{"return_to":null}"#.to_owned()).await
    }

    /// Logs in by a passkey.
    pub async fn login_by(&mut self, test: &TestApp, passkey: &mut Authenticator) -> Answered {
        let options = self.ask_for_passkey(test).await;
        assert_eq!(options.status, 200, "{}", options.text);
        let answer = passkey.sign(&options.json());
        self.bring(test, &answer).await
    }

    pub async fn bring(&mut self, test: &TestApp, answer: &Json) -> Answered {
        self.post_json(test, "/login/passkey", answer.to_string()).await
    }
}

/// The physician at their desk with this HPKI card, who has enrolled a passkey, logged out.
pub async fn enrolled_by(hpki: &Card) -> (TestApp, Desk, Authenticator) {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, hpki).await;
    let passkey = desk.enrol(&test, "青い鍵").await;
    desk.log_out(&test).await;
    (test, desk, passkey)
}

#[tokio::test]
async fn the_level_of_passkeys_is_named_where_they_are_allowed() {
    let test = instance().await;
    assert_eq!(login::levels(test.app.config()), [acr::PASSKEY, acr::HPKI_CARD]);
    let without = instance_with(Settings::default()).await;
    assert_eq!(login::levels(without.app.config()), [acr::HPKI_CARD]);
}

#[tokio::test]
async fn a_passkey_logs_its_person_in_at_a_level_of_its_own_with_the_profession() {
    let (test, mut desk, mut passkey) = enrolled_by(&physician()).await;
    assert!(told(&test, "passkey.enrol", None).await);
    let page = desk.get(&test, "/login?lang=en").await.text;
    assert!(page.contains("Log in with a passkey"), "{page}");
    let answered = desk.login_by(&test, &mut passkey).await;
    assert_eq!(answered.status, 200, "{}", answered.text);
    assert_eq!(answered.json()["redirect"], "/");
    let (level, methods, roles) = session(&test).await;
    assert_eq!(level, acr::PASSKEY);
    assert_eq!(methods, r#"["mfa","passkey","user"]"#);
    assert_eq!(roles, r#"["Medical Doctor"]"#);
    assert_eq!(roles_now(&test).await, ["Medical Doctor"]);
    let portal = desk.get(&test, "/").await.text;
    for part in ["山田　太郎", "医師", "パスキー（施設の登録端末にて）", "2027年11月21日"]
    {
        assert!(portal.contains(part), "{part}: {portal}");
    }
    assert!(told(&test, "login.passkey", None).await);
    // The HPKI card raises the same session, which no passkey lowers again.
    let cookie = desk.session_cookie.clone();
    let step_up = request_of(&desk.begin(&test, false).await);
    assert_eq!(step_up.expected_subject.unwrap().serial_number, "DEMO00001");
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    assert_ne!(desk.session_cookie, cookie);
    assert_eq!((session(&test).await.0.as_str(), live_sessions(&test).await), (acr::HPKI_CARD, 1));
    let refused = desk.ask_for_passkey(&test).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "card-of-session-needed"));
    assert!(!desk.get(&test, "/login").await.text.contains("/login/passkey"));
}

#[tokio::test]
async fn the_question_asks_for_a_passkey_of_the_person_and_not_of_the_pc() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    let first = desk.enrol(&test, "1").await;
    let asked = desk.begin_passkey(&test, "2").await.json();
    let wanted = &asked["publicKey"]["authenticatorSelection"];
    assert_eq!(wanted["residentKey"], "required");
    assert_eq!(wanted["userVerification"], "required");
    assert_eq!(wanted["authenticatorAttachment"], "cross-platform");
    assert_eq!(asked["publicKey"]["rp"]["id"], "terminal.sekisho.localhost");
    assert_eq!(asked["publicKey"]["timeout"], 180_000);
    // None on an authenticator that has one of this person.
    let excluded = &asked["publicKey"]["excludeCredentials"];
    assert_eq!(excluded[0]["id"], sekisho_protocol::octets::encode(&first.credential_id));
    desk.log_out(&test).await;
    let asked = desk.ask_for_passkey(&test).await.json();
    assert_eq!(asked["publicKey"]["userVerification"], "required");
    assert_eq!(asked["publicKey"]["allowCredentials"], json!([]), "nobody is named");
    assert!(asked.get("mediation").is_none(), "{asked}");
}

#[tokio::test]
async fn the_profession_falls_away_when_the_certificate_that_vouched_expires() {
    let hpki = Card { not_after: NOW + Duration::hours(2), ..physician() };
    let (test, mut desk, mut passkey) = enrolled_by(&hpki).await;
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
    assert_eq!(roles_now(&test).await, ["Medical Doctor"]);
    // In the session that lives, as well.
    test.clock.advance(Duration::minutes(119));
    assert_eq!(desk.get(&test, "/").await.status, 200);
    test.clock.advance(Duration::minutes(2));
    assert!(roles_now(&test).await.is_empty());
    let portal = desk.get(&test, "/").await.text;
    assert!(portal.contains("HPKI証明書の有効期限が切れました"), "{portal}");
    assert!(!portal.contains("医師"), "{portal}");
    desk.log_out(&test).await;
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200, "who they are stays");
    assert_eq!(session(&test).await.2, "[]");
    // A renewed HPKI card does not vouch by itself: the passkey is removed and enrolled anew.
    desk.log_out(&test).await;
    let renewed = Card { serial: 103, ..physician() };
    assert_eq!(desk.login(&test, &renewed, false).await.status, 200);
    let page = desk.get(&test, "/passkeys?lang=en").await.text;
    assert!(page.contains("has expired.") && page.contains("enrol it anew"), "{page}");
    let mut anew = desk.enrol(&test, "新しい鍵").await;
    desk.log_out(&test).await;
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
    assert!(roles_now(&test).await.is_empty());
    assert_eq!(desk.login_by(&test, &mut anew).await.status, 200, "of the same person");
    assert_eq!(roles_now(&test).await, ["Medical Doctor"]);
    assert_eq!(live_sessions(&test).await, 1);
}

#[tokio::test]
async fn the_profession_falls_away_when_the_certificate_that_vouched_is_revoked_or_nobody_knows() {
    let (test, mut desk, mut passkey) = enrolled_by(&physician()).await;
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
    publish(&test, &[physician().serial], NOW).await;
    assert!(roles_now(&test).await.is_empty());
    for path in ["/", "/passkeys"] {
        let page = desk.get(&test, path).await.text;
        assert!(page.contains("HPKI証明書が失効しました"), "{path}: {page}");
    }
    publish(&test, &[], NOW - Duration::days(30)).await;
    assert!(roles_now(&test).await.is_empty());
    assert!(desk.get(&test, "/").await.text.contains("失効していないことを、いま確認できません"));
    publish(&test, &[], NOW).await;
    assert_eq!(roles_now(&test).await, ["Medical Doctor"]);
}

#[tokio::test]
async fn the_end_of_what_vouches_is_announced_at_login() {
    let hpki = Card { not_after: NOW + Duration::days(100), ..physician() };
    let (test, mut desk, mut passkey) = enrolled_by(&hpki).await;
    for (later, left, voice) in
        [(15, 85, "notice expiry"), (55, 30, "notice-warning"), (23, 7, "notice-error")]
    {
        test.clock.advance(Duration::days(later));
        publish(&test, &[], test.app.now()).await;
        assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
        let portal = desk.get(&test, "/?lang=en").await.text;
        assert!(portal.contains("at logins by passkey"), "{portal}");
        assert!(
            portal.contains(&format!("days left: {left}")) && portal.contains(voice),
            "{portal}"
        );
        desk.log_out(&test).await;
    }
    // Not twice where the same certificate logs in.
    assert_eq!(desk.login(&test, &hpki, false).await.status, 200);
    let portal = desk.get(&test, "/?lang=en").await.text;
    assert_eq!(portal.matches("days left: 7").count(), 1, "{portal}");
}

#[tokio::test]
async fn a_service_is_told_the_level_and_who_vouches() {
    let (test, mut desk, mut passkey) = enrolled_by(&physician()).await;
    step_up::register(&test).await;
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
    let arrived = desk.get(&test, step_up::AUTHORIZE).await.location.unwrap();
    assert!(arrived.starts_with("https://referral.example/callback?code="), "{arrived}");
    let statement = "SELECT claims FROM authorization_code";
    let (claims,): (String,) = test.app.store().read().fetch_one(sql(statement)).await.unwrap();
    let claims: Json = serde_json::from_str(&claims).unwrap();
    assert_eq!(claims["acr"], acr::PASSKEY);
    assert_eq!(claims["amr"], json!(["mfa", "passkey", "user"]));
    assert_eq!(claims["vouched_by"]["sub"], "passkey");
    assert_eq!(claims["vouched_by"]["acr"], "login");
    // Its rule wants a physician: without the profession nobody is let in, and reads why.
    publish(&test, &[physician().serial], NOW).await;
    let refused = desk.get(&test, step_up::AUTHORIZE).await;
    assert!(refused.location.is_none() && refused.text.contains("医師"), "{}", refused.text);
    assert!(told(&test, "service.authorize", Some("role")).await);
}

#[tokio::test]
async fn a_person_has_several_by_name_sees_their_last_use_and_removes_one() {
    let (test, mut desk, mut blue) = enrolled_by(&physician()).await;
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    let mut phone = desk.enrol(&test, "電話").await;
    desk.log_out(&test).await;
    let mut elsewhere = super::desk::desk(&test, 2).await;
    let code = elsewhere.invite(&test, "山田 太郎", "Medical Doctor").await;
    assert_eq!(elsewhere.redeem(&test, &code, &physician()).await.status, 200);
    elsewhere.log_out(&test).await;
    assert_eq!(elsewhere.login_by(&test, &mut phone).await.status, 200);
    test.clock.advance(Duration::minutes(10));
    assert_eq!(desk.login_by(&test, &mut blue).await.status, 200);
    let page = desk.get(&test, "/passkeys").await.text;
    for part in ["青い鍵", "電話", "2026年11月21日 18:00", "2026年11月21日 18:10", "2027年11月21日"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.contains("HPKIカードで確認する"), "a passkey does not vouch for another");
    let (id,): (String,) = {
        let statement = sql("SELECT id FROM passkey WHERE name = '電話'");
        test.app.store().read().fetch_one(statement).await.unwrap()
    };
    let unticked = desk.post_form(&test, "/passkeys/remove", &format!("passkey={id}")).await;
    assert_eq!(unticked.location.as_deref(), Some("/passkeys?notice=unticked"));
    assert_eq!(live_sessions(&test).await, 2);
    let body = format!("passkey={id}&sure=yes");
    let removed = desk.post_form(&test, "/passkeys/remove", &body).await;
    assert_eq!(removed.location.as_deref(), Some("/passkeys?notice=removed"));
    assert!(told(&test, "passkey.remove", None).await);
    // Its sessions end, wherever; the other's stay.
    let ended = elsewhere.get(&test, "/").await;
    assert_eq!(ended.location.as_deref(), Some("/login?notice=passkey-removed"));
    assert_eq!(desk.get(&test, "/").await.status, 200);
    // By the one that is removed last nobody is logged in any more.
    let (id,): (String,) = {
        let statement = sql("SELECT id FROM passkey WHERE removed_at IS NULL");
        test.app.store().read().fetch_one(statement).await.unwrap()
    };
    let body = format!("passkey={id}&sure=yes");
    let removed = desk.post_form(&test, "/passkeys/remove", &body).await;
    assert_eq!(removed.location.as_deref(), Some("/login?notice=passkey-removed"));
    assert_eq!(live_sessions(&test).await, 0);
}

#[tokio::test]
async fn what_a_passkey_signed_verifies_again_after_it_was_removed() {
    let (test, mut desk, mut passkey) = enrolled_by(&physician()).await;
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
    let (id,): (String,) =
        test.app.store().read().fetch_one(sql("SELECT id FROM passkey")).await.unwrap();
    desk.post_form(&test, "/passkeys/remove", &format!("passkey={id}&sure=yes")).await;
    // By what is kept alone, of the login and of the passkey.
    let statement = "SELECT l.client_data, l.authenticator_data, l.signature, p.credential
                     FROM passkey_login l JOIN passkey p ON p.id = l.passkey_id
                     WHERE p.removed_at IS NOT NULL";
    let (client_data, data, signature, credential): (Vec<u8>, Vec<u8>, Vec<u8>, String) =
        test.app.store().read().fetch_one(sql(statement)).await.unwrap();
    let credential: Json = serde_json::from_str(&credential).unwrap();
    let part = |name: &str| {
        let part = credential["cred"]["cred"]["key"]["EC_EC2"][name].as_str();
        decode(part.unwrap_or_else(|| panic!("{credential}")))
    };
    let point = [vec![4], part("x").unwrap(), part("y").unwrap()].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
    let signed = |client_data: &[u8]| [&data, Sha256::digest(client_data).as_slice()].concat();
    key.verify(&signed(&client_data), &signature).unwrap();
    assert!(key.verify(&signed(b"{}"), &signature).is_err());
}

#[tokio::test]
async fn a_passkey_opens_a_session_of_its_own_where_a_card_left_a_locked_screen() {
    let (test, mut desk, mut passkey) = enrolled_by(&physician()).await;
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    step_up::remove_card(&test, &mut desk).await;
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
    let ended = "SELECT COUNT(*) FROM session WHERE end_reason = 'replaced'";
    assert_eq!((count(&test, ended).await, live_sessions(&test).await), (1, 1));
    assert_eq!(session(&test).await.0, acr::PASSKEY);
}

#[tokio::test]
async fn an_authenticator_that_counts_nothing_logs_in_again_and_again() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    let mut passkey = Authenticator::at(&test.app.names().terminal);
    passkey.counts = false;
    let options = desk.begin_passkey(&test, "電話").await.json();
    let answer = passkey.enrol(&options).to_string();
    assert_eq!(desk.post_json(&test, "/passkeys/enrol", answer).await.status, 200);
    for _ in 0..2 {
        desk.log_out(&test).await;
        assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
    }
}
