//! The pages of pre-shared keys through the router of the public name, with real sessions.

use http::StatusCode;
use sekisho_store::{Queries, router_psk, sql};

use super::tests::{FACILITY, OURS, THEIRS, instance, routers, send};
use crate::{
    console::scene::{acts, form},
    enrol::psk::tests::given,
    network::{
        groups::testing::{meet, part},
        psk::Making,
    },
    testing::TestApp,
};

const ELSEWHERE: &str = "234567890101";

/// Two routers of our facility and one of another.
async fn with_routers() -> (TestApp, [String; 3]) {
    let test = instance().await;
    for (facility, cookie, name, network) in [
        (FACILITY, OURS, "本館", "10.20.30.0/24"),
        (FACILITY, OURS, "別館", "10.20.31.0/24"),
        (ELSEWHERE, THEIRS, "門前", "10.20.32.0/24"),
    ] {
        let typed = form(&[
            ("facility", facility),
            ("name", name),
            ("family", "router_strongswan"),
            ("network", network),
        ]);
        let made = send(&test, "POST", "/console/routers", cookie, &typed).await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    }
    let ours = routers(&test, FACILITY).await;
    let theirs = routers(&test, ELSEWHERE).await;
    let of = |name: &str| {
        let all = ours.iter().chain(&theirs);
        let found = all.map(|(terminal, _)| terminal).find(|terminal| terminal.name == name);
        found.unwrap().id.clone()
    };
    let ids = [of("本館"), of("別館"), of("門前")];
    meet(&test.app, &[&ids[0], &ids[1]]).await;
    (test, ids)
}

fn page(id: &str) -> String {
    format!("/console/routers/{id}/psk")
}

async fn act(test: &TestApp, path: &str, cookie: &str, peer: &str) -> (StatusCode, String) {
    let answer = send(test, "POST", path, cookie, &form(&[("peer", peer)])).await;
    (answer.status, answer.text)
}

async fn keys(test: &TestApp) -> i64 {
    let (count,): (i64,) =
        test.app.store().read().fetch_one(sql("SELECT COUNT(*) FROM router_psk")).await.unwrap();
    count
}

