//! A new authority's key, made in the instance that will use it, and the request that is carried to
//! the root.

use std::{path::PathBuf, sync::Arc};

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
    keys::{in_token, software},
};
use crate::{
    authority::Line,
    instance::{CaToken, Folder, SecretsError, TokenError, open_or_make_key},
};

/// A request for a certificate of an authority.
#[derive(Debug)]
pub struct AuthorityRequest {
    /// PKCS #10, PEM.
    pub pem: String,
    /// SHA-256 of the key, for the plan.
    pub sha256: [u8; 32],
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
    /// Two keys of one name.
    #[error(
        "{} is there already, and a key in a file goes before one in the token: move it away if the \
         key is to be made in the token",
        .0.display()
    )]
    InFolder(PathBuf),
    /// The same, the other way round.
    #[error(
        "the token `{token}` has a key labelled `{id}` already, and one in a file would go before it: \
         give --in-token for that key, or take the token's key away first"
    )]
    InToken {
        /// The authority.
        id: String,
        /// Label of the token.
        token: String,
    },
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
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

/// Where the key of a new authority is to be.
#[derive(Clone, Copy)]
pub enum RequestedPlace<'a> {
    /// In the instance's folder, under its passphrase.
    Folder {
        /// The folder's.
        passphrase: &'a SecretString,
        /// For the key.
        random: &'a dyn Randomness,
        /// The instance's token, whose key of that name would be passed over from then on.
        token: Option<&'a CaToken>,
    },
    /// In the token, which does not give it out.
    Token(&'a CaToken),
}

/// Makes the key of authority `id`, or takes the one that an earlier request made, and has it sign a
/// request.
///
/// # Errors
/// [`RequestProblem`].
pub async fn request(
    folder: &Folder,
    id: &str,
    kind: KeyKind,
    place: RequestedPlace<'_>,
) -> Result<AuthorityRequest, RequestProblem> {
    if Line::of(id).is_none_or(|line| line.id() == id) {
        return Err(RequestProblem::Name(id.to_owned()));
    }
    first_request(folder, id, kind, place).await
}

/// The same for the first authority of a line, in a folder that is no instance yet.
///
/// # Errors
/// [`RequestProblem`].
pub async fn first_request(
    folder: &Folder,
    id: &str,
    kind: KeyKind,
    place: RequestedPlace<'_>,
) -> Result<AuthorityRequest, RequestProblem> {
    if files::read_if_there(&folder.certificate(id))?.is_some() {
        return Err(RequestProblem::Certified(id.to_owned()));
    }
    let is_in_folder = folder.key(id).exists();
    let (key, was_there): (Arc<dyn SigningKey>, bool) = match place {
        RequestedPlace::Folder { token: Some(token), .. }
            if !is_in_folder && token.holds(id)? =>
        {
            return Err(RequestProblem::InToken { id: id.to_owned(), token: token.label().into() });
        }
        RequestedPlace::Folder { passphrase, random, .. } => {
            let key = open_or_make_key(folder, id, passphrase, random, || software(kind))?;
            (key, is_in_folder)
        }
        RequestedPlace::Token(_) if is_in_folder => {
            return Err(RequestProblem::InFolder(folder.key(id)));
        }
        RequestedPlace::Token(token) => {
            let (key, is_new) = token.key_or_generate(id, in_token(kind))?;
            (Arc::new(key), !is_new)
        }
    };
    // The name is the plan's to give; this one tells people which request they hold.
    let info = to_be_signed(&name(&[Part::CommonName(id)])?, key.public_key_der())?;
    let der = assemble(&info, key.algorithm().identifier(), &key.sign(&info).await?)?;
    Ok(AuthorityRequest {
        pem: files::pem("CERTIFICATE REQUEST", &der),
        sha256: public_key_sha256(key.public_key_der()),
        was_there,
    })
}
