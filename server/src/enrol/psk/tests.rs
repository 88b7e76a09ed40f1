//! Keys fetched through the router of the name for enrolment.

use std::net::SocketAddr;

use axum::body::Body;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use sekisho_key::SystemRandomness;
use sekisho_store::{
    Queries, StoreError, audit,
    audit::{Actor, Audited, Entry},
    organisation::{self, StatusChange},
    router_psk::{self, PskEnd},
    sql,
    terminal::{self, Revocation},
    terminal_hold, transaction, vpn_peers,
};
use time::Duration;
use tower::ServiceExt;
use x509_cert::name::Name;

use crate::{
    app::App,
    enrol::est::tests::{
        routers::{FIXED, ROUTER, enter_routers},
        scene::{self, FACILITY, acts, csr, key, new_code},
    },
    listener::Peer,
    names::NameRole,
    network::{
        groups::testing::meet,
        psk::{Making, NewPsk, end_expired},
    },
    router,
    testing::TestApp,
};

/// Gives two routers a key, which meet in a group: its identifier, and the code of each end.
pub(crate) async fn given(app: &App, routers: [&str; 2], making: Making) -> (String, [String; 2]) {
    let [one, other] = routers;
    if !vpn_peers::are(&mut app.store().read(), one, other, app.now()).await.unwrap() {
        meet(app, &routers).await;
    }
    let (sealing, now) = (&app.keys().sealing, app.now());
    let psk = NewPsk::draw(&SystemRandomness, sealing, app.config(), routers, now).unwrap();
    transaction!(app.store(), StoreError, |tx| {
        assert_eq!(psk.keep(tx, making, "p").await?, None);
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
    (psk.id(), psk.ends().each_ref().map(|end| end.code.reveal().to_string()))
}

/// An instance with two routers and their key.
async fn paired() -> (TestApp, String, [String; 2]) {
    let test = scene::instance().await;
    enter_routers(&test).await;
    let (id, codes) = given(&test.app, [ROUTER, FIXED], Making::First).await;
    (test, id, codes)
}

struct Answer {
    status: StatusCode,
    text: String,
}

impl Answer {
    fn line(&self, name: &str) -> &str {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        let mut lines = self.text.lines();
        lines.find_map(|line| line.strip_prefix(name)).unwrap().trim()
    }

    fn is_refused(&self, status: StatusCode, says: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(self.text.contains(says) && !self.text.contains("secret"), "{}", self.text);
    }
}

async fn send(app: &App, request: http::request::Builder, body: &str) -> Answer {
    let peer = Peer {
        addr: SocketAddr::from(([192, 0, 2, 1], 50_000)),
        role: NameRole::Enrol,
        chain: Vec::new().into(),
    };
    let request = request.header(header::HOST, app.names().authority(NameRole::Enrol));
    let request = request.extension(peer).body(Body::from(body.to_owned())).unwrap();
    let response = router::enrol(app).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    assert_eq!(parts.headers[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    assert_eq!(parts.headers[header::CACHE_CONTROL], "no-store");
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, text: String::from_utf8(body.to_vec()).unwrap() }
}

fn asking(router: &str, code: &str) -> http::request::Builder {
    let basic = STANDARD.encode(format!("{router}:{code}"));
    Request::post("/router/psk").header(header::AUTHORIZATION, format!("Basic {basic}"))
}

async fn fetch(app: &App, router: &str, code: &str) -> Answer {
    send(app, asking(router, code), "").await
}

async fn standing(app: &App, id: &str) -> Answer {
    send(app, Request::get(format!("/router/psk/{id}")), "").await
}

async fn sealed(app: &App, id: &str) -> Option<Vec<u8>> {
    let query = sql("SELECT sealed FROM router_psk WHERE id = $1").bind(id);
    let (sealed,): (Option<Vec<u8>>,) = app.store().read().fetch_one(query).await.unwrap();
    sealed
}

/// The last act of the trail, with its reason.
async fn last_act(test: &TestApp) -> String {
    acts(test).await.pop().unwrap()
}

#[tokio::test]
async fn each_end_fetches_the_key_once_and_then_nobody_has_it_but_they() {
    let (test, id, [own, other]) = paired().await;
    let app = &test.app;
    let first = fetch(app, ROUTER, &own).await;
    assert_eq!((first.line("id"), first.line("peer")), (id.as_str(), FIXED));
    let secret = first.line("secret").to_owned();
    assert!(secret.len() == 64 && secret.bytes().all(|octet| octet.is_ascii_hexdigit()));
    assert_eq!(last_act(&test).await, "router.psk.fetch");
    fetch(app, ROUTER, &own).await.is_refused(StatusCode::FORBIDDEN, "was used");
    assert_eq!(last_act(&test).await, "router.psk.fetch:code_used");
    assert!(sealed(app, &id).await.is_some(), "the other end waits");

    // As people type it.
    let second = fetch(app, &FIXED.to_lowercase(), &other.to_lowercase().replace('-', " ")).await;
    assert_eq!((second.line("peer"), second.line("secret")), (ROUTER, secret.as_str()));
    assert_eq!(sealed(app, &id).await, None);
    fetch(app, FIXED, &other).await.is_refused(StatusCode::FORBIDDEN, "was used");
    let records = audit::list(&mut app.store().read(), "", None, 1000).await.unwrap();
    for record in records {
        let record = String::from_utf8_lossy(&record.canonical).into_owned();
        assert!(!record.contains(&secret) && !record.contains(&own), "{record}");
    }
    assert_eq!(standing(app, &id).await.text, "in-force\n");
}

#[tokio::test]
async fn every_pair_has_a_key_of_its_own() {
    let (test, _, [own, _]) = paired().await;
    let mut secrets = vec![fetch(&test.app, ROUTER, &own).await.line("secret").to_owned()];
    for _ in 0..5 {
        let (_, [own, other]) = given(&test.app, [FIXED, ROUTER], Making::Replacement).await;
        let secret = fetch(&test.app, FIXED, &own).await.line("secret").to_owned();
        assert_eq!(fetch(&test.app, ROUTER, &other).await.line("secret"), secret);
        secrets.push(secret);
    }
    secrets.sort();
    secrets.dedup();
    assert_eq!(secrets.len(), 6);
}

#[tokio::test]
async fn who_brings_no_code_of_this_end_hears_one_answer() {
    let (test, id, [own, other]) = paired().await;
    let app = &test.app;
    let enrolment = new_code(&test, ROUTER).await;
    for (router, code, reason) in [
        (ROUTER, other.as_str(), ":wrong_code"),
        (FIXED, &own, ":wrong_code"),
        (ROUTER, &enrolment, ":wrong_code"),
        ("T3333333333", &own, ":wrong_code"),
        (scene::TERMINAL, &own, ":wrong_code"),
        (ROUTER, "0000-0000", ":malformed_credentials"),
        ("router", &own, ":malformed_credentials"),
    ] {
        let answer = fetch(app, router, code).await;
        answer.is_refused(StatusCode::UNAUTHORIZED, "terminal and code are not accepted");
        assert_eq!(last_act(&test).await, format!("router.psk.fetch{reason}"), "{router}");
    }
    let before = acts(&test).await.len();
    let none = send(app, Request::post("/router/psk"), "").await;
    none.is_refused(StatusCode::UNAUTHORIZED, "not accepted");
    let body = send(app, asking(ROUTER, &own), "x").await;
    body.is_refused(StatusCode::BAD_REQUEST, "has no body");
    assert_eq!(acts(&test).await.len(), before, "nothing happened");
    let twice = asking(ROUTER, &own).header(header::AUTHORIZATION, "Basic eA==");
    send(app, twice, "").await.is_refused(StatusCode::BAD_REQUEST, "repeated");
    // A key's code makes no certificate, and none of this used it up.
    let der = csr(&key(), &Name::default());
    let wrong_door =
        scene::Ask { operation: "routers/simpleenroll", ..scene::Ask::enrol(ROUTER, &own, &der) };
    wrong_door.send(&test).await.is_refused(StatusCode::UNAUTHORIZED, "not accepted");
    assert_eq!(fetch(app, ROUTER, &own).await.line("id"), id);
}

#[tokio::test]
async fn what_is_over_or_taken_back_gives_no_key() {
    for (what, says, told) in [
        ("late", "its time is over", "code_expired"),
        ("replaced", "ended or replaced", "key_ended"),
        ("withdrawn", "ended or replaced", "key_ended"),
        ("revoked", "ended or replaced", "key_ended"),
        ("held", "ended or replaced", "key_ended"),
        ("suspended", "ended or replaced", "key_ended"),
    ] {
        let (test, id, [own, _]) = paired().await;
        let (app, at) = (&test.app, test.app.now());
        match what {
            "late" => test.clock.advance(app.config().enrolment().code_lifetime()),
            "replaced" => {
                given(app, [ROUTER, FIXED], Making::Replacement).await;
            }
            _ => {
                transaction!(app.store(), StoreError, |tx| {
                    let revocation = Revocation {
                        crl_reason: 5,
                        cause: "retired",
                        note: "",
                        person_id: Some("p"),
                        at,
                    };
                    match what {
                        "withdrawn" => {
                            router_psk::end(tx, &id, PskEnd::Withdrawn, at).await?;
                        }
                        // The other end: what it knew is nobody's any more.
                        "revoked" => {
                            terminal::revoke(tx, FIXED, FACILITY, revocation).await?;
                        }
                        "held" => {
                            terminal_hold::begin(tx, FIXED, "", at).await?;
                        }
                        _ => {
                            let suspend = StatusChange::Suspend;
                            organisation::change_status(tx, FACILITY, suspend, "p", "", at).await?;
                        }
                    }
                    Ok(Audited::new((), Entry::done("test", Actor::System, at)))
                })
                .unwrap();
            }
        }
        fetch(app, ROUTER, &own).await.is_refused(StatusCode::FORBIDDEN, says);
        assert_eq!(last_act(&test).await, format!("router.psk.fetch:{told}"), "{what}");
        let standing = standing(app, &id).await.text;
        let expected = match what {
            "late" => "waiting\n",
            "replaced" => "replaced\n",
            _ => "ended\n",
        };
        assert_eq!(standing, expected, "{what}");
        assert_eq!(sealed(app, &id).await.is_some(), what == "late", "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_with_one_code_one_gets_the_key() {
    let (test, _, [own, _]) = paired().await;
    let asking: Vec<_> = (0..6)
        .map(|_| {
            let (app, own) = (test.app.clone(), own.clone());
            tokio::spawn(async move { fetch(&app, ROUTER, &own).await.status })
        })
        .collect();
    let mut got = 0;
    for answer in asking {
        match answer.await.unwrap() {
            StatusCode::OK => got += 1,
            refused => assert_eq!(refused, StatusCode::FORBIDDEN),
        }
    }
    assert_eq!(got, 1);
}

#[tokio::test]
async fn a_key_that_does_not_open_leaves_its_code() {
    let (test, id, [own, _]) = paired().await;
    let app = &test.app;
    let good = sealed(app, &id).await.unwrap();
    let keep = async |sealed: &[u8]| {
        let now = app.now();
        transaction!(app.store(), StoreError, |tx| {
            tx.execute(
                sql("UPDATE router_psk SET sealed = $2 WHERE id = $1")
                    .bind(id.as_str())
                    .bind(sealed),
            )
            .await?;
            Ok(Audited::new((), Entry::done("test", Actor::System, now)))
        })
        .unwrap();
    };
    let mut damaged = good.clone();
    damaged[0] ^= 1;
    keep(&damaged).await;
    let before = acts(&test).await.len();
    let failed = fetch(app, ROUTER, &own).await;
    failed.is_refused(StatusCode::INTERNAL_SERVER_ERROR, "the service failed");
    assert_eq!(acts(&test).await.len(), before);
    keep(&good).await;
    assert_eq!(fetch(app, ROUTER, &own).await.line("id"), id);
}

#[tokio::test]
async fn what_nobody_fetched_in_time_is_ended_once() {
    let (test, id, [own, _]) = paired().await;
    let app = &test.app;
    fetch(app, ROUTER, &own).await.line("secret");
    test.clock.advance(app.config().enrolment().code_lifetime() - Duration::SECOND);
    end_expired(app).await.unwrap();
    assert!(sealed(app, &id).await.is_some());
    test.clock.advance(Duration::SECOND);
    let (one, two) = tokio::join!(end_expired(app), end_expired(app));
    one.unwrap();
    two.unwrap();
    end_expired(app).await.unwrap();
    assert_eq!(sealed(app, &id).await, None);
    // In the trail of each end once.
    let ended = acts(&test).await.into_iter().filter(|act| act == "router.psk.expire");
    assert_eq!(ended.count(), 2);
    assert_eq!(standing(app, &id).await.text, "ended\n", "the end that has it forgets it");
}

#[tokio::test]
async fn nobody_learns_of_a_key_that_never_was() {
    let (test, id, _) = paired().await;
    for nothing in ["0199b3a0-0000-7000-8000-000000000000", "x", "%00", ROUTER, &id[1..]] {
        let answer = standing(&test.app, nothing).await;
        answer.is_refused(StatusCode::NOT_FOUND, "never was");
    }
}

#[tokio::test]
async fn a_network_that_only_guesses_rests_and_a_right_code_is_served_there() {
    let (test, id, [own, other]) = paired().await;
    let mut rests = false;
    for _ in 0..500 {
        let answer = fetch(&test.app, ROUTER, &other).await;
        rests = answer.status == StatusCode::TOO_MANY_REQUESTS;
        if rests {
            break;
        }
    }
    assert!(rests);
    let before = acts(&test).await.len();
    fetch(&test.app, ROUTER, &other).await.is_refused(StatusCode::TOO_MANY_REQUESTS, "try again");
    assert_eq!(acts(&test).await.len(), before, "the trail is not filled");
    assert_eq!(fetch(&test.app, ROUTER, &own).await.line("id"), id);
}
