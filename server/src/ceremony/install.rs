//! What a ceremony made, taken into an instance.
//!
//! 1. the folder of results is verified against the hash that people compared;
//! 2. each certificate and list in it is judged as if a stranger had brought it;
//! 3. certificates are written into the instance's folder, where nothing reads them yet;
//! 4. the register takes everything in one transaction, with the record of it;
//! 5. each new authority certifies its own OCSP responder.
//!
//! Power may fail after any of these: the same command goes on, and done twice it changes nothing.

mod error;
mod roots;

use sekisho_ca::{
    authority::{Authority, Publication},
    ceremony::{Act, Candidate, JudgedList, Step},
    record::IssuedCertificate,
};
use sekisho_key::Randomness;
use sekisho_pki::path::{Anchors, Purpose, Requirements, Revocation, TrustAnchor, validate};
use sekisho_store::{
    Queries, Store, Tx,
    audit::{Actor, Audited, Entry},
    certificate, crl, issuer, issuing, transaction,
};
use time::{Duration, OffsetDateTime};

pub use error::InstallError;
use roots::KnownRoots;

use super::{
    VerifiedResult, files,
    lists::{ListError, as_published},
};
use crate::{
    authority::{Line, cross_name, is_root},
    instance::{CaKeys, Folder, renew_ocsp_responder},
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
    /// From when new authorities issue, and a new root is told to terminals.
    pub active_from: OffsetDateTime,
    /// Who sits at the command line.
    pub operator: &'a Actor,
    /// Now.
    pub now: OffsetDateTime,
}

/// What was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// A new root.
    pub roots: Vec<String>,
    /// New authorities.
    pub authorities: Vec<String>,
    /// Lists, as issuer and number.
    pub lists: Vec<(String, i64)>,
}

/// Judged, and ready for the register.
#[derive(Default)]
struct Taken {
    roots: Vec<(String, IssuedCertificate)>,
    /// One root by another, by the name of the file.
    crosses: Vec<(String, IssuedCertificate)>,
    authorities: Vec<(Authority, IssuedCertificate)>,
    lists: Vec<(String, JudgedList)>,
}

impl Taken {
    /// What becomes an authority of the register, roots before what they certified.
    fn issuers(&self) -> impl Iterator<Item = (&str, &IssuedCertificate)> {
        let roots = self.roots.iter().map(|(id, issued)| (id.as_str(), issued));
        roots.chain(self.authorities.iter().map(|(authority, issued)| (authority.id(), issued)))
    }
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
        let registered = issuer::list(&mut store.read()).await?;
        let mut roots = KnownRoots::of(self.folder, &registered)?;
        let taken = self.judge(&mut roots, ca_keys)?;
        let mut reader = store.read();
        let issuers = self.unknown_issuers(&mut reader, &taken).await?;
        let crosses = unknown_crosses(&mut reader, &taken).await?;
        for (name, issued) in issuers.into_iter().chain(crosses) {
            let pem = files::pem("CERTIFICATE", &issued.der);
            files::write(&self.folder.certificate(name), pem.as_bytes())?;
        }
        let installed =
            transaction!(store, InstallError, |tx| self.enter(tx, &roots, &taken).await)?;
        for (authority, _) in &taken.authorities {
            let when = (self.now, random);
            renew_ocsp_responder(self.folder, authority, ca_keys, store, when).await?;
        }
        Ok(installed)
    }

    /// In the order of signing: a new root comes before what it certified.
    fn judge(&self, roots: &mut KnownRoots, ca_keys: &CaKeys) -> Result<Taken, InstallError> {
        let mut taken = Taken::default();
        for (step, der) in self.result.steps() {
            let not_ours = || InstallError::NotOurs(step.file.clone());
            match &step.act {
                Act::Certificate { profile, subject } if profile == "root" => {
                    if *subject != step.issuer {
                        return Err(not_ours());
                    }
                    let root = self.root(step, der)?;
                    roots.add(subject, &root)?;
                    taken.roots.push((subject.clone(), root));
                }
                Act::Certificate { profile, subject } if profile == "cross" => {
                    let issuer_der = roots.find(&step.issuer).ok_or_else(not_ours)?;
                    let issued = self.under_root(step, der, issuer_der)?;
                    if !roots.is_of(subject, der)? {
                        return Err(not_ours());
                    }
                    taken.crosses.push((cross_name(subject, &step.issuer), issued));
                }
                Act::Certificate { profile, subject } if profile == "issuing" => {
                    let issuer_der = roots.find(&step.issuer).ok_or_else(not_ours)?;
                    let judged = self.certificate(step, subject, der, issuer_der, ca_keys)?;
                    taken.authorities.push(judged);
                }
                Act::Crl { .. } => {
                    let issuer_der = roots.find(&step.issuer).ok_or_else(not_ours)?;
                    let list = JudgedList::judge(der, issuer_der, self.now).map_err(|fault| {
                        InstallError::List { file: step.file.clone(), source: fault.into() }
                    })?;
                    taken.lists.push((step.issuer.clone(), list));
                }
                Act::Certificate { .. } => return Err(not_ours()),
            }
        }
        roots.check_whole(&taken)?;
        Ok(taken)
    }

    /// A root's own certificate.
    fn root(&self, step: &Step, der: &[u8]) -> Result<IssuedCertificate, InstallError> {
        if !is_root(&step.issuer) {
            return Err(InstallError::NotOurs(step.file.clone()));
        }
        let issued = judge_profile(step, "root", der, der, self.publication_base, self.now)?;
        self.check_validity(&step.issuer, &issued)?;
        Ok(issued)
    }

    /// What one root signed for another.
    fn under_root(
        &self,
        step: &Step,
        der: &[u8],
        issuer_der: &[u8],
    ) -> Result<IssuedCertificate, InstallError> {
        let issued = judge_under(step, "cross", der, issuer_der, self.publication_base, self.now)?;
        self.check_validity(&step.issuer, &issued)?;
        Ok(issued)
    }

    fn check_validity(&self, id: &str, issued: &IssuedCertificate) -> Result<(), InstallError> {
        if (issued.not_before..issued.not_after).contains(&self.active_from) {
            Ok(())
        } else {
            Err(InstallError::NotValidThen(id.to_owned()))
        }
    }

    fn certificate(
        &self,
        step: &Step,
        id: &str,
        der: &[u8],
        issuer_der: &[u8],
        ca_keys: &CaKeys,
    ) -> Result<(Authority, IssuedCertificate), InstallError> {
        let file = || step.file.clone();
        if Line::of(id).is_none_or(|line| line.id() == id) {
            return Err(InstallError::Name(id.to_owned()));
        }
        let issued =
            judge_under(step, "issuing", der, issuer_der, self.publication_base, self.now)?;
        self.check_validity(id, &issued)?;
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

    /// Roots and authorities that the register has not got, if it may have them.
    async fn unknown_issuers<'t>(
        &self,
        queries: &mut impl Queries,
        taken: &'t Taken,
    ) -> Result<Vec<(&'t str, &'t IssuedCertificate)>, InstallError> {
        let mut unknown = Vec::new();
        for (id, issued) in taken.issuers() {
            match issuer::find(queries, id).await? {
                Some(there) if there.certificate_der == issued.der => {}
                Some(_) => return Err(InstallError::Other(id.to_owned())),
                None if self.active_from < self.now + LEAST_NOTICE => {
                    return Err(InstallError::TooSoon);
                }
                None => unknown.push((id, issued)),
            }
        }
        Ok(unknown)
    }

    /// Everything that the register did not have, with the records of it.
    async fn enter(
        &self,
        tx: &mut Tx,
        roots: &KnownRoots,
        taken: &Taken,
    ) -> Result<Audited<Installed>, InstallError> {
        let actor = || self.operator.clone();
        let hash = hex::encode(self.result.statement.hash());
        let mut installed = Installed::default();
        let mut entries = Vec::new();
        roots.check_unchanged(&issuer::list(tx).await?)?;
        for (id, issued) in self.unknown_issuers(tx, taken).await? {
            // A root's own number is one of its own numbers: it has to be there first.
            entries
                .push(issuer::add(tx, id, &issued.der, self.active_from, actor(), self.now).await?);
            entries.extend(issuing::enter(tx, &issued.intention()?, issued).await?);
            let which = if is_root(id) { &mut installed.roots } else { &mut installed.authorities };
            which.push(id.to_owned());
        }
        for (_, issued) in unknown_crosses(tx, taken).await? {
            entries.extend(issuing::enter(tx, &issued.intention()?, issued).await?);
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
            .fact("roots", installed.roots.len())
            .fact("authorities", installed.authorities.len())
            .fact("lists", installed.lists.len());
        let audited = Audited::new(installed, entry);
        Ok(entries.into_iter().fold(audited, Audited::and))
    }
}

