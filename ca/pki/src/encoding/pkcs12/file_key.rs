//! The key derivation of PKCS #12 itself (RFC 7292 appendix B): for the MAC of every file, and for the
//! ciphers of old ones.

use aws_lc_rs::digest;
use zeroize::Zeroizing;

use super::{
    Pkcs12Error,
    scheme::{Digest, MOST_PASSPHRASE, MOST_SALT, Work},
};

/// What the octets are for (appendix B.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A cipher's key.
    Key,
    /// A cipher's initialisation vector.
    Iv,
    /// The key of the MAC.
    Mac,
}

impl Purpose {
    const fn id(self) -> u8 {
        match self {
            Self::Key => 1,
            Self::Iv => 2,
            Self::Mac => 3,
        }
    }
}

/// A passphrase as appendix B.1 wants it: UTF-16, big-endian, two zeros at the end.
#[must_use]
pub fn bmp_string(passphrase: &str) -> Zeroizing<Vec<u8>> {
    let mut octets = Zeroizing::new(Vec::with_capacity(passphrase.len() * 2 + 2));
    for unit in passphrase.encode_utf16() {
        octets.extend(unit.to_be_bytes());
    }
    octets.extend([0, 0]);
    octets
}

/// So many octets by appendix B.2. `password` is a [`bmp_string`].
///
/// # Errors
/// [`Pkcs12Error::TooMuchWork`]; [`Pkcs12Error::Unsupported`]: salt or passphrase too long.
pub fn derive(
    digest: Digest,
    purpose: Purpose,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    octets: usize,
    work: &mut Work,
) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    if salt.len() > MOST_SALT || password.len() > MOST_PASSPHRASE * 2 + 2 {
        return Err(Pkcs12Error::Unsupported);
    }
    work.take(iterations, octets.div_ceil(digest.octets()) as u64)?;
    let algorithm = digest.hash();
    let block = algorithm.block_len();
    let filled = |octets: &[u8]| octets.len().div_ceil(block) * block;
    let mut input = Zeroizing::new(Vec::with_capacity(filled(salt) + filled(password)));
    input.extend(salt.iter().cycle().take(filled(salt)));
    input.extend(password.iter().cycle().take(filled(password)));
    let mut derived = Zeroizing::new(Vec::with_capacity(octets));
    loop {
        let mut context = digest::Context::new(algorithm);
        context.update(&vec![purpose.id(); block]);
        context.update(&input);
        let mut part = Zeroizing::new(context.finish().as_ref().to_vec());
        for _ in 1..iterations {
            let next = digest::digest(algorithm, &part);
            part.copy_from_slice(next.as_ref());
        }
        let missing = octets - derived.len();
        derived.extend(part.iter().take(missing));
        if derived.len() == octets {
            return Ok(derived);
        }
        let repeated: Zeroizing<Vec<u8>> =
            Zeroizing::new(part.iter().copied().cycle().take(block).collect());
        for number in input.chunks_exact_mut(block) {
            add_and_one(number, &repeated);
        }
    }
}

/// Adds `other + 1` to a big-endian number; what overflows is dropped.
fn add_and_one(number: &mut [u8], other: &[u8]) {
    let mut carry = 1;
    for (digit, other) in number.iter_mut().rev().zip(other.iter().rev()) {
        let [over, low] = (u16::from(*digit) + u16::from(*other) + carry).to_be_bytes();
        *digit = low;
        carry = over.into();
    }
}
