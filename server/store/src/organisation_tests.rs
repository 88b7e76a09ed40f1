use time::{Duration, macros::datetime};

use super::*;
use crate::{
    Store,
    application::{ApplicationStatus, Decision},
    audit::{Actor, Audited, Entry},
    organisation_kind::CodeScheme,
    role_grant, transaction,
};

const NOW: OffsetDateTime = datetime!(2026-11-21 09:00 UTC);
const FACILITY: &str = "179927398711";

fn entry() -> Entry {
    Entry::done("test", Actor::System, NOW)
}

/// Runs one change in a transaction of its own.
macro_rules! attempt {
    ($store:expr, |$tx:ident| $body:expr) => {
        transaction!($store, StoreError, |$tx| {
            let value = $body;
            Ok(Audited::new(value, entry()))
        })
    };
}

macro_rules! change {
    ($store:expr, |$tx:ident| $body:expr) => {
        attempt!($store, |$tx| $body).unwrap()
    };
}

async fn open(folder: &tempfile::TempDir, node: &str) -> Store {
    let url = format!("sqlite://{}", folder.path().join("t.db").display());
    Store::open(&url.into(), node).await.unwrap()
}

fn code(value: &str) -> Code {
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

async fn apply(store: &Store, receipt: &str, value: &str) -> String {
    let asked = particulars(value);
    change!(store, |tx| application::create(tx, receipt, &asked, None, NOW).await?)
}

async fn enter_as(store: &Store, id: &str, application_id: &str, value: &str) -> bool {
    let asked = particulars(value);
    let address = RegisteredAddress { postal_code: "100-0001", address: "東京都千代田区" };
    change!(store, |tx| enter(tx, id, application_id, &asked, address, "p", NOW).await?)
}

async fn registered(store: &Store) {
    let application_id = apply(store, "r1", "1311000010").await;
    assert!(enter_as(store, FACILITY, &application_id, "1311000010").await);
    change!(store, |tx| issue_activation_code(tx, FACILITY, &[1; 32], NOW, NOW + Duration::DAY)
        .await?);
}

async fn redeem(store: &Store, code_hash: [u8; 32], at: OffsetDateTime) -> Redemption {
    change!(store, |tx| redeem_activation_code(tx, &code_hash, at).await?)
}

#[tokio::test]
async fn an_application_reads_back_and_its_status_follows_from_events() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, "n1").await;
    let id = apply(&store, "r1", "1311000010").await;
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

#[tokio::test]
async fn open_applications_are_listed_before_decided_ones() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, "n1").await;
    let first = apply(&store, "r1", "1311000010").await;
    let second = apply(&store, "r2", "1412345009").await;
    change!(store, |tx| application::decide(tx, &first, Decision::Rejected, "p", "x", NOW).await?);
    let listed = application::list(&mut store.read(), 0, 10).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|line| line.id.as_str()).collect();
    assert_eq!(ids, [&second, &first]);
}

#[tokio::test]
async fn of_many_decisions_at_once_in_two_processes_one_counts() {
    let folder = tempfile::tempdir().unwrap();
    let stores = [open(&folder, "n1").await, open(&folder, "n2").await];
    let id = apply(&stores[0], "r1", "1311000010").await;
    let mut tasks = tokio::task::JoinSet::new();
    for turn in 0..8 {
        let (store, id) = (stores[turn % 2].clone(), id.clone());
        let decision = if turn % 3 == 0 { Decision::Rejected } else { Decision::Approved };
        tasks.spawn(async move {
            change!(store, |tx| application::decide(tx, &id, decision, "p", "", NOW).await?)
        });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.into_iter().filter(|first| *first).count(), 1);
    let events = application::events(&mut stores[0].read(), &id).await.unwrap();
    assert_eq!(events.len(), 2);
}

#[tokio::test]
async fn an_identifier_a_code_and_an_application_are_entered_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, "n1").await;
    registered(&store).await;
    let second = apply(&store, "r2", "1412345009").await;
    assert!(!enter_as(&store, FACILITY, &second, "1412345009").await);
    let mut reader = store.read();
    assert!(of_application(&mut reader, &second).await.unwrap().is_none());
    let taken = particulars("1311000010");
    let address = RegisteredAddress { postal_code: "100-0001", address: "東京都" };
    let outcome =
        attempt!(store, |tx| enter(tx, "179927398729", &second, &taken, address, "p", NOW).await?);
    assert!(matches!(outcome, Err(StoreError::AlreadyExists { .. })), "{outcome:?}");
    assert!(find(&mut reader, "179927398729").await.unwrap().is_none());
    assert_eq!(
        holder_of(&mut reader, &code("1311000010")).await.unwrap().as_deref(),
        Some(FACILITY)
    );
    assert_eq!(holder_of(&mut reader, &code("1412345009")).await.unwrap(), None);
}

