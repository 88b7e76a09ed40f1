//! Passwords, recovery codes and logins by them, as the database sees them.

use sekisho_store::{
    Queries,
    account::{self, Factors},
    chosen_password,
    factor_reset::{self, NewReset},
    invitation::{self, Kind, NewInvitation},
    membership,
    password_login::{self, NewLogin, SecondFactor},
    person, recovery_code, sql,
};
use time::Duration;

use crate::{FACILITY, NOW, databases::Databases, login, race};

on_both! { login::prepared:
    a_persons_last_passwords_are_kept_and_no_more
    a_password_is_set_alone_only_beside_a_second_factor
    a_recovery_code_counts_once_for_its_person
    a_login_by_password_is_kept
    a_recovery_code_that_was_used_is_told_of_at_one_login
    an_invitation_says_whether_a_card_has_to_follow
    a_reset_is_approved_once_in_time_and_by_somebody_else
}

async fn clerk(databases: &Databases, login_name: &str) -> String {
    change!(databases.one, |tx| {
        let person_id = person::enter(tx, "鈴木　一郎", "スズキ　イチロウ", NOW).await?;
        account::open(tx, &person_id, login_name, "").await?;
        person_id
    })
}

async fn a_persons_last_passwords_are_kept_and_no_more(databases: Databases) {
    let (person_id, other) = (clerk(&databases, "suzuki").await, clerk(&databases, "tanaka").await);
    for (number, phc) in ["a", "b", "c", "d"].into_iter().enumerate() {
        // Two of them within one second: the later one is the newer one.
        let at = NOW + Duration::seconds(number as i64 / 2);
        change!(databases.one, |tx| chosen_password::remember(tx, &person_id, phc, 3, at).await?);
    }
    change!(databases.two, |tx| chosen_password::remember(tx, &other, "x", 3, NOW).await?);
    let mut reader = databases.two.read();
    let kept = chosen_password::of_person(&mut reader, &person_id).await.unwrap();
    assert_eq!(kept, ["d", "c", "b"]);
    assert_eq!(chosen_password::of_person(&mut reader, &other).await.unwrap(), ["x"]);
    // With fewer to be kept the others go at the next one.
    change!(databases.one, |tx| chosen_password::remember(
        tx,
        &person_id,
        "e",
        1,
        NOW + Duration::DAY
    )
    .await?);
    let kept = chosen_password::of_person(&mut reader, &person_id).await.unwrap();
    assert_eq!(kept, ["e"]);
}

async fn a_password_is_set_alone_only_beside_a_second_factor(databases: Databases) {
    let person_id = clerk(&databases, "suzuki").await;
    change!(databases.one, |tx| account::set_password(tx, &person_id, "$1", NOW).await?);
    let found = account::of_person(&mut databases.two.read(), &person_id).await.unwrap().unwrap();
    assert_eq!(found.password_phc, None);
    let factors = Factors { password_phc: "$1", totp_sealed: &[1], totp_step: 7 };
    change!(databases.one, |tx| account::set_factors(tx, &person_id, factors, NOW).await?);
    change!(databases.one, |tx| account::set_password(tx, &person_id, "$2", NOW).await?);
    let found = account::of_person(&mut databases.two.read(), &person_id).await.unwrap().unwrap();
    assert_eq!(found.password_phc.as_deref(), Some("$2"));
    assert!(found.is_complete());
}

