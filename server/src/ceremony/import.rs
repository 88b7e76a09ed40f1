//! An authority that another system ran, taken into this instance.
//!
//! 1. what the other system left is read and judged (`sekisho_ca::ceremony::Papers`), and its hash is the
//!    one that people compared;
//! 2. the key is the certificate's, and is put into the instance's form;
//! 3. the certificate is written into the instance's folder, where nothing reads it yet;
//! 4. the register takes authority, certificates, revocations and list in one transaction, with the record
//!    of it;
//! 5. the authority certifies its own OCSP responder, and its key signs the transcript.
//!
//! Power may fail after any of these: the same command goes on, and done twice it changes nothing.

mod key;
#[cfg(test)]
mod old_authority;
mod papers;
#[cfg(test)]
mod tests;

use sekisho_ca::{
    authority::{Authority, AuthorityError, Publication},
    ceremony::{Import, TranscriptError},
    revocation::RevocationKind,
};
use sekisho_key::{Randomness, SigningKey, SoftwareKey, Stretch};
use sekisho_store::{
    MayConflict, Queries, Store, StoreError, Tx,
    audit::{Actor, Audited, Entry},
    crl, import, issuer,
    revocation::{self, Act, CERTIFICATE_HOLD, Scope},
    transaction,
};
use time::OffsetDateTime;

pub use key::{KeyFileError, read_key};
pub use papers::{ImportPapers, PapersError};

use super::{
    files::{self, FileError},
    lists::as_published,
};
use crate::instance::{
    CaKeys, Folder, FolderError, SecretsError, ServerCertificateError, public_key,
    renew_ocsp_responder,
};

/// What to take over, and into what.
pub struct TakeOver<'a> {
    /// What was judged and reviewed.
    pub import: &'a Import,
    /// The authority's key; `None`: it is in the instance's token, under the authority's identifier.
    pub key: Option<&'a SoftwareKey>,
    /// The instance's folder.
    pub folder: &'a Folder,
    /// `http://plain…`, where the instance publishes.
    pub publication_base: &'a str,
    /// Who sits at the command line: user and host.
    pub operator: (String, String),
    /// Now.
    pub now: OffsetDateTime,
}

/// What the register did not have before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// Certificates.
    pub certificates: usize,
    /// Certificates that were taken back, by the list.
    pub revoked: usize,
    /// Tells of it, signed by the authority's key: JWS in JSON.
    pub transcript: String,
}

