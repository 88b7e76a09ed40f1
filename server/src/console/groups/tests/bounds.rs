//! What a group is bounded by: suspension, forms, who sees whom, time, closing, and whose the routers are.

use sekisho_store::vpn_group;

use super::*;
use crate::network::groups::end_over;

#[tokio::test]
async fn a_suspended_facility_has_no_peers_and_nobody_agrees_for_it() {
    let test = instance().await;
    let path = made(&test, "mesh").await;
    own_takes_part(&test, &path).await;
    joined(&test, &path).await;
    let bundle = format!("/console/routers/{R_OWNER}/bundle");
    assert!(get(&test, &bundle, OWN).await.text.contains("t2222222222.router.example"));
    suspend(&test, MEMBER, StatusChange::Suspend).await;
    let without = get(&test, &bundle, OWN).await.text;
    assert!(!without.contains("t2222222222") && without.contains("つながる相手がまだありません"));
    assert!(get(&test, &path, OWN).await.text.contains("施設の利用停止中"));
    let said = get(&test, &path, THEIRS).await;
    assert_ne!(said.status, StatusCode::OK, "{}", said.text);
    let invite = format!("{path}/invite");
    suspend(&test, OTHER, StatusChange::Suspend).await;
    for nobody in [OTHER, "999999999999", "x", "<script>"] {
        let (status, text) = post(&test, &invite, OWN, &[("invited", nobody)]).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{nobody}: {text}");
        assert!(text.contains("その番号の施設がないか") && !text.contains("<script>"), "{text}");
    }
    // The facility that asked was suspended meanwhile.
    suspend(&test, OTHER, StatusChange::Resume).await;
    let pairs = [("facility", OTHER), ("router", R_OTHER)];
    post(&test, &format!("{path}/ask"), STRANGER, &pairs).await;
    suspend(&test, OTHER, StatusChange::Suspend).await;
    let agree = format!("{}/agree", membership(&test, &path, OTHER).await.unwrap());
    let (status, text) = post(&test, &agree, SECOND, &[]).await;
    assert_eq!(status, StatusCode::CONFLICT, "{text}");
    suspend(&test, OTHER, StatusChange::Resume).await;
    assert_eq!(post(&test, &agree, SECOND, &[]).await.0, StatusCode::SEE_OTHER);
    suspend(&test, MEMBER, StatusChange::Resume).await;
    assert!(are_peers(&test, R_MEMBER, R_OTHER).await, "it comes back by itself");
}

#[tokio::test]
async fn nobody_becomes_a_member_while_the_owner_is_suspended() {
    let test = instance().await;
    let path = made(&test, "mesh").await;
    let (status, text) = post(&test, &format!("{path}/invite"), OWN, &[("invited", MEMBER)]).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
    let agree = format!("{}/agree", membership(&test, &path, MEMBER).await.unwrap());
    suspend(&test, OWNER, StatusChange::Suspend).await;
    let (status, text) = post(&test, &agree, THEIRS, &[("router", R_MEMBER)]).await;
    assert_eq!(status, StatusCode::CONFLICT, "{text}");
    suspend(&test, OWNER, StatusChange::Resume).await;
    let (status, text) = post(&test, &agree, THEIRS, &[("router", R_MEMBER)]).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
}

#[tokio::test]
async fn what_does_not_fit_comes_back_at_its_field_and_names_are_the_owners() {
    let test = instance().await;
    for (field, value, says) in [
        ("name", "", "入力"),
        ("purpose", "fun", "選"),
        ("topology", "star", "選"),
        ("transit", "yes", "「全員が互いにつながる」では選べません"),
    ] {
        let mut pairs: Vec<_> = GOOD.into_iter().filter(|(name, _)| *name != field).collect();
        pairs.push((field, value));
        let (status, text) = post(&test, "/console/groups", OWN, &pairs).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{field}: {text}");
        let (_, at) = text.split_once(&format!("id=\"{field}-error\"")).unwrap();
        assert!(at.split("</p>").next().unwrap().contains(says), "{field}: {at}");
    }
    let path = made(&test, "hub").await;
    let (status, text) = post(&test, "/console/groups", SECOND, &GOOD).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text.contains("同じ名前のグループがあります"), "{text}");
    // Another owner's group may be called the same, and is another.
    let of_other = GOOD.map(|(name, good)| (name, if name == "facility" { MEMBER } else { good }));
    let (status, _) = post(&test, "/console/groups", THEIRS, &of_other).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(post(&test, "/console/groups", THEIRS, &GOOD).await.0, StatusCode::FORBIDDEN);
    let (status, text) = post(&test, &format!("{path}/invite"), OWN, &[("invited", OWNER)]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
    for (field, value) in [("part", "king"), ("until", "tomorrow"), ("until", "2020-01-01")] {
        let pairs = [("invited", MEMBER), (field, value)];
        let (status, text) = post(&test, &format!("{path}/invite"), OWN, &pairs).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{field} {value}: {text}");
        assert!(text.contains(&format!("id=\"{field}-error\"")), "{text}");
    }
    assert_eq!(membership(&test, &path, MEMBER).await, None, "nothing half-written");
    // A network within another's is no member's.
    own_takes_part(&test, &path).await;
    enter(&test, MEMBER, "T4444444444", "10.1.7.0/24").await;
    for (router, status) in
        [("T4444444444", StatusCode::UNPROCESSABLE_ENTITY), (R_MEMBER, StatusCode::SEE_OTHER)]
    {
        let pairs = [("facility", MEMBER), ("router", router)];
        let (found, text) = post(&test, &format!("{path}/ask"), THEIRS, &pairs).await;
        assert_eq!(found, status, "{text}");
        assert_eq!(text.contains("重なっているか"), router != R_MEMBER, "{text}");
    }
}

