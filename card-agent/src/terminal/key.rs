//! Where the terminal's private key lives.
//!
//! | place | state | made for |
//! |---|---|---|
//! | [`FileKey`] | here | any PC; a folder that only its user reads; on Windows sealed for that user by DPAPI |
//! | [`PkcsKey`] | here | a token behind PKCS #11, the PC's TPM 2.0 among them; key not exportable |
//! | CNG | place kept: implement [`TerminalKey`] over NCrypt; Edge and Chrome read the same store | Windows, key not exportable |

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sekisho_key::{SigningKey, SoftwareKey, ecdsa_signature_to_fixed};
use sekisho_protocol::Jwk;
use zeroize::Zeroizing;

use super::pkcs11_uri::{Pkcs11Uri, Pkcs11UriError};
use super::place::{Place, PlaceError, at, read, write_private};
use super::token_key::{self, PkcsKey};
use crate::platform;

/// A terminal's private key, wherever it lies.
pub trait TerminalKey: Send + Sync {
    /// The public half.
    fn public(&self) -> &Jwk;

    /// ECDSA P-256, SHA-256, DER.
    ///
    /// # Errors
    /// [`PlaceError::Key`].
    fn sign_der(&self, message: &[u8]) -> Result<Vec<u8>, PlaceError>;

    /// The same as r and s, as JWS wants it.
    ///
    /// # Errors
    /// [`PlaceError::Key`].
    fn sign_fixed(&self, message: &[u8]) -> Result<[u8; 64], PlaceError> {
        let der = self.sign_der(message)?;
        let fixed =
            ecdsa_signature_to_fixed(&der, 32).map_err(|e| PlaceError::Key(e.to_string()))?;
        fixed.try_into().map_err(|_| PlaceError::Key("signature of another length".into()))
    }

    /// For client authentication in TLS.
    ///
    /// # Errors
    /// [`PlaceError::Key`].
    fn tls(&self) -> Result<Arc<dyn rustls::sign::SigningKey>, PlaceError>;

    /// PKCS #8, where the key may leave its place (a browser's store wants a copy).
    fn exportable(&self) -> Option<Zeroizing<Vec<u8>>>;

    /// The token that it lies in, if it lies in one.
    fn token(&self) -> Option<&Pkcs11Uri> {
        None
    }
}

/// The key of the terminal in this folder: its file holds it, or the PKCS #11 URI of where it lies.
///
/// # Errors
/// [`PlaceError`].
pub fn load(place: &Place) -> Result<Arc<dyn TerminalKey>, PlaceError> {
    match lies_in_token(place)? {
        Some(uri) => Ok(Arc::new(PkcsKey::open(&uri, &place.folder, false)?)),
        None => Ok(Arc::new(FileKey::load(&place.key())?)),
    }
}

/// The same; made where there is none, in the token that is named or in a file.
///
/// What its file says of an earlier run counts, whatever is named now: the certificate that was asked
/// for is for that key.
///
/// # Errors
/// [`PlaceError`].
pub fn load_or_make(
    place: &Place,
    token: Option<&Pkcs11Uri>,
    terminal: &str,
) -> Result<Arc<dyn TerminalKey>, PlaceError> {
    let uri = match (place.key().exists(), token) {
        (false, None) => None,
        (false, Some(token)) => {
            let label = format!("sekisho-{terminal}-{}", hex::encode(crate::random::<4>()));
            let uri = Pkcs11Uri { object: Some(label), ..token.clone() };
            // Where it will lie, before it is made: nothing stays in a token that nobody knows of.
            write_private(&place.key(), uri.to_string().as_bytes())?;
            Some(uri)
        }
        (true, _) => lies_in_token(place)?,
    };
    match uri {
        Some(uri) => Ok(Arc::new(PkcsKey::open(&uri, &place.folder, true)?)),
        None => Ok(Arc::new(FileKey::load_or_make(&place.key())?)),
    }
}

/// Removes the key from its token, if it lies in one.
///
/// # Errors
/// [`PlaceError`]: the token is not there, for instance.
pub fn remove_from_token(place: &Place) -> Result<(), PlaceError> {
    match lies_in_token(place)? {
        Some(uri) => token_key::remove(&uri, &place.folder),
        None => Ok(()),
    }
}

/// The place in a token that the key's file names, if it names one.
pub(super) fn lies_in_token(place: &Place) -> Result<Option<Pkcs11Uri>, PlaceError> {
    let path = place.key();
    let octets = Zeroizing::new(read(&path)?);
    // PKCS #8 begins with a SEQUENCE, 0x30.
    let Some(text) = std::str::from_utf8(&octets).ok().filter(|text| text.starts_with("pkcs11:"))
    else {
        return Ok(None);
    };
    let malformed = |error: Pkcs11UriError| PlaceError::Malformed {
        path: path.display().to_string(),
        why: error.to_string(),
    };
    let uri: Pkcs11Uri = text.trim().parse().map_err(malformed)?;
    uri.key_label().map_err(malformed)?;
    Ok(Some(uri))
}

/// A key in a file that only its user reads.
pub struct FileKey {
    key: SoftwareKey,
    public: Jwk,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl FileKey {
    /// Reads the key; makes one and writes it down where there is none.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn load_or_make(path: &Path) -> Result<Self, PlaceError> {
        if !path.exists() {
            let key = SoftwareKey::generate_p256().map_err(|e| PlaceError::Key(e.to_string()))?;
            let der = key.pkcs8_der().map_err(|e| PlaceError::Key(e.to_string()))?;
            let sealed = platform::seal(&der).map_err(at(path))?;
            // Written before anything is asked for: a certificate must never outlive its key.
            write_private(path, &sealed)?;
        }
        Self::load(path)
    }

    /// Reads the key.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn load(path: &Path) -> Result<Self, PlaceError> {
        let sealed = Zeroizing::new(super::place::read(path)?);
        let pkcs8 = platform::unseal(sealed).map_err(at(path))?;
        let key =
            SoftwareKey::from_pkcs8_der(&pkcs8).map_err(|e| PlaceError::Key(e.to_string()))?;
        let public =
            Jwk::from_spki_der(key.public_key_der()).map_err(|e| PlaceError::Key(e.to_string()))?;
        Ok(Self { key, public, pkcs8 })
    }
}

impl TerminalKey for FileKey {
    fn public(&self) -> &Jwk {
        &self.public
    }

    fn sign_der(&self, message: &[u8]) -> Result<Vec<u8>, PlaceError> {
        self.key.sign_now(message).map_err(|e| PlaceError::Key(e.to_string()))
    }

    fn tls(&self) -> Result<Arc<dyn rustls::sign::SigningKey>, PlaceError> {
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8.to_vec()));
        rustls::crypto::aws_lc_rs::sign::any_supported_type(&der)
            .map_err(|e| PlaceError::Key(e.to_string()))
    }

    fn exportable(&self) -> Option<Zeroizing<Vec<u8>>> {
        Some(self.pkcs8.clone())
    }
}
