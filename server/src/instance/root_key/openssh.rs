//! A private key as `ssh-keygen` keeps it (`PROTOCOL.key` of OpenSSH): the public key stands in it openly, the
//! private one behind it, under a passphrase or not.

use sekisho_key::scalar_octets;

use super::content::Holds;

const MAGIC: &[u8] = b"openssh-key-v1\0";
/// The name of the cipher, with its length, where the private part is not encrypted.
const OPEN: &[u8] = b"\0\0\0\x04none";
/// Octets of a modulus: no two keys agree in so many.
const OF_MODULUS: usize = 128;
/// What stands behind the modulus in a `SubjectPublicKeyInfo`: the exponent 65537.
const EXPONENT: usize = 5;

/// What keys of that form, anywhere within these octets, tell of the roots'.
pub(super) fn holds(content: &[u8], roots_spki_der: &[Vec<u8>]) -> Holds {
    let known: Vec<&[u8]> = roots_spki_der.iter().filter_map(|spki| known_by(spki)).collect();
    let (mut found, mut rest) = (Holds::Nothing, content);
    while let Some(at) = position(rest, MAGIC) {
        rest = &rest[at + MAGIC.len()..];
        let key = &rest[..position(rest, MAGIC).unwrap_or(rest.len())];
        if known.iter().any(|known| position(key, known).is_some()) {
            let holds = if key.starts_with(OPEN) { Holds::Root } else { Holds::Wrapped };
            found = found.max(holds);
        }
    }
    found
}

fn position(content: &[u8], part: &[u8]) -> Option<usize> {
    content.windows(part.len()).position(|window| window == part)
}

/// The part of a public key that every writing of it has: the point, or the end of the modulus.
fn known_by(spki_der: &[u8]) -> Option<&[u8]> {
    match scalar_octets(spki_der) {
        Some(length) => Some(&spki_der[spki_der.len() - 2 * length - 1..]),
        None => {
            let end = spki_der.len().checked_sub(EXPONENT)?;
            Some(&spki_der[end.checked_sub(OF_MODULUS)?..end])
        }
    }
}
