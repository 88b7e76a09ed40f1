//! Owners ask to be let out of the sandbox; one request at a time, decided once.

use sekisho_store::{
    StoreError, going_live, person,
    service::{self, AuthMethod, Service},
};

use crate::{NOW, RACERS, databases::Databases, race};

on_both! { prepared:
    one_request_at_a_time_is_open_and_it_is_decided_once
    what_waits_is_listed_until_it_is_decided
}

/// A service of the sandbox.
pub fn tried(id: &str) -> Service {
    Service {
        id: id.into(),
        organisation_id: None,
        name_ja: format!("{id}の名"),
        name_en: id.into(),
        description_ja: id.into(),
        description_en: id.into(),
        home_url: format!("https://{id}.example/"),
        sector: format!("{id}.example"),
        auth_method: AuthMethod::None,
        secret_hash: None,
        jwks: None,
        backchannel_logout_uri: None,
        metadata: "{}".into(),
        personal_data: None,
        scopes: vec!["openid".into()],
        redirect_uris: vec![format!("https://{id}.example/callback")],
        logout_uris: vec![],
        created_at: NOW,
        live_at: None,
        withdrawn_at: None,
    }
}

async fn prepared(databases: Databases) -> Databases {
    change!(databases.one, |tx| {
        for id in ["first", "second"] {
            service::add(tx, &tried(id)).await?;
        }
    });
    databases
}

async fn owner(databases: &Databases) -> String {
    change!(databases.one, |tx| person::enter(tx, "責任", "", NOW).await?)
}

async fn one_request_at_a_time_is_open_and_it_is_decided_once(databases: Databases) {
    let owner = owner(&databases).await;
    let asked = race(&databases, |_, store| {
        let owner = owner.clone();
        async move { attempt!(store, |tx| going_live::ask(tx, "first", "x", &owner, NOW).await?) }
    })
    .await;
    let (good, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(Result::is_ok);
    assert_eq!(good.len(), 1);
    assert!(
        refused.iter().all(|one| matches!(one, Err(StoreError::AlreadyExists { .. }))),
        "{refused:?}"
    );
    let decided = race(&databases, |_, store| async move {
        attempt!(store, |tx| going_live::decide(tx, "first", None, Some("y"), NOW).await?)
    })
    .await;
    let times = decided.into_iter().filter(|one| *one.as_ref().unwrap()).count();
    assert_eq!(times, 1, "of {RACERS}");
    let last = going_live::latest(&mut databases.two.read(), "first").await.unwrap().unwrap();
    assert_eq!((last.purpose.as_str(), last.asked_by), ("x", owner.clone()));
    assert_eq!((last.decided_at, last.refused_because.as_deref()), (Some(NOW), Some("y")));
    change!(databases.two, |tx| going_live::ask(tx, "first", "again", &owner, NOW).await?);
    let last = going_live::latest(&mut databases.one.read(), "first").await.unwrap().unwrap();
    assert_eq!((last.purpose.as_str(), last.decided_at), ("again", None));
    assert_eq!(going_live::latest(&mut databases.one.read(), "second").await.unwrap(), None);
}

async fn what_waits_is_listed_until_it_is_decided(databases: Databases) {
    let owner = owner(&databases).await;
    let waiting = async || {
        let found = going_live::waiting(&mut databases.two.read(), 10).await.unwrap();
        found.into_iter().map(|(id, _, _)| id).collect::<Vec<_>>()
    };
    change!(databases.one, |tx| {
        going_live::ask(tx, "second", "x", &owner, NOW).await?;
        going_live::ask(tx, "first", "x", &owner, NOW + time::Duration::SECOND).await?;
    });
    assert_eq!(waiting().await, ["second", "first"]);
    change!(databases.one, |tx| going_live::decide(tx, "second", Some(&owner), None, NOW).await?);
    assert_eq!(waiting().await, ["first"]);
}