#[tokio::test]
async fn a_spoke_sees_the_hubs_alone_and_strangers_see_no_member() {
    let test = instance().await;
    let path = made(&test, "hub").await;
    let pairs = [("facility", OWNER), ("router", R_OWNER), ("own_part", "hub")];
    assert_eq!(post(&test, &format!("{path}/ask"), OWN, &pairs).await.0, StatusCode::SEE_OTHER);
    let outside = get(&test, &path, STRANGER).await.text;
    assert!(!outside.contains(R_OWNER) && outside.contains("東地域連携"), "{outside}");
    joined(&test, &path).await;
    let pairs = [("facility", OTHER), ("router", R_OTHER)];
    post(&test, &format!("{path}/ask"), STRANGER, &pairs).await;
    let agree = format!("{}/agree", membership(&test, &path, OTHER).await.unwrap());
    assert_eq!(post(&test, &agree, SECOND, &[]).await.0, StatusCode::SEE_OTHER);
    let spoke = get(&test, &path, THEIRS).await.text;
    assert!(spoke.contains(R_OWNER) && spoke.contains(R_MEMBER) && !spoke.contains(R_OTHER));
    assert!(spoke.contains("つながる相手の施設だけを表示しています"), "{spoke}");
    for all in [OWN, BODY] {
        let seen = get(&test, &path, all).await.text;
        assert!(ROUTERS.iter().all(|(_, id, _)| seen.contains(id)), "{seen}");
    }
    let body = get(&test, "/console/groups", BODY).await.text;
    assert!(
        body.contains(&path) && !body.contains("<form method=\"post\" action=\"/console/groups\"")
    );
    assert!(
        !get(&test, &path, BODY).await.text.contains("/end\""),
        "it looks, and acts at the host"
    );
    assert!(!are_peers(&test, R_MEMBER, R_OTHER).await);
    for (router, listed) in [(R_OWNER, 2), (R_MEMBER, 1), (R_OTHER, 1)] {
        let cookie = [(R_OWNER, OWN), (R_MEMBER, THEIRS), (R_OTHER, STRANGER)];
        let cookie = cookie.into_iter().find(|(id, _)| *id == router).unwrap().1;
        let text = get(&test, &format!("/console/routers/{router}/bundle"), cookie).await.text;
        assert_eq!(text.matches("remote_addrs").count(), listed, "{router}");
    }
}

