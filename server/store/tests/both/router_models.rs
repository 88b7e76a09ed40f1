//! Models of routers, tests of one against another, certifications: what counts, what stays, and who is first.
use sekisho_store::{
    StoreError,
    router::{self, Router},
    router_certification::{self, Certification, Decision, Standing},
    router_model::{self, Description, Door, Kept},
    router_test::{self, Judged, Proof, RouterTest, Source},
    terminal,
};
use time::Duration;

use crate::{FACILITY, NOW, count, databases::Databases, once::prepared, race};

const ROUTER: &str = "T1111111111";

on_both! { prepared:
    a_model_is_one_by_maker_name_and_firmware_and_its_rest_can_be_corrected
    a_newer_result_counts_and_the_older_one_stays
    a_result_is_of_a_model_that_is_there_and_says_one_thing
    a_model_is_entered_once_of_many_at_once
    a_family_is_reached_by_what_counts_alone
    the_last_decision_counts_and_the_others_stay
    decisions_at_once_follow_each_other
    a_router_is_the_model_that_was_said_last
}

fn description(model: &str, firmware: &str, family: &str) -> Description {
    Description {
        maker: "メーカー株式会社".to_owned(),
        model: model.to_owned(),
        firmware: firmware.to_owned(),
        firmware_to: String::new(),
        family: family.to_owned(),
        doors: vec![Door::Est, Door::Psk],
        note: String::new(),
    }
}

async fn enter(databases: &Databases, is: &Description) -> String {
    change!(databases.one, |tx| router_model::keep(tx, is, "p", NOW).await?).0
}

/// Two models: one of strongSwan's family, one of libreswan's.
async fn two(databases: &Databases) -> [String; 2] {
    [
        enter(databases, &description("A", "1.0", "router_strongswan")).await,
        enter(databases, &description("B", "1.0", "router_libreswan")).await,
    ]
}

fn test([opens, awaits]: &[String; 2], failure: Option<&str>) -> RouterTest {
    RouterTest {
        opens_id: opens.clone(),
        awaits_id: awaits.clone(),
        proof: Proof::P256,
        judged: Judged::IkeAuth,
        tested_at: NOW,
        failure: failure.map(str::to_owned),
        source: Source::Bench,
        tested_by: "試験室".to_owned(),
        note: String::new(),
    }
}

async fn keep(databases: &Databases, test: &RouterTest) -> Kept {
    change!(databases.one, |tx| router_test::keep(tx, test, "p", NOW).await?)
}

async fn a_model_is_one_by_maker_name_and_firmware_and_its_rest_can_be_corrected(
    databases: Databases,
) {
    let is = description("A", "1.0", "router");
    let id = enter(&databases, &is).await;
    let kept = |is: Description| {
        let store = databases.two.clone();
        async move { change!(store, |tx| router_model::keep(tx, &is, "q", NOW).await?) }
    };
    assert_eq!(kept(is.clone()).await, (id.clone(), Kept::Same));
    let corrected = Description {
        family: "router_strongswan".to_owned(),
        doors: vec![Door::Scep],
        note: "10GbE".to_owned(),
        ..is.clone()
    };
    assert_eq!(kept(corrected.clone()).await, (id.clone(), Kept::Changed));
    let range = Description { firmware_to: "1.9".to_owned(), ..is.clone() };
    let (other, entered) = kept(range.clone()).await;
    assert_eq!((other == id, entered), (false, Kept::Entered));
    let mut reader = databases.one.read();
    assert_eq!(router_model::find(&mut reader, &id).await.unwrap().unwrap().is, corrected);
    assert_eq!(router_model::find(&mut reader, "nobody").await.unwrap(), None);
    assert_eq!(router_model::named(&mut reader, &range).await.unwrap().unwrap().id, other);
    assert_eq!(router_model::count(&mut reader).await.unwrap(), 2);
    let all = router_model::all(&mut reader, 9).await.unwrap();
    assert_eq!(all.iter().map(|model| &model.id).collect::<Vec<_>>(), [&id, &other]);
}

