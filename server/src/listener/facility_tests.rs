//! Who speaks for a facility, and who does not.

use sekisho_ca::revocation::RevocationReason;
use sekisho_store::{
    StoreError,
    audit::{self, Actor, Audited, Entry},
    sql, terminal, transaction,
};
use time::Duration;

use super::{FacilityConnection, FacilityError};
use crate::{
    app::App,
    error::page::PageError,
    names::NameRole,
    revocation::{self, Measure, Order, Target},
    testing::{self, TestTerminal},
};

async fn judge(app: &App, terminal: &TestTerminal) -> Result<FacilityConnection, FacilityError> {
    FacilityConnection::judge(app, &terminal.peer).await
}

async fn refusals(app: &App) -> Vec<String> {
    audit::list(&mut app.store().read(), "", None, 1000)
        .await
        .unwrap()
        .into_iter()
        .map(|record| serde_json::from_slice::<serde_json::Value>(&record.canonical).unwrap())
        .filter(|form| form["act"] == "facility.connect")
        .map(|form| form["reason"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_terminal_of_an_active_facility_speaks_for_it() {
    let test = testing::app().await;
    let terminal = testing::terminal(&test.app, 1).await;
    let connection = judge(&test.app, &terminal).await.unwrap();
    assert_eq!(connection.organisation_id, terminal.organisation_id);
    assert_eq!(connection.terminal_id, terminal.terminal_id);
    assert_eq!(connection.terminal_name, "外来1号機");
    assert_eq!(connection.organisation_name, "試験病院");
    assert_eq!(connection.fingerprint, terminal.certificate.fingerprint);
    assert_eq!(connection.issuer_id, "terminals");
    assert!(refusals(&test.app).await.is_empty());
}

#[tokio::test]
async fn no_certificate_and_foreign_certificates_are_refused_and_write_nothing() {
    let test = testing::app().await;
    let none = testing::peer(NameRole::Terminal, &[]);
    assert!(matches!(
        FacilityConnection::judge(&test.app, &none).await,
        Err(FacilityError::NoCertificate)
    ));
    let other_world = testing::app().await;
    let foreign = testing::terminal(&other_world.app, 1).await;
    let own = testing::terminal(&test.app, 1).await;
    let mut damaged = own.certificate.der.clone();
    *damaged.last_mut().unwrap() ^= 1;
    // One of our own authorities, but not the one for terminals.
    let authority = test.app.authority().routers(test.app.now()).certificate_der();
    for der in [&foreign.certificate.der[..], &damaged, authority, b"nonsense", b""] {
        let peer = testing::peer(NameRole::Terminal, &[der]);
        assert!(matches!(
            FacilityConnection::judge(&test.app, &peer).await,
            Err(FacilityError::NotOurs)
        ));
    }
    assert!(refusals(&test.app).await.is_empty());
}

#[tokio::test]
async fn a_row_in_the_register_does_not_make_a_foreign_certificate_ours() {
    let test = testing::app().await;
    let own = testing::terminal(&test.app, 1).await;
    let other_world = testing::app().await;
    let foreign = testing::terminal(&other_world.app, 1).await;
    let at = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        tx.execute(
            sql("UPDATE certificate SET fingerprint = $1 WHERE fingerprint = $2")
                .bind(foreign.certificate.fingerprint)
                .bind(own.certificate.fingerprint),
        )
        .await?;
        Ok(Audited::new((), Entry::done("test.forge", Actor::System, at)))
    })
    .unwrap();
    assert!(matches!(judge(&test.app, &foreign).await, Err(FacilityError::NotOurs)));
}

#[tokio::test]
async fn a_revoked_terminal_is_refused_from_the_next_request_on_and_audited_once_a_minute() {
    let test = testing::app().await;
    let own = testing::terminal(&test.app, 1).await;
    let neighbour = testing::terminal(&test.app, 2).await;
    judge(&test.app, &own).await.unwrap();
    let at = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        let why = terminal::Revocation {
            crl_reason: 1,
            cause: "lost",
            note: "lost",
            person_id: Some("p"),
            at,
        };
        terminal::revoke(tx, &own.terminal_id, &own.organisation_id, why).await?.unwrap();
        Ok(Audited::new((), Entry::done("terminal.revoke", Actor::System, at)))
    })
    .unwrap();
    for _ in 0..3 {
        assert!(matches!(judge(&test.app, &own).await, Err(FacilityError::Revoked { .. })));
    }
    assert_eq!(refusals(&test.app).await, ["revoked"]);
    test.clock.advance(Duration::MINUTE);
    assert!(judge(&test.app, &own).await.is_err());
    assert_eq!(refusals(&test.app).await.len(), 2);
    judge(&test.app, &neighbour).await.unwrap();
}

