//! The end of a root after its overlap with the next one.

use sekisho_store::{
    MayConflict, Store, StoreError, Tx,
    audit::{Actor, Audited, Entry},
    certificate,
    issuer::{self, Issuer},
    transaction,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use x509_cert::{Certificate, der::Decode};

use crate::authority::{Line, is_root, root_number};

/// What still depends on a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dependent {
    /// An authority under it issues now, or will.
    Issues(String),
    /// Certificates of an authority under it are in force or on hold.
    Lives {
        /// The authority.
        issuer: String,
        /// How many.
        certificates: u64,
        /// Until when the last of them is valid.
        until: OffsetDateTime,
    },
}

/// Why a root does not end.
#[derive(Debug, thiserror::Error)]
pub enum EndRootError {
    /// No such root.
    #[error("there is no root `{0}` in the register")]
    Unknown(String),
    /// The one by which terminals are enrolled.
    #[error(
        "`{0}` is the root that new terminals are enrolled with; another one has to be in force first"
    )]
    Current(String),
    /// Not yet.
    #[error("something still depends on `{root}`:{}", in_lines(dependents))]
    InUse {
        /// The root.
        root: String,
        /// What.
        dependents: Vec<Dependent>,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A certificate does not read back.
    #[error("a certificate of the register cannot be read")]
    Unreadable(#[from] der::Error),
}

impl MayConflict for EndRootError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// Ends a root: it is told to nobody any more, and nothing is judged by it. `false`: it had ended.
///
/// # Errors
/// [`EndRootError`]: it stays in force.
pub async fn end_root(
    store: &Store,
    id: &str,
    operator: &Actor,
    now: OffsetDateTime,
) -> Result<bool, EndRootError> {
    transaction!(store, EndRootError, |tx| end(tx, id, operator, now).await)
}

async fn end(
    tx: &mut Tx,
    id: &str,
    operator: &Actor,
    now: OffsetDateTime,
) -> Result<Audited<bool>, EndRootError> {
    let registered = issuer::list(tx).await?;
    let found = registered.iter().find(|issuer| issuer.id == id && is_root(id));
    let root = found.ok_or_else(|| EndRootError::Unknown(id.to_owned()))?;
    if root.ended_at.is_none() {
        let in_force = registered.iter().filter(|one| is_root(&one.id) && one.ended_at.is_none());
        let current =
            in_force.filter(|one| one.active_from <= now).max_by_key(|one| root_number(&one.id));
        if current.is_none_or(|current| current.id == id) {
            return Err(EndRootError::Current(id.to_owned()));
        }
        let dependents = dependents(tx, root, &registered, now).await?;
        if !dependents.is_empty() {
            return Err(EndRootError::InUse { root: id.to_owned(), dependents });
        }
    }
    match issuer::end(tx, id, operator.clone(), now).await? {
        Some(entry) => Ok(Audited::new(true, entry)),
        None => {
            // Asked again, as after a loss of power: that, too, is somebody's act.
            let entry = Entry::done("issuer.end", operator.clone(), now).on("issuer", id);
            Ok(Audited::new(false, entry.fact("changed", false)))
        }
    }
}

async fn dependents(
    tx: &mut Tx,
    root: &Issuer,
    registered: &[Issuer],
    now: OffsetDateTime,
) -> Result<Vec<Dependent>, EndRootError> {
    let subject = Certificate::from_der(&root.certificate_der)?;
    let subject = subject.tbs_certificate().subject();
    let mut dependents = Vec::new();
    for authority in registered {
        let Some(line) = Line::of(&authority.id) else { continue };
        // Each root has a name of its own.
        if Certificate::from_der(&authority.certificate_der)?.tbs_certificate().issuer() != subject
        {
            continue;
        }
        let generations = registered.iter().filter(|one| Line::of(&one.id) == Some(line));
        let issues_now =
            generations.filter(|one| one.active_from <= now).max_by_key(|one| one.active_from);
        if authority.active_from > now || issues_now.is_some_and(|one| one.id == authority.id) {
            dependents.push(Dependent::Issues(authority.id.clone()));
        }
        if let Some((certificates, until)) = certificate::living(tx, &authority.id, now).await? {
            let issuer = authority.id.clone();
            dependents.push(Dependent::Lives { issuer, certificates, until });
        }
    }
    Ok(dependents)
}

fn in_lines(dependents: &[Dependent]) -> String {
    let line = |dependent: &Dependent| match dependent {
        Dependent::Issues(id) => format!("\n  {id} issues, or will"),
        Dependent::Lives { issuer, certificates, until } => {
            let until = until.format(&Rfc3339).unwrap_or_default();
            format!(
                "\n  {issuer}: certificates in force or on hold: {certificates}, the last until {until}"
            )
        }
    };
    dependents.iter().map(line).collect()
}
