//! Who hears of what is done, at the console and at the host, and whose trails have it.

use sekisho_store::{
    audit,
    vpn_group::{NewGroup, Purpose, Topology},
    vpn_membership::{NewMembership, Side},
};
use serde_json::Value as Json;

use super::*;
use crate::network::groups::{self, Asking, By, MOST_OF_ONE_A_DAY, MOST_WAITING};

fn at_host(reason: Option<&str>) -> By<'_> {
    let operator = Actor::Operator { user: "root".to_owned(), host: "here".to_owned() };
    By::Host { operator, reason }
}

/// Makes a facility a member at the host, or has a further router of it take part.
async fn admitted(test: &TestApp, group: &str, facility: &str, router: &str) {
    let now = test.app.now();
    let asking =
        Asking { group_id: group, facility, is_hub: false, router: Some(router), ends_at: None };
    transaction!(test.app.store(), StoreError, |tx| {
        groups::admit(tx, &at_host(Some("agreement of November")), asking, now).await
    })
    .unwrap()
    .unwrap();
}

/// The records of an act in the trail of an organisation.
async fn records(test: &TestApp, facility: &str, act: &str) -> Vec<Json> {
    let mut reader = test.app.store().read();
    let all = audit::list(&mut reader, "", Some(facility), 9_999).await.unwrap();
    let of_act = all.iter().filter(|record| record.columns.act == act);
    of_act.map(|record| serde_json::from_slice(&record.canonical).unwrap()).collect()
}

/// How often each reader's page says something.
async fn told(test: &TestApp, says: &str) -> [usize; 3] {
    let mut told = [0; 3];
    for (told, cookie) in told.iter_mut().zip([OWN, THEIRS, STRANGER]) {
        *told = notices(test, cookie).await.matches(says).count();
    }
    told
}

#[tokio::test]
async fn a_further_router_is_told_to_the_other_side_and_at_the_host_to_both_with_its_reason() {
    let test = instance().await;
    let path = made(&test, "mesh").await;
    let group = path.rsplit('/').next().unwrap();
    enter(&test, MEMBER, "T4444444444", "10.4.0.0/16").await;
    enter(&test, MEMBER, "T5555555555", "10.5.0.0/16").await;
    enter(&test, OWNER, "T6666666666", "10.6.0.0/16").await;
    admitted(&test, group, MEMBER, R_MEMBER).await;
    assert_eq!(told(&test, "に参加させました").await, [1, 1, 0]);
    admitted(&test, group, MEMBER, "T4444444444").await;
    assert_eq!(told(&test, "追加されました").await, [1, 1, 0]);
    for side in [OWNER, MEMBER] {
        let records = records(&test, side, "vpn_group.enter_router").await;
        assert_eq!(records.len(), 1, "{side}");
        assert_eq!(records[0]["facts"]["reason_given"], "agreement of November", "{records:?}");
        assert_eq!(records[0]["facts"]["router"], "T4444444444");
    }
    // At the console it is the facility's own act: the owner is told, and no reason is asked for.
    let membership = membership(&test, &path, MEMBER).await.unwrap();
    let router = [("router", "T5555555555")];
    for end in ["router", "router/end"] {
        let (status, text) = post(&test, &format!("{membership}/{end}"), THEIRS, &router).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
    }
    assert_eq!(told(&test, "追加されました").await, [2, 1, 0]);
    assert_eq!(told(&test, "から外れました").await, [1, 0, 0]);
    // An owner's own facility is told once of what the host did, and not of what itself did.
    admitted(&test, group, OWNER, R_OWNER).await;
    assert_eq!(told(&test, "に参加させました").await, [2, 1, 0]);
    let own = self::membership(&test, &path, OWNER).await.unwrap();
    let router = [("router", "T6666666666")];
    let (status, text) = post(&test, &format!("{own}/router"), OWN, &router).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
    // The member has it as a peer from now on.
    assert_eq!(told(&test, "追加されました").await, [2, 2, 0]);
}

#[tokio::test]
async fn a_group_that_is_closed_is_in_the_trail_of_each_member_and_told_to_each_at_the_host_to_its_owner()
 {
    for at_the_host in [false, true] {
        let test = instance().await;
        let path = made(&test, "mesh").await;
        let group = path.rsplit('/').next().unwrap().to_owned();
        own_takes_part(&test, &path).await;
        joined(&test, &path).await;
        // One that has not answered hears of it, too.
        post(&test, &format!("{path}/invite"), OWN, &[("invited", OTHER)]).await;
        let now = test.app.now();
        if at_the_host {
            let by = at_host(Some("asked for on paper"));
            transaction!(test.app.store(), StoreError, |tx| {
                groups::close(tx, &by, &group, now).await
            })
            .unwrap()
            .unwrap();
        } else {
            let (status, text) =
                post(&test, &format!("{path}/close"), OWN, &[("sure", "yes")]).await;
            assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
        }
        assert_eq!(told(&test, "が閉じられました").await, [usize::from(at_the_host), 1, 1]);
        for (side, membership) in [(OWNER, false), (MEMBER, true), (OTHER, true)] {
            let records = records(&test, side, "vpn_group.close").await;
            assert_eq!(records.len(), 1, "{side}: {records:?}");
            let facts = &records[0]["facts"];
            assert_eq!(
                (&facts["members"], records[0]["outcome"].as_str()),
                (&3.into(), Some("done"))
            );
            assert_eq!(facts.get("membership").is_some(), membership, "{records:?}");
            assert_eq!(facts.get("facility").and_then(Json::as_str), membership.then_some(side));
            let reason = at_the_host.then_some("asked for on paper");
            assert_eq!(facts.get("reason_given").and_then(Json::as_str), reason);
            assert_eq!(records[0]["on"]["vpn_group"], group);
        }
    }
}

