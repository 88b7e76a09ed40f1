//! Linking and login by My Number card, attacked: each refusal names its reason, is told of, and leaves
//! everything as it was.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use sekisho_ca::lookalike::{CardUse, LookalikeJpki};
use sekisho_pki::national::{
    facility_identifier::FacilityIdentifier,
    jpki::{ProviderError, StatusAnswer, StatusQuery},
};
use sekisho_protocol::{Base64Url, answer::CardAnswer};
use sekisho_store::{
    Queries, StoreError,
    audit::{Actor, Audited, Entry},
    presence, session as sessions, sql, transaction,
};
use serde_json::json;
use time::{Duration, OffsetDateTime};
use tokio::sync::Barrier;

use super::{
    desk::{
        Answered, Card, Desk, InReader, NOW, count, desk, furnished, live_sessions, physician, told,
    },
    my_number::{MyNumberCard, instance, instance_asking, jpki, linked_by, publish_jpki, trusting},
};
use crate::{
    config::{Settings, StatusSource},
    login::jpki::status::JpkiStatus,
    testing::{self, TestApp},
};

fn colleague() -> Card {
    Card { kanji: "佐藤　花子", serial_number: "DEMO00002", serial: 101, ..physician() }
}

async fn links(test: &TestApp) -> i64 {
    count(test, "SELECT COUNT(*) FROM jpki_link WHERE ended_at IS NULL").await
}

/// The physician, logged in by HPKI card just now.
async fn at_work() -> (TestApp, Desk) {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    (test, desk)
}

fn refused(answered: &Answered, code: &str) {
    let expected =
        if code == "jpki-status-unknown" || code == "not-configured" { 503 } else { 403 };
    assert_eq!((answered.status, answered.code().as_str()), (expected, code), "{}", answered.text);
}

/// Somebody who takes their time: once for the question, and once before the answer.
struct Slow {
    told_by: Box<dyn JpkiStatus>,
    barrier: Arc<Barrier>,
}

#[async_trait]
impl JpkiStatus for Slow {
    async fn status(
        &self,
        query: StatusQuery<'_>,
        now: OffsetDateTime,
    ) -> Result<StatusAnswer, ProviderError> {
        self.barrier.wait().await;
        self.barrier.wait().await;
        self.told_by.status(query, now).await
    }
}

#[tokio::test]
async fn a_session_that_ends_or_is_locked_while_the_status_is_asked_for_links_nothing() {
    for locked in [true, false] {
        let barrier = Arc::new(Barrier::new(2));
        let mut settings = Settings::default();
        settings.jpki.status = StatusSource::Files;
        let slow = |config: &_| -> Box<dyn JpkiStatus> {
            Box::new(Slow { told_by: testing::configured(config), barrier: barrier.clone() })
        };
        let test = trusting(furnished(testing::app_asking(settings, slow).await).await).await;
        let mut desk = desk(&test, 1).await;
        desk.admit(&test, &physician()).await;
        let challenge = desk.begin_link(&test).await.json();
        let submission = desk.answer(&challenge, &MyNumberCard::of_serial(611), |_| {}).await;
        let meanwhile = async {
            barrier.wait().await;
            let store = test.app.store();
            let statement = sql("SELECT id_hash FROM session WHERE ended_at IS NULL");
            let (live,): (Vec<u8>,) = store.read().fetch_one(statement).await.unwrap();
            let live = live.try_into().unwrap();
            transaction!(store, StoreError, |tx| {
                if locked {
                    presence::lock(tx, &live, NOW).await?;
                } else {
                    sessions::end(tx, &live, "test", NOW).await?;
                }
                Ok(Audited::new((), Entry::done("test.end", Actor::System, NOW)))
            })
            .unwrap();
            barrier.wait().await;
        };
        let (answered, ()) = tokio::join!(desk.submit_link(&test, &submission), meanwhile);
        refused(&answered, "other-session");
        assert_eq!(links(&test).await, 0, "locked: {locked}");
    }
}