#[tokio::test]
async fn a_terminal_on_hold_is_told_that_it_will_be_back_and_its_facility_sees_the_refusal() {
    let test = testing::app().await;
    let own = testing::terminal(&test.app, 1).await;
    let carry_out = async |target: Target, measure| {
        let order = Order {
            target,
            measure,
            invalidity_at: None,
            note: "盗難の疑い".to_owned(),
            actor: Actor::System,
            at: test.app.now(),
        };
        assert!(revocation::carry_out(test.app.store(), &order).await.unwrap().changed);
    };
    let page = async || PageError::from(judge(&test.app, &own).await.unwrap_err());

    carry_out(Target::Terminal(own.terminal_id.clone()), Measure::Hold).await;
    assert!(matches!(judge(&test.app, &own).await, Err(FacilityError::OnHold { .. })));
    let held = page().await;
    assert_eq!((held.title, held.help), ("facility-held-title", "facility-held-help"));
    let records = audit::list(&mut test.app.store().read(), "", None, 1000).await.unwrap();
    let refused: Vec<_> = records.iter().filter(|r| r.columns.act == "facility.connect").collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].columns.organisation_id.as_ref(), Some(&own.organisation_id));
    assert_eq!(refusals(&test.app).await, ["on_hold"]);
    carry_out(Target::Terminal(own.terminal_id.clone()), Measure::Release).await;
    judge(&test.app, &own).await.unwrap();

    // All of the facility: it is the facility's state that is told, and that it is back as it was.
    carry_out(Target::Facility(own.organisation_id.clone()), Measure::Hold).await;
    assert!(matches!(judge(&test.app, &own).await, Err(FacilityError::FacilityNotActive { .. })));
    let suspended = page().await;
    assert!(suspended.args.contains(&("name", "試験病院".to_owned())), "{:?}", suspended.args);
    let said = (suspended.text, suspended.help);
    assert_eq!(said, ("facility-suspended-text", "facility-suspended-help"));

    let lost = Measure::Revoke(RevocationReason::KeyCompromise);
    carry_out(Target::Terminal(own.terminal_id.clone()), lost).await;
    assert_eq!(page().await.title, "facility-revoked-title");
}

#[tokio::test]
async fn a_certificate_outside_its_validity_is_refused() {
    let test = testing::app().await;
    let own = testing::terminal(&test.app, 1).await;
    test.clock.advance(Duration::hours(-2));
    assert!(matches!(judge(&test.app, &own).await, Err(FacilityError::NotYetValid { .. })));
    test.clock.advance(Duration::hours(2) + Duration::days(366));
    assert!(matches!(judge(&test.app, &own).await, Err(FacilityError::Expired { .. })));
}

#[tokio::test]
async fn a_suspended_facility_is_refused_until_it_is_resumed() {
    let test = testing::app().await;
    let own = testing::terminal(&test.app, 1).await;
    for (kind, admitted) in [("suspended", false), ("resumed", true), ("closed", false)] {
        test.clock.advance(Duration::SECOND);
        let at = test.app.now();
        transaction!(test.app.store(), StoreError, |tx| {
            testing::organisation_event(tx, &own.organisation_id, kind, at).await?;
            Ok(Audited::new((), Entry::done("organisation.event", Actor::System, at)))
        })
        .unwrap();
        match judge(&test.app, &own).await {
            Ok(_) => assert!(admitted, "{kind}"),
            Err(FacilityError::FacilityNotActive { status, .. }) => {
                assert!(!admitted);
                assert_eq!(status, kind);
            }
            Err(other) => panic!("{kind}: {other}"),
        }
    }
}

