//! The pages of groups through the router of the public name, with real sessions.

use http::StatusCode;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    organisation::{self, StatusChange},
    router::{self, Router},
    router_psk, terminal, transaction, vpn_membership, vpn_peers,
};
use time::Duration;

use crate::{
    console::scene::{self, acts, form},
    enrol::psk::tests::given,
    network::psk::Making,
    notice,
    outbox::{Deliverers, deliver_due},
    people::role::Role,
    testing::{self, TestApp},
};

mod bounds;
mod told;

const OWNER: &str = "123456789007";
const MEMBER: &str = "234567890101";
const OTHER: &str = "345678901200";
/// Sessions: the owner's two administrators, the member's, another facility's, the operating body's, and one person
/// who administers owner and member.
const OWN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const SECOND: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";
const THEIRS: &str = "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC";
const STRANGER: &str = "DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD";
const BODY: &str = "EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE";
const BOTH: &str = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF";

/// A router of each facility.
const ROUTERS: [(&str, &str, u8); 3] =
    [(OWNER, "T1111111111", 1), (MEMBER, "T2222222222", 2), (OTHER, "T3333333333", 3)];
const R_OWNER: &str = ROUTERS[0].1;
const R_MEMBER: &str = ROUTERS[1].1;
const R_OTHER: &str = ROUTERS[2].1;

async fn instance() -> TestApp {
    let test = testing::app().await;
    for (facility, id, number) in ROUTERS {
        scene::facility(&test.app, facility).await;
        enter(&test, facility, id, &format!("10.{number}.0.0/16")).await;
    }
    let of = |id: &str| Role::FacilityAdministrator(id.to_owned());
    for (name, roles, cookie) in [
        ("持主　一子", vec![of(OWNER)], OWN),
        ("持主　二子", vec![of(OWNER)], SECOND),
        ("参加　三子", vec![of(MEMBER)], THEIRS),
        ("他所　四子", vec![of(OTHER)], STRANGER),
        ("事業　五子", vec![Role::OperatingAdministrator], BODY),
        ("両方　六子", vec![of(OWNER), of(MEMBER)], BOTH),
    ] {
        scene::signed_in(&test.app, name, &roles, cookie).await;
    }
    test
}

async fn enter(test: &TestApp, facility: &str, id: &str, network: &str) {
    let now = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        terminal::create(tx, id, facility, id, "p", now).await?;
        let router = Router {
            terminal_id: id.to_owned(),
            family: "router_strongswan".to_owned(),
            dns_name: format!("{}.router.example", id.to_lowercase()),
            address: None,
            address_certified: false,
            network: network.parse().unwrap(),
        };
        router::create(tx, &router).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
}

async fn suspend(test: &TestApp, facility: &str, change: StatusChange) {
    let now = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        organisation::change_status(tx, facility, change, "p", "", now).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
}

async fn get(test: &TestApp, path: &str, cookie: &str) -> scene::Answer {
    scene::send(&test.app, "GET", path, cookie, "").await
}

async fn post(
    test: &TestApp,
    path: &str,
    cookie: &str,
    pairs: &[(&str, &str)],
) -> (StatusCode, String) {
    let answer = scene::send(&test.app, "POST", path, cookie, &form(pairs)).await;
    (answer.status, answer.text)
}

const GOOD: [(&str, &str); 4] = [
    ("facility", OWNER),
    ("name", "東地域連携"),
    ("purpose", "regional_cooperation"),
    ("topology", "mesh"),
];

