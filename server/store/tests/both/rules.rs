//! Rules of a live service: drafts, proposals, publication by somebody else, versions.

use sekisho_store::{
    StoreError, Tx, person,
    rules_draft::{self, Draft},
    rules_proposal::{self, NewProposal, Outcome, Publication},
    rules_version,
    service::{self, Service},
    service_change,
};
use time::Duration;

use crate::{NOW, count, databases::Databases, going_live::tried, race};

on_both! { prepared:
    a_proposal_is_published_once_by_another_person_whoever_is_asked
    of_two_proposals_for_one_version_one_is_published
    a_person_has_one_proposal_at_a_time
    a_proposal_is_taken_back_by_its_proposer_and_refused_by_others
    a_draft_is_its_writers_alone
    what_waits_is_listed_until_it_is_decided_or_its_service_withdrawn
}

const FIRST: &str = r#"{"rules":[{"id":"a"}]}"#;
const SECOND: &str = r#"{"rules":[{"id":"b"}]}"#;

async fn prepared(databases: Databases) -> Databases {
    change!(databases.one, |tx| {
        for id in ["first", "second"] {
            service::add(tx, &Service { live_at: Some(NOW), ..tried(id) }).await?;
            service::add_rules(tx, id, FIRST, None, NOW).await?;
        }
    });
    databases
}

async fn people<const N: usize>(databases: &Databases, names: [&str; N]) -> [String; N] {
    let mut entered = Vec::new();
    for name in names {
        entered.push(change!(databases.one, |tx| person::enter(tx, name, "", NOW).await?));
    }
    entered.try_into().unwrap()
}

async fn propose(tx: &mut Tx, service: &str, by: &str, rules: &str) -> Result<String, StoreError> {
    let new = NewProposal {
        service_id: service,
        base_version: 1,
        rules,
        reason: "why",
        proposed_by: by,
        at: NOW,
    };
    rules_proposal::propose(tx, new).await
}

