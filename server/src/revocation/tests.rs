use sekisho_ca::revocation::RevocationReason;
use sekisho_store::audit::{self, Actor};
use time::{Duration, OffsetDateTime};

use super::*;
use crate::{
    app::App,
    console::scene::{send, signed_in},
    people::role::Role,
    testing::{self, TestTerminal},
};

fn order(app: &App, target: Target, measure: Measure) -> Order {
    Order {
        target,
        measure,
        invalidity_at: None,
        note: "盗難".to_owned(),
        actor: Actor::Operator { user: "operator".to_owned(), host: "host".to_owned() },
        at: app.now(),
    }
}

async fn status(app: &App, terminal: &TestTerminal) -> Status {
    let issued = &terminal.certificate;
    let serial = issued.serial.as_octets();
    revocation::status(&mut app.store().read(), &issued.issuer_id, serial).await.unwrap().unwrap()
}

async fn acts(app: &App) -> Vec<String> {
    let records = audit::list(&mut app.store().read(), "", None, 1_000).await.unwrap();
    records
        .iter()
        .map(|record| String::from_utf8(record.canonical.clone()).unwrap())
        .filter(|record| record.contains("\"act\":\"revocation."))
        .collect()
}

#[tokio::test]
async fn a_facility_in_quarantine_loses_everything_and_gets_it_back() {
    let test = testing::app().await;
    let (inside, outside) =
        (testing::terminal(&test.app, 1).await, testing::terminal(&test.app, 2).await);
    let facility = || Target::Facility(inside.organisation_id.clone());
    let hold = order(&test.app, facility(), Measure::Hold);
    let held = carry_out(test.app.store(), &hold).await.unwrap();
    assert!(held.changed);
    assert_eq!(held.certificates.len(), 1);
    assert_ne!(status(&test.app, &inside).await, Status::Good);
    assert_eq!(status(&test.app, &outside).await, Status::Good);
    let is_active = async || {
        organisation::is_active(&mut test.app.store().read(), &inside.organisation_id)
            .await
            .unwrap()
    };
    assert!(!is_active().await);
    let again = carry_out(test.app.store(), &hold).await.unwrap();
    assert_eq!(again, Outcome::default());
    let release = order(&test.app, facility(), Measure::Release);
    assert!(carry_out(test.app.store(), &release).await.unwrap().changed);
    assert_eq!(status(&test.app, &inside).await, Status::Good);
    assert!(is_active().await);
    let acts = acts(&test.app).await;
    assert_eq!(acts.len(), 3);
    assert!(
        acts.iter().all(|act| act.contains("盗難") && act.contains("\"operator\"")),
        "{acts:?}"
    );
}

#[tokio::test]
async fn a_terminal_is_held_released_and_revoked_for_ever() {
    let test = testing::app().await;
    let device = testing::terminal(&test.app, 1).await;
    let run = async |measure| {
        let order = order(&test.app, Target::Terminal(device.terminal_id.clone()), measure);
        carry_out(test.app.store(), &order).await
    };
    assert_eq!(run(Measure::Hold).await.unwrap().certificates.len(), 1);
    assert_eq!(run(Measure::Release).await.unwrap().certificates.len(), 1);
    assert!(!run(Measure::Release).await.unwrap().changed);
    assert_eq!(status(&test.app, &device).await, Status::Good);
    let lost = Measure::Revoke(RevocationReason::KeyCompromise);
    assert!(run(lost).await.unwrap().changed);
    assert!(!run(lost).await.unwrap().changed);
    for later in [Measure::Hold, Measure::Release] {
        assert!(matches!(run(later).await, Err(RevocationError::TerminalRevoked { .. })));
    }
    let expected = Status::Revoked { reason: 1, at: test.app.now() };
    assert_eq!(status(&test.app, &device).await, expected);
    let found = terminal::find(&mut test.app.store().read(), &device.terminal_id).await.unwrap();
    assert_eq!(found.unwrap().status, TerminalStatus::Revoked);
}

