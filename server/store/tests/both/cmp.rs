//! CMP: codes that lie sealed beside their hashes, and transactions that count once.

use sekisho_store::{
    cmp_secret::{self, CmpSecret},
    cmp_transaction::{self, CmpTransaction},
    enrolment_code::{self, NewCode},
    expiry::Expiring,
};
use time::Duration;

use crate::{NOW, TERMINAL, count, databases::Databases, once::prepared, race};

on_both! { prepared:
    a_code_lies_sealed_until_it_is_withdrawn_or_long_used
    a_transaction_begins_once_by_identifier_and_by_nonce
    what_was_not_confirmed_in_time_is_found_and_ends_once
    a_wrong_code_costs_the_live_ones_a_try
}

fn secret(number: u8) -> CmpSecret {
    CmpSecret { code_hash: [number; 32], sealed_code: vec![number; 40] }
}

async fn with_code(databases: &Databases, number: u8) {
    change!(databases.one, |tx| {
        let kept = NewCode {
            code_hash: &[number; 32],
            terminal_id: TERMINAL,
            tries: 2,
            person_id: "p",
            created_at: NOW + Duration::seconds(number.into()),
            expires_at: NOW + Duration::DAY,
            needs_approval: false,
        };
        enrolment_code::issue(tx, kept).await?;
        cmp_secret::keep(tx, &secret(number), TERMINAL, NOW + Duration::DAY).await?;
    });
}

async fn a_code_lies_sealed_until_it_is_withdrawn_or_long_used(databases: Databases) {
    let found = async |used_since| {
        cmp_secret::of_terminal(&mut databases.two.read(), TERMINAL, used_since).await.unwrap()
    };
    with_code(&databases, 101).await;
    assert_eq!(found(NOW).await, [secret(101)]);
    // The next one takes its place, and it is gone.
    with_code(&databases, 102).await;
    assert_eq!(found(NOW).await, [secret(102)]);
    let forget = async |before| {
        databases.one.forget_expired(Expiring::CmpSecrets, before, 100).await.unwrap()
    };
    change!(databases.one, |tx| {
        let attempt = enrolment_code::Attempt {
            terminal_id: TERMINAL,
            code_hash: &[102; 32],
            spki_sha256: &[9; 32],
            at: NOW + Duration::HOUR,
        };
        let policy = enrolment_code::ClaimPolicy {
            same_key_grace: Duration::HOUR,
            issuance_limit: Duration::SECOND,
        };
        enrolment_code::claim(tx, attempt, policy).await?
    });
    assert_eq!(found(NOW + Duration::HOUR).await, [secret(102)]);
    assert_eq!(found(NOW + Duration::HOUR * 2).await, []);
    assert_eq!(forget(NOW + Duration::HOUR).await, 0);
    assert_eq!(forget(NOW + Duration::HOUR * 2).await, 1, "used, it does not wait for its end");
}

async fn a_wrong_code_costs_the_live_ones_a_try(databases: Databases) {
    with_code(&databases, 103).await;
    let left = async || {
        let state = enrolment_code::latest(&mut databases.two.read(), TERMINAL).await.unwrap();
        state.unwrap().tries_left
    };
    for expected in [2, 1, 0, 0] {
        assert_eq!(left().await, expected);
        change!(databases.one, |tx| enrolment_code::count_wrong(tx, TERMINAL, NOW).await?);
    }
}

fn transaction(id: u8, nonce: u8, key: u8) -> CmpTransaction {
    CmpTransaction {
        terminal_id: TERMINAL.into(),
        transaction_id: vec![id; 16],
        sender_nonce: vec![nonce; 16],
        message_sha256: [id; 32],
        began_by: [id; 32],
        spki_sha256: Some([key; 32]),
        answer: None,
        answer_nonce: None,
        certificate: None,
        begun_at: NOW,
        confirm_by: Some(NOW + Duration::HOUR),
        ended_at: None,
        expires_at: NOW + Duration::DAY,
    }
}

