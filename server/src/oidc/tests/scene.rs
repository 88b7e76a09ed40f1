//! A facility with a terminal, a physician who is logged in there, and a service.

use std::{net::SocketAddr, sync::Arc};

use axum::{body::Body, response::Response};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use rustls_pki_types::CertificateDer;
use secrecy::ExposeSecret;
use sekisho_ca::{profile::Profile, registration};
use sekisho_key::{SigningKey, SoftwareKey, SystemRandomness};
use sekisho_protocol::octets::encode;
use sekisho_store::{
    StoreError,
    audit::{self, Actor, Audited, Entry},
    certificate, membership, revocation,
    session::{self, AtTerminal, Ground, Realm, Session},
    sql, transaction,
};
use sekisho_wire::acr;
use serde_json::Value;
use sha2::{Digest, Sha256};
use time::Duration;
use tower::ServiceExt;

use crate::{
    config::Settings,
    listener::Peer,
    login::tests::desk,
    names::NameRole,
    oidc::{
        client::{self, Registry},
        registration::initial::{self, Order},
    },
    router,
    testing::{self, TestApp},
};

pub(super) const FACILITY: &str = "123456789015";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const REDIRECT: &str = "https://referral.example/callback";

pub(super) struct Scene {
    pub(super) test: TestApp,
    pub(super) terminal: Arc<[CertificateDer<'static>]>,
    pub(super) other_terminal: Arc<[CertificateDer<'static>]>,
    pub(super) cookie: String,
    pub(super) session_hash: [u8; 32],
    pub(super) secret: String,
}

pub(crate) fn service_file(id: &str, rules: &str) -> String {
    format!(
        r#"
id = "{id}"
name = {{ ja = "紹介状", en = "Referral letters" }}
description = {{ ja = "紹介状を書き、読む。", en = "Write and read referral letters." }}
home_url = "https://{id}.example/"
redirect_uris = ["https://{id}.example/callback"]
logout_uris = ["https://{id}.example/bye"]
authentication = "client_secret_basic"
scopes = ["openid", "profile", "hc_role", "facility"]
{rules}
"#
    )
}

pub(crate) const PHYSICIANS: &str = r#"
[[rules]]
id = "physicians"
roles = ["Medical Doctor"]
kinds = ["hospital"]
release = ["name", "hc_role", "facility_id", "facility_code", "facility_name", "facility_kind", "terminal"]
"#;

pub(super) const PHARMACISTS: &str = r#"
[[rules]]
id = "pharmacists"
roles = ["Pharmacist"]
"#;

impl Scene {
    /// Has a statement change the database.
    pub(super) async fn change(&self, statement: &'static str) {
        let (store, now) = (self.test.app.store(), self.test.app.now());
        let outcome: Result<(), StoreError> = transaction!(store, StoreError, |tx| {
            tx.execute(sql(statement)).await?;
            Ok(Audited::new((), Entry::done("test", Actor::System, now)))
        });
        outcome.unwrap();
    }

    /// The card that logged the person in names this role.
    pub(super) async fn card_names(&self, role: &'static str) {
        self.card_is(&desk::Card { role, serial: 101, ..desk::physician() }).await;
    }

    /// Another card of the person logged them in.
    pub(super) async fn card_is(&self, card: &desk::Card) {
        let (store, now) = (self.test.app.store(), self.test.app.now());
        let outcome: Result<(), StoreError> = transaction!(store, StoreError, |tx| {
            let evidence_id = desk::proof(tx, "p1", card, [0; 32]).await;
            tx.execute(sql("UPDATE session SET evidence_id = $1").bind(evidence_id)).await?;
            Ok(Audited::new((), Entry::done("test", Actor::System, now)))
        });
        outcome.unwrap();
    }

    /// The person is proven anew, a minute later and by something else.
    pub(super) async fn prove_anew(&self) {
        self.change(
            "UPDATE session SET amr = '[\"anew\"]', auth_time = auth_time + 60
             WHERE ended_at IS NULL",
        )
        .await;
    }

    pub(super) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub(super) async fn with(settings: Settings) -> Self {
        let test = desk::furnished(testing::app_with(settings).await).await;
        facility(&test).await;
        let terminal = terminal(&test, "T0000000001", "外来1号機").await;
        let other_terminal = self::terminal(&test, "T0000000002", "外来2号機").await;
        let identifier = [7; 32];
        let session_hash: [u8; 32] = Sha256::digest(identifier).into();
        open_session(&test, session_hash, &terminal[0]).await;
        let secret = register(&test, &service_file("referral", PHYSICIANS)).await;
        Self {
            test,
            terminal,
            other_terminal,
            cookie: format!("__Host-session={}", encode(identifier)),
            session_hash,
            secret,
        }
    }

    pub(super) async fn register(&self, file: &str) -> String {
        register(&self.test, file).await
    }

    /// The parameters of a good request.
    pub(super) fn request() -> Vec<(&'static str, &'static str)> {
        vec![
            ("response_type", "code"),
            ("client_id", "referral"),
            ("redirect_uri", REDIRECT),
            ("scope", "openid profile hc_role facility terminal"),
            ("state", "st&te"),
            ("nonce", "n0nce"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]
    }

    /// The same for another client and its address.
    pub(super) fn request_of<'a>(id: &'a str, callback: &'a str) -> Vec<(&'static str, &'a str)> {
        let mut request = Self::request();
        request.retain(|(name, _)| !matches!(*name, "client_id" | "redirect_uri"));
        request.extend([("client_id", id), ("redirect_uri", callback)]);
        request
    }

    /// The same with one parameter replaced, or removed by an empty value.
    pub(super) fn request_with(
        name: &str,
        value: &'static str,
    ) -> Vec<(&'static str, &'static str)> {
        let mut parameters = Self::request();
        parameters.retain(|(existing, _)| *existing != name);
        if !value.is_empty() {
            let known = [
                "claims",
                "id_token_hint",
                "resource",
                "dpop_jkt",
                "response_type",
                "client_id",
                "redirect_uri",
                "scope",
                "state",
                "nonce",
                "code_challenge",
                "code_challenge_method",
                "prompt",
                "max_age",
                "request",
                "request_uri",
                "response_mode",
                "registration",
            ];
            let name = known.into_iter().find(|known| *known == name).unwrap();
            parameters.push((name, value));
        }
        parameters
    }

    pub(super) async fn authorize(&self, parameters: &[(&str, &str)]) -> Answer {
        self.get(&format!("/authorize?{}", query(parameters)), true, &self.terminal).await
    }

    pub(super) async fn get(
        &self,
        path: &str,
        logged_in: bool,
        chain: &Arc<[CertificateDer<'static>]>,
    ) -> Answer {
        let cookie = logged_in.then_some(("cookie", self.cookie.as_str()));
        self.get_with(path, chain, cookie.as_slice()).await
    }

    /// A page as a browser asks for it, with these fields.
    pub(super) async fn get_with(
        &self,
        path: &str,
        chain: &Arc<[CertificateDer<'static>]>,
        fields: &[(&str, &str)],
    ) -> Answer {
        let app = &self.test.app;
        let mut request = Request::get(path)
            .header(header::HOST, app.names().authority(NameRole::Terminal))
            .header(header::ACCEPT, "text/html")
            .extension(peer(NameRole::Terminal, chain));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        Answer::of(router::terminal(app).oneshot(request).await.unwrap()).await
    }

    /// A form as a page of the portal's own posts it.
    pub(super) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let origin = self.test.app.names().origin(NameRole::Terminal).to_owned();
        self.post_from(&origin, &self.terminal, &self.cookie, path, form).await
    }

    /// A form from a page of this origin, over the connection of this certificate, with this cookie.
    pub(super) async fn post_from(
        &self,
        origin: &str,
        chain: &Arc<[CertificateDer<'static>]>,
        cookie: &str,
        path: &str,
        form: &[(&str, &str)],
    ) -> Answer {
        let app = &self.test.app;
        let own = origin == app.names().origin(NameRole::Terminal);
        let request = Request::post(path)
            .header(header::HOST, app.names().authority(NameRole::Terminal))
            .header(header::ORIGIN, origin)
            .header("sec-fetch-site", if own { "same-origin" } else { "cross-site" })
            .header(header::ACCEPT, "text/html")
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .extension(peer(NameRole::Terminal, chain))
            .body(Body::from(query(form)))
            .unwrap();
        Answer::of(router::terminal(app).oneshot(request).await.unwrap()).await
    }

    /// A code for a good request.
    pub(super) async fn code(&self) -> String {
        let answer = self.authorize(&Self::request()).await;
        answer.returned("code").unwrap_or_else(|| panic!("{answer:?}"))
    }

    /// A good exchange of `code`.
    pub(super) fn exchange(code: &str) -> Vec<(&'static str, String)> {
        Self::exchange_at(REDIRECT, code)
    }

    pub(super) fn exchange_at(redirect_uri: &str, code: &str) -> Vec<(&'static str, String)> {
        vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("redirect_uri", redirect_uri.to_owned()),
            ("code_verifier", VERIFIER.to_owned()),
        ]
    }

    pub(super) async fn token(&self, form: &[(&str, String)]) -> Answer {
        self.token_as("referral", &self.secret, form).await
    }

    pub(super) async fn token_as(
        &self,
        client: &str,
        secret: &str,
        form: &[(&str, String)],
    ) -> Answer {
        let basic = basic(client, secret);
        self.public("POST", "/token", &[("authorization", &basic)], &query(form)).await
    }

    pub(super) async fn public(
        &self,
        method: &str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Answer {
        self.program(NameRole::Public, &no_certificate(), (method, path), headers, body).await
    }

    /// A request of a program, at the public name or, with a certificate, at the mutual-TLS one.
    pub(super) async fn program(
        &self,
        role: NameRole,
        chain: &Arc<[CertificateDer<'static>]>,
        (method, path): (&str, &str),
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Answer {
        let app = &self.test.app;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, app.names().authority(role))
            .extension(peer(role, chain));
        if method == "POST" && headers.iter().all(|(name, _)| *name != "content-type") {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let router = match role {
            NameRole::Mtls => router::mtls(app),
            _ => router::public(app),
        };
        Answer::of(router.oneshot(request).await.unwrap()).await
    }

    pub(super) async fn userinfo(&self, token: &str) -> Answer {
        self.public("GET", "/userinfo", &[("authorization", &format!("Bearer {token}"))], "").await
    }

    pub(super) async fn count(&self, statement: &'static str) -> i64 {
        use sekisho_store::Queries;
        let (count,): (i64,) =
            self.test.app.store().read().fetch_one(sql(statement)).await.unwrap();
        count
    }

    pub(super) async fn codes(&self) -> i64 {
        self.count("SELECT COUNT(*) FROM authorization_code").await
    }

    pub(super) async fn grants(&self) -> i64 {
        self.count("SELECT COUNT(*) FROM token_grant").await
    }

    /// Acts with outcome and reason, oldest first.
    pub(super) async fn acts(&self) -> Vec<String> {
        let records = audit::list(&mut self.test.app.store().read(), "", None, 1000).await.unwrap();
        records
            .iter()
            .map(|record| {
                let form: Value = serde_json::from_slice(&record.canonical).unwrap();
                let reason = form["reason"].as_str().map(|r| format!(" {r}")).unwrap_or_default();
                format!(
                    "{} {}{reason}",
                    form["act"].as_str().unwrap(),
                    form["outcome"].as_str().unwrap()
                )
            })
            .collect()
    }

    /// A form that a page of another site posts, with no cookie of ours.
    pub(super) async fn post_to_authorize(&self, body: &str) -> Answer {
        let app = &self.test.app;
        let request = Request::post("/authorize")
            .header(header::HOST, app.names().authority(NameRole::Terminal))
            .header(header::ORIGIN, "https://referral.example")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .extension(peer(NameRole::Terminal, &self.terminal))
            .body(Body::from(body.to_owned()))
            .unwrap();
        Answer::of(router::terminal(app).oneshot(request).await.unwrap()).await
    }

    /// Takes a certificate back.
    pub(super) async fn revoke_certificate(&self, der: &[u8]) {
        let store = self.test.app.store();
        let fingerprint: [u8; 32] = Sha256::digest(der).into();
        let found = certificate::find_by_fingerprint(&mut store.read(), &fingerprint).await;
        let found = found.unwrap().unwrap();
        let now = self.test.app.now();
        transaction!(store, StoreError, |tx| {
            let reason = revocation::KEY_COMPROMISE;
            revocation::revoke(tx, &found.issuer_id, &found.serial, reason, now).await?;
            Ok(Audited::new((), Entry::done("test.revoke", Actor::System, now)))
        })
        .unwrap();
    }

    pub(super) async fn end_session(&self) {
        let now = self.test.app.now();
        let hash = self.session_hash;
        transaction!(self.test.app.store(), StoreError, |tx| {
            session::end(tx, &hash, "logout", now).await?;
            Ok(Audited::new((), Entry::done("test.end", Actor::System, now)))
        })
        .unwrap();
    }
}

/// `Authorization` of a client with a secret (RFC 6749 §2.3.1).
pub(super) fn basic(client: &str, secret: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")))
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    pub(super) async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        let body = String::from_utf8(body).unwrap();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub(super) fn location(&self) -> Option<url::Url> {
        let location = self.headers.get(header::LOCATION)?.to_str().unwrap();
        let base = url::Url::parse("https://portal.invalid/").unwrap();
        base.join(location).ok()
    }

    /// A parameter that came back at the registered address.
    pub(super) fn returned(&self, name: &str) -> Option<String> {
        let location = self.location()?;
        assert_eq!(&location[..url::Position::AfterPath], REDIRECT, "only ever there");
        location.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

pub(super) fn query<V: AsRef<str>>(parameters: &[(&str, V)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters.iter().map(|(name, value)| (*name, value.as_ref())))
        .finish()
}

pub(super) fn payload(jwt: &str) -> Value {
    let part = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&sekisho_protocol::octets::decode(part).unwrap()).unwrap()
}

pub(super) fn no_certificate() -> Arc<[CertificateDer<'static>]> {
    Arc::new([])
}

pub(super) fn peer(role: NameRole, chain: &Arc<[CertificateDer<'static>]>) -> Peer {
    Peer { addr: SocketAddr::from(([192, 0, 2, 7], 9)), role, chain: Arc::clone(chain) }
}

/// Of a service behind a proxy.
pub(crate) fn guarded_file(rules: &str) -> String {
    service_file("guarded", rules)
        .replace("/callback", "/.sso/callback")
        .replace("\n[[rules]]", "\n[protocol]\nforward_auth = true\n[[rules]]")
}

/// Of a service that uses personal data beyond the purpose of the facility, on this ground.
pub(crate) fn declaring_file(id: &str, ground: &str) -> String {
    let said = format!(
        "\n[personal_data]\nground = \"{ground}\"\n\
         items = {{ ja = \"氏名と資格\", en = \"Name and licence\" }}\n\
         users = {{ ja = \"学会\", en = \"A society\" }}\n\
         purpose = {{ ja = \"研修の案内\", en = \"Invitations to courses\" }}\n\
         responsible = {{ ja = \"学会事務局（東京都）\", en = \"The society, Tokyo\" }}\n\
         [protocol]\ngrant_types = [\"authorization_code\", \"refresh_token\"]\n[[rules]]"
    );
    service_file(id, PHYSICIANS).replace("\n[[rules]]", &said)
}

pub(crate) async fn register(test: &TestApp, file: &str) -> String {
    let registry = Registry::of(&test.app);
    let registered = client::register(&registry, file, Actor::System).await.unwrap();
    registered.client_secret.map(|s| s.expose_secret().to_owned()).unwrap_or_default()
}

/// An initial access token, of the operator of the host.
pub(crate) async fn initial_token(test: &TestApp, uses: u32) -> String {
    let registry = Registry::of(&test.app);
    let order = Order { organisation_id: None, uses, days: 7 };
    let prepared = initial::prepare(&registry, order).await.unwrap();
    let token = prepared.token().expose_secret().to_owned();
    let entry = Entry::done("test.token", Actor::System, test.app.now());
    prepared.keep(&registry, entry, None).await.unwrap();
    token
}

async fn facility(test: &TestApp) {
    let now = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        tx.execute(
            sql("INSERT INTO application (id, receipt, kind, name, name_kana, prefecture, postal_code,
                     address, contact_name, contact_phone, contact_email, created_at)
                 VALUES ('a', 'r', 'hospital', 'n', 'k', 13, '1000001', 'x', 'c', '0', 'e', $1)")
            .bind(now),
        )
        .await?;
        tx.execute(
            sql("INSERT INTO organisation (id, application_id, kind, prefecture, postal_code, address, created_at)
                 VALUES ($1, 'a', 'hospital', 13, '1000001', 'x', $2)")
            .bind(FACILITY)
            .bind(now),
        )
        .await?;
        tx.execute(
            sql("INSERT INTO organisation_name (organisation_id, name, name_kana, search_key, valid_from)
                 VALUES ($1, '関所病院', 'セキショ', 's', $2)")
            .bind(FACILITY)
            .bind(now),
        )
        .await?;
        tx.execute(
            sql("INSERT INTO organisation_event (id, organisation_id, at, kind, reason)
                 VALUES ('00000000-0000-7000-8000-000000000000', $1, $2, 'activated', '')")
            .bind(FACILITY)
            .bind(now),
        )
        .await?;
        tx.execute(sql("INSERT INTO person (id, created_at) VALUES ('p1', $1)").bind(now)).await?;
        tx.execute(sql("INSERT INTO person_name (person_id, name, name_kana, name_romaji, search_key)
                        VALUES ('p1', '山田　太郎', 'ヤマダ　タロウ', 'YAMADA TARO', 's')"))
            .await?;
        Ok(Audited::new((), Entry::done("test.facility", Actor::System, now)))
    })
    .unwrap();
}

/// A terminal whose certificate our authority signed. The register calls it a terminal's; what
/// stands in it besides key, validity and signature is not looked at here.
async fn terminal(test: &TestApp, id: &str, name: &str) -> Arc<[CertificateDer<'static>]> {
    let app = &test.app;
    let key = SoftwareKey::generate_p256().unwrap();
    let signer: &dyn SigningKey = &key;
    let profile = Profile::shipped("server").unwrap();
    let approved = registration::approve_server(signer, &["t.example"], &profile).unwrap();
    let issued = app
        .authority()
        .terminals(app.now())
        .issue(app.store(), approved, app.now(), &SystemRandomness)
        .await
        .unwrap();
    let now = app.now();
    transaction!(app.store(), StoreError, |tx| {
        tx.execute(
            sql("INSERT INTO terminal (id, organisation_id, name, created_at, created_by)
                 VALUES ($1, $2, $3, $4, 'p1')")
            .bind(id)
            .bind(FACILITY)
            .bind(name)
            .bind(now),
        )
        .await?;
        tx.execute(
            sql("UPDATE certificate SET profile = 'terminal', terminal_id = $1, organisation_id = $2
                 WHERE fingerprint = $3")
            .bind(id)
            .bind(FACILITY)
            .bind(issued.fingerprint),
        )
        .await?;
        Ok(Audited::new((), Entry::done("test.terminal", Actor::System, now)))
    })
    .unwrap();
    Arc::new([CertificateDer::from(issued.der)])
}

pub(super) async fn open_session(test: &TestApp, id_hash: [u8; 32], certificate: &[u8]) {
    let now = test.app.now();
    let fingerprint: [u8; 32] = Sha256::digest(certificate).into();
    transaction!(test.app.store(), StoreError, |tx| {
        let membership_id = membership::start(tx, "p1", FACILITY, None, "test", now).await?;
        let evidence_id = desk::proof(tx, "p1", &desk::physician(), fingerprint).await;
        let opened = Session {
            id_hash,
            realm: Realm::Portal,
            person_id: "p1".into(),
            at_terminal: Some(AtTerminal {
                organisation_id: FACILITY.into(),
                terminal_id: "T0000000001".into(),
                fingerprint,
                ground: Ground::Membership(membership_id),
                evidence_id,
                presence_id: None,
            }),
            hc_roles: vec!["Medical Doctor".into()],
            acr: acr::HPKI_CARD.into(),
            amr: vec!["sc".into(), "pin".into()],
            auth_time: now,
            created_at: now,
            last_seen_at: now,
            expires_at: now + Duration::hours(8),
            locked_at: None,
            ended: None,
        };
        session::open(tx, &opened).await?;
        Ok(Audited::new((), Entry::done("test.session", Actor::System, now)))
    })
    .unwrap();
}
