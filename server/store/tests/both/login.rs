//! Logging in, as the database sees it.

use sekisho_store::{
    Store, audit,
    card::{self, CardCertificate, CardSubject, FirstSeen, PersonNames, ProvingCertificate},
    challenge::{self, Challenge, Consumption},
    evidence::{self, Evidence},
    facility_policy::{self, CardRemoval},
    invitation::{self, ClaimDecision, Entered, Kind, Mismatch, NewClaim, NewInvitation},
    membership, person,
    presence::{self, Gone},
    session::{self, AtTerminal, Ground, Realm, Session},
    sql,
    world::World,
};
use sekisho_wire::acr;
use time::{Duration, OffsetDateTime};

use crate::{FACILITY, NOW, databases::Databases, race};

const OTHER_FACILITY: &str = "223456789005";
const BROWSER: [u8; 32] = [9; 32];
const CODE: [u8; 32] = [7; 32];

on_both! { prepared:
    a_nonce_is_consumed_by_exactly_one_of_many
    an_unknown_nonce_is_told_from_a_replayed_one
    an_invitation_is_redeemed_by_exactly_one_of_many
    five_mistyped_codes_close_an_invitation
    mistyped_codes_neither_end_a_hold_nor_count_where_it_is
    a_code_at_another_facility_is_refused_and_costs_a_try
    expired_withdrawn_and_unheld_invitations_are_not_redeemed
    a_claim_is_decided_once_and_only_by_its_own_facility
    a_membership_ends_with_its_sessions_and_may_start_again
    a_session_ends_once_and_says_why
    a_renewed_session_keeps_its_name_and_answers_to_the_new_cookie_only
    only_the_same_person_place_and_membership_renew_a_live_session
    two_logins_at_once_leave_one_cookie_that_opens
    a_late_presence_report_does_not_undo_a_newer_one
    silence_and_limits_are_found
    a_renewed_certificate_is_noted_as_one
    each_facility_has_its_own_card_removal_policy
    a_login_reads_back_as_it_was_proven
    the_sessions_of_cards_are_found_by_certificate
    sessions_end_together_with_what_they_hang_on
    the_sessions_of_a_card_are_found_until_they_are_locked_or_let_go
}

pub(crate) async fn prepared(databases: Databases) -> Databases {
    for (id, application) in [(FACILITY, "a1"), (OTHER_FACILITY, "a2")] {
        change!(databases.one, |tx| {
            tx.execute(
                sql("INSERT INTO application (id, receipt, kind, name, name_kana, prefecture, postal_code,
                         address, contact_name, contact_phone, contact_email, created_at)
                     VALUES ($1, $1, 'hospital', 'n', 'k', 13, '1', 'a', 'c', 'p', 'e', 0)")
                .bind(application),
            )
            .await?;
            tx.execute(
                sql("INSERT INTO organisation (id, application_id, kind, prefecture, postal_code, address,
                         created_at) VALUES ($1, $2, 'hospital', 13, '1', 'a', 0)")
                .bind(id)
                .bind(application),
            )
            .await?;
            tx.execute(
                sql("INSERT INTO terminal (id, organisation_id, name, created_at, created_by)
                     VALUES ($1, $2, 'PC', 0, 'p')")
                .bind(format!("T{id}"))
                .bind(id),
            )
            .await?
        });
    }
    databases
}

fn subject() -> CardSubject<'static> {
    CardSubject { issuer_hash: &[3; 32], issuer: "CN=CA", serial_number: "Test1" }
}

pub(crate) async fn card_holder(store: &Store) -> String {
    change!(store, |tx| {
        let names = PersonNames {
            name: "山田　太郎",
            name_kana: "ヤマダ　タロウ",
            name_romaji: "YAMADA TARO",
        };
        card::enter_person(tx, subject(), names, World::Real, NOW).await?
    })
    .person_id
}

async fn invite(store: &Store, expires_at: OffsetDateTime) -> String {
    change!(store, |tx| {
        let new = NewInvitation {
            organisation_id: FACILITY,
            kind: Kind::Card,
            code_hash: &CODE,
            selector: "ABCD",
            name: "山田 太郎",
            name_kana: "ヤマダ タロウ",
            expected_role: "Medical Doctor",
            licence_number: None,
            created_by: "admin",
            created_at: NOW,
            expires_at,
            tries: 5,
        };
        invitation::create(tx, new).await?
    })
}

async fn enter(store: &Store, hash: &[u8; 32], facility: &str, at: OffsetDateTime) -> Entered {
    change!(store, |tx| {
        let until = at + Duration::minutes(10);
        invitation::enter(tx, hash, "ABCD", facility, &BROWSER, until, at).await?
    })
}

