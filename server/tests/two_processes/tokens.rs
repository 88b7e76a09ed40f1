//! An authorization code at both token endpoints.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::StatusCode;
use sekisho::demo::process::run;
use sha2::{Digest, Sha256};
use url::Url;

use crate::pair::{Both, Pair, RACERS, at_once, sekisho};

const CLIENT: &str = "referral";
const CALLBACK: &str = "https://referral.example/callback";
const VERIFIER: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH";

async fn register(pair: &Pair) -> String {
    let file = pair.stage.folder.join("referral.toml");
    let text = format!(
        "id = \"{CLIENT}\"\nname = {{ ja = \"紹介\", en = \"Referral\" }}\n\
         description = {{ ja = \"紹介状\", en = \"Letters\" }}\n\
         home_url = \"https://referral.example/\"\nredirect_uris = [\"{CALLBACK}\"]\n\
         authentication = \"client_secret_basic\"\nscopes = [\"openid\", \"hc_role\"]\n\n\
         [[rules]]\nid = \"physicians\"\nroles = [\"Medical Doctor\"]\nrelease = [\"hc_role\"]\n"
    );
    std::fs::write(&file, text).unwrap();
    let (folder, file) = (pair.stage.instance.to_str().unwrap(), file.to_str().unwrap());
    let made = run(sekisho(&["service", "add", folder, file, "--json"])).await.unwrap();
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    made["client_secret"].as_str().unwrap().to_owned()
}

pub async fn an_authorization_code_gives_tokens_once_and_a_second_use_takes_them_back(
    pair: &Pair,
    physician: &Both,
) {
    let secret = register(pair).await;
    let origins = &pair.stage.origins;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let request = Url::parse_with_params(
        &format!("{}/authorize", origins.terminal),
        [
            ("response_type", "code"),
            ("client_id", CLIENT),
            ("redirect_uri", CALLBACK),
            ("scope", "openid hc_role"),
            ("state", "s"),
            ("nonce", "n"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ],
    )
    .unwrap();
    // The first process gives the code; both are asked for tokens.
    let given = physician.one.open_once(request.as_str()).await.unwrap();
    let location = given.location.clone().unwrap_or_else(|| panic!("{}", given.summary()));
    let location = Url::parse(&location).unwrap();
    assert!(location.as_str().starts_with(CALLBACK), "{location}");
    let code = location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();

    let service = pair.browser();
    let answers = at_once((0..RACERS).map(|number| {
        service
            .nth(number)
            .client()
            .post(format!("{}/token", origins.public))
            .basic_auth(CLIENT, Some(&secret))
            .form(&[
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", CALLBACK),
                ("code_verifier", VERIFIER),
            ])
    }))
    .await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    let (given, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == StatusCode::OK);
    assert_eq!((given.len(), refused.len()), (1, RACERS - 1), "{statuses:?}");
    for answer in refused {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let error: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(error["error"], "invalid_grant");
    }
    // RFC 6749 §4.1.2: what the first use produced is withdrawn, at both.
    let tokens: serde_json::Value = serde_json::from_str(&given[0].body).unwrap();
    let access_token = tokens["access_token"].as_str().unwrap();
    for at in [&service.one, &service.two] {
        let told = at
            .client()
            .get(format!("{}/userinfo", origins.public))
            .bearer_auth(access_token)
            .send()
            .await
            .unwrap();
        assert_eq!(told.status(), StatusCode::UNAUTHORIZED);
    }
}
