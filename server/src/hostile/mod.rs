//! Hostile requests at every route, each spoilt in one part.
//!
//! What must hold for all of them: a refusal in the form of the path's protocol, strict headers, no
//! failure of ours (a panic would be a 500), and nothing in the database but the trail.

mod ask;
mod bounds;
mod judge;
mod row;
mod scene;
mod snapshot;
mod spoil;
mod table;

use std::collections::BTreeSet;

use ask::{Answer, Ask};
use judge::{Expect, judge};
use row::Row;
use scene::Scene;
use snapshot::Camera;

use crate::{config::Settings, error::Dialect, names::NameRole, route::Routes, router};

const ROLES: [NameRole; 5] =
    [NameRole::Terminal, NameRole::Public, NameRole::Mtls, NameRole::Enrol, NameRole::Plain];

fn dialect(routes: &Routes, row: &Row) -> Dialect {
    let listed = routes.listed().iter().find(|route| route.path == row.path);
    listed.unwrap_or_else(|| panic!("{} is not served", row.path)).dialect
}

/// All spoilt requests of these rows that `which` picks by their names; what is wrong with the
/// answers.
async fn spoilt(
    scene: &Scene,
    camera: &Camera,
    rows: &[Row],
    which: fn(&str) -> bool,
    faults: &mut Vec<String>,
) -> usize {
    let mut sent: usize = 0;
    for row in rows {
        let routes = router::routes(row.role);
        let dialect = dialect(&routes, row);
        for mut case in spoil::cases(scene.app(), row, &routes) {
            if !which(&case.what) {
                continue;
            }
            sent += 1;
            case.ask.network = u16::try_from(sent % 65_000).unwrap();
            let lang = if sent.is_multiple_of(2) { "en" } else { "ja" };
            // A case of its own spoils this header, which falls back to the default.
            let lang = if case.ask.header("accept-language").is_none() {
                case.ask.add("accept-language", lang);
                lang
            } else {
                "ja"
            };
            scene.revive_sessions().await;
            let before = camera.take(scene.app().store()).await;
            let answer = case.ask.send(&scene.routers).await;
            let mut fault = |fault: &str| {
                let what = format!("{} {} · {}", row.method, row.path, case.what);
                faults.push(format!("{what}: {}", fault.chars().take(400).collect::<String>()));
            };
            if let Err(found) = judge(&answer, case.expect, row.role, dialect, lang) {
                fault(&found);
            }
            let after = camera.take(scene.app().store()).await;
            for (table, had, has) in before.differing(&after) {
                if case.expect == Expect::Bare || !row.touches.contains(&table) {
                    fault(&format!("{table} changed from {had} to {has} rows ({})", answer.status));
                }
            }
        }
    }
    sent
}

#[tokio::test]
async fn every_route_has_a_row_and_every_row_a_route() {
    let scene = Scene::new().await;
    let rows: Vec<_> =
        table::rows(&scene).await.iter().map(|row| (row.role, row.method, row.path)).collect();
    let listed: Vec<_> = ROLES
        .into_iter()
        .flat_map(|role| {
            let routes = router::routes(role);
            let listed = routes.listed().to_vec();
            listed.into_iter().map(move |route| (role, route.method, route.path))
        })
        .collect();
    let unique: BTreeSet<_> = rows.iter().collect();
    assert_eq!(unique.len(), rows.len(), "a route has two rows");
    assert_eq!(unique, listed.iter().collect::<BTreeSet<_>>());
    assert!(rows.len() > 60, "{}", rows.len());
}

/// Spoils all that `which` picks and then sends each good request, which must still succeed: so
/// what was refused was refused for its spoilt part.
async fn spoil_and_then_succeed(
    scene: &Scene,
    camera: &Camera,
    which: fn(&str) -> bool,
    least: usize,
) {
    let rows = table::rows(scene).await;
    let mut faults = Vec::new();
    let sent = spoilt(scene, camera, &rows, which, &mut faults).await;
    scene.revive_sessions().await;
    for row in &rows {
        let Some(status) = row.good else { continue };
        let answer = row.ask(scene.app()).send(&scene.routers).await;
        if answer.status.as_u16() != status {
            faults.push(format!(
                "{} {} · good: {} {}",
                row.method,
                row.path,
                answer.status,
                answer.text()
            ));
        }
    }
    assert!(faults.is_empty(), "{} of {sent}:\n{}", faults.len(), faults.join("\n"));
    assert!(sent >= least, "{sent}");
}

#[tokio::test]
async fn a_spoilt_request_is_refused_in_its_protocols_form_and_leaves_only_its_record() {
    let scene = Scene::new().await;
    let camera = Camera::new(scene.app().store()).await;
    spoil_and_then_succeed(&scene, &camera, |_| true, 4_000).await;
}

/// PostgreSQL takes no NUL and no broken UTF-8, and is stricter with types: what reaches the
/// database is tried there too; what is refused before any handler is not.
#[tokio::test]
async fn a_spoilt_request_is_refused_on_postgresql_as_well() {
    let mut settings = Settings::default();
    settings.instance.database = sekisho_test_database::postgres_url();
    let scene = Scene::with(settings).await;
    let camera = Camera::of_postgres(scene.app().store()).await;
    spoil_and_then_succeed(&scene, &camera, reaches_a_handler, 2_000).await;
}

fn reaches_a_handler(what: &str) -> bool {
    let before = [
        "method ",
        "host ",
        "no host",
        "origin ",
        "site ",
        "neither ",
        "header ",
        "content type ",
        "content coding ",
    ];
    !before.into_iter().any(|kind| what.starts_with(kind))
}

async fn ask(scene: &Scene, role: NameRole, method: &str, path: &str) -> Answer {
    Ask::new(scene.app(), role, method, path).send(&scene.routers).await
}

#[tokio::test]
async fn a_path_that_nobody_serves_is_refused_in_the_dialect_of_its_name() {
    let scene = Scene::new().await;
    let camera = Camera::new(scene.app().store()).await;
    let before = camera.take(scene.app().store()).await;
    for (role, dialect) in [
        (NameRole::Terminal, Dialect::Page),
        (NameRole::Public, Dialect::Page),
        (NameRole::Mtls, Dialect::OAuth),
        (NameRole::Enrol, Dialect::Est),
        (NameRole::Plain, Dialect::Plain),
    ] {
        for path in [
            "/nowhere",
            "/nowhere?lang=en&lang=ja",
            "/a//b",
            "/..",
            "/%2e%2e/",
            "/%00",
            "/%ff%fe",
            "/console/",
            "/LOGIN",
        ] {
            for method in ["GET", "POST", "DELETE"] {
                let answer = ask(&scene, role, method, path).await;
                let judged = judge(&answer, Expect::Refused, role, dialect, "ja");
                assert_eq!(judged, Ok(()), "{} {method} {path}", role.as_str());
            }
        }
    }
    assert_eq!(before, camera.take(scene.app().store()).await);
}