pub(crate) fn challenge() -> Challenge {
    Challenge {
        session_hash: None,
        nonce_hash: [1; 32],
        browser_hash: BROWSER,
        terminal_fingerprint: [2; 32],
        page_thumbprint: "thumb".into(),
        request_jws: "a.b.c".into(),
        purpose: "login".into(),
        invitation_id: None,
        return_to: Some("/".into()),
        created_at: NOW,
        expires_at: NOW + Duration::minutes(1),
    }
}

pub(crate) async fn open_session(
    store: &Store,
    id: u8,
    person_id: &str,
    membership_id: &str,
) -> Session {
    let session = Session {
        id_hash: [id; 32],
        realm: Realm::Portal,
        person_id: person_id.to_owned(),
        at_terminal: Some(AtTerminal {
            organisation_id: FACILITY.into(),
            terminal_id: format!("T{FACILITY}"),
            fingerprint: [2; 32],
            ground: Ground::Membership(membership_id.to_owned()),
            evidence_id: "e".into(),
            presence_id: Some("presence".into()),
        }),
        hc_roles: vec!["Medical Doctor".into(), "Wizard".into()],
        acr: acr::HPKI_CARD.into(),
        amr: vec!["sc".into(), "pin".into()],
        auth_time: NOW,
        created_at: NOW,
        last_seen_at: NOW,
        expires_at: NOW + Duration::hours(8),
        locked_at: None,
        ended: None,
    };
    change!(store, |tx| session::open(tx, &session).await?);
    session
}

pub(crate) async fn start(store: &Store, person_id: &str) -> String {
    change!(store, |tx| { membership::start(tx, person_id, FACILITY, None, "test", NOW).await? })
}

async fn a_nonce_is_consumed_by_exactly_one_of_many(databases: Databases) {
    change!(databases.one, |tx| challenge::remember(tx, &challenge()).await?);
    let outcomes = race(&databases, |_, store| async move {
        change!(store, |tx| challenge::consume(tx, &[1; 32], NOW).await?)
    })
    .await;
    let mut won = 0;
    for outcome in outcomes {
        match outcome {
            Consumption::Consumed(found) => {
                assert_eq!(*found, challenge());
                won += 1;
            }
            Consumption::Replayed => {}
            Consumption::Unknown => panic!("the nonce was remembered"),
        }
    }
    assert_eq!(won, 1);
}

async fn an_unknown_nonce_is_told_from_a_replayed_one(databases: Databases) {
    let unknown = change!(databases.one, |tx| challenge::consume(tx, &[5; 32], NOW).await?);
    assert_eq!(unknown, Consumption::Unknown);
    change!(databases.one, |tx| challenge::remember(tx, &challenge()).await?);
    let mut reader = databases.one.read();
    let since = NOW - Duration::minutes(1);
    assert_eq!(challenge::unanswered(&mut reader, &[2; 32], since).await.unwrap(), 1);
    // An expired one is consumed too, and a second try is a replay.
    let late = NOW + Duration::minutes(5);
    let first = change!(databases.one, |tx| challenge::consume(tx, &[1; 32], late).await?);
    assert!(matches!(first, Consumption::Consumed(_)));
    let second = change!(databases.two, |tx| challenge::consume(tx, &[1; 32], late).await?);
    assert_eq!(second, Consumption::Replayed);
    assert_eq!(challenge::unanswered(&mut reader, &[2; 32], since).await.unwrap(), 0);
}

async fn an_invitation_is_redeemed_by_exactly_one_of_many(databases: Databases) {
    let id = invite(&databases.one, NOW + Duration::days(7)).await;
    assert!(matches!(enter(&databases.one, &CODE, FACILITY, NOW).await, Entered::Held(_)));
    let person_id = card_holder(&databases.one).await;
    let outcomes = race(&databases, |_, store| {
        let (id, person_id) = (id.clone(), person_id.clone());
        async move {
            change!(store, |tx| {
                invitation::redeem(tx, &id, FACILITY, &BROWSER, &person_id, NOW).await?
            })
        }
    })
    .await;
    assert_eq!(outcomes.into_iter().flatten().count(), 1);
    assert_eq!(enter(&databases.one, &CODE, FACILITY, NOW).await, Entered::Redeemed { id });
}

async fn five_mistyped_codes_close_an_invitation(databases: Databases) {
    let id = invite(&databases.one, NOW + Duration::days(7)).await;
    for _ in 0..5 {
        assert_eq!(enter(&databases.one, &[8; 32], FACILITY, NOW).await, Entered::Unknown);
    }
    assert_eq!(enter(&databases.one, &CODE, FACILITY, NOW).await, Entered::Overused { id });
    let mut reader = databases.one.read();
    assert_eq!(invitation::held(&mut reader, &BROWSER, FACILITY, NOW).await.unwrap(), None);
}

