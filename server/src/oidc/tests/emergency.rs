//! Breaking the glass: what it opens, for whom, for how long, and what tokens say of it.

use sekisho_protocol::octets::encode;
use sekisho_store::{Queries, sql};
use serde_json::Value;
use sha2::{Digest, Sha256};
use time::Duration;

use super::scene::{Answer, Scene, no_certificate, open_session, payload, service_file};
use crate::{config::Settings, emergency::upkeep};

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

const OFFER: &str = "href=\"/emergency\"";

#[tokio::test]
async fn it_opens_what_opted_in_and_every_token_of_it_says_so() {
    let ward = Ward::new().await;
    assert!(ward.portal().await.contains(OFFER));
    let refused = ward.authorize().await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains(OFFER), "{}", refused.body);
    assert!(refused.body.contains("北海道"), "{}", refused.body);
    let page = ward.scene.get("/emergency", true, &ward.scene.terminal).await;
    assert!(page.status == 200 && page.body.contains("name=\"reason\""), "{page:?}");

    let id = ward.begun().await;
    let portal = ward.portal().await;
    assert!(!portal.contains(OFFER) && portal.contains("action=\"/emergency/end\""), "{portal}");
    let tokens = ward.tokens().await;
    let access = tokens["access_token"].as_str().unwrap();
    let told = ward.scene.userinfo(access).await;
    for (whose, said) in [
        ("ID token", payload(tokens["id_token"].as_str().unwrap())),
        ("access token", payload(access)),
        ("userinfo", told.json()),
        ("introspection", ward.introspect(&tokens).await),
    ] {
        assert_eq!(said["break_glass"], true, "{whose}: {said}");
        assert_eq!(said["break_glass_id"], id.as_str(), "{whose}");
    }
    let id_token = payload(tokens["id_token"].as_str().unwrap());
    assert_eq!(id_token["vouched_by"]["break_glass"], "login");
    let refreshed = ward.refresh(&tokens).await.json();
    let again = payload(refreshed["id_token"].as_str().unwrap());
    assert_eq!(again["break_glass_id"], id.as_str());

    let acts = ward.scene.acts().await;
    assert!(acts.contains(&"emergency.begin done".to_owned()), "{acts:?}");
}

#[tokio::test]
async fn what_needs_no_emergency_is_never_marked_as_one() {
    let ward = Ward::new().await;
    ward.begun().await;
    let tokens = ward.scene.token(&Scene::exchange(&ward.scene.code().await)).await.json();
    let access = tokens["access_token"].as_str().unwrap();
    for said in [
        payload(tokens["id_token"].as_str().unwrap()),
        payload(access),
        ward.scene.userinfo(access).await.json(),
    ] {
        assert!(
            said.get("break_glass").is_none() && said.get("break_glass_id").is_none(),
            "{said}"
        );
        assert!(said["vouched_by"].get("break_glass").is_none(), "{said}");
    }
}

#[tokio::test]
async fn what_did_not_opt_in_stays_closed_and_nothing_is_offered_there() {
    for rules in [
        OPTED_IN.replace("emergency = true", "emergency = false"),
        OPTED_IN.replace("emergency = true", ""),
        // Who somebody is, where the service is meant for, and how they proved themself are not lifted.
        OPTED_IN.replace("Medical Doctor", "Pharmacist"),
        OPTED_IN.replace("hospital", "clinic"),
        OPTED_IN
            .replace("kinds", "facilities = [\"123456789015\"]\nkinds")
            .replace("\"hospital\"", "\"pharmacy\""),
    ] {
        let ward = Ward::with(&rules).await;
        assert!(!ward.portal().await.contains(OFFER), "{rules}");
        let refused = ward.authorize().await;
        assert!(refused.status == 403 && !refused.body.contains(OFFER), "{rules}");
        ward.begun().await;
        assert!(!ward.is_open().await, "{rules}");
    }
}

#[tokio::test]
async fn hours_are_lifted_too() {
    // Two hours on a day that is not today: closed now, whenever the test runs.
    let ward = Ward::new().await;
    let today = ward.scene.test.app.now().to_offset(time::macros::offset!(+9));
    let other = (today + Duration::days(3)).weekday().to_string()[..3].to_lowercase();
    let hours = format!("hours = [{{ days = [\"{other}\"], from = \"09:00\", to = \"11:00\" }}]");
    let ward = Ward::with(&OPTED_IN.replace("prefectures = [\"01\"]", &hours)).await;
    let refused = ward.authorize().await;
    assert!(refused.status == 403 && refused.body.contains("09:00"), "{}", refused.body);
    ward.begun().await;
    assert!(ward.is_open().await);
}

