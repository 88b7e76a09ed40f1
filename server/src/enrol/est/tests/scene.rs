//! What the tests of enrolment share: a register with two terminals, and requests as clients send them.

use std::net::SocketAddr;

use axum::body::Body;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use rustls_pki_types::CertificateDer;
use sekisho_key::{SigningKey, SoftwareKey, SystemRandomness};
use sekisho_pki::encoding::{
    cms, key_identifier::public_key_sha256, request::to_be_signed, signed_object::assemble,
};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    certificate,
    enrolment_code::{self, NewCode},
    sql, terminal, transaction,
    waiting_enrolment::{self, Decision},
};
use time::Duration;
use tower::ServiceExt;
use x509_cert::name::Name;

use crate::{
    config::Settings,
    listener::Peer,
    names::NameRole,
    paper_code::PaperCode,
    router,
    testing::{self, TestApp},
};

pub(in crate::enrol) const FACILITY: &str = "123456789007";
pub(in crate::enrol) const TERMINAL: &str = "T0123456789";
pub(in crate::enrol) const OTHER: &str = "T9876543210";

/// Runs one change in a transaction of its own.
macro_rules! change {
    ($test:expr, |$tx:ident| $body:expr) => {{
        let at = $test.app.now();
        transaction!($test.app.store(), StoreError, |$tx| {
            let value = $body;
            Ok(Audited::new(value, Entry::done("test", Actor::System, at)))
        })
        .unwrap()
    }};
}

/// An instance with an active facility and two terminals.
pub(in crate::enrol) async fn instance() -> TestApp {
    instance_with(Settings::default()).await
}

