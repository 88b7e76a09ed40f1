//! GetCert and GetCRL (RFC 8894 §3.3.4), for routers with a certificate of ours: a router's own
//! certificates, and the list of the routers' authorities. What does not open, does not read or is not theirs
//! is one refusal: a router could bring another's message here.

use der::Encode;
use sekisho_pki::scep::request::issuer_and_serial;
use sekisho_store::certificate;

use super::{
    answer::{Asked, Told, Trouble},
    enrol, refusal,
};
use crate::{app::App, authority::Line, repository};

/// Longest list that goes into a message; it is published at its address whatever its length.
const MOST_LIST_OCTETS: usize = 4 * 1024 * 1024;

/// A certificate of the router that asks.
pub(super) async fn certificate(asked: Asked<'_>) -> Result<Told, Trouble> {
    let router = enrol::judged(&asked).await?.ok_or_else(refusal::other_signer)?;
    let content = asked.open()?.ok_or_else(refusal::not_found)?;
    let (issuer, serial) = issuer_and_serial(&content).map_err(|_| refusal::not_found())?;
    let issuer_id = authority(asked.app, issuer).ok_or_else(refusal::not_found)?;
    let found = certificate::find(&mut asked.app.store().read(), &issuer_id, serial).await?;
    let own = found
        .filter(|found| found.terminal_id.as_deref() == Some(router.terminal_id.as_str()))
        .ok_or_else(refusal::not_found)?;
    Ok(Told::Certificate(own.der))
}

/// The list on which the named certificate would stand.
pub(super) async fn list(asked: Asked<'_>) -> Result<Told, Trouble> {
    enrol::judged(&asked).await?.ok_or_else(refusal::other_signer)?;
    let content = asked.open()?.ok_or_else(refusal::not_found)?;
    let (issuer, _) = issuer_and_serial(&content).map_err(|_| refusal::not_found())?;
    let issuer_id = authority(asked.app, issuer).ok_or_else(refusal::not_found)?;
    let list = repository::complete_list(asked.app, &issuer_id, MOST_LIST_OCTETS).await?;
    Ok(Told::List(list.ok_or_else(refusal::not_found)?))
}

/// The routers' authority of this name.
fn authority(app: &App, issuer: &[u8]) -> Option<String> {
    let named = app
        .authority()
        .of(Line::Routers)
        .find(|authority| authority.subject().to_der().is_ok_and(|subject| subject == issuer));
    named.map(|authority| authority.id().to_owned())
}
