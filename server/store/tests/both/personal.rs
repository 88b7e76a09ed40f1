//! What the portal keeps for a person: favourites, living sessions, the time of logins; and services' maintenance.

use sekisho_store::{
    Store,
    audit_page::Key,
    favourite,
    login_time::{self, Measured, Of},
    maintenance::{self, NewMaintenance},
    service::{self, Service},
    session, sql, terminal,
};
use time::Duration;

use crate::{
    FACILITY, NOW,
    databases::Databases,
    exchange::{grant, referral},
    jpki_link::colleague,
    login::{self, card_holder, open_session, start},
    race,
};

on_both! { login::prepared:
    favourites_are_a_persons_own_and_no_more_than_so_many
    of_many_who_choose_at_once_nobody_goes_beyond_the_most
    maintenance_is_told_until_it_is_over_or_withdrawn
    living_sessions_are_listed_with_their_places_and_services
    places_are_found_by_terminals
    the_time_of_a_login_is_found_by_its_code_and_its_person
}

async fn services(store: &Store, names: &[&str]) {
    change!(store, |tx| {
        for name in names {
            let new = Service { id: (*name).into(), name_en: format!("{name}!"), ..referral() };
            service::add(tx, &new).await?;
        }
    });
}

async fn favourites_are_a_persons_own_and_no_more_than_so_many(databases: Databases) {
    let store = &databases.one;
    let (one, other) = (card_holder(store).await, colleague(store).await);
    services(store, &["a", "b", "c"]).await;
    for (person, service, added) in [
        (&one, "b", true),
        (&one, "a", true),
        (&one, "a", false),
        (&one, "c", false),
        (&other, "c", true),
    ] {
        let done = change!(store, |tx| favourite::add(tx, person, service, 2, NOW).await?);
        assert_eq!(done, added, "{service}");
    }
    let mut reader = store.read();
    assert_eq!(favourite::of_person(&mut reader, &one).await.unwrap(), ["a", "b"]);
    assert_eq!(favourite::of_person(&mut reader, &other).await.unwrap(), ["c"]);
    for removed in [true, false] {
        let done = change!(store, |tx| favourite::remove(tx, &one, "a").await?);
        assert_eq!(done, removed);
    }
    assert_eq!(favourite::of_person(&mut reader, &one).await.unwrap(), ["b"]);
    let names = service::names(&mut reader).await.unwrap();
    let told: Vec<_> = names.iter().map(|name| (name.id.as_str(), name.name_en.as_str())).collect();
    assert_eq!(told, [("a", "a!"), ("b", "b!"), ("c", "c!")]);
}

async fn of_many_who_choose_at_once_nobody_goes_beyond_the_most(databases: Databases) {
    let person = card_holder(&databases.one).await;
    let names = ["a", "b", "c", "d", "e", "f"];
    services(&databases.one, &names).await;
    race(&databases, |number, store| {
        let (person, name) = (person.clone(), names[usize::from(number) % names.len()]);
        async move { change!(store, |tx| favourite::add(tx, &person, name, 2, NOW).await?) }
    })
    .await;
    let chosen = favourite::of_person(&mut databases.two.read(), &person).await.unwrap();
    assert_eq!(chosen.len(), 2, "{chosen:?}");
}

async fn maintenance_is_told_until_it_is_over_or_withdrawn(databases: Databases) {
    let store = &databases.one;
    services(store, &["a", "b"]).await;
    let enter = async |service_id: &str, from: i64, until: i64| {
        let new = NewMaintenance {
            service_id,
            text_ja: "点検",
            text_en: "Maintenance",
            begins_at: NOW + Duration::hours(from),
            ends_at: NOW + Duration::hours(until),
            entered_at: NOW,
        };
        change!(store, |tx| maintenance::enter(tx, new, 2).await?)
    };
    let later = enter("a", 5, 6).await.unwrap();
    let now = enter("a", -1, 1).await.unwrap();
    assert_eq!(enter("a", 7, 8).await, None, "it has as many as it may");
    let far = enter("b", 100, 101).await.unwrap();
    let mut reader = store.read();
    let ids = |found: Vec<maintenance::Maintenance>| -> Vec<String> {
        found.into_iter().map(|notice| notice.id).collect()
    };
    let hours = |hours| NOW + Duration::hours(hours);
    let announced = maintenance::announced(&mut reader, NOW, hours(24)).await.unwrap();
    assert_eq!(
        (announced[0].text_ja.as_str(), announced[0].text_en.as_str()),
        ("点検", "Maintenance")
    );
    assert_eq!((announced[0].begins_at, announced[0].ends_at), (hours(-1), hours(1)));
    assert_eq!(ids(announced), [now.clone(), later.clone()]);
    let over = maintenance::of_service(&mut reader, "a", hours(1)).await.unwrap();
    assert_eq!(ids(over), std::slice::from_ref(&later), "what ends now is over");
    for (service, id, withdrawn) in
        [("b", &later, false), ("a", &later, true), ("a", &later, false)]
    {
        let done = change!(store, |tx| maintenance::withdraw(tx, service, id, NOW).await?);
        assert_eq!(done, withdrawn, "{service}");
    }
    let left = maintenance::announced(&mut reader, NOW, hours(200)).await.unwrap();
    assert_eq!(ids(left), [now, far]);
}

