//! What leaves the purpose of the facility: told to everybody, agreed to by the person, taken back by them.

use serde_json::{Value, json};
use time::Duration;

use super::{
    client::TestClient,
    scene::{Answer, Scene, basic, declaring_file, query},
};

const CALLBACK: &str = "https://lent.example/callback";
const RECORDS: &str = "https://records.example/api";

struct Lent {
    scene: Scene,
    secret: String,
}

/// The fields of the form on a page that asks.
fn fields(page: &str) -> Vec<(&'static str, String)> {
    let field = |name: &'static str| {
        let (_, rest) = page
            .split_once(&format!("name=\"{name}\" value=\""))
            .unwrap_or_else(|| panic!("{page}"));
        (name, rest.split('"').next().unwrap().to_owned())
    };
    vec![field("request"), field("claims"), field("seen")]
}

impl Lent {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let secret = scene.register(&declaring_file("lent", "third_party")).await;
        Self { scene, secret }
    }

    async fn ask(&self, more: &[(&'static str, &'static str)]) -> Answer {
        let mut request = Scene::request_of("lent", CALLBACK);
        for (name, value) in more {
            request.retain(|(existing, _)| existing != name);
            request.push((name, value));
        }
        self.scene.authorize(&request).await
    }

    async fn decide(&self, page: &str, decision: &str) -> Answer {
        let mut form = fields(page);
        form.push(("decision", decision.to_owned()));
        self.post(&form).await
    }

    async fn post(&self, form: &[(&'static str, String)]) -> Answer {
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.scene.post("/authorize/consent", &form).await
    }

    async fn agree(&self) {
        let asked = self.ask(&[]).await;
        let answer = self.decide(&asked.body, "agree").await;
        assert!(back(&answer, "code").is_some(), "{answer:?}");
    }

    async fn tokens(&self) -> Value {
        let answer = self.ask(&[]).await;
        let code = back(&answer, "code").unwrap_or_else(|| panic!("{answer:?}"));
        let answer = self.exchange(&code).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    async fn exchange(&self, code: &str) -> Answer {
        self.scene.token_as("lent", &self.secret, &Scene::exchange_at(CALLBACK, code)).await
    }

    async fn refresh(&self, tokens: &Value) -> Answer {
        let token = tokens["refresh_token"].as_str().unwrap().to_owned();
        let form = [("grant_type", "refresh_token".to_owned()), ("refresh_token", token)];
        self.scene.token_as("lent", &self.secret, &form).await
    }

    async fn consents(&self) -> i64 {
        self.scene.count("SELECT COUNT(*) FROM consent WHERE ended_at IS NULL").await
    }

    async fn has_told(&self, act: &str) -> bool {
        self.scene.acts().await.iter().any(|told| told == act)
    }
}

/// What came back at the service's address.
fn back(answer: &Answer, name: &str) -> Option<String> {
    let location = answer.location()?;
    assert!(location.as_str().starts_with(CALLBACK), "{location}");
    location.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn a_person_is_asked_once_reads_what_and_whom_and_goes_on() {
    let lent = Lent::new().await;
    let asked = lent.ask(&[]).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    for said in ["氏名と資格", "学会", "研修の案内", "学会事務局（東京都）", "同意しない", "施設名"]
    {
        assert!(asked.body.contains(said), "{said}: {}", asked.body);
    }
    assert!(!asked.body.contains("<li>端末</li>"), "it was not approved for that");
    let policy = asked.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self' https://lent.example;"), "{policy}");
    assert_eq!((lent.scene.codes().await, lent.consents().await), (0, 0));
    let answer = lent.decide(&asked.body, "agree").await;
    assert_eq!((answer.status.as_u16(), back(&answer, "state").as_deref()), (303, Some("st&te")));
    let told = lent.exchange(&back(&answer, "code").unwrap()).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert!(lent.has_told("consent.give done").await);
    assert!(back(&lent.ask(&[]).await, "code").is_some(), "asked once");
    assert_eq!(lent.consents().await, 1);
    // What was answered is answered.
    let again = lent.decide(&asked.body, "agree").await;
    assert_eq!(again.status, 410);
}

#[tokio::test]
async fn whoever_does_not_agree_goes_back_and_nothing_is_told() {
    let lent = Lent::new().await;
    let asked = lent.ask(&[]).await;
    let answer = lent.decide(&asked.body, "refuse").await;
    assert_eq!(back(&answer, "error").as_deref(), Some("access_denied"), "{answer:?}");
    assert_eq!(back(&answer, "state").as_deref(), Some("st&te"));
    assert!(lent.has_told("consent.refuse done").await);
    assert_eq!((lent.scene.codes().await, lent.consents().await), (0, 0));
    assert_eq!(lent.ask(&[]).await.status, 200, "asked again");
    // Whoever agreed and is asked again may say no this once, and no code comes of it.
    lent.agree().await;
    let asked = lent.ask(&[("prompt", "consent")]).await;
    let answer = lent.decide(&asked.body, "refuse").await;
    assert_eq!(back(&answer, "error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn a_client_that_wants_no_page_is_told_and_one_that_wants_it_gets_it() {
    let lent = Lent::new().await;
    let silent = lent.ask(&[("prompt", "none")]).await;
    assert_eq!(back(&silent, "error").as_deref(), Some("consent_required"));
    lent.agree().await;
    assert!(back(&lent.ask(&[("prompt", "none")]).await, "code").is_some());
    let asked = lent.ask(&[("prompt", "consent")]).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    assert!(back(&lent.decide(&asked.body, "agree").await, "code").is_some());
    assert_eq!(lent.consents().await, 1);
    // Who asks nothing of people is not made to by the word.
    let plain = Scene::request_with("prompt", "consent");
    assert!(lent.scene.authorize(&plain).await.returned("code").is_some());
}

#[tokio::test]
async fn a_login_stays_fresh_enough_while_the_page_is_read() {
    let lent = Lent::new().await;
    let asked = lent.ask(&[("max_age", "60")]).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    lent.scene.test.clock.advance(Duration::minutes(3));
    let answer = lent.decide(&asked.body, "agree").await;
    assert!(back(&answer, "code").is_some(), "{answer:?}");
    let later = lent.ask(&[("max_age", "60")]).await;
    assert_eq!(later.location().unwrap().path(), "/login", "a new request wants a new login");
}

#[tokio::test]
async fn a_consent_covers_what_was_shown_and_no_more() {
    let lent = Lent::new().await;
    let asked = lent.ask(&[("scope", "openid profile")]).await;
    assert!(asked.body.contains("<li>氏名</li>") && !asked.body.contains("<li>資格</li>"));
    lent.decide(&asked.body, "agree").await;
    assert!(back(&lent.ask(&[("scope", "openid")]).await, "code").is_some());
    let wider = lent.ask(&[("scope", "openid hc_role")]).await;
    assert!(
        wider.body.contains("<li>氏名</li>") && wider.body.contains("<li>資格</li>"),
        "{wider:?}"
    );
    lent.decide(&wider.body, "agree").await;
    for scope in ["openid profile", "openid hc_role", "openid profile hc_role"] {
        assert!(back(&lent.ask(&[("scope", scope)]).await, "code").is_some(), "{scope}");
    }
    lent.agree().await;
    let tokens = lent.tokens().await;
    assert_eq!(lent.refresh(&tokens).await.status, 200);
    let tokens = lent.tokens().await;
    // The service says something else.
    lent.scene
        .change("UPDATE service SET personal_data = REPLACE(personal_data, '学会', '出版社')")
        .await;
    let refused = lent.refresh(&tokens).await;
    assert_eq!(refused.json()["error"], "invalid_grant");
    assert!(lent.has_told("token.refresh refused consent_required").await);
    let asked = lent.ask(&[]).await;
    assert!(asked.body.contains("出版社"), "{asked:?}");
}

#[tokio::test]
async fn an_answer_to_another_question_keeps_nothing_and_the_person_is_asked_anew() {
    let lent = Lent::new().await;
    for (name, value) in [
        ("seen", "0".repeat(64)),
        ("claims", "name".to_owned()),
        ("claims", "name terminal".to_owned()),
    ] {
        let asked = lent.ask(&[("prompt", "consent")]).await;
        let mut form = fields(&asked.body);
        form.push(("decision", "agree".to_owned()));
        form.iter_mut()
            .filter(|(field, _)| *field == name)
            .for_each(|field| field.1.clone_from(&value));
        let answer = lent.post(&form).await;
        assert_eq!((answer.status.as_u16(), answer.location()), (200, None), "{name}: {answer:?}");
        assert!(answer.body.contains("同意して進む"), "{}", answer.body);
    }
    let asked = lent.ask(&[]).await;
    lent.scene
        .change("UPDATE service SET personal_data = REPLACE(personal_data, '学会', '出版社')")
        .await;
    let answer = lent.decide(&asked.body, "agree").await;
    assert!(answer.body.contains("出版社"), "{answer:?}");
    assert_eq!((lent.consents().await, lent.scene.codes().await), (0, 0));
    for (form, status) in [(vec![], 400), (fields(&asked.body), 400)] {
        assert_eq!(lent.post(&form).await.status, status);
    }
    let mut form = fields(&answer.body);
    form.push(("decision", "perhaps".to_owned()));
    assert_eq!(lent.post(&form).await.status, 400);
    // From a page of another site.
    form.pop();
    form.push(("decision", "agree".to_owned()));
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let scene = &lent.scene;
    let path = "/authorize/consent";
    let foreign =
        scene.post_from("https://evil.example", &scene.terminal, &scene.cookie, path, &form);
    assert_eq!(foreign.await.status, 403);
    assert_eq!(lent.consents().await, 0);
}

#[tokio::test]
async fn whoever_takes_it_back_ends_what_was_given_out_at_once() {
    let lent = Lent::new().await;
    lent.agree().await;
    let page = lent.scene.get("/consents", true, &lent.scene.terminal).await;
    for said in ["紹介状", "研修の案内", "施設名", "同意を取り消す"] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    let tokens = lent.tokens().await;
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(lent.scene.userinfo(access).await.status, 200);
    let code = back(&lent.ask(&[]).await, "code").unwrap();
    let taken_back = lent.scene.post("/consents/withdraw", &[("service", "lent")]).await;
    assert_eq!(taken_back.location().unwrap().path(), "/consents", "{taken_back:?}");
    assert_eq!(lent.scene.userinfo(access).await.status, 401);
    assert_eq!(lent.refresh(&tokens).await.json()["error"], "invalid_grant");
    assert_eq!(lent.exchange(&code).await.json()["error"], "invalid_grant");
    assert!(lent.has_told("token.issue refused consent_required").await);
    assert!(lent.has_told("consent.withdraw done").await);
    assert_eq!(lent.ask(&[]).await.status, 200, "asked again");
    for nothing in ["lent", "referral", "nobody"] {
        let again = lent.scene.post("/consents/withdraw", &[("service", nothing)]).await;
        assert_eq!(again.status, 404, "{nothing}");
    }
    let page = lent.scene.get("/consents?notice=withdrawn", true, &lent.scene.terminal).await;
    assert!(page.body.contains("同意したものはありません"), "{}", page.body);
}

#[tokio::test]
async fn of_joint_use_everybody_reads_and_nobody_is_asked() {
    let lent = Lent::new().await;
    lent.scene.register(&declaring_file("joint", "joint_use")).await;
    let request = Scene::request_of("joint", "https://joint.example/callback");
    assert_eq!(lent.scene.authorize(&request).await.status, 303);
    for (path, said) in [
        ("/personal-data", vec!["href=\"/personal-data/joint\"", "href=\"/personal-data/lent\""]),
        (
            "/personal-data/joint",
            vec![
                "共同して利用する者の範囲",
                "学会事務局（東京都）",
                "研修の案内",
                "医療機関コードなど",
            ],
        ),
        ("/personal-data/lent", vec!["提供先", "本人の同意を確認します"]),
    ] {
        let html = [("accept", "text/html"), ("accept-language", "ja")];
        let answer = lent.scene.public("GET", path, &html, "").await;
        assert_eq!(answer.status, 200, "{path}");
        for said in said {
            assert!(answer.body.contains(said), "{path}: {said}: {}", answer.body);
        }
    }
    for nothing in ["/personal-data/referral", "/personal-data/nobody", "/personal-data/%00"] {
        let answer = lent.scene.public("GET", nothing, &[("accept", "text/html")], "").await;
        assert!(answer.status.is_client_error(), "{nothing}: {answer:?}");
    }
    let tile = lent.scene.get("/", true, &lent.scene.terminal).await.body;
    assert!(
        tile.contains("href=\"/personal-data/joint\"") && !tile.contains("/personal-data/referral")
    );
}

#[tokio::test]
async fn a_service_that_is_called_gets_no_token_before_the_person_agreed_to_it() {
    let scene = Scene::new().await;
    let client = TestClient::new("calling");
    let records = declaring_file("records", "third_party")
        .replace("\n[[rules]]", &format!("\nresources = [\"{RECORDS}\"]\n[[rules]]"));
    let secret = scene.register(&records).await;
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    let protocol =
        format!("calls = [\"records\"]\ngrant_types = [\"authorization_code\", \"{exchange}\"]");
    scene.register(&client.file(&protocol)).await;
    let ask = async |resource: Option<&str>| {
        let mut request = client.request();
        request.extend(resource.map(|resource| ("resource", resource.to_owned())));
        let reference = client.push(&scene, &request).await;
        client.answered(&scene, &reference).await
    };
    let refused = ask(Some(RECORDS)).await;
    assert_eq!(refused.get("error"), Some("consent_required"), "{refused:?}");
    let own = ask(None).await;
    let tokens =
        client.post(&scene, "/token", &client.exchange(own.get("code").unwrap()), None).await;
    let subject = tokens.json()["access_token"].as_str().unwrap().to_owned();
    let exchanged = async || {
        let form = [
            ("grant_type", exchange.to_owned()),
            ("subject_token", subject.clone()),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token".to_owned()),
            ("resource", RECORDS.to_owned()),
        ];
        client.post(&scene, "/token", &form, None).await.json()
    };
    assert_eq!(exchanged().await["error"], "invalid_target");
    assert!(scene.acts().await.contains(&"token.exchange refused consent_required".to_owned()));

    let request = Scene::request_of("records", "https://records.example/callback");
    let asked = scene.authorize(&request).await;
    let mut form = fields(&asked.body);
    form.push(("decision", "agree".to_owned()));
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(scene.post("/authorize/consent", &form).await.status, 303);
    assert!(ask(Some(RECORDS)).await.get("code").is_some());
    let called = exchanged().await["access_token"].as_str().unwrap().to_owned();
    let active = async || {
        let basic = basic("records", &secret);
        let headers = [("authorization", basic.as_str())];
        let body = query(&[("token", called.as_str())]);
        scene.public("POST", "/introspect", &headers, &body).await.json()["active"].clone()
    };
    assert_eq!(active().await, json!(true));
    scene.post("/consents/withdraw", &[("service", "records")]).await;
    assert_eq!(active().await, json!(false));
}