/// The codes that a page shows, of each end.
fn codes(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| line.contains("class=\"code-line\""));
    lines.map(|line| line.split("value=\"").nth(1).unwrap().split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn a_key_is_made_replaced_and_ended_and_only_its_codes_are_shown_once() {
    let (test, [own, peer, stranger]) = with_routers().await;
    let path = page(&own);
    let empty = send(&test, "GET", &path, OURS, "").await.text;
    assert!(empty.contains("まだ事前共有鍵がありません") && empty.contains(&peer), "{empty}");
    assert!(!empty.contains(&stranger) && empty.contains("証明書も事前共有鍵もありません"));

    let (status, made) = act(&test, &path, OURS, &peer).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let first = codes(&made);
    assert_eq!(first.len(), 2);
    assert_ne!(first[0], first[1]);
    assert!(made.contains(&own) && made.contains(&peer) && made.contains("別館"));
    for (id, other) in [(&own, &peer), (&peer, &own)] {
        let shown = send(&test, "GET", &page(id), OURS, "").await.text;
        assert!(shown.contains(other.as_str()) && shown.contains("両方の受け取りを待っています"));
        assert!(shown.contains("事前共有鍵だけ") && codes(&shown).is_empty(), "{shown}");
        let bundle = format!("/console/routers/{id}/bundle");
        let bundle = send(&test, "GET", &bundle, OURS, "").await.text;
        assert!(bundle.contains(">sh psk.sh<") && !bundle.contains(">sh enrol.sh "));
        assert!(bundle.contains("auth = psk") && !bundle.contains("auth = pubkey"), "{bundle}");
    }
    let (status, again) = act(&test, &page(&peer), OURS, &own).await;
    assert_eq!(status, StatusCode::CONFLICT, "{again}");
    assert!(again.contains("もう鍵があります"), "{again}");

    let (status, replaced) = act(&test, &format!("{path}/replace"), OURS, &peer).await;
    assert_eq!(status, StatusCode::OK, "{replaced}");
    assert!(codes(&replaced).iter().all(|code| !first.contains(code)));
    let (status, _) = act(&test, &format!("{path}/end"), OURS, &peer).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let ended = send(&test, "GET", &format!("{path}?notice=ended"), OURS, "").await.text;
    assert!(
        ended.contains("鍵の使用を終了しました") && ended.contains("tag\">使用を終了しました"),
        "{ended}"
    );
    for end in ["end", "replace"] {
        let (status, none) = act(&test, &format!("{path}/{end}"), OURS, &peer).await;
        assert_eq!(status, StatusCode::CONFLICT, "{end}: {none}");
    }
    let bundle = format!("/console/routers/{own}/bundle");
    let bundle = send(&test, "GET", &bundle, OURS, "").await.text;
    assert!(bundle.contains(">sh enrol.sh ") && !bundle.contains(">sh psk.sh<"));
    let acts = acts(&test.app).await;
    for (act, times) in [("router.psk.create", 3), ("router.psk.replace", 3), ("router.psk.end", 3)]
    {
        // Done once, in the trail of each end, and refused once, at the one that asked.
        let found = acts.iter().filter(|found| found.starts_with(act)).count();
        assert_eq!(found, times, "{act}: {acts:?}");
    }
}

#[tokio::test]
async fn nobody_makes_a_key_with_a_router_that_is_another_facilitys_or_none() {
    let (test, [own, peer, stranger]) = with_routers().await;
    for (id, other, cookie, expected) in [
        (&own, stranger.as_str(), OURS, StatusCode::NOT_FOUND),
        (&own, peer.as_str(), THEIRS, StatusCode::NOT_FOUND),
        (&stranger, own.as_str(), OURS, StatusCode::NOT_FOUND),
        (&own, "T0000000000", OURS, StatusCode::NOT_FOUND),
        (&own, own.as_str(), OURS, StatusCode::CONFLICT),
    ] {
        for path in [page(id), page(id) + "/replace"] {
            let (status, text) = act(&test, &path, cookie, other).await;
            assert_eq!(status, expected, "{path} {other}: {text}");
            assert!(codes(&text).is_empty());
        }
    }
    assert_eq!(keys(&test).await, 0);
    let hidden = send(&test, "GET", &page(&own), THEIRS, "").await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn either_end_may_end_a_key_that_the_operating_body_made() {
    let (test, [own, _, stranger]) = with_routers().await;
    given(&test.app, [&own, &stranger], Making::First).await;
    let shown = send(&test, "GET", &page(&own), OURS, "").await.text;
    assert!(shown.contains(&stranger) && shown.contains("/psk/end"), "{shown}");
    assert!(!shown.contains("/psk/replace"), "it would show the other end's code: {shown}");
    let (status, _) = act(&test, &(page(&own) + "/replace"), OURS, &stranger).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = act(&test, &(page(&stranger) + "/end"), THEIRS, &own).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let mut reader = test.app.store().read();
    assert_eq!(router_psk::in_force(&mut reader, &own, &stranger).await.unwrap(), None);
}

#[tokio::test]
async fn a_revoked_router_gets_no_key_and_loses_its_own() {
    let (test, [own, peer, _]) = with_routers().await;
    act(&test, &page(&own), OURS, &peer).await;
    let revoke = format!("/console/terminals/{peer}/revoke");
    let reason = form(&[("reason", "lost"), ("note", "")]);
    assert_eq!(send(&test, "POST", &revoke, OURS, &reason).await.status, StatusCode::SEE_OTHER);
    let shown = send(&test, "GET", &page(&own), OURS, "").await.text;
    assert!(shown.contains("ルーターの失効により終わりました"), "{shown}");
    let (status, text) = act(&test, &page(&own), OURS, &peer).await;
    assert_eq!(status, StatusCode::CONFLICT, "{text}");
    assert!(text.contains("失効") && codes(&text).is_empty(), "{text}");
}

#[tokio::test]
async fn only_peers_share_a_key_and_it_ends_when_no_group_has_both() {
    let (test, [own, peer, _]) = with_routers().await;
    let alone = {
        let typed = form(&[
            ("facility", FACILITY),
            ("name", "新館"),
            ("family", "router_strongswan"),
            ("network", "10.20.33.0/24"),
        ]);
        send(&test, "POST", "/console/routers", OURS, &typed).await;
        let ours = routers(&test, FACILITY).await;
        ours.into_iter().find(|(terminal, _)| terminal.name == "新館").unwrap().0.id
    };
    let shown = send(&test, "GET", &page(&own), OURS, "").await.text;
    assert!(!shown.contains(&alone), "no peer, though of the same facility: {shown}");
    let (status, text) = act(&test, &page(&own), OURS, &alone).await;
    assert_eq!(status, StatusCode::CONFLICT, "{text}");
    assert!(text.contains("グループでの相手ではありません") && codes(&text).is_empty(), "{text}");
    assert_eq!(keys(&test).await, 0);
    let group = meet(&test.app, &[&own, &alone]).await;
    for other in [&alone, &peer] {
        let (status, text) = act(&test, &page(&own), OURS, other).await;
        assert_eq!(status, StatusCode::OK, "{text}");
    }
    part(&test.app, &group).await;
    let shown = send(&test, "GET", &page(&own), OURS, "").await.text;
    assert!(shown.contains("相手ではなくなったため終わりました"), "{shown}");
    let mut reader = test.app.store().read();
    assert_eq!(router_psk::in_force(&mut reader, &own, &alone).await.unwrap(), None);
    assert!(router_psk::in_force(&mut reader, &own, &peer).await.unwrap().is_some());
    let acts = acts(&test.app).await;
    assert!(acts.iter().any(|act| act.ends_with("not_peers")), "{acts:?}");
}
