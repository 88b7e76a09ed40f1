//! What a client asks first, and what nobody signs: GetCACaps and GetCACert (RFC 8894 §3.5, §4.2).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sekisho_pki::encoding::cms;

use super::door;
use crate::{
    app::App,
    authority::Line,
    enrol::ra::{Of, RegistrationAuthorities},
    error::est::EstError,
};

/// One keyword a line (RFC 8894 §3.5.2). What is taken of old routers only is never told: who reads this may
/// be of another family, and clients take the weakest that they know.
pub(super) fn capabilities() -> Response {
    // `SHA-384` is no word of the RFC. It is taken, and strongSwan 5.9.8 believes in nothing without it: it
    // looks for the words by their numbers where it should by bits, and finds this one for SCEPStandard.
    let words =
        ["AES", "POSTPKIOperation", "Renewal", "SHA-256", "SHA-384", "SHA-512", "SCEPStandard"];
    let text = words.join("\n") + "\n";
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, text).into_response()
}

/// The registration authority's certificate, those of the routers' authorities, and the roots
/// (RFC 8894 §4.2.1.2). Nobody vouches for the answer but the root's fingerprint that the client was given.
pub(super) async fn certificates(app: &App) -> Result<Response, EstError> {
    let ra =
        RegistrationAuthorities::newest(app, Of::Scep).await.map_err(|error| failed(&error))?;
    let ra = ra.ok_or_else(not_yet)?;
    let authority = app.authority();
    let roots = authority.roots();
    let issuers = authority.of(Line::Routers);
    let issuers = issuers.filter(|issuer| roots.is_under(issuer.certificate()));
    let issuers = issuers.map(|issuer| issuer.certificate_der());
    let all: Vec<_> =
        [ra.certificate_der()].into_iter().chain(issuers).chain(roots.told(app.now())).collect();
    let message = cms::certs_only(&all).map_err(|error| EstError::internal(&error))?;
    Ok(door::response("application/x-x509-ca-ra-cert", message))
}

/// What is ours to mend.
pub(super) fn failed(error: &(dyn std::error::Error + 'static)) -> EstError {
    EstError::internal(error)
}

/// The first registration authority is made within seconds of the start.
pub(super) fn not_yet() -> EstError {
    EstError {
        retry_after_secs: Some(10),
        ..EstError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SCEP: the registration authority has no certificate yet; try again in a few seconds",
        )
    }
}
