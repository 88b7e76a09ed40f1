//! Breaking the glass: what it opens, for whom, for how long, and what tokens say of it.

mod asked;
mod called;
mod effect;
mod reviewed;
mod told;
mod visitor;

use sekisho_protocol::octets::encode;
use sekisho_store::{Queries, sql};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::scene::{Answer, Scene, open_session, service_file};

/// For another prefecture than the facility's; opens in an emergency.
const OPTED_IN: &str = r#"
[protocol]
grant_types = ["authorization_code", "refresh_token"]
[[rules]]
id = "far"
roles = ["Medical Doctor"]
kinds = ["hospital"]
prefectures = ["01"]
emergency = true
release = ["name", "hc_role"]
"#;

const GOOD: [(&str, &str); 2] =
    [("reason", "disaster"), ("words", "地震のため、ほかの県の患者を診ています。")];

struct Ward {
    scene: Scene,
    secret: String,
}

impl Ward {
    async fn new() -> Self {
        Self::with(OPTED_IN).await
    }

    /// With a service of these rules, called `far`.
    async fn with(rules: &str) -> Self {
        let scene = Scene::new().await;
        let secret = scene.register(&service_file("far", rules)).await;
        Self { scene, secret }
    }

    async fn portal(&self) -> String {
        let page = self.scene.get("/", true, &self.scene.terminal).await;
        assert_eq!(page.status, 200, "{page:?}");
        page.body
    }

    async fn authorize(&self) -> Answer {
        let request = Scene::request_of("far", "https://far.example/callback");
        self.scene.authorize(&request).await
    }

    async fn begin(&self) -> Answer {
        self.scene.post("/emergency", &GOOD).await
    }

    async fn records(&self) -> i64 {
        self.scene.count("SELECT COUNT(*) FROM emergency_access").await
    }

    /// Begins one, and answers its identifier.
    async fn begun(&self) -> String {
        let answer = self.begin().await;
        assert_eq!((answer.status.as_u16(), path(&answer)), (303, "/".to_owned()), "{answer:?}");
        let row: (String,) = self
            .scene
            .test
            .app
            .store()
            .read()
            .fetch_one(sql("SELECT id FROM emergency_access WHERE ended_at IS NULL"))
            .await
            .unwrap();
        row.0
    }

    async fn code(&self) -> String {
        let answer = self.authorize().await;
        let location = answer.location().unwrap_or_else(|| panic!("{answer:?}"));
        let code = location.query_pairs().find(|(name, _)| name == "code");
        code.unwrap_or_else(|| panic!("{location}")).1.into_owned()
    }

    async fn exchange(&self, code: &str) -> Answer {
        let form = Scene::exchange_at("https://far.example/callback", code);
        self.scene.token_as("far", &self.secret, &form).await
    }

    async fn tokens(&self) -> Value {
        let answer = self.exchange(&self.code().await).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    async fn refresh(&self, tokens: &Value) -> Answer {
        let token = tokens["refresh_token"].as_str().unwrap().to_owned();
        let form = [("grant_type", "refresh_token".to_owned()), ("refresh_token", token)];
        self.scene.token_as("far", &self.secret, &form).await
    }

    async fn introspect(&self, tokens: &Value) -> Value {
        let token = tokens["access_token"].as_str().unwrap().to_owned();
        let basic = super::scene::basic("far", &self.secret);
        let form = super::scene::query(&[("token", token)]);
        self.scene.public("POST", "/introspect", &[("authorization", &basic)], &form).await.json()
    }

    async fn is_open(&self) -> bool {
        let answer = self.authorize().await;
        assert!(matches!(answer.status.as_u16(), 303 | 403), "{answer:?}");
        answer.status == 303
    }
}

fn path(answer: &Answer) -> String {
    answer.location().map(|url| url.path().to_owned()).unwrap_or_default()
}

/// Beside it a refusing page names what goes on afterwards.
const OFFER: &str = "href=\"/emergency";

/// Another login at the same terminal; its cookie.
async fn further_login(ward: &Ward, number: u8) -> String {
    let identifier = [number; 32];
    let hash = Sha256::digest(identifier).into();
    open_session(&ward.scene.test, hash, &ward.scene.terminal[0]).await;
    format!("__Host-session={}", encode(identifier))
}
