//! Is the key itself fit to be certified: one rule a file.
//!
//! Whoever holds a key that others can compute holds nothing. These rules look at the public key
//! alone and need no register: each is a mistake that real generators made, and that can be seen
//! from outside in well under a millisecond.

mod close_primes;
mod debian;
mod exponent;
mod named_curve;
mod point;
mod roca;
mod small_factor;

#[cfg(test)]
mod examples;

use const_oid::{ObjectIdentifier, db::rfc5912};
use der::{Any, Decode, Sequence, asn1::UintRef};
use num_bigint::BigUint;
use sekisho_pki::inspect::name_of;
use spki::SubjectPublicKeyInfoRef;

/// What is wrong with a key. All are mended by making a new one, with other software.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFlaw {
    /// Not a public key at all.
    #[error("the public key is not well formed")]
    Malformed,
    /// Neither RSA nor elliptic.
    #[error("keys of kind {} are not certified; use P-256, P-384 or RSA", named(oid))]
    Kind {
        /// The key's algorithm.
        oid: ObjectIdentifier,
    },
    /// The curve is written out instead of named (CVE-2020-0601 made use of such).
    #[error("the curve is given by explicit parameters; name P-256 or P-384")]
    ExplicitParameters,
    /// Another curve.
    #[error("the curve {} is not certified; use P-256 or P-384", named(oid))]
    Curve {
        /// The curve.
        oid: ObjectIdentifier,
    },
    /// At infinity, not on the curve, or not written in uncompressed form.
    #[error("the point is not one of its curve in uncompressed form")]
    Point,
    /// Small, even or strange.
    #[error("the RSA exponent is not 65537")]
    Exponent,
    /// Two and other small primes divide the modulus.
    #[error("the RSA modulus is divisible by {factor}")]
    SmallFactor {
        /// The smallest one.
        factor: u32,
    },
    /// Fermat's method finds the factors.
    #[error("the two primes of the RSA key are so close that anybody finds them")]
    ClosePrimes,
    /// A chip of CVE-2017-15361 made it.
    #[error("the RSA key was made by a chip with the ROCA flaw (CVE-2017-15361)")]
    Roca,
    /// Debian's generator without randomness made it.
    #[error("the key is one of those that Debian's broken OpenSSL makes (CVE-2008-0166)")]
    DebianWeak,
}

/// A public key as the rules see it.
enum Key<'a> {
    Elliptic { curve: ObjectIdentifier, point: &'a [u8] },
    Rsa { modulus: BigUint, exponent: BigUint },
}

#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

type Rule = fn(&Key<'_>) -> Result<(), KeyFlaw>;

/// Cheap ones first.
const RULES: [Rule; 7] = [
    named_curve::check,
    point::check,
    exponent::check,
    small_factor::check,
    roca::check,
    debian::check,
    close_primes::check,
];

/// Judges a DER `SubjectPublicKeyInfo`.
pub(crate) fn check(public_key_der: &[u8]) -> Result<(), KeyFlaw> {
    let key = read(public_key_der)?;
    RULES.iter().try_for_each(|rule| rule(&key))
}

/// Why a key is none of [`sekisho_pki::signature::PublicKeyKind`].
pub(crate) fn why_unknown(public_key_der: &[u8]) -> KeyFlaw {
    check(public_key_der).err().unwrap_or(KeyFlaw::Malformed)
}

/// A name where people have one, the number otherwise.
fn named(oid: &ObjectIdentifier) -> String {
    let number = oid.to_string();
    name_of(&number).map_or(number, str::to_owned)
}

fn read(spki_der: &[u8]) -> Result<Key<'_>, KeyFlaw> {
    let spki = SubjectPublicKeyInfoRef::try_from(spki_der).map_err(|_| KeyFlaw::Malformed)?;
    let bits = spki.subject_public_key.as_bytes().ok_or(KeyFlaw::Malformed)?;
    match spki.algorithm.oid {
        rfc5912::ID_EC_PUBLIC_KEY => {
            let parameters = spki.algorithm.parameters.ok_or(KeyFlaw::Malformed)?;
            let curve = named_curve::of(&Any::from(parameters))?;
            Ok(Key::Elliptic { curve, point: bits })
        }
        rfc5912::RSA_ENCRYPTION => {
            let key = RsaPublicKey::from_der(bits).map_err(|_| KeyFlaw::Malformed)?;
            Ok(Key::Rsa {
                modulus: BigUint::from_bytes_be(key.modulus.as_bytes()),
                exponent: BigUint::from_bytes_be(key.exponent.as_bytes()),
            })
        }
        oid => Err(KeyFlaw::Kind { oid }),
    }
}

/// The odd primes below `end`.
fn odd_primes(end: u32) -> Vec<u32> {
    let mut primes: Vec<u32> = Vec::new();
    for candidate in (3..end).step_by(2) {
        let composite = primes
            .iter()
            .take_while(|prime| *prime * *prime <= candidate)
            .any(|prime| candidate.is_multiple_of(*prime));
        if !composite {
            primes.push(candidate);
        }
    }
    primes
}
