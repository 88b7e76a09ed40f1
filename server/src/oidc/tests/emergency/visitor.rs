//! Somebody at this hospital's terminal who is no member of it (the login itself: `login::tests::visitors`).

use serde_json::Value;
use time::Duration;

use super::{GOOD, OPTED_IN, Ward, path};
use crate::{
    config::Settings,
    console::scene::{form, send, signed_in},
    emergency::upkeep,
    notice,
    oidc::{
        liveness,
        tests::scene::{FACILITY, Scene, basic, guarded_file, payload, query, service_file},
    },
    outbox::{Deliverers, deliver_due},
    people::role::Role,
};

const ADMINISTRATOR: &str = "facilityAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Open to whoever has a session at all.
const TO_ANYBODY: &str = "\n[[rules]]\nid = \"anybody\"\nrelease = [\"name\"]\n";

fn admitting_visitors() -> Settings {
    let mut settings = Settings::default();
    settings.emergency.visitors = true;
    settings
}

/// The ward, whose physician is a visitor; beside the service that opens in emergencies one that is open to
/// anybody, which is `open`.
async fn visited() -> Ward {
    visited_with(admitting_visitors()).await
}

async fn visited_with(settings: Settings) -> Ward {
    let scene = Scene::with(settings).await;
    let opted_in = OPTED_IN.replace(
        "release = [\"name\", \"hc_role\"]",
        "release = [\"name\", \"hc_role\", \"facility_id\"]",
    );
    let secret = scene.register(&service_file("far", &opted_in)).await;
    scene.register(&service_file("open", TO_ANYBODY)).await;
    let ward = Ward { scene, secret };
    ward.scene.change("UPDATE membership_event SET kind = 'ended'").await;
    ward.scene
        .change(
            "UPDATE session SET membership_id = NULL, visiting = 1, expires_at = created_at + 900",
        )
        .await;
    ward
}

async fn open_to_anybody(ward: &Ward) -> u16 {
    let request = Scene::request_of("open", "https://open.example/callback");
    ward.scene.authorize(&request).await.status.as_u16()
}

async fn live(ward: &Ward) -> i64 {
    ward.scene
        .count("SELECT COUNT(*) FROM session WHERE realm = 'portal' AND ended_at IS NULL")
        .await
}

#[tokio::test]
async fn before_it_nothing_opens_but_the_form() {
    let ward = visited().await;
    let scene = &ward.scene;
    let home = scene.get("/", true, &scene.terminal).await;
    assert_eq!((home.status.as_u16(), path(&home)), (303, "/emergency".to_owned()), "{home:?}");
    let page = scene.get("/emergency", true, &scene.terminal).await;
    assert!(page.status == 200 && page.body.contains("職員として登録されていません"), "{page:?}");
    assert!(page.body.contains("15分以内"), "{page:?}");
    for closed in ["/my-number-card", "/passkeys", "/day-pass"] {
        let page = scene.get(closed, true, &scene.terminal).await;
        assert_eq!(page.status, 403, "{closed}: {page:?}");
        assert!(page.body.contains("この画面は使えません"), "{closed}: {page:?}");
    }
    for closed in ["/my-number-card/unlink", "/passkeys/remove", "/day-pass"] {
        let answer = scene.post(closed, &[]).await;
        assert!(matches!(answer.status.as_u16(), 400 | 403 | 422), "{closed}: {answer:?}");
    }
    // What asks nobody for a membership is no way in either, nor is a request without a prompt.
    assert_eq!(open_to_anybody(&ward).await, 403);
    let refused = ward.authorize().await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("href=\"/emergency?return_to="), "{refused:?}");
    let mut silent = Scene::request_of("far", "https://far.example/callback");
    silent.push(("prompt", "none"));
    let silent = scene.authorize(&silent).await.location().unwrap();
    assert!(silent.query().unwrap().contains("error=access_denied"), "{silent}");
    assert_eq!(scene.codes().await, 0);
    // Ending what has not begun ends nothing.
    assert_eq!(path(&scene.post("/emergency/end", &[]).await), "/");
    assert_eq!(live(&ward).await, 1);
    // The session does not wait for ever.
    scene.test.clock.advance(Duration::minutes(15));
    assert_eq!(path(&ward.begin().await), "/login");
    assert_eq!(ward.records().await, 0);
}