async fn mistyped_codes_neither_end_a_hold_nor_count_where_it_is(databases: Databases) {
    let id = invite(&databases.one, NOW + Duration::days(7)).await;
    assert!(matches!(enter(&databases.one, &CODE, FACILITY, NOW).await, Entered::Held(_)));
    let tries = async || {
        let open = invitation::open(&mut databases.one.read(), FACILITY, 9).await.unwrap();
        open[0].tries_left
    };
    assert_eq!(enter(&databases.one, &[8; 32], FACILITY, NOW).await, Entered::Unknown);
    assert_eq!(tries().await, 5);
    // Elsewhere they count, and close the code; the hold lasts.
    for _ in 0..6 {
        change!(databases.one, |tx| {
            invitation::enter(tx, &[8; 32], "ABCD", FACILITY, &[1; 32], NOW, NOW).await?
        });
    }
    assert_eq!(tries().await, 0);
    let person_id = card_holder(&databases.one).await;
    let held = invitation::held(&mut databases.one.read(), &BROWSER, FACILITY, NOW).await.unwrap();
    assert_eq!(held.unwrap().id, id);
    let redeemed = change!(databases.one, |tx| {
        invitation::redeem(tx, &id, FACILITY, &BROWSER, &person_id, NOW).await?
    });
    assert_eq!(redeemed.unwrap().id, id);
}

async fn a_code_at_another_facility_is_refused_and_costs_a_try(databases: Databases) {
    let id = invite(&databases.one, NOW + Duration::days(7)).await;
    let entered = enter(&databases.one, &CODE, OTHER_FACILITY, NOW).await;
    assert_eq!(entered, Entered::OtherOrganisation { id: id.clone() });
    let mut reader = databases.one.read();
    assert_eq!(invitation::open(&mut reader, FACILITY, 9).await.unwrap()[0].tries_left, 4);
    assert!(invitation::open(&mut reader, OTHER_FACILITY, 9).await.unwrap().is_empty());
    // Held at the right facility, it is still not redeemed at the other.
    enter(&databases.one, &CODE, FACILITY, NOW).await;
    let redeemed = change!(databases.one, |tx| {
        invitation::redeem(tx, &id, OTHER_FACILITY, &BROWSER, "p", NOW).await?
    });
    assert_eq!(redeemed, None);
}

async fn expired_withdrawn_and_unheld_invitations_are_not_redeemed(databases: Databases) {
    let id = invite(&databases.one, NOW + Duration::minutes(5)).await;
    let person_id = card_holder(&databases.one).await;
    let redeem = async |at: OffsetDateTime, browser: [u8; 32]| {
        change!(databases.one, |tx| {
            invitation::redeem(tx, &id, FACILITY, &browser, &person_id, at).await?
        })
    };
    assert_eq!(redeem(NOW, BROWSER).await, None, "nobody entered the code");
    enter(&databases.one, &CODE, FACILITY, NOW).await;
    assert_eq!(redeem(NOW, [1; 32]).await, None, "another browser");
    assert_eq!(redeem(NOW + Duration::minutes(6), BROWSER).await, None, "expired");
    assert_eq!(
        enter(&databases.one, &CODE, FACILITY, NOW + Duration::minutes(6)).await,
        Entered::Expired { id: id.clone() }
    );
    let withdraw = async |facility| {
        change!(databases.one, |tx| invitation::withdraw(tx, &id, facility, NOW).await?)
    };
    assert!(!withdraw(OTHER_FACILITY).await);
    assert!(withdraw(FACILITY).await);
    assert!(!withdraw(FACILITY).await);
    assert_eq!(redeem(NOW, BROWSER).await, None, "withdrawn");
    assert_eq!(
        enter(&databases.one, &CODE, FACILITY, NOW).await,
        Entered::Withdrawn { id: id.clone() }
    );
}

async fn a_claim_is_decided_once_and_only_by_its_own_facility(databases: Databases) {
    let invitation_id = invite(&databases.one, NOW + Duration::days(7)).await;
    let person_id = card_holder(&databases.one).await;
    let terminal_id = format!("T{FACILITY}");
    let seen_roles = ["Pharmacist".to_owned()];
    let claim_id = change!(databases.one, |tx| {
        let claim = NewClaim {
            invitation_id: &invitation_id,
            person_id: &person_id,
            terminal_id: &terminal_id,
            seen_name: "山田　次郎",
            seen_roles: &seen_roles,
            mismatch: Mismatch::Both,
            at: NOW,
        };
        invitation::claim(tx, claim).await?
    });
    let mut reader = databases.one.read();
    let pending = invitation::pending_claims(&mut reader, FACILITY, 9).await.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].seen_roles, seen_roles);
    assert_eq!(pending[0].expected_role, "Medical Doctor");
    assert!(invitation::has_pending_claim(&mut reader, &person_id, FACILITY).await.unwrap());
    assert!(invitation::pending_claims(&mut reader, OTHER_FACILITY, 9).await.unwrap().is_empty());
    let decide = async |facility, decision| {
        change!(databases.one, |tx| {
            invitation::decide(tx, &claim_id, facility, decision, "admin", NOW).await?
        })
    };
    assert_eq!(decide(OTHER_FACILITY, ClaimDecision::Accepted).await, None);
    assert_eq!(decide(FACILITY, ClaimDecision::Refused).await, Some(person_id.clone()));
    assert_eq!(decide(FACILITY, ClaimDecision::Accepted).await, None);
    assert!(!invitation::has_pending_claim(&mut reader, &person_id, FACILITY).await.unwrap());
}

