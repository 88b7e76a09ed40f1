//! What services were given by a card that was revoked or expired afterwards.

use time::Duration;

use super::{
    logout::{listening, telling},
    scene::{Answer, Scene, basic, query, service_file},
};
use crate::{
    config::Settings,
    login::{
        tests::desk::{self, physician, publish},
        upkeep,
    },
    oidc::logout::backchannel,
    outbox::{self, Deliverers},
};

const RULES: &str = r#"
[protocol]
grant_types = ["authorization_code", "refresh_token"]

[[rules]]
id = "anybody"
membership = true
minimum_acr = "urn:oid:1.3.6.1.4.1.32473.3.4"
"#;

#[tokio::test]
async fn tokens_of_a_revoked_or_expired_card_are_dead_at_once_and_their_service_is_told() {
    for how in ["revoked", "expired"] {
        let (port, heard) = listening().await;
        let mut settings = Settings::default();
        settings.oidc.allow_loopback_clients = true;
        let scene = Scene::with(settings).await;
        let (test, app) = (&scene.test, &scene.test.app);
        let secret = scene.register(&telling(&service_file("telling", RULES), port)).await;
        let card =
            desk::Card { serial: 120, not_after: desk::NOW + Duration::minutes(5), ..physician() };
        scene.card_is(&card).await;
        let request = Scene::request_of("telling", "https://telling.example/callback");
        let code_of = |answer: &Answer| {
            let location = answer.location()?;
            let code = location.query_pairs().find(|(name, _)| name == "code");
            code.map(|(_, code)| code.into_owned())
        };
        let code = code_of(&scene.authorize(&request).await).unwrap();
        let form = Scene::exchange_at("https://telling.example/callback", &code);
        let tokens = scene.token_as("telling", &secret, &form).await.json();
        let access = tokens["access_token"].as_str().unwrap();
        let basic = [("authorization", basic("telling", &secret))];
        let basic = [("authorization", basic[0].1.as_str())];
        let introspected = async || {
            let form = query(&[("token", access)]);
            scene.public("POST", "/introspect", &basic, &form).await.json()["active"].clone()
        };
        assert_eq!(introspected().await, true, "{how}");
        assert_eq!(scene.userinfo(access).await.status, 200, "{how}");

        match how {
            "revoked" => publish(test, &[card.serial], desk::NOW).await,
            _ => test.clock.advance(Duration::minutes(5) + Duration::SECOND),
        }
        assert_eq!(introspected().await, false, "{how}");
        assert_eq!(scene.userinfo(access).await.status, 401, "{how}");
        let form = [
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", tokens["refresh_token"].as_str().unwrap().to_owned()),
        ];
        let refreshed = scene.token_as("telling", &secret, &form).await.json();
        assert_eq!(refreshed["error"], "invalid_grant", "{how}");

        // Nobody has looked at a page: the job tells the service.
        upkeep::end_of_lapsed_cards(app, how == "revoked").await.unwrap();
        let deliverers = Deliverers::new().with(backchannel::KIND, backchannel::deliver);
        outbox::deliver_due(app, &deliverers).await.unwrap();
        assert_eq!(heard.lock().unwrap().len(), 1, "{how}");
        let answer = scene.authorize(&request).await;
        assert_eq!(code_of(&answer), None, "{how}: {answer:?}");
    }
}
