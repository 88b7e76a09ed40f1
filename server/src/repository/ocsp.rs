//! OCSP over HTTP, by POST and by GET (RFC 6960 appendix A).

use std::time::Instant;

use axum::{
    body::{Body, Bytes},
    extract::{OriginalUri, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use sekisho_ca::revocation::{
    CertificateStatus, RevocationReason,
    ocsp::{OcspError, OcspFailure, OcspQuestion, window},
};
use sekisho_pki::encoding::serial::Serial;
use sekisho_store::{StoreError, revocation};
use sha2::{Digest, Sha256};
use time::Duration;

use super::{
    conditional::Validators,
    ocsp_cache::{Answer, Told},
};
use crate::{
    app::App,
    error::{self, page::Chain},
    media_type,
};

/// A question for eight certificates stays under one kilobyte.
const MOST_OCTETS: usize = 8 * 1024;

/// A cache in between hides a revocation for at most so long.
const MOST_AGE: Duration = Duration::seconds(60);

/// `POST /ocsp`.
pub async fn by_post(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    match media_type::announced(&headers) {
        Ok(named) if named.eq_ignore_ascii_case("application/ocsp-request") => {}
        Ok(_) => return error::ocsp(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        Err(media_type::Repeated) => return error::ocsp(StatusCode::BAD_REQUEST),
    }
    let octets = match Limited::new(body, MOST_OCTETS).collect().await {
        Ok(octets) => octets.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            return error::ocsp(StatusCode::PAYLOAD_TOO_LARGE);
        }
        Err(_) => return error::ocsp(StatusCode::BAD_REQUEST),
    };
    let responders = app.authority().ocsp();
    match reply(&app, responders.question(&octets)).await {
        Reply::ForAnyone(answer) => once(answer.der),
        Reply::Once(der) => once(der.into()),
    }
}

/// `GET /ocsp/{base64}`. The path is read as it came: the base64 may hold slashes.
///
/// The answer to a question without a nonce may be kept by caches (RFC 5019 §6).
pub async fn by_get(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    let question = uri.path().strip_prefix("/ocsp/").unwrap_or_default();
    let responders = app.authority().ocsp();
    match reply(&app, responders.question_by_get(question)).await {
        Reply::Once(der) => once(der.into()),
        Reply::ForAnyone(answer) => {
            let validators = Validators {
                tag: answer.tag,
                modified: answer.told.this_update,
                max_age: MOST_AGE.min(answer.told.next_update - app.now()),
            };
            if let Some(response) = validators.not_modified(&headers) {
                return response;
            }
            let mut response = once(answer.der);
            validators.apply(response.headers_mut());
            response
        }
    }
}

/// For this asker only.
fn once(der: Bytes) -> Response {
    (
        [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/ocsp-response")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ],
        der,
    )
        .into_response()
}

pub(super) enum Reply {
    /// Says the same to whoever asks the same.
    ForAnyone(Answer),
    /// A refusal, or an answer with a nonce or for several certificates.
    Once(Vec<u8>),
}

async fn reply(app: &App, question: Result<OcspQuestion<'_>, OcspFailure>) -> Reply {
    match question {
        Ok(question) => answer(app, &question).await.unwrap_or_else(|error| {
            tracing::error!(error = %Chain(&error), "OCSP question not answered");
            Reply::Once(OcspFailure::InternalError.to_der())
        }),
        Err(failure) => Reply::Once(failure.to_der()),
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The database.
    #[error("a certificate's status is not known")]
    Store(#[from] StoreError),
    /// The responder or its key.
    #[error("the answer was not signed")]
    Ocsp(#[from] OcspError),
}

async fn answer(app: &App, question: &OcspQuestion<'_>) -> Result<Reply, AnswerError> {
    if let Some(Reusable { id, serial }) = reusable(question)? {
        let issuer_id = question.issuer_id();
        let kept = app.ocsp().find(issuer_id, serial, &id, app.now(), Instant::now());
        if let Some(answer) = kept {
            return Ok(Reply::ForAnyone(answer));
        }
    }
    sign(app, question).await
}

/// A question whose answer is for anyone.
struct Reusable<'q> {
    /// CertID, DER.
    id: Vec<u8>,
    serial: &'q [u8],
}

fn reusable<'q>(question: &'q OcspQuestion<'_>) -> Result<Option<Reusable<'q>>, OcspError> {
    Ok(match (question.reusable()?, question.serials()) {
        (Some(id), [Some(serial)]) => Some(Reusable { id, serial: serial.as_octets() }),
        _ => None,
    })
}

/// Signs an answer from statuses that are known or read now. They are kept, and the answer if it is
/// for anyone.
pub(super) async fn sign(app: &App, question: &OcspQuestion<'_>) -> Result<Reply, AnswerError> {
    let (issuer_id, cache) = (question.issuer_id(), app.ocsp());
    // Before a status is read: what changes from here on makes it no longer worth keeping.
    let generation = cache.generation();
    let (now, validity) = (app.now(), app.config().authority().ocsp_validity());
    let told = |status| {
        let (this_update, next_update) = window(status, now, validity);
        Told { status, this_update, next_update }
    };
    let mut statuses = Vec::with_capacity(question.serials().len());
    for serial in question.serials() {
        let Some(serial) = serial.as_ref().map(Serial::as_octets) else {
            statuses.push(CertificateStatus::Unknown);
            continue;
        };
        let known = cache.status(issuer_id, serial, now, Instant::now());
        let status = match known {
            Some(status) => status,
            None => status(app, issuer_id, serial).await?,
        };
        // A certificate may be issued a moment after it was unknown.
        if known.is_none() && status != CertificateStatus::Unknown {
            cache.keep_status(issuer_id, serial, told(status), generation);
        }
        statuses.push(status);
    }
    let der = question.answer(&statuses, now, validity).await?;
    match (reusable(question)?, statuses.as_slice()) {
        (Some(Reusable { id, serial }), [status]) if *status != CertificateStatus::Unknown => {
            let tag = hex::encode(&Sha256::digest(&der)[..16]);
            let answer = Answer { der: der.into(), tag, told: told(*status) };
            cache.keep(issuer_id, serial, &id, answer.clone(), generation);
            Ok(Reply::ForAnyone(answer))
        }
        _ => Ok(Reply::Once(der)),
    }
}

async fn status(
    app: &App,
    issuer_id: &str,
    serial: &[u8],
) -> Result<CertificateStatus, StoreError> {
    Ok(match revocation::status(&mut app.store().read(), issuer_id, serial).await? {
        None => CertificateStatus::Unknown,
        Some(revocation::Status::Good) => CertificateStatus::Good,
        Some(revocation::Status::Revoked { reason, at }) => {
            CertificateStatus::Revoked { at, reason: known_reason(reason) }
        }
    })
}

/// A reason that this release does not give is still a revocation.
pub(super) fn known_reason(code: u8) -> RevocationReason {
    RevocationReason::from_code(code).unwrap_or(RevocationReason::Unspecified)
}
