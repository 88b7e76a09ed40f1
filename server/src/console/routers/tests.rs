//! The pages through the router of the public name, with real sessions.

use http::StatusCode;
use sekisho_store::{
    router::{self, Router},
    terminal::{self, Device, Terminal},
};

use crate::{
    console::scene::{self, acts, form},
    network::groups::testing::{meet, part},
    paper_code::PaperCode,
    people::role::Role,
    testing::{self, TestApp},
};

pub(crate) const FACILITY: &str = "123456789007";
const ELSEWHERE: &str = "234567890101";
/// Sessions of the administrator of each facility: cookies have 43 characters.
pub(crate) const OURS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
pub(crate) const THEIRS: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

const GOOD: [(&str, &str); 5] = [
    ("facility", FACILITY),
    ("name", "本館ルーター"),
    ("family", "router_openiked"),
    ("address", "192.0.2.1"),
    ("network", "10.20.30.0/24"),
];

/// The good form with another value of one field.
fn but(field: &str, value: &str) -> String {
    form(&GOOD.map(|(name, good)| (name, if name == field { value } else { good })))
}

/// Two active facilities, each with an administrator who is signed in.
pub(crate) async fn instance() -> TestApp {
    let test = testing::app().await;
    for (facility, cookie) in [(FACILITY, OURS), (ELSEWHERE, THEIRS)] {
        scene::facility(&test.app, facility).await;
        let role = Role::FacilityAdministrator(facility.to_owned());
        scene::signed_in(&test.app, "管理　花子", &[role], cookie).await;
    }
    test
}

pub(crate) async fn send(
    test: &TestApp,
    method: &str,
    path: &str,
    cookie: &str,
    form: &str,
) -> scene::Answer {
    scene::send(&test.app, method, path, cookie, form).await
}

pub(crate) async fn routers(test: &TestApp, facility: &str) -> Vec<(Terminal, Router)> {
    let mut reader = test.app.store().read();
    let mut found = Vec::new();
    for terminal in terminal::list_of(&mut reader, facility, Device::Router, 0, 99).await.unwrap() {
        let router = router::find(&mut reader, &terminal.id).await.unwrap().unwrap();
        found.push((terminal, router));
    }
    found
}

fn code_of(page: &str) -> PaperCode {
    let (_, rest) = page.split_once("id=\"code\"").unwrap();
    let (_, rest) = rest.split_once("value=\"").unwrap();
    PaperCode::parse(rest.split('"').next().unwrap()).unwrap()
}

#[tokio::test]
async fn a_new_router_gets_a_name_of_the_register_and_a_code_that_is_shown_once() {
    let test = instance().await;
    let empty = send(&test, "GET", "/console/routers", OURS, "").await;
    assert_eq!(empty.status, StatusCode::OK);
    assert!(empty.text.contains("router_yamaha_rtx") && empty.text.contains("確かめていません"));
    let made = send(&test, "POST", "/console/routers", OURS, &form(&GOOD)).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let code = code_of(&made.text);
    let (terminal, router) = routers(&test, FACILITY).await.remove(0);
    assert_eq!((terminal.name.as_str(), terminal.device), ("本館ルーター", Device::Router));
    assert_eq!(router.family, "router_openiked");
    assert_eq!(router.dns_name, format!("{}.router.sekisho.localhost", terminal.id.to_lowercase()));
    assert!(!router.address_certified, "a facility's own word");
    assert!(made.text.contains(&terminal.id) && made.text.contains("/.well-known/est/routers"));

    // On its page and in the lists; another code ends the first, and looks like a router's, too.
    let path = format!("/console/terminals/{}", terminal.id);
    let shown = send(&test, "GET", &path, OURS, "").await.text;
    for part in ["OpenIKED", &router.dns_name, "192.0.2.1", "10.20.30.0/24"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains(&*code.reveal()) && !shown.contains("/replace"), "{shown}");
    assert!(send(&test, "GET", "/console/routers", OURS, "").await.text.contains(&path));
    assert!(!send(&test, "GET", "/console/terminals", OURS, "").await.text.contains(&path));
    let again = send(&test, "POST", &format!("{path}/code"), OURS, "").await;
    assert_ne!(code_of(&again.text).hash(), code.hash());
    assert!(again.text.contains("/.well-known/est/routers"));
    // Nobody logs in at a router, so that none takes another's place.
    let replaced = send(&test, "POST", &format!("{path}/replace"), OURS, "").await;
    assert_eq!(replaced.status, StatusCode::NOT_FOUND);
    let acts = acts(&test.app).await;
    assert!(acts.iter().any(|act| act.starts_with("router.create")), "{acts:?}");
}

