//! Codes, refresh tokens and requests sent ahead, at both processes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{RequestBuilder, StatusCode};
use sekisho::demo::{browser::Browser, process::run};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use crate::pair::{Both, Pair, RACERS, at_once, only, sekisho};

pub const CLIENT: &str = "referral";
const CALLBACK: &str = "https://referral.example/callback";
const VERIFIER: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH";

/// A service whose user is logged in.
pub struct Service<'a> {
    pair: &'a Pair,
    pub physician: &'a Both,
    programs: Both,
    secret: String,
}

impl<'a> Service<'a> {
    pub async fn register(pair: &'a Pair, physician: &'a Both) -> Self {
        let file = pair.stage.folder.join("referral.toml");
        let text = format!(
            "id = \"{CLIENT}\"\nname = {{ ja = \"紹介\", en = \"Referral\" }}\n\
             description = {{ ja = \"紹介状\", en = \"Letters\" }}\n\
             home_url = \"https://referral.example/\"\nredirect_uris = [\"{CALLBACK}\"]\n\
             authentication = \"client_secret_basic\"\nscopes = [\"openid\", \"hc_role\"]\n\
             [protocol]\ngrant_types = [\"authorization_code\", \"refresh_token\"]\n\
             [[rules]]\nid = \"physicians\"\nroles = [\"Medical Doctor\"]\nrelease = [\"hc_role\"]\n"
        );
        std::fs::write(&file, text).unwrap();
        let (folder, file) = (pair.stage.instance.to_str().unwrap(), file.to_str().unwrap());
        let made = run(sekisho(&["service", "add", folder, file, "--json"])).await.unwrap();
        let made: Value = serde_json::from_str(&made).unwrap();
        let secret = made["client_secret"].as_str().unwrap().to_owned();
        Self { pair, physician, programs: pair.browser(), secret }
    }

    fn request() -> Vec<(&'static str, String)> {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        vec![
            ("response_type", "code".to_owned()),
            ("client_id", CLIENT.to_owned()),
            ("redirect_uri", CALLBACK.to_owned()),
            ("scope", "openid hc_role".to_owned()),
            ("state", "s".to_owned()),
            ("nonce", "n".to_owned()),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256".to_owned()),
        ]
    }

    fn authorize(&self, parameters: &[(&str, String)]) -> Url {
        let endpoint = format!("{}/authorize", self.pair.stage.origins.terminal);
        Url::parse_with_params(&endpoint, parameters).unwrap()
    }

    /// The first process gives the code.
    async fn code(&self) -> String {
        let request = self.authorize(&Self::request());
        let given = self.physician.one.open_once(request.as_str()).await.unwrap();
        let location = given.location.clone().unwrap_or_else(|| panic!("{}", given.summary()));
        code_in(&location).unwrap_or_else(|| panic!("{location}"))
    }

    /// Whether the one process gives a code now.
    pub async fn is_admitted(&self, at: &Browser) -> bool {
        let request = self.authorize(&Self::request());
        let answer = at.open_once(request.as_str()).await.unwrap();
        let led_back = answer.location.as_deref().filter(|at| at.starts_with(CALLBACK));
        led_back.and_then(code_in).is_some()
    }

    /// A form to a path of the public name, at one of the two.
    fn post(&self, number: usize, path: &str, form: &[(&str, String)]) -> RequestBuilder {
        let url = format!("{}{path}", self.pair.stage.origins.public);
        let client = self.programs.nth(number).client();
        client.post(url).basic_auth(CLIENT, Some(&self.secret)).form(form)
    }

    fn exchange(code: String) -> Vec<(&'static str, String)> {
        vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code),
            ("redirect_uri", CALLBACK.to_owned()),
            ("code_verifier", VERIFIER.to_owned()),
        ]
    }

    /// One of many uses gives tokens, the others are refused and take them back, at both.
    async fn used_once_and_taken_back(&self, form: &[(&str, String)]) {
        let answers = at_once((0..RACERS).map(|number| self.post(number, "/token", form))).await;
        for refused in answers.iter().filter(|answer| answer.status != StatusCode::OK) {
            let error: Value = serde_json::from_str(&refused.body).unwrap();
            assert_eq!(
                (refused.status, &error["error"]),
                (StatusCode::BAD_REQUEST, &"invalid_grant".into())
            );
        }
        let tokens: Value = serde_json::from_str(&only(answers, StatusCode::OK).body).unwrap();
        let access_token = tokens["access_token"].as_str().unwrap();
        for at in [&self.programs.one, &self.programs.two] {
            let url = format!("{}/userinfo", self.pair.stage.origins.public);
            let told = at.client().get(url).bearer_auth(access_token).send().await.unwrap();
            assert_eq!(told.status(), StatusCode::UNAUTHORIZED);
        }
    }
}

fn code_in(location: &str) -> Option<String> {
    let location = Url::parse(location).ok()?;
    assert!(location.as_str().starts_with(CALLBACK), "{location}");
    let found = location.query_pairs().find(|(name, _)| name == "code")?;
    Some(found.1.into_owned())
}

/// RFC 6749 §4.1.2.
pub async fn an_authorization_code_gives_tokens_once_and_a_second_use_takes_them_back(
    service: &Service<'_>,
) {
    service.used_once_and_taken_back(&Service::exchange(service.code().await)).await;
}

/// RFC 9700 §4.14.2.
pub async fn a_refresh_token_is_exchanged_once_and_a_second_use_ends_its_grant(
    service: &Service<'_>,
) {
    let form = Service::exchange(service.code().await);
    let tokens: Value =
        service.post(0, "/token", &form).send().await.unwrap().json().await.unwrap();
    let refresh_token = tokens["refresh_token"].as_str().unwrap().to_owned();
    let form = [("grant_type", "refresh_token".to_owned()), ("refresh_token", refresh_token)];
    service.used_once_and_taken_back(&form).await;
}

/// RFC 9126 §7.3.
pub async fn a_request_sent_ahead_to_one_is_answered_once_by_both(service: &Service<'_>) {
    let pushed = service.post(0, "/par", &Service::request()).send().await.unwrap();
    assert_eq!(pushed.status(), StatusCode::CREATED);
    let pushed: Value = pushed.json().await.unwrap();
    let reference = pushed["request_uri"].as_str().unwrap().to_owned();
    let url = service.authorize(&[("client_id", CLIENT.to_owned()), ("request_uri", reference)]);
    let answers =
        at_once((0..RACERS).map(|number| service.physician.nth(number).client().get(url.clone())))
            .await;
    let codes = answers.iter().filter_map(|answer| code_in(answer.location.as_deref()?)).count();
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(codes, 1, "{statuses:?}");
}
