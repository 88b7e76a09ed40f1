//! The register of organisations under several officers at once.

use sekisho_store::{
    StoreError,
    activation_code::{self, Redemption},
    application,
    application::{Application, ApplicationStatus, Code, Decision, Particulars},
    organisation::{self, OrganisationStatus, RegisteredAddress},
    organisation_kind::{CodeScheme, OrganisationKind},
};
use time::Duration;

use crate::{NOW, RACERS, count, databases::Databases, letter, once::prepared, race};

const LETTER: [u8; 32] = [3; 32];
const ADDRESS: RegisteredAddress<'static> =
    RegisteredAddress { postal_code: "100-0001", address: "東京都千代田区千代田1-1" };

on_both! { prepared:
    an_application_is_decided_once
    an_application_becomes_one_organisation
    an_activation_code_is_redeemed_once
    a_form_becomes_one_application
}

fn code() -> Code {
    Code { scheme: CodeScheme::MedicalInstitution, value: "1312345670".into() }
}

async fn apply(databases: &Databases) -> Application {
    let particulars = Particulars {
        kind: OrganisationKind::Hospital,
        name: "青葉総合病院".into(),
        name_kana: "アオバソウゴウビョウイン".into(),
        prefecture: 13,
        postal_code: "100-0001".into(),
        address: "東京都千代田区千代田1-1".into(),
        contact_name: "中村".into(),
        contact_phone: "03-0000-0000".into(),
        contact_email: "n@example.jp".into(),
        codes: vec![code()],
    };
    let id = change!(databases.one, |tx| {
        application::create(tx, "receipt", &particulars, None, NOW).await?
    });
    let mut reader = databases.two.read();
    let found = application::find(&mut reader, &id).await.unwrap().unwrap();
    assert_eq!(found.particulars, particulars);
    let by_receipt = application::find_by_receipt(&mut reader, "receipt").await.unwrap();
    assert_eq!(by_receipt.as_ref(), Some(&found));
    found
}

async fn an_application_is_decided_once(databases: Databases) {
    let id = apply(&databases).await.id;
    let check = async || {
        change!(databases.one, |tx| application::add_check(tx, &id, "p", "register", NOW).await?)
    };
    assert!(check().await);
    let outcomes = race(&databases, |number, store| {
        let id = id.clone();
        let decision = if number < 4 { Decision::Approved } else { Decision::Rejected };
        async move {
            let decided =
                change!(store, |tx| application::decide(tx, &id, decision, "p", "", NOW).await?);
            decided.then_some(decision)
        }
    })
    .await;
    let decisions: Vec<_> = outcomes.into_iter().flatten().collect();
    assert_eq!(decisions.len(), 1);
    let expected = match decisions[0] {
        Decision::Approved => ApplicationStatus::Approved,
        Decision::Rejected => ApplicationStatus::Rejected,
    };
    let mut reader = databases.two.read();
    let found = application::find(&mut reader, &id).await.unwrap().unwrap();
    assert_eq!(found.status, expected);
    assert!(!check().await, "nothing is checked after the decision");
    assert_eq!(application::events(&mut reader, &id).await.unwrap().len(), 3);
    // The prepared facility's application is open and stands before the decided one.
    let listed = application::list(&mut reader, 0, 10).await.unwrap();
    assert_eq!(listed.iter().map(|line| line.id.as_str()).collect::<Vec<_>>(), ["a", &id]);
}

async fn an_application_becomes_one_organisation(databases: Databases) {
    let application = apply(&databases).await;
    let outcomes = race(&databases, |number, store| {
        let application = application.clone();
        async move {
            let id = format!("20000000000{number}");
            attempt!(store, |tx| {
                let asked = &application.particulars;
                organisation::enter(tx, &id, &application.id, asked, ADDRESS, "p", NOW).await?
            })
        }
    })
    .await;
    assert_eq!(count(&outcomes, |outcome| matches!(outcome, Ok(true))), 1);
    let refused = count(&outcomes, |o| matches!(o, Err(StoreError::AlreadyExists { .. })));
    assert_eq!(refused, usize::from(RACERS) - 1);
    let mut reader = databases.two.read();
    let entered =
        organisation::of_application(&mut reader, &application.id).await.unwrap().unwrap();
    assert_eq!(entered.status, OrganisationStatus::Approved);
    let holder = organisation::holder_of(&mut reader, &code()).await.unwrap();
    assert_eq!(holder.as_ref(), Some(&entered.id));
    assert_eq!(organisation::names(&mut reader, &entered.id).await.unwrap().len(), 1);
    assert_eq!(organisation::codes(&mut reader, &entered.id).await.unwrap()[0].value, code());
    let again = application::of_organisation(&mut reader, &entered.id).await.unwrap();
    assert_eq!(again.unwrap().id, application.id);
}

async fn an_activation_code_is_redeemed_once(databases: Databases) {
    let application = apply(&databases).await;
    let id = "200000000006";
    change!(databases.one, |tx| {
        let asked = &application.particulars;
        assert!(organisation::enter(tx, id, &application.id, asked, ADDRESS, "p", NOW).await?);
        let until = NOW + Duration::days(30);
        activation_code::issue(tx, letter(id, &[9; 32], until), NOW).await?;
        activation_code::issue(tx, letter(id, &LETTER, until), NOW).await?;
    });
    let outcomes = race(&databases, |_, store| async move {
        change!(store, |tx| activation_code::redeem(tx, &LETTER, "p", NOW).await?)
    })
    .await;
    let redeemed =
        Redemption::Redeemed { organisation_id: id.to_owned(), issued_by: Some("p".into()) };
    assert_eq!(count(&outcomes, |outcome| *outcome == redeemed), 1);
    let used = count(&outcomes, |outcome| *outcome == Redemption::Used);
    assert_eq!(used, usize::from(RACERS) - 1);
    let earlier =
        change!(databases.one, |tx| { activation_code::redeem(tx, &[9; 32], "p", NOW).await? });
    assert_eq!(earlier, Redemption::Withdrawn);
    let found = organisation::find(&mut databases.two.read(), id).await.unwrap().unwrap();
    assert_eq!(found.status, OrganisationStatus::Active);
}

async fn a_form_becomes_one_application(databases: Databases) {
    const FORM: [u8; 32] = [7; 32];
    let known = apply(&databases).await;
    assert_eq!(application::find_by_form(&mut databases.two.read(), &FORM).await.unwrap(), None);
    let outcomes = race(&databases, |number, store| {
        let particulars = known.particulars.clone();
        async move {
            attempt!(store, |tx| {
                let receipt = format!("receipt-{number}");
                let id = application::create(tx, &receipt, &particulars, None, NOW).await?;
                application::consume_form(tx, &FORM, &id).await?;
                id
            })
        }
    })
    .await;
    let taken: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    assert_eq!(taken.len(), 1, "{outcomes:?}");
    let refused = count(&outcomes, |o| matches!(o, Err(StoreError::AlreadyExists { .. })));
    assert_eq!(refused, usize::from(RACERS) - 1, "{outcomes:?}");
    let mut reader = databases.two.read();
    let became = application::find_by_form(&mut reader, &FORM).await.unwrap().unwrap();
    assert_eq!(&became.id, taken[0]);
    // Whoever lost left nothing: the prepared one, the known one, and the winner's.
    assert_eq!(application::list(&mut reader, 0, 20).await.unwrap().len(), 3);
}
