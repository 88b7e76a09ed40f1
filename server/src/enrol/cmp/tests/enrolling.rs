//! Enrolment, confirmation, renewal, revocation and waiting.

use sekisho_pki::cmp::{BodyKind, FailInfo, PkiStatus, StatusInfo};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    current_certificate, replacement,
    revocation::Status,
    sql, transaction,
    waiting_enrolment::{self, Decision},
};
use time::Duration;
use x509_cert::name::Name;

use super::{
    client::{Client, sha256},
    scene::{code, send, with_cmp},
};
use crate::{
    enrol::{
        cmp::take_back_unconfirmed,
        est::tests::scene::{Ask, OTHER, TERMINAL, acts, certificates, csr, key},
    },
    paper_code::PaperCode,
};

#[tokio::test]
async fn a_pc_enrols_by_its_code_and_hears_the_same_answer_for_a_while() {
    let test = with_cmp().await;
    let (secret, key) = (code(&test, TERMINAL, false).await, key());
    let client = Client::of_code(TERMINAL, &secret);
    let message = client.request(BodyKind::Ir, (&key, &key), TERMINAL);
    let first = send(&test, &client, message.clone()).await;
    assert_eq!(first.kind, BodyKind::Ip);
    let der = first.certificate();
    test.clock.advance(Duration::minutes(14));
    let again = send(&test, &client, message.clone()).await;
    assert_eq!(again.octets, first.octets);
    // The transaction is another message's; the nonce is another transaction's.
    let other = client.request(BodyKind::Cr, (&key, &key), TERMINAL);
    send(&test, &client, other).await.is_refused(FailInfo::TransactionIdInUse, "used before");
    let moved = Client { transaction: [9; 16], ..client.clone() };
    let octets = moved.request(BodyKind::Ir, (&key, &key), TERMINAL);
    send(&test, &moved, octets).await.is_refused(FailInfo::TransactionIdInUse, "used before");
    test.clock.advance(Duration::minutes(2));
    let late = send(&test, &client, message).await;
    assert!(!late.is_granted(), "{late:?}");
    let kept = certificates(&test, TERMINAL).await;
    assert_eq!((kept.len(), kept[0].der == der, kept[0].status), (1, true, Status::Good));
    let acts = acts(&test).await;
    for act in ["terminal.cmp_begin", "terminal.enrol", "terminal.cmp_answer"] {
        assert_eq!(acts.iter().filter(|found| *found == act).count(), 1, "{act}: {acts:?}");
    }
    take_back_unconfirmed(&test.app).await.unwrap();
    assert_eq!(certificates(&test, TERMINAL).await[0].status, Status::Good, "it was implicit");
}

#[tokio::test]
async fn a_certificate_is_confirmed_by_its_hash_and_its_answers_nonce() {
    let test = with_cmp().await;
    let (secret, key) = (code(&test, TERMINAL, false).await, key());
    let client = Client::of_code(TERMINAL, &secret).explicit();
    let asked = client.request(BodyKind::Ir, (&key, &key), TERMINAL);
    let told = send(&test, &client, asked).await;
    let hash = sha256(&told.certificate());
    let wrong = client.confirm(&[0; 32], None, &told.nonce);
    send(&test, &client, wrong).await.is_refused(FailInfo::BadCertId, "certHash");
    let wrong = client.confirm(&hash, None, &[7; 16]);
    send(&test, &client, wrong).await.is_refused(FailInfo::BadRecipientNonce, "recipNonce");
    let good = client.confirm(&hash, None, &told.nonce);
    for _ in 0..2 {
        assert_eq!(send(&test, &client, good.clone()).await.kind, BodyKind::PkiConf);
    }
    // Whoever takes its word back comes too late.
    let refused = StatusInfo::plain(PkiStatus::Rejection);
    let reject = client.confirm(&hash, Some(refused), &told.nonce);
    send(&test, &client, reject).await.is_refused(FailInfo::BadRequest, "any more");
    test.clock.advance(Duration::HOUR);
    take_back_unconfirmed(&test.app).await.unwrap();
    assert_eq!(certificates(&test, TERMINAL).await[0].status, Status::Good);
}

#[tokio::test]
async fn what_is_rejected_or_not_confirmed_in_time_is_revoked() {
    let test = with_cmp().await;
    let asked = async |id: &str| {
        let (secret, key) = (code(&test, id, false).await, key());
        let client = Client::of_code(id, &secret).explicit();
        let message = client.request(BodyKind::Ir, (&key, &key), id);
        let told = send(&test, &client, message).await;
        (secret, told)
    };
    let (secret, told) = asked(TERMINAL).await;
    let client = Client::of_code(TERMINAL, &secret).explicit();
    let refused = StatusInfo::plain(PkiStatus::Rejection);
    let reject = client.confirm(&sha256(&told.certificate()), Some(refused), &told.nonce);
    assert_eq!(send(&test, &client, reject).await.kind, BodyKind::PkiConf);
    assert!(certificates(&test, TERMINAL).await[0].status.is_final());

    asked(OTHER).await.1.certificate();
    test.clock.advance(Duration::minutes(14));
    take_back_unconfirmed(&test.app).await.unwrap();
    assert_eq!(certificates(&test, OTHER).await[0].status, Status::Good);
    // As if the process had died before it noted what it had issued.
    let at = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        let lost = "UPDATE cmp_transaction SET answer = NULL, issuer_id = NULL, serial = NULL";
        tx.execute(sql(lost)).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    test.clock.advance(Duration::minutes(2));
    for _ in 0..2 {
        take_back_unconfirmed(&test.app).await.unwrap();
    }
    assert!(certificates(&test, OTHER).await[0].status.is_final());
    let acts = acts(&test).await;
    for act in ["terminal.cmp_reject", "terminal.cmp_unconfirmed"] {
        assert_eq!(acts.iter().filter(|found| *found == act).count(), 1, "{act}: {acts:?}");
    }
}

