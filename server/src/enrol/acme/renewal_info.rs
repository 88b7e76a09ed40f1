//! When a certificate should be renewed (RFC 9773).

use std::fmt;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use der::Encode;
use http::{HeaderValue, header};
use sekisho_ca::authority::Authority;
use sekisho_pki::encoding::{key_identifier::key_identifier, serial::Serial};
use sekisho_protocol::octets::{decode, encode};
use sekisho_store::{
    Queries, StoreError,
    certificate::{self, Certificate},
    revocation::Status,
};
use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::{door, order::moment};
use crate::{app::App, authority::Line, error::acme::AcmeError, form::PathId};

/// When to ask again, in seconds (§4.3): a revocation is heard of within a working day.
const AGAIN_SECS: u32 = 6 * 3600;

/// A certificate's name: the issuer's key and the serial number (§4.1).
pub(super) struct CertificateId {
    issuer_key: Vec<u8>,
    serial: Serial,
}

impl CertificateId {
    /// From base64url parts with a dot between.
    ///
    /// # Errors
    /// `malformed`.
    pub(super) fn parse(text: &str) -> Result<Self, AcmeError> {
        let parts = text.split_once('.').filter(|_| text.len() <= 128);
        let parts = parts.and_then(|(issuer_key, serial)| {
            // The content octets of the DER INTEGER.
            let serial = decode(serial).ok()?;
            let positive = serial.first().is_some_and(|octet| octet & 0x80 == 0);
            let serial = Serial::from_octets(&serial).ok().filter(|_| positive)?;
            Some(Self { issuer_key: decode(issuer_key).ok()?, serial })
        });
        parts.ok_or_else(|| {
            AcmeError::malformed("this is no name of a certificate (RFC 9773 section 4.1)")
        })
    }

    /// The name of a certificate that we issued.
    ///
    /// # Errors
    /// [`AcmeError`]: its authority is not there.
    pub(super) fn of(app: &App, issuer_id: &str, serial: &[u8]) -> Result<Self, AcmeError> {
        let corrupt = || StoreError::Corrupt {
            what: "certificate",
            detail: format!("{issuer_id}:{} has no issuer here", hex::encode(serial)),
        };
        let issuer = app.authority().find(issuer_id).ok_or_else(corrupt)?;
        let issuer_key = key_of(issuer).ok_or_else(corrupt)?;
        let serial = Serial::from_octets(serial).map_err(|_| corrupt())?;
        Ok(Self { issuer_key, serial })
    }

    /// The certificate of a server of ours that has this name.
    ///
    /// # Errors
    /// 404 where there is none.
    pub(super) async fn find(
        &self,
        app: &App,
        queries: &mut impl Queries,
    ) -> Result<Certificate, AcmeError> {
        for issuer in app.authority().of(Line::Servers) {
            if key_of(issuer).is_some_and(|own| own == self.issuer_key)
                && let Some(found) =
                    certificate::find(queries, issuer.id(), self.serial.as_octets()).await?
            {
                return Ok(found);
            }
        }
        Err(AcmeError::not_found("certificate"))
    }
}

impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let serial = self.serial.to_x509().map_err(|_| fmt::Error)?;
        write!(f, "{}.{}", encode(&self.issuer_key), encode(serial.as_bytes()))
    }
}

fn key_of(issuer: &Authority) -> Option<Vec<u8>> {
    let spki = issuer.certificate().tbs_certificate().subject_public_key_info().to_der().ok()?;
    Some(key_identifier(&spki).ok()?.to_vec())
}

/// `GET /acme/renewal-info/{id}`.
///
/// # Errors
/// 400 or 404 `malformed`.
pub async fn get(State(app): State<App>, PathId(id): PathId) -> Result<Response, AcmeError> {
    door::enabled(&app)?;
    let found = CertificateId::parse(&id)?.find(&app, &mut app.store().read()).await?;
    let (start, end) = window(&found, app.now());
    let document = json!({ "suggestedWindow": { "start": moment(start)?, "end": moment(end)? } });
    let again = [(header::RETRY_AFTER, HeaderValue::from(AGAIN_SECS))];
    Ok((again, Json(document)).into_response())
}

/// The last third of its life without the last sixth, so that whoever comes late still comes in time; what
/// was taken back, at once (§4.2).
fn window(certificate: &Certificate, now: OffsetDateTime) -> (OffsetDateTime, OffsetDateTime) {
    if certificate.status != Status::Good {
        return (now - Duration::HOUR, now - Duration::MINUTE);
    }
    let life = certificate.not_after - certificate.not_before;
    (certificate.not_before + life * 2 / 3, certificate.not_before + life * 5 / 6)
}
