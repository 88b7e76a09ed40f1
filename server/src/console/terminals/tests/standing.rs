//! What a facility is told of holds, and what it can do when they end.

use sekisho_ca::revocation::RevocationReason;
use sekisho_store::{audit::Actor, terminal::Terminal};
use time::Duration;

use super::{OURS, THEIRS, certify, created, instance, operator, send};
use crate::{
    notice,
    outbox::{Deliverers, deliver_due},
    revocation::{Measure, Order, Standing, Target, carry_out},
    testing::TestApp,
};

/// A terminal created later than every other: those of one moment are listed in no order.
async fn newest_terminal(test: &TestApp, name: &str) -> Terminal {
    test.clock.advance(Duration::MINUTE);
    let (terminal, _) = created(test, name).await;
    assert_eq!(terminal.name, name);
    terminal
}

#[tokio::test]
async fn a_hold_and_its_end_promise_only_what_the_terminal_can_do_then() {
    let test = instance().await;
    let certified = async |name: &str, serial: [u8; 16]| {
        let terminal = newest_terminal(&test, name).await;
        certify(&test, &terminal, &serial).await;
        terminal
    };
    let of_certificate = async |serial: [u8; 16], measure| {
        let order = Order {
            target: Target::Certificate {
                issuer_id: "terminals".to_owned(),
                serial: serial.into(),
            },
            measure,
            invalidity_at: None,
            note: String::new(),
            actor: Actor::System,
            at: test.app.now(),
        };
        carry_out(test.app.store(), &order).await.unwrap();
        // Notices of one moment have no order.
        test.clock.advance(Duration::MINUTE);
    };
    let get = async |path: &str| send(&test, "GET", path, OURS, "").await.text;
    let good = certified("外来1号機", [1; 16]).await;
    let revoked = certified("外来2号機", [2; 16]).await;
    of_certificate([2; 16], Measure::Revoke(RevocationReason::KeyCompromise)).await;
    let held = certified("外来3号機", [3; 16]).await;
    of_certificate([3; 16], Measure::Hold).await;
    let never = newest_terminal(&test, "外来4号機").await;
    for (terminal, on_page, at_hold, at_release) in [
        (
            &good,
            "as before; there is nothing to enrol anew",
            "without enrolling it anew",
            "It works as before",
        ),
        (&revoked, "has to be enrolled anew", "has to be enrolled anew", "Enrol the terminal anew"),
        (
            &held,
            "as before; there is nothing to enrol anew",
            "without enrolling it anew",
            "is still on hold",
        ),
        (&never, "it cannot be enrolled", "it cannot be enrolled", "It was never enrolled"),
    ] {
        let newest = async || {
            let page = get("/console/notices?lang=en").await;
            let newest = page.split("<article").nth(1).unwrap().to_owned();
            assert!(newest.contains(&terminal.name), "{newest}");
            newest
        };
        operator(&test, terminal, Measure::Hold).await;
        let page = get(&format!("/console/terminals/{}?lang=en", terminal.id)).await;
        assert!(page.contains(on_page), "{}: {page}", terminal.name);
        let told = newest().await;
        assert!(told.contains(at_hold), "{told}");
        operator(&test, terminal, Measure::Release).await;
        let told = newest().await;
        assert!(told.contains(at_release), "{told}");
        let works = told.contains("It works as before");
        assert_eq!(works, terminal.name == good.name, "{told}");
    }
    test.clock.advance(Duration::days(400));
    let app = &test.app;
    let standing =
        async |id: &str| Standing::find(&mut app.store().read(), id, app.now()).await.unwrap();
    assert_eq!(standing(&good.id).await, Standing::ToEnrolAnew, "it has expired");
    assert_eq!(standing(&never.id).await, Standing::NeverEnrolled);
}

#[tokio::test]
async fn what_is_done_to_all_of_a_facility_is_told_its_administrators_once() {
    let test = instance().await;
    let one = newest_terminal(&test, "外来1号機").await;
    certify(&test, &one, &[1; 16]).await;
    let two = newest_terminal(&test, "外来2号機").await;
    certify(&test, &two, &[2; 16]).await;
    let mut told = 0;
    for (measure, japanese, english) in [
        (Measure::Hold, "施設の利用が、すべての端末とともに", "put the facility on hold"),
        (Measure::Release, "施設の一時停止が解除されました", "The hold on the facility has ended"),
        (
            Measure::Revoke(RevocationReason::KeyCompromise),
            "すべての機器の証明書が、事業主体により失効されました",
            "revoked the certificates of all its devices",
        ),
    ] {
        let order = Order {
            target: Target::Facility(one.organisation_id.clone()),
            measure,
            invalidity_at: None,
            note: "内部の調査".to_owned(),
            actor: Actor::System,
            at: test.app.now(),
        };
        for changed in [true, false] {
            let outcome = carry_out(test.app.store(), &order).await.unwrap();
            assert_eq!(outcome.changed, changed, "{measure:?}");
        }
        let notices = Deliverers::new().with(notice::KIND, notice::deliver);
        deliver_due(&test.app, &notices).await.unwrap();
        told += 1;
        for (lang, says) in [("ja", japanese), ("en", english)] {
            let page = send(&test, "GET", &format!("/console/notices?lang={lang}"), OURS, "").await;
            assert!(page.text.contains(says), "{says}: {}", page.text);
            assert_eq!(page.text.matches("<article").count(), told, "{}", page.text);
            assert!(!page.text.contains("内部の調査"), "{}", page.text);
            let elsewhere = send(&test, "GET", "/console/notices", THEIRS, "").await;
            assert!(!elsewhere.text.contains("<article"), "{}", elsewhere.text);
        }
        test.clock.advance(Duration::MINUTE);
    }
}