#[tokio::test]
async fn an_owner_hears_of_a_group_that_the_host_made_and_both_of_a_membership_that_it_ended() {
    let test = instance().await;
    let now = test.app.now();
    let new = NewGroup {
        owner_id: OWNER,
        name_ja: "西地域連携",
        name_en: "",
        purpose: Purpose::Conference,
        topology: Topology::Mesh,
        transit: false,
        created_by: "host",
        at: now,
    };
    let group = transaction!(test.app.store(), StoreError, |tx| {
        groups::make(tx, &at_host(None), new).await
    })
    .unwrap()
    .unwrap();
    assert_eq!(told(&test, "を作りました").await, [1, 0, 0]);
    admitted(&test, &group.id, MEMBER, R_MEMBER).await;
    let members = vpn_membership::of_group(&mut test.app.store().read(), &group.id, 9).await;
    let member = members.unwrap().remove(0);
    transaction!(test.app.store(), StoreError, |tx| {
        groups::end(tx, &at_host(Some("letter of November")), &member, Side::Both, now).await
    })
    .unwrap()
    .unwrap();
    assert_eq!(told(&test, "の参加を終了させました").await, [1, 1, 0]);
    for side in [OWNER, MEMBER] {
        let records = records(&test, side, "vpn_group.end").await;
        assert_eq!(records[0]["facts"]["reason_given"], "letter of November", "{records:?}");
    }
    made(&test, "mesh").await;
    assert_eq!(told(&test, "を作りました").await, [1, 0, 0], "of one's own act nobody is told");
}

#[tokio::test]
async fn other_members_of_a_mesh_hear_of_a_router_that_they_have_as_a_peer_from_now_on() {
    let test = instance().await;
    let path = made(&test, "mesh").await;
    let group = path.rsplit('/').next().unwrap();
    enter(&test, MEMBER, "T4444444444", "10.4.0.0/16").await;
    admitted(&test, group, MEMBER, R_MEMBER).await;
    assert_eq!(told(&test, "追加されました").await, [0, 0, 0]);
    admitted(&test, group, OTHER, R_OTHER).await;
    admitted(&test, group, MEMBER, "T4444444444").await;
    assert_eq!(told(&test, "追加されました").await, [1, 1, 1]);
}

#[tokio::test]
async fn who_invites_and_takes_back_again_and_again_is_stopped_for_the_day() {
    let test = instance().await;
    let path = made(&test, "mesh").await;
    let invite = format!("{path}/invite");
    for _ in 0..MOST_OF_ONE_A_DAY {
        let (status, text) = post(&test, &invite, OWN, &[("invited", MEMBER)]).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
        let waiting = membership(&test, &path, MEMBER).await.unwrap();
        assert_eq!(post(&test, &format!("{waiting}/end"), OWN, &[]).await.0, StatusCode::SEE_OTHER);
    }
    let (status, text) = post(&test, &invite, OWN, &[("invited", MEMBER)]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text.contains("一日の回数の上限"), "{text}");
    assert!(acts(&test.app).await.iter().any(|act| act.contains("too_many_of_late")));
    // Another facility is invited, and this one may ask itself.
    assert_eq!(post(&test, &invite, OWN, &[("invited", OTHER)]).await.0, StatusCode::SEE_OTHER);
    let pairs = [("facility", MEMBER), ("router", R_MEMBER)];
    assert_eq!(post(&test, &format!("{path}/ask"), THEIRS, &pairs).await.0, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn what_waits_for_an_answer_is_bounded_for_either_side_apart() {
    let test = instance().await;
    let path = made(&test, "mesh").await;
    let group = path.rsplit('/').next().unwrap();
    for side in [Side::Owner, Side::Facility] {
        fill(&test, group, side).await;
    }
    let (status, text) = post(&test, &format!("{path}/invite"), OWN, &[("invited", MEMBER)]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text.contains("返事を待っている招待の数が上限"), "{text}");
    let pairs = [("facility", MEMBER), ("router", R_MEMBER)];
    let (status, text) = post(&test, &format!("{path}/ask"), THEIRS, &pairs).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text.contains("申し込みの数が上限"), "{text}");
    let acts = acts(&test.app).await;
    for refused in ["too_many_invited", "too_many_asking"] {
        assert_eq!(acts.iter().filter(|act| act.contains(refused)).count(), 1, "{acts:?}");
    }
    assert_eq!(membership(&test, &path, MEMBER).await, None, "nothing half-written");
    // One that is taken back makes room, of its own side.
    let first = membership(&test, &path, "100000000000").await.unwrap();
    let (status, text) = post(&test, &format!("{first}/end"), OWN, &[]).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
    let (status, _) = post(&test, &format!("{path}/ask"), THEIRS, &pairs).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, text) = post(&test, &format!("{path}/invite"), OWN, &[("invited", MEMBER)]).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
    // The host bounds nobody by what waits.
    admitted(&test, group, OTHER, R_OTHER).await;
}

/// As many as may wait.
async fn fill(test: &TestApp, group: &str, side: Side) {
    let now = test.app.now();
    for number in 0..MOST_WAITING {
        let base: u64 = if side == Side::Owner { 100_000_000_000 } else { 200_000_000_000 };
        let id = (base + number as u64).to_string();
        scene::facility(&test.app, &id).await;
        let new = NewMembership {
            group_id: group,
            organisation_id: &id,
            is_hub: false,
            side,
            asked_by: "p",
            at: now,
            ends_at: None,
        };
        transaction!(test.app.store(), StoreError, |tx| {
            vpn_membership::ask(tx, new).await?.unwrap();
            Ok(Audited::new((), Entry::done("test", Actor::System, now)))
        })
        .unwrap();
    }
}
