//! Taking a certificate back (RFC 8555 §7.6): by the account that ordered it, by another one of its service,
//! by one that has proven all of its names, or by its own key.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use der::{Decode, Encode};
use http::StatusCode;
use sekisho_ca::revocation::RevocationReason;
use sekisho_pki::encoding::serial::Serial;
use sekisho_protocol::octets::decode;
use sekisho_store::{
    acme_certificate,
    audit::{Actor, Entry},
    certificate,
};
use serde::Deserialize;

use super::{
    door::{self, Request, Signer},
    names,
};
use crate::{
    app::App,
    authority::Line,
    error::acme::AcmeError,
    revocation::{self, Measure, Order, Target},
};

/// In the audit trail, where it is refused: what is taken back is recorded as everywhere.
const ACT: &str = "acme.revoke";

#[derive(Deserialize)]
struct Revoke {
    certificate: String,
    #[serde(default)]
    reason: Option<u8>,
}

/// `POST /acme/revoke-cert`.
pub async fn post(State(app): State<App>, request: Request) -> Response {
    door::answered(&app, revoked(&app, request).await)
}

async fn revoked(app: &App, request: Request) -> Result<Response, AcmeError> {
    let peer = request.peer.clone();
    let asked = door::open(app, request).await?;
    let Revoke { certificate, reason } = asked.payload()?;
    let reason = match reason.unwrap_or_default() {
        0 => RevocationReason::Unspecified,
        1 => RevocationReason::KeyCompromise,
        3 => RevocationReason::AffiliationChanged,
        4 => RevocationReason::Superseded,
        5 => RevocationReason::CessationOfOperation,
        _ => {
            let detail = "a server's certificate is taken back for reason 0, 1, 3, 4 or 5 (RFC 5280 \
                          section 5.3.1)";
            return Err(AcmeError::bad_request("badRevocationReason", detail));
        }
    };
    let der = decode(&certificate)
        .map_err(|_| AcmeError::malformed("`certificate` is no base64url without padding"))?;
    let unknown = || AcmeError::not_found("certificate");
    let read = x509_cert::Certificate::from_der(&der).map_err(|_| unknown())?;
    let serial =
        Serial::from_x509(read.tbs_certificate().serial_number()).map_err(|_| unknown())?;
    let mut reader = app.store().read();
    let mut found = None;
    for issuer in app.authority().of(Line::Servers) {
        found = certificate::find(&mut reader, issuer.id(), serial.as_octets())
            .await?
            .filter(|found| found.der == der);
        if found.is_some() {
            break;
        }
    }
    let found = found.ok_or_else(unknown)?;
    let owner = acme_certificate::owner(&mut reader, &found.issuer_id, &found.serial).await?;
    // Our own servers' are taken back at the host.
    let owner = owner.ok_or_else(unknown)?;
    let names: Vec<String> = names::in_certificate(&der).into_iter().collect();
    let may = match &asked.signer {
        Signer::Key(bare) => {
            let spki = read.tbs_certificate().subject_public_key_info().to_der();
            let own = spki.ok().and_then(|spki| door::thumbprint_of(&spki));
            own.as_ref() == Some(&bare.key.thumbprint())
        }
        Signer::Account(holder) => {
            holder.service.id == owner.service_id
                || acme_certificate::has_proven(&mut reader, &holder.account.id, &names, app.now())
                    .await?
        }
    };
    if !may {
        let detail = "sign by an account of the service or by the key of the certificate";
        let error = AcmeError::unauthorized(detail);
        return Err(match &asked.signer {
            Signer::Account(holder) => door::refused_to(app, (holder, &peer), ACT, error).await,
            Signer::Key(_) => {
                door::refused(app, &peer, ACT, "not_entitled", Some(&owner.service_id)).await?;
                error
            }
        });
    }
    let (actor, account) = match &asked.signer {
        Signer::Key(_) => (owner.service_id.clone(), None),
        Signer::Account(holder) => {
            // Whoever holds the names today ends the certificate, and not the key of somebody else.
            if reason == RevocationReason::KeyCompromise && holder.service.id != owner.service_id {
                let detail = "that a key is compromised is said by its own service or by the key";
                return Err(AcmeError::bad_request("badRevocationReason", detail));
            }
            (holder.service.id.clone(), Some(holder.account.id.as_str()))
        }
    };
    if found.status.is_final() {
        let detail = "the certificate was taken back before";
        return Err(AcmeError::bad_request("alreadyRevoked", detail));
    }
    let order = Order {
        target: Target::Certificate { issuer_id: found.issuer_id, serial: found.serial },
        measure: Measure::Revoke(reason),
        invalidity_at: None,
        note: "ACME".to_owned(),
        actor: Actor::Service(actor),
        at: app.now(),
    };
    let complete = |entry: Entry| {
        let entry = entry.from_address(peer.addr.ip()).on("service", &owner.service_id);
        match account {
            Some(id) => entry.fact("signed_by", "account").fact("account", id),
            None => entry.fact("signed_by", "certificate_key"),
        }
    };
    match revocation::carry_out_recorded(app.store(), &order, complete).await {
        Ok(_) => Ok(StatusCode::OK.into_response()),
        Err(revocation::RevocationError::Store(error)) => Err(error.into()),
        Err(revocation::RevocationError::CertificateRevoked { .. }) => {
            let detail = "the certificate was taken back before";
            Err(AcmeError::bad_request("alreadyRevoked", detail))
        }
        Err(error) => Err(AcmeError::internal(&error)),
    }
}
