//! Where the terminal's private key lives.
//!
//! | place | state | made for |
//! |---|---|---|
//! | [`FileKey`] | here | any PC; a folder that only its user reads |
//! | PKCS #11 token | place kept: implement [`TerminalKey`] over `cryptoki` | smart card or HSM at the PC |
//! | TPM 2.0 | place kept: implement [`TerminalKey`] over the platform's TPM stack | Linux, key not exportable |
//! | CNG | place kept: implement [`TerminalKey`] over NCrypt; Edge and Chrome read the same store | Windows, key not exportable |

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sekisho_key::{SigningKey, SoftwareKey, ecdsa_signature_to_fixed};
use sekisho_protocol::Jwk;
use zeroize::Zeroizing;

use super::place::{PlaceError, write_private};

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
            // Written before anything is asked for: a certificate must never outlive its key.
            write_private(path, &der)?;
        }
        Self::load(path)
    }

    /// Reads the key.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn load(path: &Path) -> Result<Self, PlaceError> {
        let pkcs8 = Zeroizing::new(super::place::read(path)?);
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
