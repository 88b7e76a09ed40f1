//! The PKCS #12 file in which a key that was made here goes to its device (docs/decisions/0046).
//!
//! Its passphrase is random, shown once to the person who had it made, and kept nowhere: what the database,
//! its log and the backups hold of the file nobody opens.

use std::fmt;

use sekisho_ca::{authority::Authority, record::IssuedCertificate};
use sekisho_key::{KeyError, RandomnessError};
use sekisho_pki::encoding::pkcs12::seal::{self, Fresh, Identity, Protection, SealError};
use sekisho_store::{
    StoreError, Tx,
    audit::{Actor, Audited, Entry},
    key_delivery::{self, Delivery, Ended},
    terminal::{self, Terminal},
    transaction,
};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::server_made::ServerMadeKey;
use crate::{
    app::App,
    notice::{self, Notice, To},
    paper_code::random_characters,
};

/// Characters of a passphrase, five bits each: 130 bits. Without hyphens, for some devices take 32 characters at
/// most.
const PASSPHRASE: usize = 26;
/// Files a run.
const BATCH: i64 = 100;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// No passphrase without it.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The key.
    #[error("the key does not encode")]
    Key(#[from] KeyError),
    /// The file.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// A file that is to be made.
pub struct KeyFile {
    id: String,
    key: ServerMadeKey,
    name: String,
    protection: Protection,
    passphrase: Zeroizing<String>,
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile").field("id", &self.id).finish_non_exhaustive()
    }
}

impl KeyFile {
    /// With a passphrase of its own. `id` is what the form that asks for it drew.
    ///
    /// # Errors
    /// [`KeyFileError::Randomness`].
    pub fn new(
        app: &App,
        id: String,
        key: ServerMadeKey,
        terminal: &Terminal,
        protection: Protection,
    ) -> Result<Self, KeyFileError> {
        Ok(Self {
            id,
            key,
            name: terminal.id.clone(),
            protection,
            passphrase: random_characters::<PASSPHRASE>(app.random())?,
        })
    }

    /// As the form has it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &ServerMadeKey {
        &self.key
    }

    /// What opens it, to be shown once.
    #[must_use]
    pub fn passphrase(&self) -> &str {
        &self.passphrase
    }

    /// The file, DER: key, certificate, the authority that issued it and the root.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub(super) fn seal(
        &self,
        app: &App,
        issued: &IssuedCertificate,
    ) -> Result<Vec<u8>, KeyFileError> {
        let mut fresh = Fresh::default();
        app.random().fill(fresh.as_flattened_mut())?;
        let (authority, now) = (app.authority(), app.now());
        let issuer = authority.find(&issued.issuer_id).map(Authority::certificate_der);
        let authorities: Vec<&[u8]> = issuer.into_iter().chain([authority.root_der(now)]).collect();
        let identity = Identity {
            key_pkcs8: &self.key.pkcs8_der()?,
            certificate: &issued.der,
            authorities: &authorities,
            name: &self.name,
        };
        Ok(seal::seal(&identity, &self.passphrase, self.protection, &fresh)?)
    }
}

/// Tells who had a file made that its certificate was taken back: the device may be waiting for it.
pub(super) async fn tell_taken_back(
    tx: &mut Tx,
    file: &Delivery,
    terminal: &Terminal,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let notice = Notice::KeyFileTakenBack {
        terminal_id: terminal.id.clone(),
        terminal_name: terminal.name.clone(),
    };
    notice::put(tx, To::Person(file.made_by.clone()), notice, at).await
}

/// Scheduled: forgets files whose time is over, and takes the certificates of those back that nobody fetched; who had
/// one made is told.
///
/// # Errors
/// [`StoreError`]: the rest waits for the next run.
pub async fn end_expired(app: &App) -> Result<(), StoreError> {
    let now = app.now();
    for over in key_delivery::over(&mut app.store().read(), now, BATCH).await? {
        transaction!(app.store(), StoreError, |tx| {
            let ended = key_delivery::end(tx, &over, now).await?;
            let end = "terminal.end_key_file";
            let entry = match &ended {
                Ended::Changed => Entry::refused(end, Actor::System, now, "changed"),
                Ended::TakenBack(certificates) if !certificates.is_empty() => {
                    Entry::done("terminal.take_back_key_file", Actor::System, now)
                        .ending(certificates)
                }
                Ended::Forgotten | Ended::TakenBack(_) => Entry::done(end, Actor::System, now),
            };
            let terminal = terminal::find(tx, &over.terminal_id).await?;
            if let (Some(terminal), Ended::TakenBack(certificates)) = (&terminal, &ended)
                && !certificates.is_empty()
            {
                tell_taken_back(tx, &over, terminal, now).await?;
            }
            let entry = match &terminal {
                Some(terminal) => entry
                    .at_organisation(&terminal.organisation_id)
                    .fact("terminal_name", terminal.name.as_str()),
                None => entry,
            };
            Ok(Audited::new((), entry.on("terminal", &over.terminal_id)))
        })?;
    }
    Ok(())
}