#[tokio::test]
async fn a_terminal_without_a_certificate_is_held_and_released() {
    let test = testing::app().await;
    let app = &test.app;
    let device = testing::terminal(app, 1).await;
    let bare = "T7777777777";
    transaction!(app.store(), StoreError, |tx| {
        terminal::create(tx, bare, &device.organisation_id, "外来9号機", "p", app.now()).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, app.now())))
    })
    .unwrap();
    let run = async |measure| {
        let order = order(app, Target::Terminal(bare.to_owned()), measure);
        carry_out(app.store(), &order).await.unwrap()
    };
    let standing =
        async || terminal::find(&mut app.store().read(), bare).await.unwrap().unwrap().status;
    for (measure, expected) in
        [(Measure::Hold, TerminalStatus::Held), (Measure::Release, TerminalStatus::Created)]
    {
        assert!(run(measure).await.changed, "{measure:?}");
        assert_eq!(standing().await, expected);
        assert!(!run(measure).await.changed, "{measure:?}");
    }
    // While the facility is in quarantine the terminal's own hold is not ended apart from it.
    run(Measure::Hold).await;
    let facility = Target::Facility(device.organisation_id.clone());
    carry_out(app.store(), &order(app, facility.clone(), Measure::Hold)).await.unwrap();
    let kept = run(Measure::Release).await;
    assert!(!kept.changed);
    assert_eq!(kept.held_by, Some(HeldBy::Facility(device.organisation_id.clone())));
    carry_out(app.store(), &order(app, facility, Measure::Release)).await.unwrap();
    assert_eq!(standing().await, TerminalStatus::Held);
    let released = run(Measure::Release).await;
    assert!(released.changed && released.held_by.is_none());
}

#[tokio::test]
async fn what_holds_a_terminal_or_a_certificate_besides_is_named() {
    let test = testing::app().await;
    let device = testing::terminal(&test.app, 1).await;
    let key =
        (device.certificate.issuer_id.clone(), device.certificate.serial.as_octets().to_vec());
    let certificate = Target::Certificate { issuer_id: key.0.clone(), serial: key.1.clone() };
    let terminal = Target::Terminal(device.terminal_id.clone());
    let run = async |target: &Target, measure| {
        carry_out(test.app.store(), &order(&test.app, target.clone(), measure)).await.unwrap()
    };
    run(&certificate, Measure::Hold).await;
    let kept = run(&terminal, Measure::Release).await;
    assert_eq!((kept.changed, kept.held_by), (false, Some(HeldBy::Certificates(vec![key]))));
    assert_eq!(run(&certificate, Measure::Release).await.held_by, None);
    run(&terminal, Measure::Hold).await;
    let kept = run(&certificate, Measure::Release).await;
    let by_terminal = Some(HeldBy::Terminal(device.terminal_id.clone()));
    assert_eq!((kept.changed, kept.held_by), (false, by_terminal));
}

#[tokio::test]
async fn an_act_on_what_belongs_to_a_facility_is_found_among_the_acts_there() {
    let test = testing::app().await;
    let (device, other) =
        (testing::terminal(&test.app, 1).await, testing::terminal(&test.app, 2).await);
    let compromised = Measure::Revoke(RevocationReason::KeyCompromise);
    let authority = Measure::Revoke(RevocationReason::CaCompromise);
    let serial = device.certificate.serial.as_octets().to_vec();
    let issuer_id = device.certificate.issuer_id.clone();
    for (target, measure) in [
        (Target::Terminal(device.terminal_id.clone()), Measure::Hold),
        (Target::Certificate { issuer_id, serial }, compromised),
        (Target::Key(device.certificate.public_key_sha256), compromised),
        (Target::Facility(device.organisation_id.clone()), Measure::Hold),
        // Nobody's.
        (Target::Key([9; 32]), compromised),
        (Target::Issuer("terminals".to_owned()), authority),
        (Target::Terminal(other.terminal_id.clone()), Measure::Hold),
    ] {
        carry_out(test.app.store(), &order(&test.app, target, measure)).await.unwrap();
    }
    let mine = format!("\"organisation\":\"{}\"", device.organisation_id);
    let acts = acts(&test.app).await;
    assert_eq!(acts.len(), 7);
    let found: Vec<_> = acts.iter().map(|act| act.contains(&mine)).collect();
    assert_eq!(found, [true, true, true, true, false, false, false], "{acts:#?}");
}

