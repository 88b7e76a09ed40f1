//! Where the keys of the authorities and of their OCSP responders are: in the folder, in a token, or
//! with the signing process.

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
    open::issuers_of_folder,
    secrets::{self, SecretsError},
    token::{CaToken, TokenError, UnaskedKey},
};
use crate::{
    authority::{Authorities, signs_here},
    config::Config,
};

/// The way to the authorities' keys. Cheap to clone; clones share one connection to the signing
/// process and to the token.
#[derive(Debug, Clone)]
pub struct CaKeys {
    passphrase: SecretString,
    token: Option<CaToken>,
    is_token_asked: bool,
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
    /// A token that this process could use.
    #[error(
        "[authority.token] still names the token `{token}` although [signer] is configured: finish \
         `sekisho signer split`"
    )]
    TokenStillHere {
        /// Label of the token.
        token: String,
    },
}

impl CaKeys {
    /// As the configuration says; the folder's passphrase is read, nothing is asked.
    ///
    /// # Errors
    /// [`SecretsError`]: no passphrase.
    pub fn of(folder: &Folder, config: &Config) -> Result<Self, SecretsError> {
        let signer = config.signer_socket().map(SignerProcess::new);
        let token = config.token().cloned().map(CaToken::new);
        let passphrase = secrets::read_passphrase(folder)?;
        Ok(Self { passphrase, token, is_token_asked: true, signer })
    }

    /// As [`Self::of`], for judging a copy of a folder: keys in a token count as there, for a backup
    /// is made while the token is away, and tried on hosts that have none.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(crate) fn of_copy(folder: &Folder, config: &Config) -> Result<Self, SecretsError> {
        Ok(Self { is_token_asked: false, ..Self::of(folder, config)? })
    }

    /// The passphrase of the keys that lie in the folder.
    #[must_use]
    pub fn passphrase(&self) -> &SecretString {
        &self.passphrase
    }

    /// The key of this name and certificate: from the folder, else from the token (an authority's
    /// only), else the signing process's.
    ///
    /// What is here is taken from here even beside a signing process: a new authority's is made here
    /// and moved later.
    ///
    /// Blocks where a token is asked.
    pub(crate) fn open(
        &self,
        folder: &Folder,
        name: &str,
        certificate_der: &[u8],
    ) -> Result<Arc<dyn SigningKey>, SecretsError> {
        let Some(signer) = self.signer_of(folder, name) else {
            return self.open_here(folder, name, certificate_der);
        };
        if self.token.is_some() && signs_here(name) {
            match self.open_here(folder, name, certificate_der) {
                Err(SecretsError::Token(TokenError::Absent { .. })) => {}
                outcome => return outcome,
            }
        }
        let spki = public_key(certificate_der).map_err(|_| FolderError::Content {
            path: folder.certificate(name),
            what: "a certificate",
        })?;
        let key = signer
            .key(name, &spki)
            .map_err(|source| SecretsError::Key { name: name.to_owned(), source })?;
        Ok(Arc::new(key))
    }

    /// The key of this name and certificate from the folder or, an authority's, from the token.
    ///
    /// Blocks where a token is asked.
    pub(crate) fn open_here(
        &self,
        folder: &Folder,
        name: &str,
        certificate_der: &[u8],
    ) -> Result<Arc<dyn SigningKey>, SecretsError> {
        if !self.is_token_asked
            && let Some(token) = token_of(folder, name, self.token.as_ref())
        {
            let unasked = UnaskedKey::of(token, certificate_der)
                .map_err(|source| SecretsError::Key { name: name.to_owned(), source })?;
            return Ok(Arc::new(unasked));
        }
        open_key(folder, name, certificate_der, &self.passphrase, self.token.as_ref())
    }

    /// The signing process, if the key of this name is not in the folder but there.
    pub(super) fn signer_of(&self, folder: &Folder, name: &str) -> Option<&SignerProcess> {
        self.signer.as_ref().filter(|_| !is_here(folder, name))
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
        if let Some(token) = &self.token {
            return Err(SignerMismatch::TokenStillHere { token: token.label().to_owned() });
        }
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

/// The key of this name and certificate: a file, or else, an authority's, in the token.
pub(crate) fn open_key(
    folder: &Folder,
    name: &str,
    certificate_der: &[u8],
    passphrase: &SecretString,
    token: Option<&CaToken>,
) -> Result<Arc<dyn SigningKey>, SecretsError> {
    match token_of(folder, name, token) {
        Some(token) => Ok(token.key(name, certificate_der)?),
        None => Ok(secrets::open_key(folder, name, passphrase)?),
    }
}

/// The token, if the key of this name is an authority's and lies in no file.
pub(crate) fn token_of<'t>(
    folder: &Folder,
    name: &str,
    token: Option<&'t CaToken>,
) -> Option<&'t CaToken> {
    token.filter(|_| signs_here(name) && !is_here(folder, name))
}

/// The authorities of the folder whose keys are in the token.
pub(crate) fn in_token(
    folder: &Folder,
    token: Option<&CaToken>,
) -> Result<Vec<String>, FolderError> {
    let ids = issuers_of_folder(folder)?.into_iter().map(|issuer| issuer.id);
    Ok(ids.filter(|id| token_of(folder, id, token).is_some()).collect())
}

/// Whether the key of this name lies in the folder.
fn is_here(folder: &Folder, name: &str) -> bool {
    std::fs::exists(folder.key(name)).unwrap_or(false)
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
