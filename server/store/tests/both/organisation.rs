//! The register: applications, names and codes with their history, letters, status.

use sekisho_store::{
    Store, StoreError, activation_code,
    activation_code::Redemption,
    application::{self, ApplicationStatus, Code, Decision, Particulars},
    organisation::{self, OrganisationStatus, RegisteredAddress, StatusChange},
    organisation_kind::{CodeScheme, OrganisationKind},
};
use time::{Duration, OffsetDateTime};

use crate::{NOW, count, databases::Databases, letter, race};

pub(crate) const FACILITY: &str = "179927398711";

on_both! { empty:
    an_organisation_is_found_by_names_it_had_its_codes_and_its_identifier
    the_status_follows_from_events_and_each_change_fits_where_it_stands
    of_many_changes_of_status_at_once_one_counts
    changes_within_one_second_keep_their_order_and_none_is_dated_ahead
    an_application_reads_back_and_its_status_follows_from_events
    open_applications_are_listed_before_decided_ones
    an_identifier_a_code_and_an_application_are_entered_once
    changes_of_name_and_code_keep_the_identifier_and_their_history
    an_activation_code_activates_once_and_within_its_time
    a_second_letter_ends_the_first_and_a_closed_organisation_takes_none
}

pub(crate) async fn empty(databases: Databases) -> Databases {
    databases
}

pub(crate) fn code(value: &str) -> Code {
    Code { scheme: CodeScheme::MedicalInstitution, value: value.into() }
}

fn particulars(value: &str) -> Particulars {
    Particulars {
        kind: OrganisationKind::Hospital,
        name: "青葉総合病院".into(),
        name_kana: "アオバソウゴウビョウイン".into(),
        prefecture: 13,
        postal_code: "100-0001".into(),
        address: "東京都千代田区千代田1-1".into(),
        contact_name: "中村".into(),
        contact_phone: "03-0000-0000".into(),
        contact_email: "n@example.jp".into(),
        codes: vec![code(value)],
    }
}

pub(crate) async fn apply(store: &Store, receipt: &str, value: &str) -> String {
    let asked = particulars(value);
    change!(store, |tx| application::create(tx, receipt, &asked, None, NOW).await?)
}

pub(crate) async fn enter_as(store: &Store, id: &str, application_id: &str, value: &str) -> bool {
    let asked = particulars(value);
    let address = RegisteredAddress { postal_code: "100-0001", address: "東京都千代田区" };
    change!(store, |tx| organisation::enter(tx, id, application_id, &asked, address, "p", NOW)
        .await?)
}

pub(crate) async fn registered(store: &Store) {
    let application_id = apply(store, "r1", "1311000010").await;
    assert!(enter_as(store, FACILITY, &application_id, "1311000010").await);
    change!(store, |tx| activation_code::issue(
        tx,
        letter(FACILITY, &[1; 32], NOW + Duration::DAY),
        NOW
    )
    .await?);
}

pub(crate) async fn redeem(store: &Store, code_hash: [u8; 32], at: OffsetDateTime) -> Redemption {
    change!(store, |tx| activation_code::redeem(tx, &code_hash, "p", at).await?)
}

async fn an_application_reads_back_and_its_status_follows_from_events(databases: Databases) {
    let store = &databases.one;
    let id = apply(store, "r1", "1311000010").await;
    let mut reader = store.read();
    let found = application::find_by_receipt(&mut reader, "r1").await.unwrap().unwrap();
    assert_eq!(found.particulars, particulars("1311000010"));
    assert_eq!((found.id.as_str(), found.status), (id.as_str(), ApplicationStatus::Applied));
    assert!(change!(store, |tx| application::add_check(tx, &id, "p", "by telephone", NOW).await?));
    let status = application::find(&mut reader, &id).await.unwrap().unwrap().status;
    assert_eq!(status, ApplicationStatus::Checked);
    assert!(change!(store, |tx| application::decide(
        tx,
        &id,
        Decision::Rejected,
        "p",
        "no such place",
        NOW
    )
    .await?));
    let found = application::find(&mut reader, &id).await.unwrap().unwrap();
    assert_eq!(found.status, ApplicationStatus::Rejected);
    assert!(!change!(store, |tx| application::add_check(tx, &id, "p", "late", NOW).await?));
    let kinds: Vec<_> = application::events(&mut reader, &id)
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds, ["applied", "checked", "rejected"]);
    assert!(application::find_by_receipt(&mut reader, "r2").await.unwrap().is_none());
}