#[tokio::test]
async fn it_is_over_after_sixty_minutes_to_the_second_and_no_token_outlives_it() {
    let ward = Ward::new().await;
    ward.begun().await;
    let clock = &ward.scene.test.clock;
    let end = ward.scene.test.app.now().unix_timestamp() + 3_600;
    clock.advance(Duration::seconds(3_599));
    let tokens = ward.tokens().await;
    for token in ["id_token", "access_token"] {
        assert_eq!(payload(tokens[token].as_str().unwrap())["exp"], end, "{token}");
    }
    assert_eq!(tokens["expires_in"], 1);
    let unused = ward.code().await;
    clock.advance(Duration::SECOND);
    assert!(!ward.is_open().await);
    assert_eq!(ward.exchange(&unused).await.json()["error"], "invalid_grant");
    assert_eq!(ward.refresh(&tokens).await.json()["error"], "invalid_grant");
    assert_eq!(ward.scene.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 401);
    assert_eq!(ward.introspect(&tokens).await["active"], false);
    assert!(ward.portal().await.contains(OFFER), "another one would help");
    // The end is noted once, though nothing waited for that.
    for _ in 0..2 {
        upkeep::run(&ward.scene.test.app).await.unwrap();
    }
    let acts = ward.scene.acts().await;
    assert_eq!(acts.iter().filter(|act| *act == "emergency.end done").count(), 1, "{acts:?}");
    ward.begun().await;
    assert!(ward.is_open().await);
}

#[tokio::test]
async fn whoever_began_it_ends_it_and_what_it_gave_out_counts_no_more() {
    let ward = Ward::new().await;
    ward.begun().await;
    let (tokens, unused) = (ward.tokens().await, ward.code().await);
    let ended = ward.scene.post("/emergency/end", &[]).await;
    assert_eq!((ended.status.as_u16(), path(&ended)), (303, "/".to_owned()));
    assert!(!ward.is_open().await);
    assert_eq!(ward.introspect(&tokens).await["active"], false);
    assert_eq!(ward.exchange(&unused).await.json()["error"], "invalid_grant");
    assert_eq!(ward.refresh(&tokens).await.json()["error"], "invalid_grant");
    // Another one is another record: the old tokens stay dead.
    ward.begun().await;
    assert_eq!(ward.introspect(&tokens).await["active"], false);
    // With none running nothing is to be ended.
    ward.scene.post("/emergency/end", &[]).await;
    ward.scene.post("/emergency/end", &[]).await;
    let acts = ward.scene.acts().await;
    assert!(acts.contains(&"emergency.end refused none_runs".to_owned()), "{acts:?}");
}

/// Another login at the same terminal; its cookie.
async fn further_login(ward: &Ward, number: u8) -> String {
    let identifier = [number; 32];
    let hash = Sha256::digest(identifier).into();
    open_session(&ward.scene.test, hash, &ward.scene.terminal[0]).await;
    format!("__Host-session={}", encode(identifier))
}

#[tokio::test]
async fn it_ends_with_its_login_and_the_next_login_has_none() {
    let mut ward = Ward::new().await;
    ward.begun().await;
    let tokens = ward.tokens().await;
    let left = ward.scene.post("/logout", &[]).await;
    assert_eq!(left.status, 303, "{left:?}");
    assert_eq!(ward.introspect(&tokens).await["active"], false);
    ward.scene.cookie = further_login(&ward, 9).await;
    assert!(!ward.is_open().await);
    upkeep::run(&ward.scene.test.app).await.unwrap();
    let noted = "SELECT COUNT(*) FROM emergency_access WHERE end_reason = 'session_ended'";
    assert_eq!(ward.scene.count(noted).await, 1);
}

#[tokio::test]
async fn nothing_is_open_while_the_session_is_locked_and_the_hour_goes_on() {
    let ward = Ward::new().await;
    ward.begun().await;
    let tokens = ward.tokens().await;
    ward.scene.change("UPDATE session SET locked_at = created_at").await;
    assert_eq!(ward.introspect(&tokens).await["active"], false);
    assert_eq!(path(&ward.begin().await), "/login");
    assert!(path(&ward.authorize().await).starts_with("/login"));
    ward.scene.change("UPDATE session SET locked_at = NULL").await;
    ward.scene.test.clock.advance(Duration::minutes(1));
    assert!(ward.is_open().await);
    assert_eq!(ward.records().await, 1);
}

