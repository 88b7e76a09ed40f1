//! What an RSA key on a card is handed: a SHA-256 digest in its DigestInfo, or that in a padded block
//! (RFC 8017 §9.2).
//!
//! An encoding, and no leave to sign: a card is handed only what [`crate::signed_input`] or a document's
//! signed attributes were made into.

use crate::octets::Sha256Digest;

/// DigestInfo of SHA-256 up to the digest (RFC 8017 §9.2, note 1).
const PREFIX: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// A DigestInfo of SHA-256, 51 octets: for cards that pad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestInfo([u8; 51]);

/// The shortest modulus for which the padding has its eight octets: 11 + 51 octets.
const SHORTEST_MODULUS: usize = 11 + 51;

impl DigestInfo {
    /// Of a digest.
    pub fn new(digest: Sha256Digest) -> Self {
        let mut info = [0; 51];
        info[..19].copy_from_slice(&PREFIX);
        info[19..].copy_from_slice(digest.as_bytes());
        Self(info)
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// EMSA-PKCS1-v1_5 block (RFC 8017 §9.2) of `modulus_octets`: for cards that don't pad.
    ///
    /// `None` where the modulus is too short to hold it, which no card of a living generation is.
    pub fn encoded_message(&self, modulus_octets: usize) -> Option<Vec<u8>> {
        if modulus_octets < SHORTEST_MODULUS {
            return None;
        }
        let mut block = vec![0xff; modulus_octets];
        block[0] = 0;
        block[1] = 1;
        let separator = modulus_octets - self.0.len() - 1;
        block[separator] = 0;
        block[separator + 1..].copy_from_slice(&self.0);
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> DigestInfo {
        DigestInfo::new(Sha256Digest::of(b"message"))
    }

    #[test]
    fn the_block_has_the_form_that_cards_check() {
        let block = info().encoded_message(256).unwrap();
        assert_eq!(block.len(), 256);
        assert_eq!(block[..2], [0, 1]);
        assert!(block[2..204].iter().all(|octet| *octet == 0xff));
        assert_eq!(block[204], 0);
        assert_eq!(block[205..], *info().as_bytes());
    }

    #[test]
    fn a_modulus_without_room_for_the_padding_is_refused() {
        assert!(info().encoded_message(61).is_none());
        assert!(info().encoded_message(62).is_some());
    }
}