async fn open_applications_are_listed_before_decided_ones(databases: Databases) {
    let store = &databases.one;
    let first = apply(store, "r1", "1311000010").await;
    let second = apply(store, "r2", "1412345009").await;
    change!(store, |tx| application::decide(tx, &first, Decision::Rejected, "p", "x", NOW).await?);
    let listed = application::list(&mut store.read(), 0, 10).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|line| line.id.as_str()).collect();
    assert_eq!(ids, [&second, &first]);
}

async fn an_identifier_a_code_and_an_application_are_entered_once(databases: Databases) {
    let store = &databases.one;
    registered(store).await;
    let second = apply(store, "r2", "1412345009").await;
    assert!(!enter_as(store, FACILITY, &second, "1412345009").await);
    let mut reader = store.read();
    assert!(organisation::of_application(&mut reader, &second).await.unwrap().is_none());
    let taken = particulars("1311000010");
    let address = RegisteredAddress { postal_code: "100-0001", address: "東京都" };
    let outcome = attempt!(store, |tx| organisation::enter(
        tx,
        "179927398729",
        &second,
        &taken,
        address,
        "p",
        NOW
    )
    .await?);
    assert!(matches!(outcome, Err(StoreError::AlreadyExists { .. })), "{outcome:?}");
    assert!(organisation::find(&mut reader, "179927398729").await.unwrap().is_none());
    assert_eq!(
        organisation::holder_of(&mut reader, &code("1311000010")).await.unwrap().as_deref(),
        Some(FACILITY)
    );
    assert_eq!(organisation::holder_of(&mut reader, &code("1412345009")).await.unwrap(), None);
}

async fn changes_of_name_and_code_keep_the_identifier_and_their_history(databases: Databases) {
    let store = &databases.one;
    registered(store).await;
    let later = NOW + Duration::DAY;
    change!(store, |tx| {
        organisation::rename(tx, FACILITY, "青葉医療センター", "アオバ", later).await?;
        assert!(organisation::end_code(tx, FACILITY, &code("1311000010"), later).await?);
        organisation::add_code(tx, FACILITY, &code("1412345009"), later).await?;
    });
    assert!(!change!(store, |tx| organisation::end_code(tx, FACILITY, &code("1311000010"), later)
        .await?));
    let mut reader = store.read();
    let found = organisation::find(&mut reader, FACILITY).await.unwrap().unwrap();
    assert_eq!(found.name, "青葉医療センター");
    let names = organisation::names(&mut reader, FACILITY).await.unwrap();
    assert_eq!(names[1].value, "青葉総合病院");
    assert_eq!(names[1].until, Some(later));
    let codes = organisation::codes(&mut reader, FACILITY).await.unwrap();
    assert_eq!((codes[0].value.clone(), codes[0].until), (code("1412345009"), None));
    assert_eq!((codes[1].value.clone(), codes[1].until), (code("1311000010"), Some(later)));
}