#[tokio::test]
async fn a_device_renews_and_revokes_by_its_own_certificate() {
    let test = with_cmp().await;
    let (mine, theirs) = (key(), key());
    let enrol = async |id: &str, key| {
        let client = Client::of_code(id, &code(&test, id, false).await);
        let message = client.request(BodyKind::Ir, (key, key), id);
        send(&test, &client, message).await.certificate()
    };
    let (old, others) = (enrol(TERMINAL, &mine).await, enrol(OTHER, &theirs).await);
    let (next, holder) = (key(), Client::of_certificate(&mine, &old));
    let message = holder.request(BodyKind::Kur, (&next, &next), TERMINAL);
    let told = send(&test, &holder, message).await;
    assert!(told.kind == BodyKind::Kup && told.is_protected);
    let new = told.certificate();
    assert_eq!(certificates(&test, TERMINAL).await.len(), 2);
    // Another's is none of its own.
    let holder = Client::of_certificate(&next, &new).in_transaction(20);
    let wrong = holder.revoke(&others, 1);
    send(&test, &holder, wrong).await.is_refused(FailInfo::BadCertId, "of this device");
    let hold = holder.revoke(&new, 6);
    send(&test, &holder, hold).await.is_refused(FailInfo::BadRequest, "reason");
    let revoke = holder.revoke(&new, 1);
    let told = send(&test, &holder, revoke.clone()).await;
    assert!(told.is_granted() && told.kind == BodyKind::Rp, "{told:?}");
    // The same once more hears the same; anything else by the revoked certificate does not count.
    assert_eq!(send(&test, &holder, revoke).await.octets, told.octets);
    let after = holder.clone().in_transaction(21);
    let asked = after.genm();
    send(&test, &after, asked).await.is_refused(FailInfo::SignerNotTrusted, "revoked");
    assert!(certificates(&test, TERMINAL).await.iter().all(|one| one.status.is_final()));
    assert_eq!(certificates(&test, OTHER).await[0].status, Status::Good);
}

