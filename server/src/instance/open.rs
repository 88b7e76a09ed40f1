//! From an instance folder to everything that a process needs.

use sekisho_ca::{
    authority::{Authority, AuthorityError, Publication},
    revocation::{CrlPartitions, ocsp::OcspError},
};

use sekisho_store::issuer::Issuer;
use time::OffsetDateTime;

use super::{
    CaKeys, Folder, FolderError,
    ca_keys::responder_name,
    responder::open_responder,
    secrets::{self, SecretsError},
};
use crate::{
    authority::{
        Authorities, FIRST_ROOT, Generation, Line, Root, Roots, RootsError, is_imported, is_root,
        signs_here,
    },
    keys::InstanceKeys,
    names::Names,
};

/// Keys and certificates of an instance folder.
#[derive(Debug)]
pub struct Opened {
    /// The way to the authorities' keys.
    pub ca_keys: CaKeys,
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
    /// The register has no such authority: another instance's database.
    #[error("the register has no authority `{id}`; is this the database of this folder?")]
    NotInRegister {
        /// Which.
        id: &'static str,
    },
    /// Folder and register disagree.
    #[error(
        "the register has another certificate for authority `{id}` than the folder; copy ca/{id}.crt \
         from the host where it was installed"
    )]
    OtherCertificate {
        /// Which.
        id: String,
    },
    /// The roots.
    #[error("the roots cannot be used")]
    Roots(#[from] RootsError),
    /// An authority.
    #[error("an authority cannot be used")]
    Authority(#[from] AuthorityError),
    /// An OCSP responder.
    #[error("an OCSP responder cannot be used")]
    Ocsp(#[from] OcspError),
}

impl Opened {
    /// Opens keys and certificates of the authorities that the register names. Keys that the signing
    /// process holds are opened by their certificates alone: [`CaKeys::check`] asks for them.
    /// `names.plain` is where new certificates say that revocation is published.
    ///
    /// `crl_partitions` is for the terminals' list. Routers' daemons take any list of their issuer for
    /// theirs, so theirs is never divided.
    ///
    /// # Errors
    /// [`OpenError`]: the first that is missing, damaged, or under another passphrase.
    pub fn open(
        folder: &Folder,
        ca_keys: CaKeys,
        names: &Names,
        crl_partitions: Option<CrlPartitions>,
        register: &[Issuer],
    ) -> Result<Self, OpenError> {
        let roots = open_roots(folder, register)?;
        let mut responders = Vec::with_capacity(register.len());
        let mut open = |issuer: &Issuer, divided| -> Result<Authority, OpenError> {
            let id = issuer.id.as_str();
            let der = first_certificate(folder, id)?;
            if der != issuer.certificate_der {
                return Err(OpenError::OtherCertificate { id: id.to_owned() });
            }
            let key = ca_keys.open(folder, id, &der)?;
            let publication = Publication::under(&names.plain, id, true).divided(divided);
            let authority = Authority::new(id, &der, key, publication)?;
            responders.push(open_responder(folder, &authority, &ca_keys)?);
            Ok(authority)
        };
        let mut generation = |issuer: &Issuer, line: Line| -> Result<Generation, OpenError> {
            let divided = if line == Line::Terminals { crl_partitions } else { None };
            let authority = open(issuer, divided)?;
            Ok(Generation { line, active_from: issuer.active_from, authority })
        };
        let mut first = |line: Line| {
            let issuer = register.iter().find(|issuer| issuer.id == line.id());
            let unknown = || OpenError::NotInRegister { id: line.id() };
            generation(issuer.ok_or_else(unknown)?, line)
        };
        let [terminals, routers, servers] = Line::ALL;
        let first = [first(terminals)?, first(routers)?, first(servers)?];
        let later = register
            .iter()
            .filter_map(|issuer| Some((issuer, Line::of(&issuer.id)?)))
            .filter(|(issuer, line)| issuer.id != line.id())
            .map(|(issuer, line)| generation(issuer, line))
            .collect::<Result<_, _>>()?;
        // The other system's certificates name one list for all.
        let imported = register
            .iter()
            .filter(|issuer| is_imported(&issuer.id))
            .map(|issuer| open(issuer, None))
            .collect::<Result<_, _>>()?;
        let keys = secrets::open(folder, ca_keys.passphrase())?;
        let authority = Authorities::new(roots, first, later, imported, responders);
        Ok(Self { ca_keys, authority, keys })
    }
}

/// The issuing authorities as the folder alone tells of them, for judging a copy of it. An authority
/// whose responder is not there yet is not installed to its end, and no process serves it.
pub(crate) fn issuers_of_folder(folder: &Folder) -> Result<Vec<Issuer>, FolderError> {
    let path = folder.certificates();
    let unreadable = |source| FolderError::Read { path: path.clone(), source };
    let mut issuers = Vec::new();
    for entry in std::fs::read_dir(&path).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".crt")) else { continue };
        let responder = folder.certificate(&responder_name(id));
        if signs_here(id) && responder.exists() {
            issuers.push(Issuer {
                id: id.to_owned(),
                certificate_der: first_certificate(folder, id)?,
                created_at: OffsetDateTime::UNIX_EPOCH,
                active_from: OffsetDateTime::UNIX_EPOCH,
                ended_at: None,
            });
        }
    }
    Ok(issuers)
}

/// The roots that the register names, as the folder has them, too. Where a folder is looked at without
/// its register, the first one.
fn open_roots(folder: &Folder, register: &[Issuer]) -> Result<Roots, OpenError> {
    let mut roots = Vec::new();
    for issuer in register.iter().filter(|issuer| is_root(&issuer.id)) {
        let (id, has_ended) = (issuer.id.clone(), issuer.ended_at.is_some());
        let certificate_der = issuer.certificate_der.clone();
        // Nothing is believed for the sake of one that has ended.
        if !has_ended && first_certificate(folder, &id)? != certificate_der {
            return Err(OpenError::OtherCertificate { id });
        }
        roots.push(Root { id, certificate_der, active_from: issuer.active_from, has_ended });
    }
    if roots.is_empty() {
        roots.push(Root {
            id: FIRST_ROOT.to_owned(),
            certificate_der: first_certificate(folder, FIRST_ROOT)?,
            active_from: OffsetDateTime::UNIX_EPOCH,
            has_ended: false,
        });
    }
    Roots::new(roots, |name| Ok(first_certificate(folder, name)?))
}

/// The certificates of the roots in the folder, DER, ended or not; the first one comes first and is
/// never missing.
pub(crate) fn root_certificates(folder: &Folder) -> Result<Vec<Vec<u8>>, FolderError> {
    let mut roots = vec![first_certificate(folder, FIRST_ROOT)?];
    let path = folder.certificates();
    let unreadable = |source| FolderError::Read { path: path.clone(), source };
    for entry in std::fs::read_dir(&path).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".crt")) else { continue };
        if is_root(id) && id != FIRST_ROOT {
            roots.push(first_certificate(folder, id)?);
        }
    }
    Ok(roots)
}

pub(crate) fn first_certificate(folder: &Folder, id: &str) -> Result<Vec<u8>, FolderError> {
    Ok(Folder::read_certificates(&folder.certificate(id))?.swap_remove(0))
}
