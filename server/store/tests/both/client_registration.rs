//! Tokens by which services register, and what becomes of a registered service.

use sekisho_store::{
    StoreError,
    client_registration::{self, NewInitialToken},
    expiry::Expiring,
    offer,
    service::{self, AuthMethod, Service},
    service_change, token_grant,
};
use time::Duration;

use crate::{FACILITY, NOW, count, databases::Databases, once, race};

on_both! { prepared:
    an_initial_token_registers_as_often_as_it_says_and_no_more
    an_initial_token_is_over_at_its_end_and_goes_a_while_after
    a_service_has_one_token_of_its_own_until_it_is_withdrawn
    a_service_is_replaced_with_its_addresses
    a_service_is_approved_once
    a_withdrawn_service_keeps_no_grant
}

const TOKEN: [u8; 32] = [5; 32];

async fn prepared(databases: Databases) -> Databases {
    once::prepared(databases).await
}

fn initial(uses: u32) -> NewInitialToken<'static> {
    NewInitialToken {
        token_hash: &TOKEN,
        organisation_id: Some(FACILITY),
        uses,
        created_by: None,
        created_at: NOW,
        expires_at: NOW + Duration::DAY,
    }
}

pub fn named(id: &str) -> Service {
    Service {
        id: id.into(),
        organisation_id: Some(FACILITY.into()),
        name_ja: "試験".into(),
        name_en: "Test".into(),
        description_ja: "d".into(),
        description_en: "d".into(),
        home_url: "https://a.example/".into(),
        sector: "a.example".into(),
        auth_method: AuthMethod::ClientSecretBasic,
        secret_hash: Some([7; 32]),
        jwks: None,
        backchannel_logout_uri: None,
        metadata: "{}".into(),
        personal_data: None,
        scopes: vec!["openid".into()],
        redirect_uris: vec!["https://a.example/callback".into()],
        logout_uris: vec!["https://a.example/bye".into()],
        created_at: NOW,
        live_at: None,
        withdrawn_at: None,
    }
}

async fn an_initial_token_registers_as_often_as_it_says_and_no_more(databases: Databases) {
    let id = change!(databases.one, |tx| client_registration::add_initial(tx, initial(3)).await?);
    let found = client_registration::find_initial(&mut databases.two.read(), &TOKEN, NOW).await;
    let found = found.unwrap().unwrap();
    assert_eq!((&found.id, found.organisation_id.as_deref()), (&id, Some(FACILITY)));
    let outcomes = race(&databases, |_, store| {
        let id = id.clone();
        async move {
            change!(store, |tx| client_registration::consume_initial(tx, &id, NOW).await?)
        }
    })
    .await;
    assert_eq!(count(&outcomes, |used| *used), 3);
    let used_up = client_registration::find_initial(&mut databases.two.read(), &TOKEN, NOW).await;
    assert_eq!(used_up.unwrap(), None);
}

async fn an_initial_token_is_over_at_its_end_and_goes_a_while_after(databases: Databases) {
    let id = change!(databases.one, |tx| client_registration::add_initial(tx, initial(1)).await?);
    let end = NOW + Duration::DAY;
    let found = client_registration::find_initial(&mut databases.two.read(), &TOKEN, end).await;
    assert_eq!(found.unwrap(), None);
    let used =
        change!(databases.one, |tx| { client_registration::consume_initial(tx, &id, end).await? });
    assert!(!used);
    let forget = async |before| {
        databases.one.forget_expired(Expiring::InitialAccessTokens, before, 10).await.unwrap()
    };
    assert_eq!(forget(end).await, 0);
    assert_eq!(forget(end + Duration::SECOND).await, 1);
}

