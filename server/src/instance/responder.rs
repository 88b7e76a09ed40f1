//! The OCSP responders: a key and a certificate of each authority, renewed at two thirds of the
//! certificate's life.
//!
//! Key and certificate are two files, and a process may be killed between them. The next key lies beside
//! the present one until the certificate is there; whoever opens the pair then puts it in its place.

use std::{path::PathBuf, sync::Arc};

use rustls_pki_types::CertificateDer;
use secrecy::SecretString;
use sekisho_ca::{
    authority::Authority,
    ceremony::{CeremonyError, issue_ocsp_certificate},
    issuance::IssuanceError,
    record::{Record, RecordError},
    revocation::ocsp::OcspResponder,
};
use sekisho_key::{Randomness, SigningKey, SoftwareKey};
use time::OffsetDateTime;

use super::{
    CaKeys, Folder, FolderError, OpenError, SecretsError, ServerCertificateError,
    ca_keys::{public_key, responder_name},
    folder::certificates_pem,
    open::first_certificate,
    server_certificate::is_due,
};
use crate::app::App;

/// Job: renews the OCSP responders that are due, and lets them answer at once.
///
/// # Errors
/// [`ServerCertificateError`]; those that were not renewed go on answering.
pub async fn renew_ocsp_responders(
    app: &App,
    ca_keys: &CaKeys,
) -> Result<(), ServerCertificateError> {
    let folder = Folder::new(app.config().folder());
    let now = app.now();
    // An authority that has ended answers with the last responder that it certified.
    for authority in app.authority().living(now) {
        let when = (now, app.random());
        match renew_ocsp_responder(&folder, authority, ca_keys, app.store(), when).await {
            // The present one says `revoked` as long as it is good. After that nobody who judges
            // the authority's certificates comes so far as to ask.
            Err(ServerCertificateError::Responder(CeremonyError::Issuance(
                IssuanceError::Record(RecordError::IssuerRevoked { issuer_id }),
            ))) => {
                tracing::warn!(issuer = issuer_id, "revoked authority: OCSP responder not renewed");
            }
            outcome => outcome?,
        }
    }
    // Read again even if nothing was due: another process of this folder may have renewed.
    let responders = app
        .authority()
        .issuing()
        .map(|authority| open_responder(&folder, authority, ca_keys))
        .collect::<Result<Vec<_>, _>>()?;
    app.authority().replace_ocsp(responders);
    Ok(())
}

/// Makes the responder of an authority, if it has none or two thirds of its life are over: under a
/// fresh key where the key lies in the folder, under the same where the signing process holds it.
///
/// To have keys made by whoever asks over the socket would be a power that nothing needs: the
/// responder's key can sign answers about its own authority and nothing else.
pub(crate) async fn renew_ocsp_responder<R: Record + ?Sized>(
    folder: &Folder,
    authority: &Authority,
    ca_keys: &CaKeys,
    record: &R,
    (now, random): (OffsetDateTime, &dyn Randomness),
) -> Result<(), ServerCertificateError> {
    let name = responder_name(authority.id());
    settle(folder, &name, ca_keys.passphrase())?;
    let path = folder.certificate(&name);
    let current = Folder::read_certificates(&path).unwrap_or_default();
    let current: Vec<_> = current.into_iter().map(CertificateDer::from).collect();
    if !is_due(&current, now) {
        return Ok(());
    }
    let (key, pem): (Arc<dyn SigningKey>, _) = match current.first() {
        Some(certificate) if ca_keys.signer_of(folder, &name).is_some() => {
            (ca_keys.open(folder, &name, certificate)?, None)
        }
        _ => {
            let key = SoftwareKey::generate_p256()?;
            let stretch = sekisho_key::Stretch::MachineSecret;
            let pem = key.to_encrypted_pem(ca_keys.passphrase(), stretch, random)?;
            (Arc::new(key), Some(pem))
        }
    };
    let issued = issue_ocsp_certificate(authority, record, &*key, now, random).await?;
    let certificate = certificates_pem(&[&issued.der])
        .ok_or(FolderError::Content { path: path.clone(), what: "a certificate" })?;
    if let Some(pem) = pem {
        Folder::replace(&next_key(folder, &name), pem.as_bytes())?;
    }
    Folder::replace(&path, certificate.as_bytes())?;
    settle(folder, &name, ca_keys.passphrase())?;
    tracing::info!(issuer = authority.id(), "OCSP responder renewed");
    Ok(())
}

/// The delegated OCSP responder of an authority.
pub(super) fn open_responder(
    folder: &Folder,
    authority: &Authority,
    ca_keys: &CaKeys,
) -> Result<OcspResponder, OpenError> {
    let name = responder_name(authority.id());
    settle(folder, &name, ca_keys.passphrase())?;
    let der = first_certificate(folder, &name)?;
    let key = ca_keys.open(folder, &name, &der)?;
    Ok(OcspResponder::delegated(authority, &der, key)?)
}

/// Where the key of the next certificate waits.
fn next_key(folder: &Folder, name: &str) -> PathBuf {
    folder.key(name).with_extension("p8.next")
}

/// Puts the next key in its place if the certificate that is there is its own. Otherwise it is one whose
/// certificate did not come, or is just coming in another process: it is left.
///
/// # Errors
/// [`SecretsError`]; a next key that cannot be read is as good as none.
pub(crate) fn settle(
    folder: &Folder,
    name: &str,
    passphrase: &SecretString,
) -> Result<(), SecretsError> {
    let next = next_key(folder, name);
    let Ok(pem) = Folder::read(&next) else { return Ok(()) };
    let Ok(key) = SoftwareKey::from_encrypted_pem(&pem, passphrase) else { return Ok(()) };
    let certificate_der = match first_certificate(folder, name) {
        Ok(certificate_der) => certificate_der,
        Err(_) if !folder.certificate(name).exists() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if public_key(&certificate_der).ok().as_deref() == Some(key.public_key_der()) {
        Folder::put_in_place(&next, &folder.key(name))?;
    }
    Ok(())
}
