//! The technician's link at the console: who may make one for which tunnels, what is shown once.

use http::StatusCode;
use sekisho_store::{Queries, router::Router, sql};

use super::tests::{OURS, THEIRS, entered, instance, send};
use crate::{
    console::{
        scene::{acts, form},
        terminals::qr,
    },
    network::groups::testing::{meet, part},
    testing::TestApp,
};

/// A strongSwan and a Yamaha RTX of our facility.
async fn two() -> (TestApp, Router, Router) {
    let test = instance().await;
    let own = entered(&test, "router_strongswan", "10.20.1.0/24").await;
    let other = entered(&test, "router_yamaha_rtx", "10.20.2.0/24").await;
    meet(&test.app, &[&own.terminal_id, &other.terminal_id]).await;
    (test, own, other)
}

fn page(router: &Router) -> String {
    format!("/console/routers/{}/setup", router.terminal_id)
}

fn tunnel(other: &str) -> String {
    form(&[("tunnel", other), ("key", "p256")])
}

async fn links(test: &TestApp) -> i64 {
    let query = sql("SELECT COUNT(*) FROM router_setup");
    let (count,): (i64,) = test.app.store().read().fetch_one(query).await.unwrap();
    count
}

#[tokio::test]
async fn a_link_is_shown_once_as_a_picture_and_a_code_and_then_only_where_it_stands() {
    let (test, own, other) = two().await;
    let before = send(&test, "GET", &page(&own), OURS, "").await;
    assert_eq!(before.status, StatusCode::OK, "{}", before.text);
    assert!(
        before.text.contains(&format!("value=\"{}\" checked", other.terminal_id)),
        "{}",
        before.text
    );
    let form = tunnel(&other.terminal_id);
    let sheet = send(&test, "POST", &page(&own), OURS, &form).await;
    assert_eq!(sheet.status, StatusCode::OK, "{}", sheet.text);
    let (_, rest) = sheet.text.split_once("id=\"setup-code\"").unwrap();
    let code = rest.split_once('>').unwrap().1.split('<').next().unwrap();
    // The picture is that of the address with the code, which the page does not write out.
    let origin = &test.app.names().public;
    let address = format!("{origin}/setup?code={code}");
    assert!(sheet.text.contains(qr(&address).unwrap().as_str()), "{}", sheet.text);
    assert!(!sheet.text.contains("?code=") && sheet.text.contains(&format!("{origin}/setup")));
    // The sheet is for the paper: the steps are on it, and nothing of the console.
    assert!(sheet.text.contains("sh install.sh") && sheet.text.contains("install.sh</code>"));
    assert!(!sheet.text.contains("BEGIN CERTIFICATE"), "{}", sheet.text);
    let after = send(&test, "GET", &page(&own), OURS, "").await.text;
    assert!(!after.contains(code) && after.contains("使えます（まだ開かれていません）"), "{after}");
    assert!(after.contains("10.20.2.0/24") && after.contains("まだです"), "{after}");
    let acts = acts(&test.app).await;
    assert_eq!(acts.iter().filter(|act| act.starts_with("router.setup.create done")).count(), 1);
    let path = format!("/console/terminals/{}", own.terminal_id);
    assert!(send(&test, "GET", &path, OURS, "").await.text.contains(&page(&own)));
}