async fn living_sessions_are_listed_with_their_places_and_services(databases: Databases) {
    let store = &databases.one;
    let (person, other) = (card_holder(store).await, colleague(store).await);
    let (membership, of_other) = (start(store, &person).await, start(store, &other).await);
    for number in [0, 1, 2] {
        open_session(store, number, &person, &membership).await;
    }
    open_session(store, 3, &other, &of_other).await;
    services(store, &["a", "b"]).await;
    change!(store, |tx| {
        for (id, service) in [("g1", "a"), ("g2", "a"), ("g3", "b")] {
            let given = sekisho_store::token_grant::Grant {
                service_id: service.into(),
                session_hash: [1; 32],
                code_hash: None,
                ..grant(id)
            };
            sekisho_store::token_grant::add(tx, &given).await?;
        }
        session::end(tx, &[2; 32], "logout", NOW).await?
    });
    let mut reader = store.read();
    let live = session::live_of_person(&mut reader, &person, NOW, 10).await.unwrap();
    let mut told: Vec<_> = live.iter().map(|live| (live.id_hash[0], live.services)).collect();
    told.sort_unstable();
    assert_eq!(told, [(0, 0), (1, 2)]);
    assert!(live.iter().all(|live| live.organisation_id == FACILITY && live.terminal_name == "PC"));
    assert!(live.iter().all(|live| !live.locked && live.acr == sekisho_wire::acr::HPKI_CARD));
    let one = session::live_of_person(&mut reader, &person, NOW, 1).await.unwrap();
    assert_eq!(one.len(), 1);
    let end = live.iter().map(|live| live.expires_at).max().unwrap();
    assert_eq!(session::live_of_person(&mut reader, &person, end, 10).await.unwrap(), []);
}

async fn places_are_found_by_terminals(databases: Databases) {
    let store = &databases.one;
    change!(store, |tx| {
        tx.execute(
            sql("INSERT INTO terminal (id, organisation_id, name, created_at, created_by)
                 VALUES ($1, $2, '受付', 0, 'p')")
            .bind("T1234567890")
            .bind(FACILITY),
        )
        .await?
    });
    let mut reader = store.read();
    let asked = ["T1234567890", "T0000000000", "not one"].into();
    let places = terminal::places(&mut reader, &asked).await.unwrap();
    let told: Vec<_> = places.values().map(|place| place.terminal_name.as_str()).collect();
    assert_eq!(told, ["受付"]);
    assert_eq!(places["T1234567890"].organisation_name, None, "it has no name yet");
    assert!(terminal::places(&mut reader, &["none"].into()).await.unwrap().is_empty());
    let key: Key = "7.01999999-0000-7000-8000-000000000000".parse().unwrap();
    assert_eq!(key.to_string(), "7.01999999-0000-7000-8000-000000000000");
    assert!(
        ["", "7", "x.01999999-0000-7000-8000-000000000000", "7.x"]
            .iter()
            .all(|t| t.parse::<Key>().is_err())
    );
}

async fn the_time_of_a_login_is_found_by_its_code_and_its_person(databases: Databases) {
    let store = &databases.one;
    let person = card_holder(store).await;
    let membership = start(store, &person).await;
    services(store, &["a", "b"]).await;
    for number in [0, 1] {
        open_session(store, number, &person, &membership).await;
    }
    let measured = Measured { agent: 50, card: 400, pin: 3_000, sign: 500 };
    let at = NOW + Duration::milliseconds(250);
    let note = async |number: u8, code: &str, after: i64| {
        let of = Of {
            session_hash: &[number; 32],
            person_id: &person,
            organisation_id: FACILITY,
            terminal_id: "T1",
            at: at + Duration::seconds(after),
        };
        change!(store, |tx| login_time::note(tx, of, code, measured).await?)
    };
    assert!(note(0, "0000000001", 0).await);
    assert!(!note(1, "0000000001", 1).await, "the code is another login's");
    assert!(note(1, "0000000002", 1).await);
    let find = async |code: &str| login_time::by_code(&mut store.read(), code).await.unwrap();
    let first = find("0000000001").await.unwrap();
    assert_eq!((first.measured, first.portal, first.service.clone()), (measured, None, None));
    assert_eq!((first.session_hash, first.terminal_id.as_str()), ([0; 32], "T1"));
    assert_eq!(find("0000000003").await, None);

    let later = |milliseconds| at + Duration::milliseconds(milliseconds);
    store.note_portal_shown(&[0; 32], later(120)).await.unwrap();
    store.note_portal_shown(&[0; 32], later(900)).await.unwrap();
    change!(store, |tx| {
        login_time::note_service_entered(tx, &[0; 32], "a", later(950)).await?;
        login_time::note_service_asked(tx, &[0; 32], "a", later(1_000)).await?;
        login_time::note_service_asked(tx, &[0; 32], "b", later(2_000)).await?;
        login_time::note_service_entered(tx, &[0; 32], "b", later(2_100)).await?
    });
    let asked = find("0000000001").await.unwrap();
    assert_eq!((asked.portal, asked.service), (Some(120), Some(("a".into(), None))));
    change!(store, |tx| {
        login_time::note_service_entered(tx, &[0; 32], "a", later(1_080)).await?;
        login_time::note_service_entered(tx, &[0; 32], "a", later(5_000)).await?
    });
    let entered = find("0000000001").await.unwrap();
    assert_eq!(entered.service, Some(("a".into(), Some(80))));

    let codes = async || -> Vec<String> {
        let found = login_time::of_person(&mut store.read(), &person, 10).await.unwrap();
        found.into_iter().map(|time| time.code).collect()
    };
    assert_eq!(codes().await, ["0000000002", "0000000001"]);
    assert!(note(0, "0000000004", 2).await, "the session was renewed by another login");
    assert_eq!(codes().await, ["0000000004", "0000000002"]);
    let gone = store
        .forget_expired(sekisho_store::expiry::Expiring::LoginTimes, at + Duration::seconds(2), 10)
        .await
        .unwrap();
    assert_eq!((gone, codes().await.len()), (1, 1));
}