#[tokio::test]
async fn the_first_use_of_a_renewed_certificate_ends_the_one_before_and_is_audited_once() {
    let test = testing::app().await;
    let old = testing::terminal(&test.app, 1).await;
    let enrolled = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        terminal::note_certificate(tx, &old.terminal_id, false, enrolled).await?;
        Ok(Audited::new((), Entry::done("terminal.enrol", Actor::System, enrolled)))
    })
    .unwrap();
    test.clock.advance(Duration::days(200));
    let new = testing::renewed(&test.app, 1).await;
    // Not received, or received by the agent alone, which asks at another name: the PC goes on.
    judge(&test.app, &old).await.unwrap();
    let at_enrolment = testing::peer(NameRole::Enrol, &[&new.certificate.der]);
    FacilityConnection::judge(&test.app, &at_enrolment).await.unwrap();
    judge(&test.app, &old).await.unwrap();
    // The browser has it.
    for _ in 0..2 {
        judge(&test.app, &new).await.unwrap();
    }
    // The terminal works: who comes with the old one is not told that it is revoked.
    let replaced = judge(&test.app, &old).await.unwrap_err();
    assert!(matches!(replaced, FacilityError::Replaced { .. }), "{replaced}");
    let page = PageError::from(replaced);
    assert_eq!((page.title, page.status.as_u16()), ("facility-replaced-title", 403));
    let records = audit::list(&mut test.app.store().read(), "", None, 1000).await.unwrap();
    let forms = records
        .iter()
        .map(|record| serde_json::from_slice::<serde_json::Value>(&record.canonical).unwrap());
    let told: Vec<_> = forms.filter(|form| form["act"] == "terminal.supersede").collect();
    assert_eq!(told.len(), 1);
    let serial = hex::encode(old.certificate.serial.as_octets());
    assert!(told[0].to_string().contains(&format!("terminals:{serial}")), "{}", told[0]);
}

#[tokio::test]
async fn the_first_use_of_the_newest_ends_all_before_and_its_record_names_each() {
    let test = testing::app().await;
    let first = testing::terminal(&test.app, 1).await;
    let mut before = vec![first];
    for _ in 0..2 {
        test.clock.advance(Duration::DAY);
        before.push(testing::renewed(&test.app, 1).await);
    }
    let newest = before.pop().unwrap();
    judge(&test.app, &newest).await.unwrap();
    let records = audit::list(&mut test.app.store().read(), "", None, 1000).await.unwrap();
    let told: Vec<serde_json::Value> = records
        .iter()
        .filter(|record| record.columns.act == "terminal.supersede")
        .map(|record| serde_json::from_slice(&record.canonical).unwrap())
        .collect();
    let [told] = &told[..] else { panic!("{told:?}") };
    assert_eq!(told["facts"]["certificates"], 2);
    let ended = told["facts"]["ended"].as_str().unwrap();
    for old in &before {
        let serial = hex::encode(old.certificate.serial.as_octets());
        assert!(ended.split(' ').any(|one| one == format!("terminals:{serial}")), "{ended}");
    }
}

#[tokio::test]
async fn a_renewed_terminal_never_comes_back_by_the_certificate_of_before() {
    for reason in [RevocationReason::Superseded, RevocationReason::KeyCompromise] {
        let test = testing::app().await;
        let old = testing::terminal(&test.app, 1).await;
        test.clock.advance(Duration::days(200));
        let new = testing::renewed(&test.app, 1).await;
        let order = Order {
            target: Target::Certificate {
                issuer_id: new.certificate.issuer_id.clone(),
                serial: new.certificate.serial.as_octets().to_vec(),
            },
            measure: Measure::Revoke(reason),
            invalidity_at: None,
            note: String::new(),
            actor: Actor::System,
            at: test.app.now(),
        };
        transaction!(test.app.store(), StoreError, |tx| {
            terminal::note_certificate(tx, &old.terminal_id, false, order.at).await?;
            Ok(Audited::new((), Entry::done("terminal.enrol", Actor::System, order.at)))
        })
        .unwrap();
        let outcome = revocation::carry_out(test.app.store(), &order).await.unwrap();
        assert_eq!(outcome.certificates.len(), 2, "the older one as well");
        assert!(matches!(judge(&test.app, &old).await, Err(FacilityError::Revoked { .. })));
        let found = terminal::find(&mut test.app.store().read(), &old.terminal_id).await.unwrap();
        assert_eq!(found.unwrap().status, terminal::TerminalStatus::CertificateRevoked);
    }
}