async fn a_transaction_begins_once_by_identifier_and_by_nonce(databases: Databases) {
    let begun = race(&databases, |number, store| async move {
        // Each shares identifier or nonce with each other.
        let mine = transaction(1, 1, number);
        change!(store, |tx| cmp_transaction::begin(tx, &mine).await?)
    })
    .await;
    assert_eq!(count(&begun, |begun| *begun), 1, "{begun:?}");
    let again = transaction(2, 7, 7);
    assert!(change!(databases.one, |tx| cmp_transaction::begin(tx, &again).await?));
    for other in [transaction(2, 8, 8), transaction(3, 7, 8)] {
        assert!(!change!(databases.two, |tx| cmp_transaction::begin(tx, &other).await?));
    }
    let found = cmp_transaction::find(&mut databases.two.read(), TERMINAL, &[2; 16]).await.unwrap();
    assert_eq!(found, Some(again));
    let forget = async |before| {
        databases.one.forget_expired(Expiring::CmpTransactions, before, 100).await.unwrap()
    };
    assert_eq!(forget(NOW + Duration::DAY).await, 0);
    assert_eq!(forget(NOW + Duration::DAY + Duration::SECOND).await, 2);
}

async fn what_was_not_confirmed_in_time_is_found_and_ends_once(databases: Databases) {
    let (first, second) = (transaction(1, 1, 1), transaction(2, 2, 2));
    change!(databases.one, |tx| {
        cmp_transaction::begin(tx, &first).await?;
        cmp_transaction::begin(tx, &second).await?;
    });
    let answered = CmpTransaction {
        answer: Some(vec![1]),
        answer_nonce: Some(vec![2]),
        certificate: Some(("terminals".into(), vec![3])),
        ..first.clone()
    };
    for is_first in [true, false] {
        let noted = change!(databases.two, |tx| {
            cmp_transaction::answered(tx, &answered, false, NOW).await?
        });
        assert_eq!(noted, is_first);
    }
    // At a poll the same certificate may be told once more, no other one.
    let other = Some(("terminals".to_owned(), vec![9]));
    for (certificate, again) in [(answered.certificate.clone(), true), (other, false)] {
        let anew = CmpTransaction { certificate, ..answered.clone() };
        let noted =
            change!(databases.two, |tx| cmp_transaction::answered(tx, &anew, true, NOW).await?);
        assert_eq!(noted, again);
    }
    let due =
        async |now| cmp_transaction::unconfirmed(&mut databases.two.read(), now, 10).await.unwrap();
    assert_eq!(due(NOW + Duration::HOUR).await, []);
    let after = NOW + Duration::HOUR + Duration::SECOND;
    assert_eq!(due(after).await.len(), 2);
    for is_first in [true, false] {
        let id = &first.transaction_id;
        let ended =
            change!(databases.one, |tx| cmp_transaction::end(tx, TERMINAL, id, NOW).await?);
        assert_eq!(ended, is_first);
    }
    assert_eq!(due(after).await, std::slice::from_ref(&second));
    // To ask anew for the same key ends nothing; to hear of the same certificate does.
    for (id, one) in [(4, 8), (5, 8)] {
        let begun = transaction(id, id, 2);
        assert!(change!(databases.one, |tx| cmp_transaction::begin(tx, &begun).await?));
        let answered = CmpTransaction {
            answer: Some(vec![id]),
            certificate: Some(("terminals".into(), vec![one])),
            ..begun
        };
        change!(databases.one, |tx| {
            cmp_transaction::answered(tx, &answered, false, NOW).await?
        });
    }
    let open: Vec<_> = due(after).await.into_iter().map(|open| open.transaction_id[0]).collect();
    assert_eq!(open, [2, 5]);
    change!(databases.one, |tx| cmp_transaction::end(tx, TERMINAL, &[5; 16], NOW).await?);
    change!(databases.one, |tx| {
        cmp_transaction::end(tx, TERMINAL, &second.transaction_id, NOW).await?
    });
    // One that waited for a person begins to wait for its confirmation; one that was answered does not.
    let later = NOW + Duration::DAY;
    for (id, reopens) in [(&second.transaction_id, true), (&first.transaction_id, false)] {
        let reopened =
            change!(databases.one, |tx| cmp_transaction::reopen(tx, TERMINAL, id, later).await?);
        assert_eq!(reopened, reopens);
    }
    assert_eq!(due(later + Duration::SECOND).await.len(), 1);
}
