//! The sandbox: one hierarchy at a time, its cards, and a PC for each who tries a service out.

use sekisho_store::{
    StoreError, person,
    sandbox::{self, Hierarchy, NewCard},
    service, sql, terminal,
};
use time::Duration;

use crate::{FACILITY, NOW, databases::Databases, going_live::tried, race};

on_both! { prepared:
    a_hierarchy_takes_the_place_of_the_one_before_with_its_cards
    each_person_has_one_pc_for_each_service
}

async fn prepared(databases: Databases) -> Databases {
    change!(databases.one, |tx| {
        tx.execute(sql(
            "INSERT INTO application (id, receipt, kind, name, name_kana, prefecture, postal_code,
                     address, contact_name, contact_phone, contact_email, created_at)
                 VALUES ('a', 'a', 'hospital', 'n', 'k', 13, '1', 'a', 'c', 'p', 'e', 0)",
        ))
        .await?;
        tx.execute(
            sql("INSERT INTO organisation (id, application_id, kind, prefecture, postal_code, address,
                     created_at) VALUES ($1, 'a', 'hospital', 13, '1', 'a', 0)")
            .bind(FACILITY),
        )
        .await?;
        service::add(tx, &tried("service")).await?;
    });
    databases
}

fn hierarchy(number: u8) -> Hierarchy {
    Hierarchy {
        organisation_id: FACILITY.to_owned(),
        root_der: vec![number, 1],
        root_crl: vec![number, 2],
        authority_der: vec![number, 3],
        authority_crl: vec![number, 4],
        made_at: NOW,
        expires_at: NOW + Duration::days(365),
    }
}

async fn a_hierarchy_takes_the_place_of_the_one_before_with_its_cards(databases: Databases) {
    assert_eq!(sandbox::hierarchy(&mut databases.one.read()).await.unwrap(), None);
    let (nurse, physician) = change!(databases.one, |tx| {
        sandbox::replace_hierarchy(tx, &hierarchy(1)).await?;
        let nurse = person::enter(tx, "見本　さくら", "ミホン　サクラ", NOW).await?;
        let physician = person::enter(tx, "見本　太郎", "ミホン　タロウ", NOW).await?;
        for (place, person_id, name) in [(1, &nurse, "nurse"), (0, &physician, "physician")] {
            let archive = name.as_bytes();
            let card = NewCard { person_id, name, place, role: "r", archive };
            sandbox::add_card(tx, card).await?;
        }
        (nurse, physician)
    });
    let again = attempt!(databases.two, |tx| {
        let card = NewCard { person_id: &nurse, name: "n", place: 9, role: "r", archive: b"" };
        sandbox::add_card(tx, card).await?
    });
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })), "{again:?}");
    let listed = sandbox::cards(&mut databases.two.read()).await.unwrap();
    let names: Vec<_> = listed.iter().map(|card| card.name.as_str()).collect();
    assert_eq!(names, ["physician", "nurse"]);
    assert_eq!(
        (&*listed[1].person_name, &*listed[1].person_kana),
        ("見本　さくら", "ミホン　サクラ")
    );
    let mut reader = databases.two.read();
    assert_eq!(sandbox::archive(&mut reader, "nurse").await.unwrap().unwrap(), b"nurse");
    assert_eq!(sandbox::archive(&mut reader, "nobody").await.unwrap(), None);

    change!(databases.two, |tx| {
        sandbox::replace_hierarchy(tx, &hierarchy(2)).await?;
        let card = NewCard { person_id: &physician, name: "p", place: 0, role: "r", archive: b"x" };
        sandbox::add_card(tx, card).await?;
    });
    let mut reader = databases.one.read();
    assert_eq!(sandbox::hierarchy(&mut reader).await.unwrap(), Some(hierarchy(2)));
    assert_eq!(sandbox::cards(&mut reader).await.unwrap().len(), 1);
    assert_eq!(sandbox::archive(&mut reader, "nurse").await.unwrap(), None);
}

async fn each_person_has_one_pc_for_each_service(databases: Databases) {
    let (one, two) = change!(databases.one, |tx| {
        let one = person::enter(tx, "一", "", NOW).await?;
        let two = person::enter(tx, "二", "", NOW).await?;
        for id in ["T1", "T2", "T3"] {
            terminal::create(tx, id, FACILITY, id, &one, NOW).await?;
        }
        (one, two)
    });
    let pc = async |person: &str| {
        sandbox::pc(&mut databases.two.read(), "service", person).await.unwrap()
    };
    assert_eq!(pc(&one).await, None);
    change!(databases.one, |tx| {
        sandbox::set_pc(tx, "service", &one, "T1").await?;
        sandbox::set_pc(tx, "service", &two, "T2").await?;
    });
    assert_eq!((pc(&one).await.as_deref(), pc(&two).await.as_deref()), (Some("T1"), Some("T2")));
    let taken = attempt!(databases.two, |tx| sandbox::set_pc(tx, "service", &two, "T1").await?);
    assert!(matches!(taken, Err(StoreError::AlreadyExists { .. })), "{taken:?}");
    // Two at once: one PC afterwards.
    let set = race(&databases, |_, store| {
        let one = one.clone();
        async move { attempt!(store, |tx| sandbox::set_pc(tx, "service", &one, "T3").await?) }
    })
    .await;
    assert!(set.iter().any(Result::is_ok));
    assert_eq!(pc(&one).await.as_deref(), Some("T3"));
}
