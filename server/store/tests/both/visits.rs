//! Sessions of people who are no members, as the database sees them.

use sekisho_store::{
    Store, StoreError,
    card::{self, CardSubject, PersonNames},
    emergency_access, membership,
    session::{self, AtTerminal, Ground, Realm, Session},
    sql,
    world::World,
};
use time::Duration;

use crate::{
    FACILITY, NOW,
    databases::Databases,
    emergency_access::{asked, find},
    login::{self, card_holder, open_session, start},
    race,
};

on_both! { login::prepared:
    a_visit_reads_back_as_one_and_is_renewed_as_one_only
    a_visit_lasts_as_long_as_its_emergency_and_no_other_session_does
    a_row_that_is_neither_or_both_is_no_session
    of_many_first_logins_by_one_card_one_enters_its_holder
    where_somebody_is_a_member_now
}

/// A session of the physician, who is no member.
async fn visit(store: &Store, id: u8, person_id: &str) -> Session {
    let member = open_session(store, 100 + id, person_id, "m").await;
    let at = member.at_terminal.clone().unwrap();
    let visit = Session {
        id_hash: [id; 32],
        at_terminal: Some(AtTerminal { ground: Ground::Emergency, ..at }),
        expires_at: NOW + Duration::minutes(15),
        ..member
    };
    change!(store, |tx| session::open(tx, &visit).await?);
    visit
}

async fn a_visit_reads_back_as_one_and_is_renewed_as_one_only(databases: Databases) {
    let person_id = card_holder(&databases.one).await;
    let opened = visit(&databases.one, 1, &person_id).await;
    let mut reader = databases.two.read();
    let found = session::find(&mut reader, Realm::Portal, &[1; 32]).await.unwrap();
    assert_eq!(found.as_ref(), Some(&opened));
    let by = Session { id_hash: [2; 32], expires_at: NOW + Duration::minutes(20), ..opened };
    let at = by.at_terminal.clone().unwrap();
    let member = Ground::Membership(String::new());
    let member = Some(AtTerminal { ground: member, ..at });
    let member = Session { at_terminal: member, ..by.clone() };
    assert!(!change!(databases.one, |tx| session::renew(tx, &[1; 32], &member).await?));
    assert!(change!(databases.one, |tx| session::renew(tx, &[1; 32], &by).await?));
    let found = session::find_by_cookie(&mut reader, Realm::Portal, &[2; 32]).await.unwrap();
    assert_eq!(found.unwrap().expires_at, by.expires_at);
    // No membership's end is its end, and no list of members counts it.
    let ended = change!(databases.one, |tx| {
        session::end_of_membership(tx, "", "membership_ended", NOW).await?
    });
    assert_eq!(ended.len(), 0);
    assert_eq!(membership::roles_shown(&mut reader, &person_id).await.unwrap(), None);
}

async fn a_visit_lasts_as_long_as_its_emergency_and_no_other_session_does(databases: Databases) {
    let person_id = card_holder(&databases.one).await;
    visit(&databases.one, 1, &person_id).await;
    let until = NOW + Duration::HOUR;
    for (id, is_a_visit) in [(1, true), (101, false), (9, false)] {
        let moved = change!(databases.one, |tx| {
            session::last_as_long_as_the_emergency(tx, &[id; 32], until).await?
        });
        assert_eq!(moved, is_a_visit, "{id}");
    }
    let mut reader = databases.two.read();
    let end = async |id: u8, reader: &mut _| {
        session::find(reader, Realm::Portal, &[id; 32]).await.unwrap().unwrap().expires_at
    };
    assert_eq!(end(1, &mut reader).await, until);
    assert_eq!(end(101, &mut reader).await, NOW + Duration::hours(8));
    let begun = change!(databases.one, |tx| {
        let asked = emergency_access::Asked { visiting: true, ..asked(&[1; 32], &person_id, NOW) };
        emergency_access::begin(tx, asked).await?
    });
    let emergency_access::Begun::Now { id, .. } = begun else { panic!("{begun:?}") };
    assert!(find(&databases.two, &id).await.visiting);
    change!(databases.one, |tx| session::end(tx, &[1; 32], "logout", NOW).await?);
    let moved = change!(databases.one, |tx| {
        session::last_as_long_as_the_emergency(tx, &[1; 32], until + Duration::HOUR).await?
    });
    assert!(!moved, "one that ended is not brought back");
}

async fn a_row_that_is_neither_or_both_is_no_session(databases: Databases) {
    let person_id = card_holder(&databases.one).await;
    visit(&databases.one, 1, &person_id).await;
    // The database refuses a visit with a membership.
    let both = attempt!(databases.one, |tx| {
        let both = sql("UPDATE session SET membership_id = 'm' WHERE visiting = 1");
        tx.execute(both).await?
    });
    assert!(both.is_err(), "{both:?}");
    change!(databases.one, |tx| {
        tx.execute(sql("UPDATE session SET visiting = 0 WHERE visiting = 1")).await?
    });
    let found = session::find(&mut databases.two.read(), Realm::Portal, &[1; 32]).await;
    assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{found:?}");
}

async fn of_many_first_logins_by_one_card_one_enters_its_holder(databases: Databases) {
    let outcomes = race(&databases, |_, store| async move {
        // As the login does: whoever finds that another was first looks again.
        loop {
            let entered = attempt!(store, |tx| {
                let subject =
                    CardSubject { issuer_hash: &[3; 32], issuer: "CN=x", serial_number: "NEW1" };
                match card::find(tx, subject).await? {
                    Some(known) => known.person_id,
                    None => {
                        let names = PersonNames { name: "応援", name_kana: "", name_romaji: "" };
                        card::enter_person(tx, subject, names, World::Real, NOW).await?.person_id
                    }
                }
            });
            match entered {
                Ok(person_id) => return person_id,
                Err(StoreError::AlreadyExists { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await;
    let entered: std::collections::BTreeSet<_> = outcomes.into_iter().collect();
    assert_eq!(entered.len(), 1, "{entered:?}");
}

async fn where_somebody_is_a_member_now(databases: Databases) {
    let person_id = card_holder(&databases.one).await;
    let mut reader = databases.two.read();
    assert!(membership::facilities_of(&mut reader, &person_id).await.unwrap().is_empty());
    let membership_id = start(&databases.one, &person_id).await;
    assert_eq!(membership::facilities_of(&mut reader, &person_id).await.unwrap(), [FACILITY]);
    change!(databases.one, |tx| {
        membership::end(tx, &membership_id, FACILITY, "p", "left", NOW + Duration::SECOND).await?
    });
    assert!(membership::facilities_of(&mut reader, &person_id).await.unwrap().is_empty());
}