#[tokio::test]
async fn what_opted_in_opens_and_every_token_says_that_there_is_no_membership() {
    let ward = visited().await;
    let id = ward.begun().await;
    let portal = ward.portal().await;
    assert!(portal.contains("緊急時アクセスにより使えます"), "{portal}");
    for absent in ["https://open.example/", "/my-number-card", "/passkeys", "/day-pass"] {
        assert!(!portal.contains(absent), "{absent}: {portal}");
    }
    assert_eq!(open_to_anybody(&ward).await, 403);
    let tokens = ward.tokens().await;
    let access = tokens["access_token"].as_str().unwrap();
    let claims = payload(tokens["id_token"].as_str().unwrap());
    let told = ward.scene.userinfo(access).await.json();
    for said in [&claims, &payload(access), &ward.introspect(&tokens).await, &told] {
        assert_eq!(said["facility_member"], false, "{said}");
        assert_eq!(said["break_glass"], true, "{said}");
        assert_eq!(said["break_glass_id"], id.as_str(), "{said}");
    }
    for said in [&claims, &told] {
        assert_eq!(said["facility_id"], FACILITY, "where the person is: {said}");
        assert_eq!(said["vouched_by"]["facility_member"], "register", "{said}");
    }
    let renewed = ward.refresh(&tokens).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    let renewed = payload(renewed.json()["access_token"].as_str().unwrap());
    assert_eq!(renewed["facility_member"], false);
    // Nobody became a member, and nothing else came into being.
    for nothing in [
        "SELECT COUNT(*) FROM membership_event WHERE kind = 'started'",
        "SELECT COUNT(*) FROM passkey",
        "SELECT COUNT(*) FROM jpki_link",
        "SELECT COUNT(*) FROM day_pass",
    ] {
        assert_eq!(ward.scene.count(nothing).await, 0, "{nothing}");
    }
    // A member's token says nothing of the kind.
    let ward = Ward::new().await;
    ward.begun().await;
    let claims = payload(ward.tokens().await["id_token"].as_str().unwrap());
    assert!(claims.get("facility_member").is_none(), "{claims}");
}

/// That nothing which came of the visit counts any more, nor the visit itself.
async fn is_over(ward: &Ward, tokens: &Value, how: &str) {
    assert_eq!(ward.introspect(tokens).await["active"], false, "{how}");
    assert_eq!(ward.refresh(tokens).await.json()["error"], "invalid_grant", "{how}");
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(ward.scene.userinfo(access).await.status, 401, "{how}");
    let home = ward.scene.get("/", true, &ward.scene.terminal).await;
    assert_eq!((home.status.as_u16(), path(&home)), (303, "/login".to_owned()), "{how}");
    // It is no session in which another could begin.
    assert_eq!(path(&ward.begin().await), "/login", "{how}");
    assert_eq!(ward.records().await, 1, "{how}");
}

