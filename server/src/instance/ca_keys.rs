//! Where the keys of the authorities and of their OCSP responders are: in the folder, or with the
//! signing process.

use std::sync::Arc;

use der::{Decode, Encode};
use secrecy::SecretString;
use sekisho_key::{
    KeyError, SigningKey,
    signer_process::{HeldKey, SignerProcess},
};
use x509_cert::Certificate;

use super::{
    Folder, FolderError,
    secrets::{self, SecretsError},
};
use crate::{authority::Authorities, config::Config};

/// The way to the authorities' keys. Cheap to clone; clones share one connection to the signing
/// process.
#[derive(Debug, Clone)]
pub struct CaKeys {
    passphrase: SecretString,
    signer: Option<SignerProcess>,
}

/// Why an instance does not start with its signing process.
#[derive(Debug, thiserror::Error)]
pub enum SignerMismatch {
    /// It is not there, or does not let this user in.
    #[error("the signing process cannot be asked for its keys")]
    Unreachable(#[source] KeyError),
    /// A key that it should hold.
    #[error(
        "the signing process does not hold the key of ca/{name}.crt: run `sekisho signer split` and \
         start the signing process again"
    )]
    Lacks {
        /// Name of the key.
        name: String,
    },
    /// A key that lies where it should not.
    #[error(
        "keys/{name}.p8 still lies in the folder although [signer] is configured: finish \
         `sekisho signer split`"
    )]
    StillHere {
        /// Name of the key.
        name: String,
    },
}

impl CaKeys {
    /// As the configuration says; the folder's passphrase is read, nothing is asked.
    ///
    /// # Errors
    /// [`SecretsError`]: no passphrase.
    pub fn of(folder: &Folder, config: &Config) -> Result<Self, SecretsError> {
        let signer = config.signer_socket().map(SignerProcess::new);
        Ok(Self { passphrase: secrets::read_passphrase(folder)?, signer })
    }

    /// The passphrase of the keys that lie in the folder.
    #[must_use]
    pub fn passphrase(&self) -> &SecretString {
        &self.passphrase
    }

    /// The key of this name and certificate.
    ///
    /// One that lies in the folder is taken from there even beside a signing process: a new
    /// authority's is made here and moved later.
    pub(crate) fn open(
        &self,
        folder: &Folder,
        name: &str,
        certificate_der: &[u8],
    ) -> Result<Arc<dyn SigningKey>, SecretsError> {
        let Some(signer) = self.signer_of(folder, name) else {
            return Ok(secrets::open_key(folder, name, &self.passphrase)?);
        };
        let spki = public_key(certificate_der).map_err(|_| FolderError::Content {
            path: folder.certificate(name),
            what: "a certificate",
        })?;
        let key = signer
            .key(name, &spki)
            .map_err(|source| SecretsError::Key { name: name.to_owned(), source })?;
        Ok(Arc::new(key))
    }

    /// The signing process, if the key of this name is not in the folder but there.
    pub(super) fn signer_of(&self, folder: &Folder, name: &str) -> Option<&SignerProcess> {
        let here = std::fs::exists(folder.key(name)).unwrap_or(false);
        self.signer.as_ref().filter(|_| !here)
    }

    /// Whether the signing process holds every key, and the folder none of them.
    ///
    /// # Errors
    /// [`SignerMismatch`].
    pub async fn check(
        &self,
        folder: &Folder,
        authorities: &Authorities,
    ) -> Result<(), SignerMismatch> {
        let Some(signer) = &self.signer else { return Ok(()) };
        let needed = needed(authorities);
        if let Some((name, _)) = needed.iter().find(|(name, _)| folder.key(name).exists()) {
            return Err(SignerMismatch::StillHere { name: name.clone() });
        }
        let held = signer.keys().await.map_err(SignerMismatch::Unreachable)?;
        for (name, public_key_der) in needed {
            let fits = |key: &&HeldKey| key.name == name && key.public_key_der == public_key_der;
            if held.iter().find(fits).is_none() {
                return Err(SignerMismatch::Lacks { name });
            }
        }
        Ok(())
    }
}

/// Names and public keys of the authorities and their responders.
fn needed(authorities: &Authorities) -> Vec<(String, Vec<u8>)> {
    let issuing = authorities
        .issuing()
        .map(|authority| (authority.id().to_owned(), authority.public_key_der().to_vec()));
    let responders = authorities.ocsp();
    let responders = responders.iter().map(|responder| {
        (responder_name(responder.issuer_id()), responder.public_key_der().to_vec())
    });
    issuing.chain(responders).collect()
}

/// Name of the key and certificate of an authority's OCSP responder.
pub(crate) fn responder_name(issuer_id: &str) -> String {
    format!("ocsp-{issuer_id}")
}

/// The `SubjectPublicKeyInfo` of a certificate.
pub(crate) fn public_key(certificate_der: &[u8]) -> der::Result<Vec<u8>> {
    Certificate::from_der(certificate_der)?.tbs_certificate().subject_public_key_info().to_der()
}
