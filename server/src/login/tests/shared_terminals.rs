//! Terminals that several people use: what is closed there, and which services end with the card.

use sekisho_protocol::{
    PresenceId,
    presence::{PresenceEvent, PresenceReport},
};
use sekisho_store::{
    Queries, StoreError,
    audit::{Actor, Audited, Entry},
    facility_policy::{self, CardRemoval},
    sql,
    token_grant::{self, Grant},
    transaction,
};

use super::{
    console::{administrator, send},
    desk::{Desk, PRESENCE, count, desk, instance, instance_with, live_sessions, physician, told},
};
use crate::{
    config::Settings,
    oidc::{
        client::{Registry, prepare},
        tests::scene::{CHALLENGE, PHYSICIANS, register, service_file},
    },
    testing::TestApp,
};

const TOLD: &str = "backchannel_logout_uri = \"https://told.example/told\"\nauthentication =";
const CLOSED: &str = "ログアウトの知らせを受け取れない";

async fn logged_in(test: &TestApp) -> Desk {
    register(test, &service_file("untold", PHYSICIANS)).await;
    register(test, &service_file("told", PHYSICIANS).replace("authentication =", TOLD)).await;
    let mut desk = desk(test, 1).await;
    desk.admit(test, &physician()).await;
    desk
}

/// How the portal and the authorization endpoint meet a request for a service.
async fn opens(test: &TestApp, desk: &mut Desk, id: &str) -> bool {
    let portal = desk.get(test, "/?lang=ja").await.text;
    let offered =
        portal.contains(&format!("class=\"service-link\" href=\"https://{id}.example/\""));
    let request = |more: &str| {
        format!(
            "/authorize?response_type=code&client_id={id}&scope=openid&state=s\
             &redirect_uri=https%3A%2F%2F{id}.example%2Fcallback\
             &code_challenge={CHALLENGE}&code_challenge_method=S256{more}"
        )
    };
    let asked = desk.get(test, &request("&lang=ja")).await;
    let silent = desk.get(test, &request("&prompt=none")).await.location.unwrap();
    assert_eq!(asked.status == 303, offered, "{id}: {}", asked.text);
    assert_eq!(silent.contains("code="), offered, "{id}: {silent}");
    if !offered {
        assert!(portal.contains(CLOSED) && asked.text.contains(CLOSED), "{}", asked.text);
        assert!(silent.contains("error=interaction_required"), "{silent}");
    }
    offered
}

#[tokio::test]
async fn a_service_that_hears_of_no_logout_is_closed_at_shared_terminals_where_the_facility_says_so()
 {
    let test = instance().await;
    let mut desk = logged_in(&test).await;
    assert!(opens(&test, &mut desk, "untold").await && opens(&test, &mut desk, "told").await);
    let organisation = desk.terminal.organisation_id.clone();
    let admin = administrator(&test, &organisation).await;
    let choose = async |policy: &str| {
        let form = format!("organisation={organisation}&policy={policy}");
        send(&test, &admin, "/console/members/untold-services", Some(form)).await.status
    };
    assert_eq!((choose("perhaps").await, choose("forbidden").await), (400, 303));
    assert!(!opens(&test, &mut desk, "untold").await && opens(&test, &mut desk, "told").await);
    assert!(told(&test, "service.authorize", Some("untold_at_shared_terminal")).await);
    let terminal = format!("/console/terminals/{}", desk.terminal.terminal_id);
    let usage = async |usage: &str| {
        let form = Some(format!("usage={usage}"));
        send(&test, &admin, &format!("{terminal}/usage"), form).await.status
    };
    assert_eq!((usage("nobody").await, usage("personal").await), (400, 303));
    assert!(opens(&test, &mut desk, "untold").await, "one person alone uses the terminal");
    let page = send(&test, &admin, &terminal, None).await.text;
    assert!(page.contains("1人だけが使う"), "{page}");
    usage("shared").await;
    assert!(!opens(&test, &mut desk, "untold").await);
    choose("allowed").await;
    assert!(opens(&test, &mut desk, "untold").await);
}