async fn a_membership_ends_with_its_sessions_and_may_start_again(databases: Databases) {
    let person_id = card_holder(&databases.one).await;
    let membership_id = start(&databases.one, &person_id).await;
    assert_eq!(start(&databases.one, &person_id).await, membership_id);
    let by_card = open_session(&databases.one, 1, &person_id, &membership_id).await;
    // A later login by what names no profession, whose voucher had lapsed.
    let weaker = Session {
        id_hash: [2; 32],
        hc_roles: Vec::new(),
        acr: acr::PASSKEY.into(),
        created_at: NOW + Duration::HOUR,
        ..by_card
    };
    change!(databases.one, |tx| session::open(tx, &weaker).await?);
    let elsewhere = change!(databases.one, |tx| {
        membership::end(tx, &membership_id, OTHER_FACILITY, "admin", "left", NOW).await?
    });
    assert_eq!(elsewhere, None);
    let (whose, ended) = change!(databases.one, |tx| {
        let whose = membership::end(tx, &membership_id, FACILITY, "admin", "left", NOW).await?;
        (whose, session::end_of_membership(tx, &membership_id, "membership_ended", NOW).await?)
    });
    assert_eq!(whose, Some(person_id.clone()));
    assert_eq!(ended.len(), 2);
    let mut reader = databases.one.read();
    let in_force = membership::in_force(&mut reader, &person_id, FACILITY).await.unwrap();
    assert_eq!(in_force, None);
    let listed = membership::list(&mut reader, FACILITY, 9).await.unwrap();
    assert!(!listed[0].in_force);
    assert_eq!(listed[0].hc_roles, ["Medical Doctor", "Wizard"]);
    let again = change!(databases.one, |tx| {
        let at = NOW + Duration::days(1);
        membership::start(tx, &person_id, FACILITY, Some("admin"), "back", at).await?
    });
    assert_eq!(again, membership_id);
    let in_force = membership::in_force(&mut reader, &person_id, FACILITY).await.unwrap();
    assert_eq!(in_force.unwrap().since, NOW + Duration::days(1));
}

async fn a_session_ends_once_and_says_why(databases: Databases) {
    let person_id = card_holder(&databases.one).await;
    let membership_id = start(&databases.one, &person_id).await;
    let opened = open_session(&databases.one, 1, &person_id, &membership_id).await;
    let mut reader = databases.one.read();
    let found = session::find(&mut reader, Realm::Portal, &[1; 32]).await.unwrap();
    assert_eq!(found, Some(opened));
    // Neither realm's cookie opens the other's doors.
    assert_eq!(session::find(&mut reader, Realm::Console, &[1; 32]).await.unwrap(), None);
    let end =
        async |reason| change!(databases.one, |tx| session::end(tx, &[1; 32], reason, NOW).await?);
    assert!(end("logout").await.is_some());
    assert!(end("other").await.is_none());
    let found = session::find(&mut reader, Realm::Portal, &[1; 32]).await.unwrap().unwrap();
    assert_eq!(found.ended, Some((NOW, "logout".to_owned())));
}

async fn a_renewed_session_keeps_its_name_and_answers_to_the_new_cookie_only(databases: Databases) {
    let person_id = card_holder(&databases.one).await;
    let membership_id = start(&databases.one, &person_id).await;
    let opened = open_session(&databases.one, 1, &person_id, &membership_id).await;
    assert!(
        databases.one.note_presence(&format!("T{FACILITY}"), "presence", 9, NOW).await.unwrap()
    );
    change!(databases.one, |tx| presence::lock(tx, &[1; 32], NOW).await?);
    let later = NOW + Duration::hours(1);
    let by = |cookie: u8| Session {
        id_hash: [cookie; 32],
        auth_time: later,
        last_seen_at: later,
        expires_at: later + Duration::hours(8),
        ..opened.clone()
    };
    for cookie in [2, 3] {
        assert!(change!(databases.one, |tx| session::renew(tx, &[1; 32], &by(cookie)).await?));
    }
    let mut reader = databases.one.read();
    let found = session::find(&mut reader, Realm::Portal, &[1; 32]).await.unwrap();
    let expected = Session { id_hash: [1; 32], created_at: opened.created_at, ..by(3) };
    assert_eq!(found, Some(expected.clone()));
    for (cookie, opens) in [(1, None), (2, None), (3, Some(expected))] {
        let found = session::find_by_cookie(&mut reader, Realm::Portal, &[cookie; 32]).await;
        assert_eq!(found.unwrap(), opens, "{cookie}");
    }
    let found = session::find_by_cookie(&mut reader, Realm::Console, &[3; 32]).await.unwrap();
    assert_eq!(found, None);
    // The agent's reports begin anew with the card's next insertion.
    assert!(
        databases.one.note_presence(&format!("T{FACILITY}"), "presence", 1, NOW).await.unwrap()
    );
}

