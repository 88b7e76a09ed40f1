//! What several processes over one database may do only once.
use sekisho_store::{
    ClaimError, Queries, Store, StoreError, account,
    attempt::{DelayPolicy, Subject},
    audit::{self, Actor},
    enrolment_code::{self, NewCode},
    issuer, outbox, person, role_grant, sql, terminal,
};
use time::Duration;

use crate::{FACILITY, NOW, RACERS, TERMINAL, count, databases::Databases, race};

pub const ENROLMENT: [u8; 32] = [1; 32];
pub const LINK: [u8; 32] = [2; 32];
const LOGIN_NAME: &str = "officer";
on_both! { prepared:
    a_one_time_link_is_used_by_exactly_one_of_many
    a_step_of_the_second_factor_counts_once_and_never_goes_back
    an_instance_gets_one_first_administrator
    a_role_is_withdrawn_once
    attempts_at_once_cost_as_much_as_in_a_row
    a_lease_is_held_by_one_process
    one_process_serves_as_a_node
    a_message_is_delivered_by_one_process
    activity_in_one_session_at_once_is_no_failure
    a_new_link_ends_the_one_before
    who_issued_the_link_that_was_used_stays_known
    the_roles_of_an_organisation_are_its_own
    a_personal_field_reads_back_beside_its_record
}