async fn an_activation_code_activates_once_and_within_its_time(databases: Databases) {
    let store = &databases.one;
    registered(store).await;
    let found =
        async |at| activation_code::find(&mut databases.two.read(), &[1; 32], at).await.unwrap();
    // Looking at it spends nothing.
    assert_eq!(found(NOW).await.as_deref(), Some(FACILITY));
    assert_eq!(found(NOW + Duration::DAY).await, None);
    assert_eq!(redeem(store, [9; 32], NOW).await, Redemption::Unknown);
    assert_eq!(redeem(store, [1; 32], NOW + Duration::DAY).await, Redemption::Expired);
    let mut reader = store.read();
    let status = organisation::find(&mut reader, FACILITY).await.unwrap().unwrap().status;
    assert_eq!(status, OrganisationStatus::Approved);
    let redeemed =
        Redemption::Redeemed { organisation_id: FACILITY.into(), issued_by: Some("p".into()) };
    assert_eq!(redeem(store, [1; 32], NOW).await, redeemed);
    assert_eq!(redeem(store, [1; 32], NOW).await, Redemption::Used);
    let status = organisation::find(&mut reader, FACILITY).await.unwrap().unwrap().status;
    assert_eq!(status, OrganisationStatus::Active);
}

async fn a_second_letter_ends_the_first_and_a_closed_organisation_takes_none(databases: Databases) {
    let store = &databases.one;
    registered(store).await;
    let expires_at = NOW + Duration::DAY;
    change!(store, |tx| activation_code::issue(tx, letter(FACILITY, &[2; 32], expires_at), NOW)
        .await?);
    assert_eq!(redeem(store, [1; 32], NOW).await, Redemption::Withdrawn);
    let closed = change!(store, |tx| {
        organisation::change_status(tx, FACILITY, StatusChange::Close, "p", "merged", NOW).await?
    });
    assert_eq!(closed, Some(Vec::new()));
    // Closing ended the letter's code, too.
    assert_eq!(redeem(store, [2; 32], NOW).await, Redemption::Withdrawn);
    change!(store, |tx| activation_code::withdraw(tx, FACILITY, NOW).await?);
    change!(store, |tx| activation_code::issue(tx, letter(FACILITY, &[3; 32], expires_at), NOW)
        .await?);
    assert_eq!(
        redeem(store, [3; 32], NOW).await,
        Redemption::OrganisationInactive { organisation_id: FACILITY.into() }
    );
}

async fn change_status(store: &Store, change: StatusChange, at: OffsetDateTime) -> bool {
    let changed = change!(store, |tx| {
        organisation::change_status(tx, FACILITY, change, "p", "inspection", at).await?
    });
    changed.is_some()
}

async fn the_status_follows_from_events_and_each_change_fits_where_it_stands(databases: Databases) {
    use OrganisationStatus::{Active, Approved, Closed, Suspended};
    let store = &databases.one;
    registered(store).await;
    let mut reader = databases.two.read();
    let mut expect = async |expected: OrganisationStatus| {
        let status = organisation::status(&mut reader, FACILITY).await.unwrap();
        assert_eq!(status, Some(expected));
        let active = organisation::is_active(&mut reader, FACILITY).await.unwrap();
        assert_eq!(active, expected == Active);
        let found = organisation::find(&mut reader, FACILITY).await.unwrap().unwrap();
        assert_eq!(found.status, expected);
    };
    let at = |seconds| NOW + Duration::seconds(seconds);
    expect(Approved).await;
    assert!(!change_status(store, StatusChange::Resume, at(1)).await);
    // Suspended before its letter was used, it waits for that again afterwards.
    assert!(change_status(store, StatusChange::Suspend, at(1)).await);
    expect(Suspended).await;
    let inactive = Redemption::OrganisationInactive { organisation_id: FACILITY.into() };
    assert_eq!(redeem(store, [1; 32], at(1)).await, inactive);
    assert!(change_status(store, StatusChange::Resume, at(2)).await);
    expect(Approved).await;
    assert!(matches!(redeem(store, [1; 32], at(2)).await, Redemption::Redeemed { .. }));
    expect(Active).await;
    assert!(!change_status(store, StatusChange::Resume, at(3)).await);
    assert!(change_status(store, StatusChange::Suspend, at(3)).await);
    expect(Suspended).await;
    assert!(!change_status(store, StatusChange::Suspend, at(4)).await);
    assert!(change_status(store, StatusChange::Resume, at(4)).await);
    expect(Active).await;
    assert!(change_status(store, StatusChange::Close, at(5)).await);
    expect(Closed).await;
    for change in StatusChange::ALL {
        assert!(!change_status(store, change, at(6)).await, "{change:?}");
    }
    let mut reader = databases.two.read();
    let events = organisation::events(&mut reader, FACILITY, 10).await.unwrap();
    let states: Vec<_> = events.iter().map(|event| event.status).collect();
    let before = [Active, Approved, Suspended, Approved];
    assert_eq!(states[..3], [Closed, Active, Suspended]);
    assert_eq!(states[3..], before);
    assert_eq!(
        (events[0].reason.as_str(), events[0].person_id.as_deref()),
        ("inspection", Some("p"))
    );
    assert_eq!(organisation::events(&mut reader, FACILITY, 2).await.unwrap().len(), 2);
    assert_eq!(organisation::status(&mut reader, "other").await.unwrap(), None);
    assert!(!organisation::is_active(&mut reader, "other").await.unwrap());
    let name = organisation::name(&mut reader, FACILITY).await.unwrap();
    assert_eq!(name.as_deref(), Some("青葉総合病院"));
    assert_eq!(organisation::name(&mut reader, "other").await.unwrap(), None);
}

