//! The frame that certificates, CRLs, requests and OCSP responses share.
//!
//! ```text
//! SIGNED ::= SEQUENCE { toBeSigned ANY, algorithm AlgorithmIdentifier, signature BIT STRING }
//! ```

use der::{Decode, Encode, Header, Reader, Sequence, SliceReader, Tag, asn1::BitString};
use spki::AlgorithmIdentifierOwned;

/// A signed object taken apart without touching the octets under the signature.
///
/// A signature is verified over the octets that arrived, never over a re-encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedObject<'a> {
    /// The octets that were signed, tag and length included.
    pub to_be_signed: &'a [u8],
    /// The algorithm outside the signature.
    pub algorithm: AlgorithmIdentifierOwned,
    /// The signature's octets.
    pub signature: Vec<u8>,
}

impl<'a> SignedObject<'a> {
    /// Takes DER apart; members after the signature are an error unless `trailing`, which
    /// BasicOCSPResponse needs for its certificates.
    ///
    /// # Errors
    /// [`der::Error`].
    pub fn parse(der: &'a [u8], trailing: bool) -> der::Result<Self> {
        let mut outer = SliceReader::new(der)?;
        let header = Header::peek(&outer)?;
        if header.tag() != Tag::Sequence {
            return Err(Tag::Sequence.value_error().into());
        }
        let object = outer.tlv_bytes()?;
        outer.finish()?;
        let content_at = object.len()
            - usize::try_from(header.length()).map_err(|_| Tag::Sequence.value_error())?;
        let mut reader = SliceReader::new(&object[content_at..])?;
        let to_be_signed = reader.tlv_bytes()?;
        let algorithm = AlgorithmIdentifierOwned::decode(&mut reader)?;
        let signature = BitString::decode(&mut reader)?;
        if !trailing {
            reader.finish()?;
        }
        let signature = signature.as_bytes().ok_or_else(|| Tag::BitString.value_error())?.to_vec();
        Ok(Self { to_be_signed, algorithm, signature })
    }
}

/// Puts a signed object together.
///
/// # Errors
/// [`der::Error`]: `to_be_signed` is not DER, or the whole is too long.
pub fn assemble(
    to_be_signed: &[u8],
    algorithm: AlgorithmIdentifierOwned,
    signature: &[u8],
) -> der::Result<Vec<u8>> {
    #[derive(Sequence)]
    struct Frame<'b> {
        to_be_signed: der::AnyRef<'b>,
        algorithm: AlgorithmIdentifierOwned,
        signature: BitString,
    }
    Frame {
        to_be_signed: der::AnyRef::from_der(to_be_signed)?,
        algorithm,
        signature: BitString::from_bytes(signature)?,
    }
    .to_der()
}

#[cfg(test)]
mod tests {
    use const_oid::db::rfc5912::ECDSA_WITH_SHA_256;
    use proptest::prelude::*;

    use super::*;

    fn algorithm() -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA_256, parameters: None }
    }

    #[test]
    fn what_was_put_together_comes_apart() {
        let whole = assemble(&[0x30, 0x03, 0x02, 0x01, 0x05], algorithm(), b"sig").unwrap();
        let parts = SignedObject::parse(&whole, false).unwrap();
        assert_eq!(parts.to_be_signed, [0x30, 0x03, 0x02, 0x01, 0x05]);
        assert_eq!(parts.signature, b"sig");
        assert_eq!(parts.algorithm, algorithm());
        let mut longer = whole.clone();
        longer.push(0);
        assert!(SignedObject::parse(&longer, false).is_err());
        for end in 0..whole.len() {
            assert!(SignedObject::parse(&whole[..end], true).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = SignedObject::parse(&bytes, true);
            let _ = assemble(&bytes, algorithm(), &bytes);
        }
    }
}
