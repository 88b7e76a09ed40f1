use serde_json::json;

use super::{canonical::canonical, *};
use crate::{Store, StoreError, audit_chain::Look, sql, transaction};

async fn store(folder: &tempfile::TempDir) -> Store {
    let url = format!("sqlite://{}", folder.path().join("t.db").display());
    Store::open(&url.into(), "node-1").await.unwrap()
}

fn entry(act: &'static str) -> Entry {
    Entry::done(act, Actor::Person("p1".into()), OffsetDateTime::UNIX_EPOCH)
        .in_role("facility_administrator")
        .from_address("192.0.2.1")
        .on("terminal", "T1")
        .personal("name", "山田　太郎")
}

#[tokio::test]
async fn a_change_and_its_record_are_committed_together_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let insert = sql("INSERT INTO lease (name, holder, held_until) VALUES ('x', 'y', 1)");
    transaction!(store, StoreError, |tx| {
        tx.execute(insert.clone()).await?;
        Ok(Audited::new((), entry("lease.take")))
    })
    .unwrap();
    let again: Result<(), StoreError> = transaction!(store, StoreError, |tx| {
        tx.execute(insert.clone()).await?;
        Ok(Audited::new((), entry("lease.take")))
    });
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })));
    assert_eq!(list(&mut store.read(), "", None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_canonical_form_holds_no_personal_value_and_hashes_to_the_leaf() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    transaction!(store, StoreError, |tx| Ok(Audited::new((), entry("a.b")))).unwrap();
    let record = list(&mut store.read(), "", None, 1).await.unwrap().remove(0);
    let text = String::from_utf8(record.canonical.clone()).unwrap();
    assert!(!text.contains("山田"), "{text}");
    assert_eq!(leaf_hash(&record.canonical).as_slice(), record.leaf_hash);
    let field = personal(&mut store.read(), &record.id).await.unwrap().remove(0);
    let expected = commitment(&field.salt.unwrap(), "name", &field.value.unwrap());
    assert!(text.contains(&hex::encode(expected)), "{text}");
}

#[tokio::test]
async fn chaining_links_every_record_once_and_continues_from_its_head() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    assert_eq!(store.chain_audit(Look::Recent).await.unwrap(), None);
    for act in ["a", "b", "c"] {
        transaction!(store, StoreError, |tx| Ok(Audited::new((), entry(act)))).unwrap();
    }
    let first = store.chain_audit(Look::Recent).await.unwrap().unwrap();
    assert_eq!((first.head.seq, first.is_more), (3, false));
    transaction!(store, StoreError, |tx| Ok(Audited::new((), entry("d")))).unwrap();
    let second = store.chain_audit(Look::Recent).await.unwrap().unwrap().head;
    assert_eq!(second.seq, 4);
    let records = chain(&mut store.read(), "node-1", 1, 10).await.unwrap();
    let mut previous = [0; 32];
    for (position, record) in (1..).zip(&records) {
        previous = link_hash(&previous, "node-1", position, &record.leaf_hash);
        assert_eq!(record.link_hash.as_deref(), Some(previous.as_slice()));
    }
    assert_eq!(previous, second.link_hash);
}

/// Every kind of actor, so that a new one asks for its role and its place here.
fn actors() -> Vec<(Actor, &'static str, bool)> {
    let id = || "x".to_owned();
    let all = vec![
        Actor::System,
        Actor::Person(id()),
        Actor::Terminal(id()),
        Actor::Service(id()),
        Actor::Operator { user: id(), host: "h1".into() },
        Actor::Stranger,
    ];
    all.into_iter()
        .map(|actor| {
            let (role, placed) = match &actor {
                Actor::System => ("system", true),
                Actor::Person(_) => ("person", false),
                Actor::Terminal(_) => ("terminal", false),
                Actor::Service(_) => ("relying_service", false),
                Actor::Operator { .. } => ("operator_at_host", true),
                Actor::Stranger => ("stranger", false),
            };
            (actor, role, placed)
        })
        .collect()
}

#[tokio::test]
async fn every_act_names_a_role_and_a_place_or_is_not_committed() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let insert = sql("INSERT INTO lease (name, holder, held_until) VALUES ('x', 'y', 1)");
    for (actor, role, placed) in actors() {
        let bare = Entry::done("a.b", actor.clone(), OffsetDateTime::UNIX_EPOCH);
        let outcome: Result<(), StoreError> = transaction!(store, StoreError, |tx| {
            tx.execute(insert.clone()).await?;
            tx.execute(sql("DELETE FROM lease WHERE name = 'x'")).await?;
            Ok(Audited::new((), bare.clone()))
        });
        assert_eq!(outcome.is_ok(), placed, "{actor:?}: {outcome:?}");
        let from_terminal = bare.clone().from_terminal("T1");
        let from_address = bare.clone().from_address("192.0.2.1");
        for entry in [from_terminal, from_address] {
            transaction!(store, StoreError, |tx| Ok(Audited::new((), entry.clone()))).unwrap();
        }
        let written = list(&mut store.read(), "", None, 99).await.unwrap().pop().unwrap();
        let form: Json = serde_json::from_slice(&written.canonical).unwrap();
        assert_eq!((&form["role"], &form["node"]), (&json!(role), &json!("node-1")));
        let host = matches!(actor, Actor::Operator { .. }).then_some("h1");
        assert_eq!(form["host"].as_str(), host);
    }
}

#[test]
fn objects_are_written_with_sorted_member_names_at_every_depth() {
    let value = json!({"b": 1, "a": [{"d": "\"", "c": null}]});
    assert_eq!(canonical(&value), r#"{"a":[{"c":null,"d":"\""}],"b":1}"#);
}
