//! A card's private key. RSA: what the cards in the field hold.

use aws_lc_rs::digest::{Algorithm, Digest, SHA256, SHA384, SHA512};
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding,
};

use crate::personal::CardError;

/// Wrong data.
const WRONG: u16 = 0x6a80;
/// DigestInfo up to the digest (RFC 8017 §9.2, note 1).
const DIGEST_INFOS: [(&[u8], &Algorithm, &dyn RsaEncoding); 3] = [
    (
        &[0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20],
        &SHA256,
        &RSA_PKCS1_SHA256,
    ),
    (
        &[0x30, 0x41, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2, 5, 0, 4, 0x30],
        &SHA384,
        &RSA_PKCS1_SHA384,
    ),
    (
        &[0x30, 0x51, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 0x40],
        &SHA512,
        &RSA_PKCS1_SHA512,
    ),
];

/// Signs digests only: the library has no signature of arbitrary octets, which real cards would make.
pub(crate) struct CardKey(KeyPair);

impl CardKey {
    /// # Errors
    /// [`CardError::Key`].
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, CardError> {
        KeyPair::from_pkcs8(der).map(Self).map_err(|_| CardError::Key)
    }

    /// RSASSA-PKCS1-v1_5 over a DigestInfo of SHA-256, -384 or -512.
    pub(crate) fn sign_digest_info(&self, info: &[u8]) -> Result<Vec<u8>, u16> {
        let known = DIGEST_INFOS.iter().find_map(|(prefix, algorithm, padding)| {
            let digest = info.strip_prefix(*prefix)?;
            Some((Digest::import_less_safe(digest, algorithm).ok()?, *padding))
        });
        let (digest, padding) = known.ok_or(WRONG)?;
        self.sign(&digest, padding)
    }

    /// The same over a whole block `00 01 FF… 00 DigestInfo` (RFC 8017 §9.2) as long as the key.
    pub(crate) fn sign_block(&self, block: &[u8]) -> Result<Vec<u8>, u16> {
        let octets = self.0.public_modulus_len();
        let filled = block.strip_prefix(&[0, 1]).filter(|_| block.len() == octets).ok_or(WRONG)?;
        let filling = filled.iter().take_while(|octet| **octet == 0xff).count();
        if filling < 8 {
            return Err(WRONG);
        }
        self.sign_digest_info(filled[filling..].strip_prefix(&[0]).ok_or(WRONG)?)
    }

    /// RSASSA-PKCS1-v1_5 over a digest of SHA-256.
    pub(crate) fn sign_sha256(&self, digest: &[u8]) -> Result<Vec<u8>, u16> {
        self.sign(&sha256(digest)?, &RSA_PKCS1_SHA256)
    }

    /// RSASSA-PSS over a digest of SHA-256.
    pub(crate) fn sign_pss(&self, digest: &[u8]) -> Result<Vec<u8>, u16> {
        self.sign(&sha256(digest)?, &RSA_PSS_SHA256)
    }

    fn sign(&self, digest: &Digest, padding: &'static dyn RsaEncoding) -> Result<Vec<u8>, u16> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign_digest(padding, digest, &mut signature).map_err(|_| 0x6f00_u16)?;
        Ok(signature)
    }
}

fn sha256(digest: &[u8]) -> Result<Digest, u16> {
    Digest::import_less_safe(digest, &SHA256).map_err(|_| WRONG)
}
