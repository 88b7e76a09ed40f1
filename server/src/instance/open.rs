//! From an instance folder to everything that a process needs.

use secrecy::SecretString;
use std::sync::{Arc, RwLock};

use sekisho_ca::{
    authority::{Authority, AuthorityError, Publication},
    revocation::{
        CrlPartitions,
        ocsp::{OcspError, OcspResponder, OcspResponders},
    },
};

use super::{
    Folder, FolderError,
    secrets::{self, SecretsError},
};
use crate::{
    authority::{Authorities, ISSUING},
    keys::InstanceKeys,
    names::Names,
};

/// Keys and certificates of an instance folder.
#[derive(Debug)]
pub struct Opened {
    /// The passphrase of the folder's keys.
    pub passphrase: SecretString,
    /// The authorities.
    pub authority: Authorities,
    /// The other keys.
    pub keys: InstanceKeys,
}

/// Why the folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A key.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// An authority.
    #[error("an authority cannot be used")]
    Authority(#[from] AuthorityError),
    /// An OCSP responder.
    #[error("an OCSP responder cannot be used")]
    Ocsp(#[from] OcspError),
}

impl Opened {
    /// Opens keys and certificates. `names.plain` is where new certificates say that revocation is
    /// published.
    ///
    /// `crl_partitions` is for the terminals' list. Routers' daemons take any list of their issuer for
    /// theirs, so theirs is never divided.
    ///
    /// # Errors
    /// [`OpenError`]: the first that is missing, damaged, or under another passphrase.
    pub fn open(
        folder: &Folder,
        names: &Names,
        crl_partitions: Option<CrlPartitions>,
    ) -> Result<Self, OpenError> {
        let passphrase = secrets::read_passphrase(folder)?;
        let root_der = root_certificate(folder)?;
        let mut responders = Vec::with_capacity(ISSUING.len());
        let mut open = |id: &'static str| -> Result<Authority, OpenError> {
            let der = first_certificate(folder, id)?;
            let key = secrets::open_key(folder, id, &passphrase)?;
            let divided = if id == ISSUING[0] { crl_partitions } else { None };
            let publication = Publication::under(&names.plain, id, true).divided(divided);
            let authority = Authority::new(id, &der, key, publication)?;
            responders.push(open_responder(folder, &authority, &passphrase)?);
            Ok(authority)
        };
        let [terminals, routers, servers] = ISSUING;
        let (terminals, routers, servers) = (open(terminals)?, open(routers)?, open(servers)?);
        let keys = secrets::open(folder, &passphrase)?;
        let ocsp = Arc::new(RwLock::new(Arc::new(OcspResponders::new(responders))));
        Ok(Self {
            passphrase,
            authority: Authorities { root_der, terminals, routers, servers, ocsp },
            keys,
        })
    }
}

/// The delegated OCSP responder of an authority.
pub(super) fn open_responder(
    folder: &Folder,
    authority: &Authority,
    passphrase: &SecretString,
) -> Result<OcspResponder, OpenError> {
    let name = format!("ocsp-{}", authority.id());
    let der = first_certificate(folder, &name)?;
    let key = secrets::open_key(folder, &name, passphrase)?;
    Ok(OcspResponder::delegated(authority, &der, key)?)
}

/// The root's certificate, DER.
pub(crate) fn root_certificate(folder: &Folder) -> Result<Vec<u8>, FolderError> {
    first_certificate(folder, "root")
}

pub(super) fn first_certificate(folder: &Folder, id: &str) -> Result<Vec<u8>, FolderError> {
    Ok(Folder::read_certificates(&folder.certificate(id))?.swap_remove(0))
}
