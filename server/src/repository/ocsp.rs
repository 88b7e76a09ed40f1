//! OCSP over HTTP, by POST and by GET (RFC 6960 appendix A).

use axum::{
    body::Body,
    extract::{OriginalUri, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use sekisho_ca::revocation::{
    CertificateStatus, RevocationReason,
    ocsp::{OcspFailure, OcspQuestion},
};
use sekisho_store::{StoreError, revocation};

use crate::{
    app::App,
    error::{self, page::Chain},
};

/// A question for eight certificates stays under one kilobyte.
const MOST_OCTETS: usize = 8 * 1024;

/// `POST /ocsp`.
pub async fn by_post(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let is_question = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"application/ocsp-request"));
    if !is_question {
        return error::ocsp(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let octets = match Limited::new(body, MOST_OCTETS).collect().await {
        Ok(octets) => octets.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            return error::ocsp(StatusCode::PAYLOAD_TOO_LARGE);
        }
        Err(_) => return error::ocsp(StatusCode::BAD_REQUEST),
    };
    let responders = app.authority().ocsp();
    respond(&app, responders.question(&octets)).await
}

/// `GET /ocsp/{base64}`. The path is read as it came: the base64 may hold slashes.
pub async fn by_get(State(app): State<App>, OriginalUri(uri): OriginalUri) -> Response {
    let question = uri.path().strip_prefix("/ocsp/").unwrap_or_default();
    let responders = app.authority().ocsp();
    respond(&app, responders.question_by_get(question)).await
}

async fn respond(app: &App, question: Result<OcspQuestion<'_>, OcspFailure>) -> Response {
    let der = match question {
        Ok(question) => answer(app, &question).await,
        Err(failure) => failure.to_der(),
    };
    (
        [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/ocsp-response")),
            // A revocation counts within seconds, also for who asks through a cache.
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ],
        der,
    )
        .into_response()
}

async fn answer(app: &App, question: &OcspQuestion<'_>) -> Vec<u8> {
    let mut statuses = Vec::with_capacity(question.serials().len());
    for serial in question.serials() {
        let status = match serial {
            None => Ok(CertificateStatus::Unknown),
            Some(serial) => status(app, question.issuer_id(), serial.as_octets()).await,
        };
        match status {
            Ok(status) => statuses.push(status),
            Err(error) => {
                tracing::error!(error = %Chain(&error), "certificate status is not known");
                return OcspFailure::InternalError.to_der();
            }
        }
    }
    let validity = app.config().authority().ocsp_validity();
    match question.answer(&statuses, app.now(), validity).await {
        Ok(der) => der,
        Err(error) => {
            tracing::error!(error = %Chain(&error), "OCSP answer not signed");
            OcspFailure::InternalError.to_der()
        }
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
