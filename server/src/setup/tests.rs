//! The technician's page through the router of the public name: what opens it, what it shows, what ends it.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    router::Router,
    router_tunnel, transaction,
};
use time::Duration;
use tower::ServiceExt;

use crate::{
    console::{
        routers::tests::{FACILITY, OURS, entered, instance, routers, send},
        scene::{acts, form},
    },
    enrol::psk::tests::given,
    listener::Peer,
    names::NameRole,
    network::{groups::testing::meet, psk::Making},
    router,
    testing::TestApp,
};

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// It shows this.
    fn shows(&self, parts: &[&str]) {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        for part in parts {
            assert!(self.text.contains(part), "{part}: {}", self.text);
        }
    }
}

/// A telephone's request, with the cookie of a link where it has one.
async fn ask(test: &TestApp, method: &str, path: &str, code: Option<&str>, body: &str) -> Answer {
    let names = test.app.names();
    let addr = SocketAddr::from(([198, 51, 100, 9], 50_000));
    let peer = Peer { addr, role: NameRole::Public, chain: Arc::new([]) };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, names.authority(NameRole::Public))
        .header(header::ORIGIN, names.origin(NameRole::Public))
        .header("sec-fetch-site", "same-origin")
        .header(header::ACCEPT, "text/html")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(code) = code {
        request = request.header(header::COOKIE, format!("__Host-setup={code}"));
    }
    let request = request.extension(peer).body(Body::from(body.to_owned())).unwrap();
    let response = router::public(&test.app).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, text }
}

async fn page(test: &TestApp, code: &str) -> Answer {
    ask(test, "GET", "/setup", Some(code), "").await
}

/// Makes a link at the console: what its sheet shows, and the code.
async fn made(test: &TestApp, own: &Router, others: &[&Router]) -> (String, String) {
    let mut fields = vec![("key", "p256".to_owned())];
    fields.extend(others.iter().map(|other| ("tunnel", other.terminal_id.clone())));
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let met = [own].into_iter().chain(others.iter().copied());
    meet(&test.app, &met.map(|router| router.terminal_id.as_str()).collect::<Vec<_>>()).await;
    let path = format!("/console/routers/{}/setup", own.terminal_id);
    let sheet = send(test, "POST", &path, OURS, &form(&fields)).await;
    assert_eq!(sheet.status, StatusCode::OK, "{}", sheet.text);
    let (_, rest) = sheet.text.split_once("id=\"setup-code\"").unwrap();
    let code = rest.split_once('>').unwrap().1.split('<').next().unwrap().to_owned();
    (sheet.text, code)
}

/// An instance with a strongSwan, an OpenIKED and the first one's link.
async fn linked() -> (TestApp, Router, Router, String) {
    let test = instance().await;
    let own = entered(&test, "router_strongswan", "10.20.1.0/24").await;
    let other = entered(&test, "router_openiked", "10.20.2.0/24").await;
    let (_, code) = made(&test, &own, &[&other]).await;
    (test, own, other, code)
}

/// One router says of its tunnel with another whether it stands.
async fn told(test: &TestApp, by: &Router, of: &Router, up: bool) {
    let now = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        router_tunnel::tell(tx, &by.terminal_id, &of.terminal_id, up, now).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
}

async fn count(test: &TestApp, act: &str) -> usize {
    acts(&test.app).await.iter().filter(|done| done.starts_with(act)).count()
}