/// Cross-certificates that the register has not got, if they belong to a new root.
async fn unknown_crosses<'t>(
    queries: &mut impl Queries,
    taken: &'t Taken,
) -> Result<Vec<(&'t str, &'t IssuedCertificate)>, InstallError> {
    let mut unknown = Vec::new();
    for (name, issued) in &taken.crosses {
        let serial = issued.serial.as_octets();
        match certificate::find(queries, &issued.issuer_id, serial).await? {
            Some(there) if there.der == issued.der => {}
            // Processes find the two by their names: they are made once, with the root.
            None if !taken.roots.is_empty() => unknown.push((name.as_str(), issued)),
            _ => return Err(InstallError::NotOurs(format!("{name}.crt"))),
        }
    }
    Ok(unknown)
}

/// Judges the certificate of an authority that the root of this certificate signed.
pub(super) fn judge_under(
    step: &Step,
    profile: &str,
    der: &[u8],
    root_der: &[u8],
    publication_base: &str,
    now: OffsetDateTime,
) -> Result<IssuedCertificate, InstallError> {
    let bad_path = |source| InstallError::Path { file: step.file.clone(), source };
    let anchors = Anchors::new(vec![TrustAnchor::from_der(root_der).map_err(bad_path)?]);
    // Whether the root took it back is in the register, where no certificate of that number is.
    let requirements = Requirements::new(Purpose::Any, Revocation::JudgedByCaller);
    validate(der, &[], &anchors, &requirements, now).map_err(bad_path)?;
    judge_profile(step, profile, der, root_der, publication_base, now)
}

/// Judges signature and profile of a certificate that the authority of this certificate signed.
fn judge_profile(
    step: &Step,
    profile: &str,
    der: &[u8],
    issuer_der: &[u8],
    publication_base: &str,
    now: OffsetDateTime,
) -> Result<IssuedCertificate, InstallError> {
    let candidate = Candidate {
        der,
        profile,
        issuer_id: &step.issuer,
        issuer_der,
        publication: &Publication::under(publication_base, &step.issuer, false),
    };
    candidate.judge(now).map_err(|error| InstallError::Certificate {
        file: step.file.clone(),
        source: Box::new(error),
    })
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