async fn only_the_same_person_place_and_membership_renew_a_live_session(databases: Databases) {
    let person_id = card_holder(&databases.one).await;
    let membership_id = start(&databases.one, &person_id).await;
    let opened = open_session(&databases.one, 1, &person_id, &membership_id).await;
    let at = opened.at_terminal.clone().unwrap();
    let by = Session { id_hash: [2; 32], ..opened.clone() };
    let elsewhere = AtTerminal { fingerprint: [99; 32], ..at.clone() };
    let otherwise = AtTerminal { ground: Ground::Membership("another".into()), ..at.clone() };
    let visiting = AtTerminal { ground: Ground::Emergency, ..at };
    for stranger in [
        Session { person_id: "another".into(), ..by.clone() },
        Session { at_terminal: Some(elsewhere), ..by.clone() },
        Session { at_terminal: Some(otherwise), ..by.clone() },
        Session { at_terminal: Some(visiting), ..by.clone() },
        Session { at_terminal: None, ..by.clone() },
        Session { realm: Realm::Console, ..by.clone() },
        Session { auth_time: opened.expires_at, ..by.clone() },
    ] {
        let renewed = change!(databases.one, |tx| session::renew(tx, &[1; 32], &stranger).await?);
        assert!(!renewed, "{stranger:?}");
    }
    assert!(!change!(databases.one, |tx| session::renew(tx, &[7; 32], &by).await?), "unknown");
    change!(databases.one, |tx| session::end(tx, &[1; 32], "logout", NOW).await?);
    assert!(!change!(databases.one, |tx| session::renew(tx, &[1; 32], &by).await?), "ended");
    let mut reader = databases.one.read();
    let found = session::find_by_cookie(&mut reader, Realm::Portal, &[1; 32]).await.unwrap();
    assert_eq!(found.unwrap().auth_time, opened.auth_time);
}

async fn two_logins_at_once_leave_one_cookie_that_opens(databases: Databases) {
    let person_id = card_holder(&databases.one).await;
    let membership_id = start(&databases.one, &person_id).await;
    let opened = open_session(&databases.one, 1, &person_id, &membership_id).await;
    let renew = async |store: &Store, cookie: u8| {
        let by = Session { id_hash: [cookie; 32], ..opened.clone() };
        change!(store, |tx| session::renew(tx, &[1; 32], &by).await?)
    };
    let both = tokio::join!(renew(&databases.one, 2), renew(&databases.two, 3));
    assert_eq!(both, (true, true));
    let mut open = 0;
    for cookie in [1, 2, 3] {
        let mut reader = databases.one.read();
        let found = session::find_by_cookie(&mut reader, Realm::Portal, &[cookie; 32]).await;
        open += usize::from(found.unwrap().is_some());
    }
    assert_eq!(open, 1);
}

async fn a_late_presence_report_does_not_undo_a_newer_one(databases: Databases) {
    let person_id = card_holder(&databases.one).await;
    let membership_id = start(&databases.one, &person_id).await;
    open_session(&databases.one, 1, &person_id, &membership_id).await;
    let terminal = format!("T{FACILITY}");
    let report = async |terminal: &str, sequence| {
        databases.one.note_presence(terminal, "presence", sequence, NOW).await.unwrap()
    };
    assert!(report(&terminal, 2).await);
    assert!(!report(&terminal, 1).await);
    assert!(!report(&terminal, 2).await);
    assert!(report(&terminal, 3).await);
    assert!(!report("T-of-somebody-else", 9).await);
}