#[tokio::test]
async fn the_address_of_the_picture_leads_to_one_without_the_code_and_opens_for_a_telephone() {
    let (test, own, other, code) = linked().await;
    let opened = ask(&test, "GET", &format!("/setup?code={code}"), None, "").await;
    assert_eq!(opened.status, StatusCode::SEE_OTHER, "{}", opened.text);
    assert_eq!((opened.header("location"), opened.header("cache-control")), ("/setup", "no-store"));
    let cookie = opened.header("set-cookie");
    assert!(cookie.starts_with(&format!("__Host-setup={code}; Path=/; Secure; HttpOnly; ")));
    assert!(cookie.ends_with("SameSite=Lax; Max-Age=604800"), "{cookie}");
    assert_eq!(opened.header("referrer-policy"), "same-origin");
    assert_eq!(count(&test, "router.setup.open done").await, 1);
    // The steps of this family in their order, and the other end.
    let shown = page(&test, &code).await;
    let id = &other.terminal_id;
    shown.shows(&["10.20.1.0/24」の設定", "strongSwan", id, "まだです", "swanctl --load-all"]);
    let steps =
        ["swanctl.conf", "sh enrol.sh p256", "sh install.sh", "sh report.sh", "sh remove.sh"];
    let places: Vec<_> = steps.iter().map(|step| shown.text.rfind(step).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!((shown.header("refresh"), shown.header("cache-control")), ("10", "no-store"));
    // Nothing that lets in, nothing of the console, no text of a configuration, no address of a network.
    for absent in [
        code.as_str(),
        "BEGIN CERTIFICATE",
        "connections {",
        "/console",
        "<script",
        other.dns_name.as_str(),
        &own.dns_name,
    ] {
        assert!(!shown.text.contains(absent), "{absent}");
    }
    let still = ask(&test, "GET", "/setup?refresh=off", Some(&code), "").await;
    still.shows(&["自動で表示し直す"]);
    assert_eq!(still.header("refresh"), "");
    let en = ask(&test, "GET", "/setup?lang=en", Some(&code), "").await;
    en.shows(&["Setting up", "Not yet", "Look again", "looks again every ten seconds"]);
    for text in [&shown.text, &en.text] {
        assert!(!text.contains("setup-") && !text.contains("routers-"), "{text}");
    }
    // Opened again it is no record.
    ask(&test, "GET", &format!("/setup?code={code}"), None, "").await;
    assert_eq!(count(&test, "router.setup.open").await, 1);
}

#[tokio::test]
async fn a_tick_comes_with_the_word_of_either_end_and_goes_with_it() {
    let (test, own, other, code) = linked().await;
    told(&test, &own, &other, true).await;
    let up = page(&test, &code).await;
    up.shows(&["✓", "つながっています", "2026年11月21日 18:00 から", "このルーター", "1分以内"]);
    up.shows(&["すべてのトンネルがつながりました"]);
    assert_eq!(up.header("refresh"), "", "there is nothing to wait for");
    test.clock.advance(Duration::minutes(5));
    page(&test, &code).await.shows(&["5分前"]);
    told(&test, &other, &own, false).await;
    let down = page(&test, &code).await;
    down.shows(&["つながっていません", "相手のルーター", "確かめること", "UDP 500"]);
    assert!(!down.text.contains('✓') && down.header("refresh") == "10", "{}", down.text);
    test.clock.advance(Duration::MINUTE);
    told(&test, &other, &own, true).await;
    page(&test, &code).await.shows(&["✓", "両方のルーター"]);
    // What was said half an hour ago says nothing about now.
    test.clock.advance(Duration::minutes(26));
    let silent = page(&test, &code).await;
    silent.shows(&["今の状態はわかりません", "26分前", "そのときは、つながっていました"]);
    assert!(!silent.text.contains('✓'), "{}", silent.text);
}

#[tokio::test]
async fn where_nobody_tells_the_page_says_so_and_keeps_what_the_technician_saw_as_their_word() {
    let test = instance().await;
    let own = entered(&test, "router_yamaha_rtx", "10.20.1.0/24").await;
    let untold = entered(&test, "router_nec_ix", "10.20.2.0/24").await;
    let tells = entered(&test, "router_strongswan", "10.20.3.0/24").await;
    given(&test.app, [&own.terminal_id, &untold.terminal_id], Making::First).await;
    let (sheet, code) = made(&test, &own, &[&untold, &tells]).await;
    assert!(sheet.contains("実機では確認していません"), "{sheet}");
    let shown = page(&test, &code).await;
    shown.shows(&["自動では確かめられません", "show ipsec sa", "yamaha-rtx.txt", "まだです"]);
    shown.shows(&["相手のルーターで「sh report.sh」が実行され"]);
    // The other end's word is enough for a device that says nothing.
    told(&test, &tells, &own, true).await;
    page(&test, &code).await.shows(&["✓", "相手のルーター"]);
    let seen = |peer: &str| form(&[("peer", peer)]);
    for nothing in [&own.terminal_id, "T0000000000", ""] {
        let refused = ask(&test, "POST", "/setup/seen", Some(&code), &seen(nothing)).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{nothing}");
    }
    let form = seen(&untold.terminal_id);
    let nobody = ask(&test, "POST", "/setup/seen", None, &form).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    let kept = ask(&test, "POST", "/setup/seen", Some(&code), &form).await;
    assert_eq!((kept.status, kept.header("location")), (StatusCode::SEE_OTHER, "/setup"));
    let shown = page(&test, &code).await;
    shown.shows(&["作業した人が「つながった」と答えました", "自動では確かめられません"]);
    assert_eq!(shown.text.matches('✓').count(), 1, "a word is no tick");
    assert!(!shown.text.contains("/setup/seen"), "said once");
    ask(&test, "POST", "/setup/seen", Some(&code), &form).await;
    assert_eq!(count(&test, "router.setup.seen done").await, 1);
    assert_eq!(count(&test, "router.setup.seen").await, 1, "said again it fills no trail");
}

#[tokio::test]
async fn a_code_is_typed_as_people_type_and_what_is_none_is_charged_recorded_and_rests() {
    let (test, _, _, code) = linked().await;
    let empty = ask(&test, "GET", "/setup", None, "").await;
    empty.shows(&["ルーターの設定を見る", "ログインは要りません"]);
    let typed = form(&[("code", &code.to_lowercase().replace('-', " "))]);
    let opened = ask(&test, "POST", "/setup", None, &typed).await;
    assert_eq!((opened.status, opened.header("location")), (StatusCode::SEE_OTHER, "/setup"));
    let wrong = "0000-0000-0000-0000-0000";
    let refused = ask(&test, "POST", "/setup", None, &form(&[("code", wrong)])).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("見つかりません") && !refused.text.contains(wrong));
    assert_eq!(count(&test, "router.setup.open refused stranger code_not_good").await, 1);
    // A cookie is guessed as easily as the form, and costs as much.
    let mut rests = 0;
    for number in 0..500 {
        let answer = match number % 3 {
            0 => ask(&test, "POST", "/setup", None, &form(&[("code", wrong)])).await,
            1 => page(&test, wrong).await,
            _ => ask(&test, "GET", &format!("/setup?code={wrong}"), None, "").await,
        };
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            rests += 1;
        } else {
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
        }
    }
    assert!(rests > 300, "{rests}");
    page(&test, &code).await.shows(&["まだです"]);
}

