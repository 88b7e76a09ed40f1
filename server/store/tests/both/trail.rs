//! The audit trail under concurrent writers.

use sekisho_store::{
    StoreError, audit,
    audit_chain::Look,
    audit_page::{self, Filter, Key},
};

use crate::{RACERS, databases::Databases, once::prepared, race};

on_both! { prepared:
    the_chain_of_each_process_is_whole_after_concurrent_writers
    a_record_that_was_committed_late_is_linked_by_a_thorough_pass
    pages_of_the_trail_hold_each_record_once_newest_first
    each_filter_of_the_trail_and_all_together_leave_out_what_does_not_fit
    acts_and_chains_are_listed_once_each
}

async fn the_chain_of_each_process_is_whole_after_concurrent_writers(databases: Databases) {
    const EACH: usize = 6;
    // Each task writes and chains in turn, so that sequencers of one process meet as well.
    race(&databases, |_, store| async move {
        for _ in 0..EACH {
            change!(store, |tx| tx.execute(sekisho_store::sql("SELECT 1")).await?);
            match store.chain_audit(Look::Recent).await {
                // Another sequencer of the same process was faster: nothing is lost.
                Ok(_) | Err(StoreError::AlreadyExists { .. } | StoreError::Conflict(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await;
    let mut total = 0;
    for store in [&databases.one, &databases.two] {
        while store.chain_audit(Look::Thorough).await.unwrap().is_some() {}
        let records = audit::chain(&mut store.read(), store.node(), 1, 1000).await.unwrap();
        let mut previous = [0; 32];
        for (position, record) in (1..).zip(&records) {
            assert_eq!((record.node.as_str(), record.seq), (store.node(), Some(position)));
            assert_eq!(audit::leaf_hash(&record.canonical).as_slice(), record.leaf_hash);
            previous = audit::link_hash(&previous, store.node(), position, &record.leaf_hash);
            assert_eq!(record.link_hash.as_deref(), Some(previous.as_slice()));
        }
        assert!(records.len() >= usize::from(RACERS) / 2 * EACH);
        total += records.len();
    }
    let all = audit::list(&mut databases.two.read(), "", None, 1000).await.unwrap();
    assert_eq!(all.len(), total, "every record stands in the chain of its process");
    assert_eq!(total, 1 + usize::from(RACERS) * EACH);
    let nodes = audit::nodes(&mut databases.one.read()).await.unwrap();
    assert_eq!(nodes, ["node-1", "node-2"]);
    let head = audit::Head { seq: 1, link_hash: [0; 32] };
    databases.one.add_checkpoint(head, crate::NOW, "a.b.c").await.unwrap();
    let again = databases.one.add_checkpoint(head, crate::NOW, "d.e.f").await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })));
    let kept = audit::checkpoints(&mut databases.two.read(), "node-1").await.unwrap();
    assert_eq!((kept.len(), kept[0].jws.as_str()), (1, "a.b.c"));
    // A process that ends between linking and signing leaves its head to be signed by the next.
    let head = databases.one.unsigned_head().await.unwrap().unwrap();
    let last = audit::chain(&mut databases.one.read(), "node-1", head.seq, 10).await.unwrap();
    assert_eq!(last.len(), 1, "it is the last link");
    assert_eq!(last[0].link_hash.as_deref(), Some(head.link_hash.as_slice()));
    let reader = &mut databases.two.read();
    let link = audit::link_at(reader, "node-1", head.seq).await.unwrap();
    assert_eq!(link.as_deref(), Some(head.link_hash.as_slice()));
    assert_eq!(audit::link_at(reader, "node-1", head.seq + 1).await.unwrap(), None);
    databases.one.add_checkpoint(head, crate::NOW, "g.h.i").await.unwrap();
    assert_eq!(databases.one.unsigned_head().await.unwrap(), None);
}

/// Records by two people at two facilities, two a second, with the same two acts in turn.
async fn told(databases: &Databases) -> Vec<String> {
    const ACTS: [&str; 2] = ["terminal.create", "terminal.revoke"];
    for number in 0..12_i64 {
        let store = if number % 2 == 0 { &databases.one } else { &databases.two };
        let at = crate::NOW + time::Duration::seconds(number / 2);
        let person = if number % 3 == 0 { "p1" } else { "p2" };
        let facility = if number % 4 == 0 { "f1" } else { "f2" };
        let act = ACTS[usize::from(number % 2 == 1)];
        let entry = audit::Entry::done(act, audit::Actor::Person(person.to_owned()), at)
            .at_organisation(facility)
            .from_address("192.0.2.7");
        let outcome: Result<(), StoreError> =
            sekisho_store::transaction!(store, StoreError, |tx| {
                Ok(audit::Audited::new((), entry.clone()))
            });
        outcome.unwrap();
    }
    let all = audit_page::newest(&mut databases.two.read(), &Filter::default(), None, 100).await;
    all.unwrap().into_iter().map(|record| record.id).collect()
}

async fn pages_of_the_trail_hold_each_record_once_newest_first(databases: Databases) {
    let all = told(&databases).await;
    assert_eq!(all.len(), 13, "and the one that prepared the database");
    let reader = &mut databases.one.read();
    let mut paged = Vec::new();
    let mut before = None;
    // Five a page: pages end within a second that holds two records.
    while let Some(last) = {
        let page =
            audit_page::newest(reader, &Filter::default(), before.as_ref(), 5).await.unwrap();
        paged.extend(page.iter().map(|record| record.id.clone()));
        page.last().map(Key::of)
    } {
        before = Some(last);
    }
    assert_eq!(paged, all);
    let times: Vec<i64> = {
        let found = audit_page::newest(reader, &Filter::default(), None, 100).await.unwrap();
        found.iter().map(|record| record.columns.at).collect()
    };
    assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
}

async fn each_filter_of_the_trail_and_all_together_leave_out_what_does_not_fit(
    databases: Databases,
) {
    told(&databases).await;
    let reader = &mut databases.one.read();
    let some = |text: &str| Some(text.to_owned());
    let second = |number| Some(crate::NOW + time::Duration::seconds(number));
    let none = Filter::default;
    for (filter, expected) in [
        (Filter { actor_id: some("p1"), ..none() }, 4),
        (Filter { organisation_id: some("f1"), ..none() }, 3),
        (Filter { act: some("terminal.revoke"), ..none() }, 6),
        (Filter { from: second(1), until: second(3), ..none() }, 4),
        (Filter { actor_id: some("p1"), act: some("terminal.revoke"), ..none() }, 2),
        (Filter { actor_id: some("p1"), organisation_id: some("f1"), ..none() }, 1),
        (Filter { organisation_id: some("f2"), act: some("terminal.create"), ..none() }, 3),
        (Filter { actor_id: some("nobody"), ..none() }, 0),
        (Filter { act: some("terminal"), ..none() }, 0),
    ] {
        let found = audit_page::newest(reader, &filter, None, 100).await.unwrap();
        assert_eq!(found.len(), expected, "{filter:?}");
        for record in &found {
            let columns = &record.columns;
            assert!(filter.actor_id.is_none() || filter.actor_id == columns.actor_id);
            assert!(filter.act.as_ref().is_none_or(|act| *act == columns.act));
            assert!(
                filter.organisation_id.is_none()
                    || filter.organisation_id == columns.organisation_id
            );
        }
        // A key later than `until` does not widen the question.
        let key = Key { at: i64::MAX, id: String::new() };
        let same = audit_page::newest(reader, &filter, Some(&key), 100).await.unwrap();
        assert_eq!(same.len(), expected, "{filter:?}");
    }
}

async fn a_record_that_was_committed_late_is_linked_by_a_thorough_pass(databases: Databases) {
    let store = &databases.one;
    change!(store, |tx| tx.execute(sekisho_store::sql("SELECT 1")).await?);
    store.chain_audit(Look::Thorough).await.unwrap().unwrap();
    change!(store, |tx| tx.execute(sekisho_store::sql("SELECT 1")).await?);
    let late = audit::list(&mut store.read(), "", None, 10).await.unwrap();
    let [late] = late.iter().filter(|record| record.seq.is_none()).collect::<Vec<_>>()[..] else {
        panic!("{late:?}")
    };
    // As if its identifier had been drawn a minute ago, and its commit had waited since.
    let minute_ago = (uuid::Uuid::parse_str(&late.id).unwrap().as_u128() >> 80) - 60_000;
    let drawn = uuid::Uuid::from_u128(minute_ago << 80 | 7 << 76).to_string();
    let number = sekisho_store::sql("UPDATE audit_record SET id = $1 WHERE id = $2");
    change!(store, |tx| tx
        .execute(number.clone().bind(drawn.clone()).bind(late.id.clone()))
        .await?);
    let linked = async |look| {
        while store.chain_audit(look).await.unwrap().is_some_and(|chained| chained.is_more) {}
        let records = audit::list(&mut store.read(), "", None, 10).await.unwrap();
        records.iter().find(|record| record.id == drawn).unwrap().seq.is_some()
    };
    assert!(!linked(Look::Recent).await);
    assert!(linked(Look::Thorough).await);
}

async fn acts_and_chains_are_listed_once_each(databases: Databases) {
    assert_eq!(audit_page::chains(&mut databases.one.read()).await.unwrap(), []);
    let all = told(&databases).await;
    let reader = &mut databases.two.read();
    let acts = audit_page::acts(reader).await.unwrap();
    assert_eq!(acts, ["terminal.create", "terminal.revoke", "test"]);
    let found = audit_page::find(reader, &all[0]).await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.columns.act.as_str()), (&*all[0], "terminal.revoke"));
    assert!(audit_page::find(reader, "nothing").await.unwrap().is_none());

    let head = databases.one.chain_audit(Look::Recent).await.unwrap().unwrap().head;
    let other = databases.two.chain_audit(Look::Recent).await.unwrap().unwrap().head;
    databases.one.add_checkpoint(head, crate::NOW, "a.b.c").await.unwrap();
    let state = |node: &str, linked, signed: Option<i64>| audit_page::ChainState {
        node: node.to_owned(),
        linked,
        signed,
        signed_at: signed.map(|_| crate::NOW.unix_timestamp()),
    };
    assert_eq!(
        audit_page::chains(reader).await.unwrap(),
        [state("node-1", head.seq, Some(head.seq)), state("node-2", other.seq, None)]
    );
    assert_eq!(head.seq + other.seq, 13);
}