#[tokio::test]
async fn a_membership_ends_with_its_last_day_and_a_group_when_it_is_closed() {
    let test = instance().await;
    let path = made(&test, "mesh").await;
    own_takes_part(&test, &path).await;
    let day = (test.app.now() + Duration::days(2)).date().to_string();
    let pairs = [("invited", MEMBER), ("until", day.as_str())];
    assert_eq!(post(&test, &format!("{path}/invite"), OWN, &pairs).await.0, StatusCode::SEE_OTHER);
    let agree = format!("{}/agree", membership(&test, &path, MEMBER).await.unwrap());
    assert_eq!(post(&test, &agree, THEIRS, &[("router", R_MEMBER)]).await.0, StatusCode::SEE_OTHER);
    given(&test.app, [R_OWNER, R_MEMBER], Making::First).await;
    end_over(&test.app).await.unwrap();
    assert!(are_peers(&test, R_OWNER, R_MEMBER).await);
    test.clock.advance(Duration::days(3));
    assert!(!are_peers(&test, R_OWNER, R_MEMBER).await, "before anybody noted it");
    let (one, two) = tokio::join!(end_over(&test.app), end_over(&test.app));
    one.unwrap();
    two.unwrap();
    let mut reader = test.app.store().read();
    let key = router_psk::in_force(&mut reader, R_OWNER, R_MEMBER).await.unwrap();
    assert_eq!(key, None);
    drop(reader);
    let done = acts(&test.app).await;
    assert_eq!(
        done.iter().filter(|act| *act == "vpn_group.expire done system").count(),
        2,
        "{done:?}"
    );

    // Sessions ended by the clock meanwhile; new ones of the same people's kind.
    let of = |id: &str| Role::FacilityAdministrator(id.to_owned());
    let (own, theirs) = (OWN.replace('A', "G"), OWN.replace('A', "H"));
    scene::signed_in(&test.app, "持主　七子", &[of(OWNER)], &own).await;
    scene::signed_in(&test.app, "参加　八子", &[of(MEMBER)], &theirs).await;
    let invite = format!("{path}/invite");
    assert_eq!(post(&test, &invite, &own, &[("invited", MEMBER)]).await.0, StatusCode::SEE_OTHER);
    let close = format!("{path}/close");
    assert_eq!(post(&test, &close, &theirs, &[("sure", "yes")]).await.0, StatusCode::NOT_FOUND);
    let (status, text) = post(&test, &close, &own, &[]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
    let waiting = membership(&test, &path, MEMBER).await.unwrap();
    assert_eq!(post(&test, &close, &own, &[("sure", "yes")]).await.0, StatusCode::SEE_OTHER);
    for (path, pairs) in [
        (format!("{waiting}/agree"), &[("router", R_MEMBER)][..]),
        (format!("{waiting}/end"), &[]),
        (invite, &[("invited", MEMBER)]),
        (format!("{path}/ask"), &[("facility", MEMBER), ("router", R_MEMBER)]),
        (close, &[("sure", "yes")]),
    ] {
        for cookie in [&own, &theirs] {
            let (status, text) = post(&test, &path, cookie, pairs).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {text}");
        }
    }
    assert_eq!(get(&test, &path, &own).await.status, StatusCode::NOT_FOUND);
    let id = path.rsplit('/').next().unwrap();
    let group = vpn_group::find(&mut test.app.store().read(), id).await.unwrap().unwrap();
    assert!(group.closed_at.is_some(), "kept for ever");
}

#[tokio::test]
async fn which_routers_take_part_is_the_facilitys_to_say() {
    let test = instance().await;
    let path = made(&test, "mesh").await;
    own_takes_part(&test, &path).await;
    let membership = joined(&test, &path).await;
    enter(&test, MEMBER, "T4444444444", "10.4.0.0/16").await;
    let (entry, leave) = (format!("{membership}/router"), format!("{membership}/router/end"));
    for cookie in [OWN, STRANGER, BODY] {
        for path in [&entry, &leave] {
            let (status, _) = post(&test, path, cookie, &[("router", R_MEMBER)]).await;
            assert_eq!(status, StatusCode::NOT_FOUND);
        }
    }
    for (router, status) in [
        (R_OTHER, StatusCode::CONFLICT),
        (R_MEMBER, StatusCode::CONFLICT),
        ("T4444444444", StatusCode::SEE_OTHER),
        ("T4444444444", StatusCode::CONFLICT),
    ] {
        assert_eq!(post(&test, &entry, THEIRS, &[("router", router)]).await.0, status, "{router}");
    }
    assert!(are_peers(&test, R_MEMBER, "T4444444444").await, "of one facility, too");
    for status in [StatusCode::SEE_OTHER, StatusCode::CONFLICT] {
        assert_eq!(post(&test, &leave, THEIRS, &[("router", R_MEMBER)]).await.0, status);
    }
    assert!(!are_peers(&test, R_OWNER, R_MEMBER).await);
    assert!(are_peers(&test, R_OWNER, "T4444444444").await);
}

#[tokio::test]
async fn how_texts_stand_the_owner_and_the_body_see_of_all_a_member_of_its_own_and_nobody_else() {
    let test = instance().await;
    let path = made(&test, "mesh").await;
    own_takes_part(&test, &path).await;
    joined(&test, &path).await;
    for (cookie, marks) in [(OWN, 2), (BODY, 2), (BOTH, 2), (THEIRS, 1), (STRANGER, 0)] {
        let page = get(&test, &path, cookie).await.text;
        assert_eq!(page.matches("入れた記録がありません").count(), marks, "{page}");
    }
}