#[tokio::test]
async fn a_card_that_is_linked_to_somebody_is_not_linked_to_another() {
    let card = MyNumberCard::of_serial(600);
    let (test, mut desk) = linked_by(&physician(), &card).await;
    let code = desk.invite(&test, "佐藤 花子", "Medical Doctor").await;
    assert_eq!(desk.redeem(&test, &code, &colleague()).await.status, 200);
    refused(&desk.link(&test, &card).await, "linked-to-another");
    assert!(told(&test, "card.link", Some("linked-to-another")).await);
    assert_eq!(links(&test).await, 1);
    desk.log_out(&test).await;
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    assert!(desk.get(&test, "/").await.text.contains("山田　太郎"), "still the first person's");
}

#[tokio::test]
async fn only_a_session_that_the_hpki_card_proved_these_minutes_links_a_card() {
    let card = MyNumberCard::of_serial(601);
    let (test, mut desk) = linked_by(&physician(), &card).await;
    let other = MyNumberCard::of_serial(602);
    // Nobody is logged in.
    refused(&desk.ask_at(&test, "/my-number-card/challenge", json!({})).await, "other-session");
    // By My Number card.
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    refused(&desk.begin_link(&test).await, "card-level-needed");
    // By HPKI card, and then left alone: whoever finds the screen open has not its PIN.
    desk.log_out(&test).await;
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    test.clock.advance(Duration::minutes(5) + Duration::SECOND);
    refused(&desk.begin_link(&test).await, "card-level-needed");
    let page = desk.get(&test, "/my-number-card").await.text;
    assert!(page.contains("/login?return_to=%2Fmy-number-card"), "{page}");
    // Begun in time, and ended too late.
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    test.clock.advance(Duration::minutes(4) + Duration::seconds(30));
    let challenge = desk.begin_link(&test).await.json();
    test.clock.advance(Duration::seconds(31));
    let submission = desk.answer(&challenge, &other, |_| {}).await;
    refused(&desk.submit_link(&test, &submission).await, "card-level-needed");
    assert_eq!(links(&test).await, 1);
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    assert_eq!(desk.link(&test, &other).await.status, 200);
}

#[tokio::test]
async fn an_answer_counts_for_the_session_that_asked_and_for_its_purpose_only() {
    let card = MyNumberCard::of_serial(603);
    let (test, mut desk) = at_work().await;
    // Another session of the same person, in the same browser at the same PC.
    let challenge = desk.begin_link(&test).await.json();
    let submission = desk.answer(&challenge, &card, |_| {}).await;
    desk.log_out(&test).await;
    let browser = desk.browser_cookie.clone();
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    desk.browser_cookie = browser;
    refused(&desk.submit_link(&test, &submission).await, "other-session");
    // The same session, which its card has proved again meanwhile.
    let challenge = desk.begin_link(&test).await.json();
    let submission = desk.answer(&challenge, &card, |_| {}).await;
    let browser = desk.browser_cookie.clone();
    test.clock.advance(Duration::SECOND);
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    desk.browser_cookie = browser;
    refused(&desk.submit_link(&test, &submission).await, "other-session");
    // Nobody's session.
    let challenge = desk.begin_link(&test).await.json();
    let submission = desk.answer(&challenge, &card, |_| {}).await;
    let session = desk.session_cookie.take();
    refused(&desk.submit_link(&test, &submission).await, "other-session");
    desk.session_cookie = session;
    // A link is no login, and a login no link.
    let challenge = desk.begin_link(&test).await.json();
    let submission = desk.answer(&challenge, &card, |_| {}).await;
    refused(&desk.submit(&test, &submission).await, "other-purpose");
    refused(&desk.submit_link(&test, &submission).await, "challenge-replayed");
    let challenge = desk.begin(&test, false).await;
    let submission = desk.answer(&challenge, &physician(), |_| {}).await;
    refused(&desk.submit_link(&test, &submission).await, "other-purpose");
    assert_eq!((links(&test).await, live_sessions(&test).await), (0, 1));
}

