//! What a stranger who does not stop costs: each door is tried sixty times from one network.

use http::{StatusCode, header};
use sekisho_store::{Queries, sql};
use time::Duration;

use super::{
    ask::{Answer, Ask, Routers},
    judge::{Expect, judge},
    scene::{Scene, application_fields, institution_code},
};
use crate::{error::Dialect, names::NameRole};

/// Tries at one door. Thirty are free, the next one makes the network rest for a second.
const TRIES: u16 = 60;
const JUDGED: usize = 31;

async fn records(scene: &Scene) -> i64 {
    let (count,): (i64,) = scene
        .app()
        .store()
        .read()
        .fetch_one(sql("SELECT COUNT(*) FROM audit_record"))
        .await
        .unwrap();
    count
}

/// The wrong try of this number.
type Try = fn(&Scene, u16) -> Ask;

/// A door: what is tried there, and how it refuses.
struct Door {
    dialect: Dialect,
    refusal: StatusCode,
    ask: Try,
}

fn form(scene: &Scene, path: &str, fields: &[(&str, &str)]) -> Ask {
    Ask::new(scene.app(), NameRole::Public, "POST", path).with_form(fields)
}

fn doors() -> Vec<Door> {
    let door = |dialect, refusal, ask: Try| Door {
        dialect,
        refusal: StatusCode::from_u16(refusal).unwrap(),
        ask,
    };
    vec![
        // Another account each time, so that it is the network that rests.
        door(Dialect::Page, 401, |scene, number| {
            let name = format!("nobody-{number}");
            let fields = [("login_name", name.as_str()), ("password", "x"), ("totp_code", "0")];
            form(scene, "/console/login", &fields)
        }),
        door(Dialect::Page, 410, |scene, number| {
            let mut ask = Ask::new(scene.app(), NameRole::Public, "GET", "/first-use");
            ask.query = vec![format!("token=wrong-{number}")];
            ask
        }),
        door(Dialect::Page, 422, |scene, _| {
            form(scene, "/activate", &[("code", "0000-0000-0000-0000-0000")])
        }),
        door(Dialect::OAuth, 401, |scene, number| {
            let mut ask = form(scene, "/token", &[("grant_type", "authorization_code")]);
            ask.set("authorization", Scene::basic("referral", &format!("wrong-{number}")));
            ask
        }),
        door(Dialect::OAuth, 401, |scene, number| {
            let mut ask = Ask::new(scene.app(), NameRole::Public, "POST", "/register");
            ask.set("authorization", format!("Bearer wrong-{number}"));
            ask
        }),
        door(Dialect::OAuth, 401, |scene, number| {
            let path = format!("/register/{}", scene.registered);
            let mut ask = Ask::new(scene.app(), NameRole::Public, "DELETE", &path);
            ask.set("authorization", format!("Bearer wrong-{number}"));
            ask
        }),
        door(Dialect::Est, 401, |scene, _| {
            let path = "/.well-known/est/simpleenroll";
            let mut ask = Ask::new(scene.app(), NameRole::Enrol, "POST", path);
            ask.set("authorization", Scene::basic("T0000000000", &scene.enrolment_code));
            ask.set("content-type", "application/pkcs10");
            ask.octets = scene.certification_request("T0000000000");
            ask
        }),
        door(Dialect::Est, 401, |scene, _| {
            let path = "/.well-known/est/simpleenroll";
            let mut ask = Ask::new(scene.app(), NameRole::Enrol, "POST", path);
            ask.set("authorization", "Basic !!!");
            ask
        }),
        door(Dialect::Plain, 400, |scene, _| {
            let mut ask = Ask::new(scene.app(), NameRole::Plain, "POST", "/scep");
            ask.query = vec!["operation=PKIOperation".to_owned()];
            ask.set("content-type", "application/x-pki-message");
            ask.octets = b"garbage".to_vec();
            ask
        }),
        door(Dialect::Est, 400, |scene, _| {
            let mut ask = Ask::new(scene.app(), NameRole::Enrol, "POST", "/.well-known/cmp");
            ask.set("content-type", "application/pkixcmp");
            ask.octets = b"garbage".to_vec();
            ask
        }),
        door(Dialect::Page, 403, |scene, _| {
            let mut ask = Ask::new(scene.app(), NameRole::Terminal, "POST", "/invitation")
                .with_form(&[("code", "0000-0000-0000-0000-0000")])
                .with_cookie(&scene.browser);
            ask.chain = scene.chain();
            ask
        }),
    ]
}

async fn tried(scene: &Scene, door: &Door, number: u16, network: u16) -> Answer {
    let mut ask = (door.ask)(scene, number);
    // Another address of the same 64 bits each time.
    (ask.network, ask.host_number) = (network, number);
    let answer = ask.send(&scene.routers).await;
    let judged = judge(&answer, Expect::Refused, ask.role, door.dialect, "ja");
    assert_eq!(judged, Ok(()), "{} {}", ask.path, answer.status);
    answer
}

#[tokio::test]
async fn a_network_that_does_not_stop_rests_and_fills_no_trail() {
    let scene = Scene::new().await;
    for (network, door) in (1..).zip(doors()) {
        // Each door from a network of its own; that the terminal's counter is apart shows too.
        let path = (door.ask)(&scene, 0).path;
        let before = records(&scene).await;
        let mut judged = 0;
        for number in 0..TRIES {
            let answer = tried(&scene, &door, number, network).await;
            if answer.status == StatusCode::TOO_MANY_REQUESTS {
                assert_eq!(answer.headers[header::RETRY_AFTER], "1", "{path}");
            } else {
                assert_eq!(answer.status, door.refusal, "{path} {}", answer.text());
                judged += 1;
            }
        }
        assert_eq!(judged, JUDGED, "{path}");
        let written = records(&scene).await - before;
        // One of them may tell of the rest.
        assert!((31..=32).contains(&written), "{path}: {written}");
        if path != "/invitation" {
            let elsewhere = tried(&scene, &door, TRIES, network + 1_000).await;
            assert_eq!(elsewhere.status, door.refusal, "{path}: another network");
        }
        scene.test.clock.advance(Duration::seconds(1));
        let after = tried(&scene, &door, TRIES, network).await;
        assert_eq!(after.status, door.refusal, "{path}: after the rest");
    }
}