/// The same with this configuration.
pub(in crate::enrol) async fn instance_with(settings: Settings) -> TestApp {
    let test = testing::app_with(settings).await;
    let at = test.app.now();
    change!(test, |tx| {
        tx.execute(sql("INSERT INTO application (id, receipt, kind, name, name_kana, prefecture,
                 postal_code, address, contact_name, contact_phone, contact_email, created_at)
             VALUES ('a', 'r', 'hospital', 'n', 'k', 13, '1', 'a', 'c', 'p', 'e', 0)"))
            .await?;
        tx.execute(
            sql("INSERT INTO organisation
                 (id, application_id, kind, prefecture, postal_code, address, created_at)
             VALUES ($1, 'a', 'hospital', 13, '1', 'a', 0)")
            .bind(FACILITY),
        )
        .await?;
        tx.execute(
            sql("INSERT INTO organisation_event (id, organisation_id, at, kind, reason)
                 VALUES ('00000000-0000-7000-8000-000000000000', $1, 0, 'activated', '')")
            .bind(FACILITY),
        )
        .await?;
        for id in [TERMINAL, OTHER] {
            terminal::create(tx, id, FACILITY, "外来1号機", "p", at).await?;
        }
    });
    test
}

pub(in crate::enrol) async fn new_code(test: &TestApp, terminal_id: &str) -> String {
    code_for(test, terminal_id, false).await
}

/// A code by which nothing is issued before a person has approved the key.
pub(in crate::enrol) async fn new_code_to_approve(test: &TestApp, terminal_id: &str) -> String {
    code_for(test, terminal_id, true).await
}

/// What a person decides of the key that waits at a terminal; whether it waited.
pub(in crate::enrol) async fn decide(
    test: &TestApp,
    (terminal_id, key): (&str, &SoftwareKey),
    decision: Decision<'_>,
) -> bool {
    let (key, at) = (public_key_sha256(key.public_key_der()), test.app.now());
    change!(test, |tx| {
        waiting_enrolment::decide(tx, (terminal_id, &key), decision, "p", at).await?
    })
}

async fn code_for(test: &TestApp, terminal_id: &str, needs_approval: bool) -> String {
    let code = PaperCode::generate(&SystemRandomness).unwrap();
    let now = test.app.now();
    change!(test, |tx| {
        let kept = NewCode {
            code_hash: &code.hash(),
            terminal_id,
            tries: 5,
            person_id: "p",
            created_at: now,
            expires_at: now + test.app.config().enrolment().code_lifetime(),
            needs_approval,
        };
        enrolment_code::issue(tx, kept).await?
    });
    code.reveal().to_string()
}

pub(in crate::enrol) fn key() -> SoftwareKey {
    SoftwareKey::generate_p256().unwrap()
}

pub(in crate::enrol) fn csr(key: &SoftwareKey, subject: &Name) -> Vec<u8> {
    signed_by(key, key, subject)
}

pub(in crate::enrol) fn signed_by(
    key: &SoftwareKey,
    signer: &SoftwareKey,
    subject: &Name,
) -> Vec<u8> {
    let info = to_be_signed(subject, key.public_key_der()).unwrap();
    let signature = signer.sign_now(&info).unwrap();
    assemble(&info, signer.algorithm().identifier(), &signature).unwrap()
}

/// One request of a terminal; what is not set is as a good client sends it.
#[derive(Clone)]
pub(in crate::enrol) struct Ask {
    pub(in crate::enrol) operation: &'static str,
    pub(in crate::enrol) authorization: Option<String>,
    pub(in crate::enrol) content_type: &'static str,
    pub(in crate::enrol) body: Vec<u8>,
    pub(in crate::enrol) chain: Vec<Vec<u8>>,
}

impl Ask {
    pub(in crate::enrol) fn enrol(terminal_id: &str, code: &str, der: &[u8]) -> Self {
        let basic = STANDARD.encode(format!("{terminal_id}:{code}"));
        Self {
            operation: "simpleenroll",
            authorization: Some(format!("Basic {basic}")),
            content_type: "application/pkcs10",
            body: STANDARD.encode(der).into_bytes(),
            chain: Vec::new(),
        }
    }

    pub(in crate::enrol) fn renew(certificate: &[u8], der: &[u8]) -> Self {
        Self {
            operation: "simplereenroll",
            authorization: None,
            chain: vec![certificate.to_vec()],
            ..Self::enrol("", "", der)
        }
    }

    pub(in crate::enrol) async fn send(self, test: &TestApp) -> Answer {
        let mut request = Request::post(format!("/.well-known/est/{}", self.operation))
            .header(header::HOST, test.app.names().authority(NameRole::Enrol))
            .header(header::CONTENT_TYPE, self.content_type)
            .header("content-transfer-encoding", "base64");
        if let Some(authorization) = self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let peer = Peer {
            addr: SocketAddr::from(([192, 0, 2, 1], 50_000)),
            role: NameRole::Enrol,
            chain: self.chain.into_iter().map(CertificateDer::from).collect::<Vec<_>>().into(),
        };
        let request = request.extension(peer).body(Body::from(self.body)).unwrap();
        let response = router::enrol(&test.app).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

#[derive(Debug)]
pub(in crate::enrol) struct Answer {
    pub(in crate::enrol) status: StatusCode,
    pub(in crate::enrol) headers: http::HeaderMap,
    pub(in crate::enrol) text: String,
}

impl Answer {
    /// The one certificate of a good answer.
    pub(in crate::enrol) fn certificate(&self) -> Vec<u8> {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/pkcs7-mime; smime-type=certs-only"
        );
        assert_eq!(self.headers["content-transfer-encoding"], "base64");
        let mut all = cms::parse_certs_only(&STANDARD.decode(&self.text).unwrap()).unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    pub(in crate::enrol) fn is_refused(&self, status: StatusCode, says: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(self.text.contains(says), "{}", self.text);
        assert!(
            self.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/plain"),
            "{:?}",
            self.headers
        );
    }
}

pub(in crate::enrol) async fn certificates(
    test: &TestApp,
    terminal_id: &str,
) -> Vec<certificate::Certificate> {
    certificate::of_terminal(&mut test.app.store().read(), terminal_id).await.unwrap()
}

pub(in crate::enrol) async fn acts(test: &TestApp) -> Vec<String> {
    let records =
        sekisho_store::audit::list(&mut test.app.store().read(), "", None, 1000).await.unwrap();
    records
        .into_iter()
        .map(|record| {
            let form: serde_json::Value = serde_json::from_slice(&record.canonical).unwrap();
            let reason = form["reason"].as_str().map(|r| format!(":{r}")).unwrap_or_default();
            format!("{}{reason}", form["act"].as_str().unwrap())
        })
        .collect()
}

pub(in crate::enrol) async fn notices(test: &TestApp) -> usize {
    let now = test.app.now() + Duration::DAY;
    test.app.store().claim_outbox("notice", now, Duration::MINUTE, 100).await.unwrap().len()
}

/// Takes the first terminal back.
pub(in crate::enrol) async fn revoke(test: &TestApp) {
    let revocation = terminal::Revocation {
        crl_reason: 1,
        cause: "lost",
        note: "x",
        person_id: Some("p"),
        at: test.app.now(),
    };
    let taken = change!(test, |tx| terminal::revoke(tx, TERMINAL, FACILITY, revocation).await?);
    assert!(taken.is_some());
}
