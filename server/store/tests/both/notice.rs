//! Notices: who finds one, and who has read it.

use sekisho_store::{
    notice::{self, Addressee},
    person, role_grant,
};

use crate::{FACILITY, NOW, count, databases::Databases, once::prepared, race};

const OTHER_FACILITY: &str = "223456789005";

on_both! { prepared:
    a_notice_is_found_by_whom_it_is_for_and_by_nobody_else
    a_notice_that_is_delivered_by_many_stands_once
    a_notice_is_read_once_by_each_of_its_readers
}

async fn administrator(databases: &Databases) -> (String, String) {
    change!(databases.one, |tx| {
        let id = person::enter(tx, "中村", "ナカムラ", NOW).await?;
        let role = "facility_administrator";
        let grant = role_grant::grant(tx, &id, role, Some(FACILITY), None, NOW).await?;
        (id, grant)
    })
}

fn to_administrators(organisation_id: &str) -> Addressee<'_> {
    Addressee::Role { role: "facility_administrator", organisation_id: Some(organisation_id) }
}

async fn post(databases: &Databases, id: &str, addressee: Addressee<'_>) {
    databases.one.post_notice(id, addressee, "test", "{\"a\":1}", NOW).await.unwrap();
}

async fn unread(databases: &Databases, person_id: &str) -> i64 {
    notice::count_unread(&mut databases.two.read(), person_id).await.unwrap()
}

async fn a_notice_is_found_by_whom_it_is_for_and_by_nobody_else(databases: Databases) {
    let (ours, grant) = administrator(&databases).await;
    let officer = change!(databases.one, |tx| {
        let id = person::enter(tx, "鈴木", "スズキ", NOW).await?;
        role_grant::grant(tx, &id, "accreditation_officer", None, None, NOW).await?;
        id
    });
    post(&databases, "n1", to_administrators(FACILITY)).await;
    post(&databases, "n2", to_administrators(OTHER_FACILITY)).await;
    post(&databases, "n3", Addressee::Person(&ours)).await;
    let officers = Addressee::Role { role: "accreditation_officer", organisation_id: None };
    post(&databases, "n4", officers).await;
    let seen = async |person_id: &str| {
        let found = notice::list(&mut databases.two.read(), person_id, 10).await.unwrap();
        found.into_iter().map(|notice| notice.id).collect::<Vec<_>>()
    };
    assert_eq!(seen(&ours).await, ["n3", "n1"]);
    assert_eq!(seen(&officer).await, ["n4"]);
    assert!(seen("nobody").await.is_empty());
    for (id, person, expected) in
        [("n1", &ours, true), ("n2", &ours, false), ("n1", &officer, false)]
    {
        let is_for = notice::is_for(&mut databases.two.read(), id, person).await.unwrap();
        assert_eq!(is_for, expected, "{id}");
    }
    let first = notice::list(&mut databases.two.read(), &officer, 1).await.unwrap().remove(0);
    assert_eq!((first.kind.as_str(), first.facts.as_str()), ("test", "{\"a\":1}"));
    assert_eq!((first.at, first.read_at), (NOW, None));
    // Whoever lost the role finds only what is for themself.
    change!(databases.one, |tx| role_grant::withdraw(tx, &grant, "p", NOW).await?);
    assert_eq!(seen(&ours).await, ["n3"]);
}

async fn a_notice_that_is_delivered_by_many_stands_once(databases: Databases) {
    let (ours, _) = administrator(&databases).await;
    race(&databases, |_, store| async move {
        store.post_notice("n1", to_administrators(FACILITY), "test", "{}", NOW).await.unwrap();
    })
    .await;
    assert_eq!(unread(&databases, &ours).await, 1);
}

async fn a_notice_is_read_once_by_each_of_its_readers(databases: Databases) {
    let (one, _) = administrator(&databases).await;
    let (two, _) = administrator(&databases).await;
    post(&databases, "n1", to_administrators(FACILITY)).await;
    let outcomes = race(&databases, |_, store| {
        let one = one.clone();
        async move { change!(store, |tx| notice::mark_read(tx, "n1", &one, NOW).await?) }
    })
    .await;
    assert_eq!(count(&outcomes, |marked| *marked), 1);
    assert_eq!((unread(&databases, &one).await, unread(&databases, &two).await), (0, 1));
    let read = notice::list(&mut databases.two.read(), &one, 10).await.unwrap().remove(0);
    assert_eq!(read.read_at, Some(NOW));
    let stranger = change!(databases.one, |tx| {
        let id = person::enter(tx, "他人", "タニン", NOW).await?;
        notice::mark_read(tx, "n1", &id, NOW).await?
    });
    assert!(!stranger, "a notice is marked only by whom it is for");
}
