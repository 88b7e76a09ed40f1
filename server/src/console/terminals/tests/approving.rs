//! A key that waits: who sees it, who decides, and that only what was seen is decided.

use http::StatusCode;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    enrolment_code::{self, Attempt, Claim, ClaimPolicy},
    transaction,
    waiting_enrolment::{self, Parked, Request},
};
use time::Duration;

use super::{OURS, THEIRS, code_of, created, instance, send, terminals};
use crate::{
    config::{ApprovalPolicy, Settings},
    console::scene::acts,
    instance::fingerprint_groups,
    paper_code::PaperCode,
    testing::TestApp,
};

const KEY: [u8; 32] = [0x5a; 32];

async fn claim(test: &TestApp, terminal: &str, code: &PaperCode, key: &[u8; 32]) -> Claim {
    let hash = code.hash();
    let attempt =
        Attempt { terminal_id: terminal, code_hash: &hash, spki_sha256: key, at: test.app.now() };
    let policy =
        ClaimPolicy { same_key_grace: Duration::minutes(15), issuance_limit: Duration::SECOND };
    transaction!(test.app.store(), StoreError, |tx| {
        let claim = enrolment_code::claim(tx, attempt, policy).await?;
        Ok(Audited::new(claim, Entry::done("test", Actor::System, attempt.at)))
    })
    .unwrap()
}

async fn park(test: &TestApp, terminal: &str, code: &PaperCode, key: &[u8; 32]) -> Parked {
    let (hash, at) = (code.hash(), test.app.now());
    let request = Request {
        attempt: Attempt { terminal_id: terminal, code_hash: &hash, spki_sha256: key, at },
        key_kind: "RSA of 3072 bits",
        door: "scep",
        poll: None,
        address: "192.0.2.44",
        until: at + Duration::days(7),
    };
    transaction!(test.app.store(), StoreError, |tx| {
        let parked = waiting_enrolment::park(tx, request).await?;
        Ok(Audited::new(parked, Entry::done("test", Actor::System, at)))
    })
    .unwrap()
}

/// A terminal whose code needs approval, by the button of its page.
async fn with_code(test: &TestApp) -> (String, PaperCode) {
    let (terminal, _) = created(test, "外来1号機").await;
    let path = format!("/console/terminals/{}/code", terminal.id);
    let page = send(test, "POST", &path, OURS, "approval=yes").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("すぐには証明書を発行しません"), "{}", page.text);
    (terminal.id, code_of(&page.text))
}

fn form(key: &[u8; 32], rest: &str) -> String {
    format!("key={}&{rest}", hex::encode(key))
}

#[tokio::test]
async fn an_administrator_sees_the_key_and_approves_that_one() {
    let test = instance().await;
    let (id, code) = with_code(&test).await;
    let shown = format!("/console/terminals/{id}");
    let before = send(&test, "GET", &shown, OURS, "").await;
    assert!(!before.text.contains("/key/approve"));
    assert!(matches!(claim(&test, &id, &code, &KEY).await, Claim::NeedsApproval(_)));
    assert_eq!(park(&test, &id, &code, &KEY).await, Parked::First);
    let list = send(&test, "GET", "/console/terminals", OURS, "").await;
    assert!(list.text.contains("承認待ち"), "{}", list.text);
    for (lang, title) in [("ja", "鍵が承認を待っています"), ("en", "key waits for approval")]
    {
        let page = send(&test, "GET", &format!("{shown}?lang={lang}"), OURS, "").await;
        let fingerprint = fingerprint_groups(&hex::encode(KEY));
        for expected in [title, &fingerprint, "RSA of 3072 bits", "192.0.2.44", "SCEP"] {
            assert!(page.text.contains(expected), "{expected}: {}", page.text);
        }
    }
    let approve = format!("{shown}/key/approve");
    for (path, cookie, form, status) in [
        (&approve, THEIRS, form(&KEY, "sure=yes"), StatusCode::NOT_FOUND),
        (&approve, OURS, form(&[1; 32], "sure=yes"), StatusCode::CONFLICT),
        (&approve, OURS, form(&KEY, ""), StatusCode::BAD_REQUEST),
        (&approve, OURS, "key=zz&sure=yes".to_owned(), StatusCode::BAD_REQUEST),
        (&format!("{shown}/key/refuse"), OURS, form(&KEY, "reason="), StatusCode::BAD_REQUEST),
    ] {
        let refused = send(&test, "POST", path, cookie, &form).await;
        assert_eq!(refused.status, status, "{form}: {}", refused.text);
        assert!(matches!(claim(&test, &id, &code, &KEY).await, Claim::NeedsApproval(_)));
    }
    let approved = send(&test, "POST", &approve, OURS, &form(&KEY, "sure=yes")).await;
    assert_eq!(approved.status, StatusCode::SEE_OTHER, "{}", approved.text);
    let page = send(&test, "GET", &format!("{shown}?notice=key-approved"), OURS, "").await;
    assert!(page.text.contains("鍵を承認しました") && !page.text.contains("/key/approve"));
    let again = send(&test, "POST", &approve, OURS, &form(&KEY, "sure=yes")).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let acts = acts(&test.app).await;
    for act in ["terminal.approve_key done", "terminal.approve_key refused"] {
        assert!(acts.iter().any(|found| found.starts_with(act)), "{act} in {acts:?}");
    }
    assert!(matches!(claim(&test, &id, &code, &[7; 32]).await, Claim::NeedsApproval(_)));
    assert!(matches!(claim(&test, &id, &code, &KEY).await, Claim::Won(_)));
}

#[tokio::test]
async fn a_refusal_ends_the_code_and_a_warning_tells_of_a_second_key() {
    let test = instance().await;
    let (id, code) = with_code(&test).await;
    park(&test, &id, &code, &KEY).await;
    park(&test, &id, &code, &[7; 32]).await;
    let shown = format!("/console/terminals/{id}");
    let page = send(&test, "GET", &shown, OURS, "").await;
    assert!(page.text.contains("別の鍵も届いて拒否"), "{}", page.text);
    let refuse = form(&KEY, "reason=%E9%81%95%E3%81%86%E6%A9%9F%E5%99%A8");
    let refused = send(&test, "POST", &format!("{shown}/key/refuse"), OURS, &refuse).await;
    assert_eq!(refused.status, StatusCode::SEE_OTHER, "{}", refused.text);
    assert!(matches!(claim(&test, &id, &code, &KEY).await, Claim::Refused(_)));
    let page = send(&test, "GET", &format!("{shown}?notice=key-refused"), OURS, "").await;
    assert!(page.text.contains("登録コードを無効にしました"), "{}", page.text);
}

#[tokio::test]
async fn the_operating_body_may_have_every_key_approved() {
    let mut settings = Settings::default();
    settings.enrolment.approval = ApprovalPolicy::All;
    let test = super::instance_with(settings).await;
    let (terminal, code) = created(&test, "外来1号機").await;
    let claim = claim(&test, &terminal.id, &code, &KEY).await;
    assert!(matches!(claim, Claim::NeedsApproval(_)), "{claim:?}");
    assert_eq!(terminals(&test).await.len(), 1);
}
