//! `POST /.well-known/est/serverkeygen`: key and certificate for a PC that makes no key itself (RFC 7030 §4.4);
//! a router's under the label `routers` (§3.2.2). By the code as `simpleenroll`, or by the present certificate as
//! `simplereenroll`.
//!
//! Key and signature of the request are not looked at (§4.4.1), but for the kind of key that is to be made. The
//! key goes out under TLS alone: a wish to have it encrypted besides (§4.4.1.1, §4.4.1.2) is refused.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    response::Response,
};
use http::{HeaderMap, header};
use sekisho_ca::request::UnverifiedRequest;
use sekisho_pki::signature::PublicKeyKind;
use sekisho_store::{
    enrolment_code::{self, Attempt},
    terminal::Device,
};
use sha2::{Digest, Sha256};

use super::message;
use crate::{
    app::App,
    enrol::{
        Fact, by_certificate,
        by_code::{self, Came},
        credentials::{self, Credentials},
        refusal,
        server_made::{Asked, KeyKind, ServerMadeError, ServerMadeKey},
    },
    error::est::EstError,
    listener::{FacilityConnection, Peer, RouterConnection},
};

/// Reason of the refusal where a person would have to compare a key that the device cannot show.
const NOT_COMPARABLE: &str = "key_cannot_be_compared";

/// Answers a PC.
///
/// # Errors
/// 400, 401, 403, 413, 415 or 503, with a line of text.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, EstError> {
    answer(Device::Pc, app, peer, headers, body).await
}

/// Answers a router.
///
/// # Errors
/// As [`post`].
pub async fn post_of_router(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, EstError> {
    answer(Device::Router, app, peer, headers, body).await
}

/// A request for key and certificate.
struct Asking<'a> {
    app: &'a App,
    peer: &'a Peer,
    device: Device,
    kind: KeyKind,
    /// With the address that it came from.
    request_sha256: [u8; 32],
}

async fn answer(
    device: Device,
    app: App,
    peer: Peer,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, EstError> {
    let body = message::read(body).await?;
    if !app.config().enrolment().makes_keys_for(device) {
        return Err(refusal::no_keys_made_here(device));
    }
    let by_code = headers.contains_key(header::AUTHORIZATION) || peer.chain.is_empty();
    if by_code {
        let credentials = credentials::brought(&app, &peer, by_code::ACT, &headers).await?;
        let asking = Asking::read(&app, &peer, device, &headers, &body)?;
        return asking.by_code(&credentials).await;
    }
    let facility = match device {
        Device::Pc => FacilityConnection::judge(&app, &peer).await,
        Device::Router => RouterConnection::judge(&app, &peer).await.map(|router| router.0),
    };
    let facility = facility.map_err(|error| refusal::renewal(error.code()))?;
    Asking::read(&app, &peer, device, &headers, &body)?.by_certificate(&facility).await
}

impl<'a> Asking<'a> {
    fn read(
        app: &'a App,
        peer: &'a Peer,
        device: Device,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Self, EstError> {
        let der = message::request_der(headers, body)?;
        let request = UnverifiedRequest::parse(&der)?;
        if request.asks_for_encrypted_key() {
            return Err(refusal::key_not_encrypted_here());
        }
        let kind = PublicKeyKind::of_der(request.public_key_der()).and_then(KeyKind::of);
        let kind = kind.ok_or_else(refusal::kind_not_made_here)?;
        let request = Sha256::new().chain_update(peer.addr.ip().to_string()).chain_update(&der);
        Ok(Self { app, peer, device, kind, request_sha256: request.finalize().into() })
    }

    fn asked(&self, right: [u8; 32]) -> Asked {
        Asked { right, request: self.request_sha256 }
    }

    /// The key of a moment ago, or a new one that is remembered.
    async fn key(&self, right: [u8; 32]) -> Result<Arc<ServerMadeKey>, EstError> {
        let (handed, asked, now) = (self.app.handed_keys(), self.asked(right), self.app.now());
        if let Some(key) = handed.find(asked, now) {
            return Ok(key);
        }
        Ok(handed.remember(asked, self.make(self.kind).await?, now))
    }

    async fn make(&self, kind: KeyKind) -> Result<ServerMadeKey, EstError> {
        let made = ServerMadeKey::make(self.app, kind).await;
        made.map_err(|error| match error {
            ServerMadeError::Busy => refusal::keys_being_made(),
            error => EstError::internal(&error),
        })
    }

    async fn by_code(&self, credentials: &Credentials) -> Result<Response, EstError> {
        let (terminal_id, code_hash) = (credentials.terminal.to_string(), credentials.code.hash());
        let at = self.app.now();
        let known = self.app.handed_keys().find(self.asked(code_hash), at);
        let key = match known {
            Some(key) => key,
            None => {
                let brought = Attempt {
                    terminal_id: &terminal_id,
                    code_hash: &code_hash,
                    // No key yet: what is asked is whether the code is good.
                    spki_sha256: &[0; 32],
                    at,
                };
                let unused = enrolment_code::unused(&mut self.app.store().read(), brought).await?;
                match unused {
                    Some(unused) if unused.needs_approval => {
                        return Err(self.not_comparable(credentials).await?);
                    }
                    Some(_) => self.key(code_hash).await?,
                    // Refused below, for the reason that anybody is. A stranger costs no RSA key.
                    None => Arc::new(self.make(KeyKind::P256).await?),
                }
            }
        };
        let enrolment = by_code::Enrolment {
            app: self.app,
            peer: self.peer,
            device: self.device,
            terminal_id,
            code_hash,
            spki_sha256: key.request().public_key_sha256(),
            at,
            facts: &[made_here()],
            protocol: by_code::Protocol::Est,
        };
        match enrolment.run(key.request()).await? {
            Came::Certificate(der) => message::key_and_certificate(&key, &der),
            // Approval was asked for between the look at the code and its use.
            Came::Waits(_) => Err(refusal::key_cannot_be_compared()),
        }
    }

    /// What is approved is a key that device and person both see; here no device has one to show.
    async fn not_comparable(&self, credentials: &Credentials) -> Result<EstError, EstError> {
        let (app, peer) = (self.app, self.peer);
        let terminal = Some(credentials.terminal);
        let facts = [made_here()];
        by_code::refused_at_the_door(app, peer, by_code::ACT, NOT_COMPARABLE, terminal, &facts)
            .await?;
        Ok(refusal::key_cannot_be_compared())
    }

    async fn by_certificate(&self, facility: &FacilityConnection) -> Result<Response, EstError> {
        let key = self.key(facility.fingerprint).await?;
        let (app, peer, facts) = (self.app, self.peer, [made_here()]);
        let request = key.request();
        let der = by_certificate::renew(app, self.device, peer, facility, request, &facts).await?;
        message::key_and_certificate(&key, &der)
    }
}

/// What each record adds.
fn made_here() -> Fact {
    ("key_made", "here".to_owned())
}
