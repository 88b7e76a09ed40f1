//! A My Number card linked and used, through the real router: the honest way, and what it carries.

use std::sync::OnceLock;

use sekisho_ca::lookalike::{CardUse, LookalikeJpki};
use sekisho_key::SoftwareKey;
use sekisho_protocol::{PresenceId, request::Purpose};
use sekisho_store::{Queries, sql};
use sekisho_wire::acr;
use serde_json::{Value as Json, json};
use time::{Duration, OffsetDateTime};

use super::{
    desk::{
        Answered, Card, Desk, InReader, NOW, count, desk, instance_with, live_sessions, physician,
        publish, request_of, told, write,
    },
    standing::{roles_now, session},
};
use crate::{
    config::{Settings, StatusSource},
    login,
    testing::TestApp,
};

/// The JPKI that is trusted. Made once: RSA keys take their time.
pub fn jpki() -> &'static LookalikeJpki {
    static MADE: OnceLock<LookalikeJpki> = OnceLock::new();
    MADE.get_or_init(|| LookalikeJpki::make(NOW).unwrap())
}

/// A My Number card, or the key and certificate for signatures of one.
pub struct MyNumberCard {
    pub certificate_der: Vec<u8>,
    pub key: SoftwareKey,
}

/// The agent's name for a My Number card, which is another than that for the HPKI card beside it.
pub const MY_NUMBER_PRESENCE: [u8; 16] = [6; 16];

impl InReader for MyNumberCard {
    fn certificate(&self) -> Vec<u8> {
        self.certificate_der.clone()
    }

    fn key(&self) -> &SoftwareKey {
        &self.key
    }

    fn presence(&self) -> PresenceId {
        PresenceId::new(MY_NUMBER_PRESENCE)
    }
}

impl MyNumberCard {
    pub fn issued(by: &LookalikeJpki, used_for: CardUse, serial: u32, until: Duration) -> Self {
        let validity = (NOW - Duration::days(30), NOW + until);
        let issued = by.issue_card(used_for, serial, validity).unwrap();
        let key = SoftwareKey::from_pkcs8_der(&issued.key_pkcs8).unwrap();
        Self { certificate_der: issued.certificate_der, key }
    }

    pub fn of_serial(serial: u32) -> Self {
        Self::issued(jpki(), CardUse::Authentication, serial, Duration::days(1_000))
    }
}

/// An instance that trusts both look-alikes, and knows of no revoked card.
pub async fn instance() -> TestApp {
    let mut settings = Settings::default();
    settings.jpki.status = StatusSource::Files;
    instance_asking(settings).await
}

/// The same with this configuration.
pub async fn instance_asking(settings: Settings) -> TestApp {
    trusting(instance_with(settings).await).await
}

/// With the look-alike of the JPKI trusted.
pub async fn trusting(test: TestApp) -> TestApp {
    for folder in ["anchors/jpki", "crls/jpki"] {
        std::fs::create_dir_all(test.folder.path().join(folder)).unwrap();
    }
    write(&test, "anchors/jpki/auth.pem", jpki().anchor_pem().unwrap().as_bytes());
    publish_jpki(&test, &[], NOW).await;
    test.app.card_trust().reload().await;
    test
}

pub async fn publish_jpki(test: &TestApp, revoked: &[u32], this_update: OffsetDateTime) {
    write(test, "crls/jpki/auth.crl", &jpki().card_crl(revoked, this_update).unwrap());
}

impl Desk {
    /// Opens the page and asks for a card to link.
    pub async fn begin_link(&mut self, test: &TestApp) -> Answered {
        self.get(test, "/my-number-card").await;
        self.ask_at(test, "/my-number-card/challenge", json!({})).await
    }

    /// Links a card, honestly from end to end.
    pub async fn link(&mut self, test: &TestApp, card: &impl InReader) -> Answered {
        let challenge = self.begin_link(test).await;
        assert_eq!(challenge.status, 200, "{}", challenge.text);
        let submission = self.answer(&challenge.json(), card, |_| {}).await;
        self.submit_link(test, &submission).await
    }

    pub async fn submit_link(
        &mut self,
        test: &TestApp,
        submission: &sekisho_protocol::answer::LoginSubmission,
    ) -> Answered {
        let body = serde_json::to_string(submission).unwrap();
        self.post_json(test, "/my-number-card/link", body).await
    }

