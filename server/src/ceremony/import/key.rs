//! The private key of another system's authority, as such systems export it.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use sekisho_key::{KeyError, SigningKey, SoftwareKey};
use sekisho_pki::{
    encoding::pkcs12::{
        Pfx, Pkcs12Error, Work,
        keys::{FoundKey, of_encrypted_key, of_pfx},
    },
    path::files::{is_pem, pem_blocks},
};
use zeroize::Zeroizing;

use super::super::files::{self, FileError};

/// Why there is no key in a file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something else.
    #[error(
        "{} holds no private key as PKCS #8 or PKCS #12; `openssl pkcs8 -topk8` makes PKCS #8 of other \
         forms",
        .0.display()
    )]
    NoKey(PathBuf),
    /// It is shut.
    #[error("{} does not open", path.display())]
    Shut {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Pkcs12Error,
    },
    /// Under a scheme that is too weak to be carried out.
    #[error(
        "{} is encrypted with RC2, RC4 or 3DES, which are weak and not read here; `{remedy} | openssl \
         pkcs8 -topk8 -out NEW` makes a file of its key that is",
        path.display()
    )]
    Legacy {
        /// Which.
        path: PathBuf,
        /// What opens a file of that form.
        remedy: &'static str,
    },
    /// It opens, and the key is none of ours.
    #[error("the key in {} cannot be used", path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// Several keys, and none is the certificate's.
    #[error("none of the keys in {} is that of the authority's certificate", .0.display())]
    OtherKey(PathBuf),
}

/// Reads the key of this DER `SubjectPublicKeyInfo` from a file: PKCS #8, in PEM or DER, encrypted or not;
/// or PKCS #12, where other keys may lie beside it.
///
/// # Errors
/// [`KeyFileError`].
pub fn read_key(
    path: &Path,
    passphrase: Option<&SecretString>,
    public_key_der: &[u8],
) -> Result<SoftwareKey, KeyFileError> {
    let octets = Zeroizing::new(files::read(path)?);
    let passphrase = passphrase.map_or("", |passphrase| passphrase.expose_secret());
    let mut fault = KeyFileError::NoKey(path.to_owned());
    for found in found(path, &octets, passphrase)? {
        match found {
            FoundKey::Shut(Pkcs12Error::Legacy) => {
                fault = KeyFileError::Legacy { path: path.to_owned(), remedy: remedy(&octets) };
            }
            FoundKey::Shut(source) => fault = KeyFileError::Shut { path: path.to_owned(), source },
            FoundKey::Open(pkcs8_der) => match SoftwareKey::from_pkcs8_der(&pkcs8_der) {
                Ok(key) if key.public_key_der() == public_key_der => return Ok(key),
                Ok(_) => fault = KeyFileError::OtherKey(path.to_owned()),
                Err(source) => fault = KeyFileError::Key { path: path.to_owned(), source },
            },
        }
    }
    Err(fault)
}

/// OpenSSL still carries it out when it is asked to.
fn remedy(octets: &[u8]) -> &'static str {
    if is_pem(octets) {
        "openssl pkcs8 -in FILE"
    } else if Pfx::parse(octets).is_ok() {
        "openssl pkcs12 -legacy -in FILE -nocerts -noenc"
    } else {
        "openssl pkcs8 -inform DER -in FILE"
    }
}

fn found(path: &Path, octets: &[u8], passphrase: &str) -> Result<Vec<FoundKey>, KeyFileError> {
    let shut = |source| KeyFileError::Shut { path: path.to_owned(), source };
    let mut work = Work::default();
    if is_pem(octets) {
        let blocks = pem_blocks(octets).map_err(|_| KeyFileError::NoKey(path.to_owned()))?;
        let mut keys = Vec::new();
        for block in blocks {
            let der = Zeroizing::new(block.der);
            match block.label.as_str() {
                "PRIVATE KEY" => keys.push(FoundKey::Open(der)),
                "ENCRYPTED PRIVATE KEY" => {
                    keys.push(of_encrypted_key(&der, passphrase, &mut work).map_err(shut)?);
                }
                _ => {}
            }
        }
        return Ok(keys);
    }
    if let Ok(pfx) = Pfx::parse(octets) {
        // What was altered under way is not looked at.
        pfx.verify(passphrase, &mut work).map_err(shut)?;
        return of_pfx(&pfx, passphrase, &mut work).map_err(shut);
    }
    match of_encrypted_key(octets, passphrase, &mut work) {
        Ok(key) => Ok(vec![key]),
        Err(_) => Ok(vec![FoundKey::Open(Zeroizing::new(octets.to_vec()))]),
    }
}