#[tokio::test]
async fn only_an_authentication_certificate_of_the_jpki_is_linked() {
    let (test, mut desk) = at_work().await;
    // The card in the reader was not exchanged.
    refused(&desk.link(&test, &physician()).await, "my-number-card-needed");
    refused(&desk.link(&test, &colleague()).await, "my-number-card-needed");
    let soon = Duration::days(100);
    let signing = MyNumberCard::issued(jpki(), CardUse::Signing, 610, soon);
    // 署名用 comes from another authority of the JPKI, which is not configured.
    refused(&desk.link(&test, &signing).await, "foreign-issuer");
    refused(&desk.login(&test, &signing, false).await, "foreign-issuer");
    let path = "anchors/jpki/signing.der";
    super::desk::write(&test, path, &jpki().signing.certificate_der);
    test.app.card_trust().reload().await;
    refused(&desk.link(&test, &signing).await, "signing-certificate");
    // An authority of the same name, as all generations have it.
    static MADE: OnceLock<LookalikeJpki> = OnceLock::new();
    let foreign = MADE.get_or_init(|| LookalikeJpki::make(NOW).unwrap());
    let stranger = MyNumberCard::issued(foreign, CardUse::Authentication, 611, soon);
    refused(&desk.link(&test, &stranger).await, "foreign-issuer");
    let expired = MyNumberCard::issued(jpki(), CardUse::Authentication, 612, -Duration::SECOND);
    refused(&desk.link(&test, &expired).await, "certificate-expired");
    assert_eq!(links(&test).await, 0);
    assert!(told(&test, "card.link", Some("certificate-expired")).await);
}

#[tokio::test]
async fn a_card_that_was_revoked_or_of_which_nobody_knows_is_refused_with_words_of_its_own() {
    let card = MyNumberCard::of_serial(620);
    let (test, mut desk) = linked_by(&physician(), &card).await;
    publish_jpki(&test, &[620], NOW).await;
    refused(&desk.login(&test, &card, false).await, "certificate-revoked");
    // The list is over, or away.
    publish_jpki(&test, &[], NOW - Duration::days(2)).await;
    let unknown = desk.login(&test, &card, false).await;
    refused(&unknown, "jpki-status-unknown");
    assert!(unknown.json()["help"].as_str().unwrap().contains("HPKIカードでログイン"));
    std::fs::remove_file(test.folder.path().join("crls/jpki/auth.crl")).unwrap();
    refused(&desk.login(&test, &card, false).await, "jpki-status-unknown");
    assert_eq!(live_sessions(&test).await, 0);
    assert!(told(&test, "login.card", Some("jpki-status-unknown")).await);
    // A new list counts at once; a card that was linked before must hold at each login.
    publish_jpki(&test, &[], NOW).await;
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    desk.log_out(&test).await;
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    publish_jpki(&test, &[620], NOW).await;
    refused(&desk.link(&test, &card).await, "certificate-revoked");
}

#[tokio::test]
async fn a_card_swapped_between_challenge_and_answer_is_refused() {
    let (card, other) = (MyNumberCard::of_serial(630), MyNumberCard::of_serial(631));
    let (test, mut desk) = linked_by(&physician(), &card).await;
    // Somebody's own signature under the linked certificate.
    let challenge = desk.begin(&test, false).await;
    let mut submission = desk.answer(&challenge, &other, |_| {}).await;
    let mut answer = CardAnswer::parse(&submission.answer).unwrap();
    answer.certificate = Base64Url(card.certificate());
    submission.answer = answer.to_text();
    refused(&desk.submit(&test, &submission).await, "page-proof");
    // The same with a page that goes along.
    let challenge = desk.begin(&test, false).await;
    struct Swapped<'a>(&'a MyNumberCard, &'a MyNumberCard);
    impl InReader for Swapped<'_> {
        fn certificate(&self) -> Vec<u8> {
            self.0.certificate()
        }

        fn key(&self) -> &sekisho_key::SoftwareKey {
            self.1.key()
        }
    }
    let submission = desk.answer(&challenge, &Swapped(&card, &other), |_| {}).await;
    refused(&desk.submit(&test, &submission).await, "card-signature");
    // An honest answer, twice.
    let challenge = desk.begin(&test, false).await;
    let submission = desk.answer(&challenge, &card, |_| {}).await;
    let browser = desk.browser_cookie.clone();
    assert_eq!(desk.submit(&test, &submission).await.status, 200);
    desk.browser_cookie = browser;
    refused(&desk.submit(&test, &submission).await, "challenge-replayed");
    assert_eq!(live_sessions(&test).await, 1);
}

