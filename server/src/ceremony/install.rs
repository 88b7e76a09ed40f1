//! What a ceremony made, taken into an instance.
//!
//! 1. the folder of results is verified against the hash that people compared;
//! 2. each certificate and list in it is judged as if a stranger had brought it;
//! 3. certificates are written into the instance's folder, where nothing reads them yet;
//! 4. the register takes everything in one transaction, with the record of it;
//! 5. each new authority certifies its own OCSP responder.
//!
//! Power may fail after any of these: the same command goes on, and done twice it changes nothing.

use sekisho_ca::{
    authority::{Authority, AuthorityError, Publication},
    ceremony::{Act, Candidate, JudgeError, JudgedList, Step},
    record::IssuedCertificate,
};
use sekisho_key::Randomness;
use sekisho_pki::path::{
    Anchors, PathError, Purpose, Requirements, Revocation, TrustAnchor, validate,
};
use sekisho_store::{
    MayConflict, Queries, Store, StoreError, Tx,
    audit::{Actor, Audited, Entry},
    crl, issuer, issuing, transaction,
};
use time::{Duration, OffsetDateTime};

use super::{
    VerifiedResult,
    files::{self, FileError},
    lists::{ListError, as_published},
};
use crate::{
    authority::Line,
    instance::{
        CaKeys, Folder, FolderError, SecretsError, ServerCertificateError, renew_ocsp_responder,
        root_certificate,
    },
};

/// An authority issues from so long after it was installed at the earliest: every process of the
/// instance has to be started again until then, or it refuses what another one issues.
pub const LEAST_NOTICE: Duration = Duration::minutes(5);

/// What to install, and where.
#[derive(Debug, Clone, Copy)]
pub struct Installation<'a> {
    /// The results.
    pub result: &'a VerifiedResult,
    /// The instance's folder.
    pub folder: &'a Folder,
    /// `http://plain…`, where the instance publishes.
    pub publication_base: &'a str,
    /// From when new authorities issue.
    pub active_from: OffsetDateTime,
    /// Who sits at the command line.
    pub operator: &'a Actor,
    /// Now.
    pub now: OffsetDateTime,
}

/// What was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// New authorities.
    pub authorities: Vec<String>,
    /// Lists, as issuer and number.
    pub lists: Vec<(String, i64)>,
}

