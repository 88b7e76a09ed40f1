//! The line that a person pasted at the PC.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

use super::pkcs11_uri::Pkcs11Uri;

/// What a person pasted.
pub struct Invitation {
    /// Enrolment address.
    pub server: Url,
    /// SHA-256 of the root, hex.
    pub root_sha256: String,
    /// Terminal identifier.
    pub terminal: String,
    /// One-time code.
    pub code: SecretString,
    /// The token in which the key is to be made; none for a file.
    pub key_in: Option<Pkcs11Uri>,
}

impl Invitation {
    /// SHA-256 of the code however it was written, as the server reads it: any case, `O` for 0, `I`
    /// or `L` for 1, hyphens and spaces anywhere. 95 random bits need no salt and no slow hash.
    pub(super) fn code_sha256(&self) -> String {
        let plain = self.code.expose_secret().chars().filter(|c| !matches!(c, '-' | ' ' | '\t'));
        let plain: Zeroizing<String> = Zeroizing::new(
            plain
                .map(|character| match character.to_ascii_uppercase() {
                    'O' => '0',
                    'I' | 'L' => '1',
                    other => other,
                })
                .collect(),
        );
        hex::encode(Sha256::digest(plain.as_bytes()))
    }
}
