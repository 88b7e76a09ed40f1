//! Officers, applicants and administrators, and what applications have in common.

use sekisho_store::{
    Store, account,
    activation_code::{self, NewLetter, Redemption},
    application::{self, ApplicationStatus, Decision},
    organisation, party, person, role_grant,
};
use time::Duration;

use crate::{
    NOW,
    databases::Databases,
    organisation::{FACILITY, apply, code, empty, enter_as, registered},
};

on_both! { empty:
    names_of_many_are_read_at_once
    who_administers_is_known_also_by_a_code_that_ended
    officers_are_those_who_checked_approved_or_made_a_letter
    a_letter_keeps_who_made_it_and_what_became_of_it
    an_application_is_told_of_open_ones_with_its_codes_only
}

async fn person(store: &Store, name: &str) -> String {
    change!(store, |tx| {
        let id = person::enter(tx, name, "カナ", NOW).await?;
        account::open(tx, &id, name, &format!("{name}@example.jp")).await?;
        id
    })
}

async fn names_of_many_are_read_at_once(databases: Databases) {
    let store = &databases.one;
    let (one, two) = (person(store, "山田").await, person(store, "鈴木").await);
    let other = person(store, "他人").await;
    let mut reader = databases.two.read();
    let nobody = other.replace(|_: char| true, "0");
    let asked = [one.as_str(), &two, &nobody, "T0000000001", ""].into();
    let found = person::names(&mut reader, &asked).await.unwrap();
    let expected = [(one.clone(), "山田".to_owned()), (two.clone(), "鈴木".to_owned())];
    assert_eq!(found, expected.into());
    assert!(person::names(&mut reader, &["T0000000001"].into()).await.unwrap().is_empty());
}

async fn who_administers_is_known_also_by_a_code_that_ended(databases: Databases) {
    let store = &databases.one;
    registered(store).await;
    let mut reader = databases.two.read();
    assert_eq!(party::administrators(&mut reader, FACILITY).await.unwrap(), []);
    let (one, two) = (person(store, "one").await, person(store, "two").await);
    let role = "facility_administrator";
    let grant = change!(store, |tx| {
        organisation::end_code(tx, FACILITY, &code("1311000010"), NOW).await?;
        role_grant::grant(tx, &two, "service_owner", Some(FACILITY), None, NOW).await?;
        role_grant::grant(tx, &one, role, Some(FACILITY), None, NOW).await?
    });
    let found = party::find(&mut reader, &one).await.unwrap().unwrap();
    assert_eq!(
        (found.name.as_str(), found.name_kana.as_str(), found.email.as_str()),
        ("one", "カナ", "one@example.jp")
    );
    assert_eq!(party::find(&mut reader, "nobody").await.unwrap(), None);
    let expected = [found];
    assert_eq!(party::administrators(&mut reader, FACILITY).await.unwrap(), expected);
    let by_code = party::administrators_of_code(&mut reader, &code("1311000010")).await.unwrap();
    assert_eq!(by_code, expected);
    let other = party::administrators_of_code(&mut reader, &code("1412345009")).await.unwrap();
    assert_eq!(other, []);
    let owners = party::service_owners(&mut reader, FACILITY).await.unwrap();
    assert_eq!(owners.iter().map(|owner| &owner.person_id).collect::<Vec<_>>(), [&two]);
    change!(store, |tx| role_grant::withdraw(tx, &grant, "p", NOW).await?);
    assert_eq!(party::administrators(&mut reader, FACILITY).await.unwrap(), []);
}

async fn officers_are_those_who_checked_approved_or_made_a_letter(databases: Databases) {
    let store = &databases.one;
    let mut people = Vec::new();
    for name in ["checker", "approver", "writer", "bystander"] {
        people.push(person(store, name).await);
    }
    let id = apply(store, "r1", "1311000010").await;
    change!(store, |tx| {
        application::add_check(tx, &id, &people[0], "register", NOW).await?;
        application::decide(tx, &id, Decision::Approved, &people[1], "", NOW).await?;
    });
    assert!(enter_as(store, FACILITY, &id, "1311000010").await);
    let letter = NewLetter {
        organisation_id: FACILITY,
        code_hash: &[1; 32],
        issued_by: &people[2],
        reason: "",
        expires_at: NOW + Duration::DAY,
    };
    change!(store, |tx| activation_code::issue(tx, letter, NOW).await?);
    let mut reader = databases.two.read();
    let mut names: Vec<_> = party::officers(&mut reader, FACILITY)
        .await
        .unwrap()
        .into_iter()
        .map(|party| party.name)
        .collect();
    names.sort();
    assert_eq!(names, ["approver", "checker", "writer"]);
    assert_eq!(party::officers(&mut reader, "other").await.unwrap(), []);
}

async fn a_letter_keeps_who_made_it_and_what_became_of_it(databases: Databases) {
    let store = &databases.one;
    registered(store).await;
    let (officer, bearer) = (person(store, "officer").await, person(store, "bearer").await);
    let later = NOW + Duration::HOUR;
    let letter = NewLetter {
        organisation_id: FACILITY,
        code_hash: &[2; 32],
        issued_by: &officer,
        reason: "退職",
        expires_at: later + Duration::DAY,
    };
    change!(store, |tx| activation_code::issue(tx, letter, later).await?);
    let outcome =
        change!(store, |tx| activation_code::redeem(tx, &[2; 32], &bearer, later).await?);
    let issued_by = Some(officer);
    assert_eq!(outcome, Redemption::Redeemed { organisation_id: FACILITY.into(), issued_by });
    let mut reader = databases.two.read();
    let letters = activation_code::list(&mut reader, FACILITY, 9).await.unwrap();
    let [second, first] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!((second.at, second.used_at, second.withdrawn_at), (later, Some(later), None));
    assert_eq!(second.issued_by.as_deref(), Some("officer"));
    assert_eq!((second.used_by.as_deref(), second.reason.as_str()), (Some("bearer"), "退職"));
    assert_eq!((first.used_at, first.withdrawn_at), (None, Some(later)));
    assert_eq!((first.issued_by.as_deref(), first.expires_at), (None, NOW + Duration::DAY));
    assert_eq!(activation_code::list(&mut reader, FACILITY, 1).await.unwrap().len(), 1);
}

async fn an_application_is_told_of_open_ones_with_its_codes_only(databases: Databases) {
    let store = &databases.one;
    let own = apply(store, "r1", "1311000010").await;
    let open = apply(store, "r2", "1311000010").await;
    let rejected = apply(store, "r3", "1311000010").await;
    apply(store, "r4", "1412345009").await;
    change!(store, |tx| {
        application::add_check(tx, &open, "p", "register", NOW).await?;
        application::decide(tx, &rejected, Decision::Rejected, "p", "", NOW).await?;
    });
    let mut reader = databases.two.read();
    let sharing = application::sharing_codes(&mut reader, &own).await.unwrap();
    let [other] = sharing.as_slice() else { panic!("{sharing:?}") };
    assert_eq!((other.id.as_str(), other.status), (open.as_str(), ApplicationStatus::Checked));
    assert_eq!((&other.code, other.name.as_str()), (&code("1311000010"), "青葉総合病院"));
    assert_eq!(application::sharing_codes(&mut reader, "none").await.unwrap(), []);
}
