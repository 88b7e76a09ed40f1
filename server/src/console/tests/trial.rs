//! An owner gets cards of invented people and a PC at the test facility; nobody else does.

use http::StatusCode;
use sekisho_pki::national::facility_identifier::FacilityIdentifier;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    sandbox, terminal, transaction,
};
use time::Duration;

use super::{COLLEAGUE, ELSEWHERE, FACILITY, OFFICER, OPERATOR, registration};
use crate::{
    config::Settings,
    console::{
        scene::{acts, form, send, signed_in},
        service::path_of,
    },
    people::role::Role,
    testing::{self, TestApp},
};

const SEED: u64 = 3;
/// Somebody who signs in when the session of today is over.
const LATER: &str = "laterownAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Owners, a sandbox, and the path of a service of ours.
async fn sandboxed() -> (TestApp, String) {
    let mut settings = Settings::default();
    settings.sandbox.facilities = vec![FacilityIdentifier::from_random(SEED).to_string()];
    let test = registration::owners_with(settings).await;
    testing::sandbox(&test.app, SEED).await;
    let made = registration::made(&test.app, &registration::filled()).await;
    (test, path_of(&made.client_id))
}

fn which(card: &str) -> String {
    form(&[("card", card)])
}

/// The terminal of a shown line.
fn terminal_in(page: &str) -> String {
    let (_, rest) = page.split_once("--terminal ").unwrap_or_else(|| panic!("no line in {page}"));
    rest.split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_owner_gets_cards_and_a_code_and_each_is_told_of_in_the_trail() {
    let (test, path) = sandboxed().await;
    let app = &test.app;
    let page = send(app, "GET", &path, FACILITY, "").await;
    let states = "（physician-expired, physician-revoked）";
    for shown in ["見本　太郎", "医師", "暗証番号は、どのカードも 1234", "すべて架空のもの", states]
    {
        assert!(page.text.contains(shown), "{shown} is not in {}", page.text);
    }
    let card = send(app, "POST", &format!("{path}/card"), FACILITY, &which("physician")).await;
    assert_eq!(card.status, StatusCode::OK);
    assert!(card.text.starts_with("physician/card.toml"), "{}", card.text);

    // One PC for each owner, however often a code is asked for.
    let pc = format!("{path}/pc");
    let first = send(app, "POST", &pc, FACILITY, "").await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    assert!(first.text.contains("sekisho-agent run --software-card physician"));
    assert!(first.text.contains(&format!("href=\"{path}\"")));
    let id = terminal_in(&first.text);
    assert_eq!(terminal_in(&send(app, "POST", &pc, FACILITY, "").await.text), id);
    let held = terminal::find(&mut app.store().read(), &id).await.unwrap().unwrap();
    assert_eq!(held.organisation_id, FacilityIdentifier::from_random(SEED).to_string());
    let ours = Role::ServiceOwner("123456789007".to_owned());
    signed_in(app, "同僚", &[ours], COLLEAGUE).await;
    let other = send(app, "POST", &pc, COLLEAGUE, "").await;
    assert_ne!(terminal_in(&other.text), id);
    let page = send(app, "GET", &path, FACILITY, "").await;
    assert!(page.text.contains(&format!("あなたのPCは {id} です")), "{}", page.text);
    let acts = acts(app).await;
    for (act, times) in
        [("sandbox.hand_out done service_owner", 1), ("sandbox.issue_code done service_owner", 3)]
    {
        assert_eq!(acts.iter().filter(|other| *other == act).count(), times, "{act}: {acts:#?}");
    }
}

#[tokio::test]
async fn somebody_who_does_not_own_the_service_gets_neither() {
    let (test, path) = sandboxed().await;
    let app = &test.app;
    signed_in(app, "認定", &[Role::AccreditationOfficer], OFFICER).await;
    for cookie in [ELSEWHERE, OPERATOR, OFFICER] {
        for (act, body) in [("card", which("physician")), ("pc", String::new())] {
            let hidden = send(app, "POST", &format!("{path}/{act}"), cookie, &body).await;
            assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{act}: {}", hidden.text);
            assert!(!hidden.text.contains("a card"));
        }
    }
    let page = send(app, "GET", &path, OPERATOR, "").await;
    assert!(!page.text.contains("trial-title"), "{}", page.text);
    let nobody = send(app, "POST", &format!("{path}/card"), "", &which("physician")).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    for card in ["nobody", "", "../physician"] {
        let none = send(app, "POST", &format!("{path}/card"), FACILITY, &which(card)).await;
        assert!(none.status.is_client_error(), "{card}: {}", none.text);
    }
    let acts = acts(app).await;
    assert!(!acts.iter().any(|act| act.starts_with("sandbox.")), "{acts:#?}");
}

#[tokio::test]
async fn there_is_nothing_to_have_for_a_live_service_nor_without_a_sandbox_that_counts() {
    let (test, path) = sandboxed().await;
    let app = &test.app;
    let ask = async |act: &str| {
        let body = if act == "card" { which("physician") } else { String::new() };
        send(app, "POST", &format!("{path}/{act}"), FACILITY, &body).await
    };
    // Its time is over.
    test.clock.advance(Duration::days(366));
    signed_in(app, "後任", &[Role::ServiceOwner("123456789007".to_owned())], LATER).await;
    let page = send(app, "GET", &path, LATER, "").await;
    assert!(page.text.contains("まだ用意されていないか"), "{}", page.text);
    for act in ["card", "pc"] {
        let body = if act == "card" { which("physician") } else { String::new() };
        let over = send(app, "POST", &format!("{path}/{act}"), LATER, &body).await;
        assert_eq!(over.status, StatusCode::CONFLICT, "{act}: {}", over.text);
    }
    test.clock.advance(Duration::days(-366));
    // The configuration does not name the facility: it is like any other.
    let elsewhere = testing::terminal(app, SEED + 1).await.organisation_id;
    let mut moved = sandbox::hierarchy(&mut app.store().read()).await.unwrap().unwrap();
    let before = moved.clone();
    moved.organisation_id = elsewhere;
    let put = async |hierarchy: &sandbox::Hierarchy| {
        let done: Result<(), StoreError> = transaction!(app.store(), StoreError, |tx| {
            sandbox::replace_hierarchy(tx, hierarchy).await?;
            Ok(Audited::new((), Entry::done("test", Actor::System, app.now())))
        });
        done.unwrap();
    };
    put(&moved).await;
    for act in ["card", "pc"] {
        assert_eq!(ask(act).await.status, StatusCode::CONFLICT, "{act}");
    }
    put(&before).await;
    let (_, id) = path.rsplit_once('/').unwrap();
    let rules = toml::from_str("[[rules]]\nid = \"all\"\n").unwrap();
    let registry = crate::oidc::client::Registry::of(app);
    crate::oidc::client::approve(&registry, id, &rules, Actor::System).await.unwrap();
    for act in ["card", "pc"] {
        assert_eq!(ask(act).await.status, StatusCode::CONFLICT, "{act}");
    }
    let page = send(app, "GET", &path, FACILITY, "").await;
    assert!(!page.text.contains("trial-title"), "{}", page.text);
}