#[tokio::test]
async fn a_request_waits_until_a_person_approves_its_key() {
    let test = with_cmp().await;
    let (secret, key) = (code(&test, TERMINAL, true).await, key());
    let client = Client::of_code(TERMINAL, &secret).explicit();
    let message = client.request(BodyKind::Ir, (&key, &key), TERMINAL);
    for _ in 0..2 {
        let told = send(&test, &client, message.clone()).await;
        assert!(told.kind == BodyKind::Ip && told.waits(), "{told:?}");
    }
    let poll = Client { nonce: [5; 16], ..client.clone() };
    assert_eq!(send(&test, &poll, poll.poll()).await.kind, BodyKind::PollRep);
    // Longer than a device has for its confirmation.
    test.clock.advance(Duration::HOUR);
    take_back_unconfirmed(&test.app).await.unwrap();
    assert!(certificates(&test, TERMINAL).await.is_empty());
    let at = test.app.now();
    let spki: [u8; 32] = {
        use sekisho_key::SigningKey;
        sha256(key.public_key_der()).try_into().unwrap()
    };
    transaction!(test.app.store(), StoreError, |tx| {
        let decision = Decision::Approve { until: at + Duration::DAY };
        assert!(waiting_enrolment::decide(tx, (TERMINAL, &spki), decision, "p", at).await?);
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    let poll = Client { nonce: [6; 16], ..client.clone() };
    let told = send(&test, &poll, poll.poll()).await;
    assert_eq!(told.kind, BodyKind::Ip);
    // The answer was lost: the same certificate, and this answer is the one to confirm.
    let poll = Client { nonce: [8; 16], ..client.clone() };
    let again = send(&test, &poll, poll.poll()).await;
    assert_eq!(again.certificate(), told.certificate());
    let told = again;
    let confirm = Client { nonce: [7; 16], ..client };
    let said = confirm.confirm(&sha256(&told.certificate()), None, &told.nonce);
    assert_eq!(send(&test, &confirm, said).await.kind, BodyKind::PkiConf);
    test.clock.advance(Duration::HOUR);
    take_back_unconfirmed(&test.app).await.unwrap();
    assert_eq!(certificates(&test, TERMINAL).await[0].status, Status::Good);
}

#[tokio::test]
async fn a_device_that_uses_what_it_renewed_to_keeps_it_though_its_word_was_lost() {
    let test = with_cmp().await;
    let (mine, next) = (key(), key());
    let client = Client::of_code(TERMINAL, &code(&test, TERMINAL, false).await);
    let message = client.request(BodyKind::Ir, (&mine, &mine), TERMINAL);
    let old = send(&test, &client, message).await.certificate();
    let holder = Client::of_certificate(&mine, &old).explicit();
    let message = holder.request(BodyKind::Kur, (&next, &next), TERMINAL);
    let told = send(&test, &holder, message).await;
    // Neither a code of the device nor its other certificate speaks for the one that asked.
    let unused = Client::of_code(TERMINAL, &code(&test, TERMINAL, false).await);
    for stranger in [unused, Client::of_certificate(&next, &told.certificate())] {
        let stranger = Client { transaction: holder.transaction, nonce: [77; 16], ..stranger };
        let refused = StatusInfo::plain(PkiStatus::Rejection);
        let reject = stranger.confirm(&sha256(&told.certificate()), Some(refused), &told.nonce);
        send(&test, &stranger, reject).await.is_refused(FailInfo::BadRequest, "to be confirmed");
    }
    let at = test.app.now();
    let new = certificates(&test, TERMINAL).await.into_iter().find(|one| one.der != old).unwrap();
    transaction!(test.app.store(), StoreError, |tx| {
        current_certificate::supersede_older(tx, &new.issuer_id, &new.serial, at).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    test.clock.advance(Duration::HOUR);
    take_back_unconfirmed(&test.app).await.unwrap();
    let all = certificates(&test, TERMINAL).await;
    assert!(all.iter().all(|one| one.status.is_final() == (one.der == old)), "{all:?}");
}

#[tokio::test]
async fn what_another_door_issued_for_a_key_that_was_refused_here_stays() {
    let test = with_cmp().await;
    let (secret, key) = (code(&test, TERMINAL, false).await, key());
    let client = Client::of_code(TERMINAL, &secret).explicit();
    let wrong = client.request(BodyKind::Ir, (&key, &key), "T0000000000");
    assert!(!send(&test, &client, wrong.clone()).await.is_granted());
    send(&test, &client, wrong).await.is_refused(FailInfo::TransactionIdInUse, "used before");
    let der = csr(&key, &Name::default());
    Ask::enrol(TERMINAL, &secret, &der).send(&test).await.certificate();
    test.clock.advance(Duration::HOUR);
    take_back_unconfirmed(&test.app).await.unwrap();
    assert_eq!(certificates(&test, TERMINAL).await[0].status, Status::Good);
}

#[tokio::test]
async fn a_new_pc_that_nobody_logged_in_at_does_not_end_the_other_ones_certificate() {
    let test = with_cmp().await;
    let (old_key, new_key) = (key(), key());
    let client = Client::of_code(TERMINAL, &code(&test, TERMINAL, false).await);
    let message = client.request(BodyKind::Ir, (&old_key, &old_key), TERMINAL);
    let old = send(&test, &client, message).await.certificate();
    let secret = code(&test, TERMINAL, false).await;
    let (hash, at) = (PaperCode::parse(&secret).unwrap().hash(), test.app.now());
    transaction!(test.app.store(), StoreError, |tx| {
        replacement::begin(tx, TERMINAL, &hash, "p", at).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    let client = Client::of_code(TERMINAL, &secret).in_transaction(40);
    let message = client.request(BodyKind::Ir, (&new_key, &new_key), TERMINAL);
    let new = send(&test, &client, message).await.certificate();
    let holder = Client::of_certificate(&new_key, &new).in_transaction(41);
    let revoke = holder.revoke(&old, 1);
    send(&test, &holder, revoke).await.is_refused(FailInfo::BadCertId, "of this device");
    assert!(certificates(&test, TERMINAL).await.iter().all(|one| one.status == Status::Good));
    let holder = holder.in_transaction(42);
    let own = holder.revoke(&new, 1);
    assert!(send(&test, &holder, own).await.is_granted());
}

#[tokio::test]
async fn a_device_that_goes_on_polling_under_a_withdrawn_code_leaves_the_new_one_its_tries() {
    let test = with_cmp().await;
    let polling = Client::of_code(TERMINAL, &code(&test, TERMINAL, true).await).explicit();
    let key = key();
    let message = polling.request(BodyKind::Ir, (&key, &key), TERMINAL);
    assert!(send(&test, &polling, message).await.waits());
    let secret = code(&test, TERMINAL, false).await;
    for number in 50..60 {
        let poll = Client { nonce: [number; 16], ..polling.clone() };
        send(&test, &poll, poll.poll()).await.is_refused(FailInfo::BadMessageCheck, "not accepted");
    }
    let client = Client::of_code(TERMINAL, &secret).in_transaction(60);
    let message = client.request(BodyKind::Ir, (&key, &key), TERMINAL);
    assert!(send(&test, &client, message).await.is_granted());
}
