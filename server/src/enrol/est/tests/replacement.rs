//! A new PC is enrolled beside the old one.

use http::StatusCode;
use sekisho_key::SoftwareKey;
use sekisho_pki::encoding::name::{Part, name};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    replacement, revocation, transaction,
};
use time::Duration;

use super::scene::{Ask, TERMINAL, acts, certificates, csr, instance, key, new_code};
use crate::{paper_code::PaperCode, testing::TestApp};

/// A code of the terminal, as the console's page makes one for a new PC.
async fn code_of_new_pc(test: &TestApp) -> String {
    let code = new_code(test, TERMINAL).await;
    let (hash, at) = (PaperCode::parse(&code).unwrap().hash(), test.app.now());
    change(test, async |tx| replacement::begin(tx, TERMINAL, &hash, "p", at).await).await;
    code
}

async fn change(
    test: &TestApp,
    act: impl AsyncFn(&mut sekisho_store::Tx) -> Result<(), StoreError>,
) {
    let at = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        act(tx).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
}

#[tokio::test]
async fn a_new_pc_is_enrolled_beside_the_old_one_and_renews_only_after_its_first_login() {
    let test = instance().await;
    let csr = |key: &SoftwareKey| csr(key, &name(&[Part::CommonName(TERMINAL)]).unwrap());
    let (one, other) = (key(), key());
    let code = new_code(&test, TERMINAL).await;
    let old = Ask::enrol(TERMINAL, &code, &csr(&one)).send(&test).await.certificate();
    test.clock.advance(Duration::MINUTE);
    let code = code_of_new_pc(&test).await;
    let new = Ask::enrol(TERMINAL, &code, &csr(&other)).send(&test).await.certificate();
    // The answer was lost: the same again. Another key is another PC.
    assert_eq!(Ask::enrol(TERMINAL, &code, &csr(&other)).send(&test).await.certificate(), new);
    let third = Ask::enrol(TERMINAL, &code, &csr(&key())).send(&test).await;
    third.is_refused(StatusCode::FORBIDDEN, "another key");
    let good = async || {
        let all = certificates(&test, TERMINAL).await;
        all.iter().filter(|c| c.status == revocation::Status::Good).count()
    };
    assert_eq!(good().await, 2);

    let answer = Ask::renew(&new, &csr(&other)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "nobody has logged in at it yet");
    assert!(acts(&test).await.contains(&"terminal.renew:awaits_login".to_owned()));
    Ask::renew(&old, &csr(&one)).send(&test).await.certificate();
    assert_eq!(good().await, 3);

    let waiting = replacement::open(&mut test.app.store().read(), TERMINAL).await.unwrap();
    let (issuer_id, serial) = waiting.unwrap().new_pc.unwrap().certificate;
    let at = test.app.now();
    change(&test, async |tx| {
        let of_new = (issuer_id.as_str(), serial.as_slice());
        replacement::complete(tx, TERMINAL, of_new, at).await.map(drop)
    })
    .await;
    let answer = Ask::renew(&old, &csr(&one)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "another PC took the place of this one");
    test.clock.advance(Duration::HOUR);
    Ask::renew(&new, &csr(&other)).send(&test).await.certificate();
}

#[tokio::test]
async fn a_replacement_that_was_called_off_enrols_nobody_and_a_plain_code_ends_both_pcs() {
    let test = instance().await;
    let csr = |key: &SoftwareKey| csr(key, &name(&[Part::CommonName(TERMINAL)]).unwrap());
    let code = new_code(&test, TERMINAL).await;
    let old = Ask::enrol(TERMINAL, &code, &csr(&key())).send(&test).await.certificate();
    let code = code_of_new_pc(&test).await;
    let at = test.app.now();
    change(&test, async |tx| replacement::cancel(tx, TERMINAL, None, at).await.map(drop)).await;
    let answer = Ask::enrol(TERMINAL, &code, &csr(&key())).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "no longer valid");
    assert_eq!(certificates(&test, TERMINAL).await.len(), 1);

    let code = code_of_new_pc(&test).await;
    let new = Ask::enrol(TERMINAL, &code, &csr(&key())).send(&test).await.certificate();
    test.clock.advance(Duration::MINUTE);
    let code = new_code(&test, TERMINAL).await;
    let third = Ask::enrol(TERMINAL, &code, &csr(&key())).send(&test).await.certificate();
    let all = certificates(&test, TERMINAL).await;
    let good: Vec<_> = all.iter().filter(|c| c.status == revocation::Status::Good).collect();
    assert_eq!(good.iter().map(|c| &c.der).collect::<Vec<_>>(), [&third]);
    assert!(old != third && new != third);
    assert_eq!(replacement::open(&mut test.app.store().read(), TERMINAL).await.unwrap(), None);
}
