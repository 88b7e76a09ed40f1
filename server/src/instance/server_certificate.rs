//! The instance's own certificates, one for each name: made at init, renewed at two thirds of their
//! life.

use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::SecretString;
use sekisho_ca::{
    authority::Authority,
    ceremony::CeremonyError,
    issuance::IssuanceError,
    profile::{Profile, ProfileError},
    record::Record,
    registration::{self, RegistrationError},
};
use sekisho_key::{KeyError, Randomness, SoftwareKey};
use sekisho_pki::encoding::instant;
use time::{Duration, OffsetDateTime};
use x509_cert::ext::pkix::{SubjectAltName, name::GeneralName};

use super::{
    Folder, FolderError, OpenError,
    folder::certificates_pem,
    secrets::{self, SecretsError},
};
use crate::{
    app::App,
    authority::Roots,
    listener::{ServerIdentity, Tls, TlsError, provider},
    names::NameRole,
};

/// Why a server certificate cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum ServerCertificateError {
    /// A profile.
    #[error("the profile for server certificates cannot be used")]
    Profile(#[from] ProfileError),
    /// A name.
    #[error("the name cannot be certified")]
    Registration(#[from] RegistrationError),
    /// The authority.
    #[error("the server certificate could not be issued")]
    Issuance(#[from] IssuanceError),
    /// The key.
    #[error("the server's key could not be made")]
    Key(#[from] KeyError),
    /// A file.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A key of the folder.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// An OCSP responder.
    #[error("the OCSP responder could not be renewed")]
    Responder(#[from] CeremonyError),
    /// The renewed OCSP responder cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The TLS library.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

fn key_name(role: NameRole) -> String {
    format!("tls-{}", role.as_str())
}

/// Issues a certificate for the name of `role` under a fresh key, and writes both into the folder.
#[expect(clippy::too_many_arguments, reason = "each is a source of truth of its own")]
pub(super) async fn make<R: Record + ?Sized>(
    folder: &Folder,
    role: NameRole,
    host: &str,
    servers: &Authority,
    validity: Duration,
    passphrase: &SecretString,
    record: &R,
    (now, random): (OffsetDateTime, &dyn Randomness),
) -> Result<(), ServerCertificateError> {
    let key = Arc::new(SoftwareKey::generate_p256()?);
    let profile = Profile::shipped("server")?.with_lifetime(validity)?;
    let approved = registration::approve_server(&*key, &[host], &profile)?;
    let issued = servers.issue(record, approved, now, random).await?;
    let path = folder.server_certificate(role);
    let chain = certificates_pem(&[&issued.der, servers.certificate_der()])
        .ok_or(FolderError::Content { path: path.clone(), what: "a certificate" })?;
    let pem = key.to_encrypted_pem(passphrase, sekisho_key::Stretch::MachineSecret, random)?;
    // Key first: a stop in between leaves a pair that does not fit, which the next start renews.
    Folder::replace(&folder.key(&key_name(role)), pem.as_bytes())?;
    Folder::replace(&path, chain.as_bytes())?;
    Ok(())
}

/// Reads what [`make`] wrote.
pub(super) fn read(
    folder: &Folder,
    role: NameRole,
    passphrase: &SecretString,
) -> Result<ServerIdentity, ServerCertificateError> {
    let chain = Folder::read_certificates(&folder.server_certificate(role))?;
    let key = secrets::open_key(folder, &key_name(role), passphrase)?;
    Ok(ServerIdentity {
        role,
        chain: chain.into_iter().map(CertificateDer::from).collect(),
        key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8_der()?.to_vec())),
    })
}

/// What a name shows: what [`make`] wrote, and behind it the way to the other root where there are
/// two. Which of them is known, who connects finds one (RFC 5280 §3.2).
pub(super) fn shown(
    folder: &Folder,
    role: NameRole,
    passphrase: &SecretString,
    roots: &Roots,
) -> Result<ServerIdentity, ServerCertificateError> {
    let mut identity = read(folder, role, passphrase)?;
    let bridges = identity.chain.last().map(|last| roots.bridges(last)).unwrap_or_default();
    identity.chain.extend(bridges.into_iter().map(CertificateDer::from));
    Ok(identity)
}

/// Whether each name's key is there and fits its certificate.
pub(crate) fn check(
    folder: &Folder,
    passphrase: &SecretString,
) -> Result<(), ServerCertificateError> {
    for role in NameRole::TLS {
        let identity = read(folder, role, passphrase)?;
        CertifiedKey::from_der(identity.chain, identity.key, &provider()).map_err(|_| {
            let path = folder.server_certificate(role);
            FolderError::Content { path, what: "the certificate of its key" }
        })?;
    }
    Ok(())
}

/// Whether two thirds of the certificate's life are over, or it cannot be read at all.
pub(super) fn is_due(chain: &[CertificateDer<'_>], now: OffsetDateTime) -> bool {
    use der::Decode;
    let validity = chain.first().and_then(|leaf| x509_cert::Certificate::from_der(leaf).ok()).map(
        |certificate| {
            let validity = certificate.tbs_certificate().validity();
            (instant::from_time(&validity.not_before), instant::from_time(&validity.not_after))
        },
    );
    validity.is_none_or(|(from, until)| now >= from + (until - from) * 2 / 3)
}

/// Whether the certificate is for this name: after a change of names it is not.
fn is_for(chain: &[CertificateDer<'_>], host: &str) -> bool {
    use der::Decode;
    let names = chain
        .first()
        .and_then(|leaf| x509_cert::Certificate::from_der(leaf).ok())
        .and_then(|leaf| leaf.tbs_certificate().get_extension::<SubjectAltName>().ok().flatten());
    names.is_some_and(|(_, names)| {
        names.0.iter().any(|name| matches!(name, GeneralName::DnsName(dns) if dns.as_str() == host))
    })
}

/// Job: renews what is due, writes it to the folder, and shows it from the next handshake on.
///
/// # Errors
/// [`ServerCertificateError`]; the names that were not renewed keep what they show.
pub async fn renew_server_certificates(
    app: &App,
    tls: &Tls,
    passphrase: &SecretString,
) -> Result<(), ServerCertificateError> {
    let folder = Folder::new(app.config().folder());
    let roots = app.authority().roots();
    for role in NameRole::TLS {
        let now = app.now();
        let host = app.config().host_names().host(role);
        if let Ok(current) = shown(&folder, role, passphrase, roots)
            && !is_due(&current.chain, now)
            && is_for(&current.chain, host)
        {
            // Another process of this folder, or the operator, may have renewed it.
            tls.replace(current)?;
            continue;
        }
        let validity = app.config().authority().server_validity();
        let servers = app.authority().servers(now);
        let when = (now, app.random());
        make(&folder, role, host, servers, validity, passphrase, app.store(), when).await?;
        tls.replace(shown(&folder, role, passphrase, roots)?)?;
        tracing::info!(role = role.as_str(), "server certificate renewed");
    }
    Ok(())
}