#[tokio::test]
async fn a_client_with_its_secret_is_served_whatever_its_neighbours_try() {
    let scene = Scene::new().await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", scene.code.as_str()),
        ("redirect_uri", crate::oidc::tests::scene::REDIRECT),
        ("code_verifier", crate::oidc::tests::scene::VERIFIER),
    ];
    let mut ask = form(&scene, "/token", &fields);
    for _ in 0..TRIES {
        ask.set("authorization", Scene::basic("referral", "wrong"));
        ask.send(&scene.routers).await;
    }
    let resting = ask.send(&scene.routers).await;
    assert_eq!(resting.status, StatusCode::TOO_MANY_REQUESTS);
    ask.set("authorization", Scene::basic("referral", &scene.secret));
    let served = ask.send(&scene.routers).await;
    assert_eq!(served.status, StatusCode::OK, "{}", served.text());
}

#[tokio::test]
async fn a_flood_of_applications_rests_and_enters_no_more() {
    let scene = Scene::new().await;
    let mut statuses = Vec::new();
    for number in 0..40 {
        let fields = application_fields(&institution_code(400_000 + number));
        let fields: Vec<_> = fields.iter().map(|(name, v)| (*name, v.as_str())).collect();
        let mut ask = form(&scene, "/apply", &fields);
        ask.network = 7;
        statuses.push(ask.send(&scene.routers).await.status.as_u16());
    }
    // Twenty are free; the next one is taken, and then the network rests.
    assert_eq!(statuses[..21], [201; 21]);
    assert_eq!(statuses[21..], [429; 19]);
}

#[tokio::test]
async fn two_processes_record_a_missing_role_once_a_minute_each() {
    let scene = Scene::new().await;
    let other = crate::testing::second_process(&scene.test, "node-2").await;
    let second = Routers::new(&other);
    let told = async || {
        let nodes: Vec<(String,)> = scene
            .app()
            .store()
            .read()
            .fetch_all(sql("SELECT node FROM audit_record WHERE act = 'console.act' ORDER BY node"))
            .await
            .unwrap();
        nodes.into_iter().map(|(node,)| node).collect::<Vec<_>>()
    };
    let ask_both = async || {
        for (app, routers) in [(scene.app(), &scene.routers), (&other, &second)] {
            let mut ask = Ask::new(app, NameRole::Public, "GET", "/console/roles");
            ask.add("cookie", &scene.auditor);
            assert_eq!(ask.send(routers).await.status, StatusCode::FORBIDDEN);
        }
    };
    for _ in 0..5 {
        ask_both().await;
    }
    assert_eq!(told().await, ["node-1", "node-2"]);
    scene.test.clock.advance(Duration::MINUTE);
    for _ in 0..2 {
        ask_both().await;
    }
    assert_eq!(told().await, ["node-1", "node-1", "node-2", "node-2"]);
}

#[tokio::test]
async fn a_missing_role_is_recorded_once_a_minute_and_a_stranger_never() {
    let scene = Scene::new().await;
    let told = async || {
        let rows: Vec<(String,)> = scene
            .app()
            .store()
            .read()
            .fetch_all(sql("SELECT CAST(canonical AS TEXT) FROM audit_record
                             WHERE act = 'console.act' ORDER BY id"))
            .await
            .unwrap();
        rows.into_iter().map(|(text,)| text).collect::<Vec<_>>()
    };
    let get = async |path: &str, cookie: &str| {
        let mut ask = Ask::new(scene.app(), NameRole::Public, "GET", path);
        if !cookie.is_empty() {
            ask.add("cookie", cookie);
        }
        ask.send(&scene.routers).await.status
    };
    let theirs = format!("/console/terminals/{}", scene.elsewhere.terminal.terminal_id);
    for _ in 0..5 {
        assert_eq!(get("/console/roles", &scene.auditor).await, StatusCode::FORBIDDEN);
        assert_eq!(get("/console/roles", "").await, StatusCode::SEE_OTHER);
        // Somebody else's terminal does not exist for the caller, but it is known who asked.
        assert_eq!(get(&theirs, &scene.manager).await, StatusCode::NOT_FOUND);
        assert_eq!(get("/console/terminals/T0000000000", &scene.manager).await.as_u16(), 404);
    }
    let first = told().await;
    assert_eq!(first.len(), 2, "{first:#?}");
    for part in [
        r#""outcome":"refused""#,
        r#""reason":"role_missing""#,
        r#""needed":"operating_administrator""#,
        r#""act":"/console/roles""#,
        r#""method":"GET""#,
    ] {
        assert!(first[0].contains(part), "{part} is not in {}", first[0]);
    }
    assert!(first[1].contains(r#""needed":"facility_administrator""#), "{}", first[1]);
    assert!(first[1].contains(&scene.elsewhere.terminal.terminal_id), "{}", first[1]);
    scene.test.clock.advance(Duration::MINUTE);
    get("/console/roles", &scene.auditor).await;
    assert_eq!(told().await.len(), 3);
}