#[tokio::test]
async fn whatever_ends_the_emergency_ends_the_session_and_whatever_ends_the_session_the_emergency()
{
    for how in ["person", "administrator", "hour", "logout", "licence", "facility"] {
        let ward = visited().await;
        let id = ward.begun().await;
        let tokens = ward.tokens().await;
        // It lasts as long as the hour, though fewer minutes were left to say why.
        ward.scene.test.clock.advance(Duration::minutes(29));
        assert!(ward.is_open().await, "{how}");
        let app = &ward.scene.test.app;
        match how {
            "person" => {
                let left = ward.scene.post("/emergency/end", &[]).await;
                let location = left.location().unwrap();
                assert_eq!(location.query(), Some("notice=visit-over"), "{left:?}");
            }
            "administrator" => {
                let roles = [Role::FacilityAdministrator(FACILITY.to_owned())];
                signed_in(app, "管理 花子", &roles, ADMINISTRATOR).await;
                let at = format!("/console/emergencies/{id}/end");
                assert_eq!(send(app, "POST", &at, ADMINISTRATOR, "").await.status, 303);
            }
            "hour" => ward.scene.test.clock.advance(Duration::minutes(31)),
            "logout" => assert_eq!(ward.scene.post("/logout", &[]).await.status, 303),
            "licence" => ward.scene.card_names("Director of Hospital").await,
            _ => {
                ward.scene
                    .change(
                        "INSERT INTO organisation_event (id, organisation_id, at, kind, reason)
                         SELECT 'zz', id, created_at + 1, 'suspended', '' FROM organisation",
                    )
                    .await;
            }
        }
        match how {
            // The session is alive, and worth nothing: the page says so.
            "licence" => {
                assert_eq!(ward.introspect(&tokens).await["active"], false);
                assert_eq!(ward.refresh(&tokens).await.json()["error"], "invalid_grant");
                let home = ward.scene.get("/", true, &ward.scene.terminal).await;
                assert_eq!(path(&home), "/emergency", "{home:?}");
                assert_eq!(path(&ward.begin().await), "/emergency");
                assert!(!ward.is_open().await);
            }
            "facility" => {
                assert_eq!(ward.introspect(&tokens).await["active"], false);
                assert_eq!(ward.scene.get("/", true, &ward.scene.terminal).await.status, 403);
            }
            _ => is_over(&ward, &tokens, how).await,
        }
        upkeep::run(app).await.unwrap();
        if !matches!(how, "licence" | "facility") {
            assert_eq!(live(&ward).await, 0, "{how}");
            let running = "SELECT COUNT(*) FROM emergency_access WHERE ended_at IS NULL";
            assert_eq!(ward.scene.count(running).await, 0, "{how}");
        }
    }
}

#[tokio::test]
async fn the_facility_s_administrator_reads_at_once_that_it_is_no_member_and_reviews_it() {
    let ward = visited().await;
    let app = &ward.scene.test.app;
    let roles = [Role::FacilityAdministrator(FACILITY.to_owned())];
    signed_in(app, "管理 花子", &roles, ADMINISTRATOR).await;
    let id = ward.begun().await;
    deliver_due(app, &Deliverers::new().with(notice::KIND, notice::deliver)).await.unwrap();
    for page in ["/console/notices", "/console/emergencies"] {
        let page = send(app, "GET", page, ADMINISTRATOR, "").await;
        assert!(page.text.contains("職員ではない"), "{}", page.text);
        assert!(page.text.contains("山田　太郎"), "{}", page.text);
    }
    ward.scene.post("/emergency/end", &[]).await;
    let verdict = form(&[("verdict", "justified"), ("words", "災害の応援と確かめた。")]);
    let at = format!("/console/emergencies/{id}/review");
    let reviewed = send(app, "POST", &at, ADMINISTRATOR, &verdict).await;
    assert_eq!(reviewed.status, 303, "{}", reviewed.text);
    // A visitor is nobody's member in the console.
    let members = send(app, "GET", "/console/members", ADMINISTRATOR, "").await;
    assert!(!members.text.contains("使用中") && members.status == 200, "{}", members.text);
    // Nor does the portal's cookie open it.
    let cookie = ward.scene.cookie.trim_start_matches("__Host-session=").to_owned();
    let console = send(app, "GET", "/console", &cookie, "").await;
    assert_eq!(console.status, 303, "{}", console.text);
}

#[tokio::test]
async fn a_day_s_limit_is_the_person_s_wherever_they_are() {
    let ward = visited().await;
    // Two elsewhere, today: of other sessions, at other facilities.
    for number in 1..=3 {
        ward.scene.change("DELETE FROM emergency_access WHERE number > 5").await;
        ward.begun().await;
        ward.scene.post("/emergency/end", &[]).await;
        ward.scene
            .change("UPDATE session SET ended_at = NULL, end_reason = NULL WHERE visiting = 1")
            .await;
        assert_eq!(ward.records().await, number);
    }
    assert_eq!(path(&ward.begin().await), "/emergency");
    assert_eq!(ward.records().await, 3);
    let page = ward.scene.get("/emergency", true, &ward.scene.terminal).await;
    assert!(page.body.contains("emergency-closed"), "{page:?}");
    assert!(!page.body.contains("class=\"button\" href=\"/\""), "nothing is there: {page:?}");
}

