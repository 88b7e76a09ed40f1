//! A physician's desk: a terminal, a browser with its page, and cards of a look-alike HPKI.

use std::sync::OnceLock;

use axum::body::Body;
use axum::response::Response;
use http::{Request, header};
use http_body_util::BodyExt;
use sekisho_ca::lookalike::{CardHolder, CardUse, LookalikeHpki};
use sekisho_key::{RsaSize, SigningKey, SoftwareKey, SystemRandomness};
use sekisho_protocol::{
    Base64Url, ExchangeId, Jwk, PresenceId, Sha256Digest,
    answer::{CardAlgorithm, CardAnswer, LoginSubmission, PageProof, TerminalProof},
    occasion::Occasion,
    request::LoginRequest,
    signed_input::SignedInput,
};
use sekisho_store::{
    Queries, StoreError, Tx,
    audit::{self, Actor, Audited, Entry},
    invitation::{self, Kind, NewInvitation},
    sql, transaction,
};
use serde_json::{Value as Json, json};
use time::{Duration, OffsetDateTime, macros::datetime};
use tower::ServiceExt;

use crate::{
    config::Settings,
    demo::{at_work, cards},
    listener::Peer,
    paper_code::PaperCode,
    router,
    testing::{self, TestApp, TestTerminal},
};

pub const NOW: OffsetDateTime = datetime!(2026-11-21 09:00 UTC);
pub const PRESENCE: [u8; 16] = [5; 16];

/// The hierarchy that is trusted, and one that is not. Made once: RSA keys take their time.
pub fn hpki() -> &'static LookalikeHpki {
    static MADE: OnceLock<LookalikeHpki> = OnceLock::new();
    MADE.get_or_init(|| LookalikeHpki::make(NOW, 0, "http://plain.example/hpki").unwrap())
}

pub fn foreign_hpki() -> &'static LookalikeHpki {
    static MADE: OnceLock<LookalikeHpki> = OnceLock::new();
    MADE.get_or_init(|| LookalikeHpki::make(NOW, 1, "http://plain.example/foreign").unwrap())
}

fn card_key() -> &'static SoftwareKey {
    static MADE: OnceLock<SoftwareKey> = OnceLock::new();
    MADE.get_or_init(|| SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap())
}

/// What is printed on a card; the key behind all of them is one.
#[derive(Clone, Copy)]
pub struct Card {
    pub hpki: &'static LookalikeHpki,
    pub kanji: &'static str,
    pub serial_number: &'static str,
    pub role: &'static str,
    pub used_for: CardUse,
    pub serial: u32,
    pub not_after: OffsetDateTime,
}

pub fn physician() -> Card {
    Card {
        hpki: hpki(),
        kanji: "山田　太郎",
        serial_number: "DEMO00001",
        role: "Medical Doctor",
        used_for: CardUse::Authentication,
        serial: 100,
        not_after: NOW + Duration::days(365),
    }
}

/// A card in the reader.
pub trait InReader {
    /// Its certificate for authentication, DER.
    fn certificate(&self) -> Vec<u8>;

    /// The key behind it.
    fn key(&self) -> &SoftwareKey {
        card_key()
    }

    /// The agent's name for it.
    fn presence(&self) -> PresenceId {
        PresenceId::new(PRESENCE)
    }
}

impl InReader for Card {
    fn certificate(&self) -> Vec<u8> {
        let holder = CardHolder {
            common_name: "Taro Yamada",
            kanji_name: self.kanji,
            serial_number: self.serial_number,
            roles: &[self.role],
            organisation: None,
        };
        let validity = (NOW - Duration::days(600), self.not_after);
        let forge = self.hpki.forge_card(&holder, self.used_for, card_key(), self.serial, validity);
        forge.unwrap().sign(&self.hpki.sub_ca.key).unwrap()
    }
}

