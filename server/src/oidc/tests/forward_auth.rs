//! A service behind a proxy that asks about each request. The proxy is played by these tests; a real nginx
//! is in `tests/tests/relying_parties`.

use serde_json::Value;

use super::{
    own_keys::verified,
    scene::{Answer, PHARMACISTS, PHYSICIANS, Scene, basic, guarded_file},
};

const HOST: &str = "https://guarded.example";

struct Guarded {
    scene: Scene,
    basic: String,
}

impl Guarded {
    async fn new() -> Self {
        Self::with(PHYSICIANS).await
    }

    async fn with(rules: &str) -> Self {
        let scene = Scene::new().await;
        let secret = scene.register(&guarded_file(rules)).await;
        Self { scene, basic: basic("guarded", &secret) }
    }

    async fn asked(&self, method: &str, path: &str, fields: &[(&'static str, &str)]) -> Answer {
        let mut all = vec![("authorization", self.basic.as_str())];
        all.extend(fields);
        self.scene.public(method, path, &all, "").await
    }

    async fn verify(&self, cookie: &str, uri: &str) -> Answer {
        self.asked("GET", "/forward-auth/verify", &[("cookie", cookie), ("x-original-uri", uri)])
            .await
    }

    /// Off to log in; the cookie of the browser and where the portal sends it back to.
    async fn begun(&self, to: &str) -> (String, String) {
        let login = self.verify("a=b", to).await;
        assert_eq!(login.status, 401);
        let login = login.headers["x-sso-login"].to_str().unwrap().to_owned();
        let login = login.replace("/.sso/", "/forward-auth/");
        let start = self.asked("GET", &login, &[]).await;
        assert_eq!(start.status, 303, "{start:?}");
        let cookie = first_pair(&start);
        let location = start.location().unwrap();
        let at = format!("/authorize?{}", location.query().unwrap());
        let back = self.scene.get(&at, true, &self.scene.terminal).await.location().unwrap();
        assert!(back.as_str().starts_with(&format!("{HOST}/.sso/callback?")), "{back}");
        (cookie, format!("/forward-auth/callback?{}", back.query().unwrap()))
    }

    /// The cookie that stands for a login.
    async fn logged_in(&self) -> String {
        let (browser, callback) = self.begun("/records?id=1&x=%E3%81%82").await;
        let back = self.asked("GET", &callback, &[("cookie", &browser)]).await;
        assert_eq!(back.headers["location"], "/records?id=1&x=%E3%81%82");
        first_pair(&back)
    }
}

fn first_pair(answer: &Answer) -> String {
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn somebody_who_logged_in_passes_with_what_the_service_may_know() {
    let guarded = Guarded::new().await;
    let cookie = guarded.logged_in().await;
    let passed = guarded.verify(&cookie, "/records").await;
    assert_eq!(passed.status, 200);
    let field = |name: &str| passed.headers[name].to_str().unwrap().to_owned();
    assert_eq!(field("x-sso-roles"), "Medical Doctor");
    assert!(field("x-sso-name").starts_with("%E5%B1%B1%E7%94%B0"), "山田: {}", field("x-sso-name"));
    // Nothing to tell, and told: what a browser says of itself is replaced by it.
    assert_eq!(field("x-sso-break-glass-id"), "");
    let app = &guarded.scene.test.app;
    let claims = verified(app, "forward-auth+jwt", &field("x-sso-assertion")).await;
    assert_eq!(claims["aud"], "guarded");
    assert_eq!(claims["iss"], app.names().public.as_str());
    assert_eq!(claims["sub"], field("x-sso-subject"));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    let token: Option<Value> =
        app.token_keys().verified(app, &field("x-sso-assertion"), "JWT").await.unwrap();
    assert!(token.is_none(), "nobody takes it for an ID token");
    let as_token = guarded.scene.userinfo(&field("x-sso-assertion")).await;
    assert_eq!(as_token.status, 401);
}

#[tokio::test]
async fn whatever_ends_the_login_ends_it_here_at_the_next_request() {
    for end in ["logout", "rules", "revoked"] {
        let guarded = Guarded::new().await;
        let cookie = guarded.logged_in().await;
        assert_eq!(guarded.verify(&cookie, "/").await.status, 200);
        match end {
            "logout" => guarded.scene.end_session().await,
            "rules" => super::refresh::rules(&guarded.scene, "guarded", PHARMACISTS).await,
            _ => {
                let der = guarded.scene.terminal[0].to_vec();
                guarded.scene.revoke_certificate(&der).await;
            }
        }
        assert_eq!(guarded.verify(&cookie, "/").await.status, 401, "{end}");
    }
}

#[tokio::test]
async fn what_an_emergency_opened_is_closed_with_it_and_said_in_field_and_assertion() {
    let rules = PHYSICIANS.replace("kinds", "prefectures = [\"01\"]\nemergency = true\nkinds");
    let guarded = Guarded::with(&rules).await;
    let scene = &guarded.scene;
    let words = [("reason", "disaster"), ("words", "地震のため、ほかの県の患者を診ています。")];
    assert_eq!(scene.post("/emergency", &words).await.status, 303);
    let end = scene.test.app.now().unix_timestamp() + 3_600;
    let cookie = guarded.logged_in().await;
    scene.test.clock.advance(time::Duration::seconds(3_570));
    let passed = guarded.verify(&cookie, "/").await;
    assert_eq!(passed.status, 200);
    let assertion = passed.headers["x-sso-assertion"].to_str().unwrap();
    let claims = verified(&scene.test.app, "forward-auth+jwt", assertion).await;
    assert_eq!((&claims["break_glass"], &claims["exp"]), (&true.into(), &end.into()));
    assert_eq!(claims["break_glass_id"], passed.headers["x-sso-break-glass-id"].to_str().unwrap());
    scene.test.clock.advance(time::Duration::seconds(30));
    assert_eq!(guarded.verify(&cookie, "/").await.status, 401);
}

#[tokio::test]
async fn a_cookie_is_of_no_use_without_the_proxy_s_secret_and_at_no_other_service() {
    let guarded = Guarded::new().await;
    let cookie = guarded.logged_in().await;
    let other = guarded_file(PHYSICIANS).replace("guarded", "other");
    let other = basic("other", &guarded.scene.register(&other).await);
    let plain = basic("referral", &guarded.scene.secret);
    let nobody = basic("guarded", "wrong");
    for (credentials, status) in [(other, 401), (plain, 403), (nobody, 403)] {
        let fields = [("authorization", credentials.as_str()), ("cookie", &cookie)];
        let answer = guarded.scene.public("GET", "/forward-auth/verify", &fields, "").await;
        assert_eq!(answer.status, status);
        assert!(!answer.headers.contains_key("x-sso-subject"));
    }
    let bare =
        guarded.scene.public("GET", "/forward-auth/verify", &[("cookie", &cookie)], "").await;
    assert_eq!(bare.status, 403, "a 401 would send people round in circles");
    let twice = format!("{cookie}; {cookie}");
    assert_eq!(guarded.verify(&twice, "/").await.status, 401);
}

#[tokio::test]
async fn a_login_ends_in_the_browser_that_began_it_and_its_code_counts_once() {
    let guarded = Guarded::new().await;
    let (browser, callback) = guarded.begun("/").await;
    let (foreign, _) = guarded.begun("/").await;
    for (cookie, path) in [
        (foreign.as_str(), callback.clone()),
        ("a=b", callback.clone()),
        (&browser, callback.replace("state=", "state=A")),
        (&browser, callback.replace("iss=https", "iss=http")),
        (&browser, "/forward-auth/callback?code=a".to_owned()),
    ] {
        let answer = guarded.asked("GET", &path, &[("cookie", cookie)]).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    let good = guarded.asked("GET", &callback, &[("cookie", &browser)]).await;
    let cookie = first_pair(&good);
    assert_eq!(guarded.verify(&cookie, "/").await.status, 200, "nothing of this spoilt the code");
    // The browser's way back: the code is used, so what it led to is withdrawn.
    let again = guarded.asked("GET", &callback, &[("cookie", &browser)]).await;
    assert_eq!(again.status, 303);
    assert!(!again.headers.contains_key("set-cookie"));
    assert_eq!(guarded.verify(&cookie, "/").await.status, 401);
}

#[tokio::test]
async fn a_request_that_no_browser_can_repeat_is_not_sent_to_log_in() {
    let guarded = Guarded::new().await;
    let ask = async |fields: &[(&'static str, &str)]| {
        guarded.asked("GET", "/forward-auth/verify", fields).await
    };
    let posted = ask(&[("x-original-uri", "/a"), ("x-original-method", "POST")]).await;
    assert_eq!(posted.status, 401);
    assert!(!posted.headers.contains_key("x-sso-login"));
    let traefik = ask(&[("x-forwarded-uri", "/a?b=c"), ("x-forwarded-method", "GET")]).await;
    assert_eq!(traefik.status, 303);
    assert_eq!(traefik.headers["location"], format!("{HOST}/.sso/start?to=%2Fa%3Fb%3Dc").as_str());
    // Behind nginx the browser's own field says nothing.
    let nginx = ask(&[("x-forwarded-uri", "/evil"), ("x-original-uri", "/a")]).await;
    assert_eq!(nginx.status, 401);
    assert_eq!(nginx.headers["x-sso-login"], "/.sso/start?to=%2Fa");
    let (_, callback) = guarded.begun("//evil.example/").await;
    let state = url::Url::parse(&format!("{HOST}{callback}")).unwrap();
    assert!(!state.as_str().contains("evil"));
}

#[tokio::test]
async fn only_the_service_s_own_page_logs_out() {
    let guarded = Guarded::new().await;
    let (earlier, cookie) = (guarded.logged_in().await, guarded.logged_in().await);
    for origin in [None, Some("https://evil.example"), Some("null")] {
        let mut fields = vec![("cookie", cookie.as_str())];
        fields.extend(origin.map(|origin| ("origin", origin)));
        let answer = guarded.asked("POST", "/forward-auth/logout", &fields).await;
        assert_eq!(answer.status, 403, "{origin:?}");
    }
    let fields = [("cookie", cookie.as_str()), ("origin", HOST)];
    let answer = guarded.asked("POST", "/forward-auth/logout", &fields).await;
    assert_eq!(answer.status, 303);
    assert!(answer.headers["set-cookie"].to_str().unwrap().starts_with("__Host-sso=;"));
    // Whether or not the browser goes on to the portal: a copy of the cookie is of no use any more.
    for copied in [&cookie, &earlier] {
        assert_eq!(guarded.verify(copied, "/").await.status, 401);
    }
    let ended = guarded.scene.acts().await;
    assert_eq!(ended.iter().filter(|act| *act == "token.revoke done").count(), 1);
    let again = guarded.asked("POST", "/forward-auth/logout", &fields).await;
    assert_eq!(again.status, 303);
    assert_eq!(guarded.scene.acts().await.len(), ended.len(), "there is nothing left to end");
    let location = answer.location().unwrap();
    let at = format!("/end-session?{}", location.query().unwrap());
    let left = guarded.scene.get(&at, true, &guarded.scene.terminal).await;
    assert_eq!(left.headers["location"], format!("{HOST}/bye").as_str(), "without a question");
}

#[tokio::test]
async fn a_person_whom_the_rules_refuse_is_told_and_not_sent_round() {
    let scene = Scene::new().await;
    let secret = scene.register(&guarded_file(PHARMACISTS)).await;
    let guarded = Guarded { scene, basic: basic("guarded", &secret) };
    let login = guarded.asked("GET", "/forward-auth/start?to=%2F", &[]).await;
    let browser = first_pair(&login);
    let sent = login.location().unwrap();
    let state = sent.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let iss = guarded.scene.test.app.names().public.clone();
    for (error, status, said, again) in [
        ("access_denied", 403, "このサービスは利用できません", false),
        ("temporarily_unavailable", 503, "しばらくしてからやり直してください", true),
        ("server_error", 500, "しばらくしてからやり直してください", false),
    ] {
        let back = super::scene::query(&[("error", error), ("state", &state), ("iss", &iss)]);
        let path = format!("/forward-auth/callback?{back}");
        let answer = guarded.asked("GET", &path, &[("cookie", &browser)]).await;
        assert_eq!(answer.status, status, "{error}");
        assert!(answer.body.contains(said), "{error}: {}", answer.body);
        assert_eq!(answer.headers.contains_key("retry-after"), again, "{error}");
    }
}