#[tokio::test]
async fn who_has_no_licence_that_counts_or_too_weak_a_login_has_none() {
    for (change, code) in [
        ("UPDATE session SET hc_roles = '[]'", "not_licensed"),
        ("UPDATE session SET hc_roles = '[\"Wizard\"]'", "not_licensed"),
        ("UPDATE session SET hc_roles = '[\"Director of Hospital\"]'", "not_licensed"),
        ("UPDATE session SET acr = 'urn:forged'", "not_two_factor"),
        ("UPDATE session SET acr = ''", "not_two_factor"),
        // A My Number card and a passkey for which nobody vouches any more.
        ("UPDATE session SET acr = 'urn:oid:1.3.6.1.4.1.32473.3.3'", "not_licensed"),
        ("UPDATE session SET acr = 'urn:oid:1.3.6.1.4.1.32473.3.2'", "not_licensed"),
    ] {
        let ward = Ward::new().await;
        ward.scene.change(change).await;
        assert!(!ward.portal().await.contains(OFFER), "{change}");
        let page = ward.scene.get("/emergency", true, &ward.scene.terminal).await;
        assert!(page.body.contains("emergency-closed"), "{change}: {}", page.body);
        assert_eq!(path(&ward.begin().await), "/emergency", "{change}");
        assert_eq!(ward.records().await, 0, "{change}");
        let refused = format!("emergency.begin refused {code}");
        assert!(ward.scene.acts().await.contains(&refused), "{change}");

        // And in the middle of its hour the same ends what it opened.
        let ward = Ward::new().await;
        ward.begun().await;
        let tokens = ward.tokens().await;
        ward.scene.change(change).await;
        assert!(!ward.is_open().await, "{change}");
        assert_eq!(ward.introspect(&tokens).await["active"], false, "{change}");
        assert_eq!(ward.refresh(&tokens).await.json()["error"], "invalid_grant", "{change}");
    }
}

#[tokio::test]
async fn no_terminal_another_or_one_taken_back_opens_none() {
    let ward = Ward::new().await;
    let scene = &ward.scene;
    let origin = scene.test.app.names().origin(crate::names::NameRole::Terminal).to_owned();
    for chain in [&no_certificate(), &scene.other_terminal] {
        let answer = scene.post_from(&origin, chain, &scene.cookie, "/emergency", &GOOD).await;
        assert!(answer.status.is_client_error(), "{answer:?}");
        assert_eq!(ward.records().await, 0);
    }
    // Used elsewhere the cookie ended its session; here is another one.
    let mut ward = ward;
    ward.scene.cookie = further_login(&ward, 8).await;
    ward.begun().await;
    let tokens = ward.tokens().await;
    ward.scene.revoke_certificate(&ward.scene.terminal[0]).await;
    assert_eq!(ward.begin().await.status, 403);
    assert_eq!(ward.introspect(&tokens).await["active"], false);
    assert_eq!(ward.refresh(&tokens).await.json()["error"], "invalid_grant");
    assert_eq!(ward.records().await, 1);
}

#[tokio::test]
async fn a_terminal_on_hold_opens_none() {
    let ward = Ward::new().await;
    ward.begun().await;
    let tokens = ward.tokens().await;
    ward.scene
        .change(
            "INSERT INTO terminal_event (id, terminal_id, kind, reason, at)
             VALUES ('h', 'T0000000001', 'held', '', 0)",
        )
        .await;
    assert_eq!(ward.begin().await.status, 403);
    assert_eq!(ward.introspect(&tokens).await["active"], false);
}

#[tokio::test]
async fn one_runs_at_a_time_and_a_second_request_begins_nothing() {
    let ward = Ward::new().await;
    let id = ward.begun().await;
    assert_eq!(path(&ward.begin().await), "/");
    assert_eq!(ward.begun().await, id);
    assert_eq!(ward.records().await, 1);
    let acts = ward.scene.acts().await;
    assert!(acts.contains(&"emergency.begin refused runs".to_owned()), "{acts:?}");
}

#[tokio::test]
async fn a_day_has_three_however_many_ask_at_once_and_the_next_day_has_its_own() {
    let ward = Ward::new().await;
    let origin = ward.scene.test.app.names().origin(crate::names::NameRole::Terminal).to_owned();
    let mut cookies = Vec::new();
    for number in 20..26 {
        cookies.push(further_login(&ward, number).await);
    }
    let (scene, origin) = (&ward.scene, &origin);
    let asked = cookies.iter().map(|cookie| async move {
        path(&scene.post_from(origin, &scene.terminal, cookie, "/emergency", &GOOD).await)
    });
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(answers.iter().filter(|path| *path == "/").count(), 3, "{answers:?}");
    assert_eq!(answers.iter().filter(|path| *path == "/emergency").count(), 3, "{answers:?}");
    assert_eq!(ward.records().await, 3);
    assert_eq!(path(&ward.begin().await), "/emergency");
    let page = ward.scene.get("/emergency", true, &ward.scene.terminal).await;
    assert!(page.body.contains("emergency-closed") && page.body.contains("3回"), "{}", page.body);

    // Midnight in Japan, and no minute before.
    let now = ward.scene.test.app.now().to_offset(time::macros::offset!(+9));
    let midnight = now.date().next_day().unwrap().midnight().assume_offset(now.offset());
    ward.scene.test.clock.advance(midnight - now - Duration::SECOND);
    let mut ward = ward;
    ward.scene.cookie = further_login(&ward, 30).await;
    assert_eq!(path(&ward.begin().await), "/emergency");
    ward.scene.test.clock.advance(Duration::SECOND);
    assert_eq!(path(&ward.begin().await), "/");
    assert_eq!(ward.records().await, 4);
}