/// One browser at one terminal.
pub struct Desk {
    pub terminal: TestTerminal,
    pub page_key: SoftwareKey,
    pub browser_cookie: Option<String>,
    pub session_cookie: Option<String>,
    /// Of the browser profile.
    pub profile_cookie: Option<String>,
}

/// An instance that trusts the look-alike, with current lists that revoke nothing.
pub async fn instance() -> TestApp {
    instance_with(Settings::default()).await
}

/// The same with this configuration.
pub async fn instance_with(settings: Settings) -> TestApp {
    furnished(testing::app_with(settings).await).await
}

/// With the cards' look-alike trusted.
pub async fn furnished(test: TestApp) -> TestApp {
    for folder in ["anchors/hpki", "crls/hpki"] {
        std::fs::create_dir_all(test.folder.path().join(folder)).unwrap();
    }
    cards::trust(test.folder.path(), hpki(), NOW).unwrap();
    test.app.card_trust().reload().await;
    test
}

/// What a login by this card would have left behind, without one: its certificate, as a person's, and evidence;
/// answers the identifier of the latter.
pub async fn proof(tx: &mut Tx, person_id: &str, card: &Card, terminal: [u8; 32]) -> String {
    let id = format!("card of {person_id}");
    tx.execute(
        sql("INSERT INTO card_identity (id, person_id, issuer_hash, issuer, serial_number, linked_at, world)
             VALUES ($1, $2, $3, 'look-alike', $4, $5, 'real') ON CONFLICT DO NOTHING")
        .bind(&id)
        .bind(person_id)
        .bind([1; 32])
        .bind(card.serial_number)
        .bind(NOW),
    )
    .await
    .unwrap();
    at_work::proof(tx, &id, (&card.certificate(), card.not_after), terminal, NOW).await.unwrap()
}

pub fn write(test: &TestApp, path: &str, content: &[u8]) {
    std::fs::write(test.folder.path().join(path), content).unwrap();
}

/// Puts the sub-CA's list into the folder and has it read.
pub async fn publish(test: &TestApp, revoked: &[u32], this_update: OffsetDateTime) {
    write(test, "crls/hpki/auth.crl", &hpki().card_crl(revoked, this_update).unwrap());
    test.app.card_trust().reload().await;
}

pub async fn desk(test: &TestApp, seed: u64) -> Desk {
    Desk {
        terminal: testing::terminal(&test.app, seed).await,
        page_key: SoftwareKey::generate_p256().unwrap(),
        browser_cookie: None,
        session_cookie: None,
        profile_cookie: None,
    }
}

pub fn jwk(key: &SoftwareKey) -> Jwk {
    Jwk::from_spki_der(key.public_key_der()).unwrap()
}

/// The request within a challenge.
pub fn request_of(challenge: &Json) -> LoginRequest {
    let payload = challenge["request"].as_str().unwrap().split('.').nth(1).unwrap();
    let payload = sekisho_protocol::octets::decode(payload).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

pub struct Answered {
    pub status: u16,
    pub location: Option<String>,
    pub text: String,
}

impl Answered {
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// The code of a problem.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_else(|| panic!("{}", self.text)).to_owned()
    }
}

impl Desk {
    /// Another browser at the same terminal.
    pub fn beside(&self) -> Self {
        Self {
            terminal: self.terminal.clone(),
            page_key: SoftwareKey::generate_p256().unwrap(),
            browser_cookie: None,
            session_cookie: None,
            profile_cookie: None,
        }
    }

    pub async fn get(&mut self, test: &TestApp, path: &str) -> Answered {
        self.send(test, "GET", path, None, String::new()).await
    }

    /// A page as a browser asks for it that adds these headers.
    pub async fn open_with(
        &self,
        test: &TestApp,
        path: &str,
        headers: &[(&str, Option<&str>)],
    ) -> String {
        let peer: Peer = self.terminal.peer.clone();
        let mut request = Request::builder()
            .uri(path)
            .header(header::HOST, test.app.names().authority(peer.role))
            .header(header::ACCEPT, "text/html")
            .extension(peer);
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(*name, *value);
            }
        }
        let request = request.body(Body::empty()).unwrap();
        let response = router::terminal(&test.app).oneshot(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    pub async fn post_json(&mut self, test: &TestApp, path: &str, body: String) -> Answered {
        self.send(test, "POST", path, Some("application/json"), body).await
    }

    pub async fn post_form(&mut self, test: &TestApp, path: &str, body: &str) -> Answered {
        let content_type = "application/x-www-form-urlencoded";
        self.send(test, "POST", path, Some(content_type), body.to_owned()).await
    }

    async fn send(
        &mut self,
        test: &TestApp,
        method: &str,
        path: &str,
        content_type: Option<&str>,
        body: String,
    ) -> Answered {
        let peer: Peer = self.terminal.peer.clone();
        let origin = test.app.names().terminal.clone();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, test.app.names().authority(peer.role))
            .header(header::ACCEPT, "text/html")
            .extension(peer);
        if method == "POST" {
            request =
                request.header(header::ORIGIN, origin).header("sec-fetch-site", "same-origin");
        }
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let cookies = [&self.browser_cookie, &self.session_cookie, &self.profile_cookie];
        for cookie in cookies.into_iter().flatten() {
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(Body::from(body)).unwrap();
        let response: Response = router::terminal(&test.app).oneshot(request).await.unwrap();
        for line in response.headers().get_all(header::SET_COOKIE) {
            let pair = line.to_str().unwrap().split(';').next().unwrap().to_owned();
            let kept = (!pair.ends_with('=')).then_some(pair.clone());
            if pair.starts_with("__Host-browser=") {
                self.browser_cookie = kept;
            } else if pair.starts_with("__Host-session=") {
                self.session_cookie = kept;
            } else if pair.starts_with("__Host-profile=") {
                self.profile_cookie = kept;
            }
        }
        let location = response.headers().get(header::LOCATION);
        let location = location.map(|value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Answered { status, location, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// Opens the login page and gets a challenge.
    pub async fn begin(&mut self, test: &TestApp, invitation: bool) -> Json {
        self.get(test, "/login").await;
        let answered = self.ask(test, json!({"invitation": invitation})).await;
        assert_eq!(answered.status, 200, "{}", answered.text);
        answered.json()
    }

    /// Asks for a challenge with these members beside the page's key.
    pub async fn ask(&mut self, test: &TestApp, body: Json) -> Answered {
        self.ask_at(test, "/login/challenge", body).await
    }

    /// The same of another page.
    pub async fn ask_at(&mut self, test: &TestApp, path: &str, mut body: Json) -> Answered {
        body["page_key"] = serde_json::to_value(jwk(&self.page_key)).unwrap();
        self.post_json(test, path, body.to_string()).await
    }

    /// What page, agent and card make of a challenge, spoilt by `spoil` before the card signs.
    pub async fn answer(
        &self,
        challenge: &Json,
        card: &impl InReader,
        spoil: impl FnOnce(&mut SignedInput),
    ) -> LoginSubmission {
        let request_jws = challenge["request"].as_str().unwrap();
        let request = request_of(challenge);
        let request_digest = Sha256Digest::of(request_jws);
        let certificate = card.certificate();
        let occasion = Occasion::of_claims(&request, request_digest);
        let mut input = SignedInput::new(occasion, &certificate);
        spoil(&mut input);
        let signature = card.key().sign(&input.to_bytes()).await.unwrap();
        let answer = CardAnswer {
            certificate: Base64Url(certificate),
            alg: CardAlgorithm::Rs256,
            signature: Base64Url(signature),
            presence: card.presence(),
        }
        .to_text();
        let proof = TerminalProof {
            request: request_digest,
            exchange: ExchangeId::new([4; 16]),
            confirmation_code: request.confirmation_code,
            agent_version: "0.1.0".parse().unwrap(),
            iat: request.iat,
        };
        let unsigned = proof.prepare(&jwk(&self.terminal.key)).unwrap();
        let signature = self.terminal.key.sign_fixed(unsigned.signing_input()).await.unwrap();
        let terminal_proof = unsigned.attach(signature.try_into().unwrap());
        let proof = PageProof {
            request: request_digest,
            answer: Sha256Digest::of(&answer),
            nonce: request.nonce,
        };
        let unsigned = proof.prepare(&jwk(&self.page_key)).unwrap();
        let signature = self.page_key.sign_fixed(unsigned.signing_input()).await.unwrap();
        let page_proof = unsigned.attach(signature.try_into().unwrap());
        LoginSubmission { terminal_proof, answer, page_proof, times: None }
    }

    pub async fn submit(&mut self, test: &TestApp, submission: &LoginSubmission) -> Answered {
        let body = serde_json::to_string(submission).unwrap();
        self.post_json(test, "/login/card", body).await
    }

    /// A whole login, honest from end to end.
    pub async fn login(
        &mut self,
        test: &TestApp,
        card: &impl InReader,
        invitation: bool,
    ) -> Answered {
        let challenge = self.begin(test, invitation).await;
        let submission = self.answer(&challenge, card, |_| {}).await;
        self.submit(test, &submission).await
    }

    /// Invites `name` as `role` to this desk's facility; the code as it is printed.
    pub async fn invite(&self, test: &TestApp, name: &str, role: &str) -> String {
        self.invite_by(test, Kind::Card, name, role).await
    }

    /// The same for somebody who comes with a card or without.
    pub async fn invite_by(&self, test: &TestApp, kind: Kind, name: &str, role: &str) -> String {
        let code = PaperCode::generate(&SystemRandomness).unwrap();
        let now = test.app.now();
        let outcome: Result<(), StoreError> = transaction!(test.app.store(), StoreError, |tx| {
            let new = NewInvitation {
                organisation_id: &self.terminal.organisation_id,
                kind,
                code_hash: &code.hash(),
                selector: &code.selector(),
                name,
                name_kana: "ヤマダ タロウ",
                expected_role: role,
                licence_number: None,
                created_by: "admin",
                created_at: now,
                expires_at: now + Duration::days(7),
                tries: 5,
            };
            invitation::create(tx, new).await?;
            Ok(Audited::new((), Entry::done("test.invite", Actor::System, now)))
        });
        outcome.unwrap();
        code.reveal().to_string()
    }

    /// Enters a code and then brings the card.
    pub async fn redeem(&mut self, test: &TestApp, code: &str, card: &impl InReader) -> Answered {
        self.get(test, "/invitation").await;
        let entered = self.post_form(test, "/invitation", &format!("code={code}")).await;
        assert_eq!(entered.location.as_deref(), Some("/login?invitation=true"), "{}", entered.text);
        self.login(test, card, true).await
    }

    /// Makes the physician a member here and logs them in.
    pub async fn admit(&mut self, test: &TestApp, card: &Card) {
        let code = self.invite(test, "山田 太郎", "Medical Doctor").await;
        let answered = self.redeem(test, &code, card).await;
        assert_eq!(answered.status, 200, "{}", answered.text);
    }
}

/// How many rows a statement counts.
pub async fn count(test: &TestApp, text: &'static str) -> i64 {
    let (count,): (i64,) = test.app.store().read().fetch_one(sql(text)).await.unwrap();
    count
}

pub async fn live_sessions(test: &TestApp) -> i64 {
    count(test, "SELECT COUNT(*) FROM session WHERE realm = 'portal' AND ended_at IS NULL").await
}

/// Whether the trail tells of this act, with this reason if it was refused.
pub async fn told(test: &TestApp, act: &str, reason: Option<&str>) -> bool {
    let records = audit::list(&mut test.app.store().read(), "", None, 10_000).await.unwrap();
    records.iter().any(|record| {
        let form: Json = serde_json::from_slice(&record.canonical).unwrap();
        form["act"] == act && form["reason"].as_str() == reason
    })
}
