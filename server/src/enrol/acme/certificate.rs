//! `POST /acme/certificate/{id}`: what an order led to, with its issuer (RFC 8555 §7.4.2).

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use sekisho_store::{StoreError, acme_order, certificate};

use super::door::{self, Request};
use crate::{app::App, error::acme::AcmeError, form::PathId, instance::certificates_pem};

/// Answers an account with the chain of its order, without the root.
pub async fn post(State(app): State<App>, PathId(id): PathId, request: Request) -> Response {
    door::answered(&app, fetched(&app, request, &id).await)
}

async fn fetched(app: &App, request: Request, id: &str) -> Result<Response, AcmeError> {
    let asked = door::of_account(app, request).await?;
    asked.fetches()?;
    let mut reader = app.store().read();
    let found = acme_order::find(&mut reader, &asked.signer.account.id, id).await?;
    let (issuer_id, serial) = found
        .and_then(|(order, _)| order.certificate)
        .ok_or_else(|| AcmeError::not_found("certificate"))?;
    let missing = || StoreError::Corrupt {
        what: "ACME order",
        detail: format!("the certificate of {id} is not there"),
    };
    let leaf = certificate::find(&mut reader, &issuer_id, &serial).await?.ok_or_else(missing)?;
    let issuer = app.authority().find(&issuer_id).ok_or_else(missing)?;
    let mut chain = vec![leaf.der.as_slice(), issuer.certificate_der()];
    // As our own servers do: the way to the other root where there are two.
    let bridges = app.authority().roots().bridges(issuer.certificate_der());
    chain.extend(bridges.iter().map(Vec::as_slice));
    let pem = certificates_pem(&chain).ok_or_else(missing)?;
    let kind = HeaderValue::from_static("application/pem-certificate-chain");
    Ok(([(header::CONTENT_TYPE, kind)], pem).into_response())
}
