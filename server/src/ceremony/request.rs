//! A new authority's key, made in the instance that will use it, and the request that is carried to
//! the root.

use std::path::PathBuf;

use secrecy::SecretString;
use sekisho_ca::ceremony::KeyKind;
use sekisho_key::{KeyError, Randomness, SigningKey};
use sekisho_pki::encoding::{
    key_identifier::public_key_sha256,
    name::{Part, name},
    request::to_be_signed,
    signed_object::assemble,
};

use super::{
    files::{self, FileError},
    keys::software,
};
use crate::{
    authority::Line,
    instance::{Folder, SecretsError, open_or_make_key},
};

/// A request for a certificate of an authority.
#[derive(Debug)]
pub struct AuthorityRequest {
    /// PKCS #10, PEM.
    pub pem: String,
    /// SHA-256 of the key, for the plan.
    pub sha256: [u8; 32],
    /// Where the key lies.
    pub key: PathBuf,
    /// Whether an earlier request made it.
    pub was_there: bool,
}

/// Why there is no request.
#[derive(Debug, thiserror::Error)]
pub enum RequestProblem {
    /// The name is not one of a generation to come.
    #[error(
        "`{0}` is no name of a new authority: terminals, routers or servers with a number from 2, \
         such as terminals-2"
    )]
    Name(String),
    /// There is a certificate already.
    #[error("authority `{0}` has its certificate already; the next one has the next number")]
    Certified(String),
    /// A key of the folder.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The key.
    #[error("the key cannot be used")]
    Key(#[from] KeyError),
    /// Encoding.
    #[error("the request cannot be encoded")]
    Encoding(#[from] der::Error),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Makes the key of authority `id` in the folder, or takes the one that an earlier request made, and
/// has it sign a request.
///
/// # Errors
/// [`RequestProblem`].
pub fn request(
    folder: &Folder,
    id: &str,
    kind: KeyKind,
    passphrase: &SecretString,
    random: &dyn Randomness,
) -> Result<AuthorityRequest, RequestProblem> {
    if Line::of(id).is_none_or(|line| line.id() == id) {
        return Err(RequestProblem::Name(id.to_owned()));
    }
    if files::read_if_there(&folder.certificate(id))?.is_some() {
        return Err(RequestProblem::Certified(id.to_owned()));
    }
    let was_there = folder.key(id).exists();
    let key = open_or_make_key(folder, id, passphrase, random, || software(kind))?;
    // The name is the plan's to give; this one tells people which request they hold.
    let info = to_be_signed(&name(&[Part::CommonName(id)])?, key.public_key_der())?;
    let der = assemble(&info, key.algorithm().identifier(), &key.sign_now(&info)?)?;
    Ok(AuthorityRequest {
        pem: files::pem("CERTIFICATE REQUEST", &der),
        sha256: public_key_sha256(key.public_key_der()),
        key: folder.key(id),
        was_there,
    })
}