/// Why an authority was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    /// Another key than the certificate's.
    #[error("the key is not that of the authority's certificate")]
    OtherKey,
    /// The identifier is taken.
    #[error("`{0}` is another authority already; the next one has the next number")]
    Other(String),
    /// It is here under another name.
    #[error("authority `{0}` of this instance has the same name or key")]
    Known(String),
    /// A serial number that was given twice.
    #[error(
        "serial number {0} is on record for another certificate of this authority; nothing was taken"
    )]
    SerialTaken(String),
    /// A key of the folder or the token.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The key.
    #[error("the key cannot be wrapped")]
    Key(#[from] sekisho_key::KeyError),
    /// Certificate and key.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A file of the folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A certificate does not read back.
    #[error("a certificate cannot be read")]
    Unreadable(#[from] der::Error),
    /// The responder.
    #[error("the OCSP responder could not be made; run the same command again")]
    Responder(#[from] ServerCertificateError),
    /// The transcript.
    #[error("the transcript could not be signed; run the same command again")]
    Transcript(#[from] TranscriptError),
}

impl MayConflict for TakeOverError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// What a transaction changed.
struct Entered {
    certificates: usize,
    revoked: usize,
}

impl TakeOver<'_> {
    /// Takes everything, or nothing.
    ///
    /// # Errors
    /// [`TakeOverError`]; the register has taken nothing then, unless it says to run it again.
    pub async fn carry_out(
        &self,
        store: &Store,
        ca_keys: &CaKeys,
        random: &dyn Randomness,
    ) -> Result<TakenOver, TakeOverError> {
        let Import { id, certificate_der, public_key_der, .. } = self.import;
        let is_new = self.is_new(&mut store.read()).await?;
        if let Some(key) = self.key {
            if key.public_key_der() != public_key_der {
                return Err(TakeOverError::OtherKey);
            }
            if !self.folder.key(id).exists() {
                let passphrase = ca_keys.passphrase();
                let pem = key.to_encrypted_pem(passphrase, Stretch::MachineSecret, random)?;
                Folder::replace(&self.folder.key(id), pem.as_bytes())?;
            }
        }
        let key = ca_keys.open_here(self.folder, id, certificate_der)?;
        let publication = Publication::under(self.publication_base, id, true);
        let authority = Authority::new(id, certificate_der, key.clone(), publication)?;
        if is_new {
            let pem = files::pem("CERTIFICATE", certificate_der);
            files::write(&self.folder.certificate(id), pem.as_bytes())?;
        }
        let Entered { certificates, revoked } =
            transaction!(store, TakeOverError, |tx| self.enter(tx).await)?;
        let when = (self.now, random);
        renew_ocsp_responder(self.folder, &authority, ca_keys, store, when).await?;
        let operator = format!("{} at {}", self.operator.0, self.operator.1);
        let transcript = self.import.transcript(&*key, &operator, self.now).await?;
        Ok(TakenOver { certificates, revoked, transcript })
    }

    /// Whether the register has not got it; it must not have another of its identifier, name or key.
    async fn is_new(&self, queries: &mut impl Queries) -> Result<bool, TakeOverError> {
        let Import { id, certificate_der, public_key_der, .. } = self.import;
        let subject = subject(certificate_der)?;
        let mut is_new = true;
        for there in issuer::list(queries).await? {
            if there.id != *id {
                let same_key = public_key(&there.certificate_der)? == *public_key_der;
                // Whoever looks for an issuer by its name must find one.
                if same_key || self::subject(&there.certificate_der)? == subject {
                    return Err(TakeOverError::Known(there.id));
                }
            } else if there.certificate_der == *certificate_der {
                is_new = false;
            } else {
                return Err(TakeOverError::Other(there.id));
            }
        }
        Ok(is_new)
    }

    /// Everything that the register did not have, with the record of it.
    async fn enter(&self, tx: &mut Tx) -> Result<Audited<Entered>, TakeOverError> {
        let Import { id, certificate_der, issued, list, .. } = self.import;
        let (user, host) = &self.operator;
        let actor = || Actor::Operator { user: user.clone(), host: host.clone() };
        let mut entries = Vec::new();
        let is_new = self.is_new(tx).await?;
        if is_new {
            entries.push(issuer::add(tx, id, certificate_der, self.now, actor(), self.now).await?);
        }
        let known = import::known(tx, id).await?;
        let mut new = Vec::with_capacity(issued.len());
        for one in issued {
            match known.get(one.serial.as_octets()) {
                None => new.push(one),
                Some(fingerprint) if *fingerprint == one.fingerprint => {}
                Some(_) => return Err(TakeOverError::SerialTaken(one.serial.to_string())),
            }
        }
        import::take(tx, &new, self.now).await?;
        let mut revoked = 0;
        for entry in &list.entries {
            let kind = match entry.reason {
                CERTIFICATE_HOLD => RevocationKind::Held,
                _ => RevocationKind::Revoked,
            };
            let act = Act {
                kind,
                reason: entry.reason,
                invalidity_at: entry.invalidity_at,
                at: entry.at,
            };
            let scope = Scope::Certificate { issuer_id: id, serial: entry.serial.as_octets() };
            revoked += revocation::carry_out(tx, scope, act).await?.len();
        }
        // A list of the other system's does not know what was taken back here: once ours go on, its
        // number counts and its octets do not.
        let published = is_new && crl::publish(tx, id, &as_published(list)).await?;
        if !published {
            crl::pass_number(tx, id, list.number, self.now).await?;
        }
        let entry = Entry::done("authority.import", actor(), self.now)
            .on("issuer", id)
            .on("ceremony", hex::encode(self.import.hash()))
            .fact("certificates", new.len())
            .fact("revoked", revoked)
            .fact("crl_number", list.number)
            .fact("crl_published", published);
        let audited = Audited::new(Entered { certificates: new.len(), revoked }, entry);
        Ok(entries.into_iter().fold(audited, Audited::and))
    }
}

fn subject(certificate_der: &[u8]) -> der::Result<x509_cert::name::Name> {
    use der::Decode;
    let certificate = x509_cert::Certificate::from_der(certificate_der)?;
    Ok(certificate.tbs_certificate().subject().clone())
}