async fn a_newer_result_counts_and_the_older_one_stays(databases: Databases) {
    let ends = two(&databases).await;
    let old = test(&ends, Some("no proposal chosen"));
    let new = RouterTest { failure: None, tested_at: NOW + Duration::DAY, ..old.clone() };
    // Brought in the other order: the date counts, not when it came.
    assert_eq!(keep(&databases, &new).await, Kept::Entered);
    assert_eq!(keep(&databases, &old).await, Kept::Entered);
    assert_eq!(keep(&databases, &old).await, Kept::Same);
    let back = RouterTest {
        opens_id: ends[1].clone(),
        awaits_id: ends[0].clone(),
        ..test(&ends, Some("timeout"))
    };
    let packets = RouterTest { judged: Judged::Packet, ..old.clone() };
    for other in [&back, &packets] {
        keep(&databases, other).await;
    }
    let mut reader = databases.two.read();
    for model in &ends {
        let current = router_test::current_of(&mut reader, model, 99).await.unwrap();
        assert_eq!(current.len(), 3);
        for counts in [&new, &back, &packets] {
            assert!(current.contains(counts), "{counts:?}");
        }
        let earlier = router_test::earlier_of(&mut reader, model, 99).await.unwrap();
        assert_eq!(earlier, std::slice::from_ref(&old));
    }
    assert_eq!(router_test::same(&mut reader, &old).await.unwrap(), Some(old));
    let all = router_test::all(&mut reader, 99).await.unwrap();
    assert_eq!((all.len(), all.last()), (4, Some(&new)));
}

async fn a_result_is_of_a_model_that_is_there_and_says_one_thing(databases: Databases) {
    let ends = two(&databases).await;
    keep(&databases, &test(&ends, None)).await;
    let otherwise = test(&ends, Some("timeout"));
    let refused = attempt!(databases.two, |tx| router_test::keep(tx, &otherwise, "p", NOW).await?);
    assert!(matches!(refused, Err(StoreError::AlreadyExists { .. })), "{refused:?}");
    let nobody = test(&[ends[0].clone(), "nobody".to_owned()], None);
    let refused = attempt!(databases.two, |tx| router_test::keep(tx, &nobody, "p", NOW).await?);
    assert!(refused.is_err());
    let unreasoned = test(&[ends[1].clone(), ends[0].clone()], Some(""));
    let refused =
        attempt!(databases.two, |tx| router_test::keep(tx, &unreasoned, "p", NOW).await?);
    assert!(refused.is_err());
    let all = router_test::all(&mut databases.one.read(), 9).await.unwrap();
    assert_eq!(all, [test(&ends, None)]);
}

async fn a_model_is_entered_once_of_many_at_once(databases: Databases) {
    let outcomes = race(&databases, |_, store| async move {
        let is = description("A", "1.0", "router");
        attempt!(store, |tx| router_model::keep(tx, &is, "p", NOW).await?)
    })
    .await;
    let entered =
        |kept: &Result<(String, Kept), StoreError>| matches!(kept, Ok((_, Kept::Entered)));
    assert_eq!(count(&outcomes, entered), 1, "{outcomes:?}");
    assert_eq!(router_model::count(&mut databases.one.read()).await.unwrap(), 1);
}

async fn a_family_is_reached_by_what_counts_alone(databases: Databases) {
    let ends = two(&databases).await;
    let reaching = |family: &'static str, proof: Option<Proof>| {
        let mut reader = databases.two.read();
        async move { router_test::reaching(&mut reader, family, proof).await.unwrap() }
    };
    let stood = |proof: Proof| {
        let (mut reader, id) = (databases.one.read(), ends[1].clone());
        async move { router_test::stood(&mut reader, &id, proof).await.unwrap() }
    };
    keep(&databases, &test(&ends, None)).await;
    let compared = RouterTest { proof: Proof::HpkiLikeNamed, ..test(&ends, None) };
    keep(&databases, &compared).await;
    assert_eq!(reaching("router_libreswan", None).await, [ends[0].clone()]);
    assert_eq!(reaching("router_strongswan", Some(Proof::P256)).await, [ends[1].clone()]);
    assert!(reaching("router_strongswan", Some(Proof::Psk)).await.is_empty());
    assert!(reaching("router_nec_ix", None).await.is_empty());
    assert!(stood(Proof::P256).await && !stood(Proof::Rsa3072).await);
    // It failed the next day: the older success counts no more, and certificates like HPKI's are handed out by nobody.
    let later = RouterTest { tested_at: NOW + Duration::DAY, ..test(&ends, Some("timeout")) };
    keep(&databases, &later).await;
    assert!(reaching("router_libreswan", None).await.is_empty());
    assert_eq!(reaching("router_libreswan", Some(Proof::HpkiLikeNamed)).await, [ends[0].clone()]);
    assert!(!stood(Proof::P256).await);
}

