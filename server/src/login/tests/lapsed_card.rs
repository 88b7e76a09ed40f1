//! A card that was revoked or expired after it logged its person in.

use time::Duration;

use super::{
    desk::{
        Card, Desk, InReader, NOW, count, desk, instance, live_sessions, physician, publish, told,
        write,
    },
    standing::roles_now,
};
use crate::{
    login::{tests::desk::hpki, upkeep},
    testing::TestApp,
};

const REVOKED: &str = "SELECT COUNT(*) FROM session WHERE end_reason = 'card_revoked'";
const EXPIRED: &str = "SELECT COUNT(*) FROM session WHERE end_reason = 'card_expired'";

async fn logged_in_by(card: &Card) -> (TestApp, Desk) {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, card).await;
    assert_eq!(desk.get(&test, "/").await.status, 200);
    assert_eq!(roles_now(&test).await, ["Medical Doctor"]);
    (test, desk)
}

/// The next page leads to the login page, which says so in both languages.
async fn led_away(test: &TestApp, desk: &mut Desk, notice: &str, ja: &str, en: &str) {
    let answered = desk.get(test, "/").await;
    let login = format!("/login?notice={notice}");
    assert_eq!(answered.location.as_deref(), Some(login.as_str()), "{}", answered.text);
    assert_eq!(live_sessions(test).await, 0);
    for (lang, words) in [("ja", ja), ("en", en)] {
        let page = desk.get(test, &format!("{login}&lang={lang}")).await.text;
        assert!(page.contains(words), "{page}");
    }
}

#[tokio::test]
async fn a_revoked_card_ends_its_session_with_the_next_page() {
    let (test, mut desk) = logged_in_by(&physician()).await;
    publish(&test, &[physician().serial + 1], NOW).await;
    assert_eq!(desk.get(&test, "/").await.status, 200, "somebody else's");
    publish(&test, &[physician().serial], NOW).await;
    led_away(&test, &mut desk, "card-revoked", "証明書が失効したため", "was revoked").await;
    assert_eq!(count(&test, REVOKED).await, 1);
    assert!(told(&test, "session.use", Some("card_revoked")).await);
    // It stays ended, whatever a later list says.
    publish(&test, &[], NOW).await;
    assert_eq!(desk.get(&test, "/").await.location.as_deref(), Some("/login?notice=card-revoked"));
}

#[tokio::test]
async fn a_card_that_expires_ends_its_session_with_its_second() {
    let card = Card { not_after: NOW + Duration::hours(1), ..physician() };
    let (test, mut desk) = logged_in_by(&card).await;
    for minutes in [20, 20, 19] {
        test.clock.advance(Duration::minutes(minutes));
        assert_eq!(desk.get(&test, "/").await.status, 200, "{minutes}");
    }
    test.clock.advance(Duration::seconds(61));
    led_away(&test, &mut desk, "card-expired", "有効期限が切れたため", "has expired").await;
    assert_eq!(count(&test, EXPIRED).await, 1);
    assert!(told(&test, "session.use", Some("card_expired")).await);
}

#[tokio::test]
async fn while_nobody_knows_of_a_card_its_profession_is_taken_and_given_back() {
    let (test, mut desk) = logged_in_by(&physician()).await;
    let words = |what| match what {
        "late list" => "失効していないことを、いま確認できません",
        _ => "HPKI証明書を、いま確認できません",
    };
    for what in ["late list", "anchor gone"] {
        match what {
            "late list" => publish(&test, &[], NOW - Duration::days(30)).await,
            _ => {
                std::fs::remove_file(test.folder.path().join("anchors/hpki/authentication.pem"))
                    .unwrap();
                test.app.card_trust().reload().await;
            }
        }
        assert!(roles_now(&test).await.is_empty(), "{what}");
        let portal = desk.get(&test, "/").await.text;
        assert!(portal.contains(words(what)), "{what}: {portal}");
        assert!(portal.contains("ログインは続いています"), "{what}: {portal}");
        assert!(!portal.contains("医師"), "{what}: {portal}");
        // Nothing new is vouched for meanwhile, and no job takes it for an end.
        upkeep::end_of_lapsed_cards(&test.app, true).await.unwrap();
        assert_eq!(live_sessions(&test).await, 1, "{what}");
        write(&test, "anchors/hpki/authentication.pem", hpki().sub_ca_pem().unwrap().as_bytes());
        publish(&test, &[], NOW).await;
        assert_eq!(roles_now(&test).await, ["Medical Doctor"], "{what}");
        assert!(desk.get(&test, "/").await.text.contains("医師"), "{what}");
    }
}

#[tokio::test]
async fn what_is_remembered_of_a_card_ends_with_the_second_of_its_list_and_does_not_go_back_in_time()
 {
    let (test, _) = logged_in_by(&physician()).await;
    let trust = test.app.card_trust().at("123456789007");
    let der = physician().certificate();
    let roles = |after: Duration| trust.roles(&der, NOW + after).ok();
    let begins = |from: Duration| {
        // The first second at which the answer is another one than at `from`.
        let (mut same, mut other) = (from.whole_seconds(), Duration::days(60).whole_seconds());
        let first = roles(from).is_some();
        while other - same > 1 {
            let middle = i64::midpoint(same, other);
            match roles(Duration::seconds(middle)).is_some() == first {
                true => same = middle,
                false => other = middle,
            }
        }
        Duration::seconds(other)
    };
    assert!(roles(Duration::ZERO).is_some());
    let over = begins(Duration::ZERO);
    assert!(over < Duration::days(40), "the list is too old some day: {over}");
    // Asked in turn, before and after, however often: the memory never outlives the list nor precedes it.
    for _ in 0..2 {
        assert!(roles(over - Duration::SECOND).is_some());
        assert!(roles(over).is_none());
        assert!(roles(over + Duration::DAY).is_none());
        assert!(roles(-Duration::days(3_000)).is_none(), "nothing of it was in force then");
    }
}

#[tokio::test]
async fn a_job_ends_the_sessions_of_revoked_and_of_expired_cards_and_no_others() {
    let (test, mut desk) = logged_in_by(&physician()).await;
    let mut other = super::desk::desk(&test, 2).await;
    let colleague = Card {
        kanji: "鈴木　花子",
        serial_number: "DEMO00002",
        serial: 110,
        not_after: NOW + Duration::hours(1),
        ..physician()
    };
    let code = other.invite(&test, "鈴木 花子", "Medical Doctor").await;
    assert_eq!(other.redeem(&test, &code, &colleague).await.status, 200);
    publish(&test, &[physician().serial], NOW).await;
    // Without a change of trust only times are looked at.
    upkeep::end_of_lapsed_cards(&test.app, false).await.unwrap();
    assert_eq!(live_sessions(&test).await, 2);
    upkeep::end_of_lapsed_cards(&test.app, true).await.unwrap();
    assert_eq!((live_sessions(&test).await, count(&test, REVOKED).await), (1, 1));
    assert_eq!(desk.get(&test, "/").await.location.as_deref(), Some("/login?notice=card-revoked"));
    assert_eq!(other.get(&test, "/").await.status, 200);
    test.clock.advance(Duration::minutes(61));
    upkeep::end_of_lapsed_cards(&test.app, false).await.unwrap();
    assert_eq!((live_sessions(&test).await, count(&test, EXPIRED).await), (0, 1));
    // Done once, recorded once.
    upkeep::end_of_lapsed_cards(&test.app, true).await.unwrap();
    let records = "SELECT COUNT(*) FROM audit_record WHERE act = 'session.end'";
    assert_eq!(count(&test, records).await, 2);
}