    pub async fn log_out(&mut self, test: &TestApp) {
        self.post_form(test, "/logout", "").await;
    }
}

/// The physician at their desk with this HPKI card, which has linked this card, logged out.
pub async fn linked_by(hpki: &Card, card: &MyNumberCard) -> (TestApp, Desk) {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, hpki).await;
    let answered = desk.link(&test, card).await;
    assert_eq!(answered.status, 200, "{}", answered.text);
    desk.log_out(&test).await;
    (test, desk)
}

#[tokio::test]
async fn the_level_of_my_number_cards_is_named_where_somebody_tells_of_their_revocation() {
    let test = instance().await;
    assert_eq!(login::levels(test.app.config()), [acr::JPKI_CARD, acr::HPKI_CARD]);
    let without = instance_with(Settings::default()).await;
    assert_eq!(login::levels(without.app.config()), [acr::HPKI_CARD]);
}

#[tokio::test]
async fn a_linked_card_logs_its_person_in_at_a_level_of_its_own_with_the_profession() {
    let card = MyNumberCard::of_serial(500);
    let (test, mut desk) = linked_by(&physician(), &card).await;
    let page = desk.get(&test, "/login?lang=en").await;
    assert!(page.text.contains("your linked My Number card"), "{}", page.text);
    let answered = desk.login(&test, &card, false).await;
    assert_eq!(answered.status, 200, "{}", answered.text);
    let (level, methods, roles) = session(&test).await;
    assert_eq!(level, acr::JPKI_CARD);
    assert_eq!(methods, r#"["jpki","mfa","pin","sc"]"#);
    assert_eq!(roles, r#"["Medical Doctor"]"#);
    assert_eq!(roles_now(&test).await, ["Medical Doctor"]);
    let portal = desk.get(&test, "/").await.text;
    for part in ["山田　太郎", "医師", "紐付け済みのマイナンバーカード", "2027年11月21日"]
    {
        assert!(portal.contains(part), "{part}: {portal}");
    }
    assert!(told(&test, "card.link", None).await);
    // The HPKI card goes on as before, and raises the same session.
    let cookie = desk.session_cookie.clone();
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    assert_ne!(desk.session_cookie, cookie);
    assert_eq!((session(&test).await.0.as_str(), live_sessions(&test).await), (acr::HPKI_CARD, 1));
}

#[tokio::test]
async fn the_requests_say_what_each_card_is_asked_for() {
    let card = MyNumberCard::of_serial(501);
    let (test, mut desk) = linked_by(&physician(), &card).await;
    let login = request_of(&desk.begin(&test, false).await);
    assert_eq!((login.purpose, login.card_issuers.len()), (Purpose::Login, 2));
    assert_eq!(login.accepted_policies.len(), 2);
    assert_eq!(login.acr, acr::JPKI_CARD, "the least that may come of it");

    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    let link = request_of(&desk.begin_link(&test).await.json());
    assert_eq!((link.purpose, link.card_issuers.len()), (Purpose::Link, 1));
    // Bound to what the HPKI card signed for this very session.
    let statement =
        "SELECT e.request_jws FROM session s JOIN login_evidence e ON e.id = s.evidence_id
                     WHERE s.ended_at IS NULL";
    let (jws,): (String,) = test.app.store().read().fetch_one(sql(statement)).await.unwrap();
    assert_eq!(link.vouching_request, Some(sekisho_protocol::Sha256Digest::of(jws)));
    // Nothing but the HPKI card proves anew what it proved.
    let again = request_of(&desk.begin(&test, false).await);
    assert_eq!((again.purpose, again.card_issuers.len()), (Purpose::Stepup, 1));
    assert_eq!(again.expected_certificate, None);

    desk.log_out(&test).await;
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    let again = request_of(&desk.begin(&test, false).await);
    assert_eq!((again.purpose, again.card_issuers.len()), (Purpose::Stepup, 2));
    assert_eq!(again.expected_subject.unwrap().serial_number, "DEMO00001");
    let fingerprint = sekisho_protocol::Sha256Digest::of(card.certificate());
    assert_eq!(again.expected_certificate, Some(fingerprint));
}

#[tokio::test]
async fn the_profession_falls_away_when_the_certificate_that_vouched_expires() {
    let card = MyNumberCard::of_serial(502);
    let hpki = Card { not_after: NOW + Duration::hours(2), ..physician() };
    let (test, mut desk) = linked_by(&hpki, &card).await;
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
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
    assert_eq!(
        desk.login(&test, &card, false).await.status,
        200,
        "the person is still who they are"
    );
    assert_eq!(session(&test).await.2, "[]");
    let english = desk.get(&test, "/?lang=en").await.text;
    assert!(english.contains("has expired."), "{english}");
    assert!(english.contains("You are logged in without a profession."), "{english}");
    // A renewed HPKI card does not vouch by itself: the card is linked again.
    desk.log_out(&test).await;
    let renewed = Card { serial: 103, ..physician() };
    assert_eq!(desk.login(&test, &renewed, false).await.status, 200);
    let page = desk.get(&test, "/my-number-card").await.text;
    assert!(page.contains("HPKI証明書の有効期限が切れました"), "{page}");
    assert!(!page.contains("資格なしでログイン"), "this login has its profession: {page}");
    desk.log_out(&test).await;
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    assert!(roles_now(&test).await.is_empty());
    desk.log_out(&test).await;
    assert_eq!(desk.login(&test, &renewed, false).await.status, 200);
    assert_eq!(desk.link(&test, &card).await.status, 200);
    desk.log_out(&test).await;
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    assert_eq!(roles_now(&test).await, ["Medical Doctor"]);
}

#[tokio::test]
async fn the_profession_falls_away_when_the_certificate_that_vouched_is_revoked_or_nobody_knows() {
    let card = MyNumberCard::of_serial(503);
    let (test, mut desk) = linked_by(&physician(), &card).await;
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    assert_eq!(roles_now(&test).await, ["Medical Doctor"]);
    publish(&test, &[physician().serial], NOW).await;
    assert!(roles_now(&test).await.is_empty());
    let portal = desk.get(&test, "/").await.text;
    assert!(portal.contains("HPKI証明書が失効しました"), "{portal}");
    let page = desk.get(&test, "/my-number-card").await.text;
    assert!(page.contains("HPKI証明書が失効しました"), "{page}");
    // Not knowing denies; whoever is known again has it again.
    publish(&test, &[], NOW - Duration::days(30)).await;
    assert!(roles_now(&test).await.is_empty());
    assert!(desk.get(&test, "/").await.text.contains("失効していないことを、いま確認できません"));
    publish(&test, &[], NOW).await;
    assert_eq!(roles_now(&test).await, ["Medical Doctor"]);
}

#[tokio::test]
async fn what_expires_soon_is_announced_at_login_with_what_to_do() {
    let card = MyNumberCard::issued(jpki(), CardUse::Authentication, 512, Duration::days(40));
    let hpki = Card { not_after: NOW + Duration::days(100), ..physician() };
    let (test, mut desk) = linked_by(&hpki, &card).await;
    assert_eq!(desk.login(&test, &hpki, false).await.status, 200);
    let portal = desk.get(&test, "/").await.text;
    assert!(portal.contains("2026年12月31日です（あと40日）"), "{portal}");
    assert!(portal.contains("市区町村の窓口"), "{portal}");
    assert!(
        portal.contains("2026年11月21日 18:00に、マイナンバーカードが紐付けられました"),
        "{portal}"
    );
    assert_eq!(portal.matches("notice expiry").count(), 2);
    desk.log_out(&test).await;
    test.clock.advance(Duration::days(33));
    let now = test.app.now();
    publish(&test, &[], now).await;
    publish_jpki(&test, &[], now).await;
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    let portal = desk.get(&test, "/?lang=en").await.text;
    // Louder, and what vouches for this card as well.
    assert!(portal.contains("days left: 7") && portal.contains("expiry notice-error"), "{portal}");
    assert!(portal.contains("proves your profession") && portal.contains("days left: 67"));
    assert!(!portal.contains("was linked to you"), "news for a week");
}

#[tokio::test]
async fn a_service_is_told_the_level_and_who_vouches() {
    let card = MyNumberCard::of_serial(504);
    let (test, mut desk) = linked_by(&physician(), &card).await;
    super::step_up::register(&test).await;
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    let arrived = desk.get(&test, super::step_up::AUTHORIZE).await.location.unwrap();
    assert!(arrived.starts_with("https://referral.example/callback?code="), "{arrived}");
    let statement = "SELECT claims FROM authorization_code";
    let (claims,): (String,) = test.app.store().read().fetch_one(sql(statement)).await.unwrap();
    let claims: Json = serde_json::from_str(&claims).unwrap();
    assert_eq!(claims["acr"], acr::JPKI_CARD);
    assert_eq!(claims["amr"], json!(["jpki", "mfa", "pin", "sc"]));
    assert_eq!(claims["vouched_by"]["sub"], "linked_card");
    assert_eq!(claims["vouched_by"]["acr"], "login");
    // Its rule wants a physician: without the profession nobody is let in, and reads why.
    publish(&test, &[physician().serial], NOW).await;
    let refused = desk.get(&test, super::step_up::AUTHORIZE).await;
    assert!(refused.location.is_none() && refused.text.contains("医師"), "{}", refused.text);
    assert!(told(&test, "service.authorize", Some("role")).await);
}

#[tokio::test]
async fn a_person_sees_what_is_linked_and_ends_it() {
    let card = MyNumberCard::of_serial(505);
    let (test, mut desk) = linked_by(&physician(), &card).await;
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    let page = desk.get(&test, "/my-number-card").await.text;
    for part in ["紐付け済みのカード", "2026年11月21日 18:00", "2029年8月17日", "2027年11月21日"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.contains("HPKIカードで確認する"), "this card does not vouch for another");
    let unticked = desk.post_form(&test, "/my-number-card/unlink", "").await;
    assert_eq!(unticked.location.as_deref(), Some("/my-number-card?notice=unticked"));
    assert_eq!(live_sessions(&test).await, 1);
    let ended = desk.post_form(&test, "/my-number-card/unlink", "sure=yes").await;
    assert_eq!(ended.location.as_deref(), Some("/login?notice=unlinked"));
    assert_eq!(live_sessions(&test).await, 0, "by this card nobody is logged in any more");
    assert!(told(&test, "card.unlink", None).await);
    let refused = desk.login(&test, &card, false).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "not-linked"));
    let kept = "SELECT COUNT(*) FROM jpki_link WHERE serial_hash IS NOT NULL";
    assert_eq!(count(&test, kept).await, 0, "nobody could be known by it");
    // From the HPKI card's session, which stays. What somebody did and undid in their name is told.
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    let portal = desk.get(&test, "/").await.text;
    for part in ["マイナンバーカードが紐付けられました", "マイナンバーカードの紐付けが終わりました"]
    {
        assert!(portal.contains(part), "{part}: {portal}");
    }
    assert!(!portal.contains("紐付けをやめ"), "nothing is left to be ended: {portal}");
    assert_eq!(desk.link(&test, &card).await.status, 200);
    let ended = desk.post_form(&test, "/my-number-card/unlink", "sure=yes").await;
    assert_eq!(ended.location.as_deref(), Some("/my-number-card?notice=unlinked"));
    assert_eq!(live_sessions(&test).await, 1);
    let page = desk.get(&test, "/my-number-card?lang=en").await.text;
    assert!(page.contains("You have no linked My Number card"), "{page}");
}

#[tokio::test]
async fn a_renewed_certificate_is_linked_again_and_takes_the_place_of_the_old_one() {
    let (old, renewed) = (MyNumberCard::of_serial(506), MyNumberCard::of_serial(507));
    let (test, mut desk) = linked_by(&physician(), &old).await;
    assert_eq!(desk.login(&test, &renewed, false).await.code(), "not-linked", "nobody guesses");
    // A session by the old card elsewhere ends with its link.
    let mut elsewhere = super::desk::desk(&test, 2).await;
    let code = elsewhere.invite(&test, "山田 太郎", "Medical Doctor").await;
    assert_eq!(elsewhere.redeem(&test, &code, &physician()).await.status, 200);
    elsewhere.log_out(&test).await;
    assert_eq!(elsewhere.login(&test, &old, false).await.status, 200);
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    assert_eq!(desk.link(&test, &renewed).await.status, 200);
    assert_eq!(elsewhere.get(&test, "/").await.status, 303);
    desk.log_out(&test).await;
    assert_eq!(desk.login(&test, &old, false).await.code(), "not-linked");
    assert_eq!(desk.login(&test, &renewed, false).await.status, 200);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM jpki_link WHERE ended_at IS NULL").await, 1);
}