/// A facility in operation with a terminal and its code, an issuer, and a person with a link.
pub async fn prepared(databases: Databases) -> Databases {
    let store = &databases.one;
    change!(store, |tx| {
        tx.execute(sql(
            "INSERT INTO application (id, receipt, kind, name, name_kana, prefecture, postal_code,
                 address, contact_name, contact_phone, contact_email, created_at)
             VALUES ('a', 'r', 'hospital', 'n', 'k', 13, '1', 'a', 'c', 'p', 'e', 0)",
        ))
        .await?;
        tx.execute(
            sql("INSERT INTO organisation
                     (id, application_id, kind, prefecture, postal_code, address, created_at)
                 VALUES ($1, 'a', 'hospital', 13, '1', 'a', 0)")
            .bind(FACILITY),
        )
        .await?;
        tx.execute(
            sql("INSERT INTO organisation_event (id, organisation_id, at, kind, reason)
                 VALUES ('00000000-0000-7000-8000-000000000000', $1, 0, 'activated', '')")
            .bind(FACILITY),
        )
        .await?;
        terminal::create(tx, TERMINAL, FACILITY, "外来1号機", "p", NOW).await?;
        let code = NewCode {
            code_hash: &ENROLMENT,
            terminal_id: TERMINAL,
            tries: 5,
            person_id: "p",
            created_at: NOW,
            expires_at: NOW + Duration::DAY,
            needs_approval: false,
        };
        enrolment_code::issue(tx, code).await?;
        issuer::add(tx, "terminals", &[0x30], NOW, Actor::System, NOW).await?;
        let person_id = person::enter(tx, "山田　花子", "ヤマダ　ハナコ", NOW).await?;
        account::open(tx, &person_id, LOGIN_NAME, "").await?;
        account::issue_link(tx, &LINK, &person_id, None, NOW, NOW + Duration::minutes(30)).await?;
    });
    databases
}

pub async fn person_id(store: &Store) -> String {
    account::find(&mut store.read(), LOGIN_NAME).await.unwrap().unwrap().person_id
}

async fn a_one_time_link_is_used_by_exactly_one_of_many(databases: Databases) {
    let late = NOW + Duration::minutes(30);
    let expired = change!(databases.one, |tx| account::consume_link(tx, &LINK, late).await?);
    assert_eq!(expired, None);
    let found = account::find_link(&mut databases.two.read(), &LINK, NOW).await.unwrap();
    let person_id = found.unwrap().person_id;
    let outcomes = race(&databases, |_, store| async move {
        change!(store, |tx| account::consume_link(tx, &LINK, NOW).await?)
    })
    .await;
    let winners: Vec<_> = outcomes.into_iter().flatten().collect();
    assert_eq!(winners, [person_id]);
    assert_eq!(account::find_link(&mut databases.two.read(), &LINK, NOW).await.unwrap(), None);
}

async fn a_step_of_the_second_factor_counts_once_and_never_goes_back(databases: Databases) {
    let person_id = person_id(&databases.one).await;
    let factors =
        account::Factors { password_phc: "$argon2id$", totp_sealed: &[1, 2], totp_step: 100 };
    change!(databases.one, |tx| account::set_factors(tx, &person_id, factors, NOW).await?);
    let account = account::of_person(&mut databases.two.read(), &person_id).await.unwrap();
    assert!(account.unwrap().is_complete());
    for (step, winners) in [(100, 0), (102, 1), (101, 0), (103, 1)] {
        let outcomes =
            race(&databases, |_, store| {
                let person_id = person_id.clone();
                async move {
                    change!(store, |tx| account::consume_totp_step(tx, &person_id, step).await?)
                }
            })
            .await;
        assert_eq!(count(&outcomes, |accepted| *accepted), winners, "step {step}");
    }
}

async fn an_instance_gets_one_first_administrator(databases: Databases) {
    let outcomes = race(&databases, |number, store| async move {
        let until = NOW + Duration::minutes(30);
        let token = [100 + number; 32];
        let root = Actor::Operator { user: "root".into(), host: "host".into() };
        store.add_first_administrator("first", &token, root, NOW, until).await
    })
    .await;
    assert_eq!(count(&outcomes, Result::is_ok), 1);
    let refused = count(&outcomes, |o| matches!(o, Err(StoreError::AlreadyExists { .. })));
    assert_eq!(refused, usize::from(RACERS) - 1);
    // Nothing of the refused ones stayed.
    let mut reader = databases.two.read();
    let (people,): (i64,) = Queries::fetch_one(
        &mut reader,
        sql("SELECT COUNT(*) FROM person p JOIN person_name n ON n.person_id = p.id"),
    )
    .await
    .unwrap();
    assert_eq!(people, 2);
    let roles = role_grant::of_role(&mut reader, "operating_administrator", 10).await.unwrap();
    assert_eq!(roles.len(), 1);
    assert_eq!((roles[0].login_name.as_str(), roles[0].totp_confirmed_at), ("first", None));
}

async fn a_role_is_withdrawn_once(databases: Databases) {
    let person_id = person_id(&databases.one).await;
    let role = "accreditation_officer";
    let id = change!(databases.one, |tx| {
        role_grant::grant(tx, &person_id, role, None, None, NOW).await?
    });
    let mut reader = databases.two.read();
    assert_eq!(role_grant::of_person(&mut reader, &person_id).await.unwrap()[0].id, id);
    assert_eq!(role_grant::count_able(&mut reader, role).await.unwrap(), 0);
    let outcomes = race(&databases, |_, store| {
        let id = id.clone();
        async move { change!(store, |tx| role_grant::withdraw(tx, &id, "p", NOW).await?) }
    })
    .await;
    assert_eq!(count(&outcomes, Option::is_some), 1);
    assert!(role_grant::of_person(&mut reader, &person_id).await.unwrap().is_empty());
}

async fn attempts_at_once_cost_as_much_as_in_a_row(databases: Databases) {
    let policy = DelayPolicy {
        free: 3,
        lock_after: 10,
        longest: Duration::minutes(15),
        forget_after: Duration::days(1),
        eases_every: None,
    };
    let charge = |store: Store, at| {
        let subjects = [Subject { key: "account:officer".into(), policy }];
        async move { store.charge_attempt(&subjects, at).await.unwrap() }
    };
    let outcomes = race(&databases, |_, store| charge(store, NOW)).await;
    // Three are free, the fourth makes the account rest for a second.
    assert_eq!(count(&outcomes, Result::is_ok), 4);
    let rest = NOW + Duration::seconds(1);
    assert_eq!(count(&outcomes, |outcome| *outcome == Err(rest)), 4);
    let resting = async |at| databases.two.resting("account:officer", at).await.unwrap();
    assert_eq!((resting(NOW).await, resting(rest).await), (Some(rest), None));
    assert!(charge(databases.two.clone(), rest).await.is_ok());
    databases.one.settle_attempt(&["account:officer"], &["address:x"]).await.unwrap();
    // A charge without rest holds up nobody, nor an attempt that began before it.
    assert!(charge(databases.two.clone(), rest).await.is_ok());
    assert_eq!(resting(NOW).await, None);
    assert!(charge(databases.one.clone(), NOW).await.is_ok());
}

async fn a_lease_is_held_by_one_process(databases: Databases) {
    let length = Duration::seconds(30);
    for at in [NOW, NOW + length, NOW + length * 2] {
        let outcomes = race(&databases, |number, store| async move {
            (number % 2, store.take_lease("job", at, length).await.unwrap())
        })
        .await;
        let one = count(&outcomes, |outcome| *outcome == (0, true));
        let two = count(&outcomes, |outcome| *outcome == (1, true));
        let all = usize::from(RACERS) / 2;
        assert!((one, two) == (all, 0) || (one, two) == (0, all), "{outcomes:?}");
    }
}

async fn a_message_is_delivered_by_one_process(databases: Databases) {
    change!(databases.one, |tx| {
        for number in 0..20 {
            outbox::put(tx, "notice", &number.into(), NOW).await?;
        }
    });
    let hold = Duration::seconds(30);
    let claimed = race(&databases, |_, store| async move {
        store.claim_outbox("notice", NOW, hold, 5).await.unwrap()
    })
    .await;
    let mut payloads: Vec<i64> =
        claimed.iter().flatten().map(|message| message.payload.parse().unwrap()).collect();
    payloads.sort_unstable();
    assert_eq!(payloads, (0..20).collect::<Vec<_>>());
    let first = &claimed.iter().flatten().next().unwrap().id;
    databases.two.outbox_delivered(first, NOW).await.unwrap();
    let other = &claimed.iter().flatten().nth(1).unwrap().id;
    databases.two.outbox_failed(other, NOW, None, "gone").await.unwrap();
    let again = databases.one.claim_outbox("notice", NOW + hold, hold, 100).await.unwrap();
    assert_eq!(again.len(), 18);
    assert!(again.iter().all(|message| message.attempts == 1));
}

async fn activity_in_one_session_at_once_is_no_failure(databases: Databases) {
    let person_id = person_id(&databases.one).await;
    change!(databases.one, |tx| {
        tx.execute(
            sql("INSERT INTO session (id_hash, realm, person_id, terminal_id, presence_id, acr, amr,
                     auth_time, created_at, last_seen_at, expires_at)
                 VALUES ($1, 'portal', $2, $3, 'card', 'a', '[]', $4, $4, $4, $4)")
            .bind([5; 32])
            .bind(&person_id)
            .bind(TERMINAL)
            .bind(NOW),
        )
        .await?;
    });
    // Several requests of one browser, and the agent's report, whichever processes they reach.
    let at = NOW + Duration::minutes(5);
    let outcomes = race(&databases, |_, store| async move {
        store.note_activity(&[5; 32], at).await?;
        store.note_presence(TERMINAL, "card", 1, at).await
    })
    .await;
    assert_eq!(count(&outcomes, |outcome| matches!(outcome, Ok(true))), 1, "{outcomes:?}");
    assert_eq!(count(&outcomes, Result::is_err), 0, "{outcomes:?}");
    let (seen, reported): (i64, i64) = Queries::fetch_one(
        &mut databases.two.read(),
        sql("SELECT last_seen_at, presence_at FROM session"),
    )
    .await
    .unwrap();
    assert_eq!((seen, reported), (at.unix_timestamp(), at.unix_timestamp()));
}

async fn a_new_link_ends_the_one_before(databases: Databases) {
    let person_id = person_id(&databases.one).await;
    let until = NOW + Duration::minutes(40);
    let later = NOW + Duration::minutes(10);
    change!(databases.one, |tx| account::issue_link(tx, &[3; 32], &person_id, None, later, until)
        .await?);
    let mut reader = databases.two.read();
    assert_eq!(account::find_link(&mut reader, &LINK, later).await.unwrap(), None);
    let found = account::find_link(&mut reader, &[3; 32], later).await.unwrap().unwrap();
    assert_eq!((found.person_id, found.expires_at), (person_id, until));
}

async fn the_roles_of_an_organisation_are_its_own(databases: Databases) {
    let person_id = person_id(&databases.one).await;
    let role = "facility_administrator";
    let id = change!(databases.one, |tx| {
        role_grant::grant(tx, &person_id, "auditor", None, None, NOW).await?;
        role_grant::grant(tx, &person_id, role, Some(FACILITY), None, NOW).await?
    });
    let mut reader = databases.two.read();
    let found = role_grant::of_organisation(&mut reader, FACILITY, 10).await.unwrap();
    assert_eq!((found.len(), found[0].id.as_str()), (1, id.as_str()));
    assert_eq!((found[0].role.as_str(), found[0].login_name.as_str()), (role, LOGIN_NAME));
    assert!(role_grant::of_organisation(&mut reader, "223456789005", 10).await.unwrap().is_empty());
    let owner = change!(databases.one, |tx| {
        role_grant::grant(tx, &person_id, "service_owner", Some(FACILITY), None, NOW).await?
    });
    let given = role_grant::of_operating_body(&mut reader, 10).await.unwrap();
    let given: Vec<_> = given.iter().map(|grant| grant.role.as_str()).collect();
    assert_eq!(given, ["auditor", "service_owner"], "no facility's administrator");
    let owners = role_grant::of_role(&mut reader, "service_owner", 10).await.unwrap();
    assert_eq!((owners.len(), owners[0].id.as_str()), (1, owner.as_str()));
    assert!(role_grant::of_role(&mut reader, "service_owner", 0).await.unwrap().is_empty());
}

async fn a_personal_field_reads_back_beside_its_record(databases: Databases) {
    let outcome: Result<(), StoreError> =
        sekisho_store::transaction!(databases.one, StoreError, |tx| {
            Ok(audit::Audited::new((), crate::entry().personal("name", "山田")))
        });
    outcome.unwrap();
    let mut reader = databases.two.read();
    let record = audit::list(&mut reader, "", None, 1000).await.unwrap().pop().unwrap();
    let fields = audit::personal(&mut reader, &record.id).await.unwrap();
    assert_eq!((fields[0].field.as_str(), fields[0].value.as_deref()), ("name", Some("山田")));
    assert!(!String::from_utf8(record.canonical).unwrap().contains("山田"));
}

async fn one_process_serves_as_a_node(databases: Databases) {
    let (at_once, soon) = (std::time::Duration::ZERO, std::time::Duration::from_secs(10));
    let (first, other) = (&databases.one, &databases.two);
    let second = Store::open(&databases.url, first.node()).await.unwrap();
    let claim = first.claim_node("process 7 on alpha", at_once).await.unwrap();
    match second.claim_node("process 8 on beta", at_once).await {
        Err(ClaimError::Taken { node, holder }) => {
            assert_eq!(node, first.node());
            assert!(holder.contains("process 7 on alpha"), "{holder}");
        }
        other => panic!("{other:?}"),
    }
    let _beside = other.claim_node("process 9 on alpha", at_once).await.unwrap();
    claim.release().await;
    let claim = second.claim_node("process 8 on beta", soon).await.unwrap();
    assert!(first.claim_node("process 7 on alpha", at_once).await.is_err());
    // As when its process ends without a word.
    drop(claim);
    first.claim_node("process 7 on alpha", soon).await.unwrap().release().await;
}

async fn who_issued_the_link_that_was_used_stays_known(databases: Databases) {
    let person_id = person_id(&databases.one).await;
    let (one, two, three) = change!(databases.one, |tx| {
        let mut people = Vec::new();
        for login_name in ["one", "two", "three"] {
            let id = person::enter(tx, login_name, "", NOW).await?;
            account::open(tx, &id, login_name, "").await?;
            people.push(id);
        }
        (people.remove(0), people.remove(0), people.remove(0))
    });
    let until = NOW + Duration::minutes(30);
    let mut reader = databases.two.read();
    // Each let the next one in, the last one the first.
    for (number, (by, whose)) in [(&one, &two), (&two, &three), (&three, &one)].iter().enumerate() {
        let hash = [40 + u8::try_from(number).unwrap(); 32];
        change!(databases.one, |tx| {
            account::issue_link(tx, &hash, whose, Some(by), NOW, until).await?
        });
        let unused = account::hands_of(&mut reader, whose).await.unwrap();
        assert_eq!(unused, [(*whose).clone()], "an unused link is nobody's hand");
        change!(databases.one, |tx| account::consume_link(tx, &hash, NOW).await?);
    }
    change!(databases.one, |tx| tx.execute(sql("DELETE FROM one_time_link")).await?);
    let hands = account::hands_of(&mut reader, &three).await.unwrap();
    assert_eq!(hands, [three.clone(), two.clone(), one.clone()]);
    // A link that nobody in particular issued leaves only the person, and takes no hand back elsewhere.
    change!(databases.one, |tx| {
        account::issue_link(tx, &[50; 32], &two, None, NOW, until).await?;
        account::consume_link(tx, &[50; 32], NOW).await?
    });
    assert_eq!(account::hands_of(&mut reader, &two).await.unwrap(), std::slice::from_ref(&two));
    assert_eq!(account::hands_of(&mut reader, &three).await.unwrap(), [three, two, one]);
    assert_eq!(account::hands_of(&mut reader, &person_id).await.unwrap(), [person_id]);
}
