//! Why a result is not taken into an instance.

use sekisho_ca::{authority::AuthorityError, ceremony::JudgeError};
use sekisho_pki::path::PathError;
use sekisho_store::{MayConflict, StoreError};

use super::{
    super::{files::FileError, lists::ListError},
    LEAST_NOTICE,
};
use crate::instance::{FolderError, SecretsError, ServerCertificateError};

/// Why nothing was taken.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A step that has no place here.
    #[error(
        "{0} has no place in an instance: a new root, issuing authorities and lists of its roots have"
    )]
    NotOurs(String),
    /// An authority whose name is none of a generation.
    #[error(
        "`{0}` is no name of a new authority: terminals, routers or servers with a number from 2"
    )]
    Name(String),
    /// A root whose name is not the next one.
    #[error("`{id}` is not the name of the next root, which is `{next}`")]
    RootName {
        /// As the plan has it.
        id: String,
        /// As it would have to be.
        next: String,
    },
    /// Too many.
    #[error(
        "`{0}` and `{1}` are in force; a third root comes when the first of them has ended \
         (`sekisho ceremony end-root`)"
    )]
    TwoRoots(String, String),
    /// A root that is no other.
    #[error("the new root has the {what} of authority `{id}`: each has its own")]
    NotNew {
        /// `name` or `key`.
        what: &'static str,
        /// Whose.
        id: String,
    },
    /// A new root without what goes with it.
    #[error("with a new root the ceremony makes {0}, which is missing")]
    Lacks(String),
    /// Somebody was faster.
    #[error("another root was installed or ended meanwhile; run the same command again")]
    Meanwhile,
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
