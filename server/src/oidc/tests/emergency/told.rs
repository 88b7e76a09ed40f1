//! A service that an emergency opened keeps sessions of its own: it is told when it is over, and others are not.

use serde_json::Value;
use time::Duration;

use super::{OPTED_IN, Ward};
use crate::{
    config::Settings,
    console::scene::{send, signed_in},
    emergency::upkeep,
    oidc::{
        logout::backchannel,
        tests::{
            logout::{Heard, listening, telling},
            own_keys::verified,
            refresh::rules,
            scene::{FACILITY, PHYSICIANS, Scene, payload, service_file},
        },
    },
    outbox::{Deliverers, deliver_due},
    people::role::Role,
};

const ADMINISTRATOR: &str = "facilityAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const CALLBACK: &str = "https://near.example/callback";

/// The ward beside a service that is open anyway; both want to hear.
struct Listening {
    ward: Ward,
    near: String,
    heard: Heard,
}

impl Listening {
    async fn new() -> Self {
        let (port, heard) = listening().await;
        let mut settings = Settings::default();
        settings.oidc.allow_loopback_clients = true;
        let scene = Scene::with(settings).await;
        let near = scene.register(&telling(&service_file("near", PHYSICIANS), port)).await;
        let secret = scene.register(&telling(&service_file("far", OPTED_IN), port)).await;
        Self { ward: Ward { scene, secret }, near, heard }
    }

    /// Tokens of the service that is open anyway.
    async fn near(&self) -> Value {
        let scene = &self.ward.scene;
        let answer = scene.authorize(&Scene::request_of("near", CALLBACK)).await;
        let location = answer.location().unwrap_or_else(|| panic!("{answer:?}"));
        let (_, code) = location.query_pairs().find(|(name, _)| name == "code").unwrap();
        scene.token_as("near", &self.near, &Scene::exchange_at(CALLBACK, &code)).await.json()
    }

    /// Delivers what is due: the logout tokens that came of it, as (`aud`, `sid`).
    async fn told(&self) -> Vec<(String, String)> {
        let app = &self.ward.scene.test.app;
        let deliverers = Deliverers::new().with(backchannel::KIND, backchannel::deliver);
        deliver_due(app, &deliverers).await.unwrap();
        let tokens = std::mem::take(&mut *self.heard.lock().unwrap());
        let mut told = Vec::new();
        for token in tokens {
            let claims = verified(app, backchannel::LOGOUT_TOKEN_TYP, &token).await;
            let text = |name: &str| claims[name].as_str().unwrap().to_owned();
            told.push((text("aud"), text("sid")));
        }
        told.sort();
        told
    }
}

fn session_of(tokens: &Value) -> String {
    payload(tokens["id_token"].as_str().unwrap())["sid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn ended_early_what_it_opened_is_told_once_and_nobody_else() {
    for by in ["person", "administrator"] {
        let listening = Listening::new().await;
        let ward = &listening.ward;
        let id = ward.begun().await;
        let (far, near) = (ward.tokens().await, listening.near().await);
        assert_eq!(listening.told().await, [], "{by}");
        match by {
            "person" => assert_eq!(ward.scene.post("/emergency/end", &[]).await.status, 303),
            _ => {
                let app = &ward.scene.test.app;
                let roles = [Role::FacilityAdministrator(FACILITY.to_owned())];
                signed_in(app, "管理 花子", &roles, ADMINISTRATOR).await;
                let path = format!("/console/emergencies/{id}/end");
                let ended = send(app, "POST", &path, ADMINISTRATOR, "").await;
                assert_eq!(ended.status.as_u16(), 303, "{}", ended.text);
            }
        }
        assert_eq!(listening.told().await, [("far".to_owned(), session_of(&far))], "{by}");
        assert_eq!(ward.refresh(&far).await.json()["error"], "invalid_grant", "{by}");
        let access = near["access_token"].as_str().unwrap();
        assert_eq!(ward.scene.userinfo(access).await.status, 200, "{by}");
        // Neither the job nor another end finds anything to tell.
        ward.scene.post("/emergency/end", &[]).await;
        ward.scene.test.clock.advance(Duration::HOUR);
        upkeep::run(&ward.scene.test.app).await.unwrap();
        assert_eq!(listening.told().await, [], "{by}");
    }
}

#[tokio::test]
async fn when_its_hour_is_over_the_job_tells_once_however_many_processes_there_are() {
    let listening = Listening::new().await;
    let ward = &listening.ward;
    let app = &ward.scene.test.app;
    ward.begun().await;
    let far = ward.tokens().await;
    listening.near().await;
    ward.scene.test.clock.advance(Duration::HOUR - Duration::SECOND);
    upkeep::run(app).await.unwrap();
    assert_eq!(listening.told().await, []);
    ward.scene.test.clock.advance(Duration::SECOND);
    let (one, two) = tokio::join!(upkeep::run(app), upkeep::run(app));
    one.and(two).unwrap();
    upkeep::run(app).await.unwrap();
    assert_eq!(listening.told().await, [("far".to_owned(), session_of(&far))]);
}

#[tokio::test]
async fn one_that_lapsed_and_was_not_noted_is_told_of_when_the_next_begins() {
    let listening = Listening::new().await;
    let ward = &listening.ward;
    ward.begun().await;
    let far = ward.tokens().await;
    ward.scene.test.clock.advance(Duration::HOUR);
    ward.begun().await;
    assert_eq!(listening.told().await, [("far".to_owned(), session_of(&far))]);
}

#[tokio::test]
async fn a_logout_tells_everybody_and_the_job_nobody_again() {
    let listening = Listening::new().await;
    let ward = &listening.ward;
    ward.begun().await;
    let (far, near) = (ward.tokens().await, listening.near().await);
    assert_eq!(ward.scene.post("/logout", &[]).await.status, 303);
    upkeep::run(&ward.scene.test.app).await.unwrap();
    let both = [("far".to_owned(), session_of(&far)), ("near".to_owned(), session_of(&near))];
    assert_eq!(listening.told().await, both);
}

#[tokio::test]
async fn what_counts_is_by_what_the_service_is_open_at_its_last_refresh() {
    let ordinary = OPTED_IN.replace("prefectures = [\"01\"]\n", "");
    let (_, ordinary) = ordinary.split_once("[[rules]]").unwrap();
    let (_, opted_in) = OPTED_IN.split_once("[[rules]]").unwrap();
    let (ordinary, opted_in) = (format!("[[rules]]{ordinary}"), format!("[[rules]]{opted_in}"));
    // Opened by the emergency, open anyway since.
    let listening = Listening::new().await;
    let ward = &listening.ward;
    ward.begun().await;
    let far = ward.tokens().await;
    rules(&ward.scene, "far", &ordinary).await;
    let far = ward.refresh(&far).await.json();
    assert!(payload(far["access_token"].as_str().unwrap()).get("break_glass").is_none());
    ward.scene.post("/emergency/end", &[]).await;
    assert_eq!(listening.told().await, []);
    assert_eq!(ward.refresh(&far).await.status, 200);

    // Open anyway, and only by the emergency since.
    let listening = Listening::new().await;
    let ward = &listening.ward;
    rules(&ward.scene, "far", &ordinary).await;
    let far = ward.tokens().await;
    ward.begun().await;
    rules(&ward.scene, "far", &opted_in).await;
    let far = ward.refresh(&far).await.json();
    assert_eq!(payload(far["access_token"].as_str().unwrap())["break_glass"], true);
    ward.scene.post("/emergency/end", &[]).await;
    assert_eq!(listening.told().await, [("far".to_owned(), session_of(&far))]);
}