async fn silence_and_limits_are_found(databases: Databases) {
    let person_id = card_holder(&databases.one).await;
    let membership_id = start(&databases.one, &person_id).await;
    open_session(&databases.one, 1, &person_id, &membership_id).await;
    let mut reader = databases.one.read();
    let before = NOW - Duration::seconds(1);
    assert!(presence::silent(&mut reader, before, 9).await.unwrap().is_empty());
    assert_eq!(presence::silent(&mut reader, NOW, 9).await.unwrap().len(), 1);
    let overdue = async |idle_since, at| {
        let mut reader = databases.one.read();
        session::overdue(&mut reader, Realm::Portal, idle_since, at, 9).await.unwrap().len()
    };
    assert_eq!(overdue(before, NOW).await, 0);
    assert_eq!(overdue(NOW, NOW).await, 1, "idle");
    assert_eq!(overdue(before, NOW + Duration::hours(8)).await, 1, "absolute");
    databases.one.note_activity(&[1; 32], NOW + Duration::minutes(2)).await.unwrap();
    assert_eq!(overdue(NOW, NOW).await, 0);
    assert!(change!(databases.one, |tx| presence::lock(tx, &[1; 32], NOW).await?));
    assert!(!change!(databases.one, |tx| presence::lock(tx, &[1; 32], NOW).await?));
    assert!(presence::silent(&mut reader, NOW, 9).await.unwrap().is_empty());
}

async fn a_renewed_certificate_is_noted_as_one(databases: Databases) {
    card_holder(&databases.one).await;
    let mut reader = databases.one.read();
    let identity = card::find(&mut reader, subject()).await.unwrap().unwrap();
    let stranger = CardSubject { serial_number: "Test2", ..subject() };
    assert_eq!(card::find(&mut reader, stranger).await.unwrap(), None);
    let note = async |fingerprint: [u8; 32]| {
        change!(databases.one, |tx| {
            let certificate =
                CardCertificate { fingerprint: &fingerprint, der: &[0x30], not_after: NOW };
            card::note_certificate(tx, &identity.id, certificate, NOW).await?
        })
    };
    assert_eq!(note([1; 32]).await, FirstSeen::FirstOfCard);
    assert_eq!(note([1; 32]).await, FirstSeen::No);
    assert_eq!(note([2; 32]).await, FirstSeen::Renewal);
    let der = card::certificate_der(&mut reader, &[2; 32]).await.unwrap();
    assert_eq!(der.as_deref(), Some([0x30].as_slice()));
    assert_eq!(card::certificate_der(&mut reader, &[3; 32]).await.unwrap(), None);
    let names = person::name(&mut reader, &identity.person_id).await.unwrap().unwrap();
    assert_eq!((names.name.as_str(), names.name_romaji.as_str()), ("山田　太郎", "YAMADA TARO"));
    let id = identity.person_id.as_str();
    let take_on = async |name: &str, romaji: &str| {
        change!(databases.one, |tx| person::take_on_names(tx, id, name, romaji).await?)
    };
    assert_eq!(take_on("山田　太郎", "YAMADA TARO").await, None);
    assert_eq!(take_on("山田　太郎", "YAMADA TAROU").await, Some(names.clone()));
    let respelt = person::name(&mut reader, id).await.unwrap().unwrap();
    assert_eq!(
        (&respelt.name_kana, respelt.name_romaji.as_str()),
        (&names.name_kana, "YAMADA TAROU")
    );
    assert_eq!(take_on("高橋　太郎", "TAKAHASHI TARO").await, Some(respelt));
    let renamed = person::name(&mut reader, id).await.unwrap().unwrap();
    assert_eq!((renamed.name.as_str(), renamed.name_kana.as_str()), ("高橋　太郎", ""));
    let take_on_kana = async |id: &str, kana: &str| {
        change!(databases.one, |tx| person::take_on_kana(tx, id, kana).await?)
    };
    assert!(take_on_kana(id, "タカハシ タロウ").await);
    assert!(!take_on_kana(id, "タカバシ タロウ").await, "somebody told it");
    assert!(!take_on_kana("nobody", "ダレデモナイ").await);
    let told = person::name(&mut reader, id).await.unwrap().unwrap();
    assert_eq!((told.name.as_str(), told.name_kana.as_str()), ("高橋　太郎", "タカハシ タロウ"));
    let again = attempt!(databases.two, |tx| {
        let names = PersonNames { name: "n", name_kana: "", name_romaji: "" };
        card::enter_person(tx, subject(), names, World::Real, NOW).await?
    });
    assert!(matches!(again, Err(sekisho_store::StoreError::AlreadyExists { .. })));
    // Nothing of the refused transaction stayed, its record included.
    let records = audit::list(&mut reader, "", None, 1000).await.unwrap().len();
    assert_eq!(records, 2 + 1 + 3 + 3 + 3);
}

async fn each_facility_has_its_own_card_removal_policy(databases: Databases) {
    let mut reader = databases.one.read();
    assert_eq!(facility_policy::chosen::<CardRemoval>(&mut reader, FACILITY).await.unwrap(), None);
    for policy in [CardRemoval::Lock, CardRemoval::Keep] {
        change!(databases.one, |tx| {
            facility_policy::choose(tx, FACILITY, policy, "admin", NOW).await?
        });
        assert_eq!(facility_policy::chosen(&mut reader, FACILITY).await.unwrap(), Some(policy));
    }
    assert_eq!(
        facility_policy::chosen::<CardRemoval>(&mut reader, OTHER_FACILITY).await.unwrap(),
        None
    );
}