#[tokio::test]
async fn one_session_never_holds_two_peoples_cards() {
    let (card, other) = (MyNumberCard::of_serial(640), MyNumberCard::of_serial(641));
    let (test, mut desk) = linked_by(&physician(), &card).await;
    let code = desk.invite(&test, "佐藤 花子", "Medical Doctor").await;
    assert_eq!(desk.redeem(&test, &code, &colleague()).await.status, 200);
    assert_eq!(desk.link(&test, &other).await.status, 200);
    desk.log_out(&test).await;
    // In a session of the My Number card: neither card of the colleague.
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    refused(&desk.login(&test, &other, false).await, "another-person");
    refused(&desk.login(&test, &colleague(), false).await, "another-person");
    // The person's own, of either family.
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    // In a session of the HPKI card the My Number card is the wrong family, whoever's it is.
    refused(&desk.login(&test, &card, false).await, "hpki-card-needed");
    refused(&desk.login(&test, &other, false).await, "hpki-card-needed");
    assert_eq!(live_sessions(&test).await, 1);
    assert!(desk.get(&test, "/").await.text.contains("山田　太郎"));
}

#[tokio::test]
async fn a_weaker_card_opens_a_locked_screen_for_a_session_of_its_own() {
    let card = MyNumberCard::of_serial(642);
    let (test, mut desk) = linked_by(&physician(), &card).await;
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    let lock = "UPDATE session SET locked_at = 1 WHERE ended_at IS NULL";
    let mut tx = test.app.store().begin().await.unwrap();
    tx.execute(sekisho_store::sql(lock)).await.unwrap();
    let system = sekisho_store::audit::Actor::System;
    let entry = sekisho_store::audit::Entry::done("test.lock", system, test.app.now());
    tx.commit(sekisho_store::audit::Audited::new((), entry)).await.unwrap();
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    let replaced = "SELECT COUNT(*) FROM session WHERE end_reason = 'replaced'";
    assert_eq!((count(&test, replaced).await, live_sessions(&test).await), (1, 1));
}

#[tokio::test]
async fn a_my_number_card_redeems_no_invitation() {
    let card = MyNumberCard::of_serial(650);
    let (test, mut desk) = linked_by(&physician(), &card).await;
    let code = desk.invite(&test, "佐藤 花子", "Medical Doctor").await;
    refused(&desk.redeem(&test, &code, &card).await, "hpki-card-needed");
    let open = "SELECT COUNT(*) FROM invitation WHERE redeemed_at IS NULL";
    assert_eq!((count(&test, open).await, live_sessions(&test).await), (1, 0));
}

#[tokio::test]
async fn a_linked_card_of_somebody_who_left_the_facility_is_refused() {
    let card = MyNumberCard::of_serial(651);
    let (test, mut desk) = linked_by(&physician(), &card).await;
    desk.end_memberships(&test).await;
    refused(&desk.login(&test, &card, false).await, "not-a-member");
    assert_eq!(live_sessions(&test).await, 0);
}

#[tokio::test]
async fn a_linked_card_is_refused_where_its_person_never_was_a_member() {
    let card = MyNumberCard::of_serial(652);
    let (test, _) = linked_by(&physician(), &card).await;
    let mut elsewhere = desk(&test, 2).await;
    refused(&elsewhere.login(&test, &card, false).await, "not-a-member");
}

#[tokio::test]
async fn where_nobody_tells_of_revocation_or_people_are_invented_no_my_number_card_counts() {
    let card = MyNumberCard::of_serial(660);
    let mut settings = Settings::default();
    settings.jpki.status = StatusSource::None;
    let off = instance_asking(settings).await;
    let mut desk_off = desk(&off, 1).await;
    desk_off.admit(&off, &physician()).await;
    assert!(desk_off.get(&off, "/my-number-card").await.text.contains("受け付けていません"));
    assert!(!desk_off.get(&off, "/").await.text.contains("/my-number-card"));
    refused(&desk_off.begin_link(&off).await, "not-configured");
    desk_off.log_out(&off).await;
    refused(&desk_off.login(&off, &card, false).await, "foreign-issuer");

    let mut settings = Settings::default();
    settings.jpki.status = StatusSource::Files;
    settings.sandbox.facilities = vec![FacilityIdentifier::from_random(2).to_string()];
    let test = instance_asking(settings).await;
    let mut trial = desk(&test, 2).await;
    trial.get(&test, "/login").await;
    refused(&trial.ask(&test, json!({})).await, "not-configured");
}
