//! What routers say of their tunnels, through the router of the name for enrolment.

use std::net::SocketAddr;

use axum::body::Body;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use rustls_pki_types::CertificateDer;
use sekisho_key::SystemRandomness;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    revocation::Status,
    router_tunnel::{self, Told},
    terminal, transaction,
};
use time::Duration;
use tower::ServiceExt;
use x509_cert::name::Name;

use crate::{
    enrol::{
        est::tests::{
            routers::{FIXED, ROUTER, enrolled, enter_routers},
            scene::{self, Ask, FACILITY, acts, certificates, csr, key, new_code},
        },
        psk::tests::given,
    },
    listener::Peer,
    names::NameRole,
    network::{bundle::Key, psk::Making, setup::NewSetup},
    router,
    testing::TestApp,
};

/// An instance with two routers, for one of which there is a link that names the other.
async fn linked() -> TestApp {
    let test = scene::instance().await;
    enter_routers(&test).await;
    let (now, peers) = (test.app.now(), vec![FIXED.to_owned()]);
    let setup = NewSetup::draw(&SystemRandomness, ROUTER, Key::P256, peers, now).unwrap();
    transaction!(test.app.store(), StoreError, |tx| {
        let terminal = terminal::find(tx, ROUTER).await?.unwrap();
        assert_eq!(setup.keep(tx, &terminal, "p").await?, None);
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
    test
}

/// By what a router proves itself.
enum By<'a> {
    Certificate(&'a [u8]),
    Code(&'a str, &'a str),
    Nothing,
}

struct Answer {
    status: StatusCode,
    text: String,
}

impl Answer {
    fn is(&self, status: StatusCode, says: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(self.text.contains(says), "{}", self.text);
    }
}

async fn tell(test: &TestApp, by: By<'_>, report: impl Into<Vec<u8>>) -> Answer {
    let app = &test.app;
    let mut request = Request::post("/router/tunnels")
        .header(header::HOST, app.names().authority(NameRole::Enrol))
        .header(header::CONTENT_TYPE, "text/csv");
    let mut chain = Vec::new();
    match by {
        By::Certificate(der) => chain.push(CertificateDer::from(der.to_vec())),
        By::Code(router, code) => {
            let basic = STANDARD.encode(format!("{router}:{code}"));
            request = request.header(header::AUTHORIZATION, format!("Basic {basic}"));
        }
        By::Nothing => {}
    }
    let addr = SocketAddr::from(([192, 0, 2, 1], 50_000));
    let peer = Peer { addr, role: NameRole::Enrol, chain: chain.into() };
    let request = request.extension(peer).body(Body::from(report.into())).unwrap();
    let response = router::enrol(app).oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer { status, text: String::from_utf8(body.to_vec()).unwrap() }
}

async fn told(test: &TestApp) -> Vec<Told> {
    router_tunnel::at(&mut test.app.store().read(), ROUTER).await.unwrap()
}

/// Records of this act.
async fn count(test: &TestApp, act: &str) -> usize {
    acts(test).await.into_iter().filter(|done| done == act).count()
}

/// The code that came with the key of a pair, of the first router.
async fn report_code(test: &TestApp, code: &str) -> String {
    let basic = STANDARD.encode(format!("{ROUTER}:{code}"));
    let addr = SocketAddr::from(([192, 0, 2, 1], 50_000));
    let peer = Peer { addr, role: NameRole::Enrol, chain: Vec::new().into() };
    let request = Request::post("/router/psk")
        .header(header::HOST, test.app.names().authority(NameRole::Enrol))
        .header(header::AUTHORIZATION, format!("Basic {basic}"))
        .extension(peer)
        .body(Body::empty())
        .unwrap();
    let response = router::enrol(&test.app).oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    text.lines().find_map(|line| line.strip_prefix("report ")).unwrap().to_owned()
}

#[tokio::test]
async fn a_change_is_a_record_at_both_ends_and_what_is_said_again_is_only_heard() {
    let test = linked().await;
    let certificate = enrolled(&test, ROUTER, &key()).await;
    let report = |state: &str| format!("{FIXED},{state}\n");
    let by = || By::Certificate(&certificate);
    tell(&test, by(), report("down")).await.is(StatusCode::OK, "told of 1\n");
    assert_eq!((told(&test).await[0].up, count(&test, "router.tunnel.down").await), (false, 2));
    test.clock.advance(Duration::MINUTE);
    let up_at = test.app.now();
    tell(&test, by(), report("up")).await.is(StatusCode::OK, "told of 1\n");
    test.clock.advance(Duration::MINUTE);
    tell(&test, by(), report("up")).await.is(StatusCode::OK, "told of 1\n");
    let now = told(&test).await.remove(0);
    assert_eq!((now.router_id.as_str(), now.peer_id.as_str(), now.up), (ROUTER, FIXED, true));
    assert_eq!((now.since, now.first_up_at), (up_at, Some(up_at)));
    assert_eq!(now.heard_at, test.app.now());
    assert_eq!(count(&test, "router.tunnel.up").await, 2, "not at each report");
    test.clock.advance(Duration::MINUTE);
    tell(&test, by(), report("down")).await.is(StatusCode::OK, "told of 1\n");
    assert_eq!(count(&test, "router.tunnel.down").await, 4);
    // The end that no link was made for may tell of it as well.
    let other = enrolled(&test, FIXED, &key()).await;
    let back = tell(&test, By::Certificate(&other), format!("{ROUTER},up\n")).await;
    back.is(StatusCode::OK, "told of 1\n");
    assert_eq!(told(&test).await.len(), 2);
}

#[tokio::test]
async fn who_is_no_peer_by_the_register_is_left_aside_and_named() {
    let test = linked().await;
    let certificate = enrolled(&test, ROUTER, &key()).await;
    let report = format!("{FIXED},up\nT3333333333,up\n{ROUTER},up\n{},up\n", scene::TERMINAL);
    let answer = tell(&test, By::Certificate(&certificate), report).await;
    answer.is(StatusCode::OK, "told of 1\n");
    for stranger in ["T3333333333", ROUTER, scene::TERMINAL] {
        answer.is(StatusCode::OK, &format!("{stranger} is no peer of this router"));
    }
    assert_eq!(told(&test).await.len(), 1);
    // A part of a report may have no others.
    let nobody = tell(&test, By::Certificate(&certificate), "T3333333333,up\n").await;
    nobody.is(StatusCode::OK, "told of 0\nT3333333333 is no peer of this router");
    nobody.is(StatusCode::OK, "see to the groups");
    let unproven = tell(&test, By::Nothing, "T3333333333,up\n").await;
    unproven.is(StatusCode::FORBIDDEN, "neither");
    assert_eq!(told(&test).await.len(), 1);
}

#[tokio::test]
async fn a_report_that_is_none_is_refused_with_its_line_and_nothing_is_kept() {
    let test = linked().await;
    let certificate = enrolled(&test, ROUTER, &key()).await;
    let good = format!("{FIXED},up\n");
    for (report, says) in [
        (String::new(), "empty"),
        (format!("{good}\n"), "line 2"),
        (format!("{good}{FIXED} up\n"), "line 2"),
        (format!("{FIXED}, up\n"), "neither up nor down"),
        (format!("{FIXED},UP\n"), "neither up nor down"),
        (format!("{FIXED},up now\n"), "neither up nor down"),
        (format!("{good}{FIXED},down\n"), "line 2 of the report tells of a router once more"),
        ("router,up\n".to_owned(), "line 1 of the report does not begin"),
        (format!("{good}\0\n"), "line 2"),
    ] {
        let answer = tell(&test, By::Certificate(&certificate), report.clone()).await;
        answer.is(StatusCode::BAD_REQUEST, says);
        assert!(!answer.text.trim_end().contains('\n'), "{report:?}");
    }
    let text = tell(&test, By::Certificate(&certificate), vec![0xff, 0xfe]).await;
    text.is(StatusCode::BAD_REQUEST, "no text");
    let long = tell(&test, By::Certificate(&certificate), good.repeat(2_000)).await;
    long.is(StatusCode::PAYLOAD_TOO_LARGE, "at most 500 tunnels, in 9000 octets");
    assert!(told(&test).await.is_empty());
}

#[tokio::test]
async fn a_report_of_as_many_tunnels_as_are_taken_is_taken_and_one_more_is_told_so() {
    let test = linked().await;
    let certificate = enrolled(&test, ROUTER, &key()).await;
    let full = |state: &str, end: &str, tunnels: usize| {
        let mut report = format!("{FIXED},{state}{end}");
        for number in 1..tunnels {
            report.push_str(&format!("T{number:010},{state}{end}"));
        }
        report
    };
    // The longest lines.
    let most = tell(&test, By::Certificate(&certificate), full("down", "\r\n", 500)).await;
    most.is(StatusCode::OK, "told of 1\n");
    assert_eq!(most.text.lines().count(), 500, "each that is left aside is named");
    let over = tell(&test, By::Certificate(&certificate), full("up", "\n", 501)).await;
    over.is(StatusCode::BAD_REQUEST, "at most 500 tunnels, in 9000 octets");
    over.is(StatusCode::BAD_REQUEST, "report.sh of a bundle that is taken anew");
    let over = tell(&test, By::Certificate(&certificate), full("down", "\r\n", 501)).await;
    over.is(StatusCode::PAYLOAD_TOO_LARGE, "report.sh of a bundle that is taken anew");
    assert!(!told(&test).await[0].up, "nothing of those was kept");
}

#[tokio::test]
async fn a_router_with_keys_alone_tells_by_the_code_that_came_with_one_until_that_ends() {
    let test = scene::instance().await;
    enter_routers(&test).await;
    let (_, [own, _]) = given(&test.app, [ROUTER, FIXED], Making::First).await;
    let report = format!("{FIXED},up\n");
    // The code that fetches the key is none that reports.
    let fetching = tell(&test, By::Code(ROUTER, &own), report.as_str()).await;
    fetching.is(StatusCode::UNAUTHORIZED, "not accepted");
    assert_eq!(acts(&test).await.pop().unwrap(), "router.tunnel.report:wrong_code");
    let code = report_code(&test, &own).await;
    tell(&test, By::Code(ROUTER, &code), report.as_str()).await.is(StatusCode::OK, "told of 1");
    assert!(told(&test).await[0].up);
    let strangers = tell(&test, By::Code(ROUTER, &code), "T3333333333,up\n").await;
    strangers.is(StatusCode::OK, "told of 0\nT3333333333 is no peer of this router");
    let records = acts(&test).await.len();
    let others = tell(&test, By::Code(FIXED, &code), format!("{ROUTER},up\n")).await;
    others.is(StatusCode::UNAUTHORIZED, "not accepted");
    assert_eq!(acts(&test).await.len(), records + 1);
    // Nothing of it is in the trail or in the database.
    for record in
        sekisho_store::audit::list(&mut test.app.store().read(), "", None, 1000).await.unwrap()
    {
        assert!(!String::from_utf8_lossy(&record.canonical).contains(&code));
    }
    given(&test.app, [ROUTER, FIXED], Making::Replacement).await;
    let records = acts(&test).await.len();
    test.clock.advance(Duration::MINUTE);
    let ended = tell(&test, By::Code(ROUTER, &code), format!("{FIXED},down\n")).await;
    ended.is(StatusCode::FORBIDDEN, "has ended");
    assert_eq!(acts(&test).await.len(), records, "a router that goes on trying fills no trail");
    assert!(told(&test).await[0].up);
}

#[tokio::test]
async fn who_is_no_router_in_force_tells_nothing() {
    let test = linked().await;
    let certificate = enrolled(&test, ROUTER, &key()).await;
    let report = format!("{FIXED},up\n");
    tell(&test, By::Nothing, report.as_str()).await.is(StatusCode::FORBIDDEN, "neither");
    let strange = test.app.authority().root_der(test.app.now()).to_vec();
    let strange = tell(&test, By::Certificate(&strange), report.as_str()).await;
    strange.is(StatusCode::FORBIDDEN, "not one that we issued to a router");
    let code = new_code(&test, scene::TERMINAL).await;
    let pc = Ask::enrol(scene::TERMINAL, &code, &csr(&key(), &Name::default()));
    let pc = pc.send(&test).await.certificate();
    tell(&test, By::Certificate(&pc), report.as_str()).await.is(StatusCode::FORBIDDEN, "a router");
    for malformed in ["0000-0000", ""] {
        let answer = tell(&test, By::Code(ROUTER, malformed), report.as_str()).await;
        answer.is(StatusCode::UNAUTHORIZED, "not accepted");
    }
    let now = test.app.now();
    let revocation = terminal::Revocation {
        crl_reason: 1,
        cause: "lost",
        note: "x",
        person_id: Some("p"),
        at: now,
    };
    transaction!(test.app.store(), StoreError, |tx| {
        terminal::revoke(tx, ROUTER, FACILITY, revocation).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
    let revoked = tell(&test, By::Certificate(&certificate), report.as_str()).await;
    revoked.is(StatusCode::FORBIDDEN, "revoked");
    assert!(told(&test).await.is_empty());
}

#[tokio::test]
async fn a_report_by_a_new_certificate_leaves_the_one_before_in_force() {
    let test = linked().await;
    let old = enrolled(&test, ROUTER, &key()).await;
    test.clock.advance(Duration::DAY);
    let renewal = Ask::renew(&old, &csr(&key(), &Name::default()));
    let operation = "routers/simplereenroll";
    let new = Ask { operation, ..renewal }.send(&test).await.certificate();
    // Before install.sh the daemon goes on with the old one.
    let told = tell(&test, By::Certificate(&new), format!("{FIXED},up\n")).await;
    told.is(StatusCode::OK, "told of 1");
    let now = certificates(&test, ROUTER).await;
    assert_eq!(now.len(), 2);
    assert!(now.iter().all(|one| one.status == Status::Good), "{now:?}");
}

#[tokio::test]
async fn a_tunnel_that_comes_and_goes_at_once_does_not_fill_the_trail() {
    let test = linked().await;
    let certificate = enrolled(&test, ROUTER, &key()).await;
    let report = |state: &str| format!("{FIXED},{state}\n");
    tell(&test, By::Certificate(&certificate), report("up")).await.is(StatusCode::OK, "told");
    let records = acts(&test).await.len();
    for state in ["down", "down"] {
        test.clock.advance(Duration::SECOND);
        let soon = tell(&test, By::Certificate(&certificate), report(state)).await;
        let left = format!("told of 0\n{FIXED} has changed already: tell it again");
        soon.is(StatusCode::OK, &left);
        assert!(!soon.text.contains("administrator"), "{}", soon.text);
    }
    assert!(told(&test).await[0].up);
    assert_eq!(acts(&test).await.len(), records);
    test.clock.advance(3 * Duration::SECOND);
    tell(&test, By::Certificate(&certificate), report("down")).await.is(StatusCode::OK, "told");
    assert!(!told(&test).await[0].up);
}

#[tokio::test]
async fn a_tunnel_that_flaps_is_a_record_a_minute_and_its_state_is_the_last_one_said() {
    let test = linked().await;
    let certificate = enrolled(&test, ROUTER, &key()).await;
    let mut up = true;
    let begun = acts(&test).await.len();
    // Every six seconds, for five minutes.
    for _ in 0..50 {
        let state = if up { "up" } else { "down" };
        let answer = tell(&test, By::Certificate(&certificate), format!("{FIXED},{state}\n")).await;
        answer.is(StatusCode::OK, "told of 1\n");
        assert_eq!(told(&test).await[0].up, up);
        up = !up;
        test.clock.advance(6 * Duration::SECOND);
    }
    let records = acts(&test).await.len() - begun;
    assert_eq!(records, 2 * 5, "at both routers");
    // It stands still: what is said again brings the trail to where it is, and then nothing more.
    let last = told(&test).await[0].up;
    let state = if last { "up" } else { "down" };
    for minutes in [1, 1, 10] {
        test.clock.advance(minutes * Duration::MINUTE);
        let answer = tell(&test, By::Certificate(&certificate), format!("{FIXED},{state}\n")).await;
        answer.is(StatusCode::OK, "told of 1\n");
    }
    let trail = sekisho_store::audit::list(&mut test.app.store().read(), "", None, 9_999).await;
    let trail = trail.unwrap();
    let of_tunnels = trail.iter().filter(|record| record.columns.act.starts_with("router.tunnel."));
    let told: Vec<(String, i64)> = of_tunnels
        .map(|record| {
            let form: serde_json::Value = serde_json::from_slice(&record.canonical).unwrap();
            (record.columns.act.clone(), form["facts"]["changes"].as_i64().unwrap_or(1))
        })
        .collect();
    assert_eq!(told.len(), 2 * 6);
    assert_eq!(told.last().unwrap().0, format!("router.tunnel.{state}"));
    let changes: i64 = told.iter().map(|(_, changes)| changes).sum();
    assert_eq!(changes, 2 * 50, "every change is told, if not each by itself: {told:?}");
}

#[tokio::test]
async fn of_a_router_that_falls_silent_the_trail_ends_with_what_it_said_last() {
    let test = linked().await;
    let certificate = enrolled(&test, ROUTER, &key()).await;
    let say = async |state: &str| {
        let answer = tell(&test, By::Certificate(&certificate), format!("{FIXED},{state}\n")).await;
        answer.is(StatusCode::OK, "told of 1\n");
    };
    say("up").await;
    test.clock.advance(10 * Duration::SECOND);
    let down_at = test.app.now();
    say("down").await;
    let begun = acts(&test).await.len();
    super::tell_of_silent(&test.app).await.unwrap();
    assert_eq!(acts(&test).await.len(), begun, "a record was a moment ago");
    test.clock.advance(Duration::MINUTE);
    for _ in 0..2 {
        super::tell_of_silent(&test.app).await.unwrap();
    }
    let trail = sekisho_store::audit::list(&mut test.app.store().read(), "", None, 9_999).await;
    let trail = trail.unwrap();
    assert_eq!(trail.len(), begun + 2, "at both routers, once");
    for record in &trail[begun..] {
        assert_eq!(record.columns.act, "router.tunnel.down");
        let form: serde_json::Value = serde_json::from_slice(&record.canonical).unwrap();
        assert_eq!(form["facts"]["since"].as_i64(), Some(down_at.unix_timestamp()));
        assert!(form["facts"]["changes"].is_null());
        assert_eq!(form["facts"]["told_by"], ROUTER);
    }
    let told = told(&test).await.remove(0);
    assert_eq!((told.up, told.heard_at), (false, down_at), "nothing was heard since");
}

#[tokio::test]
async fn a_network_that_only_guesses_rests_and_a_router_there_goes_on_telling() {
    let test = scene::instance().await;
    enter_routers(&test).await;
    let (_, [own, other]) = given(&test.app, [ROUTER, FIXED], Making::First).await;
    let code = report_code(&test, &own).await;
    let report = format!("{FIXED},up\n");
    let mut rests = false;
    for _ in 0..500 {
        let answer = tell(&test, By::Code(ROUTER, &other), report.as_str()).await;
        rests = answer.status == StatusCode::TOO_MANY_REQUESTS;
        if rests {
            break;
        }
    }
    assert!(rests);
    tell(&test, By::Code(ROUTER, &code), report.as_str()).await.is(StatusCode::OK, "told of 1");
}