async fn the_sessions_of_cards_are_found_by_certificate(databases: Databases) {
    let store = &databases.one;
    let person_id = card_holder(store).await;
    let membership_id = start(store, &person_id).await;
    let identity = card::find(&mut store.read(), subject()).await.unwrap().unwrap();
    let open = async |session: u8, fingerprint: u8, not_after, acr: &str| {
        let evidence = Evidence {
            at: NOW,
            card_fingerprint: [fingerprint; 32],
            terminal_fingerprint: [2; 32],
            request_jws: "a.b.c".into(),
            signed_input: vec![0],
            algorithm: "RS256".into(),
            signature: vec![3],
            page_proof: "d.e.f".into(),
        };
        open_session(store, session, &person_id, &membership_id).await;
        change!(store, |tx| {
            let fingerprint = &evidence.card_fingerprint;
            let certificate = CardCertificate { fingerprint, der: &[0x30], not_after };
            card::note_certificate(tx, &identity.id, certificate, NOW).await?;
            let id = evidence::keep(tx, &evidence).await?;
            let proved = sql("UPDATE session SET evidence_id = $1, acr = $2 WHERE id_hash = $3");
            tx.execute(proved.bind(&id).bind(acr).bind([session; 32])).await?;
        });
    };
    let later = NOW + Duration::hours(1);
    open(11, 7, later, acr::HPKI_CARD).await;
    open(12, 6, NOW, acr::HPKI_CARD).await;
    open(13, 7, later, acr::HPKI_CARD).await;
    open(14, 7, later, acr::PASSKEY).await;
    open(15, 6, NOW, acr::HPKI_CARD).await;
    open_session(store, 16, &person_id, &membership_id).await;
    change!(store, |tx| session::end(tx, &[15; 32], "logout", NOW).await?);
    let mut reader = databases.two.read();
    let mut found = async |over_by| {
        let all = session::proved_by_card(&mut reader, acr::HPKI_CARD, over_by).await.unwrap();
        let pairs = all.iter().map(|one| (one.card_fingerprint[0], one.session.id_hash[0]));
        let mut pairs: Vec<_> = pairs.collect();
        assert!(pairs.is_sorted_by_key(|(card, _)| *card), "{pairs:?}");
        pairs.sort_unstable();
        pairs
    };
    assert_eq!(found(None).await, [(6, 12), (7, 11), (7, 13)]);
    assert_eq!(found(Some(NOW - Duration::SECOND)).await, []);
    assert_eq!(found(Some(NOW)).await, [(6, 12)]);
    assert_eq!(found(Some(later)).await, [(6, 12), (7, 11), (7, 13)]);
    // What was judged is ended; what another card proved meanwhile is not.
    let all = session::proved_by_card(&mut reader, acr::HPKI_CARD, None).await.unwrap();
    let proved = |number| all.iter().find(|one| one.session.id_hash == [number; 32]).unwrap();
    change!(store, |tx| {
        tx.execute(
            sql("UPDATE session SET evidence_id = (SELECT evidence_id FROM session WHERE id_hash = $1)
                 WHERE id_hash = $2")
            .bind([12; 32])
            .bind([11; 32]),
        )
        .await?
    });
    for (number, ends) in [(11, false), (13, true), (13, false)] {
        let ended = change!(store, |tx| session::end_of_card(tx, proved(number), "r", NOW).await?);
        assert_eq!(ended.is_some(), ends, "{number}");
    }
}

async fn a_login_reads_back_as_it_was_proven(databases: Databases) {
    let proven = Evidence {
        at: NOW,
        card_fingerprint: [1; 32],
        terminal_fingerprint: [2; 32],
        request_jws: "a.b.c".into(),
        signed_input: vec![0, 1, 255],
        algorithm: "RS256".into(),
        signature: vec![3; 256],
        page_proof: "d.e.f".into(),
    };
    let id = change!(databases.one, |tx| evidence::keep(tx, &proven).await?);
    let mut reader = databases.two.read();
    assert_eq!(card::of_evidence(&mut reader, &id).await.unwrap(), None, "no such card");
    card_holder(&databases.one).await;
    let identity = card::find(&mut reader, subject()).await.unwrap().unwrap();
    change!(databases.one, |tx| {
        let certificate = CardCertificate { fingerprint: &[1; 32], der: &[0x30], not_after: NOW };
        card::note_certificate(tx, &identity.id, certificate, NOW).await?
    });
    let card = card::of_evidence(&mut reader, &id).await.unwrap();
    assert_eq!(card, Some(([3; 32], "Test1".to_owned())));
    let proving = card::certificate_of_evidence(&mut reader, &id).await.unwrap();
    let expected = ProvingCertificate { fingerprint: [1; 32], der: vec![0x30] };
    assert_eq!(proving, Some(expected));
    assert_eq!(card::certificate_of_evidence(&mut reader, "another").await.unwrap(), None);
    assert_eq!(evidence::find(&mut reader, &id).await.unwrap(), Some(proven));
    assert_eq!(evidence::find(&mut reader, "another").await.unwrap(), None);
}

async fn sessions_end_together_with_what_they_hang_on(databases: Databases) {
    let store = &databases.one;
    let person_id = card_holder(store).await;
    let membership_id = start(store, &person_id).await;
    let terminal = format!("T{FACILITY}");
    let live = async |id: u8| {
        let found = session::find(&mut databases.two.read(), Realm::Portal, &[id; 32]).await;
        found.unwrap().unwrap().ended.map(|(_, why)| why)
    };
    open_session(store, 1, &person_id, &membership_id).await;
    let none = change!(store, |tx| session::end_of_terminal(tx, "T-other", "x", NOW).await?);
    assert!(none.is_empty());
    let of_others = async |fingerprint| {
        change!(store, |tx| {
            session::end_of_other_certificates(tx, &terminal, &fingerprint, "renewed", NOW).await?
        })
    };
    assert!(of_others([2; 32]).await.is_empty(), "it was opened with this one");
    assert_eq!(of_others([3; 32]).await.len(), 1);
    assert_eq!(live(1).await.as_deref(), Some("renewed"));
    open_session(store, 4, &person_id, &membership_id).await;
    let ended = change!(store, |tx| {
        session::end_of_terminal(tx, &terminal, "terminal_revoked", NOW).await?
    });
    assert_eq!((ended.len(), ended[0].terminal_id.as_ref()), (1, Some(&terminal)));
    assert_eq!(live(4).await.as_deref(), Some("terminal_revoked"));

    open_session(store, 2, &person_id, &membership_id).await;
    let none =
        change!(store, |tx| { session::end_of_organisation(tx, OTHER_FACILITY, "x", NOW).await? });
    assert!(none.is_empty());
    let ended = change!(store, |tx| {
        session::end_of_organisation(tx, FACILITY, "organisation_suspended", NOW).await?
    });
    // The one that ended before is not ended again.
    assert_eq!((ended.len(), ended[0].id_hash), (1, [2; 32]));
    assert_eq!(live(4).await.as_deref(), Some("terminal_revoked"));

    open_session(store, 3, &person_id, &membership_id).await;
    let none = change!(store, |tx| {
        session::end_of_person(tx, Realm::Console, &person_id, "x", NOW).await?
    });
    assert!(none.is_empty(), "a session of another realm stays");
    let ended = change!(store, |tx| {
        session::end_of_person(tx, Realm::Portal, &person_id, "x", NOW).await?
    });
    assert_eq!((ended.len(), ended[0].person_id.as_str()), (1, person_id.as_str()));
}

async fn the_sessions_of_a_card_are_found_until_they_are_locked_or_let_go(databases: Databases) {
    let store = &databases.one;
    let person_id = card_holder(store).await;
    let membership_id = start(store, &person_id).await;
    let terminal = format!("T{FACILITY}");
    for id in [1, 2] {
        open_session(store, id, &person_id, &membership_id).await;
    }
    let found = async |terminal: &str, presence: &str| {
        let mut reader = databases.two.read();
        presence::of_presence(&mut reader, terminal, presence).await.unwrap().len()
    };
    assert_eq!(found(&terminal, "presence").await, 2);
    assert_eq!((found(&terminal, "other").await, found("T-other", "presence").await), (0, 0));
    change!(store, |tx| presence::lock(tx, &[1; 32], NOW).await?);
    assert_eq!(found(&terminal, "presence").await, 1);
    assert!(store.note_presence(&terminal, "presence", 7, NOW).await.unwrap());
    let by = |presence_id, sequence| Gone::Reported { presence_id, sequence };
    for (id, gone, still) in [
        (2, by("presence", 7), true),
        (2, by("presence", 6), false),
        (2, by("other", 7), false),
        (1, by("presence", 7), false),
        (2, Gone::SilentSince(NOW), true),
        (2, Gone::SilentSince(NOW - Duration::seconds(1)), false),
        (1, Gone::SilentSince(NOW), false),
    ] {
        let found = change!(store, |tx| presence::is_still_gone(tx, &[id; 32], gone).await?);
        assert_eq!(found, still, "{id} {gone:?}");
    }
    change!(store, |tx| presence::forget_presence(tx, &[2; 32]).await?);
    assert_eq!(found(&terminal, "presence").await, 0);
}