async fn a_recovery_code_counts_once_for_its_person(databases: Databases) {
    let (person_id, other) = (clerk(&databases, "suzuki").await, clerk(&databases, "tanaka").await);
    let codes = [[1; 32], [2; 32]];
    change!(databases.one, |tx| recovery_code::replace(tx, &person_id, &codes, NOW).await?);
    let mut reader = databases.two.read();
    assert!(recovery_code::is_good(&mut reader, &person_id, &[1; 32]).await.unwrap());
    assert!(!recovery_code::is_good(&mut reader, &other, &[1; 32]).await.unwrap());
    assert!(!change!(databases.two, |tx| recovery_code::consume(tx, &other, &[1; 32], NOW).await?));
    let outcomes =
        race(&databases, |_, store| {
            let person_id = person_id.clone();
            async move {
                change!(store, |tx| recovery_code::consume(tx, &person_id, &[1; 32], NOW).await?)
            }
        })
        .await;
    assert_eq!(outcomes.into_iter().filter(|consumed| *consumed).count(), 1);
    assert!(!recovery_code::is_good(&mut reader, &person_id, &[1; 32]).await.unwrap());
    assert_eq!(recovery_code::left(&mut reader, &person_id).await.unwrap(), 1);
    // New ones take the place of all.
    change!(databases.one, |tx| recovery_code::replace(tx, &person_id, &[[3; 32]], NOW).await?);
    assert!(
        !change!(databases.two, |tx| recovery_code::consume(tx, &person_id, &[2; 32], NOW).await?)
    );
    assert_eq!(recovery_code::left(&mut reader, &person_id).await.unwrap(), 1);
    change!(databases.one, |tx| recovery_code::withdraw(tx, &person_id).await?);
    assert_eq!(recovery_code::left(&mut reader, &person_id).await.unwrap(), 0);
}

async fn a_login_by_password_is_kept(databases: Databases) {
    let person_id = clerk(&databases, "suzuki").await;
    for factor in [SecondFactor::None, SecondFactor::Totp, SecondFactor::RecoveryCode] {
        let login = NewLogin {
            person_id: &person_id,
            at: NOW,
            terminal_fingerprint: &[7; 32],
            second_factor: factor,
        };
        let id = change!(databases.one, |tx| password_login::keep(tx, login).await?);
        let (kept,): (String,) = databases
            .two
            .read()
            .fetch_one(sql("SELECT second_factor FROM password_login WHERE id = $1").bind(&id))
            .await
            .unwrap();
        assert_eq!(kept, factor.as_str());
    }
}

async fn a_recovery_code_that_was_used_is_told_of_at_one_login(databases: Databases) {
    let person_id = clerk(&databases, "suzuki").await;
    let other = clerk(&databases, "tanaka").await;
    let store = &databases.one;
    change!(store, |tx| recovery_code::replace(tx, &person_id, &[[1; 32], [2; 32]], NOW).await?);
    let login = async |person: &str, minute| {
        let new = NewLogin {
            person_id: person,
            at: NOW + Duration::minutes(minute),
            terminal_fingerprint: &[7; 32],
            second_factor: SecondFactor::Totp,
        };
        let id = change!(store, |tx| password_login::keep(tx, new).await?);
        password_login::recovery_code_since_last(&mut databases.two.read(), &id).await.unwrap()
    };
    assert_eq!(login(&person_id, 1).await, None);
    let at = NOW + Duration::minutes(2);
    change!(store, |tx| recovery_code::consume(tx, &person_id, &[1; 32], at).await?);
    assert_eq!(login(&other, 3).await, None, "another person's");
    assert_eq!(login(&person_id, 3).await, Some(at));
    assert_eq!(login(&person_id, 4).await, None);
    let unknown = &mut databases.two.read();
    let unknown = password_login::recovery_code_since_last(unknown, "nothing").await;
    assert_eq!(unknown.unwrap(), None);
}

async fn an_invitation_says_whether_a_card_has_to_follow(databases: Databases) {
    for (kind, code_hash) in [(Kind::Account, [8; 32]), (Kind::Card, [9; 32])] {
        change!(databases.one, |tx| {
            let new = NewInvitation {
                organisation_id: FACILITY,
                kind,
                code_hash: &code_hash,
                selector: "EFGH",
                name: "鈴木 一郎",
                name_kana: "スズキ イチロウ",
                expected_role: "",
                licence_number: None,
                created_by: "admin",
                created_at: NOW,
                expires_at: NOW + Duration::DAY,
                tries: 5,
            };
            invitation::create(tx, new).await?
        });
        let entered = change!(databases.two, |tx| {
            let until = NOW + Duration::minutes(10);
            invitation::enter(tx, &code_hash, "EFGH", FACILITY, &[1; 32], until, NOW).await?
        });
        assert!(matches!(entered, invitation::Entered::Held(held) if held.kind == kind));
    }
}