#[tokio::test]
async fn where_the_operator_closes_them_a_facility_may_open_them() {
    let mut settings = Settings::default();
    settings.card_login.forbid_untold_services = true;
    let test = instance_with(settings).await;
    let mut desk = logged_in(&test).await;
    assert!(!opens(&test, &mut desk, "untold").await);
    let organisation = desk.terminal.organisation_id.clone();
    let admin = administrator(&test, &organisation).await;
    let form = format!("organisation={organisation}&policy=allowed");
    send(&test, &admin, "/console/members/untold-services", Some(form)).await;
    assert!(opens(&test, &mut desk, "untold").await);
}

async fn granted(test: &TestApp, services: &[&str]) {
    let live: (Vec<u8>,) = test
        .app
        .store()
        .read()
        .fetch_one(sql("SELECT id_hash FROM session WHERE ended_at IS NULL"))
        .await
        .unwrap();
    let session_hash: [u8; 32] = live.0.try_into().unwrap();
    transaction!(test.app.store(), StoreError, |tx| {
        for (number, id) in services.iter().enumerate() {
            let grant = Grant {
                id: (*id).to_owned(),
                service_id: (*id).to_owned(),
                session_hash,
                code_hash: Some([u8::try_from(number).unwrap(); 32]),
                scope: "openid".into(),
                claims: "{}".into(),
                details: "{}".into(),
                emergency_id: None,
                created_at: test.app.now(),
            };
            token_grant::add(tx, &grant).await?;
        }
        Ok(Audited::new((), Entry::done("test.grant", Actor::System, test.app.now())))
    })
    .unwrap();
}

#[tokio::test]
async fn a_service_that_wants_it_ends_with_the_card_whatever_becomes_of_the_session() {
    for (policy, live) in [(CardRemoval::Lock, 1), (CardRemoval::Keep, 1), (CardRemoval::Logout, 0)]
    {
        let test = instance().await;
        let mut desk = logged_in(&test).await;
        let strict = service_file("strict", PHYSICIANS)
            .replace("authentication =", &TOLD.replace("told.example", "strict.example"))
            .replace("\n[[rules]]", "\n[protocol]\nlogout_on_card_removal = true\n[[rules]]");
        register(&test, &strict).await;
        granted(&test, &["told", "strict"]).await;
        let organisation = desk.terminal.organisation_id.clone();
        transaction!(test.app.store(), StoreError, |tx| {
            facility_policy::choose(tx, &organisation, policy, "a", test.app.now()).await?;
            Ok(Audited::new((), Entry::done("test", Actor::System, test.app.now())))
        })
        .unwrap();
        for (event, sequence) in [(PresenceEvent::Present, 1), (PresenceEvent::Removed, 2)] {
            let report = PresenceReport { presence: PresenceId::new(PRESENCE), event, sequence };
            let report = serde_json::to_string(&report).unwrap();
            desk.post_json(&test, "/agent/presence", report).await;
        }
        assert_eq!(live_sessions(&test).await, live, "{policy:?}");
        let left = "SELECT COUNT(*) FROM token_grant WHERE withdrawn_at IS NOT NULL AND service_id = 'strict'";
        assert_eq!(count(&test, left).await, 1, "{policy:?}");
        let others =
            "SELECT COUNT(*) FROM token_grant WHERE withdrawn_at IS NULL AND service_id = 'told'";
        assert_eq!(count(&test, others).await, live, "{policy:?}");
        let told = "SELECT COUNT(*) FROM outbox WHERE payload LIKE '%strict%'";
        assert_eq!(count(&test, told).await, 1, "{policy:?}");
    }
}

#[tokio::test]
async fn a_service_that_could_not_hear_of_it_is_not_registered() {
    let test = instance().await;
    let file = service_file("strict", PHYSICIANS)
        .replace("\n[[rules]]", "\n[protocol]\nlogout_on_card_removal = true\n[[rules]]");
    let refused = prepare(&Registry::of(&test.app), &file).await.unwrap_err().to_string();
    assert!(
        refused.contains("logout_on_card_removal") && refused.contains("backchannel_logout_uri")
    );
}