#[tokio::test]
async fn changes_of_name_and_code_keep_the_identifier_and_their_history() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, "n1").await;
    registered(&store).await;
    let later = NOW + Duration::DAY;
    change!(store, |tx| {
        rename(tx, FACILITY, "青葉医療センター", "アオバ", later).await?;
        assert!(end_code(tx, FACILITY, &code("1311000010"), later).await?);
        add_code(tx, FACILITY, &code("1412345009"), later).await?;
    });
    assert!(!change!(store, |tx| end_code(tx, FACILITY, &code("1311000010"), later).await?));
    let mut reader = store.read();
    let found = find(&mut reader, FACILITY).await.unwrap().unwrap();
    assert_eq!(found.name, "青葉医療センター");
    let names = names(&mut reader, FACILITY).await.unwrap();
    assert_eq!(names[1].value, "青葉総合病院");
    assert_eq!(names[1].until, Some(later));
    let codes = codes(&mut reader, FACILITY).await.unwrap();
    assert_eq!((codes[0].value.clone(), codes[0].until), (code("1412345009"), None));
    assert_eq!((codes[1].value.clone(), codes[1].until), (code("1311000010"), Some(later)));
}

#[tokio::test]
async fn an_activation_code_activates_once_and_within_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, "n1").await;
    registered(&store).await;
    assert_eq!(redeem(&store, [9; 32], NOW).await, Redemption::Unknown);
    assert_eq!(redeem(&store, [1; 32], NOW + Duration::DAY).await, Redemption::Expired);
    let mut reader = store.read();
    let status = find(&mut reader, FACILITY).await.unwrap().unwrap().status;
    assert_eq!(status, OrganisationStatus::Approved);
    let redeemed = Redemption::Redeemed { organisation_id: FACILITY.into() };
    assert_eq!(redeem(&store, [1; 32], NOW).await, redeemed);
    assert_eq!(redeem(&store, [1; 32], NOW).await, Redemption::Used);
    let status = find(&mut reader, FACILITY).await.unwrap().unwrap().status;
    assert_eq!(status, OrganisationStatus::Active);
}

#[tokio::test]
async fn a_second_letter_ends_the_first_and_a_closed_organisation_takes_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, "n1").await;
    registered(&store).await;
    let expires_at = NOW + Duration::DAY;
    change!(store, |tx| issue_activation_code(tx, FACILITY, &[2; 32], NOW, expires_at).await?);
    assert_eq!(redeem(&store, [1; 32], NOW).await, Redemption::Withdrawn);
    change!(store, |tx| add_event(tx, FACILITY, "closed", None, "", NOW).await?);
    assert_eq!(
        redeem(&store, [2; 32], NOW).await,
        Redemption::OrganisationInactive { organisation_id: FACILITY.into() }
    );
}

#[tokio::test]
async fn of_many_redemptions_at_once_in_two_processes_one_counts() {
    let folder = tempfile::tempdir().unwrap();
    let stores = [open(&folder, "n1").await, open(&folder, "n2").await];
    registered(&stores[0]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for turn in 0..8 {
        let store = stores[turn % 2].clone();
        tasks.spawn(async move { redeem(&store, [1; 32], NOW).await });
    }
    let outcomes = tasks.join_all().await;
    let won =
        outcomes.iter().filter(|outcome| matches!(outcome, Redemption::Redeemed { .. })).count();
    assert_eq!(won, 1, "{outcomes:?}");
}

#[tokio::test]
async fn who_administers_a_code_is_known_also_after_the_code_ended() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, "n1").await;
    registered(&store).await;
    let person = change!(store, |tx| {
        let person = crate::person::enter(tx, "小林", "コバヤシ", NOW).await?;
        role_grant::grant(tx, &person, "facility_administrator", Some(FACILITY), None, NOW).await?;
        end_code(tx, FACILITY, &code("1311000010"), NOW).await?;
        person
    });
    let mut reader = store.read();
    assert!(is_administered_by(&mut reader, &code("1311000010"), &person).await.unwrap());
    assert!(!is_administered_by(&mut reader, &code("1412345009"), &person).await.unwrap());
    assert!(!is_administered_by(&mut reader, &code("1311000010"), "other").await.unwrap());
}
