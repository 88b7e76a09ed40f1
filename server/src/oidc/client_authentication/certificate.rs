//! A client that proves itself by the certificate of its connection (RFC 8705 §2).

use der::Decode;
use sekisho_store::{
    certificate,
    revocation::{self, Status},
    service::AuthMethod,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use x509_cert::{
    Certificate,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use super::Client;
use crate::{app::App, error::oauth::OAuthError, jose::ClientKeys, listener::Peer};

/// Whether the peer's certificate is this client's. TLS proved that the peer holds its key.
pub(super) async fn holds(app: &App, peer: &Peer, client: &Client) -> Result<bool, OAuthError> {
    let Some(shown) = peer.chain.first() else { return Ok(false) };
    match client.service.auth_method {
        AuthMethod::SelfSignedTlsClientAuth => Ok(registered(client, shown)),
        AuthMethod::TlsClientAuth => issued_here(app, client, shown).await,
        _ => Ok(false),
    }
}

/// §2.2: the certificate stands in the client's own set of keys. Whether it is in its time does not
/// matter: the registration is what counts.
fn registered(client: &Client, shown: &[u8]) -> bool {
    let set = client.service.jwks.as_deref().and_then(|set| serde_json::from_str(set).ok());
    let keys = set.and_then(|set| ClientKeys::read(&set).ok());
    keys.is_some_and(|keys| keys.certificates().iter().any(|der| bool::from(der.ct_eq(shown))))
}

/// §2.1: this authority issued it, it is good now, and the registered name is in it. Which issued it
/// is answered by the register of certificates and not by a path: no other authority is believed here.
async fn issued_here(app: &App, client: &Client, shown: &[u8]) -> Result<bool, OAuthError> {
    let Some(name) = &client.metadata.tls_client_auth_san_dns else { return Ok(false) };
    let fingerprint: [u8; 32] = Sha256::digest(shown).into();
    let mut reader = app.store().read();
    let Some(found) = certificate::find_by_fingerprint(&mut reader, &fingerprint).await? else {
        return Ok(false);
    };
    let now = app.now();
    let good = found.not_before <= now && now < found.not_after;
    let status = revocation::status(&mut reader, &found.issuer_id, &found.serial).await?;
    Ok(good
        && status == Some(Status::Good)
        && names(shown).iter().any(|dns| dns.eq_ignore_ascii_case(name)))
}

fn names(der: &[u8]) -> Vec<String> {
    let Ok(certificate) = Certificate::from_der(der) else { return Vec::new() };
    let Ok(Some((_, names))) = certificate.tbs_certificate().get_extension::<SubjectAltName>()
    else {
        return Vec::new();
    };
    let dns = names.0.into_iter().filter_map(|name| match name {
        GeneralName::DnsName(dns) => Some(dns.to_string()),
        _ => None,
    });
    dns.collect()
}
