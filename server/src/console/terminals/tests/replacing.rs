//! The terminal's page while one PC takes the place of another.

use http::StatusCode;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    replacement::{self, CodeIsFor},
    terminal::Terminal,
    transaction,
};

use super::{OURS, THEIRS, certify, code_of, created, instance, operator, send};
use crate::{console::scene::acts, testing::TestApp};

async fn page(test: &TestApp, terminal: &Terminal, query: &str) -> String {
    send(test, "GET", &format!("/console/terminals/{}{query}", terminal.id), OURS, "").await.text
}

async fn act(test: &TestApp, terminal: &Terminal, cookie: &str, what: &str) -> super::Answer {
    let path = format!("/console/terminals/{}/{what}?lang=en", terminal.id);
    send(test, "POST", &path, cookie, "").await
}

#[tokio::test]
async fn the_page_shows_both_pcs_from_the_code_to_the_end() {
    let test = instance().await;
    let (terminal, _) = created(&test, "外来1号機").await;
    // Before there is a PC nothing is to be replaced.
    assert!(!page(&test, &terminal, "").await.contains("/replace\""));
    let refused = act(&test, &terminal, OURS, "replace").await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    certify(&test, &terminal, &[1; 16]).await;
    assert!(page(&test, &terminal, "?lang=ja").await.contains("パソコンを入れ替える"));
    assert!(page(&test, &terminal, "?lang=en").await.contains("Replace this PC"));

    assert_eq!(act(&test, &terminal, THEIRS, "replace").await.status, StatusCode::NOT_FOUND);
    let shown = act(&test, &terminal, OURS, "replace").await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    let code = code_of(&shown.text);
    let is_for = replacement::code_is_for(&mut test.app.store().read(), &code.hash()).await;
    assert_eq!(is_for.unwrap(), CodeIsFor::NewPc);
    let waits = page(&test, &terminal, "?lang=en").await;
    assert!(waits.contains("not enrolled yet") && waits.contains("can be used until"), "{waits}");

    certify(&test, &terminal, &[2; 16]).await;
    let at = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        replacement::enrolled(tx, &code.hash(), ("terminals", &[2; 16]), at).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    for (lang, old, new, waits) in [
        ("en", "Old PC", "New PC", "waits for the first login"),
        ("ja", "古いパソコン", "新しいパソコン", "最初のログインを待っています"),
    ] {
        let shown = page(&test, &terminal, &format!("?lang={lang}")).await;
        assert!(shown.contains(waits), "{shown}");
        for (serial, pc) in [([1_u8; 16], old), ([2; 16], new)] {
            let row = format!("{}</code> <span class=\"tag\">{pc}", hex::encode(serial));
            assert!(shown.contains(&row), "{row}: {shown}");
        }
    }
    let busy = act(&test, &terminal, OURS, "replace").await;
    assert_eq!(busy.status, StatusCode::CONFLICT);
    assert!(busy.text.contains("waits for its first login"), "{}", busy.text);

    assert_eq!(act(&test, &terminal, THEIRS, "replace/cancel").await.status, StatusCode::NOT_FOUND);
    let cancelled = act(&test, &terminal, OURS, "replace/cancel").await;
    assert_eq!(cancelled.status, StatusCode::SEE_OTHER);
    let told = page(&test, &terminal, "?notice=replacement-cancelled&lang=en").await;
    assert!(told.contains("The PC is not replaced"), "{told}");
    assert!(told.contains("Cancelled the replacement") && !told.contains("New PC</span>"));
    let over = act(&test, &terminal, OURS, "replace/cancel").await;
    assert_eq!(over.status, StatusCode::CONFLICT);
    let acts = acts(&test.app).await;
    for act in [
        "terminal.begin_replacement refused facility_administrator nothing_to_replace",
        "terminal.begin_replacement refused facility_administrator replacement_under_way",
        "terminal.begin_replacement done facility_administrator",
        "terminal.cancel_replacement done facility_administrator",
        "terminal.cancel_replacement refused facility_administrator none_under_way",
    ] {
        assert!(acts.iter().any(|told| told == act), "{act}: {acts:?}");
    }
}

#[tokio::test]
async fn no_pc_is_replaced_at_a_terminal_that_is_on_hold() {
    let test = instance().await;
    let (terminal, _) = created(&test, "外来1号機").await;
    certify(&test, &terminal, &[1; 16]).await;
    operator(&test, &terminal, crate::revocation::Measure::Hold).await;
    let refused = act(&test, &terminal, OURS, "replace").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text.contains("on hold"), "{}", refused.text);
    assert!(!page(&test, &terminal, "").await.contains("/replace\""));
}