/// Why nothing was taken.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A step that has no place here.
    #[error("{0} has no place in an instance: issuing authorities and lists of its root have")]
    NotOurs(String),
    /// An authority whose name is none of a generation.
    #[error(
        "`{0}` is no name of a new authority: terminals, routers or servers with a number from 2"
    )]
    Name(String),
    /// Another certificate is there.
    #[error("authority `{0}` has another certificate; the next one has the next number")]
    Other(String),
    /// Too soon.
    #[error("a new authority issues from {} minutes after it is installed at the earliest", LEAST_NOTICE.whole_minutes())]
    TooSoon,
    /// Not within its validity.
    #[error("authority `{0}` would not be valid when it is to issue")]
    NotValidThen(String),
    /// A certificate.
    #[error("{file} is refused")]
    Certificate {
        /// Which.
        file: String,
        /// Why.
        #[source]
        source: Box<JudgeError>,
    },
    /// It does not lead to the root.
    #[error("{file} does not lead to this instance's root")]
    Path {
        /// Which.
        file: String,
        /// Why.
        #[source]
        source: PathError,
    },
    /// The instance has not got its key, or another.
    #[error("{file} is of a key that this instance has not got")]
    Key {
        /// Which.
        file: String,
        /// Why.
        #[source]
        source: AuthorityError,
    },
    /// A list.
    #[error("{file} is refused")]
    List {
        /// Which.
        file: String,
        /// Why.
        #[source]
        source: ListError,
    },
    /// A key of the folder.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// A file of the folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The responder of a new authority.
    #[error("the OCSP responder could not be made; run the same command again")]
    Responder(#[from] ServerCertificateError),
    /// A certificate does not read back.
    #[error("a certificate cannot be read")]
    Unreadable(#[from] der::Error),
}

impl MayConflict for InstallError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// Judged, and ready for the register.
struct Taken {
    authorities: Vec<(Authority, IssuedCertificate)>,
    lists: Vec<(String, JudgedList)>,
}

impl Installation<'_> {
    /// Judges everything and takes it.
    ///
    /// # Errors
    /// [`InstallError`]; the register has taken nothing then, unless it says to run it again.
    pub async fn carry_out(
        &self,
        store: &Store,
        ca_keys: &CaKeys,
        random: &dyn Randomness,
    ) -> Result<Installed, InstallError> {
        let taken = self.judge(ca_keys)?;
        for (authority, _) in self.unknown(&mut store.read(), &taken).await? {
            let pem = files::pem("CERTIFICATE", authority.certificate_der());
            files::write(&self.folder.certificate(authority.id()), pem.as_bytes())?;
        }
        let installed = transaction!(store, InstallError, |tx| self.enter(tx, &taken).await)?;
        for (authority, _) in &taken.authorities {
            let when = (self.now, random);
            renew_ocsp_responder(self.folder, authority, ca_keys, store, when).await?;
        }
        Ok(installed)
    }

    fn judge(&self, ca_keys: &CaKeys) -> Result<Taken, InstallError> {
        let root_der = root_certificate(self.folder)?;
        let mut taken = Taken { authorities: Vec::new(), lists: Vec::new() };
        for (step, der) in self.result.steps() {
            if step.issuer != "root" {
                return Err(InstallError::NotOurs(step.file.clone()));
            }
            match &step.act {
                Act::Certificate { profile, subject } if profile == "issuing" => {
                    let judged = self.certificate(step, subject, der, &root_der, ca_keys)?;
                    taken.authorities.push(judged);
                }
                Act::Crl { .. } => {
                    let list = JudgedList::judge(der, &root_der, self.now).map_err(|fault| {
                        InstallError::List { file: step.file.clone(), source: fault.into() }
                    })?;
                    taken.lists.push((step.issuer.clone(), list));
                }
                Act::Certificate { .. } => return Err(InstallError::NotOurs(step.file.clone())),
            }
        }
        Ok(taken)
    }

    fn certificate(
        &self,
        step: &Step,
        id: &str,
        der: &[u8],
        root_der: &[u8],
        ca_keys: &CaKeys,
    ) -> Result<(Authority, IssuedCertificate), InstallError> {
        let file = || step.file.clone();
        if Line::of(id).is_none_or(|line| line.id() == id) {
            return Err(InstallError::Name(id.to_owned()));
        }
        let issued = judge_issuing(step, der, root_der, self.publication_base, self.now)?;
        if !(issued.not_before..issued.not_after).contains(&self.active_from) {
            return Err(InstallError::NotValidThen(id.to_owned()));
        }
        let key = if self.folder.certificate(id).exists() {
            ca_keys.open(self.folder, id, der)?
        } else {
            // A new authority's key was made here; the signing process gets it later.
            ca_keys.open_here(self.folder, id, der)?
        };
        let publication = Publication::under(self.publication_base, id, true);
        let authority = Authority::new(id, der, key, publication)
            .map_err(|source| InstallError::Key { file: file(), source })?;
        Ok((authority, issued))
    }

    /// The authorities that the register has not got, if it may have them.
    async fn unknown<'t>(
        &self,
        queries: &mut impl Queries,
        taken: &'t Taken,
    ) -> Result<Vec<&'t (Authority, IssuedCertificate)>, InstallError> {
        let mut unknown = Vec::new();
        for judged in &taken.authorities {
            let (id, der) = (judged.0.id(), judged.0.certificate_der());
            match issuer::find(queries, id).await? {
                Some(there) if there.certificate_der == der => {}
                Some(_) => return Err(InstallError::Other(id.to_owned())),
                None if self.active_from < self.now + LEAST_NOTICE => {
                    return Err(InstallError::TooSoon);
                }
                None => unknown.push(judged),
            }
        }
        Ok(unknown)
    }

    /// Everything that the register did not have, with the records of it.
    async fn enter(&self, tx: &mut Tx, taken: &Taken) -> Result<Audited<Installed>, InstallError> {
        let actor = || self.operator.clone();
        let hash = hex::encode(self.result.statement.hash());
        let mut installed = Installed::default();
        let mut entries = Vec::new();
        for (authority, issued) in self.unknown(tx, taken).await? {
            let intention = issued.intention()?;
            entries.extend(issuing::enter(tx, &intention, issued).await?);
            let (id, der) = (authority.id(), authority.certificate_der());
            entries.push(issuer::add(tx, id, der, self.active_from, actor(), self.now).await?);
            installed.authorities.push(id.to_owned());
        }
        for (issuer_id, list) in &taken.lists {
            let newest = crl::latest(tx, issuer_id).await?;
            let published = as_published(list);
            if newest.is_some_and(|newest| newest == published) {
                continue;
            }
            let refused = |source| InstallError::List { file: format!("{issuer_id}.crl"), source };
            let lacking = lacking(tx, issuer_id, list).await?;
            if let Some(serial) = lacking {
                return Err(refused(ListError::Lacks(serial)));
            }
            if !crl::publish(tx, issuer_id, &published).await? {
                return Err(refused(ListError::Number(list.number)));
            }
            installed.lists.push((issuer_id.clone(), list.number));
        }
        let entry = Entry::done("ceremony.install", actor(), self.now)
            .on("ceremony", &hash)
            .fact("title", self.result.statement.title())
            .fact("authorities", installed.authorities.len())
            .fact("lists", installed.lists.len());
        let audited = Audited::new(installed, entry);
        Ok(entries.into_iter().fold(audited, Audited::and))
    }
}

/// Judges the certificate of an issuing authority that the root of this certificate signed.
pub(super) fn judge_issuing(
    step: &Step,
    der: &[u8],
    root_der: &[u8],
    publication_base: &str,
    now: OffsetDateTime,
) -> Result<IssuedCertificate, InstallError> {
    let file = || step.file.clone();
    let bad_path = |source| InstallError::Path { file: file(), source };
    let anchors = Anchors::new(vec![TrustAnchor::from_der(root_der).map_err(bad_path)?]);
    // Whether the root took it back is in the register, where no certificate of that number is.
    let requirements = Requirements::new(Purpose::Any, Revocation::JudgedByCaller);
    validate(der, &[], &anchors, &requirements, now).map_err(bad_path)?;
    let candidate = Candidate {
        der,
        profile: "issuing",
        issuer_id: &step.issuer,
        issuer_der: root_der,
        publication: &Publication::under(publication_base, &step.issuer, false),
    };
    candidate
        .judge(now)
        .map_err(|error| InstallError::Certificate { file: file(), source: Box::new(error) })
}

/// A certificate that the register has taken back and the list does not name.
async fn lacking(
    tx: &mut Tx,
    issuer_id: &str,
    list: &JudgedList,
) -> Result<Option<String>, InstallError> {
    let names = |serial: &[u8]| list.entries.iter().any(|entry| entry.serial.as_octets() == serial);
    let taken_back = crl::taken_back(tx, issuer_id, list.this_update).await?;
    let lacks = taken_back.into_iter().find(|event| !names(&event.serial));
    Ok(lacks.map(|event| hex::encode(event.serial)))
}
