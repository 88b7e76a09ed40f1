//! Why no instance was made, whose fault it is, and what would help.

use std::path::PathBuf;

use sekisho_ca::{
    authority::AuthorityError, ceremony::CeremonyError, record::RecordError,
    revocation::crl::CrlError,
};
use sekisho_key::{KeyError, RandomnessError};
use sekisho_output::OutputError;
use sekisho_store::StoreError;

use super::super::{FolderError, NewFolderError, SecretsError, ServerCertificateError};
use crate::{
    ceremony::{FirstError, RequestProblem},
    config::ConfigError,
    people::administrator::LoginNameUnfit,
};

/// Why no instance was made. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The folder.
    #[error(transparent)]
    NewFolder(#[from] NewFolderError),
    /// The login name cannot be used.
    #[error(transparent)]
    LoginName(#[from] LoginNameUnfit),
    /// The root's passphrase is too easy.
    #[error(
        "the root passphrase has {characters} characters; give at least 20, or none to have one drawn"
    )]
    WeakPassphrase {
        /// Its length.
        characters: usize,
    },
    /// An authority that every instance has.
    #[error("there is no authority `{0}`")]
    Lacks(String),
    /// The folder of requests.
    #[error("{} is no folder that `sekisho init --requests` made", .0.display())]
    NoRequests(PathBuf),
    /// A request.
    #[error(transparent)]
    Request(#[from] RequestProblem),
    /// What the ceremony made.
    #[error(transparent)]
    First(#[from] FirstError),
    /// A key or certificate that is not the other's.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A list.
    #[error("the first list of an authority was not signed")]
    List(#[from] CrlError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The ceremony.
    #[error("the authorities could not be made")]
    Ceremony(#[from] CeremonyError),
    /// The database holds an instance.
    #[error(
        "the database is in use by another instance, which is not overwritten; name another one"
    )]
    Occupied,
    /// The database.
    #[error("the database could not be filled")]
    Store(#[source] StoreError),
    /// The audit trail.
    #[error("the first audit records could not be chained")]
    Chain(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The clock's time has no RFC 3339 form.
    #[error("the time cannot be written")]
    Time,
    /// A certificate of the ceremony does not read back: a defect of ours.
    #[error("a certificate that was just made cannot be read")]
    Unreadable(#[source] der::Error),
    /// The register.
    #[error("the register could not be filled")]
    Record(#[from] RecordError),
    /// A key.
    #[error("a key could not be wrapped")]
    Key(#[from] KeyError),
    /// Keys of the folder.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// A server certificate.
    #[error(transparent)]
    ServerCertificate(#[from] ServerCertificateError),
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The secrets could not be shown.
    #[error("what was made was removed again, for its secrets could not be shown")]
    NotShown(#[from] OutputError),
}

impl From<StoreError> for CreateError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::AlreadyExists { .. } => Self::Occupied,
            error => Self::Store(error),
        }
    }
}

impl CreateError {
    /// Whether what was asked for cannot be, whatever the machine, or names what is not there.
    #[must_use]
    pub fn is_of_the_plan(&self) -> bool {
        matches!(
            self,
            Self::Config(ConfigError::Invalid { .. })
                | Self::LoginName(_)
                | Self::NoRequests(_)
                | Self::Ceremony(CeremonyError::Plan(_))
        )
    }
}
