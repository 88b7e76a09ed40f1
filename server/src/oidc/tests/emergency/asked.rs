//! Who may begin one, how, and how often.

use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    sql, transaction,
};
use time::Duration;

use super::{GOOD, OFFER, OPTED_IN, Ward, further_login, path};
use crate::{
    config::Settings,
    console::scene::{send, signed_in},
    names::NameRole,
    oidc::tests::scene::{Scene, no_certificate, service_file},
};

/// What the login is not, compared with a physician's by card.
#[derive(Debug, Clone, Copy)]
enum Weaker {
    Card(&'static str),
    Session(&'static str),
}

impl Weaker {
    async fn apply(self, ward: &Ward) {
        match self {
            Self::Card(role) => ward.scene.card_names(role).await,
            Self::Session(change) => ward.scene.change(change).await,
        }
    }
}

#[tokio::test]
async fn who_has_no_licence_that_counts_or_too_weak_a_login_has_none() {
    for (change, code) in [
        (Weaker::Card("Wizard"), "not_licensed"),
        (Weaker::Card("Director of Hospital"), "not_licensed"),
        (Weaker::Session("UPDATE session SET acr = 'urn:forged'"), "not_licensed"),
        (Weaker::Session("UPDATE session SET acr = ''"), "not_licensed"),
        // A card of which nobody has the certificate.
        (Weaker::Session("UPDATE session SET evidence_id = 'unknown'"), "not_licensed"),
        // A My Number card and a passkey for which nobody vouches any more.
        (
            Weaker::Session("UPDATE session SET acr = 'urn:oid:1.3.6.1.4.1.32473.3.3'"),
            "not_licensed",
        ),
        (
            Weaker::Session("UPDATE session SET acr = 'urn:oid:1.3.6.1.4.1.32473.3.2'"),
            "not_licensed",
        ),
    ] {
        let ward = Ward::new().await;
        change.apply(&ward).await;
        assert!(!ward.portal().await.contains(OFFER), "{change:?}");
        let page = ward.scene.get("/emergency", true, &ward.scene.terminal).await;
        assert!(page.body.contains("emergency-closed"), "{change:?}: {}", page.body);
        assert_eq!(path(&ward.begin().await), "/emergency", "{change:?}");
        assert_eq!(ward.records().await, 0, "{change:?}");
        let refused = format!("emergency.begin refused {code}");
        assert!(ward.scene.acts().await.contains(&refused), "{change:?}");

        // And in the middle of its hour the same ends what it opened.
        let ward = Ward::new().await;
        ward.begun().await;
        let tokens = ward.tokens().await;
        change.apply(&ward).await;
        assert!(!ward.is_open().await, "{change:?}");
        assert_eq!(ward.introspect(&tokens).await["active"], false, "{change:?}");
        assert_eq!(ward.refresh(&tokens).await.json()["error"], "invalid_grant", "{change:?}");
    }
}

#[tokio::test]
async fn no_terminal_another_or_one_taken_back_opens_none() {
    let ward = Ward::new().await;
    let scene = &ward.scene;
    let origin = scene.test.app.names().origin(NameRole::Terminal).to_owned();
    for chain in [&no_certificate(), &scene.other_terminal] {
        let answer = scene.post_from(&origin, chain, &scene.cookie, "/emergency", &GOOD).await;
        assert!(answer.status.is_client_error(), "{answer:?}");
        assert_eq!(ward.records().await, 0);
    }
    // Used elsewhere the cookie ended its session; here is another one.
    let mut ward = ward;
    ward.scene.cookie = further_login(&ward, 8).await;
    ward.begun().await;
    let tokens = ward.tokens().await;
    ward.scene.revoke_certificate(&ward.scene.terminal[0]).await;
    assert_eq!(ward.begin().await.status, 403);
    assert_eq!(ward.introspect(&tokens).await["active"], false);
    assert_eq!(ward.refresh(&tokens).await.json()["error"], "invalid_grant");
    assert_eq!(ward.records().await, 1);
}

#[tokio::test]
async fn a_terminal_on_hold_opens_none() {
    let ward = Ward::new().await;
    ward.begun().await;
    let tokens = ward.tokens().await;
    ward.scene
        .change(
            "INSERT INTO terminal_event (id, terminal_id, kind, reason, at)
             VALUES ('h', 'T0000000001', 'held', '', 0)",
        )
        .await;
    assert_eq!(ward.begin().await.status, 403);
    assert_eq!(ward.introspect(&tokens).await["active"], false);
}

#[tokio::test]
async fn one_runs_at_a_time_and_a_second_request_begins_nothing() {
    let ward = Ward::new().await;
    let id = ward.begun().await;
    assert_eq!(path(&ward.begin().await), "/");
    assert_eq!(ward.begun().await, id);
    assert_eq!(ward.records().await, 1);
    let acts = ward.scene.acts().await;
    assert!(acts.contains(&"emergency.begin refused runs".to_owned()), "{acts:?}");
}

#[tokio::test]
async fn a_day_has_three_however_many_ask_at_once_and_the_next_day_has_its_own() {
    let ward = Ward::new().await;
    let origin = ward.scene.test.app.names().origin(NameRole::Terminal).to_owned();
    let mut cookies = Vec::new();
    for number in 20..26 {
        cookies.push(further_login(&ward, number).await);
    }
    let (scene, origin) = (&ward.scene, &origin);
    let asked = cookies.iter().map(|cookie| async move {
        path(&scene.post_from(origin, &scene.terminal, cookie, "/emergency", &GOOD).await)
    });
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(answers.iter().filter(|path| *path == "/").count(), 3, "{answers:?}");
    assert_eq!(answers.iter().filter(|path| *path == "/emergency").count(), 3, "{answers:?}");
    assert_eq!(ward.records().await, 3);
    assert_eq!(path(&ward.begin().await), "/emergency");
    let page = ward.scene.get("/emergency", true, &ward.scene.terminal).await;
    assert!(page.body.contains("emergency-closed") && page.body.contains("3回"), "{}", page.body);

    // Midnight in Japan, and no minute before.
    let now = ward.scene.test.app.now().to_offset(time::macros::offset!(+9));
    let midnight = now.date().next_day().unwrap().midnight().assume_offset(now.offset());
    ward.scene.test.clock.advance(midnight - now - Duration::SECOND);
    let mut ward = ward;
    ward.scene.cookie = further_login(&ward, 30).await;
    assert_eq!(path(&ward.begin().await), "/emergency");
    ward.scene.test.clock.advance(Duration::SECOND);
    assert_eq!(path(&ward.begin().await), "/");
    assert_eq!(ward.records().await, 4);
}

#[tokio::test]
async fn the_limit_is_the_operators_to_set() {
    let mut settings = Settings::default();
    settings.emergency.a_day = 1;
    let scene = Scene::with(settings).await;
    let secret = scene.register(&service_file("far", OPTED_IN)).await;
    let ward = Ward { scene, secret };
    ward.begun().await;
    ward.scene.post("/emergency/end", &[]).await;
    assert_eq!(path(&ward.begin().await), "/emergency");
    assert_eq!(ward.records().await, 1);
}

#[tokio::test]
async fn a_reason_of_the_list_and_words_are_asked_for() {
    let ward = Ward::new().await;
    let (short, long) = ("九文字だけの理由だ", "あ".repeat(501));
    let ten = "十文字ちょうどの理由";
    assert_eq!((short.chars().count(), ten.chars().count()), (9, 10));
    let words = GOOD[1].1;
    for (form, status) in [
        (vec![("words", words)], 422),
        (vec![("reason", "boredom"), ("words", words)], 400),
        (vec![("reason", "disaster")], 400),
        (vec![("reason", "disaster"), ("words", "")], 422),
        (vec![("reason", "disaster"), ("words", "　 　 　 　 　 　 　")], 422),
        (vec![("reason", "disaster"), ("words", short)], 422),
        (vec![("reason", "disaster"), ("words", &long)], 422),
        (vec![("reason", "disaster"), ("words", "意識がない患者です\u{0}。")], 400),
        (vec![("reason", "disaster"), ("words", "意識がない患者です\u{202e}。")], 422),
        (vec![("reason", "disaster"), ("words", words), ("minutes", "600")], 400),
        (vec![("reason", "disaster"), ("words", words), ("words", words)], 400),
    ] {
        let answer = ward.scene.post("/emergency", &form).await;
        assert_eq!(answer.status, status, "{form:?}: {answer:?}");
        assert_eq!(ward.records().await, 0, "{form:?}");
    }
    let told = ward.scene.post("/emergency", &[("reason", "other"), ("words", short)]).await;
    assert!(told.body.contains(short) && told.body.contains("10文字以上"), "{}", told.body);
    assert!(told.body.contains("value=\"other\" required checked"), "{}", told.body);
    let good = ward.scene.post("/emergency", &[("reason", "other"), ("words", ten)]).await;
    assert_eq!(path(&good), "/");
}

#[tokio::test]
async fn a_page_of_another_site_begins_and_ends_none() {
    let ward = Ward::new().await;
    let scene = &ward.scene;
    let evil = "https://evil.example";
    let answer = scene.post_from(evil, &scene.terminal, &scene.cookie, "/emergency", &GOOD).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(ward.records().await, 0);
    ward.begun().await;
    let answer = scene.post_from(evil, &scene.terminal, &scene.cookie, "/emergency/end", &[]).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(ward.is_open().await);
}

#[tokio::test]
async fn it_gives_no_right_in_the_console() {
    let ward = Ward::new().await;
    let app = &ward.scene.test.app;
    ward.begun().await;
    let at_the_console = "physicianAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    signed_in(app, "医師 一郎", &[], at_the_console).await;
    transaction!(app.store(), StoreError, |tx| {
        let same_person =
            sql("UPDATE session SET person_id = (SELECT person_id FROM emergency_access)
                               WHERE realm = 'console'");
        assert_eq!(tx.execute(same_person).await?, 1);
        Ok(Audited::new((), Entry::done("test", Actor::System, app.now())))
    })
    .unwrap();
    for path in ["/console/emergencies", "/console/terminals", "/console/audit", "/console/staff"] {
        let answer = send(app, "GET", path, at_the_console, "").await;
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
    }
    assert!(ward.is_open().await, "it was in force all the while");
}
