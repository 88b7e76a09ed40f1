//! No prime below 10,000 divides the modulus: broken generators and damaged files leave such, and
//! with one factor the other is known.

use std::sync::OnceLock;

use num_bigint::BigUint;

use super::{Key, KeyFlaw, odd_primes};

const END: u32 = 10_000;

pub(super) fn check(key: &Key<'_>) -> Result<(), KeyFlaw> {
    static PRIMES: OnceLock<Vec<u32>> = OnceLock::new();
    let Key::Rsa { modulus, .. } = key else { return Ok(()) };
    if !modulus.bit(0) {
        return Err(KeyFlaw::SmallFactor { factor: 2 });
    }
    let primes = PRIMES.get_or_init(|| odd_primes(END));
    match primes.iter().find(|prime| divides(**prime, modulus)) {
        Some(factor) => Err(KeyFlaw::SmallFactor { factor: *factor }),
        None => Ok(()),
    }
}

fn divides(prime: u32, modulus: &BigUint) -> bool {
    modulus % prime == BigUint::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registration::key::{
        check,
        examples::{SMALL_FACTOR, public_key_of_request, rsa, rsa_parts},
    };

    #[test]
    fn an_even_modulus_and_one_with_a_small_factor_are_refused() {
        let (modulus, exponent) = rsa_parts();
        assert_eq!(check(&rsa(&modulus, &exponent)), Ok(()));
        let even = &modulus - 1_u32;
        assert_eq!(check(&rsa(&even, &exponent)), Err(KeyFlaw::SmallFactor { factor: 2 }));
        let key = public_key_of_request(SMALL_FACTOR);
        assert_eq!(check(&key), Err(KeyFlaw::SmallFactor { factor: 7_919 }));
        // The largest prime that is tried.
        let by_9973 = &modulus - &modulus % 19_946_u32 + 9_973_u32;
        assert!(matches!(check(&rsa(&by_9973, &exponent)), Err(KeyFlaw::SmallFactor { .. })));
    }
}