#[tokio::test]
async fn a_facility_is_told_of_its_certificates_once_a_terminal() {
    const ADMINISTRATOR: &str = "administrator-of-a-certificateAAAAAAAAAAAAA";
    let test = testing::app().await;
    let app = &test.app;
    let device = testing::terminal(app, 1).await;
    let role = Role::FacilityAdministrator(device.organisation_id.clone());
    signed_in(app, "管理", &[role], ADMINISTRATOR).await;
    // Enrolled, as the door notes it.
    transaction!(app.store(), StoreError, |tx| {
        terminal::note_certificate(tx, &device.terminal_id, false, app.now()).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, app.now())))
    })
    .unwrap();
    let certificate = Target::Certificate {
        issuer_id: device.certificate.issuer_id.clone(),
        serial: device.certificate.serial.as_octets().to_vec(),
    };
    let key = Target::Key(device.certificate.public_key_sha256);
    let path = format!("/console/terminals/{}", device.terminal_id);
    for (target, measure, status, line) in [
        (&certificate, Measure::Hold, "一時停止中", "<td>証明書を一時停止"),
        (&certificate, Measure::Release, "登録済み", "<td>証明書の一時停止を解除"),
        (&key, Measure::Revoke(RevocationReason::KeyCompromise), "証明書失効", "<td>証明書を失効"),
    ] {
        carry_out(app.store(), &order(app, target.clone(), measure)).await.unwrap();
        let page = send(app, "GET", &path, ADMINISTRATOR, "").await.text;
        assert!(page.contains(&format!("\">{status}</span></h1>")), "{status}: {page}");
        assert!(page.contains(line), "{line}: {page}");
        let list = send(app, "GET", "/console/terminals", ADMINISTRATOR, "").await.text;
        assert!(list.contains(status), "{status}: {list}");
        test.clock.advance(Duration::MINUTE);
    }
    let code = send(app, "POST", &format!("{path}/code"), ADMINISTRATOR, "").await;
    assert!(code.text.contains("--code "), "it may enrol anew: {}", code.text);
    let told = app.store().claim_outbox("notice", app.now(), Duration::MINUTE, 9).await.unwrap();
    let kinds = ["certificate_held", "certificate_released", "certificate_revoked"];
    assert_eq!(told.len(), kinds.len());
    for kind in kinds {
        let wanted = format!("\"notice\":\"{kind}\"");
        assert_eq!(told.iter().filter(|m| m.payload.contains(&wanted)).count(), 1, "{kind}");
        assert!(told.iter().all(|m| !m.payload.contains("盗難")));
    }
}

#[tokio::test]
async fn what_is_gone_for_good_is_neither_held_nor_released() {
    let test = testing::app().await;
    let device = testing::terminal(&test.app, 1).await;
    let issued = &device.certificate;
    let certificate = Target::Certificate {
        issuer_id: issued.issuer_id.clone(),
        serial: issued.serial.as_octets().to_vec(),
    };
    let run = async |target: &Target, measure| {
        carry_out(test.app.store(), &order(&test.app, target.clone(), measure)).await
    };
    assert!(run(&certificate, Measure::Hold).await.unwrap().changed);
    assert!(!run(&certificate, Measure::Hold).await.unwrap().changed, "held, and to be held");
    let superseded = Measure::Revoke(RevocationReason::Superseded);
    assert!(run(&certificate, superseded).await.unwrap().changed);
    let facility = Target::Facility(device.organisation_id.clone());
    let closed: Result<(), StoreError> = transaction!(test.app.store(), StoreError, |tx| {
        let (id, close) = (&device.organisation_id, StatusChange::Close);
        organisation::change_status_by(tx, id, close, None, "廃止", test.app.now()).await?;
        Ok(Audited::new((), Entry::done("organisation.close", Actor::System, test.app.now())))
    });
    closed.unwrap();
    for measure in [Measure::Hold, Measure::Release] {
        for (target, says) in [(&certificate, "was revoked for good"), (&facility, "was closed")] {
            let told = run(target, measure).await.unwrap_err().to_string();
            assert!(told.contains(says) && told.contains("neither held nor released"), "{told}");
        }
    }
    let acts = acts(&test.app).await;
    assert_eq!(acts.len(), 3, "what was refused changed nothing and left no record: {acts:?}");
}

#[tokio::test]
async fn a_compromised_key_is_refused_even_where_it_was_never_certified() {
    let test = testing::app().await;
    let device = testing::terminal(&test.app, 1).await;
    let revoke = Measure::Revoke(RevocationReason::KeyCompromise);
    let used = Target::Key(device.certificate.public_key_sha256);
    let outcome = carry_out(test.app.store(), &order(&test.app, used, revoke)).await.unwrap();
    assert_eq!(outcome.certificates.len(), 1);
    let unused = Target::Key([7; 32]);
    let outcome = carry_out(test.app.store(), &order(&test.app, unused, revoke)).await.unwrap();
    assert!(outcome.changed && outcome.certificates.is_empty());
    let mut reader = test.app.store().read();
    assert!(key_is_compromised(&mut reader, &[7; 32], &[]).await.unwrap());
    assert!(!key_is_compromised(&mut reader, &[8; 32], &[]).await.unwrap());
}