async fn a_reset_is_approved_once_in_time_and_by_somebody_else(databases: Databases) {
    let person_id = clerk(&databases, "suzuki").await;
    let stranger = clerk(&databases, "tanaka").await;
    let store = &databases.one;
    let membership = change!(store, |tx| {
        membership::start(tx, &person_id, FACILITY, None, "test", NOW).await?
    });
    let mut reader = databases.two.read();
    let found = factor_reset::candidates(&mut reader, FACILITY, 9).await.unwrap();
    assert_eq!(found.iter().map(|one| &one.login_name).collect::<Vec<_>>(), ["suzuki"]);
    let end = NOW + Duration::DAY;
    let new = NewReset {
        person_id: &person_id,
        organisation_id: FACILITY,
        reason: "lost",
        asked_by: &stranger,
        at: NOW,
        expires_at: end,
    };
    let id = change!(store, |tx| factor_reset::ask(tx, new).await?).unwrap();
    assert_eq!(change!(databases.two, |tx| factor_reset::ask(tx, new).await?), None, "waits");
    for of in [None, Some(FACILITY)] {
        let waiting = factor_reset::waiting(&mut reader, of, NOW, 9).await.unwrap();
        assert_eq!(waiting[0].id, id);
        assert_eq!(
            (waiting[0].person_id.as_str(), waiting[0].reason.as_str()),
            (&*person_id, "lost")
        );
    }
    assert!(factor_reset::waiting(&mut reader, Some("other"), NOW, 9).await.unwrap().is_empty());
    assert!(factor_reset::waiting(&mut reader, None, end, 9).await.unwrap().is_empty());
    let open = factor_reset::open(&mut reader, &id, FACILITY, NOW).await.unwrap().unwrap();
    assert_eq!((&*open.person_id, &*open.asked_by), (&*person_id, &*stranger));
    assert_eq!(open.asked_by_hands, std::slice::from_ref(&stranger));
    for (facility, at) in [("other", NOW), (FACILITY, end)] {
        assert_eq!(factor_reset::open(&mut reader, &id, facility, at).await.unwrap(), None);
    }
    for (by, facility, at) in [
        (stranger.as_str(), FACILITY, NOW),
        (person_id.as_str(), FACILITY, NOW),
        ("another", "other", NOW),
        ("another", FACILITY, end),
    ] {
        let approved =
            change!(store, |tx| factor_reset::approve(tx, &id, facility, by, at).await?);
        assert_eq!(approved, None, "{by} {facility} {at}");
    }
    let late = change!(store, |tx| factor_reset::refuse(tx, &id, FACILITY, "a", end).await?);
    assert!(!late);
    let outcomes = race(&databases, |number, store| {
        let (id, by) = (id.clone(), format!("administrator {number}"));
        async move {
            change!(store, |tx| factor_reset::approve(tx, &id, FACILITY, &by, NOW).await?)
        }
    })
    .await;
    let winners: Vec<_> = outcomes.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(winners[0], person_id);
    assert!(!change!(store, |tx| factor_reset::refuse(tx, &id, FACILITY, "a", NOW).await?));
    // Another one may be asked for then, and refused by whoever asked.
    let id = change!(store, |tx| factor_reset::ask(tx, new).await?).unwrap();
    assert!(change!(store, |tx| factor_reset::refuse(tx, &id, FACILITY, &stranger, NOW).await?));
    let factors = Factors { password_phc: "$1", totp_sealed: &[1], totp_step: 7 };
    change!(store, |tx| account::set_factors(tx, &person_id, factors, NOW).await?);
    change!(store, |tx| account::void_factors(tx, &person_id).await?);
    let found = account::of_person(&mut reader, &person_id).await.unwrap().unwrap();
    assert!(!found.is_complete() && found.password_phc.is_none() && found.totp_sealed.is_none());
    change!(store, |tx| membership::end(tx, &membership, FACILITY, "p", "left", end).await?);
    assert!(factor_reset::candidates(&mut reader, FACILITY, 9).await.unwrap().is_empty());
}
