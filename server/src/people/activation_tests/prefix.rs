//! The IPv6 prefix that comes with the activation.

use sekisho_store::facility_prefix;

use super::*;
use crate::{console::scene, people::role::Role};

const KEEPER: &str = "KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK";

async fn planned(plan: &str, length: u8) -> TestApp {
    let mut settings = Settings::default();
    settings.network.ipv6_plan = plan.to_owned();
    settings.network.facility_prefix_length = length;
    instance_with(settings).await
}

async fn activate(app: &App, facility: &str, login_name: &str) {
    let code = letter(app, facility).await;
    let body = form_of(&filled(app, &code, login_name).await);
    assert_eq!(post_account(app, &body).await.status(), StatusCode::OK);
}

async fn prefix(app: &App, facility: &str) -> Option<String> {
    let found = facility_prefix::of_facility(&mut app.store().read(), facility).await.unwrap();
    found.map(|one| one.prefix.to_string())
}

async fn records(app: &App) -> Vec<String> {
    let acts = scene::acts(app).await;
    acts.into_iter().filter(|act| act.starts_with("organisation.assign_prefix")).collect()
}

#[tokio::test]
async fn an_activation_gives_the_facility_its_prefix_once_and_the_register_shows_it() {
    let test = planned("fd12:3456::/32", 56).await;
    let app = &test.app;
    activate(app, FACILITY, "nakamura").await;
    activate(app, OTHER, "suzuki").await;
    assert_eq!(prefix(app, FACILITY).await.as_deref(), Some("fd12:3456::/56"));
    assert_eq!(prefix(app, OTHER).await.as_deref(), Some("fd12:3456:0:100::/56"));
    let done = "organisation.assign_prefix done facility_administrator";
    assert_eq!(records(app).await, [done, done]);
    // A further administrator's activation changes nothing.
    activate(app, FACILITY, "tanaka").await;
    assert_eq!(prefix(app, FACILITY).await.as_deref(), Some("fd12:3456::/56"));
    assert_eq!(records(app).await.len(), 2);

    scene::signed_in(app, "事業　次郎", &[Role::OperatingAdministrator], KEEPER).await;
    let path = format!("/console/organisations/{OTHER}");
    let page = scene::send(app, "GET", &path, KEEPER, "").await.text;
    assert!(
        page.contains("<code>fd12:3456:0:100::/56</code> （2026年11月21日 18:00から）"),
        "{page}"
    );
    let own = "OOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOO";
    let role = Role::FacilityAdministrator(OTHER.to_owned());
    scene::signed_in(app, "管理　花子", &[role], own).await;
    let page = scene::send(app, "GET", "/console", own, "").await.text;
    assert!(page.contains("fd12:3456:0:100::/56"), "{page}");
}

#[tokio::test]
async fn a_facility_is_activated_also_without_a_plan() {
    let test = instance().await;
    activate(&test.app, FACILITY, "nakamura").await;
    assert_eq!(prefix(&test.app, FACILITY).await, None);
    assert!(records(&test.app).await.is_empty());
}

#[tokio::test]
async fn a_facility_is_activated_when_the_plan_has_no_more_and_the_trail_says_so() {
    let test = planned("fd12:3456::/48", 56).await;
    let app = &test.app;
    let plan = *app.config().network().plan().unwrap();
    let now = app.now();
    transaction!(app.store(), StoreError, |tx| {
        // The last one of the block went to the other facility.
        tx.execute(
            sql("INSERT INTO facility_prefix (organisation_id, prefix, first, last, plan, number, assigned_at,
                                              assigned_by)
                 VALUES ($1, $2, $3, $4, $5, 255, $6, 'p')")
            .bind(OTHER)
            .bind("fd12:3456:0:ff00::/56")
            .bind(plan.prefix(255).unwrap().network().octets())
            .bind(plan.prefix(255).unwrap().broadcast().octets())
            .bind(plan.block.to_string())
            .bind(now),
        )
        .await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
    activate(app, FACILITY, "nakamura").await;
    assert_eq!(status(app, FACILITY).await, OrganisationStatus::Active);
    assert_eq!(prefix(app, FACILITY).await, None);
    let full = "organisation.assign_prefix refused facility_administrator plan_full";
    assert_eq!(records(app).await, [full]);
}
