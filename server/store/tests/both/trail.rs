//! The audit trail under concurrent writers.

use sekisho_store::{StoreError, audit};

use crate::{RACERS, databases::Databases, once::prepared, race};

on_both! { prepared:
    the_chain_of_each_process_is_whole_after_concurrent_writers
}

async fn the_chain_of_each_process_is_whole_after_concurrent_writers(databases: Databases) {
    const EACH: usize = 6;
    // Each task writes and chains in turn, so that sequencers of one process meet as well.
    race(&databases, |_, store| async move {
        for _ in 0..EACH {
            change!(store, |tx| tx.execute(sekisho_store::sql("SELECT 1")).await?);
            match store.chain_audit().await {
                // Another sequencer of the same process was faster: nothing is lost.
                Ok(_) | Err(StoreError::AlreadyExists { .. } | StoreError::Conflict(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await;
    let mut total = 0;
    for store in [&databases.one, &databases.two] {
        while store.chain_audit().await.unwrap().is_some() {}
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