fn certified(model_id: &str, decision: Decision) -> Certification {
    Certification {
        model_id: model_id.to_owned(),
        proof: Proof::Psk,
        decision,
        valid_from: NOW,
        valid_until: NOW + Duration::DAY,
        reason: "試験に合格".to_owned(),
        decided_at: NOW,
        decided_by: "p".to_owned(),
    }
}

async fn the_last_decision_counts_and_the_others_stay(databases: Databases) {
    let [one, other] = two(&databases).await;
    let first = certified(&one, Decision::Certified);
    let last = certified(&one, Decision::Withdrawn);
    let others = certified(&other, Decision::Certified);
    for decided in [&first, &last, &others] {
        change!(databases.one, |tx| router_certification::decide(tx, decided).await?);
    }
    let mut reader = databases.two.read();
    let latest = router_certification::latest(&mut reader).await.unwrap();
    assert_eq!(latest.len(), 2);
    assert!(latest.contains(&last) && latest.contains(&others));
    let history = router_certification::of_model(&mut reader, &one, 9).await.unwrap();
    assert_eq!(history, [last.clone(), first.clone()]);
    assert_eq!(last.standing(NOW), Standing::Withdrawn);
    for (at, standing) in [
        (NOW - Duration::SECOND, Standing::Ahead),
        (NOW, Standing::InForce),
        (NOW + Duration::DAY, Standing::Over),
    ] {
        assert_eq!(first.standing(at), standing);
    }
    let backwards = Certification { valid_until: NOW, ..first };
    let refused =
        attempt!(databases.one, |tx| router_certification::decide(tx, &backwards).await?);
    assert!(refused.is_err(), "it ends when it begins");
}

async fn decisions_at_once_follow_each_other(databases: Databases) {
    let [model, _] = two(&databases).await;
    let outcomes = race(&databases, |_, store| {
        let decided = certified(&model, Decision::Certified);
        async move { attempt!(store, |tx| router_certification::decide(tx, &decided).await?) }
    })
    .await;
    let done = count(&outcomes, Result::is_ok);
    let history = router_certification::of_model(&mut databases.one.read(), &model, 99).await;
    assert_eq!(history.unwrap().len(), done);
    assert!(done > 0, "{outcomes:?}");
}

async fn a_router_is_the_model_that_was_said_last(databases: Databases) {
    let [one, other] = two(&databases).await;
    let router = Router {
        terminal_id: ROUTER.to_owned(),
        family: "router_strongswan".to_owned(),
        dns_name: "t1.router.example".to_owned(),
        address: None,
        address_certified: false,
        network: "10.0.0.0/8".parse().unwrap(),
    };
    change!(databases.one, |tx| {
        terminal::create(tx, ROUTER, FACILITY, "本館", "p", NOW).await?;
        router::create(tx, &router).await?;
    });
    let is = async || {
        let found = router_model::of_router(&mut databases.two.read(), ROUTER).await.unwrap();
        found.map(|model| model.id)
    };
    assert_eq!(is().await, None);
    for said in [Some(one), Some(other), None] {
        let id = said.as_deref();
        change!(databases.one, |tx| router_model::choose(tx, ROUTER, id, "p", NOW).await?);
        assert_eq!(is().await, said);
    }
    let nobodys = attempt!(databases.one, |tx| {
        router_model::choose(tx, ROUTER, Some("nobody"), "p", NOW).await?
    });
    assert!(nobodys.is_err());
}
