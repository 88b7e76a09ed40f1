//! Private keys that lie open: in the clear, or under a passphrase that everybody knows.
//!
//! Made for one question, whether a file gives a key away. It hands out what it finds, so it is kept
//! apart from the reading that shows files to people.

use zeroize::Zeroizing;

use super::{BAG, Content, MOST_OCTETS, Pfx, Pkcs12Error, Scheme, Work, shrouded, visit_bags};
use crate::encoding::tlv::{Reader, Rules, Tag};

/// A private key of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundKey {
    /// DER `PrivateKeyInfo` (RFC 5958 §2).
    Open(Zeroizing<Vec<u8>>),
    /// Under another passphrase, under an algorithm that is not carried out here, or more work
    /// than was allowed.
    Shut(Pkcs12Error),
}

/// Every private key of a PFX, opened with `passphrase`. A part that does not open may hold
/// keys, so it counts as one.
///
/// # Errors
/// [`Pkcs12Error::Malformed`], [`Pkcs12Error::TooLarge`].
pub fn of_pfx(pfx: &Pfx, passphrase: &str, work: &mut Work) -> Result<Vec<FoundKey>, Pkcs12Error> {
    let mut found = Vec::new();
    for content in &pfx.contents {
        let safe_contents = match content.open(passphrase, work) {
            Ok(safe_contents) => safe_contents,
            // Not for a passphrase at all.
            Err(_) if matches!(content, Content::Enveloped | Content::Other(_)) => continue,
            Err(error) => {
                found.push(FoundKey::Shut(error));
                continue;
            }
        };
        visit_bags(&safe_contents, |kind, value, _| {
            match kind.strip_prefix(BAG) {
                Some("1") => found.push(FoundKey::Open(Zeroizing::new(value.whole.to_vec()))),
                Some("2") => found.push(open(shrouded(value)?, passphrase, work)),
                _ => {}
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// The key of a DER `EncryptedPrivateKeyInfo` (RFC 5958 §3), opened with `passphrase`.
///
/// # Errors
/// [`Pkcs12Error::Malformed`], [`Pkcs12Error::TooLarge`].
pub fn of_encrypted_key(
    der: &[u8],
    passphrase: &str,
    work: &mut Work,
) -> Result<FoundKey, Pkcs12Error> {
    if der.len() > MOST_OCTETS {
        return Err(Pkcs12Error::TooLarge);
    }
    let mut reader = Reader::new(der, Rules::Ber);
    let whole = reader.next_as(Tag::SEQUENCE, "EncryptedPrivateKeyInfo")?;
    reader.finish()?;
    Ok(open(shrouded(&whole)?, passphrase, work))
}

fn open((scheme, ciphertext): (Scheme, Vec<u8>), passphrase: &str, work: &mut Work) -> FoundKey {
    match scheme.open(passphrase, &ciphertext, work) {
        // A wrong key leaves good padding once in 256: what comes out must look like a key too.
        Ok(key) if is_sequence(&key) => FoundKey::Open(key),
        Ok(_) => FoundKey::Shut(Pkcs12Error::Passphrase),
        Err(error) => FoundKey::Shut(error),
    }
}

fn is_sequence(octets: &[u8]) -> bool {
    let mut reader = Reader::new(octets, Rules::Ber);
    reader.next_as(Tag::SEQUENCE, "PrivateKeyInfo").is_ok() && reader.finish().is_ok()
}
