//! Fermat's method does not find the primes: a generator that takes the next prime after the first
//! one for the second (CVE-2022-26320) leaves a modulus that is taken apart in a few steps.

use num_bigint::BigUint;

use super::{Key, KeyFlaw};

/// Honest primes need more steps than there are atoms; the broken generators need less than twenty.
const STEPS: u32 = 100;

pub(super) fn check(key: &Key<'_>) -> Result<(), KeyFlaw> {
    match key {
        Key::Rsa { modulus, .. } if are_close(modulus) => Err(KeyFlaw::ClosePrimes),
        _ => Ok(()),
    }
}

/// Looks for a² - n = b² with a from √n upwards: then n = (a + b)(a - b).
fn are_close(modulus: &BigUint) -> bool {
    let mut a = modulus.sqrt();
    if &a * &a < *modulus {
        a += 1_u32;
    }
    let mut rest = &a * &a - modulus;
    for _ in 0..STEPS {
        if is_square(&rest) {
            return true;
        }
        // (a + 1)² - n
        rest += (&a << 1) + 1_u32;
        a += 1_u32;
    }
    false
}

/// A root is taken only if the number is a square for small moduli, which one in a hundred is.
fn is_square(number: &BigUint) -> bool {
    if *number == BigUint::ZERO {
        return true;
    }
    let may_be = [64_u32, 63, 65, 11].into_iter().all(|modulus| {
        let residue = number % modulus;
        (0..modulus).any(|root| BigUint::from(root * root % modulus) == residue)
    });
    may_be && {
        let root = number.sqrt();
        &root * &root == *number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registration::key::{
        check,
        examples::{CLOSE_PRIMES, public_key_of_request, rsa, rsa_parts},
    };

    #[test]
    fn neighbouring_primes_are_found_and_honest_ones_are_not() {
        let (modulus, exponent) = rsa_parts();
        assert_eq!(check(&rsa(&modulus, &exponent)), Ok(()));
        assert_eq!(check(&public_key_of_request(CLOSE_PRIMES)), Err(KeyFlaw::ClosePrimes));
        // A square is the closest of all.
        let root = modulus.sqrt() | BigUint::from(1_u32);
        assert!(are_close(&(&root * &root)));
        let next = &root + 2_u32 * 1_000_u32;
        assert!(are_close(&(root * next)));
    }
}