#[tokio::test]
async fn switched_off_nothing_begins_and_nothing_goes_on() {
    let running = "INSERT INTO emergency_access (id, session_hash, person_id, organisation_id, terminal_id, acr,
             reason, words, day, number, started_at, ends_at, due_at, visiting)
         SELECT 'e', id_hash, person_id, organisation_id, terminal_id, acr, 'disaster', '', 'd', 1, created_at,
             created_at + 3600, created_at + 9999, 1 FROM session WHERE visiting = 1";
    // Before one, and with one that was begun while it was on.
    for began in [false, true] {
        let ward = visited_with(Settings::default()).await;
        if began {
            ward.scene.change(running).await;
        }
        // Whoever only holds the session's name finds it worth nothing, before any page ended it.
        let (app, hash) = (&ward.scene.test.app, &ward.scene.session_hash);
        let mut reader = app.store().read();
        let alive = liveness::session(app, &mut reader, hash, app.now()).await.unwrap();
        assert_eq!(alive, None);
        assert_eq!(path(&ward.begin().await), "/login", "{began}");
        assert_eq!((ward.records().await, live(&ward).await), (began.into(), 0));
        let refused = "session.use refused visit_over".to_owned();
        assert!(ward.scene.acts().await.contains(&refused), "{began}");
    }
}

#[tokio::test]
async fn behind_a_proxy_the_visit_ends_at_the_next_request() {
    let scene = Scene::with(admitting_visitors()).await;
    let rules = OPTED_IN.split_once("[[rules]]").unwrap().1;
    let secret = scene.register(&guarded_file(&format!("\n[[rules]]{rules}"))).await;
    let ward = Ward { scene, secret: secret.clone() };
    ward.scene.change("UPDATE membership_event SET kind = 'ended'").await;
    ward.scene.change("UPDATE session SET membership_id = NULL, visiting = 1").await;
    let basic = basic("guarded", &secret);
    let asked = async |at: &str, cookie: &str| {
        let fields =
            [("authorization", basic.as_str()), ("cookie", cookie), ("x-original-uri", "/")];
        ward.scene.public("GET", at, &fields, "").await
    };
    let pair = |answer: &crate::oidc::tests::scene::Answer| {
        let cookie = answer.headers["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    };
    ward.begun().await;
    let start = asked(&format!("/forward-auth/start?{}", query(&[("to", "/")])), "a=b").await;
    let authorize = format!("/authorize?{}", start.location().unwrap().query().unwrap());
    let back = ward.scene.get(&authorize, true, &ward.scene.terminal).await.location().unwrap();
    let callback = format!("/forward-auth/callback?{}", back.query().unwrap());
    let cookie = pair(&asked(&callback, &pair(&start)).await);
    let passed = asked("/forward-auth/verify", &cookie).await;
    assert_eq!(passed.status, 200, "{passed:?}");
    let assertion = payload(passed.headers["x-sso-assertion"].to_str().unwrap());
    assert_eq!(assertion["facility_member"], false, "{assertion}");
    ward.scene.post("/emergency/end", &[]).await;
    assert_eq!(asked("/forward-auth/verify", &cookie).await.status, 401);
}

#[tokio::test]
async fn a_session_that_only_lost_its_membership_is_none_of_a_visitor() {
    let ward = visited().await;
    ward.scene.change("UPDATE session SET visiting = 0").await;
    for at in ["/", "/emergency"] {
        assert_eq!(ward.scene.get(at, true, &ward.scene.terminal).await.status, 500, "{at}");
    }
    let begun = ward.scene.post("/emergency", &GOOD).await;
    assert_eq!((begun.status.as_u16(), ward.records().await), (500, 0));
}