async fn changes_within_one_second_keep_their_order_and_none_is_dated_ahead(databases: Databases) {
    let store = &databases.one;
    registered(store).await;
    redeem(store, [1; 32], NOW).await;
    let changes = [StatusChange::Suspend, StatusChange::Resume, StatusChange::Suspend];
    for (number, change) in changes.into_iter().enumerate() {
        let store = if number % 2 == 0 { &databases.two } else { store };
        assert!(change_status(store, change, NOW).await, "{number}");
    }
    // A process whose clock is behind: its change is dated by the one that it answers.
    assert!(change_status(store, StatusChange::Close, NOW - Duration::MINUTE).await);
    let events = organisation::events(&mut databases.two.read(), FACILITY, 9).await.unwrap();
    assert!(events.iter().all(|event| event.at == NOW), "{events:?}");
    assert_eq!(events[0].status, OrganisationStatus::Closed);
    assert_eq!(events[1].status, OrganisationStatus::Suspended);
}

async fn of_many_changes_of_status_at_once_one_counts(databases: Databases) {
    registered(&databases.one).await;
    redeem(&databases.one, [1; 32], NOW).await;
    let later = NOW + Duration::SECOND;
    let outcomes = race(&databases, |_, store| async move {
        change_status(&store, StatusChange::Suspend, later).await
    })
    .await;
    assert_eq!(count(&outcomes, |changed| *changed), 1);
}

async fn an_organisation_is_found_by_names_it_had_its_codes_and_its_identifier(
    databases: Databases,
) {
    let store = &databases.one;
    registered(store).await;
    change!(store, |tx| {
        organisation::rename(tx, FACILITY, "若葉100%", "ワカバ", NOW + Duration::DAY).await?
    });
    let found = async |text: &str| {
        organisation::search(&mut databases.two.read(), text, 0, 10).await.unwrap()
    };
    for text in ["", "青葉", "あおば", "ﾜｶﾊﾞ", "100%", " 1311000010 ", FACILITY] {
        let found = found(text).await;
        assert_eq!((found.len(), found[0].name.as_str()), (1, "若葉100%"), "{text}");
    }
    for text in ["紅葉", "1_0", "13110", "%%"] {
        assert!(found(text).await.is_empty(), "{text}");
    }
    let rest = organisation::search(&mut databases.two.read(), "", 1, 10).await.unwrap();
    assert!(rest.is_empty());
}