#[tokio::test]
async fn a_link_is_over_with_its_time_its_end_its_successor_and_its_router() {
    let over = async |test: &TestApp, code: &str, why: &str| {
        let answer = page(test, code).await;
        assert_eq!(answer.status, StatusCode::GONE, "{why}");
        assert!(answer.text.contains("この設定用リンクは終わりました"), "{why}: {}", answer.text);
        assert!(answer.header("set-cookie").starts_with("__Host-setup=; "), "{why}");
        let again = ask(test, "GET", &format!("/setup?code={code}"), None, "").await;
        assert_eq!(again.status, StatusCode::GONE, "{why}");
        let seen = ask(test, "POST", "/setup/seen", Some(code), "peer=T0000000000").await;
        assert_eq!(seen.status, StatusCode::GONE, "{why}");
        assert_eq!(count(test, "router.setup.open refused").await, 0, "nobody guessed");
    };
    let (test, own, other, first) = linked().await;
    let (_, second) = made(&test, &own, &[&other]).await;
    over(&test, &first, "another one was made").await;
    page(&test, &second).await.shows(&["まだです"]);
    let path = format!("/console/routers/{}/setup/end", own.terminal_id);
    assert_eq!(send(&test, "POST", &path, OURS, "").await.status, StatusCode::SEE_OTHER);
    over(&test, &second, "a button").await;
    assert_eq!(send(&test, "POST", &path, OURS, "").await.status, StatusCode::CONFLICT);
    let (_, third) = made(&test, &own, &[&other]).await;
    let path = format!("/console/terminals/{}/revoke", own.terminal_id);
    let reason = form(&[("reason", "retired"), ("note", "")]);
    assert_eq!(send(&test, "POST", &path, OURS, &reason).await.status, StatusCode::SEE_OTHER);
    over(&test, &third, "the router was revoked").await;
    let (test, _, _, code) = linked().await;
    test.clock.advance(Duration::days(7) - Duration::SECOND);
    page(&test, &code).await.shows(&["まだです"]);
    test.clock.advance(Duration::SECOND);
    over(&test, &code, "seven days").await;
}

#[tokio::test]
async fn a_peer_that_is_none_any_more_is_told_so_and_has_no_tick() {
    let (test, _, other, code) = linked().await;
    told(&test, &other, &other_of(&test, &other).await, true).await;
    let path = format!("/console/terminals/{}/revoke", other.terminal_id);
    let reason = form(&[("reason", "retired"), ("note", "")]);
    assert_eq!(send(&test, "POST", &path, OURS, &reason).await.status, StatusCode::SEE_OTHER);
    let shown = page(&test, &code).await;
    shown.shows(&["この相手とはつながりません", "sh install.sh"]);
    for absent in ["✓", "すべてのトンネルがつながりました", "ルーターで確かめられたら"]
    {
        assert!(!shown.text.contains(absent), "{absent}: {}", shown.text);
    }
    assert_eq!(shown.header("refresh"), "", "there is nothing to wait for");
}

/// The router that is not this one.
async fn other_of(test: &TestApp, router: &Router) -> Router {
    let all = routers(test, FACILITY).await.into_iter().map(|(_, found)| found);
    all.into_iter().find(|found| found.terminal_id != router.terminal_id).unwrap()
}

/// What everything that logs writes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_code_is_in_no_log_and_no_record() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let (test, _, other, code) = linked().await;
    // A test beside this one may have asked first whether anybody listens, when nobody did.
    page(&test, &code).await.shows(&["まだです"]);
    tracing::callsite::rebuild_interest_cache();
    ask(&test, "GET", &format!("/setup?code={code}"), None, "").await;
    page(&test, &code).await.shows(&["まだです"]);
    ask(&test, "POST", "/setup", None, &form(&[("code", &code)])).await;
    ask(&test, "POST", "/setup/seen", Some(&code), &form(&[("peer", &other.terminal_id)])).await;
    drop(guard);
    let written = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines = written.matches("path=\"/setup\"").count();
    assert!(lines >= 3, "the requests were logged: {written}");
    let spellings = [code.clone(), code.replace('-', "")];
    for spelling in &spellings {
        assert!(!written.contains(spelling.as_str()), "{written}");
    }
    let records =
        sekisho_store::audit::list(&mut test.app.store().read(), "", None, 1000).await.unwrap();
    for record in records {
        let record = String::from_utf8_lossy(&record.canonical).into_owned();
        assert!(!spellings.iter().any(|spelling| record.contains(spelling.as_str())), "{record}");
    }
}