async fn a_service_has_one_token_of_its_own_until_it_is_withdrawn(databases: Databases) {
    change!(databases.one, |tx| {
        service::add(tx, &named("a")).await?;
        client_registration::add_access(tx, &TOKEN, "a", NOW).await?;
    });
    let second = attempt!(databases.two, |tx| {
        client_registration::add_access(tx, &[6; 32], "a", NOW).await?
    });
    assert!(matches!(second, Err(StoreError::AlreadyExists { .. })));
    let reached = async |hash: &[u8; 32]| {
        client_registration::service_of(&mut databases.two.read(), hash).await.unwrap()
    };
    assert_eq!(reached(&TOKEN).await.as_deref(), Some("a"));
    assert_eq!(reached(&[6; 32]).await, None);
    let withdrawn = change!(databases.one, |tx| service_change::withdraw(tx, "a", NOW).await?);
    assert_eq!(withdrawn, Some(0));
    assert_eq!(reached(&TOKEN).await, None);
}

async fn a_service_is_replaced_with_its_addresses(databases: Databases) {
    change!(databases.one, |tx| {
        service::add(tx, &named("a")).await?;
        service::add(tx, &named("b")).await?;
    });
    let other = Service {
        name_ja: "別".into(),
        name_en: "Other".into(),
        home_url: "https://b.example/".into(),
        sector: "b.example".into(),
        auth_method: AuthMethod::PrivateKeyJwt,
        secret_hash: None,
        jwks: Some("{}".into()),
        backchannel_logout_uri: Some("https://b.example/out".into()),
        metadata: "{\"a\":1}".into(),
        personal_data: None,
        scopes: vec!["openid".into(), "profile".into()],
        redirect_uris: vec!["https://b.example/1".into(), "https://b.example/2".into()],
        logout_uris: vec![],
        ..named("a")
    };
    assert!(change!(databases.one, |tx| service_change::replace(tx, &other).await?));
    let found = async |id| service::find(&mut databases.two.read(), id).await.unwrap();
    assert_eq!(found("a").await, Some(other.clone()));
    assert_eq!(found("b").await, Some(named("b")), "the other one stays as it was");
    let nobody = Service { id: "c".into(), ..other.clone() };
    assert!(!change!(databases.one, |tx| service_change::replace(tx, &nobody).await?));
    let withdrawn = change!(databases.one, |tx| service_change::withdraw(tx, "a", NOW).await?);
    assert_eq!(withdrawn, Some(0));
    assert!(!change!(databases.one, |tx| service_change::replace(tx, &other).await?));
}

async fn a_service_is_approved_once(databases: Databases) {
    change!(databases.one, |tx| service::add(tx, &named("a")).await?);
    let offered = async || offer::find(&mut databases.two.read(), "a").await.unwrap().unwrap();
    assert_eq!(offered().await.live_at, None);
    let outcomes = race(&databases, |_, store| async move {
        change!(store, |tx| service_change::approve(tx, "a", NOW).await?)
    })
    .await;
    assert_eq!(count(&outcomes, |approved| *approved), 1);
    assert_eq!(offered().await.live_at, Some(NOW.unix_timestamp()));
    let found = service::find(&mut databases.two.read(), "a").await.unwrap().unwrap();
    assert_eq!(found.live_at, Some(NOW));
}

async fn a_withdrawn_service_keeps_no_grant(databases: Databases) {
    let databases = crate::exchange::prepared(databases).await;
    change!(databases.one, |tx| token_grant::add(tx, &crate::exchange::grant("g")).await?);
    let live = async || token_grant::live(&mut databases.two.read(), "g").await.unwrap();
    assert!(live().await.is_some());
    let outcomes = race(&databases, |_, store| async move {
        change!(store, |tx| service_change::withdraw(tx, "referral", NOW).await?).is_some()
    })
    .await;
    assert_eq!(count(&outcomes, |withdrew| *withdrew), 1);
    assert!(live().await.is_none());
    assert!(service::find(&mut databases.two.read(), "referral").await.unwrap().is_none());
    // The grant itself is withdrawn, not only hidden by its service.
    let again = change!(databases.one, |tx| token_grant::withdraw(tx, "g", NOW).await?);
    assert!(!again);
}