async fn a_proposal_is_published_once_by_another_person_whoever_is_asked(databases: Databases) {
    let [owner, other] = people(&databases, ["責任", "管理"]).await;
    let id = change!(databases.one, |tx| propose(tx, "first", &owner, SECOND).await?);
    // Not by its proposer, to whom the database itself says no as well.
    let own = change!(databases.one, |tx| rules_proposal::publish(tx, &id, &owner, NOW).await?);
    assert_eq!(own, Publication::NotOpen);
    let published = race(&databases, |_, store| {
        let (id, other) = (id.clone(), other.clone());
        async move { attempt!(store, |tx| rules_proposal::publish(tx, &id, &other, NOW).await?) }
    })
    .await;
    assert_eq!(count(&published, |one| matches!(one, Ok(Publication::InForce(2)))), 1);
    let late = |one: &Result<_, _>| {
        matches!(one, Ok(Publication::NotOpen) | Err(StoreError::AlreadyExists { .. }))
    };
    assert_eq!(count(&published, late), published.len() - 1, "{published:?}");
    let mut reader = databases.two.read();
    let found = rules_proposal::find(&mut reader, &id).await.unwrap().unwrap();
    assert_eq!((found.outcome, found.decided_at), (Some(Outcome::Published), Some(NOW)));
    assert_eq!(found.proposed_by_hands, std::slice::from_ref(&owner));
    let version = rules_version::find(&mut reader, "first", 2).await.unwrap().unwrap();
    assert_eq!((version.by, version.proposed_by), (Some(other), Some(owner)));
    assert_eq!((version.rules.as_str(), version.reason.as_deref()), (SECOND, Some("why")));
    assert_eq!(version.proposal_id.as_deref(), Some(id.as_str()));
    let all = rules_version::list(&mut reader, "first", 0, 9).await.unwrap();
    assert_eq!(all.iter().map(|one| one.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!((all[1].by.as_deref(), all[1].proposed_by.as_deref()), (None, None));
    assert_eq!(rules_version::list(&mut reader, "first", 1, 9).await.unwrap().len(), 1);
    assert_eq!(rules_version::find(&mut reader, "first", 9).await.unwrap(), None);
    assert_eq!(rules_version::find(&mut reader, "second", 2).await.unwrap(), None);
}

async fn of_two_proposals_for_one_version_one_is_published(databases: Databases) {
    let [owner, colleague, other] = people(&databases, ["責任", "同僚", "管理"]).await;
    let third = r#"{"rules":[{"id":"c"}]}"#;
    let one = change!(databases.one, |tx| propose(tx, "first", &owner, SECOND).await?);
    let two = change!(databases.two, |tx| propose(tx, "first", &colleague, third).await?);
    let published = race(&databases, |number, store| {
        let (id, other) = (if number % 2 == 0 { &one } else { &two }.clone(), other.clone());
        async move { attempt!(store, |tx| rules_proposal::publish(tx, &id, &other, NOW).await?) }
    })
    .await;
    assert_eq!(count(&published, |one| matches!(one, Ok(Publication::InForce(2)))), 1);
    let open = rules_proposal::open(&mut databases.one.read(), "first").await.unwrap();
    assert_eq!(open.len(), 1, "the other one waits still: nothing of it is lost");
    let late =
        change!(databases.two, |tx| rules_proposal::publish(tx, &open[0].id, &other, NOW).await?);
    assert_eq!(late, Publication::Overtaken(2));
    // Back to the first text.
    let back = change!(databases.one, |tx| {
        let new = NewProposal {
            service_id: "first",
            base_version: 2,
            rules: FIRST,
            reason: "back",
            proposed_by: &owner,
            at: NOW,
        };
        rules_proposal::propose(tx, new).await?
    });
    let found = rules_proposal::find(&mut databases.one.read(), &back).await.unwrap().unwrap();
    assert_eq!(found.returns_to, Some(1));
    let nothing =
        change!(databases.one, |tx| rules_proposal::publish(tx, "x", &other, NOW).await?);
    assert_eq!(nothing, Publication::NotOpen);
}

async fn a_person_has_one_proposal_at_a_time(databases: Databases) {
    let [owner] = people(&databases, ["責任"]).await;
    let proposed = race(&databases, |_, store| {
        let owner = owner.clone();
        async move { attempt!(store, |tx| propose(tx, "first", &owner, SECOND).await?) }
    })
    .await;
    assert!(count(&proposed, Result::is_ok) >= 1);
    let mut reader = databases.two.read();
    let open = rules_proposal::open(&mut reader, "first").await.unwrap();
    assert_eq!(open.len(), 1);
    let all = rules_proposal::of_service(&mut reader, "first", 0, 99).await.unwrap();
    assert_eq!(all.len(), count(&proposed, Result::is_ok));
    let withdrawn = |one: &rules_proposal::Proposal| one.outcome == Some(Outcome::Withdrawn);
    assert_eq!(count(&all, withdrawn), all.len() - 1);
    assert!(rules_proposal::of_service(&mut reader, "first", 99, 9).await.unwrap().is_empty());
}

async fn a_proposal_is_taken_back_by_its_proposer_and_refused_by_others(databases: Databases) {
    let [owner, other] = people(&databases, ["責任", "管理"]).await;
    let id = change!(databases.one, |tx| propose(tx, "first", &owner, SECOND).await?);
    let by_others =
        change!(databases.one, |tx| rules_proposal::withdraw(tx, &id, &other, NOW).await?);
    let own =
        change!(databases.one, |tx| rules_proposal::refuse(tx, &id, &owner, "x", NOW).await?);
    assert!(!by_others && !own);
    let refused =
        race(&databases, |_, store| {
            let (id, other) = (id.clone(), other.clone());
            async move {
                attempt!(store, |tx| rules_proposal::refuse(tx, &id, &other, "no", NOW).await?)
            }
        })
        .await;
    assert_eq!(count(&refused, |one| *one.as_ref().unwrap()), 1);
    let found = rules_proposal::find(&mut databases.two.read(), &id).await.unwrap().unwrap();
    assert_eq!(found.refused_because.as_deref(), Some("no"));
    let late = change!(databases.two, |tx| rules_proposal::withdraw(tx, &id, &owner, NOW).await?);
    assert!(!late);
    let again = change!(databases.two, |tx| propose(tx, "first", &owner, SECOND).await?);
    assert!(change!(databases.one, |tx| rules_proposal::withdraw(tx, &again, &owner, NOW).await?));
}

async fn a_draft_is_its_writers_alone(databases: Databases) {
    let [owner, other] = people(&databases, ["責任", "管理"]).await;
    let draft = |rules: &str| Draft { base_version: 1, rules: rules.into(), changed_at: NOW };
    for rules in [FIRST, SECOND] {
        change!(databases.one, |tx| {
            rules_draft::keep(tx, "first", &owner, &draft(rules)).await?;
        });
    }
    let mut reader = databases.two.read();
    let found = rules_draft::find(&mut reader, "first", &owner).await.unwrap();
    assert_eq!(found, Some(draft(SECOND)));
    assert_eq!(rules_draft::find(&mut reader, "first", &other).await.unwrap(), None);
    assert_eq!(rules_draft::find(&mut reader, "second", &owner).await.unwrap(), None);
    let theirs = change!(databases.two, |tx| rules_draft::discard(tx, "first", &other).await?);
    let own = change!(databases.two, |tx| rules_draft::discard(tx, "first", &owner).await?);
    assert!(!theirs && own);
    assert_eq!(rules_draft::find(&mut reader, "first", &owner).await.unwrap(), None);
}

async fn what_waits_is_listed_until_it_is_decided_or_its_service_withdrawn(databases: Databases) {
    let [owner, other] = people(&databases, ["責任", "管理"]).await;
    let waiting = async || {
        let found = rules_proposal::waiting(&mut databases.two.read(), 10).await.unwrap();
        found.into_iter().map(|(id, _, _)| id).collect::<Vec<_>>()
    };
    let id = change!(databases.one, |tx| {
        let id = propose(tx, "second", &owner, SECOND).await?;
        let later = NewProposal {
            service_id: "first",
            base_version: 1,
            rules: SECOND,
            reason: "x",
            proposed_by: &owner,
            at: NOW + Duration::SECOND,
        };
        rules_proposal::propose(tx, later).await?;
        propose(tx, "second", &other, SECOND).await?;
        id
    });
    assert_eq!(waiting().await, ["second", "first"]);
    change!(databases.one, |tx| rules_proposal::publish(tx, &id, &other, NOW).await?);
    assert_eq!(waiting().await, ["second", "first"], "another one waits still");
    change!(databases.one, |tx| service_change::withdraw(tx, "second", NOW).await?);
    assert_eq!(waiting().await, ["first"]);
}