#[tokio::test]
async fn a_revoked_authority_takes_its_certificates_along() {
    let test = testing::app().await;
    let device = testing::terminal(&test.app, 1).await;
    let revoke = Measure::Revoke(RevocationReason::CaCompromise);
    let outcome =
        carry_out(test.app.store(), &order(&test.app, Target::Issuer("terminals".into()), revoke))
            .await
            .unwrap();
    // Its own, on the root's list.
    assert_eq!(outcome.certificates.len(), 1);
    assert_eq!(outcome.certificates[0].0, "root");
    assert_eq!(status(&test.app, &device).await, Status::Revoked { reason: 2, at: test.app.now() });
    let fingerprint = device.certificate.fingerprint;
    let connection =
        sekisho_store::facility_connection::find(&mut test.app.store().read(), &fingerprint)
            .await
            .unwrap()
            .unwrap();
    assert!(connection.certificate_revoked);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let test = testing::app().await;
    let device = testing::terminal(&test.app, 1).await;
    let own = || Target::Certificate {
        issuer_id: "terminals".to_owned(),
        serial: device.certificate.serial.as_octets().to_vec(),
    };
    let superseded = Measure::Revoke(RevocationReason::Superseded);
    for (target, measure) in [
        (Target::Key([1; 32]), Measure::Hold),
        (Target::Key([1; 32]), superseded),
        (Target::Issuer("terminals".into()), Measure::Release),
        (Target::Issuer("terminals".into()), Measure::Revoke(RevocationReason::KeyCompromise)),
        (own(), Measure::Revoke(RevocationReason::CertificateHold)),
        (own(), Measure::Revoke(RevocationReason::CaCompromise)),
        (Target::Issuer("nobody".into()), superseded),
        (Target::Terminal("T0".into()), superseded),
        (Target::Facility("000000000000".into()), Measure::Hold),
        (Target::Certificate { issuer_id: "terminals".into(), serial: vec![1] }, Measure::Hold),
    ] {
        let order = order(&test.app, target, measure);
        assert!(carry_out(test.app.store(), &order).await.is_err(), "{order:?}");
    }
    let before_1970 = OffsetDateTime::UNIX_EPOCH - Duration::SECOND;
    for since in [test.app.now() + Duration::HOUR, before_1970] {
        let mut order = order(&test.app, own(), superseded);
        order.invalidity_at = Some(since);
        let refused = carry_out(test.app.store(), &order).await;
        assert!(matches!(refused, Err(RevocationError::InvalidityDate)), "{refused:?}");
    }
    assert_eq!(status(&test.app, &device).await, Status::Good);
    assert!(acts(&test.app).await.is_empty());
}

#[tokio::test]
async fn an_operators_note_is_not_shown_to_the_facility() {
    const ADMINISTRATOR: &str = "administrator-of-a-held-facilityAAAAAAAAAAA";
    let test = testing::app().await;
    let app = &test.app;
    let inside = testing::terminal(app, 1).await;
    let id = inside.organisation_id.clone();
    signed_in(app, "管理", &[Role::FacilityAdministrator(id.clone())], ADMINISTRATOR).await;
    let facility = order(app, Target::Facility(id.clone()), Measure::Hold);
    carry_out(app.store(), &facility).await.unwrap();
    let home = send(app, "GET", "/console", ADMINISTRATOR, "").await;
    assert!(home.text.contains("断られます"), "{}", home.text);
    let refused = send(app, "GET", "/console/terminals", ADMINISTRATOR, "").await;
    assert!(refused.text.contains("利用停止中"), "{}", refused.text);
    for page in [home, refused] {
        assert!(!page.text.contains("盗難") && !page.text.contains("理由"), "{}", page.text);
    }
    let release = order(app, Target::Facility(id), Measure::Release);
    carry_out(app.store(), &release).await.unwrap();
    let lost = Measure::Revoke(RevocationReason::KeyCompromise);
    let terminal = order(app, Target::Terminal(inside.terminal_id.clone()), lost);
    carry_out(app.store(), &terminal).await.unwrap();
    let path = format!("/console/terminals/{}", inside.terminal_id);
    let shown = send(app, "GET", &path, ADMINISTRATOR, "").await;
    assert!(shown.text.contains("失効") && !shown.text.contains("盗難"), "{}", shown.text);
    assert_eq!(acts(app).await.iter().filter(|act| act.contains("盗難")).count(), 3);
}