#[tokio::test]
async fn what_does_not_fit_comes_back_at_its_field_and_nothing_is_entered() {
    let test = instance().await;
    for (field, value, says) in [
        ("name", "", "入力"),
        ("family", "terminal", "選"),
        ("address", "router.example", "IPv4 または IPv6"),
        ("address", "127.0.0.1", "接続できません"),
        ("network", "10.20.30.0", "書き方ではありません"),
        ("network", "10.20.30.1/24", "途中のアドレス"),
        ("network", "0.0.0.0/0", "使えない範囲"),
    ] {
        let refused = send(&test, "POST", "/console/routers", OURS, &but(field, value)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{field} {value}");
        let marked = format!("id=\"{field}-error\"");
        let (_, at) =
            refused.text.split_once(&marked).unwrap_or_else(|| panic!("{}", refused.text));
        assert!(at.split("</p>").next().unwrap().contains(says), "{field} {value}: {at}");
    }
    assert!(routers(&test, FACILITY).await.is_empty());
}

#[tokio::test]
async fn an_address_is_one_routers_until_that_is_revoked_and_a_name_one_devices() {
    let test = instance().await;
    let elsewhere = but("facility", ELSEWHERE);
    assert_eq!(
        send(&test, "POST", "/console/routers", THEIRS, &elsewhere).await.status,
        StatusCode::OK
    );
    let taken = send(&test, "POST", "/console/routers", OURS, &form(&GOOD)).await;
    assert_eq!(taken.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(taken.text.contains("別のルーターで登録されています"), "{}", taken.text);
    let (terminal, _) = routers(&test, ELSEWHERE).await.remove(0);
    let path = format!("/console/terminals/{}/revoke", terminal.id);
    let reason = form(&[("reason", "retired"), ("note", "")]);
    assert_eq!(send(&test, "POST", &path, THEIRS, &reason).await.status, StatusCode::SEE_OTHER);
    let made = send(&test, "POST", "/console/routers", OURS, &form(&GOOD)).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let twice = send(&test, "POST", "/console/routers", OURS, &but("address", "192.0.2.2")).await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn another_facilitys_routers_cannot_be_entered_or_seen() {
    let test = instance().await;
    let refused = send(&test, "POST", "/console/routers", THEIRS, &form(&GOOD)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(routers(&test, FACILITY).await.is_empty());
    send(&test, "POST", "/console/routers", OURS, &form(&GOOD)).await;
    let (terminal, _) = routers(&test, FACILITY).await.remove(0);
    let path = format!("/console/terminals/{}", terminal.id);
    assert_eq!(send(&test, "GET", &path, THEIRS, "").await.status, StatusCode::NOT_FOUND);
    let list = send(&test, "GET", "/console/routers", THEIRS, "").await.text;
    assert!(!list.contains(&terminal.id), "{list}");
}

#[tokio::test]
async fn the_page_of_a_routers_bundle_has_its_texts_and_those_of_no_stranger() {
    let test = instance().await;
    send(&test, "POST", "/console/routers", OURS, &form(&GOOD)).await;
    let second = form(&[
        ("facility", FACILITY),
        ("name", "別館ルーター"),
        ("family", "router_strongswan"),
        ("network", "10.20.31.0/24"),
    ]);
    send(&test, "POST", "/console/routers", OURS, &second).await;
    let elsewhere = form(&[
        ("facility", ELSEWHERE),
        ("name", "門前ルーター"),
        ("family", "router_yamaha_rtx"),
        ("network", "10.20.30.128/25"),
    ]);
    send(&test, "POST", "/console/routers", THEIRS, &elsewhere).await;
    let ours = routers(&test, FACILITY).await;
    // Entered at one moment, they stand in no order.
    let of = |family| &ours.iter().find(|(_, router)| router.family == family).unwrap().1;
    let (own, peer) = (of("router_openiked"), of("router_strongswan"));
    let stranger = routers(&test, ELSEWHERE).await.remove(0).1;
    let path = format!("/console/routers/{}/bundle", own.terminal_id);

    let bare = send(&test, "GET", &path, OURS, "").await;
    assert_eq!(bare.status, StatusCode::OK, "{}", bare.text);
    for part in ["enrol.sh", "iked.conf", "remove.sh", "BEGIN CERTIFICATE", "まだありません"]
    {
        assert!(bare.text.contains(part), "{part}: {}", bare.text);
    }
    // Of one facility, and no peers before a group says so.
    for nobody in [peer, &stranger] {
        assert!(!bare.text.contains(&nobody.dns_name), "{}", bare.text);
    }
    meet(&test.app, &[&own.terminal_id, &peer.terminal_id]).await;
    let with = send(&test, "GET", &format!("{path}?key=rsa3072"), OURS, "").await.text;
    for part in ["passive esp", "dstid", "from 10.20.30.0/24 to 10.20.31.0/24", "enrol.sh rsa3072"]
    {
        assert!(with.contains(part), "{part}: {with}");
    }
    assert!(with.contains(&peer.dns_name) && !with.contains(&stranger.dns_name), "{with}");
    let refused = send(&test, "GET", &path, THEIRS, "").await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    // A model that nobody tried has a text that says so, and no scripts.
    let path = format!("/console/routers/{}/bundle", stranger.terminal_id);
    let untried = send(&test, "GET", &path, THEIRS, "").await.text;
    assert!(
        untried.contains("実機では確認していません") && !untried.contains("enrol.sh"),
        "{untried}"
    );
}

/// A router of this family in our facility, with this network.
pub(crate) async fn entered(test: &TestApp, family: &str, network: &str) -> Router {
    let good = GOOD.map(|(name, good)| match name {
        "family" => (name, family),
        "network" => (name, network),
        "name" => (name, network),
        "address" => (name, ""),
        _ => (name, good),
    });
    send(test, "POST", "/console/routers", OURS, &form(&good)).await;
    let entered = routers(test, FACILITY).await;
    entered.into_iter().find(|(terminal, _)| terminal.name == network).unwrap().1
}

#[tokio::test]
async fn each_untried_model_has_a_page_in_both_languages_that_says_so() {
    use crate::network::{bundle::Device as Model, family};

    let test = instance().await;
    let peer = entered(&test, "router_strongswan", "10.20.0.0/24").await;
    for (number, family) in (1u8..).zip(family::all()) {
        let own = entered(&test, family.profile, &format!("10.20.{number}.0/24")).await;
        let group = meet(&test.app, &[&own.terminal_id, &peer.terminal_id]).await;
        let path = format!("/console/routers/{}/bundle", own.terminal_id);
        let ja = send(&test, "GET", &path, OURS, "").await;
        let en = send(&test, "GET", &format!("{path}?lang=en"), OURS, "").await;
        assert_eq!((ja.status, en.status), (StatusCode::OK, StatusCode::OK), "{}", family.profile);
        let Some(model) = Model::of_family(family.profile) else {
            assert!(!ja.text.contains("実機では確認していません"), "{}", family.profile);
            // Of generic IKEv2 nothing can be said; the others have scripts.
            assert_eq!(
                ja.text.contains("enrol.sh"),
                family.profile != "router",
                "{}",
                family.profile
            );
            part(&test.app, &group).await;
            continue;
        };
        let steps = |text: &str| text.find("<ol class=\"steps\">").unwrap();
        for (text, says) in
            [(&ja.text, "実機では確認していません"), (&en.text, "Not tried on a device")]
        {
            let notice = text.find(says).unwrap_or_else(|| panic!("{model:?}: {text}"));
            assert!(notice < steps(text), "{model:?}: the notice stands before the steps");
            assert!(!text.contains("routers-untried-"), "{model:?}: a message is missing: {text}");
            // The texts have the sources in both languages; the notice has them in its own.
            let (source_ja, source_en) = model.sources()[0];
            let list = &text[notice..steps(text)];
            let japanese = says.contains('実');
            assert_eq!((list.contains(source_ja), list.contains(source_en)), (japanese, !japanese));
            for word in [model.file(), model.removal(), model.shows(), "BEGIN CERTIFICATE"] {
                assert!(text.contains(word), "{model:?}: {word}");
            }
            let certify = format!("<a href=\"/console/terminals/{}/certify\"", own.terminal_id);
            assert_eq!(text.contains(&certify), model.knows_certificates(), "{model:?}");
            let psk = format!("<a href=\"/console/routers/{}/psk\"", own.terminal_id);
            assert_eq!(text.contains(&psk), !model.knows_certificates(), "{model:?}");
            assert!(!text.contains("sh enrol.sh") && !text.contains("cron"), "{model:?}: {text}");
        }
        // The router at the other end is told what has to be added to the text that was tried.
        let back = format!("/console/routers/{}/bundle", peer.terminal_id);
        let back = send(&test, "GET", &back, OURS, "").await.text;
        let amends = !matches!(model, Model::CiscoIosXe | Model::FortiGate);
        assert_eq!(back.contains("このままではつながりません"), amends, "{model:?}");
        assert!(back.contains("swanctl.conf"), "{model:?}");
        part(&test.app, &group).await;
    }
}

#[tokio::test]
async fn texts_that_were_put_in_are_older_once_the_peers_have_changed() {
    let test = instance().await;
    let own = entered(&test, "router_strongswan", "10.20.0.0/24").await.terminal_id;
    let peer = entered(&test, "router_openiked", "10.20.1.0/24").await.terminal_id;
    let path = format!("/console/routers/{own}/bundle");
    let page = async || send(&test, "GET", &path, OURS, "").await.text;
    let fingerprint = |page: &str| {
        let (_, rest) = page.split_once("name=\"fingerprint\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let say = async |fingerprint: &str, cookie| {
        let told = form(&[("fingerprint", fingerprint)]);
        send(&test, "POST", &path, cookie, &told).await
    };
    let groups = async || send(&test, "GET", "/console/groups", OURS, "").await.text;
    let alone = fingerprint(&page().await);
    assert!(page().await.contains("入れた記録がありません"));
    assert!(!groups().await.contains(&path), "without peers there is nothing to put in");
    let group = meet(&test.app, &[&own, &peer]).await;
    assert!(groups().await.contains(&path), "nobody said so yet");
    // Before the page that shows the peers of now was looked at, by somebody else, and made up.
    assert_eq!(say(&alone, OURS).await.status, StatusCode::CONFLICT);
    let now = fingerprint(&page().await);
    assert_ne!(now, alone);
    assert_eq!(say(&now, THEIRS).await.status, StatusCode::NOT_FOUND);
    assert_eq!(say("<script>", OURS).await.status, StatusCode::CONFLICT);
    assert_eq!(say(&now, OURS).await.status, StatusCode::SEE_OTHER);
    assert!(page().await.contains("今の相手と同じ") && !groups().await.contains(&path));
    part(&test.app, &group).await;
    assert!(page().await.contains("古い（相手が変わりました）"));
    assert!(groups().await.contains(&path), "and the list says so");
    let acts = acts(&test.app).await;
    let told: Vec<_> = acts.iter().filter(|act| act.starts_with("router.take_texts")).collect();
    assert_eq!(
        told,
        [
            "router.take_texts refused facility_administrator other_peers",
            "router.take_texts refused facility_administrator other_peers",
            "router.take_texts done facility_administrator"
        ]
    );
}