#[tokio::test]
async fn the_limit_is_the_operators_to_set() {
    let mut settings = Settings::default();
    settings.emergency.a_day = 1;
    let scene = Scene::with(settings).await;
    let secret = scene.register(&service_file("far", OPTED_IN)).await;
    let ward = Ward { scene, secret };
    ward.begun().await;
    ward.scene.post("/emergency/end", &[]).await;
    assert_eq!(path(&ward.begin().await), "/emergency");
    assert_eq!(ward.records().await, 1);
}

#[tokio::test]
async fn a_reason_of_the_list_and_words_are_asked_for() {
    let ward = Ward::new().await;
    let (short, long) = ("九文字だけの理由だ", "あ".repeat(501));
    let ten = "十文字ちょうどの理由";
    assert_eq!((short.chars().count(), ten.chars().count()), (9, 10));
    let words = GOOD[1].1;
    for (form, status) in [
        (vec![("words", words)], 422),
        (vec![("reason", "boredom"), ("words", words)], 400),
        (vec![("reason", "disaster")], 400),
        (vec![("reason", "disaster"), ("words", "")], 422),
        (vec![("reason", "disaster"), ("words", "　 　 　 　 　 　 　")], 422),
        (vec![("reason", "disaster"), ("words", short)], 422),
        (vec![("reason", "disaster"), ("words", &long)], 422),
        (vec![("reason", "disaster"), ("words", "意識がない患者です\u{0}。")], 400),
        (vec![("reason", "disaster"), ("words", "意識がない患者です\u{202e}。")], 422),
        (vec![("reason", "disaster"), ("words", words), ("minutes", "600")], 400),
        (vec![("reason", "disaster"), ("words", words), ("words", words)], 400),
    ] {
        let answer = ward.scene.post("/emergency", &form).await;
        assert_eq!(answer.status, status, "{form:?}: {answer:?}");
        assert_eq!(ward.records().await, 0, "{form:?}");
    }
    let told = ward.scene.post("/emergency", &[("reason", "other"), ("words", short)]).await;
    assert!(told.body.contains(short) && told.body.contains("10文字以上"), "{}", told.body);
    assert!(told.body.contains("value=\"other\" required checked"), "{}", told.body);
    let good = ward.scene.post("/emergency", &[("reason", "other"), ("words", ten)]).await;
    assert_eq!(path(&good), "/");
}

#[tokio::test]
async fn a_page_of_another_site_begins_and_ends_none() {
    let ward = Ward::new().await;
    let scene = &ward.scene;
    let evil = "https://evil.example";
    let answer = scene.post_from(evil, &scene.terminal, &scene.cookie, "/emergency", &GOOD).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(ward.records().await, 0);
    ward.begun().await;
    let answer = scene.post_from(evil, &scene.terminal, &scene.cookie, "/emergency/end", &[]).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(ward.is_open().await);
}

#[tokio::test]
async fn a_code_that_names_another_record_is_worth_nothing() {
    let ward = Ward::new().await;
    let id = ward.begun().await;
    let code = ward.code().await;
    assert_eq!(ward.scene.count("SELECT COUNT(*) FROM emergency_access").await, 1);
    ward.scene
        .change(
            "UPDATE authorization_code SET claims = replace(claims,
                 (SELECT id FROM emergency_access), '0199f0a0-7d2e-7000-8000-000000000000')",
        )
        .await;
    assert_eq!(ward.exchange(&code).await.json()["error"], "invalid_grant", "not of {id}");
    let acts = ward.scene.acts().await;
    assert!(acts.contains(&"token.issue refused emergency_over".to_owned()), "{acts:?}");
}

#[tokio::test]
async fn it_gives_no_right_in_the_console() {
    let ward = Ward::new().await;
    ward.begun().await;
    for path in ["/console", "/console/emergencies", "/console/terminals", "/console/audit"] {
        let with = [("cookie", ward.scene.cookie.as_str())];
        let answer = ward.scene.public("GET", path, &with, "").await;
        assert_eq!(answer.status, 303, "{path}: {answer:?}");
        assert!(answer.location().unwrap().path() == "/console/login", "{path}");
    }
}