#[tokio::test]
async fn a_link_names_peers_by_groups_of_a_router_that_the_person_administers() {
    let (test, own, other) = two().await;
    let (id, peer) = (own.terminal_id.as_str(), other.terminal_id.as_str());
    let stranger = entered(&test, "router_strongswan", "10.20.9.0/24").await;
    for (form, cookie, status) in [
        (tunnel(peer), THEIRS, StatusCode::NOT_FOUND),
        (tunnel(id), OURS, StatusCode::NOT_FOUND),
        (tunnel("T0000000000"), OURS, StatusCode::NOT_FOUND),
        // One of one's own, but of no group with it.
        (tunnel(&stranger.terminal_id), OURS, StatusCode::NOT_FOUND),
        (form(&[("tunnel", ""), ("key", "p256")]), OURS, StatusCode::NOT_FOUND),
        (form(&[("tunnel", peer), ("tunnel", peer), ("key", "p256")]), OURS, StatusCode::NOT_FOUND),
        (form(&[("key", "p256")]), OURS, StatusCode::UNPROCESSABLE_ENTITY),
        (form(&[("tunnel", peer)]), OURS, StatusCode::BAD_REQUEST),
        (form(&[("tunnel", peer), ("key", "dsa")]), OURS, StatusCode::BAD_REQUEST),
    ] {
        let refused = send(&test, "POST", &page(&own), cookie, &form).await;
        assert_eq!(refused.status, status, "{form}: {}", refused.text);
    }
    // Networks that overlap can be told from each other by no packet.
    let overlaps = entered(&test, "router_libreswan", "10.20.0.0/16").await;
    let group = meet(&test.app, &[id, &overlaps.terminal_id]).await;
    let overlapping = form(&[("tunnel", &overlaps.terminal_id), ("key", "rsa3072")]);
    let refused = send(&test, "POST", &page(&own), OURS, &overlapping).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    for part in [
        "のネットワークが重なっているか",
        // Whose, and what was chosen.
        &format!("{} 10.20.0.0/16", overlaps.terminal_id),
        &format!("value=\"{}\" checked>", overlaps.terminal_id),
        &format!("value=\"{peer}\">"),
        "<option value=\"rsa3072\" selected>",
    ] {
        assert!(refused.text.contains(part), "{part}: {}", refused.text);
    }
    // Of a form without a tick, none is ticked.
    let none = form(&[("key", "p256")]);
    let none = send(&test, "POST", &page(&own), OURS, &none).await.text;
    assert!(none.contains("id=\"errors\"") && !none.contains("checked>"), "{none}");
    assert!(!none.contains("selected>RSA"), "{none}");
    // There are no texts while it is a peer, so there is no link for another peer either.
    let refused = send(&test, "POST", &page(&own), OURS, &tunnel(peer)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    part(&test.app, &group).await;
    assert_eq!(links(&test).await, 0);
    // Somebody else sees and ends nothing.
    assert_eq!(send(&test, "GET", &page(&own), THEIRS, "").await.status, StatusCode::NOT_FOUND);
    send(&test, "POST", &page(&own), OURS, &tunnel(peer)).await;
    let end = format!("{}/end", page(&own));
    assert_eq!(send(&test, "POST", &end, THEIRS, "").await.status, StatusCode::NOT_FOUND);
    let ended = send(&test, "POST", &end, OURS, "").await;
    assert_eq!(ended.location, format!("{}?notice=ended", page(&own)));
    let shown = send(&test, "GET", &ended.location, OURS, "").await.text;
    assert!(
        shown.contains("設定用リンクを終わらせました") && shown.contains("終わりました</span>")
    );
    assert_eq!(links(&test).await, 1);
}

#[tokio::test]
async fn a_router_that_may_not_act_gets_no_link_and_a_family_without_texts_gets_one() {
    let (test, own, other) = two().await;
    let generic = entered(&test, "router", "10.20.3.0/24").await;
    meet(&test.app, &[&own.terminal_id, &generic.terminal_id]).await;
    let made = send(&test, "POST", &page(&generic), OURS, &tunnel(&own.terminal_id)).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    assert!(made.text.contains("generic IKEv2 のため、設定文はありません"), "{}", made.text);
    let path = format!("/console/terminals/{}/revoke", own.terminal_id);
    let reason = form(&[("reason", "retired"), ("note", "")]);
    assert_eq!(send(&test, "POST", &path, OURS, &reason).await.status, StatusCode::SEE_OTHER);
    let refused = send(&test, "POST", &page(&own), OURS, &tunnel(&other.terminal_id)).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    // A revoked one is at no other end.
    let peer = send(&test, "POST", &page(&other), OURS, &tunnel(&own.terminal_id)).await;
    assert_eq!(peer.status, StatusCode::NOT_FOUND);
    let en = send(&test, "GET", &format!("{}?lang=en", page(&other)), OURS, "").await.text;
    assert!(en.contains("Technician’s link for") && !en.contains("routers-setup-"), "{en}");
}