/// A new group of the owner; path of its page.
async fn made(test: &TestApp, topology: &str) -> String {
    let pairs = GOOD.map(|(name, good)| (name, if name == "topology" { topology } else { good }));
    let answer = scene::send(&test.app, "POST", "/console/groups", OWN, &form(&pairs)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    answer.location
}

/// The membership of a facility that has not ended.
async fn membership(test: &TestApp, path: &str, facility: &str) -> Option<String> {
    let id = path.rsplit('/').next().unwrap();
    let all = vpn_membership::of_group(&mut test.app.store().read(), id, 9).await.unwrap();
    let found = all.into_iter().find(|one| one.organisation_id == facility);
    found.map(|one| format!("/console/group-memberships/{}", one.id))
}

/// A member by both sides' words.
async fn joined(test: &TestApp, path: &str) -> String {
    let (status, text) = post(test, &format!("{path}/invite"), OWN, &[("invited", MEMBER)]).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
    let membership = membership(test, path, MEMBER).await.unwrap();
    let agree = format!("{membership}/agree");
    let (status, text) = post(test, &agree, THEIRS, &[("router", R_MEMBER)]).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
    membership
}

/// The owner's own facility takes part.
async fn own_takes_part(test: &TestApp, path: &str) {
    let pairs = [("facility", OWNER), ("router", R_OWNER)];
    let (status, text) = post(test, &format!("{path}/ask"), OWN, &pairs).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
}

async fn are_peers(test: &TestApp, one: &str, other: &str) -> bool {
    vpn_peers::are(&mut test.app.store().read(), one, other, test.app.now()).await.unwrap()
}

async fn notices(test: &TestApp, cookie: &str) -> String {
    let deliverers = Deliverers::new().with(notice::KIND, notice::deliver);
    for _ in 0..5 {
        deliver_due(&test.app, &deliverers).await.unwrap();
    }
    get(test, "/console/notices", cookie).await.text
}

#[tokio::test]
async fn a_facility_is_a_member_when_both_sides_have_agreed_and_both_trails_have_it() {
    let test = instance().await;
    let path = made(&test, "mesh").await;
    let empty = get(&test, &path, OWN).await.text;
    assert!(empty.contains("東地域連携") && empty.contains("まだ参加施設がありません"), "{empty}");
    own_takes_part(&test, &path).await;
    let (status, _) = post(&test, &format!("{path}/invite"), OWN, &[("invited", MEMBER)]).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let invited = get(&test, &path, OWN).await.text;
    assert!(invited.contains("施設の返事を待っています") && invited.contains("申し込みを取り消す"));
    assert!(!are_peers(&test, R_OWNER, R_MEMBER).await, "it did not agree");
    assert!(notices(&test, THEIRS).await.contains("参加に招待されました"));

    let theirs = get(&test, &path, THEIRS).await.text;
    assert!(theirs.contains("あなたの返事を待っている") && theirs.contains(R_MEMBER), "{theirs}");
    assert!(get(&test, "/console/groups", THEIRS).await.text.contains(&path));
    let membership = membership(&test, &path, MEMBER).await.unwrap();
    let agree = format!("{membership}/agree");
    // The side that asked, strangers, and the operating body have nothing to agree to.
    for cookie in [OWN, SECOND, STRANGER, BODY] {
        let (status, _) = post(&test, &agree, cookie, &[("router", R_MEMBER)]).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    for router in [R_OWNER, R_OTHER, "T0000000000"] {
        let (status, text) = post(&test, &agree, THEIRS, &[("router", router)]).await;
        assert_eq!(status, StatusCode::CONFLICT, "{text}");
        assert!(text.contains("この施設のものではない"), "{text}");
    }
    let (status, text) = post(&test, &agree, THEIRS, &[]).await;
    assert_eq!(status, StatusCode::CONFLICT, "{text}");
    assert!(!are_peers(&test, R_OWNER, R_MEMBER).await);
    let (status, _) = post(&test, &agree, THEIRS, &[("router", R_MEMBER)]).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert!(are_peers(&test, R_OWNER, R_MEMBER).await && !are_peers(&test, R_OWNER, R_OTHER).await);
    let (status, twice) = post(&test, &agree, THEIRS, &[("router", R_MEMBER)]).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(twice.contains("もう返事が済んだ"), "{twice}");
    assert!(notices(&test, OWN).await.contains("参加が決まりました"));
    let acts = acts(&test.app).await;
    for (act, times) in [
        ("vpn_group.make done", 1),
        ("vpn_group.admit done", 1),
        ("vpn_group.invite done", 2),
        ("vpn_group.agree done", 2),
        ("vpn_group.agree refused", 5),
    ] {
        let found = acts.iter().filter(|found| found.starts_with(act)).count();
        assert_eq!(found, times, "{act}: {acts:?}");
    }
}

#[tokio::test]
async fn a_facility_that_asks_is_agreed_to_by_the_owner_and_by_another_person() {
    let test = instance().await;
    let path = made(&test, "mesh").await;
    let ask = format!("{path}/ask");
    let outside = get(&test, &path, THEIRS).await.text;
    assert!(outside.contains("参加を申し込む") && !outside.contains("招待する"), "{outside}");
    // Somebody who administers both sides asks for one, and cannot agree for the other.
    let pairs = [("facility", MEMBER), ("router", R_MEMBER)];
    let (status, _) = post(&test, &ask, BOTH, &pairs).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let agree = format!("{}/agree", membership(&test, &path, MEMBER).await.unwrap());
    let shown = get(&test, &path, BOTH).await.text;
    assert!(shown.contains("別の管理者が同意してください") && !shown.contains(&agree), "{shown}");
    let (status, text) = post(&test, &agree, BOTH, &[]).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(text.contains("申し込んだ本人は同意できません"), "{text}");
    let (status, _) = post(&test, &agree, THEIRS, &[]).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "the side that asked");
    assert!(notices(&test, OWN).await.contains("参加を申し込みました"));
    let (status, _) = post(&test, &agree, SECOND, &[]).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    own_takes_part(&test, &path).await;
    assert!(are_peers(&test, R_OWNER, R_MEMBER).await);
    let (status, text) = post(&test, &ask, THEIRS, &pairs).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text.contains("もう参加しているか"), "{text}");
    // Nobody asks for another's facility.
    let (status, _) = post(&test, &ask, STRANGER, &pairs).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn one_who_may_hold_the_others_factors_is_no_second_person() {
    use sekisho_store::{account, role_grant};
    let test = instance().await;
    let path = made(&test, "mesh").await;
    let pairs = [("facility", MEMBER), ("router", R_MEMBER)];
    post(&test, &format!("{path}/ask"), THEIRS, &pairs).await;
    // The owner's administrator made the link by which the member's set their factors.
    let now = test.app.now();
    let mut reader = test.app.store().read();
    let person = async |reader: &mut sekisho_store::Reader, facility: &str, name: &str| {
        let all = role_grant::of_organisation(reader, facility, 9).await.unwrap();
        all.into_iter().find(|grant| grant.name == name).unwrap().person_id
    };
    let owner = person(&mut reader, OWNER, "持主　一子").await;
    let member = person(&mut reader, MEMBER, "参加　三子").await;
    drop(reader);
    transaction!(test.app.store(), StoreError, |tx| {
        account::issue_link(tx, &[7; 32], &member, Some(&owner), now, now + Duration::DAY).await?;
        account::consume_link(tx, &[7; 32], now).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
    let agree = format!("{}/agree", membership(&test, &path, MEMBER).await.unwrap());
    let (status, text) = post(&test, &agree, OWN, &[]).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(text.contains("同じ人が持っている可能性"), "{text}");
    assert_eq!(post(&test, &agree, SECOND, &[]).await.0, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn either_side_ends_it_alone_and_keys_and_peers_end_with_it() {
    for (cookie, act) in [(OWN, "vpn_group.remove"), (THEIRS, "vpn_group.leave")] {
        let test = instance().await;
        let path = made(&test, "mesh").await;
        own_takes_part(&test, &path).await;
        let membership = joined(&test, &path).await;
        given(&test.app, [R_OWNER, R_MEMBER], Making::First).await;
        let end = format!("{membership}/end");
        for stranger in [STRANGER, BODY] {
            assert_eq!(post(&test, &end, stranger, &[]).await.0, StatusCode::NOT_FOUND);
        }
        assert_eq!(post(&test, &end, cookie, &[]).await.0, StatusCode::SEE_OTHER);
        assert!(!are_peers(&test, R_OWNER, R_MEMBER).await);
        let mut reader = test.app.store().read();
        let key = router_psk::in_force(&mut reader, R_OWNER, R_MEMBER).await.unwrap();
        assert_eq!(key, None, "{act}");
        drop(reader);
        for again in [OWN, THEIRS] {
            assert_eq!(post(&test, &end, again, &[]).await.0, StatusCode::NOT_FOUND);
        }
        let told = if cookie == OWN { THEIRS } else { OWN };
        let said = if cookie == OWN { "外されました" } else { "抜けました" };
        assert!(notices(&test, told).await.contains(said));
        let acts = acts(&test.app).await;
        assert_eq!(acts.iter().filter(|one| one.starts_with(act)).count(), 2, "{acts:?}");
        // And what waits is taken back by who asked, declined by the other.
        post(&test, &format!("{path}/invite"), OWN, &[("invited", MEMBER)]).await;
        let waiting = self::membership(&test, &path, MEMBER).await.unwrap();
        assert_eq!(
            post(&test, &format!("{waiting}/end"), cookie, &[]).await.0,
            StatusCode::SEE_OTHER
        );
        assert_eq!(self::membership(&test, &path, MEMBER).await, None);
        let act = if cookie == OWN { "vpn_group.withdraw" } else { "vpn_group.decline" };
        let acts = self::acts(&test.app).await;
        assert!(acts.iter().any(|one| one.starts_with(act)), "{acts:?}");
    }
}
